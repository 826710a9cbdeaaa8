"""Unconditional and class-conditional image generation (Radford et al. 2016) for i2i."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import Field

from i2i import AdversarialOptions, ModelSpec, Options, Role, ScheduleOptions, TrainerSpec, hookimpl

PAPER = "Radford et al., Unsupervised Representation Learning with Deep Convolutional GANs, 2016"


class ModelOptions(Options):
    """The generator and the discriminator; the defaults are figure 1 of the paper."""

    size: Literal[16, 28, 32, 64, 128, 256] = Field(64, description="side of the pictures, in pixels")
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: colour")
    width: int = Field(128, ge=1, description="channels of the map of half the side; doubled with each smaller one")
    kernel: Literal[4, 5] = Field(5, description="pixels of a strided kernel's side; 4 overlaps evenly")
    bias: bool = Field(True, description="of the generator's last layer; pytorch/examples has none")
    latent: int = Field(100, ge=1, description="numbers that a picture is made of")
    distribution: Literal["uniform", "normal"] = Field("uniform", description="of each: on [-1, 1], or N(0, 1)")
    upsampling: Literal["transposed", "resize"] = Field(
        "transposed", description="transposed convolution as published, or resize and convolve against checkerboards"
    )
    discriminator_norm: Literal["batch", "layer", "none"] = Field(
        "batch", description="batch as published; layer or none for penalties as published (wgan-gp, r1)"
    )
    spectral_norm: bool = Field(False, description="bound the discriminator's slope (Miyato et al. 2018)")
    classes: tuple[str, ...] = Field((), description="names of the classes; taken from the data: dataset.classes")


class SampleOptions(Options):
    """What sampling can be told."""

    class_name: str | None = Field(
        None, coerce_numbers_to_str=True, description="the class to draw; null: each picture's seed chooses one"
    )


class TrainerOptions(AdversarialOptions, ScheduleOptions):
    """Section 4 of the paper."""

    learning_rate: float = Field(2e-4, gt=0, description="of Adam, for both networks")
    beta1: float = Field(0.5, ge=0, lt=1, description="of Adam: decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="of Adam: decay of the mean squared gradient")
    generator_every: int = Field(1, ge=1, description="steps of the discriminator to one of the generator")


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """Pictures out of nothing."""
    return (
        ModelSpec(
            name="dcgan",
            summary="a generator of pictures of one size, and the discriminator that teaches it",
            paper=PAPER,
            options=ModelOptions,
            translate_options=SampleOptions,
            inference=("generator",),
            read_foreign="i2i_dcgan.published:read_published",
            write_foreign={"published-dcgan": "i2i_dcgan.published:write_published"},
            build="i2i_dcgan.model:DCGAN",
        ),
    )


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """Algorithm 1 of Goodfellow et al. 2014 with the optimizer of section 4."""
    return (
        TrainerSpec(
            name="dcgan",
            summary="an adversarial game on one folder of pictures",
            paper=PAPER,
            options=TrainerOptions,
            roles={
                "adversarial": Role("adversarial", "tells generated pictures from real ones"),
                "regulariser": Role("regulariser", "keeps the discriminator smooth", optional=True),
            },
            submodules=("generator", "discriminator"),
            keys=("picture",),
            ema=("generator",),
            build="i2i_dcgan.trainer:DCGANTrainer",
        ),
    )


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """`dcgan`, `dcgan-128`, `dcgan-digits`, `dcgan-small-data`."""
    recipes = (files(__name__) / "recipes").iterdir()
    return sorted((file for file in recipes if file.name.endswith(".yaml")), key=lambda file: file.name)
