"""Specs and options become objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from i2i.contracts import Dataset, Trainer, Weights
from i2i.errors import I2IError, RecipeError, UsageError
from i2i.plugins import Entry, resolve
from i2i.recipe import LossPart, Part, Recipe, validate_options
from i2i.training.chance import seed_for
from i2i.training.undrawn import undrawn
from i2i.winograd import quicken


class WeightedLoss(nn.Module):
    """A loss in its role (`i2i.RoleLoss`), multiplied by the recipe's weight."""

    def __init__(self, loss: nn.Module, weight: float, needs_real_logits: bool) -> None:
        super().__init__()
        self.loss: Any = loss
        self.weight = weight
        self.needs_real_logits = needs_real_logits
        self.every: int = getattr(loss, "every", 1)
        self.loaded, self.remarks = loaded_by(loss), remarks_of(loss)

    def forward(self, *inputs: Any) -> Tensor:
        """As an image loss or a regulariser; one of weight 0 is not computed."""
        if not self.weight and isinstance(inputs[0], Tensor):
            return inputs[0].new_zeros(())
        return self.weight * self.loss(*inputs)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """As an adversarial loss, the generator's side."""
        return self.weight * self.loss.generator(fake_logits, real_logits)

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """As an adversarial loss, the discriminator's side. Never weighted: its optimum does not depend on a scale."""
        return self.loss.discriminator(real_logits, fake_logits)

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor | None:
        """What else an adversarial loss adds to its discriminator's side, or None; never weighted either."""
        return self.loss.penalty(discriminator, real, fake) if hasattr(self.loss, "penalty") else None

    def accuracy(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """The shares judged right; a loss that does not say how takes logits above 0 for real."""
        if hasattr(self.loss, "accuracy"):
            return self.loss.accuracy(real_logits, fake_logits)
        return (real_logits > 0).float().mean(), (fake_logits < 0).float().mean()


def build(part: Part) -> Any:
    """The object that a part of a recipe stands for."""
    return resolve(part.entry.value.build)(part.options)


def build_model(part: Part) -> nn.Module:
    """The model, on the CPU: initial weights from torch's current seed, then its own `prepare`."""
    model: nn.Module = build(part)
    prepare(model)
    quicken(model)
    return model


def prepare(part: Any) -> None:
    """Let a model or a loss read what its options name, if it does."""
    if hasattr(part, "prepare"):
        part.prepare()


def loaded_by(part: nn.Module | Trainer) -> dict[str, str]:
    """The files that a prepared model, or a trainer and its losses, loaded and nothing saved holds: name → SHA-256."""
    loaded: dict[str, str] = dict(getattr(part, "loaded", {}))
    for role, loss in _losses_of(part):
        loaded |= {f"{role}: {name}": sha256 for name, sha256 in loaded_by(loss).items()}
    return loaded


def remarks_of(part: nn.Module | Trainer) -> tuple[str, ...]:
    """What a prepared model, or a trainer and its losses, has to tell."""
    remarks: Sequence[str] = getattr(part, "remarks", ())
    return (*remarks, *(f"{role}: {remark}" for role, loss in _losses_of(part) for remark in remarks_of(loss)))


def _losses_of(part: nn.Module | Trainer) -> Iterator[tuple[str, nn.Module]]:
    """`losses.ROLE` and what plays it."""
    if isinstance(part, Trainer):
        yield from ((f"losses.{role}", loss) for role, loss in part.losses.items() if loss is not None)


def refuse_other_files(part: nn.Module | Trainer, made_with: Mapping[str, str], source: str) -> None:
    """Raise `I2IError` where a model or trainer loaded other files than those that `source` was made with."""
    here = loaded_by(part)
    other = [
        f"{name} (then {_short(made_with.get(name))}, here {_short(here.get(name))})"
        for name in sorted({*made_with, *here})
        if made_with.get(name) != here.get(name)
    ]
    if other:
        files = ", ".join(other)
        raise I2IError(f"{source}: not made with what is loaded here: {files}; put that back, or fit again")


def _short(sha256: str | None) -> str:
    return f"SHA-256 {sha256[:12]}…" if sha256 else "none"


def build_dataset(recipe: Recipe) -> Dataset:
    """The dataset, its folders found and their pictures counted."""
    recipe.require_data()
    return build(recipe.dataset)


def with_steps(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with a number of steps: null is one pass over the data. Raises `RecipeError` where none is known."""
    if recipe.run.steps is not None:
        return recipe
    try:
        samples = len(dataset)
    except (TypeError, NotImplementedError) as error:
        name = recipe.dataset.entry.name
        raise RecipeError(
            [f"run.steps: null is one pass over the data, and '{name}' does not say how long that is; give --steps N"]
        ) from error
    steps = math.ceil(samples / recipe.run.batch)
    return replace(recipe, run=recipe.run.model_copy(update={"steps": steps}))


def with_scale(recipe: Recipe) -> Recipe:
    """The recipe with the model's scale in its dataset. Raises `UsageError` where both say different things."""
    options, known = recipe.dataset.options, recipe.model.options.model_dump().get("scale")
    if known is None or "scale" not in type(options).model_fields:
        return recipe
    asked = options.model_dump()["scale"]
    if asked not in (None, known):
        raise UsageError(f"dataset.scale: {asked}, the model's is {known}; leave out dataset.scale")
    filled = validate_options(type(options), {**options.model_dump(), "scale": known}, "dataset.")
    return replace(recipe, dataset=replace(recipe.dataset, options=filled))


def with_classes(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with the data's classes in its model. Raises `UsageError` where model and data disagree on them."""
    found, options = tuple(dataset.classes), recipe.model.options
    known: tuple[str, ...] | None = options.model_dump().get("classes")
    if known == found or (known is None and not found):
        return recipe
    if known is None:
        raise UsageError(f"model '{recipe.model.entry.name}' knows no classes; leave out dataset.classes")
    if known:
        there = ", ".join(found) or "no classes (dataset.classes=true makes its subfolders classes)"
        raise UsageError(
            f"model.classes: {', '.join(known)}; the data has {there}; both must be the same: name the folders "
            "accordingly, or start a new run that takes the classes of the data"
        )
    model = replace(recipe.model, options=options.model_copy(update={"classes": found}))
    return replace(recipe, model=model)


def build_trainer(recipe: Recipe, model: nn.Module) -> Trainer:
    """The training scheme on this model. Raises `UsageError` where the model lacks what the scheme needs."""
    spec = recipe.trainer.entry.value
    there = dict(model.named_children())
    named = {
        f"inference of model '{recipe.model.entry.name}'": recipe.model.entry.value.inference,
        f"ema of '{spec.name}'": spec.ema,
    }
    for where, names in named.items():
        if unknown := [name for name in names if name not in there and name not in model.state_dict()]:
            raise I2IError(f"{where}: names {', '.join(unknown)}; the model has {', '.join(there)}")
    lacking = [name for name in spec.submodules if name not in there]
    if lacking:
        raise UsageError(
            f"trainer '{spec.name}' needs a model with {', '.join(spec.submodules)}; "
            f"'{recipe.model.entry.name}' has {', '.join(there)}"
        )
    losses = {role: part and build_loss(part) for role, part in recipe.losses.items()}
    trainer: Trainer = resolve(spec.build)(model, losses, recipe.trainer.options)
    trainer.translate_options = recipe.translate
    return trainer


def build_loss(part: LossPart) -> WeightedLoss:
    """A loss, prepared, with its weight."""
    loss: nn.Module = build(part)
    prepare(loss)
    return WeightedLoss(loss, part.weight, part.entry.value.needs_real_logits)


def migrated(weights: Weights, entry: Entry[Any], source: str) -> Weights:
    """The weights as the installed version of their model means them. Raises `I2IError` where they are newer."""
    spec, name = entry.value, entry.name
    if weights.model_version > spec.version:
        newer = f"{source}: version {weights.model_version} of model '{name}'; the installed one knows {spec.version}"
        raise I2IError(f"{newer}: pip install -U {entry.distribution}")
    if weights.model_version == spec.version or spec.migrate is None:
        return weights
    options = {key: value for key, value in weights.recipe["model"].items() if key != "use"}
    options, tensors = resolve(spec.migrate)(options, dict(weights.tensors), weights.model_version)
    recipe = {**weights.recipe, "model": {"use": name, **options}}
    return replace(weights, recipe=recipe, tensors=tensors, model_version=spec.version)


def start_from(model: nn.Module, part: Part, weights: Weights, source: str) -> None:
    """Copy the submodules that a weights file holds into a model, built from `part`, that is about to be trained.

    Raises `UsageError` where their classes differ, `I2IError` where a tensor does not fit.
    """
    trained_on, wanted = _classes(weights.recipe.get("model", {})), _classes(part.as_dict())
    if trained_on != wanted:
        raise UsageError(f"{source}: its classes are {trained_on}; here they are {wanted}: start without --init")
    refuse_other_shapes(model, part, weights, source)
    model.load_state_dict(dict(weights.tensors), strict=False)


def refuse_other_shapes(model: nn.Module, part: Part, weights: Weights, source: str) -> None:
    """Raise `I2IError` where a tensor of a weights file does not fit a model, built from `part`."""
    state = model.state_dict()
    for key, tensor in weights.tensors.items():
        if key not in state or state[key].shape != tensor.shape:
            there = tuple(state[key].shape) if key in state else "no such tensor"
            raise I2IError(
                f"{source}: does not fit this model: {key} is {tuple(tensor.shape)} there, here {there}"
                f"{_other_options(weights.recipe.get('model', {}), part.as_dict())}"
            )


def _other_options(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """How its model differs from that of a weights file: it is another one, or in these options."""
    text = "" if there.get("use") == here["use"] else f"; these are weights of model '{there.get('use')}'"
    other = {name: value for name, value in there.items() if name != "use" and here.get(name, value) != value}
    if other:
        text += "; " + ", ".join(f"{name} is {value} there, {here[name]} here" for name, value in other.items())
    return text + ": the same with --set model.NAME=VALUE" if other and there.keys() <= here.keys() else text


def _classes(model: Mapping[str, Any]) -> str:
    return ", ".join(model.get("classes") or ()) or "none"


def standalone_model(recipe: Recipe) -> nn.Module:
    """The model of a recipe that needs no weights, prepared. Raises `UsageError` where it does need some."""
    if (lacking := recipe.lacking_to_stand_alone()) is None:
        raise UsageError(f"{recipe.name}: its model needs weights: load a weights file or a run folder")
    if lacking:
        needed = ", ".join(f"model.{name}" for name in lacking)
        raise UsageError(f"{recipe.name}: without weights its model needs {needed}")
    with _chance_of_place("init", recipe.run.seed):
        return build_model(recipe.model).eval().requires_grad_(False)


def load_inference_model(part: Part, weights: Weights, source: str) -> nn.Module:
    """As `prepared_model`; raises `I2IError` where it loaded other files than the weights were made with."""
    model = prepared_model(part, weights, source)
    refuse_other_files(model, weights.loaded, source)
    return model


def prepared_model(part: Part, weights: Weights, source: str) -> nn.Module:
    """The model with what the file holds, prepared; of the parts that its spec names, the ones it lacks are None."""
    run = weights.recipe.get("run")
    with _chance_of_place("init", run.get("seed", 0) if isinstance(run, Mapping) else 0):  # as when it was fitted
        model = undrawn(lambda: build(part))
        if model is None:
            model = build(part)
        _take(model, part, weights, source)
        prepare(model)
    quicken(model)
    return model.eval().requires_grad_(False)


@contextmanager
def _chance_of_place(*place: int | str) -> Iterator[None]:
    """Inside the block torch draws on the CPU as this place says; outside, as if there had been no block."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_for(*place))
        yield


def _take(model: nn.Module, part: Part, weights: Weights, source: str) -> None:
    spec = part.entry.value
    held = {key.split(".")[0] for key in weights.tensors}
    if not held & set(spec.inference):
        raise I2IError(f"{source}: holds none of {', '.join(spec.inference)}, which '{spec.name}' needs")
    try:
        missing, unexpected = model.load_state_dict(dict(weights.tensors), strict=False)
    except RuntimeError as error:
        first = str(error).split("\n\t")[1:2] or [str(error)]
        raise I2IError(f"{source}: does not fit the model '{spec.name}': {first[0].strip()}") from error
    wrong = [f"unknown {key}" for key in unexpected]
    wrong += [f"missing {key}" for key in missing if key.split(".")[0] in held]
    if wrong:
        raise I2IError(f"{source}: does not fit the model '{spec.name}': {', '.join(wrong[:4])}")
    for name in {key.split(".")[0] for key in missing} & set(spec.inference):
        setattr(model, name, None)
