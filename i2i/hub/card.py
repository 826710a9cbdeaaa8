"""The page that a repository shows of weights: what their header says, and what it does not say as not stated."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from i2i.contracts.weights import read_header
from i2i.disk.digests import sha256_of
from i2i.hub.addresses import MAIN

MARK = "<!-- i2i push wrote this card and writes it anew each time; without this line it leaves the card alone. -->"
NOT_STATED = "not stated"
UNTOLD = ("use", "weight", "classes")
"""Options that are told elsewhere, or at length."""
PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
"""What pip is told to install: a name, and no more than that."""
TABLE = 12
"""Entries of an option up to which it is told; longer ones, such as the layout of a network, are in the file."""


@dataclass(frozen=True)
class About:
    """A weights file, as far as it tells of itself."""

    file: Path
    bytes: int
    sha256: str
    """Of the whole file."""
    numbers: int
    """In its tensors."""
    header: Mapping[str, Any]


def about(file: Path) -> About:
    """Raises `I2IError` where it is no weights file."""
    from safetensors import safe_open

    header = read_header(file)
    with safe_open(file, framework="pt") as tensors:
        sizes = [math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys()]  # noqa: SIM118 (no mapping)
    return About(file, file.stat().st_size, sha256_of(file), sum(sizes), header)


def folders_named(header: Mapping[str, Any]) -> dict[str, str]:
    """Dotted key → what the recipe names of the machine that it was used on."""
    return dict(_paths("", header["recipe"]))


def card(weights: About, repository: str, revision: str = MAIN, licence: str = "", samples: bool = False) -> str:
    """Markdown with the metadata that the hub reads in front. `samples`: the model makes pictures out of nothing."""
    kind = "unconditional-image-generation" if samples else "image-to-image"
    data = {"library_name": "i2i", "pipeline_tag": kind, "tags": ["i2i", weights.header["recipe"]["model"]["use"]]}
    front = yaml.safe_dump({"license": licence, **data} if licence else data, sort_keys=False, allow_unicode=True)
    body = "\n".join(_body(weights, repository, revision, licence, samples))
    return f"---\n{front}---\n{MARK}\n\n{body}\n"


def _body(weights: About, repository: str, revision: str, licence: str, samples: bool) -> Iterator[str]:
    model, note = weights.header["recipe"]["model"]["use"], weights.header.get("note")
    yield f"# {repository.partition('/')[2]}\n"
    yield f"`{weights.file.name}` holds weights of the model `{model}` for i2i, the image-to-image toolkit.\n"
    yield "## How to use it\n"
    yield from _commands(weights, f"hf://{repository}/{weights.file.name}@{revision}", samples)
    yield "## What it is\n"
    yield from _table(_contents(weights))
    yield "## How it was trained\n"
    yield from _table(_training(weights.header))
    yield "## On what data, under which licence\n"
    yield f"Licence: {licence or NOT_STATED}.\n"
    yield f"{note or 'The file does not say on what data it was trained, nor how it may be used.'}\n"
    yield "## How good it is\n"
    yield f"The file holds no figures: {NOT_STATED}."


def _commands(weights: About, address: str, samples: bool) -> Iterator[str]:
    """That bring in what is needed, and use the file."""
    others = [name for name in weights.header.get("versions", {}) if name != "i2i" and PACKAGE.fullmatch(name)]
    packages = ["'i2i[hub]'", *others]
    held = shlex.quote(f"{address}#sha256={weights.sha256}")
    yield "```console"
    yield f"$ pip install {' '.join(packages)}"
    yield f"$ i2i translate --weights {held} {'--count 64' if samples else '--src PICTURES'} --dst OUT"
    yield "```\n"


def _contents(weights: About) -> dict[str, str]:
    header = weights.header
    recipe, loaded = header["recipe"], header.get("loaded") or {}
    return {
        "model": recipe["model"]["use"],
        "options": _options(recipe["model"]),
        "translates with": _options(recipe.get("translate", {})) or "no options",
        "parameters and statistics": f"{weights.numbers:,} numbers",
        "packages": ", ".join(f"{package} {version}" for package, version in header.get("versions", {}).items()),
        "loads besides": ", ".join(f"{file} (SHA-256 {sha256})" for file, sha256 in loaded.items()) or "nothing",
        "file": f"{weights.file.name}, {weights.bytes:,} bytes",
        "SHA-256": weights.sha256,
    }


def _training(header: Mapping[str, Any]) -> dict[str, str]:
    """What is known of it; of an imported network that is nothing."""
    recipe, data = header["recipe"], header.get("data") or {}
    if isinstance(origin := data.get("imported"), Mapping):
        return {"imported from": f"{origin.get('file')}, SHA-256 {origin.get('sha256')}", "training": ""}
    run, trainer, dataset = recipe.get("run", {}), recipe.get("trainer", {}), recipe.get("dataset", {})
    return {
        "recipe": recipe["name"],
        "steps": f"{header['step']:,}",
        "batch": str(run.get("batch", "")),
        "pictures": "; ".join(f"{part}: {_told(found)}" for part, found in data.items()),
        "dataset": _named(dataset),
        "losses": "; ".join(f"{role}: {_named(loss)}" for role, loss in recipe.get("losses", {}).items() if loss),
        "trainer": _named(trainer),
        "moving average": str(run["ema"]) if run.get("ema") else "none" if "ema" in run else "",
        "seed": str(run.get("seed", "")),
    }


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    yield "| | |"
    yield "| --- | --- |"
    for key, value in rows.items():
        text = " ".join(value.replace("|", "\\|").split())
        yield f"| {key} | {text or NOT_STATED} |"
    yield ""


def _named(part: Any) -> str:
    """`l1, times 10 (option value, …)`."""
    if not isinstance(part, Mapping) or "use" not in part:
        return ""
    weight = f", times {part['weight']:g}" if part.get("weight") not in (None, 1) else ""
    options = _options(part)
    return f"{part['use']}{weight}" + (f" ({options})" if options else "")


def _options(part: Mapping[str, Any]) -> str:
    told = {key: value for key, value in part.items() if key not in UNTOLD and value not in (None, [], {}, "")}
    told = {key: value for key, value in told.items() if not isinstance(value, Mapping) or len(value) <= TABLE}
    return ", ".join(f"{key} {_told(value)}" for key, value in told.items() if not _is_path(value))


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(_told, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _paths(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _paths(f"{key}.{name}" if key else str(name), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(key, inner)
    elif _is_path(value):
        yield key, value


def _is_path(value: Any) -> bool:
    """Whether it names a place on a machine; of a list, whether one of them does."""
    if isinstance(value, list):
        return any(map(_is_path, value))
    return isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute())
