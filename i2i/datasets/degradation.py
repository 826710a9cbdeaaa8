"""How pictures lose their resolution: shrunk as the field does it, or first through what cameras and the web do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.datasets import Degradation
from i2i.images.resize import shrunk


def degraded(high: Tensor, scale: int, chain: Sequence[Degradation], generator: torch.Generator) -> Tensor:
    """(B, 3, H, W) in [0, 1] → (B, 3, H/scale, W/scale) in [0, 1], in steps of 1/255.

    What `chain` lists happens in its order, each thing drawn for each picture by itself. What comes before `shrink`
    happens to the large picture: a blur of 2 pixels is one of 0.5 pixels of the small picture at ×4, and most of a
    noise is lost. What comes after it happens to the small one.
    """
    pictures, is_shrunk = high, False
    for thing in chain:
        if thing.between is None:
            pictures, is_shrunk = shrunk(pictures, scale), True
            continue
        happens = happening(len(pictures), thing.chance, generator)
        changed = HAPPENINGS[thing.use](pictures, thing.between, generator).clamp(0, 1)
        pictures = torch.where(happens, changed, pictures)
    return (pictures * 255).round() / 255 if is_shrunk else shrunk(pictures, scale)


def blurred(pictures: Tensor, deviation: tuple[float, float], generator: torch.Generator) -> Tensor:
    """By a Gaussian of its own, in its own direction: standard deviations in pixels along both axes of an ellipse."""
    from kornia.filters import filter2d

    count, device = len(pictures), pictures.device
    along, across = drawn((2, count, 1, 1), deviation, generator)
    angle = torch.pi * torch.rand(count, 1, 1, generator=generator, device=device)
    reach = max(1, round(3 * deviation[1]))
    places = torch.arange(-reach, reach + 1, device=device, dtype=torch.float32)
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    u = columns * angle.cos() + rows * angle.sin()  # (B, k, k)
    v = rows * angle.cos() - columns * angle.sin()
    least = 1e-2  # narrower than any pixel: the kernel of no blur
    kernel = torch.exp(-0.5 * ((u / along.clamp(min=least)) ** 2 + (v / across.clamp(min=least)) ** 2))
    border = "reflect" if reach < min(pictures.shape[-2:]) else "replicate"
    return filter2d(pictures, kernel / kernel.sum((1, 2), keepdim=True), border_type=border)


def resized(pictures: Tensor, factor: tuple[float, float], generator: torch.Generator) -> Tensor:
    """To another size and back, both bicubic; one factor a batch."""
    share = float(drawn((1,), factor, generator))
    size = [max(1, round(length * share)) for length in pictures.shape[-2:]]
    there = F.interpolate(pictures, size, mode="bicubic", antialias=True).clamp(0, 1)
    return F.interpolate(there, pictures.shape[-2:], mode="bicubic", antialias=True)


def noisy(pictures: Tensor, deviation: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Gaussian, its standard deviation in 8-bit levels; for half of the pictures the same in all colours."""
    count, device = len(pictures), pictures.device
    strength = drawn((count, 1, 1, 1), deviation, generator) / 255
    noise = torch.randn(pictures.shape, generator=generator, device=device)
    grey = torch.rand(count, 1, 1, 1, generator=generator, device=device) < 0.5
    return pictures + strength * torch.where(grey, noise[:, :1], noise)


def compressed(pictures: Tensor, quality: tuple[float, float], generator: torch.Generator) -> Tensor:
    """As JPEG of that quality, 1 to 100."""
    from kornia.enhance import jpeg_codec_differentiable

    height, width = pictures.shape[-2:]
    below, beside = -height % 16, -width % 16  # the codec takes whole blocks
    whole = F.pad(pictures, (0, beside, 0, below), mode="replicate")
    answer = jpeg_codec_differentiable(whole, drawn((len(pictures),), quality, generator))
    return answer[..., :height, :width]


HAPPENINGS: dict[str, Callable[[Tensor, tuple[float, float], torch.Generator], Tensor]] = {
    "blur": blurred,
    "resize": resized,
    "noise": noisy,
    "jpeg": compressed,
}


def happening(count: int, chance: float, generator: torch.Generator) -> Tensor:
    """(B, 1, 1, 1): to which pictures of a batch a thing happens."""
    return torch.rand(count, 1, 1, 1, generator=generator, device=generator.device) < chance


def drawn(shape: Sequence[int], between: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Evenly in a range, on the generator's device."""
    least, most = between
    return least + (most - least) * torch.rand(tuple(shape), generator=generator, device=generator.device)
