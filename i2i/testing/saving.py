"""Whether a model answers out of its weights file as it did before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

from i2i.contracts import Options, Weights
from i2i.errors import I2IError, RecipeError
from i2i.recipe import validate_options
from i2i.testing.answering import SEEDS, Model
from i2i.testing.checks import Skipped
from i2i.testing.nearness import require_close


def weights_keep_all(model: Model) -> None:
    """`Weights.save`, then `i2i.load`."""
    from i2i.inference.loading import load
    from i2i.training.building import loaded_by

    names = model.spec.inference
    if not names:
        raise Skipped("its weights file would hold nothing: `inference` is empty")
    translator = model.trained
    header = {key: value for key, value in translator.header.items() if key != "sha256"}
    state = translator.model.state_dict()
    tensors = {key: tensor for key, tensor in state.items() if key.split(".")[0] in names}
    path = model.bench.folder / f"{model.entry.name}.safetensors"
    Weights(**{**header, "loaded": loaded_by(translator.model)}, tensors=tensors).save(path)
    loaded = load(path, device="cpu", catalog=model.bench.catalog)
    for told, options in [("", translator.options), *_one_changed(translator.options)]:
        before, again = (model.using(replace(one, options=options)) for one in (translator, loaded))
        seeds = SEEDS[:1] if told else SEEDS
        try:
            expected = {what: answer(seeds) for what, answer in before.answers()}
        except I2IError:
            continue  # these options do not go together
        for what, answer in again.answers():
            differs = f"{what}{told}: what was saved and loaded answers differently; what is not saved?"
            require_close(answer(seeds), expected[what], differs)


def _one_changed(options: Options) -> Iterator[tuple[str, Options]]:
    """Each option of a few values set to each other of them, one at a time."""
    for name, field in type(options).model_fields.items():
        for value in _values(field.annotation):
            if value != getattr(options, name):
                try:
                    changed = validate_options(type(options), {**options.model_dump(), name: value}, "translate.")
                except RecipeError:
                    continue
                yield f" with translate.{name}={value}", changed


def _values(annotation: Any) -> Sequence[Any]:
    """All values of a bool or a Literal, also of one that may be null."""
    if annotation is bool:
        return (False, True)
    inside = get_args(annotation)
    return inside if get_origin(annotation) is Literal else [value for one in inside for value in _values(one)]
