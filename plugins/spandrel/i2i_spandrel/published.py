"""What spandrel knows of a network from the names and shapes of its tensors, and what of it a weights file keeps.

A weights file names no class and no arguments, only an architecture in spandrel's list and the layout of the published
tensors: whoever writes one can have nothing built that a published file of that layout would not have built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from spandrel import MAIN_REGISTRY, ImageModelDescriptor, canonicalize_state_dict  # type: ignore[import-untyped]
from torch import Tensor
from torch.overrides import TorchFunctionMode

from i2i import I2IError
from i2i_spandrel import MOST_VALUES, NetworkOptions, Shape

Descriptor = Any
"""spandrel's `ImageModelDescriptor`; spandrel tells type checkers nothing."""
SUBMODULE = "network"
MOST_NUMBERS = 2**31
"""In all tensors of a layout, and in all that is made of one."""
MOST_IN_A_ROW = 1000
"""Blocks, layers and the like whose numbers are parts of names."""
MOST_TOLD = 240
"""Characters of an error of spandrel's."""
HARMLESS = frozenset({"__get__", "copy_", "detach", "dim", "is_floating_point", "ndimension", "numel", "size"})
"""Names of functions that tell no number of a tensor to whoever calls them."""
MAKING = frozenset({"arange", "empty", "full", "ones", "rand", "randn", "zeros"})
"""Names of functions that take memory for a tensor."""
UNTRAINED: Mapping[str, Shape] = {
    "body.0.weight": (8, 3, 3, 3),
    "body.0.bias": (8,),
    "body.1.weight": (8,),
    "body.2.weight": (8, 8, 3, 3),
    "body.2.bias": (8,),
    "body.3.weight": (8,),
    "body.4.weight": (12, 8, 3, 3),
    "body.4.bias": (12,),
}
"""Of a network Compact that enlarges twice."""


def read(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """(options, state) of a published network; None where spandrel does not know it.

    Raises `I2IError` where spandrel knows its kind and cannot load it, or it is none that makes one picture of one.
    """
    published = canonicalize_state_dict(dict(tensors))
    architecture = recognised(published)
    if architecture is None:
        return None
    layout = {key: tuple(tensor.shape) for key, tensor in published.items()}
    _refuse_layout(layout)
    watch = _Watch(published)
    found = loaded(architecture, published, watch)
    values = {key: published[key].reshape(-1).tolist() for key in watch.read if published[key].numel() <= MOST_VALUES}
    options = {"architecture": architecture, "layout": layout, "values": values}
    if not _is_the_same(found, options):
        raise I2IError(f"this {architecture} cannot be told by its tensors' names and shapes, all that is kept of them")
    return options, {f"{SUBMODULE}.{key}": tensor for key, tensor in found.model.state_dict().items()}


def recognised(published: Mapping[str, Tensor]) -> str | None:
    """The architecture that spandrel takes tensors for."""
    for support in MAIN_REGISTRY.architectures("detection"):
        try:
            if support.detect(published):
                return str(support.architecture.id)
        except Exception:  # a name or a shape that it did not expect
            continue
    return None


def described(options: NetworkOptions) -> Descriptor:
    """The network of a layout, with zeros for its weights. Raises `I2IError` where there is none."""
    layout: Mapping[str, Shape] = options.layout or UNTRAINED
    _refuse_layout(layout)
    tensors = {key: torch.zeros(()).expand(shape) for key, shape in layout.items()}  # each takes one number's memory
    for key, values in options.values.items():
        if key not in layout or prod(layout[key]) != len(values):
            raise I2IError(f"model.values: {key} is no tensor of {len(values)} numbers in model.layout")
        tensors[key] = torch.tensor(values).reshape(layout[key])
    return loaded(options.architecture, tensors, _Watch(tensors))


def loaded(architecture: str, tensors: Mapping[str, Tensor], watch: _Watch) -> Descriptor:
    """What spandrel makes of tensors. Raises `I2IError` where it cannot, or makes no picture of a picture alone."""
    if architecture not in MAIN_REGISTRY:
        known = ", ".join(sorted(support.architecture.id for support in MAIN_REGISTRY))
        raise I2IError(f"spandrel knows no architecture '{architecture}' (known: {known})")
    try:
        with watch:
            found = MAIN_REGISTRY[architecture].architecture.load(dict(tensors))
    except I2IError:
        raise
    except Exception as error:  # whatever tensors of another shape lead to
        what = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_TOLD]
        raise I2IError(f"it looks like a network {architecture}, but spandrel cannot load it ({what})") from error
    if not isinstance(found, ImageModelDescriptor):
        raise I2IError(
            f"{architecture} takes more than a picture, such as a mask; only what makes one of one can be used"
        )
    if not {found.input_channels, found.output_channels} <= {1, 3}:
        channels = f"{found.input_channels} channels and answers {found.output_channels}"
        raise I2IError(f"this {architecture} takes {channels}; only networks for grey (1) and RGB (3) can be used")
    return found


class _Watch(TorchFunctionMode):
    """Sees of which tensors the numbers are looked at, not only the shapes; refuses what would fill all memory."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._names = {id(tensor): key for key, tensor in tensors.items()}
        self._made = 0
        self.read: dict[str, None] = {}

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The function's own answer. Raises `I2IError` where more was made than a network may have."""
        if function.__name__ not in HARMLESS:
            self.read |= {self._names[id(each)]: None for each in args if id(each) in self._names}
        answer = function(*args, **(kwargs or {}))
        if function.__name__ in MAKING:  # nothing was written into it yet, so it takes no memory but addresses
            self._made += answer.numel()
            _refuse_numbers(self._made)
        return answer


def _is_the_same(found: Descriptor, options: Mapping[str, Any]) -> bool:
    """Whether the options lead to the same network, weights aside."""
    try:
        again = described(NetworkOptions.model_validate(options))
    except (I2IError, ValueError):  # the latter of what no header takes
        return False
    return _facts(found) == _facts(again)


def _facts(of: Descriptor) -> tuple[Any, ...]:
    """All that a descriptor says of a network but its weights."""
    shapes = {key: tensor.shape for key, tensor in of.model.state_dict().items()}
    arguments = getattr(of.model, "hyperparameters", None)
    takes = (of.scale, of.input_channels, of.output_channels, of.size_requirements, of.tiling, of.purpose)
    return type(of.model), arguments, shapes, takes


def _refuse_layout(layout: Mapping[str, Shape]) -> None:
    """Raise `I2IError` for what would be built for ever, or would fill all memory, before anything is read."""
    _refuse_numbers(sum(prod(shape) for shape in layout.values()))
    for key in layout:
        if any(int(number) >= MOST_IN_A_ROW for number in re.findall(r"\d{4,}", key[:256])):
            raise I2IError(f"it names a tensor {key[:80]}; of more than {MOST_IN_A_ROW} in a row no network is built")


def _refuse_numbers(numbers: int) -> None:
    if numbers > MOST_NUMBERS:
        raise I2IError(f"its tensors hold {numbers:,} numbers; a network of more than {MOST_NUMBERS:,} is not built")
