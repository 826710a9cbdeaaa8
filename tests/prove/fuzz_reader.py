"""Feeds the reader hostile files: `mutate` so many of one format, `fuzz` for so long, led by coverage, `read` one file.

Run by test_hostile_pictures.py in a process of its own, so that the crash of a C library is seen and counted. Lines of
JSON on standard output: `{"began": 7}` before file 7 is read, and afterwards what became of it.
"""

import argparse
import collections
import io
import json
import os
import random
import re
import resource
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy
from PIL import Image, ImageCms

from i2i.images.heif import heif_is_readable

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
BUDGET = 1_500_000_000
"""Bytes that a picture may need, by the estimate in its header: what a pipeline of 2 GB would give one file."""
NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def noise(mode, size=(48, 37), seed=0):
    """A picture with smooth and with rough parts."""
    width, height = size
    across, down = numpy.meshgrid(numpy.linspace(0, 255, width), numpy.linspace(0, 255, height))
    planes = numpy.stack([across, down, 255 - across, 255 - down], axis=-1)
    planes[: height // 2] = numpy.random.default_rng(seed).integers(0, 256, (height // 2, width, 4))
    picture = Image.fromarray(planes.astype("uint8"), "RGBA" if mode == "RGBA" else None)
    if mode == "I;16":
        return Image.fromarray((planes[..., 0] * 257).astype("uint16"))
    if mode == "F":
        return Image.fromarray((planes[..., 0] / 255).astype("float32"))
    return picture if mode == "RGBA" else picture.convert("RGB").convert(mode)


def encoded(file_format, mode="RGB", count=1, **options):
    """A file with everything that belongs to the format."""
    frames = [noise(mode, seed=seed) for seed in range(count)]
    if count > 1:
        options.update(save_all=True, append_images=frames[1:])
    stream = io.BytesIO()
    frames[0].save(stream, file_format, **options)
    return stream.getvalue()


def metadata():
    """EXIF with an orientation and a directory below, and an ICC profile."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "maker", 300.0
    exif.get_ifd(0x8769)[0x9003] = "2020:02:20 20:20:20"
    return {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}


def run_length_bmp():
    """A BMP of 8 bits in runs, with an absolute part and a delta."""
    body = bytes([9, 1, 0, 3, 5, 6, 7, 0, 0, 0, 0, 2, 3, 1, 4, 2, 0, 0, 12, 3, 0, 1])
    head = struct.pack("<IiiHHIIiiII", 40, 12, 4, 1, 8, 1, len(body), 2835, 2835, 256, 0)
    colours = b"".join(bytes([level, 255 - level, 7, 0]) for level in range(256))
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(body), 0, 0, 54 + 1024) + head + colours + body


def seeds(file_format):
    """Healthy files of a format in its varieties."""
    extra = metadata()
    if file_format == "PNG":
        modes = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
        files = [encoded("PNG", mode, **extra) for mode in modes]
        deep = struct.pack(">IIBBBBB", 6, 5, 16, 2, 0, 0, 0)
        rows = zlib.compress(b"".join(b"\1" + bytes(range(36)) for _ in range(5)))
        parts = ((b"IHDR", deep), (b"tRNS", bytes(6)), (b"zTXt", b"a\0\0" + zlib.compress(b"text")), (b"IDAT", rows))
        files.append(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in (*parts, (b"IEND", b""))))
        return [*files, encoded("PNG", "RGBA", 3, duration=40, disposal=2, blend=1)]
    if file_format == "JPEG":
        modes = ("L", "RGB", "CMYK")
        return [encoded("JPEG", mode, progressive=slow, **extra) for mode in modes for slow in (False, True)]
    if file_format == "WEBP":
        still = [encoded("WEBP", mode, lossless=exact, **extra) for mode in ("RGB", "RGBA") for exact in (False, True)]
        return [*still, encoded("WEBP", "RGBA", 3, duration=40)]
    if file_format == "GIF":
        return [encoded("GIF", "P"), encoded("GIF", "L", interlace=1), encoded("GIF", "P", 3, disposal=2, duration=40)]
    if file_format == "BMP":
        return [*(encoded("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")), run_length_bmp()]
    if file_format == "TIFF":
        squeezed = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
        files = [encoded("TIFF", "RGB", compression=name, **extra) for name in squeezed]
        files += [encoded("TIFF", mode) for mode in ("1", "L", "P", "RGBA", "CMYK", "I;16", "F")]
        files += [encoded("TIFF", "1", compression=name) for name in ("group3", "group4")]
        return [*files, encoded("TIFF", "RGB", 3), encoded("TIFF", "RGB", big_tiff=True)]
    if file_format == "PPM":
        plain = b"P3\n# comment\n3 2\n255\n" + b" ".join(b"%d" % level for level in range(18)) + b"\n"
        other = b"P2 3 2 1000\n1 2 3 400 500 1000\n", b"P1 3 2\n0 1 0 1 0 1\n", b"P5 3 2 1000\n" + bytes(12)
        return [*(encoded("PPM", mode) for mode in ("1", "L", "RGB", "I;16")), plain, *other]
    if file_format == "AVIF":
        still = [encoded("AVIF", mode, speed=10, **extra) for mode in ("L", "RGB", "RGBA")]
        return [*still, encoded("AVIF", "RGB", 2, speed=10, duration=40)]
    if file_format == "HEIF":
        return [encoded("HEIF", mode, **extra) for mode in ("L", "RGB", "RGBA")]
    return [encoded("JPEG2000", mode, irreversible=lossy) for mode in ("L", "RGB", "RGBA") for lossy in (False, True)]


def chunk(kind, body):
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def mended(content):
    """A PNG with right checksums, so that damage comes further than to them."""
    content, place = bytearray(content), 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            break
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[place + 4 : end]))
        place = end + 4
    return bytes(content)


def mutated(files, chance):
    """One of the files, hurt in one to eight places: bits, bytes, numbers, pieces cut out, doubled, put in, cut off."""
    content = bytearray(chance.choice(files))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
        end = len(content) if chance.random() < 0.5 else min(len(content), 160)  # headers lie at the beginning
        place, length = chance.randrange(max(1, end)), chance.choice((1, 2, 4, 8, 30, 200))
        kind = chance.randrange(8)
        if kind == 0:
            content[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == 1 and content:
            content[min(place, len(content) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            form = chance.choice(("<H", ">H", "<I", ">I"))
            number = chance.choice(NUMBERS) & (65535 if form[1] == "H" else 2**32 - 1)
            content[place : place + struct.calcsize(form)] = struct.pack(form, number)
        elif kind == 3:
            del content[place : place + length]
        elif kind == 4:
            content[place:place] = content[place : place + length] * chance.choice((1, 2, 50))
        elif kind == 5:
            content[place : place + length] = chance.randbytes(length)
        elif kind == 6:
            other = chance.choice(files)
            start = chance.randrange(max(1, len(other)))
            content[place : place + length] = other[start : start + length]
        elif chance.random() < 0.3:
            del content[place:]
    healed = content[:4] == b"\x89PNG" and chance.random() < 0.7
    return mended(content) if healed else bytes(content)


def refusing(header):
    """As a pipeline of little memory would."""
    from i2i.errors import BrokenPicture

    if header.decoded_bytes > BUDGET:
        raise BrokenPicture(header.path, "no room")


def read(path):
    """What becomes of a file: read, or why not. Whatever else is raised goes up."""
    from i2i.errors import BrokenPicture
    from i2i.images.decode import check_header, open_picture
    from i2i.images.whole import open_whole

    try:
        check_header(path)
        open_picture(path, examine=refusing)
        open_whole(path, examine=refusing)
    except BrokenPicture as found:
        broken = found
    else:
        return None
    assert str(broken) == f"{path}: {broken.reason}"
    assert broken.reason.isprintable()
    assert broken.reason
    return broken.reason


def tell(**what):
    print(json.dumps(what), flush=True)


def mutate(file_format, count, seed, first, folder):
    """Reads files `first` to `count` of a sequence that the seed alone decides."""
    files, chance, path = seeds(file_format), random.Random(seed), folder / f"hostile.{file_format.lower()}"
    for content in files:
        path.write_bytes(content)
        assert read(path) is None, read(path)
    for number in range(count):
        content = mutated(files, chance)
        if number < first:
            continue
        path.write_bytes(content)
        tell(began=number)
        start = time.monotonic()
        try:
            reason, escaped = read(path), None
        except BaseException as problem:
            reason, escaped = None, f"{type(problem).__name__}: {problem}"
        tell(ended=number, seconds=time.monotonic() - start, reason=reason, escaped=escaped, peak=peak())


def read_one(path):
    """What a single file costs."""
    from i2i.errors import BrokenPicture
    from i2i.images.decode import open_picture
    from i2i.images.limits import LIMITS, allow_pixels

    allow_pixels(LIMITS.pixels)
    start, computed, reason = time.monotonic(), time.process_time(), None
    try:
        open_picture(path)
    except BrokenPicture as broken:
        reason = broken.reason
    tell(seconds=time.monotonic() - start, computed=time.process_time() - computed, reason=reason, peak=peak())


def weigh(path):
    """What decoding a file really holds, and what its header lets expect."""
    from i2i.images.limits import LIMITS, allow_pixels
    from i2i.images.whole import open_whole

    allow_pixels(LIMITS.pixels)
    open_whole(noise("RGB"))  # all that is imported for it
    before, headers = peak(), []
    open_whole(path, examine=headers.append)
    tell(held=peak() - before, expected=headers[0].decoded_bytes)


def peak():
    """The most memory that this process has held so far, in bytes.

    Of Linux's own account: `ru_maxrss` also counts what the process that started this one held.
    """
    try:
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz(seconds, seed, folder):
    """Until the time is up: with atheris where it is installed, else with a tracer of our own."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for file_format in (*FORMATS, "JPEG2000", *(["HEIF"] if heif_is_readable() else [])):
        for place, content in enumerate(seeds(file_format)):
            (corpus / f"{file_format}-{place}").write_bytes(content)
    path = folder / "hostile"
    try:
        import atheris
    except ImportError:
        trace_and_mutate(seconds, seed, path, [file.read_bytes() for file in sorted(corpus.iterdir())])
        return
    tell(engine=f"atheris with libFuzzer, Python {sys.version.split()[0]}")
    forget_imports()
    with atheris.instrument_imports(include=["PIL", "i2i.images"]):
        import i2i.images.decode
        import i2i.images.whole  # noqa: F401

        Image.init()

    def once(content):
        path.write_bytes(content)
        read(path)

    limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=3000", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *limits, f"-seed={seed}", f"-artifact_prefix={folder}/", str(corpus)], once)
    atheris.Fuzz()


def forget_imports():
    """So that what was imported to make the seeds is imported again, instrumented."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("PIL", "i2i", "pillow_heif")]:
        if not name.startswith("PIL._"):  # extension modules cannot be loaded twice
            del sys.modules[name]


def trace_and_mutate(seconds, seed, path, files):
    """Keeps what reaches a new step from line to line of i2i/images or of Pillow's readers, and mutates that."""
    tell(engine="a tracer of our own")
    chance, seen, runs, end = random.Random(seed), set(), 0, time.monotonic() + seconds
    watched = (f"{os.sep}PIL{os.sep}", f"{os.sep}i2i{os.sep}images{os.sep}")
    steps, last = set(), collections.defaultdict(int)

    def trace(frame, event, argument):
        name = frame.f_code.co_filename
        if not any(part in name for part in watched):
            return None
        steps.add((name, last[name], frame.f_lineno))
        last[name] = frame.f_lineno
        return trace

    while time.monotonic() < end:
        content = files[runs] if runs < len(files) else mutated(files, chance)
        path.write_bytes(content)
        steps.clear()
        last.clear()
        sys.settrace(trace)
        try:
            read(path)
        finally:
            sys.settrace(None)
        runs += 1
        if not steps <= seen:
            seen |= steps
            if runs > len(files):
                files.append(content)
    tell(runs=runs, steps=len(seen), kept=len(files))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("mutate", "fuzz", "read", "weigh"))
    parser.add_argument("path", type=Path, help="the file to read, or a folder to work in")
    parser.add_argument("--format", default="PNG")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=600)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.task == "mutate":
        mutate(asked.format, asked.count, asked.seed, asked.first, asked.path)
    elif asked.task == "fuzz":
        fuzz(asked.seconds, asked.seed, asked.path)
    else:
        (read_one if asked.task == "read" else weigh)(asked.path)


if __name__ == "__main__":
    main()
