"""What README says of speed is what `make bench` measured and saved."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([a-z0-9-]+)`: [^|]+\| ([\d.]+)× \| ([\d.]+)× \|$", re.MULTILINE)


def test_readmes_ratios_are_those_that_were_measured() -> None:
    (results,) = (ROOT / "benchmarks" / "results").glob("*.json")
    parts = json.loads(results.read_text(encoding="utf-8"))["parts"]
    said = {part: figures for part, *figures in ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert len(said) >= 6
    for part, figures in said.items():
        plain, *_, ours = parts[part]["rows"][0]["entries"]
        assert not parts[part]["quick"]
        assert figures == [f"{ours['ratio']:.2f}", f"{ours['memory'] / plain['memory']:.2f}"], part
