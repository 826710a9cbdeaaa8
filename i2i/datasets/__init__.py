"""The built-in datasets; they enter by the same hook as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from i2i.contracts import DatasetSpec, Options
from i2i.hookspecs import hookimpl

Folders = Annotated[
    tuple[str, ...], Field(min_length=1), BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
"""One folder or several."""


class UnpairedOptions(Options):
    """Two folders of pictures that have nothing to do with each other but their kind."""

    source: Folders | None = Field(None, description="folders or files of the domain translated from")
    target: Folders | None = Field(None, description="folders or files of the domain translated to")
    validation: float = Field(0.02, ge=0, lt=1, description="share of each domain that is never trained on")
    resize: int = Field(286, ge=1, description="pixels of the shorter side before cropping")
    crop: int = Field(256, ge=1, description="side of the square that is cut out at random, in pixels")
    flip: bool = Field(True, description="mirror every other picture left to right")
    background: str = Field("white", description="colour under transparent pixels: a name or #rrggbb")

    @model_validator(mode="after")
    def _crop_fits(self) -> UnpairedOptions:
        if self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        return self


class PicturesOptions(Options):
    """Folders of pictures of one kind, or of several that the folders tell apart."""

    source: Folders | None = Field(None, description="folders or files of pictures to learn from")
    validation: float = Field(0.02, ge=0, lt=1, description="share of the pictures that is never trained on")
    size: int = Field(64, ge=1, description="side of the square that is learnt from, in pixels")
    resize: int | None = Field(
        None, ge=1, description="pixels of the shorter side before a square is cut out at random; null: as `size`"
    )
    flip: bool = Field(False, description="mirror every other picture left to right")
    classes: bool = Field(False, description="the subfolders of `source` are classes")
    background: str = Field("white", description="colour under transparent pixels: a name or #rrggbb")

    @model_validator(mode="after")
    def _size_fits(self) -> PicturesOptions:
        if self.resize is not None and self.size > self.resize:
            raise ValueError(f"size {self.size} is larger than resize {self.resize}")
        return self


class Degradation(Options):
    """One thing that happens to a picture on its way to low resolution (Wang et al. 2021, Real-ESRGAN, section 3)."""

    use: Literal["blur", "resize", "shrink", "noise", "jpeg"] = Field(
        description="blur by a Gaussian; resize and come back; shrink by the scale, at the end if it is not named; "
        "noise, Gaussian, half of the time the same in all colours; jpeg compression"
    )
    between: tuple[float, float] | None = Field(
        None,
        description="least and most, drawn evenly a picture: of blur the standard deviation in pixels, of resize the "
        "factor (drawn once a batch), of noise the standard deviation in 8-bit levels, of jpeg the quality",
    )
    chance: float = Field(1.0, ge=0, le=1, description="that it happens to a picture")

    @model_validator(mode="after")
    def _range_is_possible(self) -> Degradation:
        if self.use == "shrink":
            if self.between is not None or self.chance != 1:
                raise ValueError("shrink is by the scale and always happens: leave out between and chance")
            return self
        floor, ceiling = LIMITS[self.use]
        if self.between is None:
            raise ValueError(f"{self.use} needs between: [least, most], from {floor:g} up to {ceiling:g}")
        least, most = self.between
        if not floor <= least <= most <= ceiling:
            raise ValueError(f"between {least:g} and {most:g}: {self.use} goes from {floor:g} up to {ceiling:g}")
        return self


LIMITS = {"blur": (0.0, 20.0), "resize": (0.1, 4.0), "noise": (0.0, 255.0), "jpeg": (1.0, 100.0)}


class CropOptions(Options):
    """Squares cut out of pictures that are trained on at their own resolution."""

    validation: float = Field(0.02, ge=0, lt=1, description="share of the pictures that is never trained on")
    crop: int = Field(96, ge=1, description="side of the square that is cut out at random, in high-resolution pixels")
    flip: bool = Field(True, description="mirror and turn squares at random, in all eight ways")
    scale: int | None = Field(None, ge=1, description="pixels made of one along each side; null: the model's scale")
    background: str = Field("white", description="colour under transparent pixels: a name or #rrggbb")

    @model_validator(mode="after")
    def _crop_divides(self) -> CropOptions:
        if self.scale is not None and self.crop % self.scale:
            nearest = max(1, round(self.crop / self.scale)) * self.scale
            raise ValueError(f"crop {self.crop} cannot be divided by the scale, {self.scale}; {nearest} can")
        return self


class DegradedOptions(CropOptions):
    """High-resolution pictures; the low-resolution ones are made from them on the device."""

    source: Folders | None = Field(None, description="folders or files of high-resolution pictures")
    degradation: tuple[Degradation, ...] = Field(
        (), description="what happens to a picture, in this order; empty: it is shrunk and no more"
    )

    @model_validator(mode="after")
    def _shrinks_once(self) -> DegradedOptions:
        if sum(thing.use == "shrink" for thing in self.degradation) > 1:
            raise ValueError("degradation: a picture is shrunk once")
        return self


class PairedResolutionsOptions(CropOptions):
    """Low- and high-resolution pictures of the same things."""

    source: Folders | None = Field(None, description="folders or files of low-resolution pictures")
    target: Folders | None = Field(None, description="folders or files of high-resolution pictures")
    match: tuple[tuple[Annotated[str, Field(min_length=1)], str], ...] = Field(
        (),
        description="what differs in the names: [[_LR, _HR]] pairs a_LR.png with a_HR.png and passes over what has no "
        "_LR in its name; empty: names are the same",
    )


@hookimpl
def i2i_datasets() -> Iterable[DatasetSpec]:
    """Unpaired folders, plain pictures, and two resolutions of the same."""
    return (
        DatasetSpec(
            name="unpaired",
            summary="two folders of unpaired pictures, resized, cropped and mirrored at random",
            keys=("source", "target"),
            cli={"src": "source", "target": "target"},
            options=UnpairedOptions,
            build="i2i.datasets.unpaired:Unpaired",
        ),
        DatasetSpec(
            name="pictures",
            summary="folders of pictures, resized and cut square, with their classes where folders tell them",
            keys=("picture",),
            cli={"src": "source"},
            options=PicturesOptions,
            build="i2i.datasets.pictures:Pictures",
        ),
        DatasetSpec(
            name="degraded",
            summary="high-resolution pictures, shrunk on the device; blur, noise and compression where wanted",
            keys=("low", "high"),
            cli={"src": "source"},
            options=DegradedOptions,
            build="i2i.datasets.resolutions:Degraded",
        ),
        DatasetSpec(
            name="paired-resolutions",
            summary="low- and high-resolution pictures of the same things, paired by name",
            keys=("low", "high"),
            cli={"src": "source", "target": "target"},
            options=PairedResolutionsOptions,
            build="i2i.datasets.resolutions:PairedResolutions",
        ),
    )
