"""Training steps and Gatys's iterations, ours beside the plain loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.plain.networks import write_random_vgg19
from benchmarks.rows import Asked, Found, row_of
from i2i.bench.pictures import drawn
from i2i.bench.sides import Side, in_turns

SIDES = "benchmarks.sides"


def cyclegan(asked: Asked) -> Found:
    """Zhu et al. 2017: two ResNet-9 generators, two PatchGANs, batch 1."""
    size, width, blocks = (32, 4, 3) if asked.quick else (256, 64, 9)
    plain = {"scheme": "cyclegan", "pictures": 1, "size": size, "width": width, "blocks": blocks}
    overrides = [f"model.generator=resnet-{blocks}", f"model.width={width}", f"model.discriminator_width={width}"]
    batch = {"source": (1, 3, size, size), "target": (1, 3, size, size)}
    title = f"CycleGAN training step: ResNet-{blocks}, width {width}, {size}×{size}, batch 1"
    return _steps(asked, title, plain, "cyclegan", overrides, batch)


def srgan(asked: Asked) -> Found:
    """Ledig et al. 2017: SRResNet-16, content on VGG-19's φ5,4, batch 16 of 96×96."""
    size, width, blocks, batch = (32, 4, 1, 2) if asked.quick else (96, 64, 16, 16)
    with TemporaryDirectory() as folder:
        vgg = asked.vgg or str(write_random_vgg19(Path(folder) / "vgg19.pth"))
        plain: dict[str, Any] = {"scheme": "srgan", "pictures": batch, "size": size, "width": width, "blocks": blocks}
        plain |= {"batch": batch, "vgg": Path(vgg)}
        overrides = [f"model.blocks={blocks}", f"model.width={width}", f"model.discriminator_width={width}"]
        overrides += ["losses.content.features.use=vgg19", f"losses.content.features.weights={vgg}"]
        shapes = {"low": (batch, 3, size // 4, size // 4), "high": (batch, 3, size, size)}
        title = f"SRGAN training step: SRResNet-{blocks}, VGG-19 φ5,4, {size}×{size}, batch {batch}"
        return _steps(asked, title, plain, "srgan", [*overrides, f"run.batch={batch}"], shapes)


def dcgan(asked: Asked) -> Found:
    """Radford et al. 2016: 64×64, batch 64."""
    width, batch = (4, 2) if asked.quick else (128, 64)
    plain = {"scheme": "dcgan", "pictures": batch, "width": width, "batch": batch}
    overrides = [f"model.width={width}", f"run.batch={batch}"]
    title = f"DCGAN training step: 64×64, width {width}, batch {batch}"
    return _steps(asked, title, plain, "dcgan", overrides, {"picture": (batch, 3, 64, 64)})


def gatys(asked: Asked) -> Found:
    """Gatys et al. 2016: L-BFGS on the picture, five style layers of VGG-19."""
    size, iterations = (64, 2) if asked.quick else (512, asked.iterations)
    with TemporaryDirectory() as name:
        folder = Path(name)
        given: dict[str, Any] = {"iterations": iterations, "device": asked.device}
        for number, what in enumerate(("photo", "style")):
            drawn(number, size).save(folder / f"{what}.png")
            given[what] = str(folder / f"{what}.png")
        given["vgg"] = asked.vgg or str(write_random_vgg19(folder / "vgg19.pth"))
        sides = [Side("plain, fp32", f"{SIDES}:plain_painting", given, asked.device)]
        for precision in asked.precisions:
            ours = {**given, "precision": precision}
            sides.append(Side(f"i2i, {precision}", f"{SIDES}:our_painting", ours, asked.device))
        timings = in_turns(sides, asked.rounds, asked.seconds, warm_up=False)
    losses = [timing.figures for timing in timings if timing.task == "yardstick"]
    title = f"Gatys by L-BFGS: VGG-19, {size}×{size}, {iterations} iterations"
    note = "final loss: the plain loop's, of both canvases; operations of one evaluation an iteration"
    painted = [timing for timing in timings if timing.task == "painting"]
    row = row_of(title, painted, asked.limits, note)
    entries = [replace(entry, figures=loss) for entry, loss in zip(row.entries, losses, strict=True)]
    weights = "random" if asked.vgg is None else "given"
    return Found([replace(row, entries=entries)], settings={"iterations": iterations, "VGG-19": weights})


def _steps(
    asked: Asked,
    title: str,
    plain: Mapping[str, Any],
    recipe: str,
    overrides: Sequence[str],
    batch: Mapping[str, Sequence[int]],
) -> Found:
    device = asked.device
    sides = [Side("plain, fp32", f"{SIDES}:plain_step", {**plain, "device": device}, device)]
    for precision in asked.precisions:
        ours = {"recipe": recipe, "overrides": list(overrides), "batch": dict(batch), "pictures": plain["pictures"]}
        ours |= {"precision": precision, "device": device}
        sides.append(Side(f"i2i, {precision}", f"{SIDES}:our_step", ours, device))
    return Found([row_of(title, in_turns(sides, asked.rounds, asked.seconds), asked.limits)])
