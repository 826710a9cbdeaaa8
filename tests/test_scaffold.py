"""`i2i plugins new`, and the package that it lays out: installed, checked, tested, trained and used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy
import pytest
from PIL import Image

from i2i import UsageError, discover, load_recipe
from i2i.plugins import installed
from i2i.scaffold import PATTERN, PluginName, lay_out, named, refuse_taken
from i2i.training.building import build_model, build_trainer

LUMEN = Path(__file__).parents[1] / "i2i" / "scaffold" / PATTERN
FILES = {
    "README.md",
    "pyproject.toml",
    "i2i_lumen/__init__.py",
    "i2i_lumen/model.py",
    "i2i_lumen/networks.py",
    "i2i_lumen/py.typed",
    "i2i_lumen/recipes/lumen.yaml",
    "i2i_lumen/trainer.py",
    "tests/conftest.py",
    "tests/test_lumen.py",
}
SMALL = ("--set", "model.width=4", "--set", "model.depth=2")
RunI2I = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[[Path, Path], None]


def texts(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "cache" not in str(path.relative_to(folder)))
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    chance = numpy.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(4):
        coarse = Image.fromarray(chance.integers(0, 256, (6, 8, 3), dtype=numpy.uint8))
        coarse.resize((90, 80), Image.Resampling.BICUBIC).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


# the name


@pytest.mark.parametrize(
    ("text", "name"),
    [("lumen", "lumen"), ("soft-focus", "soft-focus"), ("soft_focus", "soft-focus"), ("i2i-x2", "x2")],
)
def test_a_name_is_taken_in_the_spellings_that_authors_use(text: str, name: str) -> None:
    assert named(text).name == name
    assert named(text).distribution == f"i2i-{name}"


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("Lumen", "lumen"),
        ("Soft Focus", "soft-focus"),
        ("9lives", "lives"),
        ("soft--focus", "soft-focus"),
        ("-x", "x"),
        ("../x", "x"),
        ("x\n", "x"),
        ("ünï", "n"),
        ("", "lumen"),
        ("i2i-", "lumen"),
    ],
)
def test_what_cannot_name_a_package_is_refused_with_what_could(text: str, example: str) -> None:
    with pytest.raises(UsageError) as refusal:
        named(text)
    assert str(refusal.value) == (
        f"'{text}' cannot name a plugin: lower-case letters, digits and hyphens, the first a letter, "
        f"such as '{example}'"
    )
    assert named(example).name == example


@pytest.mark.parametrize("text", ["i2i", "i2i-i2i"])
def test_the_core_is_no_plugin(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        named(text)
    assert str(refusal.value) == f"'{text}' is the core itself; name what the plugin does, such as 'lumen'"


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("cyclegan", "a model already, from i2i-cyclegan"),
        ("fast_style", "a model already, from i2i-gatys"),
        ("wgan-gp", "a loss already, from i2i"),
        ("unpaired", "a dataset already, from i2i"),
        ("cyclegan-light", "a recipe already, from i2i-cyclegan"),
    ],
)
def test_a_name_in_the_catalog_is_taken(name: str, owner: str) -> None:
    with pytest.raises(UsageError) as refusal:
        refuse_taken(named(name), discover(), installed())
    said = str(refusal.value)
    assert said.startswith(f"'{named(name).name}' is the name of {owner} ")
    assert said.endswith("; choose another")


def test_a_name_is_taken_by_a_plugin_that_is_broken_or_left_out_too(
    tmp_path: Path, install_plugin: Install, run_i2i: RunI2I, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin(Path(__file__).parent / "plugins" / "broken_misspelt", tmp_path / "site")
    done = run_i2i("plugins", "new", "strange_misspelt", "--dst", tmp_path, site=tmp_path / "site")
    said = "Error: 'strange-misspelt' is the name of a plugin already, from strange-misspelt 0.1.0; choose another\n"
    assert (done.returncode, done.stderr) == (2, said)
    monkeypatch.setenv("I2I_PLUGINS", "")
    done = run_i2i("plugins", "new", "srresnet", "--dst", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: 'srresnet' is the name of a model already, from i2i-srgan ")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


# the files


def test_under_its_own_name_the_pattern_is_laid_out_as_it_lies(tmp_path: Path) -> None:
    folder = lay_out(named("lumen"), tmp_path)
    assert folder == tmp_path / "i2i-lumen"
    assert set(texts(folder)) == FILES
    assert texts(folder) == texts(LUMEN)


def test_another_name_takes_the_place_of_every_lumen(tmp_path: Path) -> None:
    made = texts(lay_out(named("soft-focus"), tmp_path))
    assert set(made) == {PluginName("soft-focus").spelled(name) for name in FILES}
    assert {"i2i_soft_focus/recipes/soft-focus.yaml", "tests/test_soft_focus.py"} <= set(made)
    assert not [name for name, text in made.items() if "lumen" in text.lower()]
    for name, text in made.items():
        if name.endswith(".py"):
            ast.parse(text)
    project = tomllib.loads(made["pyproject.toml"])
    assert project["project"]["name"] == "i2i-soft-focus"
    assert project["project"]["entry-points"]["i2i"] == {"soft-focus": "i2i_soft_focus"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["i2i_soft_focus"]
    assert 'name="soft-focus"' in made["i2i_soft_focus/__init__.py"]
    assert "class SoftFocusTrainer(Trainer)" in made["i2i_soft_focus/trainer.py"]


@pytest.mark.parametrize("name", ["denoiser", "geometry", "trainer", "true", "null", "off"])
def test_names_that_python_yaml_or_the_pattern_know_make_working_plugins(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(lay_out(named(name), tmp_path)))
    catalog = discover([EntryPoint(name, f"i2i_{name}", "i2i")])
    assert not catalog.broken
    recipe = load_recipe(catalog, name, overrides=["model.width=1", "model.depth=2"])
    assert hasattr(build_trainer(recipe, build_model(recipe.model)), "step")


def test_a_plugin_cut_short_leaves_nothing_in_the_way_of_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = Path.write_text, []

    def full(path: Path, *given: str, **how: str) -> int:
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device", str(path))
        return write(path, *given, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            lay_out(named("lumen"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert lay_out(named("lumen"), tmp_path).is_dir()


def test_a_name_that_holds_the_patterns_is_replaced_once(tmp_path: Path) -> None:
    made = texts(lay_out(named("lumens"), tmp_path))
    assert 'lumens = "i2i_lumens"' in made["pyproject.toml"]
    assert not [name for name, text in made.items() if "lumenss" in text.lower()]


def test_what_running_the_pattern_leaves_behind_stays_there(tmp_path: Path) -> None:
    cache = LUMEN / "i2i_lumen" / "__pycache__"
    was_there = cache.exists()
    cache.mkdir(exist_ok=True)
    try:
        (cache / "left.cpython-399.pyc").write_bytes(b"\xff")
        assert set(texts(lay_out(named("lumen"), tmp_path))) == FILES
        assert not list(tmp_path.rglob("__pycache__"))
    finally:
        (cache / "left.cpython-399.pyc").unlink()
        if not was_there:
            cache.rmdir()


def test_the_source_is_short_enough_to_be_read_whole() -> None:
    lines = [line for name, text in texts(LUMEN).items() if name.endswith(".py") for line in text.splitlines()]
    assert 0 < len([line for line in lines if line.strip()]) <= 120


# the command


def test_the_command_says_what_it_made_and_what_to_do_next(tmp_path: Path, run_i2i: RunI2I) -> None:
    folder = tmp_path / "my plugins" / "i2i-soft-focus"
    done = run_i2i("plugins", "new", "soft_focus", "--dst", folder.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{folder}: a plugin with the model, the trainer and the recipe 'soft-focus'",
        "next:",
        f"  i2i plugins install -e '{folder}'",
        "  i2i plugins check soft-focus",
        f"  python -m pytest '{folder}'",
        "  i2i fit --plugin soft-focus --src photos/ --steps 100",
    ]
    assert (folder / "i2i_soft_focus" / "__init__.py").is_file()


def test_without_dst_it_is_made_here_and_never_over_what_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "i2i", "plugins", "new", "lumen"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert first.returncode == 0, first.stderr
    (tmp_path / "i2i-lumen" / "README.md").write_text("mine")
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == "Error: i2i-lumen: lies there already; choose another name or --dst\n"
    assert (tmp_path / "i2i-lumen" / "README.md").read_text() == "mine"


# what was made


@pytest.fixture
def site(tmp_path: Path, install_plugin: Install) -> Path:
    """Where a new plugin `soft-focus` is installed."""
    install_plugin(lay_out(named("soft-focus"), tmp_path), tmp_path / "site")
    return tmp_path / "site"


def test_it_keeps_its_contract(site: Path, run_i2i: RunI2I) -> None:
    done = run_i2i("plugins", "check", "soft-focus", *SMALL, "--set", "dataset.crop=32", site=site)
    assert (done.returncode, done.stderr) == (0, "")
    subjects = {line.split("  ", 1)[1].partition(":")[0] for line in done.stdout.splitlines()[:-1]}
    assert subjects == {"package i2i-soft-focus", "model soft-focus", "trainer soft-focus"}
    assert ", 0 failed, " in done.stdout.splitlines()[-1]


def test_its_own_tests_pass_as_they_are(site: Path, tmp_path: Path, python: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "i2i-soft-focus")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout.splitlines()[-1]
    assert "failed" not in done.stdout.splitlines()[-1]


def test_it_trains_on_one_folder_and_translates(site: Path, photos: Path, tmp_path: Path, run_i2i: RunI2I) -> None:
    quick = (*SMALL, "--batch", "2", "--device", "cpu", "--steps", "5")
    fitted = run_i2i("fit", "--plugin", "soft-focus", "--src", photos, *quick, "--out", tmp_path / "run", site=site)
    assert fitted.returncode == 0, fitted.stderr
    assert "(step 5)" in fitted.stdout
    out = tmp_path / "out"
    done = run_i2i("translate", "--run", tmp_path / "run", "--src", photos, "--dst", out, site=site)
    assert done.returncode == 0, done.stderr
    for source in photos.iterdir():
        with Image.open(source) as before, Image.open(out / source.name) as after:
            assert before.size == after.size


def test_what_is_shown_of_it_has_every_option(site: Path, run_i2i: RunI2I) -> None:
    shown = run_i2i("plugins", "show", "soft-focus", site=site).stdout
    assert "    depth  convolutions, one after another; integer ≥ 2; default 8\n" in shown
    assert "    learning_rate  of Adam; number > 0; default 0.001\n" in shown
