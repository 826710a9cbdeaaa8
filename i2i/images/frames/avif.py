"""The frames of an AVIF file: how long each is shown, how often they are played, and how they are written."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, islice, repeat
from pathlib import Path
from typing import IO

from PIL import Image

from i2i.errors import BrokenPicture
from i2i.images.frames.sequence import FrameLost, Frames, Layout, durations_between
from i2i.images.holding import Held
from i2i.images.rows import Rows

_CONTAINERS = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl")
_MOST = 1 << 20  # frames; more are refused elsewhere
_REPEATED = 1  # flag of an edit list
_Track = dict[bytes, tuple[int, int]]
"""Where the body of each box of a track starts and ends."""


def avif_layout(file: IO[bytes]) -> Layout:
    """Of an AVIF image sequence (ISO/IEC 14496-12, 8.3 to 8.7; AVIF 1.1, section 3).

    Raises `FrameLost` where the file ends before a frame does.
    """
    end = file.seek(0, os.SEEK_END)
    movie = _movie(file, end)
    track = _tracks(movie)[0]
    for number, stop in enumerate(islice(_ends(movie, track), _MOST), 1):
        if stop > end:
            raise FrameLost(number)
    start = track[b"mdhd"][0]
    (scale,) = struct.unpack_from(">I", movie, start + (20 if movie[start] else 12))
    steps = chain.from_iterable(repeat(step, count) for count, step in _pairs(movie, track[b"stts"][0]))
    times = accumulate((1000 * step / scale for step in islice(steps, _MOST)), initial=0)
    durations = durations_between(list(times))
    return Layout(Frames(len(durations), durations, _plays(movie, track)), (0, 0))


def write_avif(pictures: Iterable[Rows], frames: Frames, file: IO[bytes], first: Held, path: Path) -> None:
    """Write pictures of one size and kind as they come; the encoder looks some dozens of them ahead.

    `first` says how the first one goes into the file. Raises `BrokenPicture` where the encoder refuses them.
    """
    sequence, told = _Sequence(iter(pictures), frames.count), first.metadata
    colours = {"subsampling": "4:0:0"} if first.channels == 1 else dict(first.format.settings or {})
    beside = {"icc_profile": first.profile, "exif": told.exif and b"Exif\0\0" + told.exif, "xmp": told.xmp}
    said = {name: block for name, block in beside.items() if block}
    stream = io.BytesIO()
    try:
        durations = list(frames.durations)
        sequence.save(stream, "AVIF", save_all=True, duration=durations, quality=first.quality, **colours, **said)
    except Exception as problem:  # Pillow's writers raise several kinds
        if problem is sequence.failure:
            raise
        what = f"{frames.count} frames of {first.width}×{first.height} as AVIF"
        raise BrokenPicture(str(path), f"cannot be written ({what}: {problem or type(problem).__name__})") from problem
    file.write(_played(stream.getvalue(), frames.loop) if frames.loop else stream.getbuffer())


class _Sequence(Image.Image):
    """An animation as Pillow's writer asks for it: one frame after another, the first one twice."""

    is_animated = True

    def __init__(self, pictures: Iterator[Rows], count: int) -> None:
        super().__init__()
        self.n_frames = count
        self.failure: Exception | None = None
        self._pictures, self._place = pictures, -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Show this frame, which is the next one; going back shows none."""
        if frame <= self._place:
            return
        try:
            rows = next(self._pictures)
        except StopIteration:
            raise EOFError from None
        except Exception as problem:
            self.failure = problem
            raise
        picture = Image.fromarray(rows[:, :, 0] if rows.shape[2] == 1 else rows)
        if picture.mode == "L":  # the writer would look for colours in all frames before it takes the first
            picture = picture.convert("RGB")
        self.__dict__.update(vars(picture))
        self._place = frame

    def tell(self) -> int:
        """The number of the frame that is shown."""
        return self._place


def _played(contents: bytes, times: int) -> bytes:
    """An image sequence that is played so often, not for ever as Pillow writes it."""
    changed = bytearray(contents)
    movie = next(place for name, *place in _boxes(contents, 0, len(contents)) if name == b"moov")
    length = times * _segment(contents, _tracks(contents, *movie)[0])
    for track in _tracks(contents, *movie):
        struct.pack_into(">Q", changed, track[b"tkhd"][0] + 28, length)
    header = next(start for name, start, _ in _boxes(contents, *movie) if name == b"mvhd")
    struct.pack_into(">Q", changed, header + 24, length)
    return bytes(changed)


def _movie(file: IO[bytes], end: int) -> bytes:
    """The body of the box that describes the sequence."""
    place = 0
    while file.seek(place) == place and len(head := file.read(16)) >= 8:
        length, name = struct.unpack(">I4s", head[:8])
        start, length = (16, struct.unpack(">Q", head[8:])[0]) if length == 1 else (8, length or end - place)
        if name == b"moov":
            file.seek(place + start)
            return file.read(length - start)
        place += max(8, length)
    raise EOFError("no description of a sequence")


def _boxes(body: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name of each box, and where its body starts and ends."""
    while start + 8 <= stop:
        length, name = struct.unpack_from(">I4s", body, start)
        yield name, start + 8, min(stop, start + length)
        start += max(8, length)


def _tracks(body: bytes, start: int = 0, stop: int | None = None) -> list[_Track]:
    """The colours' track first; another holds transparency."""
    inside = _boxes(body, start, len(body) if stop is None else stop)
    tracks = [dict(_flat(body, *place)) for name, *place in inside if name == b"trak"]
    return sorted(tracks, key=lambda track: b"auxv" in body[slice(*track[b"hdlr"])][8:12])


def _flat(body: bytes, start: int, stop: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    for name, first, last in _boxes(body, start, stop):
        if name in _CONTAINERS:
            yield from _flat(body, first, last)
        else:
            yield name, (first, last)


def _segment(body: bytes, track: _Track) -> int:
    """How long it takes to play the frames once, in the file's own unit."""
    start = track[b"elst"][0]
    length: int = struct.unpack_from(">Q" if body[start] else ">I", body, start + 8)[0]
    return length


def _plays(body: bytes, track: _Track) -> int:
    """How often the frames are played; 0: for ever."""
    if b"elst" not in track or not body[track[b"elst"][0] + 3] & _REPEATED:
        return 1
    start = track[b"tkhd"][0]
    form, place = (">Q", 28) if body[start] else (">I", 20)
    (whole,) = struct.unpack_from(form, body, start + place)
    endless = whole == 2 ** (8 * struct.calcsize(form)) - 1
    return 0 if endless else max(1, -(-whole // max(1, _segment(body, track))))


def _pairs(body: bytes, start: int, numbers: int = 2) -> Iterator[tuple[int, ...]]:
    """The rows of a table of so many numbers of 32 bits each."""
    (count,) = struct.unpack_from(">I", body, start + 4)
    for row in range(count):
        yield struct.unpack_from(f">{numbers}I", body, start + 8 + 4 * numbers * row)


def _ends(body: bytes, track: _Track) -> Iterator[int]:
    """Where each frame ends in the file: chunks lie anywhere, the samples of one behind each other."""
    start = track[b"stsz"][0]
    common, count = struct.unpack_from(">II", body, start + 4)
    sizes = (common or struct.unpack_from(">I", body, start + 12 + 4 * number)[0] for number in range(count))
    form, table = (">Q", track[b"co64"]) if b"co64" in track else (">I", track[b"stco"])
    runs = {first: samples for first, samples, _ in _pairs(body, track[b"stsc"][0], 3)}
    samples = 1
    for chunk in range(struct.unpack_from(">I", body, table[0] + 4)[0]):
        samples = runs.get(chunk + 1, samples)
        (place,) = struct.unpack_from(form, body, table[0] + 8 + struct.calcsize(form) * chunk)
        for size in islice(sizes, samples):
            place += size
            yield place
