"""What the built-in datasets can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from i2i.contracts import FilePath, Options
from i2i.datasets.changes import Degradation, Making

Folders = Annotated[
    tuple[str, ...], Field(min_length=1), BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
"""One place of pictures or several: folders, files, lists of these, archives, URLs."""

Match = tuple[tuple[Annotated[str, Field(min_length=1)], str], ...]
"""What to replace in a name, and by what."""


CacheFolder = Annotated[
    bool | FilePath,
    Field(
        description="a folder where decoded pictures are kept for later epochs and runs; true: one in the user's cache"
    ),
]
CacheGigabytes = Annotated[float, Field(gt=0, description="that the cache's folder may hold, in 2^30 bytes")]


def _as_folders(value: Any) -> Any:
    return () if value is None else (value,) if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str | Mapping | Making) else value


class SquareOptions(Options):
    """Squares cut at random out of pictures that are brought to one size first."""

    source: Folders | None = Field(None, description="folders, files or archives of pictures")
    validation: float = Field(0.02, ge=0, lt=1, description="share of the pictures that is never trained on")
    resize: int = Field(286, ge=1, description="pixels of the shorter side before cropping")
    crop: int = Field(256, ge=1, description="side of the square that is cut out at random, in pixels")
    flip: bool = Field(True, description="mirror every other picture left to right")
    background: str = Field("white", description="colour under transparent pixels: a name or #rrggbb")
    cache: CacheFolder = False
    cache_gigabytes: CacheGigabytes = 20.0

    @model_validator(mode="after")
    def _crop_fits(self) -> SquareOptions:
        if self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        return self


class UnpairedOptions(SquareOptions):
    """Two folders of pictures that have nothing to do with each other but their kind."""

    source: Folders | None = Field(None, description="folders, files or archives of the domain translated from")
    target: Folders | None = Field(None, description="folders, files or archives of the domain translated to")
    validation: float = Field(0.02, ge=0, lt=1, description="share of each domain that is never trained on")


class PairedOptions(SquareOptions):
    """Pictures and what they are to become, each beside the other: in two folders or in one file."""

    source: Folders | None = Field(
        None, description="folders, files or archives of pictures translated from, or of both sides"
    )
    target: Annotated[tuple[str, ...], BeforeValidator(_as_folders)] = Field(
        (),
        description="folders, files or archives of what they become, paired by name; empty: `source` holds both side "
        "by side",
    )
    sides: Literal["source-target", "target-source"] | None = Field(
        None, description="without `target`: what the left and the right half of a picture are"
    )
    match: Match = Field(
        (),
        description="what differs in the names: [[_photo, _map]] pairs a_photo.png with a_map.png and passes over what "
        "has no _photo in its name; empty: names are the same",
    )


class SelfPairedOptions(SquareOptions):
    """Pictures, out of which what they are translated from is made on the device."""

    make: Annotated[tuple[Making, ...], Field(min_length=1), BeforeValidator(_as_list)] = Field(
        (Making(use="grey"),),
        description="what makes the source of a picture, one thing after another: `grey`, say, or "
        "[{use: noise, between: [5, 50], chance: 0.9}, jpeg]",
    )


class PicturesOptions(Options):
    """Folders of pictures of one kind, or of several that the folders tell apart."""

    source: Folders | None = Field(None, description="folders, files or archives of pictures to learn from")
    validation: float = Field(0.02, ge=0, lt=1, description="share of the pictures that is never trained on")
    size: int = Field(64, ge=1, description="side of the square that is learnt from, in pixels")
    resize: int | None = Field(
        None, ge=1, description="pixels of the shorter side before a square is cut out at random; null: as `size`"
    )
    flip: bool = Field(False, description="mirror every other picture left to right")
    classes: bool = Field(False, description="the subfolders of `source` are classes")
    background: str = Field("white", description="colour under transparent pixels: a name or #rrggbb")
    cache: CacheFolder = False
    cache_gigabytes: CacheGigabytes = 20.0

    @model_validator(mode="after")
    def _size_fits(self) -> PicturesOptions:
        if self.resize is not None and self.size > self.resize:
            raise ValueError(f"size {self.size} is larger than resize {self.resize}")
        return self


class CropOptions(Options):
    """Squares cut out of pictures that are trained on at their own resolution."""

    validation: float = Field(0.02, ge=0, lt=1, description="share of the pictures that is never trained on")
    crop: int = Field(96, ge=1, description="side of the square that is cut out at random, in high-resolution pixels")
    flip: bool = Field(True, description="mirror and turn squares at random, in all eight ways")
    scale: int | None = Field(None, ge=1, description="pixels made of one along each side; null: the model's scale")
    background: str = Field("white", description="colour under transparent pixels: a name or #rrggbb")
    cache: CacheFolder = False
    cache_gigabytes: CacheGigabytes = 20.0

    @model_validator(mode="after")
    def _crop_divides(self) -> CropOptions:
        if self.scale is not None and self.crop % self.scale:
            nearest = max(1, round(self.crop / self.scale)) * self.scale
            raise ValueError(f"crop {self.crop} cannot be divided by the scale, {self.scale}; {nearest} can")
        return self


class DegradedOptions(CropOptions):
    """High-resolution pictures; the low-resolution ones are made from them on the device."""

    source: Folders | None = Field(None, description="folders, files or archives of high-resolution pictures")
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

    source: Folders | None = Field(None, description="folders, files or archives of low-resolution pictures")
    target: Folders | None = Field(None, description="folders, files or archives of high-resolution pictures")
    match: Match = Field(
        (),
        description="what differs in the names: [[_LR, _HR]] pairs a_LR.png with a_HR.png and passes over what has no "
        "_LR in its name; empty: names are the same",
    )
