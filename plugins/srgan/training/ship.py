"""Turns trained weights into shipped ones: half precision, with a note on where they come from.

    python plugins/srgan/training/ship.py RUN/checkpoints/step-0012000/weights.safetensors \\
        plugins/srgan/i2i_srgan/weights/compact-x4.safetensors
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2i import Weights

NOTE = (
    "Trained by i2i on pictures drawn by its own code, Noto emoji (Google, Apache-2.0) and photographs in the public "
    "domain, under CC0, CC BY 2.0 (danielbuechele, vultilion) and CC BY 4.0 (Aitzol Berasategi, Jakub Mede, Trevor "
    '"Freespace"), shrunk and cut: the README in plugins/srgan/training lists each. The weights may be used under '
    "Apache-2.0."
)


def shipped(weights: Weights) -> Weights:
    """The same in float16, without the name of the folder that the pictures were in."""
    recipe: dict[str, Any] = dict(weights.recipe)
    recipe["dataset"] = {**recipe["dataset"], "source": None}
    recipe["run"] = {**recipe["run"], "note": NOTE}
    tensors = {key: tensor.half() for key, tensor in weights.tensors.items()}
    return replace(weights, recipe=recipe, tensors=tensors, note=NOTE)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.parent.mkdir(exist_ok=True)
    shipped(Weights.load(source)).save(target)
