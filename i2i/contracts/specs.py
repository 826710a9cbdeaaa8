"""Specs: what exists, what it can be told and where its code lies, all readable without running that code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

API_VERSION = 1
"""The newest version of these contracts. Specs grow by defaulted fields only, each growth adds one."""

LossKind = Literal["image", "adversarial", "regulariser"]


FilePath = Annotated[str, AfterValidator(lambda name: str(Path(name).expanduser().absolute()))]
"""A file that an option names: kept as an absolute path, as what was begun here may go on elsewhere."""


class Options(BaseModel):
    """Base of every options class: frozen, unknown keys forbidden.

    Give each field a `description` (with its unit) and its bounds: `i2i show` prints them, validation enforces them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every kind of spec has."""

    name: str
    """What a recipe's `use` says."""
    summary: str
    """One line for listings."""
    build: str
    """`"package.module:Attribute"`, resolved only when something is built."""
    options: type[Options] = Options
    paper: str = ""
    """Authors, title, year."""
    api_version: int = 1
    """The oldest `i2i.API_VERSION` that this spec works with."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A model. `build(options)` gives an `nn.Module` on the CPU with every network of the scheme; it reads no file.

    The module has `geometry: Geometry` and one or both of
    - `translate(images, request) -> images`, both (B, C, H, W) in [0, 1];
    - `latents(seeds) -> (B, ...)` and `sample(latents, request) -> images` (B, C, H, W) in [0, 1], for a model that
      makes pictures out of nothing: row i of the latents is a function of seeds[i] alone, spread like a Gaussian
      (`normal_latents`), so that walks on the sphere between two of them stay among likely ones.
    It may have `prepare()`, which reads what the options name (style pictures, a feature network's weights). It is
    called once, on the CPU, before the model is used: by `fit` before training, by `translate` after the weights, if
    there are any, are in place. After it the model may have
    - `loaded: Mapping[str, str]`: files that it merely loaded and that no weights file holds, by name, with their
      SHA-256; a weights file remembers them and is refused where they are others;
    - `remarks: Sequence[str]`: lines worth telling the user once, such as what is used and why.

    It may have `precisions: Collection[str]`, those of `fp32` and `bf16` that it can be computed in; without it, both.

    It may have `merge()`, called once before it translates and never before it learns: it may merge layers, in place,
    as long as its answers stay the same up to rounding. Batch norms are folded without it.

    Where the dataset knows classes, the option `classes: tuple[str, ...]` of the model, if it has one, is set to their
    names.
    """

    inference: tuple[str, ...]
    """The submodules, or buffers of the model itself, that a weights file holds."""
    translate_options: type[Options] = Options
    """What a recipe's section `translate` and `--set translate.KEY=VALUE` may say; each has a default. An instance
    arrives as `Request.options`."""
    standalone: tuple[str, ...] | None = None
    """Options of the model that, all given, let it translate without weights; None: it needs weights."""
    version: int = 1
    """Of the weights' meaning: raise it when old weights need `migrate`."""
    migrate: str | None = None
    """`"module:function"` for weights of the past: `(options, tensors, from_version) -> (options, tensors)`, dicts."""
    read_foreign: str | None = None
    """`"module:function"` for networks that others published: `(tensors) -> (options, state) | None`. `tensors` are as
    their file names them; `options` are the model's, a dict, `state` has our tensors under `submodule.key`; None where
    the file is of another kind."""
    write_foreign: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Forms in which others' code loads the network, such as `published-cyclegan`, each with its `"module:function"`:
    `(options, state, translate) -> tensors`. `options` are the model's and `translate` those of a translation, dicts;
    `state` is what a weights file holds; `tensors` are as that code names them. Raises `UsageError` where a network
    with these options cannot be told so."""
    reads_pickle: bool = False
    """Whether `translate --plugin NAME --weights FILE` may be given what others published as it is: FILE is read as
    `i2i import` reads it, by `read_foreign`. Where nobody says which model a file is of, models without this are asked
    first."""


@dataclass(frozen=True, kw_only=True)
class LossSpec(Spec):
    """A loss. `build(options)` gives a module that returns a 0-dim tensor.

    image: `forward(prediction, target)`; adversarial: `generator(fake_logits, real_logits)` and
    `discriminator(real_logits, fake_logits)`; regulariser: `forward(discriminator, real, fake)`, where `discriminator`
    is any function of pictures.

    An adversarial loss may also have `penalty(discriminator, real, fake)`, which belongs to its discriminator's side,
    and `accuracy(real_logits, fake_logits) -> (real, fake)`, the shares judged right; without it, a logit above 0 says
    real. A regulariser may have `every: int`: it is computed every so many steps, and counts that much more.

    Like a model, a loss may have `prepare()`, called once, on the CPU, before training, and after it `loaded` and
    `remarks`: a resumed run is refused where it finds other files. What it loads belongs into buffers that are not
    persistent, as nothing of a loss is saved.
    """

    kind: LossKind
    needs_real_logits: bool = False
    """adversarial: whether `generator` looks at `real_logits`; where it does not, it may be handed None."""


@dataclass(frozen=True)
class Role:
    """A part that a loss plays in a training scheme."""

    kind: LossKind
    summary: str
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainerSpec(Spec):
    """A training scheme. `build(model, losses, options)` gives a `Trainer`."""

    roles: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    """The losses that a recipe names, by role."""
    submodules: tuple[str, ...] = ()
    """What the model must have."""
    keys: tuple[str, ...] = ()
    """What a batch must hold."""
    ema: tuple[str, ...] = ()
    """The submodules of which the loop keeps an exponential moving average."""


@dataclass(frozen=True, kw_only=True)
class TrackerSpec(Spec):
    """A tracker: where a run's figures, pictures and events are followed beside its own folder.

    `build(options)` gives a `Tracker`, before anything is trained and before there is a run folder: raise
    `i2i.UsageError` there where something that it needs is not installed.
    """


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A dataset. `build(options)` gives a `Dataset`.

    Where the model has an option `scale`, that of the dataset, if it has one (`int | None`), is set to the same.
    """

    keys: tuple[str, ...]
    """What a batch holds."""
    cli: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the command line's folders mean here: `{"src": "source"}` makes `--src DIR` the option `source`."""
