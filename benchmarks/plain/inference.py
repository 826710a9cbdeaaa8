"""A folder through a network, one picture after the other, as a script does it.

python benchmarks/plain/inference.py KIND WEIGHTS SOURCE DESTINATION
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.plain.networks import SRResNet, resnet_generator

SAVED = {".jpg": {"quality": 95, "subsampling": "4:4:4"}, ".png": {}}
"""JPEG as i2i writes it, so that both encode the same; PNG as Pillow does by itself."""


def network(kind: str, blocks: int, width: int) -> nn.Module:
    """`cyclegan` or `srresnet`, ready to infer."""
    built = resnet_generator(blocks, width) if kind == "cyclegan" else SRResNet(blocks, width)
    return built.eval().requires_grad_(False)


def translate(model: nn.Module, kind: str, sources: Sequence[Path], destination: Path, device: str = "cpu") -> None:
    """Every picture on its own: open, compute, save under its name."""
    destination.mkdir(parents=True, exist_ok=True)
    for source in sources:
        image = Image.open(source).convert("RGB")
        picture = torch.from_numpy(numpy.array(image)).permute(2, 0, 1)[None].float() / 255
        picture = picture.to(device)
        with torch.no_grad():
            answer = model(picture * 2 - 1 if kind == "cyclegan" else picture)
        levels = ((answer[0].cpu() + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0)
        Image.fromarray(levels.numpy()).save(destination / source.name, **SAVED[source.suffix])


if __name__ == "__main__":
    kind, weights, source, destination = sys.argv[1:]
    blocks, width = (9, 64) if kind == "cyclegan" else (16, 64)
    model = network(kind, blocks, width)
    model.load_state_dict(torch.load(weights, weights_only=True))
    translate(model, kind, [Path(source)], Path(destination))
