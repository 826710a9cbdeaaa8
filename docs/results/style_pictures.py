"""Draws a landscape and two paintings, so that results can be shown that anybody may redistribute.

How `styles.jpg` was made, with a VGG-19 from a file in the last column:

    python docs/results/style_pictures.py styles && cd styles
    for name in swirls mosaic; do
        i2i translate --plugin gatys --set model.style=style/$name.png --src photo/$name.png --dst learned \\
            --set model.features.use=learned
        i2i translate --plugin gatys --set model.style=style/$name.png --src photo/$name.png --dst vgg19 \\
            --set "model.features={use: vgg19, weights: vgg19-16x-distilled.pth}"
    done
    i2i data sheet photo style learned vgg19 --out styles.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Array = NDArray[numpy.float64]
SIDE = 768


def clouds(side: int, octaves: int, seed: int, first: int = 2) -> Array:
    """Smooth noise in [0, 1], of detail at ever smaller sizes."""
    rng, total = numpy.random.default_rng(seed), numpy.zeros((side, side))
    for octave in range(octaves):
        cells = first * 2**octave
        coarse = Image.fromarray(rng.random((cells + 2, cells + 2)).astype(numpy.float32))
        total += numpy.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) / 2**octave
    return (total - total.min()) / (total.max() - total.min())


def mixed(low: tuple[int, int, int], high: tuple[int, int, int], share: Array) -> Array:
    """Colours between two, (H, W, 3)."""
    return numpy.array(low) + (numpy.array(high) - numpy.array(low)) * share[..., None]


def landscape() -> Image.Image:
    """Mountains over a lake, a village on its shore."""
    rows = numpy.linspace(0, 1, SIDE)[:, None].repeat(SIDE, axis=1)
    picture = mixed((70, 120, 190), (235, 225, 205), numpy.clip(rows / 0.5, 0, 1))
    picture += 40 * (clouds(SIDE, 6, 1)[..., None] - 0.5) * (rows < 0.5)[..., None]
    shore = int(0.64 * SIDE)
    for layer, (height, colour) in enumerate([(0.28, (120, 135, 165)), (0.42, (85, 105, 110)), (0.53, (60, 85, 55))]):
        ridge = height + 0.16 * (clouds(SIDE, 7, 10 + layer)[0] - 0.5)
        lit = clouds(SIDE, 8, 20 + layer, first=6)
        shaded = numpy.array(colour) * (0.7 + 0.7 * lit[..., None])
        picture = numpy.where((rows > ridge[None, :])[..., None], shaded, picture)
    image = Image.fromarray(numpy.clip(picture, 0, 255).astype(numpy.uint8))
    draw, rng = ImageDraw.Draw(image), numpy.random.default_rng(5)
    for house in range(9):
        left, width, tall = 90 + 65 * house, int(rng.integers(40, 60)), int(rng.integers(45, 95))
        wall = tuple(int(level) for level in rng.integers([190, 170, 140], [245, 225, 200]))
        draw.rectangle((left, shore - tall, left + width, shore), fill=wall)
        roof = (int(rng.integers(130, 180)), 60, 45)
        top = shore - tall
        draw.polygon([(left - 5, top), (left + width / 2, top - 32), (left + width + 5, top)], fill=roof)
        for window in range(tall // 24):
            for place in (0.22, 0.62):
                corner = (left + int(place * width), shore - tall + 8 + 24 * window)
                draw.rectangle((*corner, corner[0] + 8, corner[1] + 12), fill=(50, 55, 70))
    church = 90 + 65 * 4 + 20
    draw.rectangle((church, shore - 170, church + 26, shore), fill=(215, 205, 190))
    draw.polygon([(church - 3, shore - 170), (church + 13, shore - 255), (church + 29, shore - 170)], fill=(70, 80, 90))
    upper = numpy.asarray(image.crop((0, 2 * shore - SIDE, SIDE, shore))).astype(float)[::-1]
    ripples = (6 * numpy.sin(numpy.arange(SIDE - shore) * 0.9) * numpy.linspace(0.2, 1, SIDE - shore)).astype(int)
    water = numpy.stack([numpy.roll(row, shift, axis=0) for row, shift in zip(upper, ripples, strict=True)])
    pixels = numpy.asarray(image).astype(float)
    pixels[shore:] = 0.6 * water + numpy.array((15, 35, 50))
    grain = numpy.random.default_rng(6).normal(0, 4, pixels.shape)
    return Image.fromarray(numpy.clip(pixels + grain, 0, 255).astype(numpy.uint8))


def swirls() -> Image.Image:
    """Long strokes that follow a whirling current, in blues and yellows."""
    rng = numpy.random.default_rng(3)
    rows, columns = numpy.mgrid[0:SIDE, 0:SIDE] / SIDE
    across, down = numpy.full((SIDE, SIDE), 0.35), 0.25 * numpy.sin(5 * columns)
    centres = [(0.25, 0.3, 0.16), (0.62, 0.22, 0.11), (0.75, 0.62, 0.2), (0.3, 0.75, 0.13), (0.52, 0.5, 0.08)]
    glow = numpy.zeros((SIDE, SIDE))
    for centre_x, centre_y, radius in centres:
        x, y = columns - centre_x, rows - centre_y
        near = numpy.exp(-(x**2 + y**2) / (2 * radius**2))
        across, down = across - 9 * near * y / radius * 0.5, down + 9 * near * x / radius * 0.5
        glow += numpy.exp(-(x**2 + y**2) / (2 * (0.45 * radius) ** 2))
    tone = numpy.clip(0.75 * clouds(SIDE, 5, 4) + 0.75 * glow, 0, 1)
    image = Image.new("RGB", (SIDE, SIDE), (25, 35, 90))
    draw = ImageDraw.Draw(image)
    palette = numpy.array(
        [(18, 24, 70), (35, 60, 140), (70, 115, 190), (130, 170, 200), (235, 215, 110), (250, 240, 190)]
    )
    for _ in range(16000):
        x, y = rng.random(2) * SIDE
        place = tone[int(y), int(x)] * (len(palette) - 1) + rng.normal(0, 0.35)
        below = int(numpy.clip(place, 0, len(palette) - 2))
        colour = palette[below] + (palette[below + 1] - palette[below]) * numpy.clip(place - below, 0, 1)
        colour = colour + rng.normal(0, 9, 3)
        path = [(x, y)]
        for _ in range(int(rng.integers(6, 14))):
            row, column = int(numpy.clip(y, 0, SIDE - 1)), int(numpy.clip(x, 0, SIDE - 1))
            length = float(numpy.hypot(across[row, column], down[row, column])) + 1e-9
            x, y = x + 4 * across[row, column] / length, y + 4 * down[row, column] / length
            path.append((x, y))
        draw.line(path, fill=tuple(int(level) for level in numpy.clip(colour, 0, 255)), width=int(rng.integers(3, 8)))
    return image.filter(ImageFilter.SMOOTH)


def mosaic() -> Image.Image:
    """Warm tiles of odd shapes with dark joints."""
    rng = numpy.random.default_rng(8)
    points = rng.random((900, 2)) * SIDE
    rows, columns = numpy.mgrid[0:SIDE, 0:SIDE]
    nearest, second, owner = (numpy.full((SIDE, SIDE), value) for value in (1e9, 1e9, 0.0))
    for number, (x, y) in enumerate(points):
        distance = numpy.hypot(columns - x, rows - y)
        closer = distance < nearest
        second = numpy.where(closer, nearest, numpy.minimum(second, distance))
        owner, nearest = numpy.where(closer, number, owner), numpy.where(closer, distance, nearest)
    palette = numpy.array(
        [(190, 60, 40), (225, 150, 50), (240, 210, 150), (60, 110, 120), (35, 60, 90), (150, 170, 90)]
    )
    patch = clouds(SIDE, 3, 9)[points[:, 1].astype(int), points[:, 0].astype(int)]
    chosen = numpy.clip(patch * 8 - 1 + rng.normal(0, 0.8, len(points)), 0, len(palette) - 1).astype(int)
    colours = palette[chosen] + rng.normal(0, 14, (len(points), 3))
    pixels = colours[owner.astype(int)] * (0.8 + 0.2 * numpy.exp(-nearest / 14))[..., None]
    pixels[(second - nearest) < 3.5] = (40, 32, 30)
    return Image.fromarray(numpy.clip(pixels, 0, 255).astype(numpy.uint8)).filter(ImageFilter.SMOOTH)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name in ("photo", "style"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for draw in (swirls, mosaic):
        landscape().save(folder / "photo" / f"{draw.__name__}.png")
        draw().save(folder / "style" / f"{draw.__name__}.png")
