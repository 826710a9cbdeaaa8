"""Lays out what `make demo` works on, in folders by task: `given` and, where there is such a thing, `wanted`.

    python docs/results/demo_pictures.py demo

The photographs come with scikit-image, which is installed for development: a cat (Stefan van der Walt), a cup of
coffee (Rachel Michetti) and a rocket (SpaceX), all CC0, and an astronaut (NASA, public domain). A landscape and a
painting, for its style, are drawn by `style_pictures.py`, digits by i2i.
"""

from __future__ import annotations

import sys
from pathlib import Path

import skimage
from PIL import Image
from style_pictures import landscape, swirls

from i2i.datasets.digits import make_digits

SIDE, SCALE = 384, 4
"""Pixels of the longer side, and how many times smaller the small ones are."""
PAINTED = ("cat", "landscape")
PHOTOGRAPHS = {"cat": "chelsea.png", "coffee": "coffee.png", "rocket": "rocket.jpg", "astronaut": "astronaut.png"}


def fitted(picture: Image.Image) -> Image.Image:
    """At most `SIDE` pixels long, in whole multiples of `SCALE`."""
    share = SIDE / max(picture.size)
    width, height = (round(side * share / SCALE) * SCALE for side in picture.size)
    return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def main(folder: Path) -> None:
    """Write what is not there yet."""
    shipped = Path(skimage.__file__).parent / "data"
    pictures = {name: (lambda file=file: Image.open(shipped / file)) for name, file in PHOTOGRAPHS.items()}
    for name, draw in {**pictures, "landscape": landscape}.items():
        large, small = (folder / kind / "enlarge" / f"{name}.png" for kind in ("wanted", "given"))
        files = [large, small, *([folder / "given" / "paint" / f"{name}.png"] if name in PAINTED else [])]
        if all(file.exists() for file in files):
            continue
        picture = fitted(draw())
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            size = (picture.width // SCALE, picture.height // SCALE) if file == small else picture.size
            picture.resize(size, Image.Resampling.BICUBIC).save(file)
    digits = folder / "given" / "redraw"
    if not digits.exists():
        make_digits(folder / "digits", 6, seed=1)
        (folder / "digits" / "white").replace(digits)
    style = folder / "style.png"
    if not style.exists():
        swirls().resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(style)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
