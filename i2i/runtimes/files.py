"""Which files can be exported; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from i2i.errors import UsageError
from i2i.runtimes.engines import CONVERTERS

Form = Literal["onnx", "torch-export"]
SUFFIXES: Mapping[str, str] = MappingProxyType({"onnx": ".onnx", "torch-export": ".pt2"})
PUBLISHED_SUFFIX = ".pth"
"""Of a form that a model declares."""


def refuse(path: Path, form: str, force: bool) -> None:
    """Raise `UsageError` where nothing may be written to `path`, or what writes it is not installed.

    `form` is one of `SUFFIXES`, or one that a model declares.
    """
    if path.suffix.lower() != (suffix := SUFFIXES.get(form, PUBLISHED_SUFFIX)):
        raise UsageError(f"{path}: a file for {form} is named NAME{suffix}")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists; --force replaces it")
    needed = (*CONVERTERS, "onnxruntime")
    if form == "onnx" and any(find_spec(module) is None for module in needed):
        raise UsageError(
            f"export to onnx: not everything is installed for it; get it by `pip install {' '.join(needed)}`"
        )
