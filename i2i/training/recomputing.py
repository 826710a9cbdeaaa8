"""Memory for time: what repeated blocks of a network computed is forgotten, and computed again for its gradients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute(model: nn.Module) -> int:
    """Let every repeated block of a model keep its inputs alone; says how many there are.

    Repeated are layers of one class in one container (`nn.Sequential`, `nn.ModuleList`) that have layers inside. It is
    done in place: no key of a state dict changes, and no number of what is computed. A block that changes buffers of
    its own as it computes, other than the statistics of batch norms, is left as it is.
    """
    blocks = [block for block in _repeated(model) if not _remembers(block)]
    for block in blocks:
        block.forward = partial(_recomputed, block, block.forward)
    return len(blocks)


def _repeated(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost ones."""
    kinds = Counter(type(child) for child in module.children() if _is_block(child))
    for child in module.children():
        if isinstance(module, nn.Sequential | nn.ModuleList) and kinds[type(child)] > 1:
            yield child
        else:
            yield from _repeated(child)


def _is_block(module: nn.Module) -> bool:
    return any(True for _ in module.children()) and any(True for _ in module.parameters())


def _remembers(block: nn.Module) -> bool:
    own = (module for module in block.modules() if not isinstance(module, _BatchNorm))
    return any(True for module in own for _ in module.buffers(recurse=False))


def _recomputed(block: nn.Module, forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=partial(_contexts, block), **named)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _without_statistics(block)


@contextmanager
def _without_statistics(block: nn.Module) -> Iterator[None]:
    """Batch norms look at the batch as they did, and their running statistics do not move a second time."""
    before = [
        (norm, dict(norm.named_buffers(recurse=False))) for norm in block.modules() if isinstance(norm, _BatchNorm)
    ]
    try:
        for norm, buffers in before:
            for name, buffer in buffers.items():
                setattr(norm, name, buffer.clone())
        yield
    finally:
        for norm, buffers in before:
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
