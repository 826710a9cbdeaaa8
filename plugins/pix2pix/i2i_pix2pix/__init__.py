"""Paired image-to-image translation (Isola et al. 2017) for i2i."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import Field, model_validator

from i2i import AdversarialOptions, ModelSpec, Options, Role, ScheduleOptions, TrainerSpec, hookimpl

PAPER = "Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017"


class ModelOptions(Options):
    """The generator and the discriminator; the defaults are section 6.1 of the paper."""

    generator: Literal["unet-256", "unet-128", "unet-64", "unet-32", "resnet-3", "resnet-6", "resnet-9"] = Field(
        "unet-256", description="kind of generator, and which side in pixels or how many residual blocks"
    )
    width: int = Field(64, ge=1, description="channels of the generator's first layer")
    upsampling: Literal["transposed", "resize"] = Field(
        "transposed", description="transposed convolution as published, or resize and convolve against checkerboards"
    )
    dropout: bool = Field(True, description="noise as published: half of the values of the middle layers are dropped")
    norm: Literal["instance", "batch"] = Field(
        "instance",
        description="of the generator, with learned scales: each picture by itself, or batch norm in the layers of the "
        "published code; see translate.dropout for what it goes by when it translates",
    )
    answers: Literal["picture", "colours", "holes"] = Field(
        "picture",
        description="what the generator makes: the picture; colours alone, lightness being the source's; what is "
        "missing of the source, all else staying as it is",
    )
    restores: bool = Field(
        False,
        description="an answer shows the same picture, only better: grey stays grey, transparency and 16 bits are kept",
    )
    discriminator_width: int = Field(64, ge=1, description="channels of the discriminator's first layer")
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="strided layers of the discriminator; 3 judge patches of 70×70 pixels"
    )

    @model_validator(mode="after")
    def _restores_a_picture(self) -> ModelOptions:
        if self.restores and self.answers != "picture":
            raise ValueError(f"restores: is for answers=picture, not {self.answers}: grey would stay grey")
        return self


class TranslateOptions(Options):
    """What a translation can be told."""

    dropout: bool = Field(
        True,
        description="noise as published, each picture's seed deciding; a model trained without dropout has none. "
        "Batch norms then go by each picture itself, as published too; false: by their running averages",
    )


class TrainerOptions(AdversarialOptions, ScheduleOptions):
    """Section 3.3 of the paper."""

    learning_rate: float = Field(2e-4, gt=0, description="of Adam, for the generator")
    discriminator_learning_rate: float | None = Field(
        None, gt=0, description="of Adam, for the discriminator; null: as the generator's"
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="of Adam: decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="of Adam: decay of the mean squared gradient")

    @model_validator(mode="after")
    def _pairs_stay_pairs(self) -> TrainerOptions:
        if "translation" in self.augment:
            raise ValueError("augment: translation would move a picture away from its source; take colour or cutout")
        return self


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """One generator, from source to target."""
    return (
        ModelSpec(
            name="pix2pix",
            summary="a generator that learns from pairs and a patch discriminator that sees both of a pair",
            paper=PAPER,
            options=ModelOptions,
            translate_options=TranslateOptions,
            inference=("generator",),
            read_foreign="i2i_pix2pix.published:read_published",
            write_foreign={"published-pix2pix": "i2i_pix2pix.published:write_published"},
            build="i2i_pix2pix.model:Pix2Pix",
        ),
    )


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """Equation 4 of the paper."""
    return (
        TrainerSpec(
            name="pix2pix",
            summary="a conditional adversarial game and the distance from the target, on pairs of pictures",
            paper=PAPER,
            options=TrainerOptions,
            roles={
                "adversarial": Role("adversarial", "tells generated targets from real ones, given the source"),
                "regulariser": Role("regulariser", "keeps the discriminator smooth", optional=True),
                "reconstruction": Role("image", "what is generated is near the target"),
                "perceptual": Role("image", "a network's features see the target in it", optional=True),
            },
            submodules=("generator", "discriminator"),
            keys=("source", "target"),
            ema=("generator",),
            build="i2i_pix2pix.trainer:Pix2PixTrainer",
        ),
    )


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """`pix2pix`, and `pix2pix-colours`, `-holes`, `-restore`, `-edges`, which make their own sources."""
    recipes = (files(__name__) / "recipes").iterdir()
    return sorted((file for file in recipes if file.name.endswith(".yaml")), key=lambda file: file.name)
