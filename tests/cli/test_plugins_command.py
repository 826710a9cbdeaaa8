from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from click.testing import CliRunner

import i2i.cli.plugins as command
from i2i.plugins import BrokenPlugin, Catalog, discover

BROKEN = Path(__file__).parents[1] / "plugins"


def output(*arguments: str) -> str:
    result = CliRunner().invoke(command.plugins, arguments)
    assert result.exit_code == 0
    return result.output


def test_everything_installed_is_listed_with_its_package_and_summary() -> None:
    lines = output().splitlines()
    entries = list(discover())
    assert lines[0].split() == ["KIND", "NAME", "PACKAGE", "SUMMARY"]
    assert len(lines) == 1 + len(entries)
    name, package, summary = (lines[0].index(title) for title in ("NAME", "PACKAGE", "SUMMARY"))
    for line, entry in zip(lines[1:], entries, strict=True):
        assert line[:name].strip() == entry.kind
        assert line[name:package].strip() == entry.name
        assert line[package:summary].strip() == f"{entry.distribution} {entry.version}"
        assert line[summary:] == ("" if entry.kind == "recipe" else entry.value.summary)


def test_programs_get_the_same_as_json() -> None:
    listing = json.loads(output("--json"))
    version = metadata.version("i2i-cyclegan")
    assert listing["broken"] == []
    assert {"kind": "model", "name": "cyclegan", "distribution": "i2i-cyclegan", "version": version} in listing[
        "entries"
    ]
    assert len(listing["entries"]) == len(list(discover()))


def test_what_is_broken_comes_last_with_its_reason(
    monkeypatch: object, install_plugin: Callable[..., None], tmp_path: Path
) -> None:
    install_plugin(BROKEN / "broken_misspelt", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    reason = "strange_misspelt: unknown hook 'i2i_modles'; did you mean 'i2i_models'?"
    assert output().splitlines()[-1] == f"broken  strange-misspelt 0.1.0: {reason}"
    broken = {"distribution": "strange-misspelt", "version": "0.1.0", "reason": reason}
    assert json.loads(output("--json"))["broken"] == [broken]


def test_nothing_but_broken_plugins_is_still_a_listing(monkeypatch: object) -> None:
    kinds = ("model", "loss", "trainer", "dataset", "recipe")
    alone = Catalog({kind: {} for kind in kinds}, (BrokenPlugin("strange", "1.0", "no luck"),))
    monkeypatch.setattr(command, "discover", lambda: alone)
    assert output() == "KIND  NAME  PACKAGE  SUMMARY\nbroken  strange 1.0: no luck\n"
