"""Models that a file is about to fill, built without drawing their initial weights, which takes most of the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

INITIALISERS = frozenset(
    {
        init.kaiming_normal_,
        init.kaiming_uniform_,
        init.normal_,
        init.orthogonal_,
        init.trunc_normal_,
        init.uniform_,
        init.xavier_normal_,
        init.xavier_uniform_,
        Tensor.normal_,
        Tensor.uniform_,
    }
)
DRAWS = INITIALISERS | {
    init.sparse_,
    torch.bernoulli,
    torch.multinomial,
    torch.normal,
    torch.poisson,
    torch.rand,
    torch.rand_like,
    torch.randint,
    torch.randint_like,
    torch.randn,
    torch.randn_like,
    torch.randperm,
    Tensor.bernoulli,
    Tensor.bernoulli_,
    Tensor.cauchy_,
    Tensor.exponential_,
    Tensor.geometric_,
    Tensor.log_normal_,
    Tensor.multinomial,
    Tensor.random_,
}


def undrawn(build: Callable[[], nn.Module]) -> nn.Module | None:
    """The model with zeros for the parameters that `build` initialises by chance.

    None where it draws anything else, or may do so in `prepare`: then what it draws depends on all draws before, and no
    file holds it for sure. Chance outside goes on as if there had been no call.
    """
    with torch.random.fork_rng(devices=[]), _NoDraws() as seen:
        model = build()
    return None if seen.others or hasattr(model, "prepare") else model


class _NoDraws(TorchFunctionMode):
    """Initialises parameters with zeros, and sees what else is drawn."""

    others = False

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        tensor = args[0] if args else given.get("tensor")
        if function in INITIALISERS and isinstance(tensor, nn.Parameter):
            return init.zeros_(tensor)
        self.others |= function in DRAWS and given.get("generator") is None
        return function(*args, **given)
