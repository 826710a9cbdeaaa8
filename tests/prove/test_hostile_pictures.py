"""Proof: damaged, hostile and monstrous files are reported in one line; none crashes, hangs or eats the memory."""

import io
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy
import pytest
from PIL import Image

pytestmark = pytest.mark.prove
READER = Path(__file__).with_name("fuzz_reader.py")
COUNT, SEED = 1000, 7
SECONDS = int(os.environ.get("I2I_FUZZ_SECONDS", "600"))
"""How long the coverage-guided part lasts."""
HUNDRED = 100 * 2**20


def run(*arguments, timeout=600):
    """Exit code, the lines of JSON that the reader told, and what it said besides."""
    line = [sys.executable, READER, *map(str, arguments)]
    try:
        done = subprocess.run(line, capture_output=True, timeout=timeout, check=False)
        code, told, said = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        code, told, said = "a hang", late.stdout or b"", late.stderr or b""
    lines = [json.loads(line) for line in told.decode().splitlines() if line.startswith("{") and line.endswith("}")]
    return code, lines, said.decode(errors="replace")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
def test_mutated_files_are_read_or_reported(file_format, tmp_path):
    outcomes, deaths, first = {}, [], 0
    while first < COUNT and len(deaths) < 10:
        options = ("--format", file_format, "--count", COUNT, "--seed", SEED, "--first", first)
        code, lines, said = run("mutate", tmp_path, *options)
        outcomes |= {line["ended"]: line for line in lines if "ended" in line}
        begun = [line["began"] for line in lines if "began" in line]
        assert begun, said
        if code != 0:
            deaths.append(f"{code} at file {begun[-1]}: {said[-500:]}")
        first = begun[-1] + 1
    found = list(outcomes.values())
    escaped = [f"file {line['ended']}: {line['escaped']}" for line in found if line["escaped"]]
    reported = sum(line["reason"] is not None for line in found)
    slowest, most = max(line["seconds"] for line in found), max(line["peak"] for line in found)
    print(
        f"\n{file_format}: {len(found)} mutated files (seed {SEED}): {len(found) - reported - len(escaped)} read, "
        f"{reported} reported, {len(escaped)} other exceptions, {len(deaths)} crashes; slowest {slowest:.2f} s, "
        f"process at most {most / 1e9:.2f} GB"
    )
    assert deaths == []
    assert escaped == []
    assert sorted(outcomes) == list(range(COUNT))
    assert slowest < 10
    assert most <= 2e9
    assert reported > COUNT / 10
    assert len(found) - reported > COUNT / 10


# bombs


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks, size=(8, 8), pixels=None):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    pixels = zlib.compress(bytes(72)) if pixels is None else pixels
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def saved(file_format, mode="RGB", **options):
    stream = io.BytesIO()
    Image.new(mode, (8, 8)).save(stream, file_format, **options)
    return stream.getvalue()


def swollen(file_format, mode, before, after):
    content = saved(file_format, mode)
    assert content.count(before) == 1
    return content.replace(before, after)


def riff(*chunks):
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def canvas(side, flags):
    return b"VP8X", bytes([flags, 0, 0, 0]) + struct.pack("<I", side - 1)[:3] * 2


def webp_frame():
    still = saved("WEBP", lossless=True)[12:]
    return b"ANMF", bytes(6) + struct.pack("<I", 7)[:3] * 2 + b"\x0a\0\0\0" + still


def many_gif_frames(count):
    plain = saved("GIF", "P")
    first = plain.index(b",")
    return plain[:first] + plain[first:-1] * count + b";"


def tiff(*entries, behind=b"", size=(8, 8)):
    plain = [(256, 4, 1, size[0]), (257, 4, 1, size[1]), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    plain += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, size[1]), (279, 4, 1, 64)]
    fields = sorted({entry[0]: entry for entry in [*plain, *entries]}.values())
    directory = struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", *field) for field in fields)
    return b"II*\0\x08\0\0\0" + directory + bytes(4) + behind


def many_pages(count):
    page, content = tiff()[8:-4], bytearray(b"II*\0\x08\0\0\0")
    for _ in range(count):
        content += page + struct.pack("<I", len(content) + len(page) + 4)
    return bytes(content)


def segments(marker, start):
    body = start + bytes(65_000)
    segment = b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body
    plain = saved("JPEG")
    return plain[:2] + segment * (HUNDRED // 65_000) + plain[2:]


BOMBS = {
    "PNG of 60,000 × 60,000": lambda: png(size=(60_000, 60_000), pixels=zlib.compress(bytes(HUNDRED))),
    "PNG of 2³¹ × 2³¹": lambda: png(size=(2**31 - 1, 2**31 - 1)),
    "GIF of 60,000 × 60,000": lambda: swollen("GIF", "P", b"GIF87a\x08\0\x08\0", b"GIF87a\x60\xea\x60\xea"),
    "GIF with a frame of 60,000 × 60,000": lambda: swollen(
        "GIF", "P", b",\0\0\0\0\x08\0\x08\0", b",\0\0\0\0\x60\xea\x60\xea"
    ),
    "TIFF of 60,000 × 60,000": lambda: tiff(size=(60_000, 60_000)),
    "WebP of 60,000 × 60,000": lambda: riff(canvas(60_000, 0x10), (b"VP8L", saved("WEBP", lossless=True)[20:])),
    "animated WebP of 60,000 × 60,000": lambda: riff(canvas(60_000, 2), (b"ANIM", bytes(6)), webp_frame()),
    "JPEG of 60,000 × 60,000": lambda: swollen(
        "JPEG", "RGB", b"\xff\xc0\0\x11\x08\0\x08\0\x08", b"\xff\xc0\0\x11\x08\xea\x60\xea\x60"
    ),
    "BMP of 60,000 × 60,000": lambda: swollen(
        "BMP", "RGB", struct.pack("<ii", 8, 8), struct.pack("<ii", 60_000, 60_000)
    ),
    "AVIF of 60,000 × 60,000": lambda: swollen(
        "AVIF", "RGB", b"ispe" + struct.pack(">III", 0, 8, 8), b"ispe" + struct.pack(">III", 0, 60_000, 60_000)
    ),
    "PPM of 60,000 × 60,000": lambda: b"P6 60000 60000 255\n",
    "GIF of a million frames": lambda: many_gif_frames(1_000_000),
    "WebP of a million frames": lambda: riff(canvas(8, 2), (b"ANIM", bytes(6)), *[webp_frame()] * 1_000_000),
    "TIFF of a million pages": lambda: many_pages(1_000_000),
    "APNG of 2³⁰ frames": lambda: png(chunk(b"acTL", struct.pack(">II", 2**30, 0))),
    "PNG, 100 MB in zTXt": lambda: png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(HUNDRED)))),
    "PNG, 100 MB in iTXt": lambda: png(chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(HUNDRED)))),
    "PNG, 100 MB in iCCP": lambda: png(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(HUNDRED)))),
    "PNG, 100 MB of tEXt": lambda: png(chunk(b"tEXt", b"a\0" + bytes(HUNDRED))),
    "PNG, 100 MB of eXIf": lambda: png(chunk(b"eXIf", bytes(HUNDRED))),
    "PNG, 500 texts of 1 MB each": lambda: png(*[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20)))] * 500),
    "JPEG, 100 MB of EXIF": lambda: segments(0xE1, b"Exif\0\0"),
    "JPEG, 100 MB of ICC profile": lambda: segments(0xE2, b"ICC_PROFILE\0\1\1"),
    "JPEG, 100 MB of comments": lambda: segments(0xFE, b""),
    "GIF, 100 MB of comment": lambda: saved("GIF", "P").replace(
        b",\0\0", b"!\xfe" + (b"\xff" + bytes(255)) * (HUNDRED // 255) + b"\0,\0\0"
    ),
    "TIFF, 100 MB of ICC profile": lambda: tiff((34675, 7, HUNDRED, 200), behind=bytes(HUNDRED + 200)),
    "TIFF, 100 MB of XMP": lambda: tiff((700, 1, HUNDRED, 200), behind=bytes(HUNDRED + 200)),
    "TIFF, 25 million strips": lambda: tiff((273, 4, HUNDRED // 4, 200), behind=bytes(HUNDRED + 200)),
    "TIFF, 20,000 tags on the same 15 MB": lambda: tiff(
        *((40_000 + tag, 7, 15 * 2**20, 200) for tag in range(20_000)), behind=bytes(2**24)
    ),
    "WebP, 100 MB of ICC profile": lambda: riff(
        canvas(8, 0x20), (b"ICCP", bytes(HUNDRED)), (b"VP8L", saved("WEBP", lossless=True)[20:])
    ),
    "WebP, 100 MB of EXIF": lambda: riff(
        canvas(8, 8), (b"VP8L", saved("WEBP", lossless=True)[20:]), (b"EXIF", bytes(HUNDRED))
    ),
    "AVIF, 100 MB of ICC profile": lambda: saved("AVIF", icc_profile=bytes(HUNDRED)),
    "EXIF of 7 million numbers": lambda: png(
        chunk(b"eXIf", b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 274, 3, 7_000_000, 26, 0) + bytes(14_000_000))
    ),
}


@pytest.mark.timeout(1800)
def test_bombs_are_refused_at_once(tmp_path):
    path, costs = tmp_path / "bomb", {}
    for name, made in BOMBS.items():
        path.write_bytes(made())
        size = path.stat().st_size
        code, lines, said = run("read", path)
        assert code == 0, f"{name}: {said[-500:]}"
        (told,) = lines
        assert told["reason"], f"{name} was read"
        assert told["reason"].startswith("too large: "), f"{name}: {told['reason']}"
        costs[name] = (told["computed"], told["seconds"], told["peak"])
        cost = f"{told['computed']:.2f} s ({told['seconds']:.2f} by the clock), {told['peak'] / 1e6:.0f} MB"
        print(f"\n{name} ({size:,} bytes): {cost}: {told['reason']}", end="")
    slowest, largest = (max(costs, key=lambda name: costs[name][place]) for place in (0, 2))
    print(
        f"\n{len(costs)} bombs refused; slowest {costs[slowest][0]:.2f} s of computing ({slowest}), "
        f"process at most {costs[largest][2] / 1e6:.0f} MB ({largest})"
    )
    assert costs[slowest][0] < 1
    assert costs[largest][2] < 300e6


# what a header lets expect


def test_the_estimate_of_a_header_is_near_what_decoding_holds(tmp_path):
    rough = numpy.random.default_rng(SEED).integers(0, 256, (375, 500, 4), "uint8").repeat(8, 0).repeat(8, 1)
    rgba = Image.fromarray(rough)
    rgb, grey = rgba.convert("RGB"), rgba.convert("L")
    deep = Image.fromarray(rough[..., 0].astype("uint16") * 257)
    pictures = {
        "a.png": (grey, {}), "b.png": (rgb, {}), "c.png": (rgba, {}), "d.png": (deep, {}), "e.jpg": (rgb, {}),
        "f.webp": (rgb, {"method": 0}), "g.webp": (rgba, {"method": 0}), "h.avif": (rgb, {"speed": 10}),
        "i.jp2": (rgb, {}), "j.tif": (rgb, {"compression": "tiff_lzw"}), "k.gif": (grey, {}), "l.bmp": (rgb, {}),
    }  # fmt: skip
    shares = []
    for name, (picture, options) in pictures.items():
        picture.save(tmp_path / name, **options)
        code, lines, said = run("weigh", tmp_path / name)
        assert code == 0, said[-500:]
        shares.append(lines[0]["held"] / lines[0]["expected"])
        held, expected = (lines[0][key] / 12e6 for key in ("held", "expected"))
        print(f"\n{name} {picture.mode}: {held:.1f} bytes a pixel held, {expected:.1f} expected", end="")
    print(f"\ndecoding held {min(shares):.2f} to {max(shares):.2f} of what the headers let expect")
    assert max(shares) < 1.1
    assert min(shares) > 0.3


@pytest.mark.timeout(SECONDS + 600)
def test_fuzzing_led_by_coverage_finds_nothing(tmp_path):
    code, lines, said = run("fuzz", tmp_path, "--seconds", SECONDS, "--seed", SEED, timeout=SECONDS + 300)
    assert lines, said[-3000:]
    figures = dict(pair for line in lines for pair in line.items())
    runs, covered = re.findall(r"Done (\d+) runs", said), re.findall(r"cov: (\d+)", said)
    if covered:  # libFuzzer's own account
        figures |= {"runs": int(runs[-1]) if runs else None, "steps": int(covered[-1])}
    print(f"\nfuzzed for {SECONDS} s with {figures.pop('engine')} (seed {SEED}): {figures}")
    hurt = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-")))
    assert hurt == [], f"in {tmp_path}: {hurt}\n{said[-3000:]}"
    assert code == 0, said[-3000:]
    assert figures["runs"] > 100
