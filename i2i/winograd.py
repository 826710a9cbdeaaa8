"""3×3 convolutions with a quarter of the multiplications, for float32 on CPUs (Lavin and Gray 2016, section 4).

F(4×4, 3×3): a patch of 6×6 pixels becomes 36 numbers by which 36 matrices, one for each, are multiplied in place of
nine for each of 16 pixels; what they give becomes 4×4 pixels. The matrices do nearly all of the work from 128 channels
up; with fewer, going there and back costs more than it saves. Rounding is that of float32.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

LEAST_CHANNELS = 128
"""In and out, from which on it is faster."""
LEAST_WORK = 2**14
"""Patches times channels, from which on it is faster."""
AT_ONCE = 2**16
"""Numbers of one kind that are worked on at a time: what a processor's cache holds."""
STEP, PATCH, KERNEL = 4, 6, 3

POINTS = (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))
"""At which polynomials are multiplied, beside infinity. Their products stay small: errors are about twice those of the
nine multiplications; with the paper's 0, ±1 and ±2 they are four times as large as with these."""


def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Bᵀ (6, 6), G (6, 3) and Aᵀ (4, 6) of section 4.1, by the algorithm of Cook and Toom."""
    to_spectrum, of_kernel, to_pixels = (torch.zeros(size, dtype=torch.float64) for size in ((6, 6), (6, 3), (4, 6)))
    for place, point in enumerate(POINTS):
        others = [other for other in POINTS if other != point]
        distance = math.prod(point - other for other in others)
        to_spectrum[place, : PATCH - 1] = _with_roots(others)
        of_kernel[place] = torch.tensor([point**power / distance for power in range(KERNEL)])
        to_pixels[:, place] = torch.tensor([point**power for power in range(STEP)])
    to_spectrum[-1], of_kernel[-1, -1], to_pixels[-1, -1] = _with_roots(POINTS), 1, 1  # infinity
    return to_spectrum, of_kernel, to_pixels


def _with_roots(roots: Sequence[float]) -> Tensor:
    """Coefficients of the polynomial Π (x − root), the constant first."""
    coefficients = torch.ones(1, dtype=torch.float64)
    for root in roots:
        coefficients = F.pad(coefficients, (1, 0)) - root * F.pad(coefficients, (0, 1))
    return coefficients


class Workspace(threading.local):
    """Memory that convolutions use one after another: fetching it anew each time costs as much as the work."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}
        # X ↦ M X Mᵀ of a square, as one matrix for its numbers row by row
        self.input, self.filter, self.output = (torch.kron(matrix, matrix).float() for matrix in _matrices())

    def __deepcopy__(self, memo: dict[int, Any]) -> Workspace:
        return Workspace()

    def __reduce__(self) -> tuple[type[Workspace], tuple[()]]:
        return Workspace, ()

    def empty(self, name: str, *shape: int) -> Tensor:
        """Of this shape, holding whatever it held."""
        size = torch.Size(shape).numel()
        kept = self.kept.get(name)
        if kept is None or kept.numel() < size:
            kept = self.kept[name] = torch.empty(size)
        return kept[:size].view(shape)


def transformed(weight: Tensor, workspace: Workspace) -> Tensor:
    """Kernels (O, C, 3, 3) → (36, C, O), in the workspace's memory until the next are."""
    return _transformed(weight, workspace.filter, workspace).transpose(1, 2)


def turned(weight: Tensor, workspace: Workspace) -> Tensor:
    """Kernels (O, C, 3, 3) → (36, O, C), of those that lead gradients back: turned by 180°, from O to C channels."""
    return _transformed(weight, workspace.filter.flip(1), workspace)


def _transformed(weight: Tensor, matrix: Tensor, workspace: Workspace) -> Tensor:
    outputs, inputs = weight.shape[:2]
    if _lies_channels_last(weight):
        lines = weight.permute(0, 2, 3, 1).view(outputs, KERNEL**2, inputs)
        kernels = workspace.empty("kernels", outputs, PATCH**2, inputs)
        return torch.bmm(matrix.expand(outputs, -1, -1), lines, out=kernels).transpose(0, 1)
    kernels = workspace.empty("kernels", PATCH**2, outputs * inputs)
    torch.mm(matrix, weight.reshape(-1, KERNEL**2).T, out=kernels)
    return kernels.view(PATCH**2, outputs, inputs)


def _lies_channels_last(weight: Tensor) -> bool:
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def convolved(pictures: Tensor, kernels: Tensor, bias: Tensor | None, workspace: Workspace) -> Tensor:
    """(B, C, H + 2, W + 2), kernels (36, C, O) → (B, O, H, W) in channels-last; knows nothing of gradients."""
    height, width = (size - KERNEL + 1 for size in pictures.shape[-2:])
    outputs = kernels.shape[2]
    patches = _patches(pictures)  # (B, h, w, C, 6, 6)
    batch, high, wide = patches.shape[:3]
    answer = pictures.new_empty(batch, STEP * high, STEP * wide, outputs)
    squares = answer.view(batch, high, STEP, wide, STEP, outputs).permute(2, 4, 0, 1, 3, 5)  # (4, 4, B, h, w, O)
    for which, part in _bands(patches, outputs):
        spectrum = _spectrum(part, workspace)  # (36, places, C)
        places = spectrum.shape[1]
        product = torch.bmm(spectrum, kernels, out=workspace.empty("product", PATCH**2, places, outputs))
        pixels = workspace.empty("pixels", STEP**2, places * outputs)
        torch.mm(workspace.output, product.view(PATCH**2, -1), out=pixels)
        place = squares[(..., *which, slice(None), slice(None))]  # (4, 4, rows, w, O)
        if bias is None:
            place.copy_(pixels.view(place.shape))
        else:
            torch.add(pixels.view(place.shape), bias, out=place)
    return answer.permute(0, 3, 1, 2)[:, :, :height, :width]


def correlated(pictures: Tensor, gradient: Tensor, workspace: Workspace, channels_last: bool = False) -> Tensor:
    """(B, C, H + 2, W + 2), gradient (B, O, H, W) → that of the kernels (O, C, 3, 3), in either order of memory."""
    patches = _patches(pictures)
    batch, high, wide, inputs = patches.shape[:4]
    outputs = gradient.shape[1]
    padded = F.pad(gradient, (0, STEP * wide - gradient.shape[3], 0, STEP * high - gradient.shape[2]))
    there = padded.permute(0, 2, 3, 1).reshape(batch, high, STEP, wide, STEP, outputs)
    squares = there.permute(0, 1, 3, 5, 2, 4)  # (B, h, w, O, 4, 4)
    total = workspace.empty("kernels", PATCH**2, outputs, inputs).zero_()
    for which, part in _bands(patches, outputs):
        spectrum = _spectrum(part, workspace)
        own = squares[which]
        pixels = workspace.empty("pixels", STEP, STEP, *own.shape[:3]).copy_(own.permute(3, 4, 0, 1, 2))
        product = workspace.empty("product", PATCH**2, pixels[0, 0].numel())
        torch.mm(workspace.output.T, pixels.view(STEP**2, -1), out=product)
        total.baddbmm_(product.view(PATCH**2, -1, outputs).transpose(1, 2), spectrum)
    flat = workspace.filter.T @ total.view(PATCH**2, -1)  # (9, O·C)
    if channels_last:
        lines = flat.view(KERNEL**2, outputs, inputs).transpose(0, 1).contiguous()
        return lines.view(outputs, KERNEL, KERNEL, inputs).permute(0, 3, 1, 2)
    return flat.T.contiguous().view(outputs, inputs, KERNEL, KERNEL)


def _patches(pictures: Tensor) -> Tensor:
    """(B, C, H + 2, W + 2) → (B, ⌈H/4⌉, ⌈W/4⌉, C, 6, 6), overlapping by 2; zeros beyond the ends."""
    down, across = (-(size - KERNEL + 1) % STEP for size in pictures.shape[-2:])
    if down or across:
        pictures = F.pad(pictures, (0, across, 0, down))
    lines = pictures.permute(0, 2, 3, 1).contiguous()
    return lines.unfold(1, PATCH, STEP).unfold(2, PATCH, STEP)


def _bands(patches: Tensor, outputs: int) -> Iterator[tuple[tuple[int, slice], Tensor]]:
    """Rows of patches of one picture that are worked on together: where they are, and (rows, w, C, 6, 6)."""
    batch, high, wide, inputs = patches.shape[:4]
    rows = max(1, AT_ONCE // (wide * max(inputs, outputs)))
    for picture in range(batch):
        for top in range(0, high, rows):
            which = (picture, slice(top, top + rows))
            yield which, patches[which]


def _spectrum(part: Tensor, workspace: Workspace) -> Tensor:
    """(rows, w, C, 6, 6) → (36, rows · w, C)."""
    rows, wide, inputs = part.shape[:3]
    given = workspace.empty("patches", PATCH, PATCH, rows, wide, inputs).copy_(part.permute(3, 4, 0, 1, 2))
    spectrum = workspace.empty("spectrum", PATCH**2, rows * wide * inputs)
    torch.mm(workspace.input, given.view(PATCH**2, -1), out=spectrum)
    return spectrum.view(PATCH**2, rows * wide, inputs)


class _Convolution(torch.autograd.Function):
    """With gradients; keeps no more than a convolution does, and transforms its input once more on the way back."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, weight: Tensor, bias: Tensor | None, workspace: Workspace) -> Tensor:
        ctx.save_for_backward(pictures, weight)
        ctx.workspace, ctx.has_bias = workspace, bias is not None
        return convolved(pictures, transformed(weight, workspace), bias, workspace)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (pictures, weight), workspace = gradients, ctx.saved_tensors, ctx.workspace
        of_pictures = of_weight = None
        differentiable = torch.is_grad_enabled()  # somebody wants gradients of gradients: torch knows those
        if ctx.needs_input_grad[0] and differentiable:
            of_pictures = conv2d_input(pictures.shape, weight, gradient)
        elif ctx.needs_input_grad[0]:
            around = F.pad(gradient, (KERNEL - 1,) * 4)
            of_pictures = convolved(around, turned(weight, workspace), None, workspace)
        if ctx.needs_input_grad[1] and differentiable:
            of_weight = conv2d_weight(pictures, weight.shape, gradient)
        elif ctx.needs_input_grad[1]:
            of_weight = correlated(pictures, gradient, workspace, _lies_channels_last(weight))
        of_bias = gradient.sum((0, 2, 3)) if ctx.has_bias and ctx.needs_input_grad[2] else None
        return of_pictures, of_weight, of_bias, None


def convolution(pictures: Tensor, weight: Tensor, bias: Tensor | None, padding: int, workspace: Workspace) -> Tensor:
    """What `F.conv2d` gives with zeros around: (B, C, H, W) → (B, O, H', W'), differentiable."""
    padded = F.pad(pictures, (padding,) * 4) if padding else pictures
    answer: Tensor = _Convolution.apply(padded, weight, bias, workspace)
    return answer


def suits(pictures: Tensor, weight: Tensor, padding: int = 0) -> bool:
    """Whether the convolution of these is one that is faster here."""
    if pictures.device.type != "cpu" or pictures.dtype != torch.float32 or weight.dtype != torch.float32:
        return False
    if pictures.dim() != 4 or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return False
    channels = min(weight.shape[:2])
    places = [-(-(size + 2 * padding - KERNEL + 1) // STEP) for size in pictures.shape[-2:]]
    return channels >= LEAST_CHANNELS and len(pictures) * max(0, places[0]) * places[1] * channels >= LEAST_WORK


class Conv3x3(nn.Conv2d):
    """`nn.Conv2d` of 3×3, with the fewer multiplications where they are faster; its tensors and answers are the same.

    Made of an `nn.Conv2d` by `quicken`. Where no gradients are wanted it keeps its transformed kernels, which are four
    times as large as the others.
    """

    workspace: Workspace
    kept: tuple[tuple[int, int], Tensor | None] | None

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → (B, O, H', W')."""
        padding = int(self.padding[0])
        if not suits(input, self.weight, padding):
            return super().forward(input)
        if torch.is_grad_enabled():
            return convolution(input, self.weight, self.bias, padding, self.workspace)
        padded = F.pad(input, (padding,) * 4) if padding else input
        return convolved(padded, self._kernels(), self.bias, self.workspace)

    def _kernels(self) -> Tensor:
        """Transformed; kept from the second time on, as a lone picture has no use for that."""
        state = (self.weight.data_ptr(), self.weight._version)
        if self.kept is None or self.kept[0] != state:
            self.kept = state, None
            return transformed(self.weight, self.workspace)
        kernels = self.kept[1]
        if kernels is None:
            kernels = transformed(self.weight, self.workspace).clone(memory_format=torch.contiguous_format)
            self.kept = state, kernels
        return kernels

    def __deepcopy__(self, memo: dict[int, Any]) -> Conv3x3:
        self.kept = None
        own = self.__class__.__new__(self.__class__)
        memo[id(self)] = own
        own.__dict__ = copy.deepcopy(self.__dict__, memo)
        return own


def quicken(network: nn.Module) -> None:
    """Let every plain 3×3 convolution in it take the faster way where there is one; in place, keys stay the same."""
    workspace = Workspace()
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = Conv3x3
            module.__dict__ |= {"workspace": workspace, "kept": None}


def _is_plain(layer: nn.Conv2d) -> bool:
    sizes = layer.kernel_size == (KERNEL, KERNEL) and layer.stride == layer.dilation == (1, 1)
    around = layer.padding in ((0, 0), (1, 1)) and layer.padding_mode == "zeros"
    return sizes and around and layer.groups == 1 and min(layer.in_channels, layer.out_channels) >= LEAST_CHANNELS
