"""Whether a recipe that is refused is wrong, or waits for what only its user can give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i2i.errors import UsageError
from i2i.recipe import Recipe

OPTION = re.compile(r"\b(?:model|dataset|losses|trainer|translate)(?:\.\w+)+")


def wants_more(recipe: Recipe, error: UsageError) -> bool:
    """Whether a recipe is refused for what only its user can give.

    The error names an option of it that is null or empty, or a file of its options that is not there.
    """
    options, text = dict(_leaves(recipe.as_dict())), str(error)
    named = [options.get(name, name) for name in OPTION.findall(text)]
    files = [Path(value) for value in options.values() if isinstance(value, str) and value and value in text]
    return None in named or any((path.suffix or len(path.parts) > 1) and not path.exists() for path in files)


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key → what stands there; null for what is empty."""
    if isinstance(value, dict) and value:
        for key, inside in value.items():
            yield from _leaves(inside, f"{at}.{key}" if at else key)
    elif isinstance(value, list) and value:
        for inside in value:
            yield from _leaves(inside, at)
    else:
        yield at, None if value in ("", [], {}) else value


def data_refuse(recipe: Recipe) -> bool:
    """Whether it is the dataset that does not go with the pictures that are there."""
    import numpy

    from i2i.training.building import build_dataset, with_classes, with_scale

    try:
        recipe = with_scale(recipe)
        dataset = build_dataset(recipe)
        with_classes(recipe, dataset)
        dataset.load(0, numpy.random.default_rng(0))
    except UsageError:
        return True
    return False
