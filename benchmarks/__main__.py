"""i2i beside plain loops in the published structures: a table, a JSON file and a plot in benchmarks/results/.

    python -m benchmarks [--only PART ...] [--rounds 5] [--seconds 40] [--pictures N] [--device cpu] [--quick]

Run it on a quiet machine. Every side is a process of its own, they take turns. What is measured is laid over what the
machine's file holds already, so that one part can be measured again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import plot, saved, table
from benchmarks.parts import PARTS
from benchmarks.rows import Asked
from i2i.bench.limit import limits
from i2i.errors import I2IError
from i2i.plugins import resolve
from i2i.training.runtime import Runtime
from i2i.training.speed import Work, precisions_of

LIMIT_SECONDS = 3.0


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts to measure")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to compute")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each part, at most")
    parser.add_argument("--seconds", type=float, default=40, help="for the rounds of one part, of which two are taken")
    parser.add_argument("--pictures", type=int, help="files of a folder; 200 and 20 tell more on a fast machine")
    parser.add_argument("--iterations", type=int, default=3, help="of gatys")
    parser.add_argument("--runtime", default="torch", help="what computes our translations, as in i2i translate")
    parser.add_argument("--vgg", help="file of VGG-19's weights as torchvision publishes it; without it, random ones")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, only to see that it works")
    parser.add_argument("--results", type=Path, default=saved.RESULTS, help="folder of the results")
    parser.add_argument("--show", type=Path, metavar="JSON", help="print and plot a saved file again; measure nothing")
    given = parser.parse_args(words)
    if given.show is not None:
        _tell(saved.read(given.show), given.show)
        return
    device = Runtime.choose(given.device).device
    described = saved.machine_of(device.type)
    path = given.results / f"{saved.name_of(described)}.json"
    asked = Asked(
        device=device.type,
        precisions=precisions_of(device),
        rounds=given.rounds,
        seconds=given.seconds,
        quick=given.quick,
        pictures=given.pictures,
        iterations=given.iterations,
        runtime=given.runtime,
        vgg=given.vgg,
    )
    failed = []
    for name in given.only:
        began = time.perf_counter()
        print(f"{name} …", flush=True)
        reached = limits(device, 0, [Work(1, 8, 16)]) if given.quick else limits(device, LIMIT_SECONDS)
        known = replace(asked, limits=reached)
        try:
            found = resolve(PARTS[name])(known)
        except I2IError as error:
            failed.append(f"{name}: {error}")
            continue
        saved.merge(path, described, {name: saved.record(found, known, time.perf_counter() - began)})
    if path.exists():
        _tell(saved.read(path), path, given.only)
    if failed:
        sys.exit("\n".join(failed))


def _tell(content: dict[str, object], path: Path, only: Sequence[str] | None = None) -> None:
    for line in table.lines_of(content, only):
        print(line)
    drawn = path.with_suffix(".svg")
    plot.draw(content, drawn)
    print(f"\n{path}\n{drawn}")


if __name__ == "__main__":
    main()
