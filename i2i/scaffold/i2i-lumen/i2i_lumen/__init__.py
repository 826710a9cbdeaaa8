"""Takes noise off pictures: what this plugin brings to i2i, and what each of it can be told."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import Field

from i2i import ModelSpec, Options, Role, TrainerSpec, hookimpl


class ModelOptions(Options):
    """How large the network is."""

    depth: int = Field(8, ge=2, description="convolutions, one after another")
    width: int = Field(32, ge=1, description="channels between them")


class TrainerOptions(Options):
    """How it learns."""

    learning_rate: float = Field(1e-3, gt=0, description="of Adam")


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """Noisy pictures in, clean ones out."""
    return [
        ModelSpec(
            name="lumen",
            summary="takes noise off pictures",
            options=ModelOptions,
            inference=("denoiser",),
            build="i2i_lumen.model:LumenModel",
        )
    ]


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """One network, one optimizer, one loss that the recipe chooses."""
    return [
        TrainerSpec(
            name="lumen",
            summary="the cleaned picture comes close to the clean one",
            options=TrainerOptions,
            roles={"distance": Role("image", "how far the cleaned picture is from the clean one")},
            submodules=("denoiser",),
            keys=("source", "target"),
            ema=("denoiser",),
            build="i2i_lumen.trainer:LumenTrainer",
        )
    ]


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """Each file is a name for `i2i fit --plugin`."""
    return [files(__name__) / "recipes" / "lumen.yaml"]
