"""How time and memory grow with the number of files, the size of a picture and the batch."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rows import Asked, Found, Series
from i2i import discover, load, load_recipe
from i2i.bench.folders import Folder
from i2i.bench.initial import write_initial
from i2i.bench.pictures import draw
from i2i.bench.sides import Side, Task, in_turns

FILES, SIDES, BATCHES = (10, 100, 1_000, 10_000), (64, 128, 256, 512, 1024, 2048, 4096), (1, 2, 4, 8, 16, 32)
QUICK_FILES, QUICK_SIDES, QUICK_BATCHES = (2, 4), (16, 32), (1, 2)
TINY = 16
"""Pixels of the many files' sides."""
BATCHED = 128
"""Pixels of the pictures' sides in a batch."""
LIGHT = ("model.generator=resnet-3", "model.width=8", "model.norm=none")
DISTINCT = 50
"""Of the many files; the others are copies."""


def growth(asked: Asked) -> Found:
    """Three series, each in a process of its own, every size once."""
    kinds = {
        "files": (QUICK_FILES if asked.quick else FILES, f"files of {TINY}×{TINY}", "files"),
        "sides": (QUICK_SIDES if asked.quick else SIDES, "one JPEG file of N×N", "pixels of a side"),
        "batches": (QUICK_BATCHES if asked.quick else BATCHES, f"pictures of {BATCHED}×{BATCHED} at once", "pictures"),
    }
    found = []
    with TemporaryDirectory() as name:
        catalog = discover()
        recipe = load_recipe(catalog, "cyclegan", overrides=LIGHT)
        weights = write_initial(catalog, recipe, Path(name) / "w.safetensors")
        for kind, (sizes, title, unit) in kinds.items():
            given = {"folder": name, "weights": str(weights), "sizes": list(sizes), "device": asked.device}
            timings = in_turns([Side("i2i", f"{__name__}:{kind}", given, asked.device)], 1, warm_up=False)
            points = [(float(timing.task), timing.seconds, timing.memory) for timing in timings]
            found.append(Series(title, unit, points, _straight(points, 2 if kind == "sides" else 1)))
    return Found(series=found, settings={"model": " ".join(LIGHT)})


def files(folder: str, weights: str, sizes: Sequence[int], device: str) -> dict[str, Task]:
    """So many tiny files from end to end."""
    originals = draw(Path(folder) / "tiny", min(DISTINCT, max(sizes)), TINY, ".png")
    many = Path(folder) / "many"
    many.mkdir()
    paths = []
    for number, original in zip(range(max(sizes)), itertools.cycle(originals), strict=False):
        paths.append(Path(shutil.copyfile(original, many / f"{number:06}.png")))
    translator = load(Path(weights), device=device, precision="fp32")

    def translated(count: int) -> Callable[[], None]:
        return lambda: Folder(translator, paths[:count]).translated(Path(folder) / f"files-{count}")

    Folder(translator, paths[:2]).translated(Path(folder) / "warm-up")
    return {str(count): Task(translated(count), count) for count in sizes}


def sides(folder: str, weights: str, sizes: Sequence[int], device: str) -> dict[str, Task]:
    """One file of this size from end to end."""
    translator = load(Path(weights), device=device, precision="fp32")

    def translated(side: int) -> Callable[[], None]:
        source = draw(Path(folder) / f"side-{side}", 1, side)
        return lambda: Folder(translator, source).translated(Path(folder) / f"sides-{side}")

    Folder(translator, draw(Path(folder) / "first", 1, min(sizes))).translated(Path(folder) / "first-out")
    return {str(side): Task(translated(side)) for side in sizes}


def batches(folder: str, weights: str, sizes: Sequence[int], device: str) -> dict[str, Task]:
    """So many pictures at once, by the model alone."""
    made = Folder(load(Path(weights), device=device, precision="fp32"), draw(Path(folder) / "b", max(sizes), BATCHED))
    wholes = made.decoded(max(sizes))

    def translated(count: int) -> Callable[[], None]:
        return lambda: made.model_alone(wholes[:count], batch=count)

    translated(1)()
    return {str(count): Task(translated(count), count) for count in sizes}


def _straight(points: Sequence[tuple[float, float, int]], power: int) -> str:
    """What one more costs at the end and at the beginning, the same on a straight line; of sides, a million pixels."""
    costs = [(b[1] - a[1]) / (b[0] ** power - a[0] ** power) for a, b in itertools.pairwise(points)]
    what, factor = ("a million pixels more cost", 1e9) if power == 2 else ("one more costs", 1e3)
    middle = costs[len(costs) // 2]
    return f"{what} {factor * costs[-1]:.3g} ms at the end, {factor * middle:.3g} ms in the middle"
