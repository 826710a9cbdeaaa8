"""What runs in the processes that take turns: the plain way and ours, of every part."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.plain import inference as plain_inference
from benchmarks.plain import training as plain_training
from benchmarks.plain.painting import Painting
from i2i.bench.operations import gigaflops
from i2i.bench.sides import Task

PLAIN_STEPS: Mapping[str, Callable[..., plain_training.Step]] = {
    "cyclegan": plain_training.cyclegan,
    "srgan": plain_training.srgan,
    "dcgan": plain_training.dcgan,
}


def plain_step(scheme: str, pictures: int, device: str, **options: Any) -> dict[str, Task]:
    """One training step; its operations are counted without computing them."""
    counted = {name: None if name == "vgg" else value for name, value in options.items()}
    work = gigaflops(PLAIN_STEPS[scheme](device="meta", **counted))
    return {"step": Task(PLAIN_STEPS[scheme](device=device, **options), pictures, work)}


def our_step(
    recipe: str,
    overrides: Sequence[str],
    batch: Mapping[str, Sequence[int]],
    pictures: int,
    precision: str,
    device: str,
) -> dict[str, Task]:
    """One step of a recipe as `i2i fit` takes it, moving average included, on pictures that are there already.

    `batch` has the shape of what each key of the dataset holds.
    """
    from i2i import Loop, discover, load_recipe
    from i2i.training.batches import MicroBatch
    from i2i.training.building import build_model, build_trainer
    from i2i.training.runtime import Runtime

    made = load_recipe(discover(), recipe, overrides=overrides)
    runtime = Runtime.choose(device, precision)
    trainer = build_trainer(made, build_model(made.model))
    loop = Loop(trainer, runtime, made.run, made.trainer.entry.value.ema)
    tensors = {key: torch.rand(*shape, device=runtime.device) for key, shape in batch.items()}

    def step() -> None:
        loop.advance([MicroBatch(0, tensors)])

    return {"step": Task(step, pictures)}


def plain_painting(photo: str, style: str, vgg: str, iterations: int, device: str) -> dict[str, Task]:
    """Gatys by L-BFGS; the figure is the loss at the end."""
    given = [_opened(Path(name)) for name in (photo, style)]
    painting, last = Painting(given[0], given[1], Path(vgg), device), list[Tensor]()
    canvas = painting.photo.clone().requires_grad_()
    work = gigaflops(lambda: painting.loss(canvas).backward())  # also warms up

    def paint() -> None:
        last[:] = [painting.painted(iterations)]

    tasks = {"painting": Task(paint, 1, work * iterations)}
    return tasks | {"yardstick": Task(lambda: {"final loss": _loss(painting, last[0])})}


def our_painting(photo: str, style: str, vgg: str, iterations: int, device: str, precision: str) -> dict[str, Task]:
    """The same by the plugin: same layers, weights, photo, style and optimizer; judged by the plain loss."""
    import i2i

    features = [f"model.style={style}", "model.features.use=vgg19", f"model.features.weights={vgg}"]
    side = _opened(Path(photo)).shape[-1]
    options = {"initial": "content", "variation": 0.0, "scales": [{"size": side, "steps": iterations}]}
    recipe = i2i.load_recipe(i2i.discover(), "gatys", overrides=features)
    translator = i2i.load(recipe, options, device=device, precision=precision)
    given = _opened(Path(photo))[0]
    brief = translator.with_options(scales=[{"size": side, "steps": 1}])
    brief.translate(given)  # warms up
    last = list[Tensor]()

    def paint() -> None:
        last[:] = [translator.translate(given)[None].to(device)]

    def judge() -> dict[str, float]:
        return {"final loss": _loss(Painting(given[None], _opened(Path(style)), Path(vgg), device), last[0])}

    return {"painting": Task(paint), "yardstick": Task(judge)}


def plain_folder(
    kind: str, blocks: int, width: int, sources: Sequence[str], destination: str, device: str
) -> dict[str, Task]:
    """Decode, compute, encode; and the network alone."""
    model = plain_inference.network(kind, blocks, width)
    with torch.device("meta"):
        counted, (height, wide) = plain_inference.network(kind, blocks, width), _opened(Path(sources[0])).shape[-2:]
        work = gigaflops(lambda: counted(torch.zeros(1, 3, height, wide)))
    model.to(device)
    paths, numbers = [Path(source) for source in sources], itertools.count()
    pictures = [_opened(path).to(device) for path in paths[: alone(len(paths))]]

    def files() -> None:
        into = Path(destination) / f"plain-{next(numbers)}"
        plain_inference.translate(model, kind, paths, into, device)
        shutil.rmtree(into)

    def network() -> None:
        with torch.no_grad():
            for picture in pictures:
                model(picture)

    return {
        "end to end": Task(files, len(paths), work * len(paths)),
        "model alone": Task(network, len(pictures), work * len(pictures)),
    }


def our_folder(
    weights: str, sources: Sequence[str], destination: str, device: str, precision: str, runtime: str
) -> dict[str, Task]:
    """As `i2i translate` runs it, within this process; and the model alone, in the same runtime and batches."""
    from i2i import load
    from i2i.bench.folders import Folder

    translator = load(Path(weights), device=device, precision=precision, runtime=runtime)
    folder = Folder(translator, [Path(source) for source in sources])
    numbers, wholes = itertools.count(), folder.decoded(alone(len(sources)))

    def files() -> None:
        into = Path(destination) / f"ours-{precision}-{next(numbers)}"
        folder.translated(into)
        shutil.rmtree(into)

    return {
        "end to end": Task(files, len(sources)),
        "model alone": Task(lambda: folder.model_alone(wholes), len(wholes)),
    }


def alone(pictures: int) -> int:
    """How many of them tell what the model takes by itself."""
    return max(1, min(16, pictures // 2))


def _opened(path: Path) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    import numpy
    from PIL import Image

    levels = torch.from_numpy(numpy.array(Image.open(path).convert("RGB")))
    return levels.permute(2, 0, 1)[None].float().contiguous() / 255


def _loss(painting: Painting, canvas: Tensor) -> float:
    with torch.no_grad():
        return float(painting.loss(canvas))
