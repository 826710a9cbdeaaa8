"""The six hooks. Each returns data, is called once, when its plugin is loaded, and must not import torch.

A plugin is a distribution with an entry point in the group `i2i` that names a module; the module's functions marked
with `i2i.hookimpl` answer any of these hooks. A misspelt hook, a wrong parameter, a name that exists already or a spec
that needs a newer API takes the whole plugin out, with the reason shown by `i2i plugins`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources.abc import Traversable

import pluggy

from i2i.contracts import DatasetSpec, LossSpec, ModelSpec, TrackerSpec, TrainerSpec

GROUP = "i2i"
"""The entry-point group, and pluggy's project name."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def i2i_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Models that a recipe's `model.use` may name.

    Called once, when the plugin is loaded. Returns an iterable of `ModelSpec`, possibly empty.
    """


@hookspec
def i2i_losses() -> Iterable[LossSpec]:  # type: ignore[empty-body]
    """Losses that a recipe's `losses.ROLE.use` may name, in any scheme with a role of that kind.

    Called once, when the plugin is loaded. Returns an iterable of `LossSpec`, possibly empty.
    """


@hookspec
def i2i_trainers() -> Iterable[TrainerSpec]:  # type: ignore[empty-body]
    """Training schemes that a recipe's `trainer.use` may name.

    Called once, when the plugin is loaded. Returns an iterable of `TrainerSpec`, possibly empty.
    """


@hookspec
def i2i_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Datasets that a recipe's `dataset.use` may name.

    Called once, when the plugin is loaded. Returns an iterable of `DatasetSpec`, possibly empty.
    """


@hookspec
def i2i_trackers() -> Iterable[TrackerSpec]:  # type: ignore[empty-body]
    """Trackers that a recipe's section `trackers`, and the flag `--log`, may name.

    Called once, when the plugin is loaded. Returns an iterable of `TrackerSpec`, possibly empty.
    """


@hookspec
def i2i_recipes() -> Iterable[Traversable]:  # type: ignore[empty-body]
    """Recipes: YAML files inside the package, as `importlib.resources.files(__package__) / "recipes" / "name.yaml"`.

    A file's stem is a name for `--plugin`. Called once, when the plugin is loaded. Returns an iterable of
    `Traversable`, possibly empty.
    """
