"""The house rules of the design that a parser can keep: who imports whom, who prints, what costs start-up."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

import i2i

ROOT = Path(__file__).parents[1]
CORE = ROOT / "i2i"
SCAFFOLD = CORE / "scaffold" / "i2i-lumen"
"""What `i2i plugins new` lays out: a plugin, though it lies in the core."""
PLUGINS = [*sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml")), SCAFFOLD]

FLOORS = (
    {"cli"},
    {"testing", "scaffold", "doctor", "bench"},
    {"evaluation", "serving"},
    {"inference"},
    {"runtimes"},
    {"training"},
    {"recipe"},
    {"plugins"},
    {"losses", "datasets", "trackers"},
    {"features", "networks", "pages"},
    {"images", "tiling", "winograd", "hub"},
    {"foreign", "hookspecs", "disk", "ranks"},
    {"contracts"},
    {"errors"},
)
"""From the roof down: a room may import from the floors below it and from itself."""

FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


class Import(NamedTuple):
    """One imported name and where it is imported, be it at the top, in a function or for type checkers alone."""

    module: str
    name: str
    place: str


def imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place}: imports by a relative path"
            yield from (Import(node.module or "", alias.name, place) for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def imported_room(found: Import) -> str:
    """`i2i.recipe` and `from i2i import recipe` both mean recipe; a re-exported name is nobody's room."""
    return found.module.split(".")[1] if "." in found.module else found.name


def misplaced_import(room: str, found: Import) -> str | None:
    """What is wrong with an import in a room of the core."""
    wanted = imported_room(found)
    if wanted == room:
        return None
    if wanted not in FLOOR:
        return f"{found.place}: imports '{wanted}' from i2i itself; name the module that has it"
    if FLOOR[wanted] <= FLOOR[room]:
        return f"{found.place}: {room} imports {wanted}, which is not below it"
    return None


def core_modules() -> list[Path]:
    modules = [path for path in sorted(CORE.rglob("*.py")) if SCAFFOLD not in path.parents]
    return [path for path in modules if path.parent != CORE or not path.name.startswith("__")]


def plugin_modules(plugin: Path) -> list[Path]:
    return sorted(path for package in plugin.glob("i2i_*") for path in package.rglob("*.py"))


def test_every_room_of_the_core_has_its_floor() -> None:
    assert {room_of(path) for path in core_modules()} <= set(FLOOR)


def test_imports_point_down_the_list() -> None:
    wrong = [
        complaint
        for path in core_modules()
        for found in imports(path)
        if found.module.split(".")[0] == "i2i" and (complaint := misplaced_import(room_of(path), found))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "statement", "complaint"),
    [
        ("recipe", "from i2i.training.loop import Loop", "recipe imports training, which is not below it"),
        ("images", "import i2i.plugins", "images imports plugins, which is not below it"),
        ("losses", "from i2i import datasets", "losses imports datasets, which is not below it"),
        ("training", "def f():\n    from i2i.cli.console import Console", "training imports cli"),
        ("contracts", "if TYPE_CHECKING:\n    from i2i.hookspecs import hookimpl", "contracts imports hookspecs"),
        ("cli", "from i2i import Loop", "imports 'Loop' from i2i itself; name the module that has it"),
        ("datasets", "from i2i.images.decode import to_tensor", None),
        ("plugins", "from i2i import losses", None),
    ],
)
def test_an_import_that_points_up_would_be_noticed(
    room: str, statement: str, complaint: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "sample.py").write_text(statement)
    (found,) = imports(tmp_path / "sample.py")
    answer = misplaced_import(room, found)
    assert answer is None if complaint is None else answer.startswith(f"{found.place}: {complaint}")


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_the_public_names_and_its_own_needs_only(plugin: Path) -> None:
    project = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = {re.split(r"[^\w-]", need)[0].replace("-", "_").lower() for need in project["dependencies"]} - {"i2i"}
    own = {path.name for path in plugin.glob("i2i_*")}
    foreign = sys.stdlib_module_names | needs | own | {"pydantic"}  # options are pydantic's: part of the contract
    assert plugin_modules(plugin)
    wrong = [
        f"{found.place}: {found.module} {found.name}"
        for path in plugin_modules(plugin)
        for found in imports(path)
        if found.module.split(".")[0] not in foreign
        and found.module != "i2i.testing"
        and not (found.module == "i2i" and found.name in {"", "testing", *i2i.__all__})
    ]
    assert wrong == []


def test_every_public_name_is_there() -> None:
    assert i2i.__all__
    assert set(i2i.__all__) <= set(dir(i2i))
    missing = [name for name in i2i.__all__ if getattr(i2i, name, None) is None]
    assert missing == []


def test_every_plugin_hook_and_contract_is_a_public_name() -> None:
    stub = (CORE / "__init__.pyi").read_text(encoding="utf-8")
    assert set(re.findall(r" as (\w+)", stub)) == set(i2i.__all__)
    assert {"hookimpl", "ModelSpec", "LossSpec", "TrainerSpec", "DatasetSpec", "Geometry", "Request"} <= set(
        i2i.__all__
    )


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Dotted names of what is called, as far as they are plain names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def test_nobody_but_the_command_line_prints_or_exits() -> None:
    speaking = re.compile(r"print|pprint|exit|quit|click\.\w+|sys\.exit|os\._exit|sys\.std(out|err)\..*|logging\..*")
    quiet = [path for path in sorted(CORE.rglob("*.py")) if CORE / "cli" not in path.parents]
    for plugin in PLUGINS:
        quiet += plugin_modules(plugin)
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in quiet
        for name, line in calls(path)
        if speaking.fullmatch(name)
    ]
    assert wrong == []


def test_plugins_leave_devices_and_seeds_to_the_core() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for plugin in PLUGINS
        for path in plugin_modules(plugin)
        for name, line in calls(path)
        if name.endswith((".cuda", "manual_seed", "random.seed"))
    ]
    assert wrong == []


HOMES = r"(c?pickle|cloudpickle|dill|joblib|marshal|numpy|np|pandas|shelve|torch|torch\.(export|hub|jit|package))"
WAYS = r"(load|loads|load_state_dict_from_url|open|read_pickle|PackageImporter|Unpickler)"
UNPICKLES = re.compile(rf"\b{HOMES}\.{WAYS}\b")
UNPICKLES_BY_NAME = re.compile(rf"\bfrom {HOMES} import [^\n]*\b{WAYS}\b")
OPENED = {
    "i2i/foreign/inside.py: torch.load": "in a process that can do nothing else",
    "i2i/datasets/kept.py: numpy.load": "allow_pickle=False",
    "i2i/runtimes/exporting.py: torch.export.load": "what this process wrote a moment ago",
    "i2i/testing/datasets.py: pickle.loads": "what it pickled in the same line",
    "benchmarks/plain/inference.py: torch.load": "what the benchmark itself saved",
    "benchmarks/plain/networks.py: torch.load": "what the benchmark itself saved",
}
"""Where code opens what may be a pickle, and why it may."""


def test_pickles_of_others_are_opened_in_the_sandbox_alone() -> None:
    modules = [*CORE.rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    modules += [path for plugin in PLUGINS for path in plugin_modules(plugin)]
    texts = {path: path.read_text(encoding="utf-8") for path in modules}
    opened = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts.items()
        if UNPICKLES.search(text)
        for name, _ in calls(path)
        if UNPICKLES.fullmatch(name)
    }
    assert opened == OPENED.keys()
    unseen = [str(path) for path, text in texts.items() if UNPICKLES_BY_NAME.search(text)]
    assert unseen == [], "call it by its module's name, so that this test sees it"


START_UP = """
import sys
heavy = ("torch", "torchvision", "kornia", "plotly", "fastapi", "lightning", "lightning_fabric", "torchmetrics")
def check(what):
    found = [name for name in heavy if name in sys.modules]
    assert not found, f"{what} imports {', '.join(found)}"
import i2i
check("import i2i")
from i2i import hookimpl, load_recipe, ModelSpec, Trainer, Dataset, Weights
check("the contracts")
import contextlib, io
from i2i.cli import i2i as command
for line in sys.stdin.read().splitlines():
    with contextlib.redirect_stdout(io.StringIO()) as said:
        command.main(line.split(), standalone_mode=False)
    assert said.getvalue(), line
    check("i2i " + line)
"""


def test_help_listing_validation_and_galleries_import_no_torch(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "figures.csv").write_text("file,psnr_y\na,20.5\n")
    lines = ["--help", "--version", "plugins", "plugins list --json", "plugins show cyclegan", "show cyclegan"]
    commands = ["show", "plugins", "fit", "translate", "evaluate", "import", "data", "data check", "runs"]
    commands += ["gallery", "serve", "export", "doctor", "bench", "completion", "runs report"]
    commands += [f"plugins {name}" for name in ("list", "show", "new", "check", "install", "uninstall")]
    commands += [f"runs {name}" for name in ("list", "compare", "export", "rm")]
    lines += ["runs", "runs --json", *(f"{name} --help" for name in commands)]
    lines += [f"gallery {tmp_path} --csv {tmp_path / 'figures.csv'} --out {tmp_path / 'gallery.html'}"]
    done, loud = (
        subprocess.run([sys.executable, "-c", START_UP], input=text, capture_output=True, text=True, timeout=120)
        for text in ("\n".join(lines), "-v runs")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert loud.returncode == 0, loud.stderr
