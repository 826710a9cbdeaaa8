"""Lays out what the demo works on: four photographs, a drawn landscape, small ones of all, and a painting as a style.

    python docs/results/demo_pictures.py demo

The photographs come with scikit-image, which is installed for development: a cat (Stefan van der Walt), a cup of coffee
(Rachel Michetti) and a rocket (SpaceX), all CC0, and an astronaut (NASA, public domain). The landscape and the painting
are those of `style_pictures.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import skimage
from PIL import Image
from style_pictures import landscape, swirls

SIDE, SCALE = 384, 4
"""Pixels of the longer side, and how many times smaller the small ones are."""
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
        large, small = folder / "photos" / f"{name}.png", folder / "small" / f"{name}.png"
        if large.exists() and small.exists():
            continue
        for file in (large, small):
            file.parent.mkdir(parents=True, exist_ok=True)
        picture = fitted(draw())
        picture.resize((picture.width // SCALE, picture.height // SCALE), Image.Resampling.BICUBIC).save(small)
        picture.save(large)
    style = folder / "style.png"
    if not style.exists():
        swirls().resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(style)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
