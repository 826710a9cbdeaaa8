"""Style transfer by L-BFGS on the picture (Gatys et al. 2016), as a script does it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.plain.networks import vgg19

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT = "relu4_2"
STYLE_WEIGHT, CONTENT_WEIGHT = 0.2, 0.03


class Painting:
    """A photo, a style and the way from one to the other.

    Departs from equations 1 and 4 so that its loss is the one that i2i minimises, and the two can be compared: squared
    distances are divided by the mean square of what is wanted, and of the style's the logarithm is taken.
    """

    def __init__(self, photo: Tensor, style: Tensor, vgg: Path | None, device: str) -> None:
        """Both (1, 3, H, W) in [0, 1]."""
        self.network = vgg19("conv5_1", vgg)
        self.network.add_module("relu5_1", nn.ReLU())
        self.network.to(device)
        self.photo = photo.to(device)
        with torch.no_grad():
            self.grams = {name: gram(maps) for name, maps in self.maps(style.to(device)).items() if name in STYLE}
            self.content = self.maps(self.photo)[CONTENT]

    def maps(self, picture: Tensor) -> Mapping[str, Tensor]:
        """What the layers of style and content see."""
        seen = {}
        for name, layer in self.network.named_children():
            picture = layer(picture)
            if name in (*STYLE, CONTENT):
                seen[name] = picture
        return seen

    def loss(self, canvas: Tensor) -> Tensor:
        """0-dim."""
        maps = self.maps(canvas)
        style = [
            ((gram(maps[name]) - wanted).square().sum() / wanted.square().sum()).log1p()
            for name, wanted in self.grams.items()
        ]
        flat = self.content.flatten(2)
        spread = (flat - flat.mean(2, keepdim=True)).square().sum()
        content = (maps[CONTENT] - self.content).square().sum() / spread
        return STYLE_WEIGHT * torch.stack(style).sum() + CONTENT_WEIGHT * content

    def painted(self, iterations: int) -> Tensor:
        """(1, 3, H, W) in [0, 1]: the canvas after so many iterations from the photo."""
        canvas = self.photo.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [canvas],
            max_iter=iterations,
            max_eval=20 * iterations,
            history_size=10,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self.loss(canvas)
            loss.backward()
            return loss

        optimizer.step(closure)
        return canvas.detach().clamp(0, 1)


def gram(maps: Tensor) -> Tensor:
    """(1, C, H, W) → (C, C), averaged over the places of the map."""
    vectors = maps[0].flatten(1)
    return vectors @ vectors.T / vectors.shape[1]
