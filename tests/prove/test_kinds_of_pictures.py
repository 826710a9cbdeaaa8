"""Proof: the table of `test_orientations_and_profiles.py` holds for the whole command, `i2i translate`.

A model that changes nothing translates all of these pictures at once. If it restores, each must come out as the table
says. If it does not, the answer is a new picture, in colours: grey comes out as RGB, with the levels that the table
says, all 16 bits where it had them, and without a profile, as one of greys fits no longer.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from i2i.images.whole import open_whole

pytestmark = pytest.mark.prove
PLUGINS = Path(__file__).parents[1] / "plugins"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import test_orientations_and_profiles

    return test_orientations_and_profiles


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, install_plugin: Callable[[Path, Path], None]) -> Path:
    install_plugin(PLUGINS / "enlarger", folder := tmp_path_factory.mktemp("site"))
    return folder


@pytest.mark.parametrize("restores", [True, False], ids=["restoring", "repainting"])
def test_every_picture_of_the_table_comes_out_of_translate_as_it_looks(
    tmp_path: Path,
    table: Any,
    site: Path,
    run_i2i: Callable[..., subprocess.CompletedProcess[str]],
    restores: bool,
    figure: Callable[[str], None],
) -> None:
    pictures = list(table.cases(tmp_path / "in"))
    settings = ("--set", "model.scale=1", "--set", f"model.restores={restores}")
    folders = ("--src", tmp_path / "in", "--dst", tmp_path / "out")
    result = run_i2i("translate", "--plugin", "enlarger", *settings, *folders, site=site)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{len(pictures)} of {len(pictures)} pictures translated into {tmp_path / 'out'}\n"
    assert result.stderr.splitlines() == ["enlarger: needs no weights"]
    wrong = []
    for path, wanted in pictures:
        target = tmp_path / "out" / path.relative_to(tmp_path / "in")
        expected = wanted if restores else in_colours(wanted)
        try:
            if expected.levels.dtype == numpy.uint16 and expected.levels.shape[2] == 3:
                expected = check_all_bits(target, expected)
            expected.check(target)
        except AssertionError as different:
            wrong.append(f"{target.name}: {str(different).splitlines()[0]}")
    assert not wrong, f"{len(wrong)} of {len(pictures)}:\n" + "\n".join(wrong)
    kind = "restores" if restores else "repaints"
    figure(f"{len(pictures)} pictures come out of a model that {kind} as they look")


def in_colours(expected: Any) -> Any:
    """What must be in the file where the answer is in colours."""
    levels = expected.levels
    if levels.shape[2] > 2:
        return expected
    grey, alpha = levels[:, :, :1], levels[:, :, 1:]
    return replace(expected, levels=numpy.concatenate([grey, grey, grey, alpha], axis=2), profile=None)


def check_all_bits(path: Path, expected: Any) -> Any:
    """Colours of 16 bits, of which Pillow reads only the upper 8: what it must find; the others are compared here."""
    whole = open_whole(path)
    assert whole.levels.bits == 16
    assert numpy.array_equal(whole.deep(), expected.levels)
    return replace(expected, levels=(expected.levels >> 8).astype(numpy.uint8))
