"""A weights file: safetensors whose header says everything needed to use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.contracts.specs import API_VERSION
from i2i.contracts.tensorfile import read_contents
from i2i.errors import I2IError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

HEADER_KEY = "i2i"
DEEPEST_HEADER = 64
"""Levels; a recipe has six."""
LONGEST_NAME = 200
WAY_OUT = "bring it in with `i2i import FILE --out W.safetensors`"
PICKLES = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tensors under `submodule.key` and what they mean."""

    recipe: Mapping[str, Any]
    """The whole recipe that made them, `name` included."""
    tensors: Mapping[str, Tensor]
    step: int
    model_version: int
    """`ModelSpec.version` of the code that wrote them."""
    api_version: int
    versions: Mapping[str, str] = field(default_factory=dict)
    """Distribution → version."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the dataset said of itself."""
    loaded: Mapping[str, str] = field(default_factory=dict)
    """Files that the model loads beside these tensors, by name, with their SHA-256."""
    note: str = ""
    """On what data they were trained and under which licence they may be used, in words."""

    def header(self) -> dict[str, Any]:
        """Everything but the tensors and the hash."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self) if item.name != "tensors"}

    def fingerprint(self) -> str:
        """SHA-256 over all of it: equal for what a file holds before it is written and after it is read."""
        return _fingerprint(json.loads(json.dumps(self.header(), default=str)), self.tensors)

    def save(self, path: Path) -> None:
        """Write the file; the caller makes that safe against a crash."""
        from safetensors.torch import save_file

        tensors, metadata = self._written()
        save_file(tensors, path, metadata)

    def as_bytes(self) -> bytes:
        """What the file would hold."""
        from safetensors.torch import save

        return save(*self._written())

    def _written(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors and metadata of the file."""
        tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in self.tensors.items()}
        header = json.loads(json.dumps(self.header(), default=str))  # as it will be read: every key a string
        header["sha256"] = _fingerprint(header, tensors)
        return tensors, {HEADER_KEY: json.dumps(header, sort_keys=True)}

    @classmethod
    def load(cls, path: Path) -> Weights:
        """Read the file and compare its hash. Raises `I2IError` where it is no weights file or was altered."""
        from safetensors import SafetensorError, safe_open

        header = read_header(path)
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        except SafetensorError as error:
            raise I2IError(f"{path}: not a readable weights file ({error})") from error
        written = header.pop("sha256", None)
        if written != _fingerprint(header, tensors):
            raise I2IError(f"{path}: its contents do not match the hash in its header; the file was altered or damaged")
        return cls(**{key: value for key, value in header.items() if key in _FIELDS}, tensors=tensors)


def is_ours(path: Path) -> bool:
    """Whether a file has an i2i header; what cannot be read as safetensors has none."""
    try:
        return HEADER_KEY in read_contents(path).metadata
    except (OSError, ValueError):
        return False


def read_header(path: Path) -> dict[str, Any]:
    """The header of a weights file, without its tensors. Raises `I2IError` in one line."""
    if path.suffix.lower() in PICKLES:
        raise I2IError(
            f"{path}: a pickle file can run code when it is opened; i2i reads .safetensors files only: {WAY_OUT}"
        )
    try:
        metadata = read_contents(path).metadata
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such weights file") from error
    except (OSError, ValueError) as error:
        raise I2IError(f"{path}: not a readable weights file ({error})") from error
    no_header = f"{path}: holds tensors but no i2i header that says which model they belong to"
    if HEADER_KEY not in metadata:
        raise I2IError(f"{no_header}; {WAY_OUT}")
    try:
        header = json.loads(metadata[HEADER_KEY])
        missing = _REQUIRED - header.keys()
    except (ValueError, AttributeError, RecursionError) as error:
        raise I2IError(no_header) from error
    if missing:
        raise I2IError(f"{path}: its i2i header lacks {', '.join(sorted(missing))}")
    if _depth(header) > DEEPEST_HEADER:
        raise I2IError(f"{path}: its i2i header is nested more than {DEEPEST_HEADER} levels deep")
    if not isinstance(header["api_version"], int):
        raise I2IError(f"{path}: its i2i header names no API version, but {header['api_version']!r}")
    if header["api_version"] > API_VERSION:
        needs = f"needs i2i API {header['api_version']}, this i2i offers {API_VERSION}"
        raise I2IError(f"{path}: {needs}; upgrade with pip install -U i2i")
    if not _is_named(header["recipe"]):
        raise I2IError(f"{path}: its header holds no recipe with a name and a model")
    told = {**header, **{f"recipe.{part}": section for part, section in header["recipe"].items()}}
    for key, kind in _KINDS.items():
        if not isinstance(told.get(key, kind()), kind):
            found = repr(told[key])[:40]
            raise I2IError(f"{path}: its i2i header says {found} for {key}, where {_CALLED[kind]} belongs")
    return header


_FIELDS = {item.name for item in fields(Weights)} - {"tensors"}
_CALLED: Mapping[type, str] = {dict: "a mapping", int: "a whole number", str: "a text"}
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("versions", "data", "loaded"), dict),
    **dict.fromkeys((f"recipe.{part}" for part in ("dataset", "losses", "run", "trainer")), dict),
    **dict.fromkeys(("step", "model_version"), int),
    "note": str,
}
_REQUIRED = {item.name for item in fields(Weights) if item.default is item.default_factory is MISSING} - {"tensors"}


def _is_named(recipe: Any) -> bool:
    """Whether what is told of it can be: names, where there are any, are short texts without control characters."""
    if not isinstance(recipe, dict) or not isinstance(recipe.get("translate", {}), dict):
        return False
    if not isinstance(model := recipe.get("model", {}), dict):
        return False
    names = (recipe.get("name", ""), model.get("use", ""))
    return all(isinstance(name, str) and len(name) <= LONGEST_NAME and name.isprintable() for name in names)


def _fingerprint(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header without its hash and over all tensors."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_raw_bytes(tensor))
    return digest.hexdigest()


def _raw_bytes(tensor: Tensor) -> memoryview:
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _depth(value: Any) -> int:
    """Levels of lists and objects."""
    depth, level = -1, [value]
    while level:
        inner = [list(each.values()) if isinstance(each, dict) else each for each in level]
        level = [item for each in inner if isinstance(each, list) for item in each]
        depth += 1
    return depth


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
