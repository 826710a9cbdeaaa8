"""The built-in losses; they enter by the same hook as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from i2i.contracts import LossSpec, Options
from i2i.features import FixedFeatureOptions, LPIPSOptions
from i2i.hookspecs import hookimpl

Augmentation = Literal["colour", "translation", "cutout"]


Weight = Annotated[float, Field(gt=0)]


def _each_with_weight_1(layers: Any) -> Any:
    return dict.fromkeys(layers, 1.0) if isinstance(layers, (list, tuple)) else layers


Layers = Annotated[dict[str, Weight], BeforeValidator(_each_with_weight_1), Field(min_length=1)]
"""Layer → weight; or a list of layers, each with weight 1."""


class FeatureLossOptions(Options):
    """What the maps of two pictures are, and how far apart."""

    features: FixedFeatureOptions = Field(
        default_factory=FixedFeatureOptions, description="what describes the pictures that are compared"
    )
    layers: Layers | None = Field(
        None,
        description="layers whose maps are compared, with weights, or a list of them; conv5_4:linear is conv5_4 before "
        "its ReLU (Wang et al. 2018, section 3.4); null: the deepest, before its ReLU; of random features, one a block",
    )
    distance: Literal["mse", "l1"] = Field("mse", description="mean squared or mean absolute difference of the maps")
    scale: float | None = Field(
        None,
        gt=0,
        description="what maps are multiplied by before they are compared; null: 1/12.75 for vgg19, which makes 0.006 "
        "of the squares (Ledig et al. 2017, section 3.2), for the others what makes a noisy picture's mse that of its "
        "pixels",
    )


class AdversarialOptions(Options):
    """What every trainer that plays an `i2i.AdversarialGame` can be told: base of its own options."""

    augment: tuple[Augmentation, ...] = Field(
        (),
        description="random changes, in this order, to all that the discriminator sees, for small data sets: "
        "colour, translation (by up to 1/8 of a side), cutout (of half a side)",
    )


class LabelOptions(Options):
    """What the discriminator is told about the pictures it judges."""

    flipping: float = Field(
        0.0, ge=0, le=1, description="chance that a real and a generated picture change labels for the discriminator"
    )


class LogisticOptions(LabelOptions):
    """One-sided label smoothing (Salimans et al. 2016, section 3.4)."""

    smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="how far below 1 lies the probability that the discriminator gives real pictures"
    )


class LSGANOptions(LabelOptions):
    """Targets of the least-squares game (Mao et al. 2017, eq. 9: a = 0, b = c = 1)."""

    real: float = Field(1.0, description="logit that the discriminator should give real pictures; 0.9 smooths labels")
    fake: float = Field(0.0, description="logit that the discriminator should give generated pictures")

    @model_validator(mode="after")
    def _targets_differ(self) -> LSGANOptions:
        if self.real == self.fake:
            raise ValueError(f"real {self.real} and fake {self.fake} are the same target")
        return self


class WGANGPOptions(LabelOptions):
    """The Wasserstein game of Gulrajani et al. 2017."""

    penalty: float = Field(10.0, ge=0, description="λ, weight of the gradient penalty; 0 leaves it out")


class RegulariserOptions(Options):
    """Lazy regularisation (Karras et al. 2020, StyleGAN2, section 3.1 and appendix B)."""

    every: int = Field(1, ge=1, description="steps from one computation to the next; each counts that much more")


@hookimpl
def i2i_losses() -> Iterable[LossSpec]:
    """Distances between pictures, adversarial games, regularisers of the discriminator."""
    return (*_distances(), *_games(), *_regularisers())


def _distances() -> Iterable[LossSpec]:
    return (
        LossSpec(name="l1", kind="image", summary="mean absolute difference", build="i2i.losses.image:L1"),
        LossSpec(name="mse", kind="image", summary="mean squared difference", build="i2i.losses.image:MSE"),
        LossSpec(
            name="features",
            kind="image",
            summary="difference of what a network sees: perceptual loss",
            paper="Johnson et al., Perceptual Losses for Real-Time Style Transfer and Super-Resolution, 2016, "
            "equation 2; Ledig et al., Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial "
            "Network, 2017, equation 5",
            options=FeatureLossOptions,
            build="i2i.losses.perceptual:FeatureLoss",
        ),
        LossSpec(
            name="lpips",
            kind="image",
            summary="how different people would find the pictures, learned",
            paper="Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018",
            options=LPIPSOptions,
            build="i2i.losses.perceptual:LPIPSLoss",
        ),
    )


def _games() -> Iterable[LossSpec]:
    return (
        LossSpec(
            name="minimax",
            kind="adversarial",
            summary="logistic, the original zero-sum game; the generator stalls where the discriminator is sure",
            paper="Goodfellow et al., Generative Adversarial Nets, 2014, equation 1",
            options=LogisticOptions,
            build="i2i.losses.adversarial:Minimax",
        ),
        LossSpec(
            name="nonsaturating",
            kind="adversarial",
            summary="logistic, with the generator's objective that does not saturate",
            paper="Goodfellow et al., Generative Adversarial Nets, 2014, section 3",
            options=LogisticOptions,
            build="i2i.losses.adversarial:NonSaturating",
        ),
        LossSpec(
            name="lsgan",
            kind="adversarial",
            summary="least squares: steady gradients far from the decision boundary",
            paper="Mao et al., Least Squares Generative Adversarial Networks, 2017",
            options=LSGANOptions,
            build="i2i.losses.adversarial:LSGAN",
        ),
        LossSpec(
            name="hinge",
            kind="adversarial",
            summary="margin: the discriminator stops where it is sure",
            paper="Lim and Ye, Geometric GAN, 2017",
            options=LabelOptions,
            build="i2i.losses.adversarial:Hinge",
        ),
        LossSpec(
            name="wgan-gp",
            kind="adversarial",
            summary="Wasserstein distance by a critic whose gradient is held near length 1",
            paper="Gulrajani et al., Improved Training of Wasserstein GANs, 2017, equation 3",
            options=WGANGPOptions,
            build="i2i.losses.adversarial:WGANGP",
        ),
        LossSpec(
            name="relativistic-average",
            kind="adversarial",
            summary="logistic on how much more real a picture looks than the other side's average",
            paper="Jolicoeur-Martineau, The relativistic discriminator: a key element missing from standard GAN, 2018",
            options=LogisticOptions,
            needs_real_logits=True,
            build="i2i.losses.adversarial:RelativisticAverage",
        ),
    )


def _regularisers() -> Iterable[LossSpec]:
    return (
        LossSpec(
            name="r1",
            kind="regulariser",
            summary="flattens the discriminator at real pictures; the weight is γ",
            paper="Mescheder et al., Which Training Methods for GANs do actually Converge?, 2018, equation 9",
            options=RegulariserOptions,
            build="i2i.losses.regularisers:R1",
        ),
        LossSpec(
            name="r2",
            kind="regulariser",
            summary="flattens the discriminator at generated pictures; the weight is γ",
            paper="Mescheder et al., Which Training Methods for GANs do actually Converge?, 2018, equation 10",
            options=RegulariserOptions,
            build="i2i.losses.regularisers:R2",
        ),
        LossSpec(
            name="gradient-penalty",
            kind="regulariser",
            summary="holds the gradient between real and generated pictures near length 1; the weight is λ",
            paper="Gulrajani et al., Improved Training of Wasserstein GANs, 2017, equation 3",
            options=RegulariserOptions,
            build="i2i.losses.regularisers:GradientPenalty",
        ),
        LossSpec(
            name="zero-centred",
            kind="regulariser",
            summary="flattens the discriminator between real and generated pictures; the weight is λ",
            paper="Thanh-Tung et al., Improving Generalization and Stability of Generative Adversarial Networks, 2019",
            options=RegulariserOptions,
            build="i2i.losses.regularisers:ZeroCentred",
        ),
    )
