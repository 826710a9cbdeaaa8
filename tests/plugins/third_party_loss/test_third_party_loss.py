"""A package that ships nothing but a loss works by name inside the schemes of others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from i2i import discover

PACKAGE = Path(__file__).parent
RECIPES = {
    "cyclegan-digits": ("--src", "white", "--target", "yellow"),
    "dcgan-digits": ("--src", "white"),
}
RunI2I = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(tmp_path: Path, install_plugin: Callable[[Path, Path], None]) -> Path:
    """Where the package is installed."""
    install_plugin(PACKAGE, tmp_path / "site")
    return tmp_path / "site"


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_trains_in_a_scheme_that_has_never_heard_of_it(
    recipe: str, site: Path, tmp_path: Path, run_i2i: RunI2I
) -> None:
    if recipe not in discover().names("recipe"):
        pytest.skip(f"no installed plugin brings the recipe '{recipe}'")
    run_i2i("data", "make", "digits", "--dst", tmp_path, "--count", "20", "--force")
    folders = [word if word.startswith("--") else tmp_path / word for word in RECIPES[recipe]]
    named = ("--set", "losses.adversarial.use=exponential", "--set", "losses.adversarial.steepness=0.25")
    small = ("--steps", "2", "--batch", "4", "--device", "cpu", "--set", "run.log_every=1")
    done = run_i2i("fit", "--plugin", recipe, *folders, *named, *small, "--out", tmp_path / "run", site=site)
    assert done.returncode == 0, done.stderr

    kept = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8"))
    assert kept["losses"]["adversarial"] == {"use": "exponential", "weight": 1.0, "steepness": 0.25}
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    scalars = json.loads(lines[-1])
    assert scalars["step"] == 2
    assert 0 <= scalars["real_accuracy"] <= 1, "a loss that does not say how is judged at 0"


def test_it_is_listed_beside_the_built_in_ones(site: Path, run_i2i: RunI2I) -> None:
    listed = json.loads(run_i2i("plugins", "list", "--json", site=site).stdout)
    assert listed["broken"] == []
    loss = {"kind": "loss", "name": "exponential", "distribution": "i2i-exponential", "version": "1.2.0"}
    assert any(entry.items() >= loss.items() for entry in listed["entries"])
