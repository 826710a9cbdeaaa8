"""Pictures drawn from nothing but chance: leaves, wings, hair, knitting, writing, stone, each with a camera's edges.

Natural photographs obey a few laws that these drawings obey too: things hide one another and their sizes follow
a power law (the dead leaves model: Matheron, 1968; Lee, Mumford and Huang, 2001, IJCV 41), brightness has
a 1/f spectrum, colours come in families. Every drawing is made at twice its size and shrunk, so that its edges are as
soft as a lens makes them, and every one is a function of its random generator and its `Palette` alone.

Canvases are (side, side, 3), RGB in [0, 255].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Canvas = NDArray[np.floating[Any]]
Field = NDArray[np.floating[Any]]
Option = TypeVar("Option")

OVERSAMPLING = 2
SIDE = 400
NOISE_SIDE = 1200
LETTERS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüéèñçß0123456789.,;:!?&%()",
    "αβγδεζηθικλμνξοπρστυφχψωΑΒΓΔΕΖΗΘΛΞΠΣΦΨΩάέήίόύώ",
    "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭЮЯ",
    "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
)


@dataclass(frozen=True)
class Palette:
    """Colours that occur together: (n, 3) RGB in [0, 255], as a photograph's pixels give them."""

    colours: Canvas

    def pick(self, chance: Generator) -> Canvas:
        """One colour (3,), a little off its neighbours so that no two leaves are the same."""
        colour = self.colours[chance.integers(len(self.colours))]
        return np.asarray(np.clip(colour * chance.uniform(0.75, 1.25) + chance.normal(0, 6, 3), 0, 255), np.float32)

    def contrast(self, chance: Generator) -> tuple[Canvas, Canvas]:
        """A dark and a light colour (3,) of the family, at least 90 grey levels apart."""
        dark, light = sorted((self.pick(chance), self.pick(chance)), key=lambda colour: float(colour.mean()))
        gap = max(0.0, 90 - float(light.mean() - dark.mean())) / 2
        return np.clip(dark - gap, 0, 255), np.clip(light + gap, 0, 255)


@dataclass(frozen=True)
class Materials:
    """What a drawing may draw on: a colour family, fonts (paths), small pictures with transparency (RGBA)."""

    palette: Palette
    fonts: Sequence[str]
    stickers: Sequence[Image.Image]


Drawing = Callable[[Generator, int, Materials], Canvas]


def one_of(chance: Generator, options: Sequence[Option]) -> Option:
    """Any of the options, all equally likely."""
    return options[int(chance.integers(len(options)))]


# --- fields: one number per pixel ---------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _noise_bank(exponent: float) -> Field:
    """Periodic noise (1200, 1200) of mean 0 and deviation 1 whose amplitude falls as frequency to the -exponent."""
    chance = np.random.default_rng(round(exponent * 1000))
    rows = np.fft.fftfreq(NOISE_SIDE)[:, None]
    columns = np.fft.rfftfreq(NOISE_SIDE)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1
    spectrum = frequency**-exponent * np.exp(2j * np.pi * chance.random(frequency.shape))
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (NOISE_SIDE, NOISE_SIDE))
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def fractal_noise(chance: Generator, height: int, width: int, exponent: float) -> Field:
    """A random part (height, width) of 1/f^exponent noise, mean about 0, deviation about 1; at most 1200 a side."""
    noise = np.roll(_noise_bank(exponent), tuple(chance.integers(NOISE_SIDE, size=2)), (0, 1))
    noise = np.rot90(noise, int(chance.integers(4)))
    return noise[:height, :width]


def smooth_field(chance: Generator, side: int, cells: int) -> Field:
    """Sixteen plane waves (side, side), of deviation 1: changes over about side/cells pixels, has no finer detail."""
    rows, columns = grid(16 * cells)
    coarse = np.zeros_like(rows)
    for _ in range(16):
        angle, frequency = chance.uniform(0, 2 * np.pi), chance.uniform(0.2, 1) * cells
        wave = rows * np.sin(angle) + columns * np.cos(angle)
        coarse = coarse + np.cos(np.pi / 2 * frequency * wave + chance.uniform(0, 2 * np.pi))
    fine = np.asarray(Image.fromarray(coarse.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
    return np.asarray((fine - fine.mean()) / (fine.std() + 1e-6), np.float32)


def grid(side: int) -> tuple[Field, Field]:
    """Rows and columns (side, side) in [-1, 1]."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    return np.broadcast_to(axis[:, None], (side, side)), np.broadcast_to(axis[None, :], (side, side))


def turned(chance: Generator, side: int) -> tuple[Field, Field]:
    """`grid` turned by any angle, so that no drawing prefers the sensor's axes."""
    rows, columns = grid(side)
    angle = chance.uniform(0, 2 * np.pi)
    return rows * np.cos(angle) - columns * np.sin(angle), rows * np.sin(angle) + columns * np.cos(angle)


def step(field: Field, width: float = 0.0) -> Field:
    """0 below zero, 1 above, with a ramp of `width` between."""
    return np.asarray(np.clip(field / max(width, 1e-6) + 0.5, 0, 1))


def ink(colour: Canvas) -> tuple[int, ...]:
    """The colour (3,) as Pillow's pens take it."""
    return tuple(int(level) for level in np.clip(colour, 0, 255))


def mix(below: Canvas, above: Canvas, share: Field) -> Canvas:
    """`above` where `share` (height, width) is 1, `below` where it is 0; either may be one colour (3,)."""
    return np.asarray(below + (above - below) * share[..., None], np.float32)


# --- shapes: masks drawn as a polygon -----------------------------------------------------------------------------


def outline(chance: Generator, radius: float) -> NDArray[np.float64]:
    """A closed outline (n, 2) about the origin: a disc, an ellipse, a polygon, a leaf or a pebble."""
    kind = chance.integers(5)
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    reach = np.ones_like(angles)
    if kind == 1:
        angles = np.sort(chance.uniform(0, 2 * np.pi, chance.integers(3, 7)))
        reach = np.ones_like(angles)
    elif kind == 2:
        reach = np.abs(np.cos(angles)) ** chance.uniform(0.3, 1.2) * 0.9 + 0.1
    elif kind >= 3:
        for wave in range(2, 7):
            reach = reach + chance.normal(0, 0.5 / wave) * np.cos(wave * angles + chance.uniform(0, 2 * np.pi))
        reach = np.clip(reach, 0.25, 1.8)
    points = np.stack([np.cos(angles) * reach, np.sin(angles) * reach * chance.uniform(0.35, 1)], 1) * radius
    turn = chance.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(points @ rotation.T)


def silhouette(points: NDArray[np.float64], width: int, height: int) -> Image.Image:
    """The filled outline as an 8-bit mask with antialiased edges."""
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in points], fill=255)
    return mask.filter(ImageFilter.GaussianBlur(0.7))


# --- surfaces: what is inside a shape -----------------------------------------------------------------------------


def surface(chance: Generator, height: int, width: int, palette: Palette) -> Canvas:
    """A shaded piece of something (height, width, 3): plain, grained, striped, chequered or spotted."""
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    angle = chance.uniform(0, 2 * np.pi)
    across = rows * np.cos(angle) * height + columns * np.sin(angle) * width
    along = columns * np.cos(angle) * width - rows * np.sin(angle) * height
    base, other = palette.pick(chance), palette.pick(chance)
    canvas = np.broadcast_to(base, (height, width, 3)).astype(np.float32)
    kind, period = chance.integers(7), chance.uniform(6, 40)
    if kind == 0:
        wave = across + chance.uniform(0, 12) * np.sin(along / chance.uniform(10, 60))
        canvas = mix(canvas, other, step(np.sin(wave * np.pi / period), chance.uniform(0, 1.5)))
    elif kind == 1:
        check = np.sin(across * np.pi / period) * np.sin(along * np.pi / period / chance.uniform(0.6, 1.6))
        canvas = mix(canvas, other, step(check, 0.1))
    elif kind == 2:
        spot = np.sin(across * np.pi / period) + np.sin(along * np.pi / period) - chance.uniform(-0.5, 1.2)
        canvas = mix(canvas, other, step(spot, 0.3))
    elif kind == 3:
        blotch = fractal_noise(chance, height, width, 1.6) - chance.uniform(-1, 1)
        canvas = mix(canvas, other, step(blotch, chance.uniform(0.05, 1)))
    if chance.random() < 0.6:
        grain = fractal_noise(chance, height, width, one_of(chance, (0.6, 1.0, 1.3)))
        canvas = canvas * (1 + chance.uniform(0.03, 0.2) * grain[..., None])
    light = 1 + chance.uniform(0, 0.35) * across / (abs(across).max() + 1) - chance.uniform(0, 0.2) * rows**2
    return np.asarray(canvas * light[..., None], np.float32)


def lit(canvas: Canvas, height_map: Field, strength: float, chance: Generator) -> Canvas:
    """The canvas as a relief lit from one side: `height_map` (side, side) in pixels."""
    down, right = np.gradient(height_map)
    angle = chance.uniform(0, 2 * np.pi)
    slope = np.clip((down * np.sin(angle) + right * np.cos(angle)) * strength, -0.7, 0.7)
    return np.asarray(canvas * (1 + slope[..., None]), np.float32)


# --- drawings -----------------------------------------------------------------------------------------------------


def leaves(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Dead leaves: things of every size, the small far more often (r^-3), each hiding what lies under it."""
    canvas = surface(chance, side, side, materials.palette)
    smallest, largest = chance.uniform(6, 22), side * chance.uniform(0.15, 0.4)
    count = int(chance.integers(250, 900))
    quantile = chance.random(count)
    radii = (smallest**-2 - quantile * (smallest**-2 - largest**-2)) ** -0.5
    if chance.random() < 0.5:
        radii = np.sort(radii)[::-1] * chance.uniform(0.8, 1.25, count)
    shadowed = chance.random() < 0.7
    for radius in radii:
        place_leaf(chance, canvas, float(radius), materials.palette, shadowed)
    return canvas


def place_leaf(chance: Generator, canvas: Canvas, radius: float, palette: Palette, shadowed: bool) -> None:
    """One leaf anywhere on the canvas, over what is there, with a soft shadow beneath it."""
    side = len(canvas)
    centre = chance.uniform(0, side, 2)
    points = outline(chance, radius) + centre
    blur = 1 + radius * 0.12
    border = int(3 * blur)
    left, top = np.maximum(np.floor(points.min(0)) - border, 0).astype(int)
    right, bottom = np.minimum(np.ceil(points.max(0)) + border, side).astype(int)
    if right - left < 3 or bottom - top < 3:
        return
    width, height = int(right - left), int(bottom - top)
    mask = silhouette(points - (left, top), width, height)
    window = canvas[top:bottom, left:right]
    if shadowed and radius > 6:
        shadow = silhouette(points - (left, top) + blur * 0.8, width, height).filter(ImageFilter.GaussianBlur(blur))
        window *= 1 - chance.uniform(0.2, 0.6) * np.asarray(shadow, np.float32)[..., None] / 255
    inside = np.asarray(mask, np.float32) / 255
    window[:] = mix(window, surface(chance, height, width, palette), inside)


def wing(chance: Generator, side: int, materials: Materials) -> Canvas:
    """A butterfly's wing: cells between dark veins that fan out from a root, bands, eyespots, a spotted margin."""
    rows, columns = turned(chance, side)
    root = chance.uniform(-1.3, -0.6, 2)
    down, right = rows - root[0], columns - root[1]
    bend = chance.uniform(0.02, 0.08) * smooth_field(chance, side, 5)
    distance = np.hypot(down, right) * (1 + bend)
    angle = np.arctan2(down, right) + chance.uniform(-0.5, 0.5) * distance + bend
    cells = chance.integers(7, 20)
    position = angle * cells / np.pi
    to_vein = np.abs(position - np.round(position)) * np.pi / cells * distance  # 0 on a vein
    dark, light = materials.palette.contrast(chance)
    third = materials.palette.pick(chance)
    scallop = chance.uniform(0.02, 0.12) * np.cos(2 * np.pi * position)
    ramp = 3.0 / side
    canvas = np.broadcast_to(light, (side, side, 3))
    for _ in range(chance.integers(1, 5)):
        middle, half = chance.uniform(0.3, 2.2), chance.uniform(0.03, 0.16)
        band = half - np.abs(distance + scallop * chance.uniform(-1, 2) - middle)
        canvas = mix(canvas, one_of(chance, (dark, third)), step(band, ramp))
    vein = chance.uniform(0.004, 0.03) * (1 + chance.uniform(0, 2) * step(distance - 1.2, 0.8)) - to_vein
    canvas = mix(canvas, dark, step(vein, ramp))
    margin = chance.uniform(1.5, 2.3)
    canvas = mix(canvas, dark, step(distance + scallop - margin, ramp))
    for row in range(chance.integers(1, 4)):
        fraction = position - np.floor(position) - 0.5
        spot = np.hypot(fraction * np.pi / cells * distance, distance - margin - 0.1 - 0.13 * row)
        canvas = mix(canvas, light, step(chance.uniform(0.02, 0.05) - spot, ramp))
    for _ in range(chance.integers(0, 4)):
        canvas = eyespot(chance, canvas, rows, columns, materials.palette)
    dust = fractal_noise(chance, side, side, 0.6)
    shade = 0.15 * smooth_field(chance, side, 3)
    return np.asarray(canvas * (1 + 0.07 * dust + shade)[..., None], np.float32)


def eyespot(chance: Generator, canvas: Canvas, rows: Field, columns: Field, palette: Palette) -> Canvas:
    """Rings of contrasting colours about one point, with a highlight: an eyespot, or an eye."""
    at, size = chance.uniform(-0.8, 0.8, 2), chance.uniform(0.08, 0.3)
    distance = np.hypot(rows - at[0], (columns - at[1]) * chance.uniform(0.7, 1.4))
    dark, light = palette.contrast(chance)
    for ring, colour in zip((1, 0.8, 0.55, 0.3), (dark, light, palette.pick(chance), dark), strict=True):
        canvas = mix(canvas, colour, step(size * ring - distance, 4.0 / len(canvas)))
    glint = np.hypot(rows - at[0] + size * 0.15, columns - at[1] + size * 0.15)
    return mix(canvas, np.array([245.0, 245.0, 245.0]), step(size * 0.1 - glint, 4.0 / len(canvas)))


def hair(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Hair, fur, grass: thousands of thin strokes that follow one smooth field of directions, lit by depth."""
    dark, light = materials.palette.contrast(chance)
    picture = Image.fromarray(np.clip(surface(chance, side, side, materials.palette) * 0.5, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    direction = chance.uniform(0, 2 * np.pi) + chance.uniform(0.1, 0.9) * smooth_field(chance, side, 3)
    shine = np.clip(0.5 + 0.3 * smooth_field(chance, side, 6), 0, 1)
    count, length, thickest = int(chance.integers(900, 3500)), int(chance.integers(6, 36)), int(chance.integers(2, 6))
    starts = chance.uniform(-0.1 * side, 1.1 * side, (count, 2))
    for order, (x, y) in enumerate(starts):
        points = [(float(x), float(y))]
        wobble = chance.normal(0, 0.15)
        for _ in range(length):
            row, column = int(np.clip(y, 0, side - 1)), int(np.clip(x, 0, side - 1))
            x += np.cos(direction[row, column] + wobble) * 8
            y += np.sin(direction[row, column] + wobble) * 8
            points.append((float(x), float(y)))
        depth = 0.25 + 0.75 * order / count
        share = np.clip(shine[row, column] + chance.normal(0, 0.22), 0, 1)
        colour = (dark + (light - dark) * share) * depth
        pen.line(points, fill=ink(colour), width=int(chance.integers(1, thickest + 1)))
    return np.asarray(picture, np.float32)


def plumage(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Overlapping feathers in rows like tiles, each a shaft with barbs to both sides and a pale edge."""
    picture = Image.fromarray(np.clip(surface(chance, side, side, materials.palette) * 0.6, 0, 255).astype(np.uint8))
    dark, light = materials.palette.contrast(chance)
    length = chance.uniform(0.16, 0.4) * side
    spacing = length * chance.uniform(0.35, 0.6)
    turn, curve = chance.uniform(0, 2 * np.pi), chance.uniform(-0.8, 0.8)
    reach = int(side / spacing)
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            u, v = (column + 0.5 * (row % 2)) * spacing + chance.normal(0, spacing * 0.06), row * spacing * 0.8
            x, y = side / 2 + u * np.cos(turn) - v * np.sin(turn), side / 2 + u * np.sin(turn) + v * np.cos(turn)
            if -length < x < side + length and -length < y < side + length:
                heading = turn + np.pi / 2 + curve * (u / side) + chance.normal(0, 0.06)
                feather(chance, picture, (float(x), float(y)), heading, length, (dark, light))
    return np.asarray(picture, np.float32)


def feather(
    chance: Generator,
    picture: Image.Image,
    root: tuple[float, float],
    heading: float,
    length: float,
    colours: tuple[Canvas, Canvas],
) -> None:
    """One feather from its root along `heading` (radians), painted barb by barb."""
    pen = ImageDraw.Draw(picture)
    dark, light = colours
    ahead, aside = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
    breadth, bar, shade = length * chance.uniform(0.18, 0.3), chance.uniform(0.08, 0.6), chance.uniform(0.7, 1.1)
    patterned = chance.random() < 0.6
    for along in np.linspace(0, 1, max(12, int(length / 2))):
        width = breadth * np.sqrt(max(0.0, 1 - (1.7 * along - 0.8) ** 2))
        pale = np.sin(along * np.pi / bar) > 0 if patterned else along
        for side_sign in (-1.0, 1.0):
            start = root + ahead * along * length
            middle = start + ahead * width * 0.4 + aside * side_sign * width * 0.7
            end = start + ahead * width * chance.uniform(1.1, 1.4) + aside * side_sign * width
            share = np.clip(0.15 + 0.7 * pale + chance.normal(0, 0.15), 0, 1)
            colour = np.clip((dark + (light - dark) * share) * shade * (0.85 + 0.15 * side_sign), 0, 255)
            pen.line([tuple(start), tuple(middle), tuple(end)], fill=ink(colour), width=int(chance.integers(1, 4)))
    pen.line([root, tuple(root + ahead * length)], fill=ink(light * 1.05), width=2)


def knitting(chance: Generator, side: int, materials: Materials) -> Canvas:
    """A knitted or woven cloth: rows of slanted loops over folds, lit from one side, in two or three colours."""
    rows, columns = turned(chance, side)
    fold = chance.uniform(0.02, 0.1)
    across = (columns + fold * smooth_field(chance, side, 4)) * chance.uniform(8, 34)
    along = (rows + fold * smooth_field(chance, side, 4)) * chance.uniform(8, 34)
    woven = chance.random() < 0.4
    if woven:
        over = (np.floor(across) + np.floor(along)) % 2
        thread = np.where(over > 0, np.abs(np.sin(np.pi * across)), np.abs(np.sin(np.pi * along)))
    else:
        half = across - np.floor(across) - 0.5
        slanted = along + 0.7 * np.abs(half) * 2
        thread = np.sqrt(np.abs(np.sin(np.pi * slanted)) * np.abs(np.sin(2 * np.pi * half)))
        over = np.floor(slanted)
    stripe = np.floor(along / chance.integers(2, 7)) % 2 if chance.random() < 0.6 else over % 2
    dark, light = materials.palette.contrast(chance)
    canvas = mix(np.broadcast_to(dark, (side, side, 3)), light, stripe * chance.uniform(0.2, 1))
    fibre = fractal_noise(chance, side, side, 0.6)
    canvas = canvas * (0.35 + 0.65 * thread + 0.06 * fibre)[..., None]
    return lit(canvas, 15 * smooth_field(chance, side, 4), chance.uniform(0.3, 1.5), chance)


def stone(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Rock, bark, cloud or skin: fractal relief under one light, cut by cracks or patches with hard edges."""
    height = fractal_noise(chance, side, side, one_of(chance, (1.3, 1.6, 2.0)))
    dark, light = materials.palette.contrast(chance)
    tone = np.clip(0.5 + 0.25 * fractal_noise(chance, side, side, 1.3), 0, 1)
    canvas = mix(np.broadcast_to(dark, (side, side, 3)), light, tone)
    for _ in range(chance.integers(0, 4)):
        patch = fractal_noise(chance, side, side, 2.0) - chance.uniform(-0.5, 1)
        canvas = mix(canvas, materials.palette.pick(chance), step(patch, chance.uniform(0.01, 0.15)) * 0.9)
    if chance.random() < 0.6:
        crack = np.abs(fractal_noise(chance, side, side, 1.6)) - chance.uniform(0.01, 0.05)
        canvas = canvas * (0.3 + 0.7 * step(crack, 0.05))[..., None]
    return lit(canvas, height, chance.uniform(2, 12), chance)


def stripes(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Stripes, checks, rings and zone plates on bent ground, from a few pixels a period to many."""
    rows, columns = turned(chance, side)
    bend = chance.uniform(0, 0.15) * smooth_field(chance, side, 3)
    kind = chance.integers(4)
    slowest, fastest = chance.uniform(4, 20), chance.uniform(30, 110)
    phase: Field
    if kind == 0:
        phase = (rows + 1) * slowest + (rows + 1) ** 2 * (fastest - slowest) / 8
    elif kind == 1:
        centre = chance.uniform(-1, 1, 2)
        phase = ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) * fastest / 4
    elif kind == 2:
        down, right = rows - chance.uniform(-0.5, 0.5), columns - chance.uniform(-0.5, 0.5)
        phase = np.arctan2(down, right) / np.pi * chance.integers(8, 50)
        phase = np.where(np.hypot(down, right) > 0.15, phase, 0.25)  # rays finer than a pixel would be moiré
    else:
        phase = rows * chance.uniform(8, 60)
    wave = np.sin(2 * np.pi * (phase + bend * slowest))
    if chance.random() < 0.35:
        wave = wave * np.sin(2 * np.pi * columns * chance.uniform(4, 30))
    dark, light = materials.palette.contrast(chance)
    canvas = mix(np.broadcast_to(dark, (side, side, 3)), light, step(wave, chance.uniform(0.05, 2)))
    return lit(canvas, 20 * smooth_field(chance, side, 3), chance.uniform(0, 1.5), chance)


def writing(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Words of no meaning in several scripts and sizes, on paper, signs or stone, straight or slanted."""
    wide = side * 3 // 2
    letters, ground = materials.palette.contrast(chance)
    if chance.random() < 0.4:
        letters, ground = ground, letters
    paper = np.clip(surface(chance, wide, wide, Palette(ground[None])), 0, 255)
    picture = Image.fromarray(paper.astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    y = 0
    while y < wide:
        size = int(np.exp(chance.uniform(np.log(18), np.log(130))))
        font = ImageFont.truetype(one_of(chance, materials.fonts), size)
        script = LETTERS[chance.choice(4, p=(0.6, 0.15, 0.18, 0.07))]
        line = " ".join(
            "".join(script[index] for index in chance.integers(len(script), size=chance.integers(1, 10)))
            for _ in range(24)
        )
        colour = letters if chance.random() < 0.7 else materials.palette.pick(chance)
        pen.text((float(-chance.integers(60)), y), line, fill=ink(colour), font=font)
        y += int(size * chance.uniform(1.05, 1.6))
    angle = 0 if chance.random() < 0.4 else chance.uniform(-35, 35)
    picture = picture.rotate(angle, Image.Resampling.BICUBIC)
    start = (wide - side) // 2
    return np.asarray(picture.crop((start, start, start + side, start + side)), np.float32)


def branches(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Twigs against the sky: branching lines that thin out, some with leaves, before a background out of focus."""
    dark, light = materials.palette.contrast(chance)
    haze = np.clip(0.5 + 0.3 * smooth_field(chance, side, 4), 0, 1)
    sky = mix(np.broadcast_to(light, (side, side, 3)), materials.palette.pick(chance), haze)
    picture = Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    leafy = chance.random() < 0.5
    for _ in range(chance.integers(4, 11)):
        start = chance.uniform(0, side, 2)
        start[chance.integers(2)] = one_of(chance, (0, side))
        towards = side / 2 - start + chance.normal(0, side * 0.2, 2)
        growing = [(start, float(np.arctan2(towards[1], towards[0])), chance.uniform(8, 30))]
        while growing:
            place, heading, width = growing.pop()
            end = place + chance.uniform(0.5, 1.4) * (width * 5 + 20) * np.array([np.cos(heading), np.sin(heading)])
            pen.line([tuple(place), tuple(end)], fill=ink(dark * chance.uniform(0.5, 1.3)), width=int(width + 1))
            if leafy and width < 6:
                blade = outline(chance, chance.uniform(8, 26)) + end
                pen.polygon([tuple(point) for point in blade], fill=ink(materials.palette.pick(chance) * 0.9))
            forks = chance.integers(1, 4) if width > 1.5 else 0
            for fork in range(forks):
                thinner = width * chance.uniform(0.5, 0.9) * (1 - 0.1 * fork)
                growing.append((end, heading + chance.normal(0, 0.5), thinner))
    return np.asarray(picture, np.float32)


def collage(chance: Generator, side: int, materials: Materials) -> Canvas:
    """Other drawings cut to large shapes and laid upon one another with shadows, the lowest maybe out of focus."""
    canvas = one_of(chance, GROUNDS)(chance, side, materials)
    if chance.random() < 0.4:
        behind = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
        canvas = np.asarray(behind.filter(ImageFilter.GaussianBlur(chance.uniform(3, 20))), np.float32)
    for _ in range(chance.integers(1, 4)):
        above = one_of(chance, GROUNDS)(chance, side, materials)
        points = outline(chance, side * chance.uniform(0.2, 0.45)) + chance.uniform(0.2, 0.8, 2) * side
        blur = chance.uniform(4, 24)
        shadow = silhouette(points + blur * 0.6, side, side).filter(ImageFilter.GaussianBlur(blur))
        canvas = canvas * (1 - chance.uniform(0.2, 0.7) * np.asarray(shadow, np.float32)[..., None] / 255)
        canvas = mix(canvas, above, np.asarray(silhouette(points, side, side), np.float32) / 255)
    return canvas


GROUNDS: tuple[Drawing, ...] = (leaves, wing, hair, plumage, knitting, stone, stripes, branches)
DRAWINGS: tuple[Drawing, ...] = (
    *(leaves, wing, hair, collage) * 2,
    *(plumage, knitting, stone, stripes, writing, branches),
)


def exposed(chance: Generator, canvas: Canvas) -> Canvas:
    """The canvas as a camera would expose it: its dark and light ends at least 130 grey levels apart."""
    dark, light = np.percentile(canvas, (2, 98))
    if light - dark > 130:
        return canvas
    gain = chance.uniform(130, 220) / max(light - dark, 20)
    start = chance.uniform(0, max(1, 245 - (light - dark) * gain))
    return np.asarray((canvas - dark) * gain + start, np.float32)


def draw(chance: Generator, materials: Materials) -> Image.Image:
    """One drawing as an 8-bit RGB picture of 400 × 400, any of the kinds, with stickers now and then.

    Stickers are laid on after shrinking, at their own size: enlarged or reduced they would teach their own pixels.
    """
    kind = one_of(chance, DRAWINGS)
    canvas = exposed(chance, kind(chance, SIDE * OVERSAMPLING, materials))
    picture = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    lens = ImageFilter.GaussianBlur(chance.uniform(0.5, 1.1))
    picture = picture.filter(lens).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    if materials.stickers and chance.random() < 0.07:
        for _ in range(chance.integers(3, 14)):
            sticker = one_of(chance, materials.stickers)
            left, top = chance.integers(-20, SIDE - 50, 2)
            picture.paste(sticker, (int(left), int(top)), sticker)
    return picture
