"""Folders of files from end to end, and what decoding and encoding take without a model between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rows import Asked, Found, row_of
from i2i import discover, load_recipe
from i2i.bench.initial import write_initial
from i2i.bench.pictures import draw
from i2i.bench.sides import Side, Task, Timing, in_turns
from i2i.images.encode import write_whole
from i2i.images.whole import open_whole
from i2i.inference.pipeline import THREADS, overlapped

SIDES = "benchmarks.sides"


def cyclegan(asked: Asked) -> Found:
    """JPEG files of 256×256 through the ResNet-9 generator."""
    size, blocks, width = (32, 3, 4) if asked.quick else (256, 9, 64)
    overrides = [f"model.generator=resnet-{blocks}", f"model.width={width}"]
    what = f"ResNet-{blocks}, {size}×{size}"
    return _folder(asked, what, "cyclegan", overrides, blocks, width, size, ".jpg", 10)


def srresnet(asked: Asked) -> Found:
    """PNG files of 256×256 through SRResNet-16: 1024×1024."""
    size, blocks, width = (16, 1, 4) if asked.quick else (256, 16, 64)
    overrides = [f"model.blocks={blocks}", f"model.width={width}"]
    what = f"SRResNet-{blocks}, {size}×{size} → {4 * size}×{4 * size}"
    return _folder(asked, what, "srresnet", overrides, blocks, width, size, ".png", 3)


def _folder(
    asked: Asked,
    what: str,
    recipe: str,
    overrides: Sequence[str],
    blocks: int,
    width: int,
    size: int,
    suffix: str,
    few: int,
) -> Found:
    count, device = asked.pictures or (4 if asked.quick else few), asked.device
    with TemporaryDirectory() as name:
        folder, catalog = Path(name), discover()
        sources = [str(path) for path in draw(folder / "in", count, size, suffix)]
        weights = write_initial(catalog, load_recipe(catalog, recipe, overrides=overrides), folder / "w.safetensors")
        both = {"sources": sources, "destination": name, "device": device}
        plain = {**both, "kind": recipe, "blocks": blocks, "width": width}
        sides = [Side("plain, fp32", f"{SIDES}:plain_folder", plain, device)]
        for precision in asked.precisions:
            ours = {**both, "weights": str(weights), "precision": precision, "runtime": asked.runtime}
            engine = "" if asked.runtime == "torch" else f" by {asked.runtime}"
            sides.append(Side(f"i2i{engine}, {precision}", f"{SIDES}:our_folder", ours, device))
        timings = in_turns(sides, asked.rounds, asked.seconds)
    tasks = {task: [timing for timing in timings if timing.task == task] for task in ("end to end", "model alone")}
    whole, alone = tasks["end to end"], tasks["model alone"]
    title = f"{count} {suffix.removeprefix('.').replace('jpg', 'jpeg').upper()} files through {what}, end to end"
    row = row_of(title, whole, asked.limits, "decode → model → encode")
    entries = [replace(entry, figures=_share(*pair)) for entry, *pair in zip(row.entries, whole, alone, strict=True)]
    of_model = row_of(f"{what}, the model alone", alone, asked.limits)
    return Found([replace(row, entries=entries), of_model], settings={"files": count})


def _share(whole: Timing, alone: Timing) -> dict[str, float]:
    return {"share of the model's own speed": (alone.seconds / alone.pictures) / (whole.seconds / whole.pictures)}


def decode_encode(asked: Asked) -> Found:
    """A folder copied picture by picture: in a plain loop, and on threads as `i2i translate` does it."""
    count, size = (4, 32) if asked.quick else (24, 1024)
    rows = []
    for suffix in (".jpg", ".png"):
        with TemporaryDirectory() as name:
            draw(Path(name) / "in", count, size, suffix)
            sides = []
            for threads in dict.fromkeys((0, 1, THREADS)):
                side = f"{threads} threads" if threads > 1 else f"{threads} thread" if threads else "one after another"
                sides.append(Side(side, f"{__name__}:copying", {"folder": name, "suffix": suffix, "threads": threads}))
            timings = in_turns(sides, asked.rounds, asked.seconds / 2)
        form = suffix.removeprefix(".").replace("jpg", "jpeg").upper()
        rows.append(row_of(f"{count} {form} of {size}×{size} decoded and encoded, without a model", timings, {}))
    return Found(rows)


def copying(folder: str, suffix: str, threads: int) -> dict[str, Task]:
    """Decode each file and encode another with all that it holds; on no thread: one after another."""
    sources = sorted((Path(folder) / "in").glob(f"*{suffix}"))
    pairs = [(source, Path(folder) / f"out-{threads}" / source.name) for source in sources]

    def copy(pair: tuple[Path, Path]) -> None:
        write_whole(open_whole(pair[0]), pair[1])

    def all_of_them() -> None:
        for _ in overlapped(copy, pairs, ahead=2 * threads, threads=threads) if threads else map(copy, pairs):
            pass

    return {"copy": Task(all_of_them, len(pairs))}
