"""The site builds without a warning and asks nobody else for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(r"""<(?:link|script|img|iframe|source)\b[^>]*?\b(?:href|src)=["'](?:https?:)?//[^"']+""")
IN_STYLE = re.compile(r"""(?:@import|url\()\s*["']?(?:https?:)?//""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason="the group 'docs' is not installed")
    pytest.importorskip("furo", reason="the group 'docs' is not installed")
    out = tmp_path_factory.mktemp("site")
    strict = ("--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-d", str(out / "doctrees"), *strict]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(out / "html")], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return out / "html"


def test_every_page_is_built(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").glob("**/*.md")}
    assert len(pages) > 15
    assert {path for path in pages if not (site / path).is_file()} == set()


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    wrong = [f"{path.name}: {found}" for path in site.rglob("*.html") for found in FETCHED.findall(path.read_text())]
    wrong += [f"{path.name}: {found}" for path in site.rglob("*.css") for found in IN_STYLE.findall(path.read_text())]
    assert wrong == []


def test_a_fetched_script_would_be_noticed() -> None:
    assert FETCHED.search('<script async src="https://elsewhere.example/a.js">')
    assert not FETCHED.search('<a href="https://elsewhere.example/">, <script src="_static/a.js">')
    assert IN_STYLE.search("@import 'https://elsewhere.example/a.css'")


def test_tables_and_lists_that_the_code_gives_are_there(site: Path) -> None:
    assert "<td><p><code" in (site / "guide" / "data.html").read_text(encoding="utf-8")
    assert "wgan-gp" in (site / "guide" / "training.html").read_text(encoding="utf-8")
    assert "one picture alone equals the same in a batch" in (site / "plugins" / "testing.html").read_text()


def test_pictures_of_included_readmes_are_there(site: Path) -> None:
    for path in site.glob("guide/models/*.html"):
        for source in re.findall(r'<img\b[^>]*?\bsrc="([^"]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / source).is_file(), f"{path.name}: {source}"
