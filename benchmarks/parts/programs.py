"""Processes from their start to their end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.plain.inference import network
from benchmarks.rows import Asked, Found, of_processes, row_of
from i2i import discover, load_recipe
from i2i.bench.initial import write_initial
from i2i.bench.pictures import draw
from i2i.bench.sides import Side, Task, in_turns
from i2i.errors import I2IError
from i2i.plugins import installed
from i2i.scaffold import lay_out, named

ROOT = Path(__file__).parents[2]
PLAIN_SCRIPT = ROOT / "benchmarks" / "plain" / "inference.py"
PLUGINS = 10


def one_picture(asked: Asked) -> Found:
    """One JPEG of 256×256 through ResNet-9, beside a plain script and beside torch alone."""
    size = 32 if asked.quick else 256
    with TemporaryDirectory() as name:
        folder, catalog = Path(name), discover()
        (source,) = draw(folder / "in", 1, size)
        weights = write_initial(catalog, load_recipe(catalog, "cyclegan"), folder / "w.safetensors")
        plain = network("cyclegan", 9, 64)
        torch.save(plain.state_dict(), folder / "w.pth")
        script = [str(PLAIN_SCRIPT), "cyclegan", str(folder / "w.pth"), str(source), str(folder / "plain")]
        ours = ["-m", "i2i", "translate", "--weights", str(weights), "--src", str(source), "--dst", str(folder / "o")]
        ours += ["--force", "--device", "cpu"]
        commands = {"plain script": script, "i2i translate": ours, "python, import torch": TORCH}
        sides = [*_programs(commands), Side("the plain forward alone", f"{__name__}:forward", {"size": size})]
        timings = in_turns(sides, asked.rounds, asked.seconds)
    title = f"one JPEG of {size}×{size} through ResNet-9, from the start of the process to its end, on the CPU"
    return Found([of_processes(row_of(title, timings, {}))])


def forward(size: int) -> dict[str, Task]:
    """What of it the plain network takes."""
    model, picture = network("cyclegan", 9, 64), torch.rand(1, 3, size, size)

    def compute() -> None:
        with torch.no_grad():
            model(picture)

    return {"run": Task(compute)}


TORCH = ["-c", "import torch"]


def start_up(asked: Asked) -> Found:
    """How long `i2i` takes to begin with ten plugins installed, beside Python alone and Python with torch."""
    commands = {
        "python, nothing more": ["-c", ""],
        "i2i --help": ["-m", "i2i", "--help"],
        "i2i translate --help": ["-m", "i2i", "translate", "--help"],
        "i2i plugins": ["-m", "i2i", "plugins"],
        "python, import torch": TORCH,
    }
    with TemporaryDirectory() as folder:
        there = len(installed())
        for number in range(there, PLUGINS):
            _install(f"plugin{number}", Path(folder))
        timings = in_turns(_programs(commands, {"PYTHONPATH": folder}), asked.rounds, asked.seconds)
    return Found([of_processes(row_of(f"to begin, with {max(there, PLUGINS)} plugins installed", timings, {}))])


def _programs(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str] | None = None) -> list[Side]:
    given = {"environment": dict(environment or {})}
    return [Side(name, f"{__name__}:program", {"words": list(words), **given}) for name, words in commands.items()]


def program(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, Task]:
    """A Python of its own with these words. Its task raises `I2IError` with what it says last where it fails."""
    around = {**os.environ, **environment}
    around.pop("PYTHONDONTWRITEBYTECODE", None)  # a second run finds its modules compiled, as after any installation

    def run() -> None:
        done = subprocess.run([sys.executable, *words], env=around, capture_output=True, text=True)
        if done.returncode:
            raise I2IError(f"exit code {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")

    return {"run": Task(run)}


def _install(name: str, site: Path) -> None:
    """Make a plugin of this name be there for whoever has `site` on its path."""
    plugin = named(name)
    folder = lay_out(plugin, site)
    shutil.move(folder / f"i2i_{name}", site / f"i2i_{name}")
    record = site / f"i2i_{name}-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {plugin.distribution}\nVersion: 0.1.0\n")
    (record / "entry_points.txt").write_text(f"[i2i]\n{name} = i2i_{name}\n")
