"""Checks of a model: what it is built of, what it answers, and that nothing but its own picture and seed decides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from i2i.contracts import Geometry
from i2i.plugins import resolve
from i2i.testing.answering import SEEDS, Model
from i2i.testing.checks import Check, listed, one_line, require
from i2i.testing.nearness import require_close, require_pictures
from i2i.testing.saving import weights_keep_all
from i2i.testing.tiles import tiles_are_exact

if TYPE_CHECKING:
    from torch import Tensor

LARGER = ((17, 33), (40, 23), (31, 48))
FEW = (1, 2, 5, 16)


def builds_from_defaults(model: Model) -> None:
    """On the CPU, in float32, with the members that the core asks for."""
    import torch
    from torch import nn

    part = model.bench.default(model.entry)
    with torch.random.fork_rng(devices=[]):
        module = resolve(model.spec.build)(part.options)
    require(isinstance(module, nn.Module), f"builds {type(module).__name__}, no torch.nn.Module")
    tensors = module.state_dict().items()
    elsewhere = [key for key, tensor in tensors if tensor.device.type != "cpu"]
    require(not elsewhere, f"not on the CPU: {listed(elsewhere)}")
    other = [
        f"{key} {tensor.dtype}" for key, tensor in tensors if tensor.is_floating_point() and tensor.dtype.itemsize != 4
    ]
    require(not other, f"not float32: {listed(other)}")
    geometry = getattr(module, "geometry", None)
    require(isinstance(geometry, Geometry), f"its `geometry` is {geometry!r}, no i2i.Geometry")
    translates, samples = hasattr(module, "translate"), hasattr(module, "sample") and hasattr(module, "latents")
    require(translates or samples, "has neither `translate` nor `latents` and `sample`")


def inference_is_there(model: Model) -> None:
    """Submodules, or buffers of the model itself."""
    module = model.fresh().model
    there = {*dict(module.named_children()), *(key.split(".")[0] for key in module.state_dict())}
    lacking = [name for name in model.spec.inference if name not in there]
    require(not lacking, f"names {listed(lacking)}; the model has {', '.join(sorted(there))}")


def translates_as_declared(model: Model) -> None:
    """(B, C, H, W) → (B, C, H·scale, W·scale)."""
    model.require_translates()
    images, scale = model.images(*model.size), model.geometry.scale
    answer = model.translate(images, SEEDS)
    height, width = (side * scale for side in model.size)
    require_pictures(answer, (len(images), model.geometry.channels, height, width))
    require(answer.device == images.device, f"answers on {answer.device} what came on {images.device}")


def leaves_its_input_alone(model: Model) -> None:
    """The core may use the same tensor again."""
    model.require_translates()
    images = model.images(*model.size)
    before = images.clone()
    model.translate(images, SEEDS)
    require(images.equal(before), "writes into the pictures that it is given; begin with a copy")


def any_size_comes_back(model: Model) -> None:
    """Through the core's padding and cropping: 1-16 x 1-16 and some larger."""
    from i2i.inference import fitting

    model.require_translates()
    geometry = model.geometry
    all_alike = geometry.padded(1, 1) == geometry.padded(16, 16)
    sides: Sequence[int] = FEW if all_alike else range(1, 17)
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for size in [*((height, width) for height in sides for width in sides), *LARGER]:
        groups.setdefault(geometry.padded(*size), []).append(size)

    def answer(batch: Tensor) -> Any:
        return model.translate(batch, range(len(batch)))

    for padded, sizes in groups.items():
        pictures = [model.images(*size, count=1)[0].expand(3, -1, -1) for size in sizes]
        try:
            outputs = fitting.apply(answer, pictures, geometry)
        except Exception as error:
            seen = f"{padded[0]}x{padded[1]} pixels, which its geometry allows"
            raise AssertionError(f"fails on {seen}: {one_line(error)}") from error
        for (height, width), output in zip(sizes, outputs, strict=True):
            wanted = (3, height * geometry.scale, width * geometry.scale)
            require(
                output.shape == wanted and output.isfinite().all(),
                f"a picture of {height}x{width} pixels comes back as {tuple(output.shape)}, expected {wanted}; "
                f"the model saw {padded[0]}x{padded[1]}: does its geometry say what it needs?",
            )


def alone_as_in_a_batch(model: Model) -> None:
    """Each picture with its own seed."""
    for what, answer in model.answers():
        together = answer(SEEDS)
        for place, seed in enumerate(SEEDS):
            require_close(
                answer((seed,))[0], together[place], f"{what}: a picture alone is not what it is among others"
            )


def seeds_decide(model: Model) -> None:
    """All the chance there is."""
    for what, answer in model.answers():
        once, again = answer(SEEDS), answer(SEEDS)
        require_close(once, again, f"{what}: asked twice with the same seeds, it answers differently")


def latents_are_of_seeds(model: Model) -> None:
    """A latent does not know its neighbours."""
    model.require_samples()
    module = model.translator.model
    together = module.latents(SEEDS)
    require(len(together) == len(SEEDS), f"{len(together)} latents for {len(SEEDS)} seeds")
    for place, seed in enumerate(SEEDS):
        row = module.latents((seed,))[0]
        require(row.equal(together[place]), "a seed gives other latents alone than among others; see normal_latents")
    require(not together[0].equal(together[1]), "different seeds give the same latents")


def samples_as_declared(model: Model) -> None:
    """(B, channels, height, width)."""
    model.require_samples()
    geometry = model.geometry
    require(geometry.size is not None, "its geometry names no `size`: how large are its samples?")
    require_pictures(model.sample(SEEDS), (len(SEEDS), geometry.channels, *geometry.size))


CHECKS = (
    Check("it builds from its default options, on the CPU, in float32", builds_from_defaults, gate=True),
    Check("the parts that a weights file holds are there", inference_is_there, gate=True),
    Check("translations have the declared size and lie in [0, 1]", translates_as_declared, gate=True),
    Check("samples have the declared size and lie in [0, 1]", samples_as_declared, gate=True),
    Check("a latent is a function of its seed alone", latents_are_of_seeds, gate=True),
    Check("translating leaves its input as it is", leaves_its_input_alone),
    Check("pictures of any size come back in their size times the scale", any_size_comes_back),
    Check("the same seeds give the same answer twice", seeds_decide, gate=True),
    Check("one picture alone equals the same in a batch", alone_as_in_a_batch),
    Check("what a weights file keeps answers as before", weights_keep_all),
    Check("tiles cut with its margin equal the whole", tiles_are_exact),
)
