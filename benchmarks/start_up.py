"""How long `i2i` takes to begin with ten plugins installed, beside Python alone and Python with torch, interleaved.

    python benchmarks/start_up.py [--plugins 10] [--rounds 9]

Run it on a quiet machine. The ratio comes first; seconds are medians over the rounds, with the spread behind them. The
plugins are what `i2i plugins new` lays out, beside what is installed already.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from side_by_side import compare

from i2i.plugins import installed
from i2i.scaffold import lay_out, named

COMMANDS = {
    "python, nothing more": ("-c", ""),
    "i2i --help": ("-m", "i2i", "--help"),
    "i2i translate --help": ("-m", "i2i", "translate", "--help"),
    "i2i plugins": ("-m", "i2i", "plugins"),
    "python, import torch": ("-c", "import torch"),
}


def install(name: str, site: Path) -> None:
    """Make a plugin of this name be there for whoever has `site` on its path."""
    plugin = named(name)
    folder = lay_out(plugin, site)
    (folder / f"i2i_{name}").rename(site / f"i2i_{name}")
    record = site / f"i2i_{name}-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {plugin.distribution}\nVersion: 0.1.0\n")
    (record / "entry_points.txt").write_text(f"[i2i]\n{name} = i2i_{name}\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("plugins", 10), ("rounds", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        there = len(installed())
        for number in range(there, asked.plugins):
            install(f"plugin{number}", Path(folder))
        environment = {**os.environ, "PYTHONPATH": folder}
        run = partial(subprocess.run, env=environment, check=True, stdout=subprocess.DEVNULL)
        steps = {name: partial(run, [sys.executable, *words]) for name, words in COMMANDS.items()}
        compare(f"to begin, with {max(there, asked.plugins)} plugins installed", steps, asked.rounds)


if __name__ == "__main__":
    main()
