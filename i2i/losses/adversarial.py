"""Adversarial games, all on logits (B, ...): a patch discriminator's map is averaged over its patches.

Where a loss has no `accuracy` of its own, a logit above 0 says real.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.errors import I2IError
from i2i.losses import LabelOptions, LogisticOptions, LSGANOptions, WGANGPOptions
from i2i.losses.regularisers import one_centred_penalty


class Minimax(nn.Module):
    """The zero-sum logistic game (Goodfellow et al. 2014, eq. 1): the generator minimises log(1 − D(fake))."""

    def __init__(self, options: LogisticOptions) -> None:
        super().__init__()
        self.smoothing, self.flipping = options.smoothing, options.flipping

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """mean log(1 − σ(D(fake)))."""
        return -F.softplus(fake_logits).mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """−mean log σ(D(real)) − mean log(1 − σ(D(fake)))."""
        real_logits, fake_logits = with_flipped_labels(real_logits, fake_logits, self.flipping)
        return surprise_at_real(real_logits, self.smoothing).mean() + F.softplus(fake_logits).mean()


class NonSaturating(Minimax):
    """The logistic game whose generator maximises log D(fake) (Goodfellow et al. 2014, end of section 3)."""

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """−mean log σ(D(fake))."""
        return F.softplus(-fake_logits).mean()


class LSGAN(nn.Module):
    """Least squares (Mao et al. 2017, eq. 2; without its factors ½, which the training scheme may apply)."""

    def __init__(self, options: LSGANOptions) -> None:
        super().__init__()
        self.real, self.fake, self.flipping = options.real, options.fake, options.flipping

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """mean (D(fake) − real)²."""
        return (fake_logits - self.real).square().mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """mean (D(real) − real)² + mean (D(fake) − fake)²."""
        real_logits, fake_logits = with_flipped_labels(real_logits, fake_logits, self.flipping)
        return (real_logits - self.real).square().mean() + (fake_logits - self.fake).square().mean()

    def accuracy(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """The shares of logits that are nearer to their own target than to the other."""
        real_right = (real_logits - self.real).abs() < (real_logits - self.fake).abs()
        fake_right = (fake_logits - self.fake).abs() < (fake_logits - self.real).abs()
        return real_right.float().mean(), fake_right.float().mean()


class Hinge(nn.Module):
    """Margin loss (Lim and Ye 2017, section 3)."""

    def __init__(self, options: LabelOptions) -> None:
        super().__init__()
        self.flipping = options.flipping

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """−mean D(fake)."""
        return -fake_logits.mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """mean max(0, 1 − D(real)) + mean max(0, 1 + D(fake))."""
        real_logits, fake_logits = with_flipped_labels(real_logits, fake_logits, self.flipping)
        return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


class WGANGP(nn.Module):
    """Wasserstein distance with gradient penalty (Gulrajani et al. 2017, eq. 3)."""

    def __init__(self, options: WGANGPOptions) -> None:
        super().__init__()
        self.weight, self.flipping = options.penalty, options.flipping

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """−mean D(fake)."""
        return -fake_logits.mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """mean D(fake) − mean D(real): minus the distance that the critic sees."""
        real_logits, fake_logits = with_flipped_labels(real_logits, fake_logits, self.flipping)
        return fake_logits.mean() - real_logits.mean()

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor | None:
        """λ mean (‖∇D‖ − 1)² between `real` and `fake`, (B, C, H, W) each; None where λ is 0."""
        return self.weight * one_centred_penalty(discriminator, real, fake) if self.weight else None

    def accuracy(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """The shares on the right side of the other's mean: a critic's scale has no zero."""
        return accuracy_by_comparison(real_logits, fake_logits)


class RelativisticAverage(nn.Module):
    """RaSGAN: is this more real than the other side is on average? (Jolicoeur-Martineau 2018, section 4)."""

    def __init__(self, options: LogisticOptions) -> None:
        super().__init__()
        self.smoothing, self.flipping = options.smoothing, options.flipping

    def generator(self, fake_logits: Tensor, real_logits: Tensor) -> Tensor:
        """−mean log σ(D(fake) − mean D(real)) − mean log(1 − σ(D(real) − mean D(fake)))."""
        fake_leads, real_leads = fake_logits - real_logits.mean(), real_logits - fake_logits.mean()
        return F.softplus(-fake_leads).mean() + F.softplus(real_leads).mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """−mean log σ(D(real) − mean D(fake)) − mean log(1 − σ(D(fake) − mean D(real)))."""
        real_logits, fake_logits = with_flipped_labels(real_logits, fake_logits, self.flipping)
        real_leads, fake_leads = real_logits - fake_logits.mean(), fake_logits - real_logits.mean()
        return surprise_at_real(real_leads, self.smoothing).mean() + F.softplus(fake_leads).mean()

    def accuracy(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """The shares on the right side of the other's mean."""
        return accuracy_by_comparison(real_logits, fake_logits)


def surprise_at_real(logits: Tensor, smoothing: float) -> Tensor:
    """−(1 − s) log σ(D) − s log(1 − σ(D)), element by element (Salimans et al. 2016, section 3.4).

    >>> surprise_at_real(torch.zeros(2), 0.1)
    tensor([0.6931, 0.6931])
    """
    return F.softplus(-logits) + smoothing * logits


def with_flipped_labels(real_logits: Tensor, fake_logits: Tensor, chance: float) -> tuple[Tensor, Tensor]:
    """Both (B, ...): the logits of a sample, all its patches together, change places with this chance.

    Raises `I2IError` where there are not as many real as generated samples.
    """
    if not chance:
        return real_logits, fake_logits
    if real_logits.shape != fake_logits.shape:
        raise I2IError(
            f"flipping exchanges labels pair by pair, found logits {tuple(real_logits.shape)} of real and "
            f"{tuple(fake_logits.shape)} of generated pictures: set flipping=0 or give as many of each"
        )
    per_sample = (len(real_logits), *[1] * (real_logits.dim() - 1))
    flipped = torch.rand(per_sample, device=real_logits.device) < chance
    return torch.where(flipped, fake_logits, real_logits), torch.where(flipped, real_logits, fake_logits)


def accuracy_by_comparison(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """The shares of real logits above the fake ones' mean and of fake logits below the real ones', 0-dim each."""
    return (real_logits > fake_logits.mean()).float().mean(), (fake_logits < real_logits.mean()).float().mean()
