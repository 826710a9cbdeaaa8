"""The tensors that a paused computation holds, and files in which they wait without taking memory."""

from __future__ import annotations

import errno
import secrets
import weakref
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._pytree import tree_iter

from i2i.errors import I2IError

SMALL = 2**16
"""Bytes of memory below which it is not worth a file."""


class Kept:
    """Tensors that a computation made and still holds; what it was given, its weights above all, is not among them."""

    def __init__(self) -> None:
        self._made: dict[int, weakref.ref[Tensor]] = {}

    def note(self, answer: Any, given: Any) -> None:
        """Take note of the answer of a torch call, unless it shares memory with something from outside."""
        outside = {_memory(tensor) for tensor in _tensors(given) if tensor not in self}
        for tensor in _tensors(answer):
            if tensor not in self and _is_plain(tensor) and _memory(tensor) not in outside:
                name = id(tensor)
                self._made[name] = weakref.ref(tensor, lambda gone, name=name: self._forget(name, gone))  # type: ignore[misc]

    def _forget(self, name: int, gone: weakref.ref[Tensor]) -> None:
        if self._made.get(name) is gone:
            del self._made[name]

    def __contains__(self, tensor: Tensor) -> bool:
        found = self._made.get(id(tensor))
        return found is not None and found() is tensor

    def __iter__(self) -> Iterator[Tensor]:
        found = (reference() for reference in list(self._made.values()))
        return (tensor for tensor in found if tensor is not None)

    def bytes(self) -> int:
        """Of all of them, but for those that are too small to move."""
        sizes = {_memory(tensor): tensor.untyped_storage().nbytes() for tensor in self}
        return sum(size for size in sizes.values() if size >= SMALL)

    def move(self, place: Callable[[UntypedStorage], UntypedStorage | None]) -> None:
        """Have them lie in the storages that `place` gives for theirs; None leaves one where it is.

        They stay the same objects, and views stay views of one another.
        """
        moved: dict[int, UntypedStorage | None] = {}
        for tensor in list(self):
            memory = _memory(tensor)
            if memory not in moved:
                moved[memory] = place(tensor.untyped_storage())
            storage = moved[memory]
            if storage is not None:
                empty = torch.empty(0, dtype=tensor.dtype, device=storage.device)
                tensor.data = empty.set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())


class Files:
    """Files in a folder, each the memory of a storage; `written` counts their bytes.

    A file loses its name as soon as it is written, so it is gone with its storage, or with the process, however that
    ends. Where the system keeps names of what is in use (Windows), `remove` takes away what nobody uses any more.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = (f".i2i-norms-{secrets.token_hex(4)}.{number}" for number in count())
        self._named: list[Path] = []
        self.written = 0

    def __call__(self, storage: UntypedStorage) -> UntypedStorage | None:
        """The same numbers in a file, on the CPU; None for a small storage and for one that lies in a file.

        Raises `I2IError` where the disk is full.
        """
        size = storage.nbytes()
        if size < SMALL or storage.filename is not None:
            return None
        path = self._folder / next(self._names)
        try:
            numbers = torch.empty(0, dtype=torch.uint8).set_(storage.cpu())
            with path.open("wb") as file:  # not through the mapping: there a full disk ends the process
                file.write(numbers.numpy().data)
            mapped: UntypedStorage = UntypedStorage.from_file(str(path), True, size)  # type: ignore[assignment]
        except OSError as error:
            raise _explained(error, self._folder) from error
        finally:
            self._named.append(path)
            self.remove()
        self.written += size
        return mapped

    def remove(self) -> None:
        """Take away all names that there still are."""
        self._named = [path for path in self._named if not _is_removed(path)]


def _tensors(found: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_iter(found) if isinstance(leaf, Tensor) and leaf.layout is torch.strided)


def _is_plain(tensor: Tensor) -> bool:
    """Whether its numbers are those of its storage, and it is nobody's parameter."""
    return type(tensor) is Tensor and not (tensor.is_conj() or tensor.is_neg())


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _is_removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        return False
    return True


def _explained(error: OSError, folder: Path) -> I2IError:
    if error.errno == errno.ENOSPC:
        return I2IError(
            f"{folder}: the disk is full of what exact norms put aside; free some, or take --tile-norms quick"
        )
    return I2IError(f"{folder}: cannot put aside what exact norms need ({error.strerror})")
