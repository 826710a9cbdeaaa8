"""The built-in datasets; they enter by the same hook as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable

from i2i.contracts import DatasetSpec
from i2i.datasets.changes import Degradation, Making
from i2i.datasets.options import (
    CropOptions,
    DegradedOptions,
    PairedOptions,
    PairedResolutionsOptions,
    PicturesOptions,
    SelfPairedOptions,
    SquareOptions,
    UnpairedOptions,
)
from i2i.hookspecs import hookimpl

__all__ = [
    "CropOptions",
    "Degradation",
    "DegradedOptions",
    "Making",
    "PairedOptions",
    "PairedResolutionsOptions",
    "PicturesOptions",
    "SelfPairedOptions",
    "SquareOptions",
    "UnpairedOptions",
    "i2i_datasets",
]


@hookimpl
def i2i_datasets() -> Iterable[DatasetSpec]:
    """Pairs and what has none, plain pictures, and two resolutions of the same."""
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
            name="paired",
            summary="pictures and what they become, paired by name or side by side in one file, cut out alike",
            paper="Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017",
            keys=("source", "target"),
            cli={"src": "source", "target": "target"},
            options=PairedOptions,
            build="i2i.datasets.paired:Paired",
        ),
        DatasetSpec(
            name="self-paired",
            summary="one folder of pictures; their sources are made of them: grey, holes, noise, jpeg, blur or edges",
            keys=("source", "target"),
            cli={"src": "source"},
            options=SelfPairedOptions,
            build="i2i.datasets.self_paired:SelfPaired",
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
