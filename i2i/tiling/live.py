"""Counts the bytes that tensors hold while something computes, and what convolutions take besides."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

BLOCK = 16
"""Channels that oneDNN computes at once with AVX-512, and rounds a map's channels up to; with less it rounds to 8."""
FEW = 4
"""Channels, such as a picture's, up to which it takes a map as it is."""


class LiveBytes(TorchDispatchMode):
    """Sees every tensor that comes to life inside, none that lived before, and what `scratch` says of a CPU's kernels.

    >>> with LiveBytes() as live:
    ...     kept = torch.zeros(100)
    ...     gone = torch.zeros(1000) + 1
    ...     del gone
    >>> live.now, live.peak
    (400, 8400)
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_iter((args, kwargs)):
            self._meet(tensor, is_new=False)
        answer = func(*args, **(kwargs or {}))
        for tensor in tree_iter(answer):
            self._meet(tensor, is_new=True)
        besides = scratch(*args, made=answer) if func is torch.ops.aten.convolution.default else 0
        self.peak = max(self.peak, self.now + besides)
        return answer

    def _meet(self, tensor: Any, is_new: bool) -> None:
        if not isinstance(tensor, Tensor) or tensor.is_sparse:
            return
        storage = tensor.untyped_storage()
        if (name := id(storage)) in self._known:
            return
        size = storage.nbytes() if is_new else 0

        def gone(_: weakref.ref[Any]) -> None:
            del self._known[name]
            self.now -= size

        self.now += size
        self._known[name] = weakref.ref(storage, gone)


def scratch(maps: Tensor, weight: Tensor, *settings: Any, made: Tensor) -> int:
    """Bytes that a convolution takes on a CPU beyond what it is given and what it has made; 0 on other devices.

    oneDNN lays both out anew in blocks of channels, or what it is given so that channels come last where the weights'
    do; without oneDNN every input is copied for each weight that meets it. Found by watching the memory of single
    two-dimensional convolutions (torch 2.15, AVX-512, fp32 and bf16, 1 to 256 channels): with oneDNN at most what is
    said here, most often just so; without it, bf16 and a transposed one took up to three times that.
    """
    if maps.device.type != "cpu":
        return 0
    transposed = settings[4]  # after bias, stride, padding and dilation
    if not _has_onednn(maps.dtype):
        rolled = maps if transposed else made
        return weight[0].numel() * rolled.nbytes // rolled.shape[1]
    if not made.is_contiguous():
        return 0 if maps.is_contiguous(memory_format=torch.channels_last) else maps.nbytes
    if transposed:
        return maps.nbytes + 2 * made.nbytes
    given = _blocked(maps) if maps.shape[1] > FEW else 0
    return max(given + _blocked(made) - made.nbytes, _blocked(made))


def _blocked(maps: Tensor) -> int:
    """Bytes with as many channels as whole blocks hold."""
    channels = maps.shape[1]
    return maps.nbytes // channels * (-(-channels // BLOCK) * BLOCK)


def _has_onednn(dtype: torch.dtype) -> bool:
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32 and torch.backends.mkldnn.is_available()
