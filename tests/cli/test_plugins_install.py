"""`i2i plugins install` and `uninstall` with the real pip, offline, in an environment of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

MODEL = """
from i2i import LossSpec, ModelSpec, hookimpl

@hookimpl
def i2i_models():
    return [ModelSpec(name="strange", summary="a model", inference=("network",), build="strange:Model")]

@hookimpl
def i2i_losses():
    return [LossSpec(name=name, kind="image", summary="a loss", build="strange:Loss") for name in ("odd", "odder")]
"""
BROKEN = "import a_library_that_nobody_has"

BACKEND = '''
"""Builds an editable wheel: a line in a .pth file that leads here."""
import pathlib, zipfile

def get_requires_for_build_editable(config_settings=None):
    return []

def build_editable(folder, config_settings=None, metadata_directory=None):
    here, info = pathlib.Path(__file__).parent, "i2i_own-0.1.dist-info/"
    with zipfile.ZipFile(pathlib.Path(folder) / "i2i_own-0.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("i2i_own.pth", str(here))
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: i2i-own\\nVersion: 0.1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[i2i]\\nown = own\\n")
        wheel.writestr(info + "RECORD", "".join(f"{name},,\\n" for name in wheel.namelist()) + info + "RECORD,,\\n")
    return "i2i_own-0.1-py3-none-any.whl"
'''


def make_environment(folder: Path, packages: Path) -> Path:
    """A virtual environment that sees the packages in a folder too; answers its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    (Path(site) / "others.pth").write_text(f"import site; site.addsitedir({str(packages)!r})\n")
    return python


def runner(python: Path, folder: Path) -> Run:
    """`run("install", …)`: `i2i plugins install …` in that environment, pip kept offline unless told so otherwise."""
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "I2I_", "VIRTUAL_ENV"))}

    def run(*words: object, terminal: int = subprocess.DEVNULL, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-m", "i2i", "plugins", *map(str, words)]
        environment = {**plain, **offline, **variables}
        return subprocess.run(
            command, cwd=folder, env=environment, stdin=terminal, capture_output=True, text=True, timeout=120
        )

    return run


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A virtual environment that sees what the tests see; pip installs into it alone."""
    if find_spec("pip") is None:
        pytest.skip("the environment of the tests has no pip")
    folder = tmp_path_factory.mktemp("machine") / "environment"
    make_environment(folder, Path(sysconfig.get_paths()["purelib"]))
    yield folder
    for name in ("i2i-strange", "i2i-own", "strange-bricks"):
        with pytest.raises(metadata.PackageNotFoundError):  # nothing came into the environment of the tests
            metadata.version(name)


@pytest.fixture
def run(environment: Path) -> Iterator[Run]:
    """In the environment of this module, as empty afterwards as before."""
    yield runner(environment / "bin" / "python", environment.parent)
    for item in environment.glob("lib/python*/site-packages/*"):
        if item.name != "others.pth":
            shutil.rmtree(item) if item.is_dir() else item.unlink()


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[..., Path]:
    """`wheel(source)`: a wheel with one module, made by hand."""

    def make(source: str, name: str = "i2i-strange", version: str = "1.0", points: Iterable[str] = ("it",)) -> Path:
        module = name.replace("-", "_")
        info, path = f"{module}-{version}.dist-info/", tmp_path / f"{module}-{version}-py3-none-any.whl"
        files = {
            f"{module}.py": source,
            f"{info}METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if points:
            files[f"{info}entry_points.txt"] = "[i2i]\n" + "".join(f"{point} = {module}\n" for point in points)
        files[f"{info}RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}RECORD"])
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        return path

    return make


@pytest.fixture
def there(environment: Path, wheel: Callable[..., Path]) -> Callable[[str], None]:
    """`there(source)`: a plugin of one module lies in the environment, unpacked as pip unpacks it."""
    (site,) = environment.glob("lib/python*/site-packages")

    def unpack(source: str) -> None:
        with zipfile.ZipFile(wheel(source)) as archive:
            archive.extractall(site)

    return unpack


def error(result: subprocess.CompletedProcess[str]) -> str:
    """The last line on standard error, which is ours; pip's come before it."""
    assert "Traceback" not in result.stderr, result.stderr
    return result.stderr.splitlines()[-1]


# install


def test_what_came_in_is_said_by_kind_after_pips_own_words(run: Run, wheel: Callable[..., Path]) -> None:
    done = run("install", wheel(MODEL))
    assert done.returncode == 0, done.stderr
    *pips, last = done.stdout.splitlines()
    assert last == "i2i-strange 1.0: model strange; loss odd, odder"
    assert any("Successfully installed i2i-strange-1.0" in line for line in pips)
    listed = run("list").stdout.splitlines()
    assert ["model", "strange", "i2i-strange", "1.0"] in [line.split()[:4] for line in listed]


def test_what_is_limited_by_the_environment_is_said_all_the_same(run: Run, wheel: Callable[..., Path]) -> None:
    done = run("install", wheel(MODEL), I2I_PLUGINS="")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "i2i-strange 1.0: model strange; loss odd, odder")


def test_a_broken_plugin_is_installed_and_its_reason_said(run: Run, wheel: Callable[..., Path]) -> None:
    done = run("install", wheel(BROKEN))
    assert done.returncode == 1
    reason = "ModuleNotFoundError: No module named 'a_library_that_nobody_has'"
    assert done.stdout.splitlines()[-1] == f"broken  i2i-strange 1.0: i2i_strange: {reason}"


def test_a_plugin_that_brings_nothing_is_told_so(run: Run, wheel: Callable[..., Path]) -> None:
    done = run("install", wheel("from i2i import hookimpl\n@hookimpl\ndef i2i_models():\n    return []"))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "i2i-strange 1.0: brings nothing")


def test_a_package_that_is_no_plugin_is_told_of(run: Run, wheel: Callable[..., Path]) -> None:
    done = run("install", wheel("", name="strange-bricks", points=()))
    assert done.returncode == 1
    assert error(done) == (
        "Error: installed, but no plugin of i2i: strange-bricks 1.0; a plugin has an entry point in the group i2i"
    )


def test_what_follows_two_dashes_goes_to_pip(run: Run, wheel: Callable[..., Path]) -> None:
    folder = wheel(MODEL).parent
    done = run("install", "i2i-strange", "--", "--no-index", "--no-deps", "--find-links", folder, PIP_NO_INDEX="0")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "i2i-strange 1.0: model strange; loss odd, odder")


def test_what_is_there_already_is_said_again_and_upgraded_only_when_asked(
    run: Run, wheel: Callable[..., Path], there: Callable[[str], None]
) -> None:
    there(MODEL)
    newer = wheel(MODEL.replace('"odd", "odder"', '"odder",'), version="2.0")
    again = run("install", "I2I.Strange", PIP_FIND_LINKS=str(newer.parent))
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "i2i-strange 1.0: model strange; loss odd, odder")
    done = run("install", "--upgrade", "i2i-strange", PIP_FIND_LINKS=str(newer.parent))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "i2i-strange 2.0: model strange; loss odder")


def test_what_is_there_already_and_no_plugin_is_no_news(run: Run) -> None:
    done = run("install", "click")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing was installed: it is all there already")


def test_a_folder_is_installed_as_it_is_edited(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(MODEL)
    (tmp_path / "backend.py").write_text(BACKEND)
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (tmp_path / "pyproject.toml").write_text(system)
    done = run("install", "--editable", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "i2i-own 0.1: model strange; loss odd, odder"
    (tmp_path / "own.py").write_text(MODEL.replace('"odder"', '"oddest"'))
    assert "oddest" in run("list").stdout


def test_where_pip_fails_its_words_come_before_the_one_line(run: Run) -> None:
    done = run("install", "i2i-nothing-of-this-name")
    assert done.returncode == 1
    assert "No matching distribution found for i2i-nothing-of-this-name" in done.stderr
    assert error(done) == "Error: pip install ended with exit code 1; what it printed says why"


def test_nothing_to_install_is_wrong_usage(run: Run) -> None:
    done = run("install")
    assert (done.returncode, done.stdout) == (2, "")
    assert error(done) == "Error: say what to install: a requirement such as i2i-cyclegan, or --editable PATH"


# uninstall


@pytest.mark.parametrize("name", ["I2I_Strange", "it"])
def test_a_plugin_is_removed_by_its_package_or_its_entry_point(
    run: Run, there: Callable[[str], None], name: str
) -> None:
    there(MODEL)
    done = run("uninstall", "--yes", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "i2i-strange 1.0: removed"
    assert "i2i-strange" not in run("list").stdout


def test_a_broken_plugin_can_be_removed(run: Run, there: Callable[[str], None]) -> None:
    there(BROKEN)
    assert run("uninstall", "--yes", "i2i-strange").stdout.splitlines()[-1] == "i2i-strange 1.0: removed"


def test_pip_asks_first_and_no_leaves_it_there(run: Run, there: Callable[[str], None]) -> None:
    there(MODEL)
    ours, theirs = os.openpty()
    os.write(ours, b"n\n")
    done = run("uninstall", "i2i-strange", terminal=theirs)
    for end in (ours, theirs):
        os.close(end)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith("Proceed (Y/n)? i2i-strange 1.0: still installed")


def test_where_nobody_can_be_asked_nothing_is_removed(run: Run, there: Callable[[str], None]) -> None:
    there(MODEL)
    done = run("uninstall", "i2i-strange")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: nobody can be asked here whether to remove; --yes does it\n"
    assert "i2i-strange" in run("list").stdout


def test_what_is_no_installed_plugin_is_not_removed(run: Run, there: Callable[[str], None]) -> None:
    there(MODEL)
    complaints = {
        "i2i-strnge": "no plugin 'i2i-strnge' is installed; did you mean 'i2i-strange'?",
        "click": "no plugin 'click' is installed (installed: ",
        "i2i": "no plugin 'i2i' is installed",
    }
    for name, complaint in complaints.items():
        done = run("uninstall", "--yes", "i2i-strange", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert error(done).startswith(f"Error: {complaint}")
    assert "i2i-strange" in run("list").stdout, "nothing is removed where one name is wrong"


# without pip


def test_an_environment_without_pip_is_told_of_in_one_line(tmp_path: Path, wheel: Callable[..., Path]) -> None:
    (tmp_path / "packages").mkdir()
    for item in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if item.name != "pip":
            (tmp_path / "packages" / item.name).symlink_to(item)
    python = make_environment(tmp_path / "environment", tmp_path / "packages")
    done = runner(python, tmp_path)("install", wheel(MODEL))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: this environment has no pip ({tmp_path / 'environment'}): run `{python} -m ensurepip`, "
        "or use the tool that made the environment\n"
    )
