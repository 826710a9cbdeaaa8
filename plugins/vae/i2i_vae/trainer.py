"""Algorithm 1 of Kingma and Welling 2014."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam

from i2i import Request, Trainer, Turns

PREVIEW_COLUMNS = 4
ACTIVE = 0.01
"""Nats of divergence, averaged over a batch, above which a latent says something about the picture."""


class VAETrainer(Trainer):
    """Encoder and decoder minimise, averaged over the batch,

        w · loss(x̂, x) + w′ · loss′(x̂, x) + β · KL / D

    where KL = −½ Σ_j (1 + log σ_j² − μ_j² − σ_j²), x̂ = f(z) and z = μ + σ ⊙ ε.

    Names: x `picture`, D the numbers in it (channels · size²), (μ, log σ²) what the `encoder` gives, ε `turns.noise`,
    f the `decoder`, β `trainer.beta`, w · loss the role `reconstruction`, w′ · loss′ the role `perceptual`.

    This is equation 10 with the sign changed, divided by D, with L = 1 draw of ε (section 2.3 finds that enough) and a
    decoder of fixed spread: the loss `mse` with weight w is −log p(x|z) / D, up to a constant, of a Gaussian of
    deviation s where w = 1 / 2s²; `l1` that of a Laplace distribution of scale b where w = 1 / b. Such a loss is a mean
    over the D numbers, and the divergence, a sum over latents, is divided by D as well: so weights and β mean the same
    at every size. β other than 1 is equation 4 of Higgins et al. 2017; a perceptual loss stands for no likelihood.
    """

    def optimizers(self) -> Mapping[str, Adam]:
        """One Adam for both networks."""
        parameters = [*self.model.encoder.parameters(), *self.model.decoder.parameters()]
        options = self.options
        return {"autoencoder": Adam(parameters, options.learning_rate, (options.beta1, options.beta2))}

    def learning_rate(self, optimizer: str, step: int) -> float:
        """Constant, or rising at first and falling at last."""
        return self.options.share(step)

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`picture`: (B, C, size, size) in [0, 1]."""
        pictures = batch["picture"]

        with turns("autoencoder") as turn:
            mean, log_variance = self.model.encoder(pictures)
            latents = reparameterised(mean, log_variance, turns.noise(mean.shape))
            decoded = self.model.decoder(latents)

            scalars = {"reconstruction": self.losses["reconstruction"](decoded, pictures)}
            if self.losses["perceptual"] is not None:
                scalars["perceptual"] = self.losses["perceptual"](decoded, pictures)
            divergences = divergence(mean, log_variance).mean(0)  # (latent,)
            divergence_share = divergences.sum() / pictures[0].numel()
            turn.minimise(sum(scalars.values()) + self.options.beta_at(turns.step) * divergence_share)

        scalars = {name: value.detach() for name, value in scalars.items()}
        scalars["kl"] = divergences.detach().sum()
        scalars["active"] = (divergences.detach() > ACTIVE).float().mean()
        scalars["psnr"] = psnr(decoded, pictures)
        return scalars

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pictures, their reconstructions, then samples whose latents stay the same through the run."""
        pictures = batch["picture"]
        seeds = tuple(range(PREVIEW_COLUMNS * len(pictures)))
        request = Request(seeds=seeds, options=self.translate_options)
        columns = self.model.sample(self.model.latents(seeds).to(pictures.device), request).chunk(PREVIEW_COLUMNS)
        shown = {"picture": pictures, "reconstruction": self.model.translate(pictures, request)}
        return shown | {f"sample {number}": column for number, column in enumerate(columns, 1)}


def reparameterised(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ ⊙ ε (equation 10): all (B, latent), differentiable in μ and log σ²."""
    return mean + torch.exp(log_variance / 2) * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) of each latent in nats (appendix B): (B, latent), float32, never below 0."""
    mean, log_variance = mean.float(), log_variance.float()
    return (mean.square() + (log_variance.expm1() - log_variance)) / 2  # σ² − 1 loses digits near σ = 1


def psnr(decoded: Tensor, pictures: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of a batch in dB, by its mean squared error: 0-dim."""
    return -10 * F.mse_loss(decoded.detach().float(), pictures).clamp_min(1e-10).log10()
