"""Who is examined and with which recipes, and how a test class inherits the checks."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import i2i
from i2i import RecipeError, UsageError
from i2i.recipe import load_recipe
from i2i.testing import Outcome, Skipped, examine
from i2i.testing.asking import wants_more
from i2i.testing.bench import QUICK, Bench
from i2i.testing.ranks import Task, _failures, _wait
from i2i.testing.target import find
from i2i.testing.trainers import Scheme, for_ranks

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


NAMED = "[project]\nname = 'i2i-silent'\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = = b", r"no TOML \("),
        ("", "project: expected a table, found nothing"),
        ("project = 3", "project: expected a table, found 3"),
        ("[project]\nversion = '1'", "project.name: expected text, found nothing"),
        ("[project]\nname = 3", "project.name: expected text, found 3"),
        (f"{NAMED}version = 3", "project.version: expected text, found 3"),
        (f"{NAMED}entry-points = []", r"project.entry-points: expected a table, found \[\]"),
        (
            f"{NAMED}[project.entry-points]\ni2i = 'silent'",
            "entry-points.i2i: expected a table, found 'silent'",
        ),
        (f"{NAMED}[project.entry-points.i2i]\nsilent = 3", "project.entry-points.i2i.silent: expected text, found 3"),
        (f"{NAMED}[project.entry-points.i2i]\n'a = b' = 'silent'", "'a = b' is no name of an entry point"),
        (f"{NAMED}[project.entry-points.i2i]\nsilent = 'silent:'", "silent: 'silent:' is no 'package' or"),
        (f"{NAMED}[project.entry-points.i2i]\nsilent = 'not so'", "silent: 'not so' is no 'package' or"),
    ],
)
def test_a_project_that_is_written_wrongly_is_refused_by_file_and_key(tmp_path, text, told):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"^{tmp_path}/pyproject\.toml: .*{told}"):
        list(examine(str(tmp_path)))


def test_a_project_that_cannot_be_read_is_not_taken_for_none(tmp_path):
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(UsageError, match=r"pyproject\.toml: cannot be read \(Is a directory\)"):
        find(str(tmp_path))


def test_a_folder_src_without_the_package_is_passed_by(tmp_path):
    (tmp_path / "pyproject.toml").write_text(f"{NAMED}[project.entry-points.i2i]\nsilent = 'silent'\n")
    (tmp_path / "src" / "drawings").mkdir(parents=True)
    assert find(str(tmp_path)).root == tmp_path
    (tmp_path / "src" / "silent.py").touch()
    assert find(str(tmp_path)).root == tmp_path / "src"


def test_a_plugin_is_found_by_what_it_brings_though_it_is_not_loaded(monkeypatch):
    monkeypatch.setenv("I2I_PLUGINS", "gatys")
    assert find("cyclegan-light").distribution == "i2i-cyclegan"


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
    pictures = list(Path(recipe.dataset.options.source[0]).glob("*.png"))
    sizes = {Image.open(picture).size for picture in pictures}
    assert (len(pictures), len(sizes)) == (6, 6)
    assert min(side for size in sizes for side in size) == 72


def test_an_override_of_nothing_and_settings_of_no_recipe_are_refused(bench):
    with pytest.raises(UsageError, match=r"--set model\.widht=3: no recipe of i2i-sound has this option"):
        bench("model.widht=3").refuse_unknown_settings()
    with pytest.raises(UsageError, match=r"settings of recipe 'soundd'; did you mean 'sound'\? \(it brings: sound\)"):
        bench(soundd=["run.batch=3"]).refuse_unknown_settings()


def test_what_a_recipe_refuses_of_the_settings_is_the_callers_mistake(bench):
    with pytest.raises(RecipeError, match=r"--set: model\.width: should be a valid integer.* found 'abc'"):
        bench("model.width=abc").refuse_unknown_settings()
    with pytest.raises(RecipeError, match=r"run\.bacth: unknown key; did you mean 'batch'"):
        bench(sound=["run.bacth=3"]).refuse_unknown_settings()


def test_a_recipe_waits_for_what_its_user_gives_and_for_nothing_else(bench):
    recipe = load_recipe(bench().catalog, "sound", overrides=["dataset.source=[/nowhere/pictures]"])
    assert wants_more(recipe, UsageError("/nowhere/pictures: no such folder"))
    assert not wants_more(recipe, UsageError("dataset.source: too many pictures"))
    assert not wants_more(recipe, UsageError("trainer 'sound' needs a model with judge; 'sound' has network"))
    styles = Bench(find("i2i-gatys"))
    with pytest.raises(Skipped, match=r"recipe 'fast-style' does not start as it is: UsageError: trainer\.style: not"):
        styles.start(styles.recipe("fast-style"))


def test_ranks_load_their_pictures_by_themselves(bench):
    workers = bench("run.workers=2")
    recipe = for_ranks(Scheme(workers, workers.entries("trainer")[0]), ranks=2)
    assert (recipe.run.workers, recipe.run.batch) == (0, 4)


def test_a_rank_that_hangs_is_not_waited_for_once_another_failed(tmp_path):
    task = Task("i2i-sound", {}, tmp_path, ())
    for rank, told in enumerate(["200 RuntimeError: nobody answers", "100 ValueError: too hot"]):
        (tmp_path / f"{rank}.error").write_text(told)
    hanging = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = time.monotonic()
    assert _wait([hanging], task)
    hanging.kill()
    hanging.wait()
    assert time.monotonic() - started < 30
    assert min(_failures(task)) == (100, 1, "ValueError: too hot")


def test_what_a_plugin_prints_is_no_answer_and_no_outcome(tmp_path, capsys):
    project = shutil.copytree(SOUND, tmp_path / "loud", ignore=shutil.ignore_patterns("__pycache__"))
    with (project / "i2i_sound" / "__init__.py").open("a") as file:
        file.write("import atexit\n\nprint('hello', end='')\natexit.register(print, 'goodbye')\n")
    outcomes = examine(str(project))
    assert [next(outcomes).verdict for _ in range(2)] == ["passed", "passed"]
    outcomes.close()
    atexit.unregister(print)
    assert capsys.readouterr() == ("", "hello")


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
