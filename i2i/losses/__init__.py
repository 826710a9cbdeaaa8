"""The built-in losses; they enter by the same hook as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from i2i.contracts import LossSpec, Options
from i2i.hookspecs import hookimpl


class LSGANOptions(Options):
    """Targets of the least-squares game (Mao et al. 2017, eq. 9: a = 0, b = c = 1)."""

    real: float = Field(1.0, description="logit that the discriminator should give real pictures")
    fake: float = Field(0.0, description="logit that the discriminator should give generated pictures")


@hookimpl
def i2i_losses() -> Iterable[LossSpec]:
    """Two distances between pictures, three adversarial games."""
    return (
        LossSpec(name="l1", kind="image", summary="mean absolute difference", build="i2i.losses.image:L1"),
        LossSpec(name="mse", kind="image", summary="mean squared difference", build="i2i.losses.image:MSE"),
        LossSpec(
            name="lsgan",
            kind="adversarial",
            summary="least squares: steady gradients far from the decision boundary",
            paper="Mao et al., Least Squares Generative Adversarial Networks, 2017",
            options=LSGANOptions,
            build="i2i.losses.adversarial:LSGAN",
        ),
        LossSpec(
            name="nonsaturating",
            kind="adversarial",
            summary="logistic, with the generator's objective that does not saturate",
            paper="Goodfellow et al., Generative Adversarial Nets, 2014, section 3",
            build="i2i.losses.adversarial:NonSaturating",
        ),
        LossSpec(
            name="hinge",
            kind="adversarial",
            summary="margin: the discriminator stops where it is sure",
            paper="Lim and Ye, Geometric GAN, 2017",
            build="i2i.losses.adversarial:Hinge",
        ),
    )
