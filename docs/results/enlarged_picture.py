"""Makes `enlarged.png`: parts of a drawn landscape, shrunk to a quarter and enlarged again.

    python docs/results/enlarged_picture.py docs/results/enlarged.png

The landscape is that of `style_pictures.py`; the weights that enlarge it come with i2i-srgan.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from style_pictures import landscape

import i2i

SCALE = 4
PARTS = ((120, 330, 320, 530), (380, 400, 580, 600))
"""Left, top, right, bottom: a village on its shore."""


def main(path: Path) -> None:
    """Draw, shrink, enlarge, lay side by side."""
    original = landscape()
    small = original.resize((original.width // SCALE, original.height // SCALE), Image.Resampling.BICUBIC)
    recipe = i2i.load_recipe(i2i.discover(), "srgan")
    assert recipe.weights is not None
    columns = {
        "pixels": small.resize(original.size, Image.Resampling.NEAREST),
        "bicubic": small.resize(original.size, Image.Resampling.BICUBIC),
        "i2i": i2i.load(recipe.weights).translate(small),
        "original": original,
    }
    parts = {title: [picture.crop(part) for part in PARTS] for title, picture in columns.items()}
    i2i.write_picture(i2i.contact_sheet(parts, cell=400), path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
