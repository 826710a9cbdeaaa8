"""What a style is: Gram matrices at every size of the canvas, and a palette."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i import FeatureExtractor, I2IError, UsageError, open_picture, to_tensor
from i2i_gatys import StyleOptions
from i2i_gatys.colour import LEVELS, luma_levels, palette, repainted, with_luma_levels

SMALLEST = 32
"""Pixels of a style picture's shorter side."""


class Style(nn.Module):
    """Averages over the pictures that were added, of one style or of several; nothing else of them is kept."""

    mean: Tensor
    """(styles, 3)"""
    second: Tensor
    """(styles, 3, 3): second moments of colour, which add up where covariances do not."""
    luma: Tensor
    """(styles, 256): luma levels in ascending order."""
    pictures: Tensor
    """(styles,): how many were added."""

    def __init__(self, features: FeatureExtractor, layers: Mapping[str, float], styles: int, scale: float) -> None:
        super().__init__()
        self.layers, self.scale = dict(layers), scale
        for name in layers:
            channels = features.layers[name].channels
            self.register_buffer(f"gram_{name}", torch.zeros(styles, len(features.sizes), channels, channels))
        self.register_buffer("mean", torch.zeros(styles, 3))
        self.register_buffer("second", torch.zeros(styles, 3, 3))
        self.register_buffer("luma", torch.zeros(styles, LEVELS))
        self.register_buffer("pictures", torch.zeros(styles))

    @property
    def is_known(self) -> bool:
        """Whether every style has been given pictures."""
        return bool((self.pictures > 0).all())

    def grams(self, octave: int) -> dict[str, Tensor]:
        """Layer → (styles, C, C)."""
        return {name: self.get_buffer(f"gram_{name}")[:, octave] for name in self.layers}

    def mixed(self, octave: int, shares: Tensor) -> dict[str, Tensor]:
        """Layer → (1, C, C): the styles' mean by shares (styles,) that sum to 1.

        The nearest Gram matrix to several at once is their mean, with the same gradient.
        """
        return {name: torch.einsum("s,sij->ij", shares, grams)[None] for name, grams in self.grams(octave).items()}

    def read(self, files: Sequence[str], features: FeatureExtractor) -> None:
        """Learn each style from its file, and learn first the features from all of them where they are learned.

        Raises `BrokenPicture` or `I2IError` for a file that can be no style.
        """
        pictures = [_style_picture(name) for name in files]
        with torch.no_grad():
            if features.learns:
                features.learn(pictures, self.scale)
            for number, picture in enumerate(pictures):
                self.add(number, self.measured(features, picture), 1)

    def all_grams(self) -> Tensor:
        """Every number of every Gram matrix, (n,)."""
        return torch.cat([self.get_buffer(f"gram_{name}").flatten() for name in self.layers])

    def coloured(self, photo: Tensor, shares: Tensor) -> Tensor:
        """(1, 3, H, W) with the palette and the luma levels of the styles, mixed by shares (styles,) that sum to 1."""
        mean, second = shares @ self.mean, torch.einsum("s,sij->ij", shares, self.second)
        return with_luma_levels(repainted(photo, mean, second - mean.outer(mean)), shares @ self.luma)

    def measured(self, features: FeatureExtractor, pictures: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] → the sums over these pictures of all that is averaged, by buffer."""
        mean, covariance = palette(pictures)
        second = covariance + mean[:, :, None] * mean[:, None, :]
        luma = torch.stack([luma_levels(picture[None]) for picture in pictures])
        sums = {"mean": mean.sum(0), "second": second.sum(0), "luma": luma.sum(0)}
        octaves, seen = list[dict[str, Tensor]](), None
        for octave, size in enumerate(features.sizes):
            sized = shrunk(pictures, size * self.scale)
            if seen is None or sized.shape != seen.shape or features.learns:  # else it is as at the octave before
                maps, seen = features(sized, self.layers.keys(), octave), sized
            octaves.append({name: gram(maps[name]).sum(0) for name in self.layers})
        return sums | {f"gram_{name}": torch.stack([grams[name] for grams in octaves]) for name in self.layers}

    def add(self, style: int, sums: Mapping[str, Tensor], pictures: float) -> None:
        """Take so many pictures, of which `measured` gave these sums, into the averages of a style."""
        self.pictures[style] += pictures
        share = pictures / self.pictures[style]
        for name, total in sums.items():
            self.get_buffer(name)[style].lerp_(total / pictures, share)

    def forget(self) -> None:
        """As before the first picture."""
        for buffer in self.buffers():
            buffer.zero_()


def layers_of(options: StyleOptions, features: FeatureExtractor) -> tuple[dict[str, float], dict[str, float]]:
    """Style layers and content layers with their weights: the chosen ones, else those that suit the features.

    Raises `UsageError` for a layer that there is not, and where there is none.
    """
    style = features.style_layers if options.style_layers is None else options.style_layers
    content = features.content_layers if options.content_layers is None else options.content_layers
    features.refuse_unknown(style, "style_layers")
    features.refuse_unknown(content, "content_layers")
    if not style and not content:
        raise UsageError("style_layers, content_layers: both are empty; name a layer of one of them")
    return dict(style), dict(content)


def remarks_on(features: FeatureExtractor, section: str) -> tuple[str]:
    """Which features they are, and where they were learned the way to others."""
    others = f"; with them, as in the papers: --set {section}.features.use=vgg19" if features.learns else ""
    return (features.remark + others,)


def shares_of(weights: Sequence[float], styles: int) -> Tensor:
    """(styles,) that sum to 1; without weights all the same."""
    given = torch.tensor(weights or (1.0,) * styles)
    return given / given.sum()


def read_picture(name: str) -> Tensor:
    """(1, 3, H, W) in [0, 1] out of a file. Raises `BrokenPicture`."""
    return to_tensor(open_picture(name))[None].float() / 255


def nearest_octave(sizes: Sequence[int], side: int) -> int:
    """Which of the features' sizes is nearest to a canvas of this longer side."""
    return min(range(len(sizes)), key=lambda octave: abs(math.log2(sizes[octave] / side)))


def gram(maps: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, C): how often features occur together, averaged over the places of the map.

    Equation 3 of Gatys et al. 2016 sums; the average makes pictures of any two sizes comparable.
    """
    vectors = maps.permute(0, 2, 3, 1).flatten(1, 2)  # (B, H·W, C), not copied in either order of memory
    return vectors.transpose(1, 2) @ vectors / vectors.shape[1]


def shrunk(pictures: Tensor, side: float) -> Tensor:
    """(B, 3, H, W) with as many pixels as a square of this side; never enlarged, no side below what a style needs."""
    height, width = pictures.shape[-2:]
    factor = max(side / (height * width) ** 0.5, SMALLEST / min(height, width))
    return resized(pictures, round(height * factor), round(width * factor)) if factor < 1 else pictures


def resized(pictures: Tensor, height: int, width: int) -> Tensor:
    """(B, 3, H, W) → (B, 3, height, width) in [0, 1], bicubic."""
    if pictures.shape[-2:] == (height, width):
        return pictures
    size = (max(1, height), max(1, width))
    return F.interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _style_picture(name: str) -> Tensor:
    if Path(name).is_dir():
        learned = f"i2i fit --plugin gatys --src {shlex.quote(name)}"
        raise UsageError(f"{name}: is a folder; a style is a picture, that of a whole folder is learned by `{learned}`")
    picture = read_picture(name)
    height, width = picture.shape[-2:]
    if min(height, width) < SMALLEST:
        raise I2IError(f"{name}: {width}×{height} pixels; a style picture has {SMALLEST} or more on each side")
    return picture
