"""A model made ready for translating alone: what only training needs apart is merged."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def merge(model: Any) -> None:
    """Fold batch norms into the convolutions before them, then let the model merge what it knows of; in place.

    Answers stay the same up to rounding, tensors and their keys do not: for a model whose weights nobody asks for.
    """
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            for (_, layer), (name, norm) in pairwise(list(module.named_children())):
                if _folds(layer, norm):
                    _fold(layer, norm)
                    setattr(module, name, nn.Identity())
    if hasattr(model, "merge"):
        model.merge()


def _folds(layer: nn.Module, norm: nn.Module) -> bool:
    convolves = isinstance(layer, nn.Conv2d) or (isinstance(layer, nn.ConvTranspose2d) and layer.groups == 1)
    knows = isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and not norm.training
    return convolves and knows and not (layer._forward_hooks or norm._forward_hooks)


@torch.no_grad()
def _fold(layer: nn.Module, norm: nn.Module) -> None:
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    turned = isinstance(layer, nn.ConvTranspose2d)
    weight, bias = fuse_conv_bn_weights(
        layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias, turned
    )
    layer.weight, layer.bias = weight.requires_grad_(False), bias.requires_grad_(False)
