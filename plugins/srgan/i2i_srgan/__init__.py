"""Single-image super-resolution (Ledig et al. 2017) for i2i."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import Field

from i2i import AdversarialOptions, ModelSpec, Options, Role, ScheduleOptions, TrainerSpec, hookimpl

PAPER = "Ledig et al., Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, 2017"


class GeneratorOptions(Options):
    """The network that enlarges; the defaults are figure 4 of the paper."""

    scale: Literal[2, 3, 4, 8] = Field(4, description="pixels made of one, along each side")
    generator: Literal["resnet", "resnet-tanh", "compact"] = Field(
        "resnet",
        description="residual as published; with biases before norms, one slope a layer and a tanh at the end as in "
        "leftthomas/SRGAN; or a plain stack of convolutions for small machines",
    )
    blocks: int = Field(16, ge=1, description="residual blocks of `resnet`, convolutions between the ends of `compact`")
    width: int = Field(64, ge=1, description="channels")
    norm: Literal["batch", "none"] = Field("batch", description="of a resnet: none as in EDSR and ESRGAN")
    closing: Literal["norm", "prelu"] = Field(
        "norm", description="behind the last convolution of a resnet's blocks; prelu in early leftthomas/SRGAN"
    )


class SRGANOptions(GeneratorOptions):
    """The generator and its adversary."""

    discriminator_width: int = Field(64, ge=1, description="channels of the discriminator's first layer; 64 published")


class SRResNetTrainerOptions(ScheduleOptions):
    """Section 3.2 of the paper."""

    learning_rate: float = Field(1e-4, gt=0, description="of Adam")
    beta1: float = Field(0.9, ge=0, lt=1, description="of Adam: decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="of Adam: decay of the mean squared gradient")


class SRGANTrainerOptions(SRResNetTrainerOptions, AdversarialOptions):
    """Section 3.2 of the paper: both networks alternate, one step each."""

    drop_at: int | None = Field(
        None, ge=1, description="step from which the learning rate is a tenth; 100000 published; null: never"
    )


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """Small pictures in, large ones out."""
    return (
        ModelSpec(
            name="srresnet",
            summary="a generator of larger pictures: residual, or compact for CPUs",
            paper=PAPER,
            options=GeneratorOptions,
            inference=("generator",),
            write_foreign={"published-srgan": "i2i_srgan.published:write_published"},
            build="i2i_srgan.model:SRResNet",
        ),
        ModelSpec(
            name="srgan",
            summary="a generator of larger pictures, and the discriminator that teaches it texture",
            paper=PAPER,
            options=SRGANOptions,
            inference=("generator",),
            read_foreign="i2i_srgan.published:read_published",
            write_foreign={"published-srgan": "i2i_srgan.published:write_published"},
            build="i2i_srgan.model:SRGAN",
        ),
    )


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """The two stages of section 3.2."""
    return (
        TrainerSpec(
            name="srresnet",
            summary="stage one: the enlargement comes close to the original, pixel by pixel",
            paper=PAPER,
            options=SRResNetTrainerOptions,
            roles={"content": Role("image", "how far the enlargement is from the original")},
            submodules=("generator",),
            keys=("low", "high"),
            ema=("generator",),
            build="i2i_srgan.trainers:SRResNetTrainer",
        ),
        TrainerSpec(
            name="srgan",
            summary="stage two: content loss and an adversarial game, from a generator that stage one taught",
            paper=PAPER,
            options=SRGANTrainerOptions,
            roles={
                "content": Role("image", "how far the enlargement is from the original (equation 4, 5)"),
                "pixel": Role("image", "a second distance from the original, such as l1", optional=True),
                "adversarial": Role("adversarial", "tells enlargements from originals (equation 6)"),
                "regulariser": Role("regulariser", "keeps the discriminator smooth", optional=True),
            },
            submodules=("generator", "discriminator"),
            keys=("low", "high"),
            ema=("generator",),
            build="i2i_srgan.trainers:SRGANTrainer",
        ),
    )


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """`srresnet` and `srgan`, each also compact and for real photographs or as ESRGAN plays it."""
    recipes = (files(__name__) / "recipes").iterdir()
    return sorted((file for file in recipes if file.name.endswith(".yaml")), key=lambda file: file.name)
