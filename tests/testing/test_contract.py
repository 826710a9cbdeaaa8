"""Who is examined and with which recipes, and how a test class inherits the checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import i2i
from i2i import UsageError
from i2i.testing import Outcome, examine
from i2i.testing.bench import QUICK, Bench
from i2i.testing.target import find

SOUND = Path(__file__).parents[1] / "plugins" / "faulty" / "sound"


@pytest.fixture
def bench():
    target = find(str(SOUND))
    leave = target.enter()
    yield lambda *overrides, **settings: Bench(target, overrides, settings)
    leave()


def test_a_folder_is_examined_without_being_installed_and_leaves_no_trace():
    before = set(sys.modules), list(sys.path)
    outcomes = examine(str(SOUND))
    first = next(outcomes)
    assert first == Outcome(
        "package i2i-sound", "it has an entry point and enters the catalog", "passed", "", first.seconds
    )
    assert "i2i_sound" in sys.modules
    outcomes.close()
    assert not any(name.startswith("i2i_sound") for name in set(sys.modules) - before[0])
    assert sys.path == before[1]
    assert "sound" not in i2i.discover().names("model")


@pytest.mark.parametrize("name", ["i2i-cyclegan", "I2I_CycleGAN", "cyclegan", "cyclegan-light"])
def test_a_plugin_is_known_by_its_distribution_its_entry_point_and_whatever_it_brought(name):
    target = find(name)
    assert target.distribution == "i2i-cyclegan"
    assert target.packages == {"i2i_cyclegan"}
    assert target.root is None


def test_a_loss_of_the_core_is_examined_with_the_core():
    assert find("l1").distribution == "i2i"
    outcomes = [outcome for outcome in examine("l1") if outcome.subject == "loss l1"]
    assert [outcome.verdict for outcome in outcomes] == ["passed", "passed"]


def test_an_unknown_plugin_is_named_with_the_nearest_and_all_others():
    with pytest.raises(UsageError, match=r"unknown plugin 'cyclegam'; did you mean 'cyclegan'\? \(known: .*i2i-cycle"):
        list(examine("cyclegam"))


def test_a_folder_without_a_project_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no plugin's project folder \(no pyproject\.toml in it\)"):
        list(examine(str(tmp_path)))
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = '1'\n")
    with pytest.raises(UsageError, match=r"pyproject\.toml: not the pyproject\.toml of a project with a name"):
        list(examine(str(tmp_path)))


def test_a_project_without_an_entry_point_fails_and_nothing_else_is_tried(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'i2i-silent'\n")
    first, *others = examine(str(tmp_path))
    assert (first.verdict, first.reason) == ("failed", "i2i-silent has no entry point in the group 'i2i'")
    assert {outcome.verdict for outcome in others} <= {"skipped"}


def test_a_folder_takes_the_place_of_what_is_installed_of_it(tmp_path):
    import i2i_cyclegan

    package = tmp_path / "src" / "i2i_cyclegan"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from i2i import LossSpec, hookimpl\n\n\n@hookimpl\ndef i2i_losses():\n"
        "    return [LossSpec(name='draft', kind='image', summary='a draft', build='i2i_cyclegan:Draft')]\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'i2i-cyclegan'\nversion = '9'\n[project.entry-points.i2i]\ncyclegan = 'i2i_cyclegan'\n"
    )
    target = find(str(tmp_path))
    leave = target.enter()
    catalog = target.catalog()
    leave()
    assert (catalog.find("loss", "draft").version, "cyclegan" in catalog.names("model")) == ("9", False)
    assert sys.modules["i2i_cyclegan"] is i2i_cyclegan


def test_recipes_are_made_quick_and_what_is_set_comes_last(bench):
    quick = bench("model.width=5", sound=["run.batch=3", "run.seed=7"])
    recipe = quick.recipe("sound", "run.seed=8")
    assert (recipe.run.batch, recipe.run.seed, recipe.run.workers) == (3, 8, 0)
    assert recipe.model.options.width == 5
    assert "run.workers=0" in QUICK
    assert len(list(Path(recipe.dataset.options.source[0]).glob("*.png"))) == 6


def test_an_override_of_nothing_and_settings_of_no_recipe_are_refused(bench):
    with pytest.raises(UsageError, match=r"--set model\.widht=3: no recipe of i2i-sound has this option"):
        bench("model.widht=3").refuse_unknown_settings()
    with pytest.raises(UsageError, match=r"settings of recipe 'soundd'; did you mean 'sound'\? \(it brings: sound\)"):
        bench(soundd=["run.batch=3"]).refuse_unknown_settings()


INHERITED = """
from pathlib import Path
from typing import ClassVar

from PIL import Image

from i2i.testing import PluginContract, catalog, fixed_chance, one_thread  # noqa: F401


class TestContract(PluginContract):
    plugin = {plugin!r}
    settings: ClassVar = {{"sound": ("model.width=2", "dataset.size=12")}}
    known: ClassVar = {known!r}

    def draw(self, folder, flag):
        folder.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (13 + number, 17), (40 * number, 99, 180)).save(folder / f"{{flag}}-{{number}}.png")
"""


def inherited(folder, known, *flags):
    (folder / "test_sound.py").write_text(INHERITED.format(plugin=str(SOUND), known=known))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *flags, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)


def test_a_test_class_inherits_every_check_and_brings_pictures_of_its_own(tmp_path):
    done = inherited(tmp_path, {}, "-k", "dataset or (model and not trainer)")
    assert done.returncode == 0, done.stdout
    start = "PASSED test_sound.py::TestContract::test_contract"
    assert f"{start}[model sound: one picture alone equals the same in a batch]" in done.stdout
    assert f"{start}[dataset sound: its samples are bytes of one size]" in done.stdout
    assert "SKIPPED" in done.stdout
    assert "it makes no pictures out of nothing: it translates" in done.stdout


def test_a_known_fault_that_is_gone_fails_the_test_and_one_of_no_check_is_refused(tmp_path):
    sentence = "loss sound-image: it answers one finite number"
    done = inherited(tmp_path, {sentence: "a rainy day"}, "-k", "sound-image")
    assert done.returncode == 1
    assert "[XPASS(strict)] a rainy day" in done.stdout
    done = inherited(tmp_path, {"loss sound-image: it sings": "never"})
    assert "known: no such check: loss sound-image: it sings" in done.stdout


def test_importing_the_suite_imports_no_torch_and_no_pytest():
    code = "import sys, i2i.testing.contract; sys.exit(len({'torch', 'pytest'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
