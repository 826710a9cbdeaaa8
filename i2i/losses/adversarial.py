"""Adversarial games, all on logits of any shape: a patch discriminator's map is averaged over its patches."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from i2i.contracts import Options
from i2i.losses import LSGANOptions


class LSGAN(nn.Module):
    """Least squares (Mao et al. 2017, eq. 2; without its factors ½, which the training scheme may apply)."""

    def __init__(self, options: LSGANOptions) -> None:
        super().__init__()
        self.real, self.fake = options.real, options.fake

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """mean (D(fake) − real)²."""
        return (fake_logits - self.real).square().mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """mean (D(real) − real)² + mean (D(fake) − fake)²."""
        return (real_logits - self.real).square().mean() + (fake_logits - self.fake).square().mean()


class NonSaturating(nn.Module):
    """Logistic loss; the generator maximises log D(fake) (Goodfellow et al. 2014, end of section 3)."""

    def __init__(self, options: Options) -> None:
        super().__init__()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """−mean log σ(D(fake))."""
        return F.softplus(-fake_logits).mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """−mean log σ(D(real)) − mean log(1 − σ(D(fake)))."""
        return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


class Hinge(nn.Module):
    """Margin loss (Lim and Ye 2017, section 3)."""

    def __init__(self, options: Options) -> None:
        super().__init__()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """−mean D(fake)."""
        return -fake_logits.mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """mean max(0, 1 − D(real)) + mean max(0, 1 + D(fake))."""
        return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()
