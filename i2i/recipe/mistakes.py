"""What is wrong with options, in the words of a recipe rather than of a validator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from i2i.contracts import Options
from i2i.errors import RecipeError
from i2i.plugins import suggestion

Keys = tuple[str, ...]
OptionsT = TypeVar("OptionsT", bound=Options)


def validate_options(options: type[OptionsT], data: Mapping[str, Any], where: str) -> OptionsT:
    """Options from plain data; raises `RecipeError`, each line beginning with `where`."""
    try:
        return options.model_validate(dict(data))
    except ValidationError as error:
        mistakes = (mistake(options, item) for item in told(error))
        raise RecipeError([f"{(where + '.'.join(keys)).rstrip('.')}: {text}" for keys, text in mistakes]) from error


def told(error: ValidationError) -> list[Any]:
    """All mistakes but those that another one inside made, as a list is too short without its wrong part."""
    items: list[Any] = list(error.errors())
    places = [item["loc"] for item in items]
    return [
        item
        for item, at in zip(items, places, strict=True)
        if not any(len(at) < len(deeper) and deeper[: len(at)] == at for deeper in places)
    ]


def _class_at(options: type[Options], keys: Keys) -> type[BaseModel]:
    """The class of the options inside others that these keys lead to."""
    found: type[BaseModel] = options
    for key in keys:
        if key in found.model_fields:
            found = next(_models_in(found.model_fields[key].annotation), found)
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Classes of options in a type such as `tuple[Scale, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def mistake(options: type[Options], item: Any) -> tuple[Keys, str]:
    """One of pydantic's errors as (keys, what is wrong)."""
    keys = tuple(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return keys, f"unknown key{suggestion(keys[-1], _class_at(options, keys[:-1]).model_fields)}"
    if item["type"] == "missing":
        return keys, "not given; it has no default"
    if item["type"] == "value_error":
        return keys, str(item["ctx"]["error"])
    message = item["msg"][:1].lower() + item["msg"][1:]
    return keys, f"{message.removeprefix('input ')}, found {item['input']!r}"
