"""What keeps a discriminator smooth: penalties on the gradient of its logits with respect to the pictures.

Pictures are in [0, 1], but a gradient is with respect to the same picture on [-1, 1], as in the papers: a published γ
or λ is taken as it is. A patch discriminator counts by the mean of a picture's logits, so that a penalty does not grow
with the number of patches. Everything is computed in float32, also under autocast: a norm of bfloat16 gradients would
have two or three digits. Batch norm makes each logit depend on the whole batch, which the papers' formulas exclude
(Gulrajani et al. 2017, section 4).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from i2i.errors import I2IError
from i2i.features.extractor import in_full_precision
from i2i.losses import RegulariserOptions

Discriminator = Callable[[Tensor], Tensor]
"""Pictures (B, C, H, W) in [0, 1] → logits (B, ...)."""

SIGNED_RANGE = 2.0
"""The papers' pictures lie in [-1, 1], twice as far apart as ours in [0, 1]: the same slope is half as steep there."""


class _Regulariser(nn.Module):
    def __init__(self, options: RegulariserOptions) -> None:
        super().__init__()
        self.every = options.every


class R1(_Regulariser):
    """½ mean ‖∇D(real)‖² (Mescheder et al. 2018, eq. 9; the loss's weight is their γ)."""

    def forward(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1], twice → ()."""
        return picture_gradients(discriminator, real).square().sum(1).mean() / 2


class R2(_Regulariser):
    """½ mean ‖∇D(fake)‖² (Mescheder et al. 2018, eq. 10; the loss's weight is their γ)."""

    def forward(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1], twice → ()."""
        return picture_gradients(discriminator, fake).square().sum(1).mean() / 2


class GradientPenalty(_Regulariser):
    """mean (‖∇D‖ − 1)² between real and fake (Gulrajani et al. 2017, eq. 3; the loss's weight is their λ)."""

    def forward(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1], as many of each → ()."""
        return one_centred_penalty(discriminator, real, fake)


class ZeroCentred(_Regulariser):
    """mean ‖∇D‖² between real and fake (Thanh-Tung et al. 2019, 0-GP; the loss's weight is their λ)."""

    def forward(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1], as many of each → ()."""
        return picture_gradients(discriminator, between(real, fake)).square().sum(1).mean()


def one_centred_penalty(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
    """mean (‖∇D‖ − 1)² at one random point between each pair (Gulrajani et al. 2017, eq. 3 without λ): 0-dim."""
    lengths = torch.linalg.vector_norm(picture_gradients(discriminator, between(real, fake)), dim=1)
    return (lengths - 1).square().mean()


def picture_gradients(discriminator: Discriminator, pictures: Tensor) -> Tensor:
    """Of each picture's mean logit with respect to that picture on [-1, 1]; differentiable again.

    (B, C, H, W) in [0, 1] → (B, C·H·W).
    """
    with torch.autocast(pictures.device.type, enabled=False):
        pictures = in_full_precision(pictures.detach()).requires_grad_()
        logits = discriminator(pictures)
        total = logits.reshape(len(logits), -1).mean(1).sum()
        (gradients,) = torch.autograd.grad(total, pictures, create_graph=True)
    return gradients.flatten(1) / SIGNED_RANGE


def between(real: Tensor, fake: Tensor) -> Tensor:
    """One uniformly random point on the line between each real and fake picture, (B, C, H, W), detached.

    Raises `I2IError` where the two differ in shape.
    """
    if real.shape != fake.shape:
        raise I2IError(
            f"a penalty between real and generated pictures needs as many of each, of one size; "
            f"found {tuple(real.shape)} and {tuple(fake.shape)}"
        )
    real = in_full_precision(real.detach())
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    return torch.lerp(real, fake.detach().to(real), share)
