"""The plugin of the README is true: it is learned, translates and keeps its contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"^```\w+\n# (?P<path>i2i-grade/\S+)\n(?P<text>.*?)^```$", re.M | re.S)


@pytest.fixture
def grade(tmp_path: Path) -> Path:
    """The folder that the README tells to write."""
    for found in FILE.finditer((ROOT / "README.md").read_text(encoding="utf-8")):
        file = tmp_path / found["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found["text"], encoding="utf-8")
    return tmp_path / "i2i-grade"


def differ(one: Path, other: Path) -> float:
    pictures = [Image.open(path).convert("RGB") for path in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*pictures)).mean) / 3


def test_the_plugin_of_the_readme_learns_the_look_of_edited_pictures(
    grade: Path, install_plugin, run_i2i, tmp_path: Path
) -> None:
    for number in range(4):
        before = Image.radial_gradient("L").rotate(20 * number).resize((80, 80))
        for folder, picture in (
            ("before", before),
            ("after", ImageOps.colorize(before, (0, 60, 160), (255, 160, 0))),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            picture.convert("RGB").save(tmp_path / folder / f"{number}.png")
    before, after, graded, site = (tmp_path / name for name in ("before", "after", "graded", "site"))
    install_plugin(grade, site)

    fitted = run_i2i("fit", "--plugin", "grade", "--src", before, "--target", after, "--steps", "150",
                     "--set", "run.workers=0", "--out", tmp_path / "look", site=site)  # fmt: skip
    assert fitted.returncode == 0, fitted.stderr
    done = run_i2i("translate", "--run", tmp_path / "look", "--src", before, "--dst", graded, site=site)
    assert done.returncode == 0, done.stderr
    names = [path.name for path in before.iterdir()]
    untouched = min(differ(before / name, after / name) for name in names)
    assert max(differ(graded / name, after / name) for name in names) < untouched / 3


def test_the_plugin_of_the_readme_is_as_short_as_it_says(grade: Path) -> None:
    texts = [file.read_text(encoding="utf-8") for file in grade.rglob("*.py")]
    code = [line for text in texts for line in text.splitlines() if line.strip()]
    assert texts
    assert len(code) < 36
