"""How much a server takes in and keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from i2i.images.limits import Limits


@dataclass(frozen=True)
class Bounds:
    """What clients may ask for; all that is kept stays below these."""

    body_bytes: int = 512 * 2**20
    """Of one request."""
    picture_bytes: int = 128 * 2**20
    """Of one file."""
    pixels: int = 100_000_000
    """Of a picture; of an answer `ANSWER` times as many."""
    pictures: int = 100
    """Of a job."""
    jobs: int = 32
    """That arrive, wait or are at work."""
    samples: int = 400
    """Made by one job."""
    kept_bytes: int = 4 * 2**30
    """Of all jobs together."""
    kept_jobs: int = 256
    kept_seconds: float = 3600.0
    """After a job's end."""
    models: int = 2
    """In memory at once."""
    quiet_seconds: float = 20.0
    """In which not a byte of a request arrives."""
    body_seconds: float = 900.0
    """For a whole request to arrive."""

    def limits(self, scale: int = 1) -> Limits:
        """Of files that a model enlarges `scale` times."""
        pixels = min(self.pixels, max(1, ANSWER * self.pixels // scale**2))
        return Limits(
            pixels=pixels,
            all_pixels=4 * pixels,
            frames=1000,
            file_bytes=self.picture_bytes,
            metadata_bytes=4 * 2**20,
            seconds=60.0,
        )

    def answers(self) -> Limits:
        """Of files that this server has written."""
        pixels = ANSWER * self.pixels
        return replace(self.limits(), pixels=pixels, all_pixels=4 * pixels, file_bytes=max(2**32, self.kept_bytes))


ANSWER = 4
