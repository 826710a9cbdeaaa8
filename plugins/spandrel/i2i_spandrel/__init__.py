"""Networks for super-resolution and restoration that others published, for i2i by way of spandrel."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import Field

from i2i import ModelSpec, Options, TrainerSpec, hookimpl

MOST_VALUES = 8192
"""Numbers of one tensor that a weights file keeps besides the tensor itself."""
Key = Annotated[str, Field(max_length=256)]
"""The name of a tensor."""
Side = Annotated[int, Field(ge=0, le=2**26)]
Shape = Annotated[tuple[Side, ...], Field(max_length=8)]


class NetworkOptions(Options):
    """Which network it is. All of it comes out of the file that was published."""

    architecture: str = Field("Compact", pattern=r"^[\w.+-]{1,64}$", description="as spandrel calls it")
    layout: dict[Key, Shape] = Field(
        {},
        max_length=20_000,
        description="names and shapes of its tensors as they were published, from which spandrel knows width, depth "
        "and scale; empty: a small one that has learned nothing",
    )
    values: dict[Key, Annotated[tuple[int | float, ...], Field(max_length=MOST_VALUES)]] = Field(
        {}, max_length=16, description="the numbers of those tensors of which spandrel goes by the numbers too"
    )


class TrainerOptions(Options):
    """There is nothing to choose."""


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """Whatever spandrel knows that makes one picture of one."""
    return (
        ModelSpec(
            name="spandrel",
            summary="enlarges or restores pictures, by a network that somebody published",
            options=NetworkOptions,
            inference=("network",),
            read_foreign="i2i_spandrel.published:read",
            reads_pickle=True,
            build="i2i_spandrel.model:Published",
        ),
    )


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """A recipe names one; this one says that there is nothing to train."""
    return (
        TrainerSpec(
            name="spandrel",
            summary="trains nothing: these networks come with their weights",
            options=TrainerOptions,
            submodules=("network",),
            build="i2i_spandrel.model:refuse_training",
        ),
    )


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """`spandrel`."""
    return (files(__name__) / "recipes" / "spandrel.yaml",)
