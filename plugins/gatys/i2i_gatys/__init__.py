"""Style transfer by optimisation (Gatys et al. 2016) and by a feed-forward network (Johnson et al. 2016) for i2i."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from i2i import FeatureOptions, FilePath, ModelSpec, Options, TrainerSpec, hookimpl

GATYS = "Gatys et al., Image Style Transfer Using Convolutional Neural Networks, 2016"
JOHNSON = "Johnson et al., Perceptual Losses for Real-Time Style Transfer and Super-Resolution, 2016"

Pictures = Annotated[tuple[FilePath, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""One file or several."""
Weight = Annotated[float, Field(ge=0)]


class StyleOptions(Options):
    """The style, and the features that describe it."""

    style: Pictures = Field((), description="style pictures")
    style_weights: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), description="how much each style picture counts beside the others; empty: all the same"
    )
    style_scale: float = Field(
        1.0,
        gt=0,
        le=8,
        description="size of the style's strokes: 2 makes them twice as large, up to their own size in the file",
    )
    features: FeatureOptions = Field(default_factory=FeatureOptions, description="what describes style and content")
    style_layers: dict[str, Weight] | None = Field(
        None, description="layers whose Gram matrices are the style, with weights; null: as suits the features"
    )
    content_layers: dict[str, Weight] | None = Field(
        None, description="layers whose maps are the content, with weights; null: as suits the features"
    )

    @model_validator(mode="after")
    def _a_weight_for_each_style(self) -> StyleOptions:
        if self.style_weights and len(self.style_weights) != len(self.style):
            raise ValueError(f"{len(self.style_weights)} style_weights for {len(self.style)} style pictures")
        return self


class ModelOptions(StyleOptions):
    """The style, and the features that describe it."""

    style: Pictures = Field((), description="style pictures; empty: the folder that `i2i fit --src` learns")


class Scale(Options):
    """One size of the canvas, from coarse to fine."""

    size: int = Field(ge=32, description="pixels of the canvas's longer side, at most the photo's own")
    steps: int = Field(ge=1, description="iterations")
    optimizer: Literal["lbfgs", "adam"] | None = Field(None, description="at this scale; null: as for all")
    content: float | None = Field(None, ge=0, description="weight of the content at this scale; null: as for all")

    def chosen(self) -> dict[str, object]:
        """What this scale has otherwise than all."""
        own = {"optimizer": self.optimizer, "content": self.content}
        return {name: value for name, value in own.items() if value is not None}


class TranslateOptions(Options):
    """How a canvas becomes a painting."""

    content: float = Field(1.0, ge=0, description="weight of the content; 1 balances it with the style")
    style: float = Field(1.0, ge=0, description="weight of the style")
    variation: float | None = Field(
        None, ge=0, description="weight of the total variation, which smooths grain; null: as suits the features"
    )
    scales: tuple[Scale, ...] = Field(
        (Scale(size=512, steps=200),),
        min_length=1,
        description="sizes of the canvas, coarse to fine; a photo larger than the last is painted there and enlarged",
    )
    initial: Literal["colour", "content", "noise"] = Field(
        "colour", description="first canvas: the photo in the style's colours, the photo itself, or noise of its seed"
    )
    optimizer: Literal["lbfgs", "adam"] = Field("lbfgs", description="L-BFGS with strong-Wolfe line search, or Adam")
    learning_rate: float = Field(0.02, gt=0, description="of Adam")
    history: int = Field(10, ge=1, description="steps that L-BFGS remembers; each takes the memory of two canvases")
    colours: Literal["style", "luminance", "histogram"] = Field(
        "style", description="luminance: the photo's hues under the painting's light; histogram: the photo's palette"
    )
    masks: Pictures = Field(
        (), description="one for each style picture, white where it goes; stretched over each photo; empty: mixed"
    )
    tile: int = Field(
        768,
        ge=64,
        description="a canvas of 1.5 times as many pixels a side, or more, is computed in squares of so many",
    )

    @model_validator(mode="after")
    def _coarse_to_fine(self) -> TranslateOptions:
        sizes = [scale.size for scale in self.scales]
        if sizes != sorted(set(sizes)):
            raise ValueError(f"scales go from coarse to fine, found sizes {', '.join(map(str, sizes))}")
        return self


class StyleTrainerOptions(Options):
    """`fit` walks the folder and averages; there is nothing to choose."""


class FastOptions(Options):
    """The size of a network that paints in one pass; the defaults are the paper's."""

    width: int = Field(32, ge=1, le=256, description="channels of the maps as large as the picture; doubled twice")
    blocks: int = Field(5, ge=1, le=32, description="residual blocks, on maps of a quarter of the picture's side")


class FastTrainerOptions(StyleOptions):
    """What the network learns to do to photos."""

    content_layers: dict[str, Weight] | None = Field(
        None, description="layers whose maps are the content, with weights; null: early ones, as suits the features"
    )
    content_weight: float = Field(1.0, ge=0, description="of the content; 1 balances it with the style")
    style_weight: float = Field(1.0, ge=0, description="of the style")
    variation_weight: float = Field(0.0, ge=0, description="of the total variation: smooths grain")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam")


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """Paints by optimising the picture, or in one pass."""
    return (
        ModelSpec(
            name="gatys",
            summary="paints a photo in the style of pictures, by optimising it",
            paper=GATYS,
            options=ModelOptions,
            translate_options=TranslateOptions,
            inference=("style", "features"),
            standalone=("style",),
            build="i2i_gatys.model:Gatys",
        ),
        ModelSpec(
            name="fast-style",
            summary="paints photos of any size in one pass, in the one style that it learned",
            paper=JOHNSON,
            options=FastOptions,
            inference=("network",),
            read_foreign="i2i_gatys.fast:read_published",
            build="i2i_gatys.fast:FastStyle",
        ),
    )


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """The style of a folder, and a network for a style."""
    return (
        TrainerSpec(
            name="gatys",
            summary="averages the Gram matrices of a folder of paintings",
            paper=GATYS,
            options=StyleTrainerOptions,
            submodules=("style", "features"),
            keys=("picture",),
            build="i2i_gatys.trainer:StyleTrainer",
        ),
        TrainerSpec(
            name="fast-style",
            summary="teaches a network, on a folder of photos, to paint in one style",
            paper=JOHNSON,
            options=FastTrainerOptions,
            submodules=("network",),
            keys=("picture",),
            ema=("network",),
            build="i2i_gatys.fast_trainer:FastStyleTrainer",
        ),
    )


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """`gatys`, `fast-style` and `fast-style-light`."""
    recipes = (files(__name__) / "recipes").iterdir()
    return sorted((file for file in recipes if file.name.endswith(".yaml")), key=lambda file: file.name)
