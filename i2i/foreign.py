"""Tensors out of files that others made. The only place that opens a pickle, and it runs no code of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.errors import I2IError

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("state_dict", "model", "params_ema", "params", "generator", "model_state_dict")
"""Keys under which training code puts a network's tensors beside other things."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Name → tensor, on the CPU, of a `.safetensors` file or of a state dict that torch saved.

    Raises `I2IError` where the file is missing, damaged, wants to run code or holds no named tensors.
    """
    found = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    tensors = _named_tensors(found)
    if not tensors:
        raise I2IError(f"{path}: holds no named tensors, but {_described(found)}")
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise I2IError(f"{path}: {key} holds numbers that are not finite; whatever made the file went wrong")
    prefix = "module."  # what nn.DataParallel puts before every name
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}


def _safetensors(path: Path) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise I2IError(f"{path}: no such file") from error
    except (SafetensorError, OSError) as error:
        raise I2IError(f"{path}: not a readable safetensors file ({error})") from error


def _pickled(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise I2IError(f"{path}: no such file") from error
    except OSError as error:
        raise I2IError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # whatever torch's reader makes of what is no pickle, or one that wants to run code
        raise I2IError(f"{path}: damaged, or holds something else than plain tensors") from error


def _named_tensors(found: Any) -> dict[str, Tensor]:
    import torch

    items = found.items() if isinstance(found, Mapping) else ()
    return {key: value for key, value in items if isinstance(key, str) and isinstance(value, torch.Tensor)}


def _described(found: Any) -> str:
    if isinstance(found, Mapping):
        return ", ".join(repr(key) for key in list(found)[:5]) or "nothing"
    return f"a {type(found).__name__}"
