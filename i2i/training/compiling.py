"""Networks compiled by torch, in place: no key of a state dict changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from i2i.errors import I2IError

GRAPHS = ("reduce-overhead", "max-autotune")
"""Modes in which CUDA replays graphs."""


def compile_networks(model: nn.Module, mode: str) -> None:
    """Every submodule that has parameters is compiled when it is first called with tensors of some shape."""
    for child in model.children():
        if any(True for _ in child.parameters()):
            child.compile(mode=mode)


@contextmanager
def compiling(mode: str | None) -> Iterator[None]:
    """A training step with compiled networks. Raises `I2IError` where they cannot be compiled."""
    if mode is None:
        yield
        return
    if mode in GRAPHS:
        torch.compiler.cudagraph_mark_step_begin()
    try:
        yield
    except Exception as problem:
        if not type(problem).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = " ".join(str(problem).split("\n\n")[0].split())
        raise I2IError(
            f"run.compile={mode}: torch cannot compile these networks here ({reason}); it needs a C++ compiler on the "
            "CPU and Triton on CUDA: install that, or set run.compile=null"
        ) from problem


@contextmanager
def eager(mode: str | None) -> Iterator[None]:
    """Samples and validations, of other sizes than a step, compile nothing."""
    if mode is None:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
