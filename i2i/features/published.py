"""Weights that somebody published: fetched once, verified, kept where torchvision keeps its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from i2i.disk.digests import sha256_of
from i2i.errors import I2IError
from i2i.hub.web import NotFetched, download


@dataclass(frozen=True)
class Published:
    """A file on the web that is known byte for byte."""

    url: str
    sha256: str
    megabytes: float

    @property
    def name(self) -> str:
        """Of the file."""
        return self.url.rpartition("/")[2]

    @property
    def cached(self) -> Path:
        """Where the file lies once it is here: torch's own cache, so that what torchvision fetched is found."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
        return Path(os.environ.get("TORCH_HOME") or cache).expanduser() / "hub" / "checkpoints" / self.name

    @property
    def is_here(self) -> bool:
        """Whether it need not be fetched."""
        return self.cached.is_file()

    def fetched(self, instead: str) -> Path:
        """The verified file, from the cache or the web; `instead` says what else would work where neither has it.

        Raises `I2IError` that names the URL and the file to provide.
        """
        provide = f"put {self.name} ({self.megabytes:g} MB, SHA-256 {self.sha256}) at {self.cached}, or {instead}"
        if not self.is_here:
            self._download(provide)
        if (found := sha256_of(self.cached)) != self.sha256:
            raise I2IError(f"{self.cached}: not the published file (its SHA-256 is {found}); remove it, or {provide}")
        return self.cached

    def _download(self, provide: str) -> None:
        try:
            self.cached.parent.mkdir(parents=True, exist_ok=True)
            download(self.url, self.cached, self.sha256)
        except (NotFetched, OSError) as error:  # no way to the host, no place on the disk, another hash
            raise I2IError(f"{self.url}: cannot be fetched ({error}); {provide}") from error


def given_or_published(given: str | None, published: Published, what: str, instead: str) -> tuple[Path, str]:
    """The file that an option names, or the published one, and its SHA-256.

    `what` the file holds and what would work `instead` of the published one are for the errors. Raises `I2IError`.
    """
    if given is None:
        return published.fetched(instead), published.sha256
    path = Path(given)
    if not path.exists():
        raise I2IError(f"{path}: no such file; put {what} there")
    return path, sha256_of(path)
