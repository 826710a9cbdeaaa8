"""The built-in datasets; they enter by the same hook as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

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


@hookimpl
def i2i_datasets() -> Iterable[DatasetSpec]:
    """Unpaired folders, and plain pictures."""
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
    )
