"""Decoding and encoding a folder: one after another, on threads as batch inference does it, and on processes.

    python benchmarks/batch_inference.py [--count 24] [--size 1024] [--rounds 5]

Run it on a quiet machine. The ratio comes first; seconds are medians over the rounds, with the spread behind them. No
model is in between: this is what a run costs beside its model, and what overlaps with it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy
from PIL import Image
from side_by_side import compare

from i2i.images.encode import write_whole
from i2i.images.whole import open_whole
from i2i.inference.pipeline import THREADS, overlapped


def copied(pair: tuple[Path, Path]) -> None:
    """Decode one file and encode another with all that it holds."""
    write_whole(open_whole(pair[0]), pair[1])


def one_by_one(pairs: Sequence[tuple[Path, Path]]) -> None:
    """A plain loop."""
    for pair in pairs:
        copied(pair)


def on_threads(threads: int, pairs: Sequence[tuple[Path, Path]]) -> None:
    """As `i2i translate` does it."""
    list(overlapped(copied, pairs, ahead=2 * threads, threads=threads))


def on_processes(pool: ProcessPoolExecutor, pairs: Sequence[tuple[Path, Path]]) -> None:
    """Without a picture crossing from one process to another, which a model in a process of its own would need."""
    list(pool.map(copied, pairs))


def drawn(folder: Path, count: int, size: int, suffix: str) -> list[tuple[Path, Path]]:
    """Smooth pictures with some noise, and where their copies go."""
    chance = numpy.random.default_rng(0)
    pairs = []
    for number in range(count):
        coarse = Image.fromarray(chance.integers(0, 256, (16, 16, 3), "uint8")).resize(
            (size, size), Image.Resampling.BICUBIC
        )
        noisy = numpy.clip(numpy.asarray(coarse) + chance.normal(0, 4, (size, size, 3)), 0, 255).astype("uint8")
        source = folder / f"{number}{suffix}"
        Image.fromarray(noisy).save(source)
        pairs.append((source, folder / "out" / source.name))
    return pairs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("count", 24), ("size", 1024), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for suffix in (".jpg", ".png"):
            pairs = drawn(Path(folder), asked.count, asked.size, suffix)
            ways: dict[str, Callable[[], object]] = {"one after another": partial(one_by_one, pairs)}
            for threads in sorted({1, 2, THREADS, 8}):
                ways[f"{threads} threads"] = partial(on_threads, threads, pairs)
            ways["2 processes"] = partial(on_processes, pool, pairs)
            compare(f"{asked.count} {suffix} of {asked.size}×{asked.size}", ways, asked.rounds)


if __name__ == "__main__":
    main()
