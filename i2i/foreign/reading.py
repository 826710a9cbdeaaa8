"""Tensors out of files that others made. A pickle among them is opened in a sandbox, and no code of it is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from i2i.contracts.tensorfile import read_contents
from i2i.errors import I2IError
from i2i.foreign.sandbox import read_in_sandbox

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS = ".safetensors"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Name → tensor, on the CPU, of a `.safetensors` file or of a state dict that torch saved.

    What torch saved is opened by another process, which costs a second or two. Raises `I2IError` where the file is
    missing, damaged, wants to run code, claims more than it can hold, or holds no named tensors.
    """
    is_plain = path.suffix.lower() == SAFETENSORS
    tensors, instead = _safetensors(path) if is_plain else read_in_sandbox(path)
    if not tensors:
        raise I2IError(f"{path}: holds no named tensors, but {instead}")
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise I2IError(f"{path}: {key} holds numbers that are not finite; whatever made the file went wrong")
    prefix = "module."  # what nn.DataParallel puts before every name
    if all(key.startswith(prefix) for key in tensors):
        return {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    return tensors


def _safetensors(path: Path) -> tuple[dict[str, Tensor], str]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        read_contents(path)
        return load_file(path), "nothing"
    except FileNotFoundError as error:
        raise I2IError(f"{path}: no such file") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise I2IError(f"{path}: not a readable safetensors file ({error})") from error
