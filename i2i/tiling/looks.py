"""Which calls of a network look at all places of a picture, and what they answer once its moments are known.

They are found by their functions, however those are reached: instance and group norm, layer norm over channels and
places, mean, variance and standard deviation over all places, average pooling down to one place. Not found: the same
over maps that were flattened or reduced along one side first, largest and smallest values, sums, attention between all
places, and whatever TorchScript or a compiled graph runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.errors import I2IError
from i2i.tiling.moments import Moments


@dataclass(frozen=True)
class Look:
    """A call that looks at all places of `maps`."""

    maps: Tensor
    """(B, C, h, w)."""
    answer: Callable[[Moments], Tensor | tuple[Tensor, ...]]
    """What it gives where these are the moments of the whole picture's channels."""


def look_of(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], pictures: int) -> Look | None:
    """What this call looks at while so many pictures are translated; None for all calls that need no such care.

    Raises `I2IError` for a norm that tiles cannot serve: of maps that were flattened, or not of these pictures.
    """
    if function in NORMS:
        look = NORMS[function](*args, **kwargs)
        if look is not None and len(look.maps) != pictures:
            raise I2IError(f"this model normalises {len(look.maps)} maps for {pictures} pictures; it works in no tiles")
        return look
    if function in REDUCTIONS:
        look = REDUCTIONS[function](*args, **kwargs)
        return look if look is not None and len(look.maps) == pictures else None  # weights are averaged too
    return None


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Look | None:
    if not use_input_stats:
        return None
    return _normed(input, input.shape[1], weight, bias, eps, F.instance_norm(_tiny(input)).dtype)


def _torch_instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Look | None:
    return _instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def _group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Look | None:
    if input.dim() == 2:  # (B, C): no places
        return None
    return _normed(input, num_groups, weight, bias, eps, F.group_norm(_tiny(input), num_groups).dtype)


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Look | None:
    if input.dim() != 4 or len(normalized_shape) != 3:  # of channels alone, or of what was flattened for attention
        return None
    if weight is not None or bias is not None:
        raise I2IError("this model's layer norm has a weight for each place: it knows one size and works in no tiles")
    return _normed(input, 1, None, None, eps, F.layer_norm(_tiny(input), (input.shape[1], 2, 2)).dtype)


def _normed(
    maps: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float, dtype: torch.dtype
) -> Look:
    """`dtype` is that of the norm's answer, which autocast may have decided."""
    if maps.dim() != 4:
        raise I2IError(f"this model normalises maps of shape {tuple(maps.shape)}; it works in no tiles")
    precise = torch.promote_types(dtype, torch.float32)

    def answer(moments: Moments) -> Tensor:
        of_group = moments.over(groups)
        mean, variance = (part.to(precise).to(maps.device) for part in (of_group.mean, of_group.variance()))
        scale, shift = (None if part is None else part.to(precise) for part in (weight, bias))
        return F.batch_norm(maps.to(dtype), mean, variance, scale, shift, eps=eps)

    return Look(maps, answer)


def _tiny(maps: Tensor) -> Tensor:
    """(1, C, 2, 2): tells of what type an answer will be."""
    return maps.new_zeros(1, maps.shape[1], 2, 2)


def _average_pool(input: Tensor, output_size: int | Sequence[int | None]) -> Look | None:
    sides = {output_size} if isinstance(output_size, int) else set(output_size)
    return _mean(input, (-2, -1), True) if sides == {1} else None


def _mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Look | None:
    return _reduced(input, dim, keepdim, lambda moments: (moments.mean,), dtype)


def _spread(square_root: bool, with_mean: bool) -> Callable[..., Look | None]:
    """Of the four functions that give a variance or its root, some with the mean beside it."""

    def look(
        input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
    ) -> Look | None:
        taken = (1.0 if unbiased else 0.0) if correction is None else correction

        def values(moments: Moments) -> tuple[Tensor, ...]:
            variance = moments.variance(taken)
            return (variance.sqrt() if square_root else variance, *([moments.mean] if with_mean else []))

        return _reduced(input, dim, keepdim, values)

    return look


def _reduced(
    maps: Tensor,
    dim: Any,
    keepdim: bool,
    values: Callable[[Moments], tuple[Tensor, ...]],
    dtype: torch.dtype | None = None,
) -> Look | None:
    """A call that reduces maps (B, C, h, w) over places, or over channels and places, to `values` (C,) each."""
    if maps.dim() != 4 or not isinstance(dim, Sequence):
        return None
    reduced = {place % 4 for place in dim}
    if reduced not in ({2, 3}, {1, 2, 3}):
        return None

    def shaped(value: Tensor) -> Tensor:
        value = (value[:1] if 1 in reduced else value).to(dtype or maps.dtype).to(maps.device)
        rows = value.expand(len(maps), -1)  # (B, C) or (B, 1)
        if keepdim:
            return rows[:, :, None, None]
        return rows[:, 0] if 1 in reduced else rows

    def answer(moments: Moments) -> Tensor | tuple[Tensor, ...]:
        found = tuple(shaped(value) for value in values(moments.over(1) if 1 in reduced else moments))
        return found if len(found) > 1 else found[0]

    return Look(maps, answer)


NORMS: Mapping[Any, Callable[..., Look | None]] = {
    F.instance_norm: _instance_norm,
    torch.instance_norm: _torch_instance_norm,
    F.group_norm: _group_norm,
    torch.group_norm: _group_norm,
    F.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
}
REDUCTIONS: Mapping[Any, Callable[..., Look | None]] = {
    F.adaptive_avg_pool2d: _average_pool,
    torch.mean: _mean,
    Tensor.mean: _mean,
    torch.var: _spread(square_root=False, with_mean=False),
    Tensor.var: _spread(square_root=False, with_mean=False),
    torch.std: _spread(square_root=True, with_mean=False),
    Tensor.std: _spread(square_root=True, with_mean=False),
    torch.var_mean: _spread(square_root=False, with_mean=True),
    torch.std_mean: _spread(square_root=True, with_mean=True),
}
