"""Unpaired image-to-image translation (Zhu et al. 2017) for i2i."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import Field, model_validator

from i2i import AdversarialOptions, ModelSpec, Options, Role, TrainerSpec, hookimpl

PAPER = "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, 2017"


class ModelOptions(Options):
    """The two generators and the two discriminators."""

    generator: Literal["resnet-3", "resnet-6", "resnet-9", "unet-128", "unet-256"] = Field(
        "resnet-9", description="kind of generator, and how many residual blocks or which side in pixels"
    )
    width: int = Field(64, ge=1, description="channels of a generator's first layer")
    upsampling: Literal["transposed", "resize"] = Field(
        "transposed", description="transposed convolution as published, or resize and convolve against checkerboards"
    )
    residual: bool = Field(False, description="learn what to add to a picture, which keeps its colours and edges")
    norm: Literal["instance", "none"] = Field(
        "instance", description="of a resnet: as published, or none: no blobs, and tiles of large pictures are exact"
    )
    dropout: bool = Field(False, description="noise while learning: half of a resnet's block's values are dropped")
    discriminator_width: int = Field(64, ge=1, description="channels of a discriminator's first layer")
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="strided layers of a discriminator; 3 judge patches of 70×70 pixels"
    )

    @model_validator(mode="after")
    def _a_unet_has_norms(self) -> ModelOptions:
        if self.norm == "none" and self.generator.startswith("unet"):
            raise ValueError(f"norm none: {self.generator} has instance norms; choose a resnet")
        return self

    @model_validator(mode="after")
    def _a_resnet_drops(self) -> ModelOptions:
        if self.dropout and self.generator.startswith("unet"):
            raise ValueError(f"dropout: is for the blocks of a resnet, not {self.generator}")
        return self


class TranslateOptions(Options):
    """What a translation can be told."""

    direction: Literal["source-to-target", "target-to-source"] = Field(
        "source-to-target", description="which way to translate"
    )


class TrainerOptions(AdversarialOptions):
    """Section 4 and appendix 7.1 of the paper."""

    learning_rate: float = Field(2e-4, gt=0, description="of Adam, for generators and discriminators")
    beta1: float = Field(0.5, ge=0, lt=1, description="of Adam: decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="of Adam: decay of the mean squared gradient")
    decay_from: int = Field(100_000, ge=0, description="step from which the learning rate falls linearly")
    decay_to: int = Field(200_000, ge=1, description="step at which the learning rate is 0")
    replay: int = Field(50, ge=0, description="generated pictures a discriminator is shown again; 0: only the newest")

    @model_validator(mode="after")
    def _decay_has_a_length(self) -> TrainerOptions:
        if self.decay_to < self.decay_from:
            raise ValueError(f"decay_to {self.decay_to} is before decay_from {self.decay_from}")
        return self


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """Both directions in one model."""
    return (
        ModelSpec(
            name="cyclegan",
            summary="two generators and two patch discriminators; translates either way",
            paper=PAPER,
            options=ModelOptions,
            translate_options=TranslateOptions,
            inference=("to_target", "to_source"),
            read_foreign="i2i_cyclegan.published:read_published",
            write_foreign={"published-cyclegan": "i2i_cyclegan.published:write_published"},
            build="i2i_cyclegan.model:CycleGAN",
        ),
    )


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """The scheme of the paper's equation 3 with the identity loss of section 5.2."""
    return (
        TrainerSpec(
            name="cyclegan",
            summary="adversarial, cycle and identity losses on unpaired pictures",
            paper=PAPER,
            options=TrainerOptions,
            roles={
                "adversarial": Role("adversarial", "makes translations look like the other domain"),
                "regulariser": Role("regulariser", "keeps the discriminators smooth", optional=True),
                "cycle": Role("image", "there and back again gives the same picture"),
                "identity": Role("image", "a picture of the wanted domain stays as it is", optional=True),
            },
            submodules=("to_target", "to_source", "judge_target", "judge_source"),
            keys=("source", "target"),
            ema=("to_target", "to_source"),
            build="i2i_cyclegan.trainer:CycleGANTrainer",
        ),
    )


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """`cyclegan`, `cyclegan-light`, `cyclegan-digits`."""
    recipes = (files(__name__) / "recipes").iterdir()
    return sorted((file for file in recipes if file.name.endswith(".yaml")), key=lambda file: file.name)
