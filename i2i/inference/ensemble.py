"""A picture translated in all eight ways that it can lie, and the mean of the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Request
from i2i.contracts.request import unseen

WAYS = 8


def in_all_ways(model: Any, images: Tensor, request: Request) -> Tensor:
    """(B, C, H, W) → (B, C, H·scale, W·scale): the mean over four quarter turns of the pictures and of their mirrored.

    Each answer is turned back before it counts (Timofte et al. 2016, "Seven Ways to Improve Example-Based Single Image
    Super Resolution", section 3.5; "self-ensemble" in Lim et al. 2017). The ways are gone one after another, which
    takes eight times as long and one picture more of memory; pictures on the way are not shown.
    """
    total: Tensor | None = None
    for way in range(WAYS):
        answer = _back(model.translate(_turned(images, way), _part(request, way)).float(), way)
        total = answer if total is None else total.add_(answer)
    assert total is not None
    return total / WAYS


def _turned(images: Tensor, way: int) -> Tensor:
    turned = torch.rot90(images, way % 4, (-2, -1))
    return (turned.flip(-1) if way >= 4 else turned).contiguous()


def _back(answer: Tensor, way: int) -> Tensor:
    return torch.rot90(answer.flip(-1) if way >= 4 else answer, -(way % 4), (-2, -1)).contiguous()


def _part(request: Request, way: int) -> Request:
    """The request as one of the ways sees it: its mask turned, its progress a part of the whole."""

    def report(fraction: float, **scalars: float) -> None:
        request.report((way + fraction) / WAYS, **scalars)

    mask = None if request.mask is None else _turned(request.mask, way)
    return replace(request, report=report, show=unseen, mask=mask)
