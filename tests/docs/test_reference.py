"""The reference says what the code says: hooks, public names, the house, formats on disk, messages."""

from __future__ import annotations

import ast
import inspect
import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

import i2i
from i2i import hookspecs, testing
from i2i.errors import I2IError, Interrupted, UsageError
from i2i.inference.manifest.records import Record

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,6}} |\Z)", text, re.M | re.S)
    assert found, f"no heading '{title}'"
    return found[2]


# Hooks


def hooks_of_the_code() -> dict[str, tuple[str, str]]:
    """Hook → its signature as it is written and the first line of its docstring."""
    functions = ast.parse(inspect.getsource(hookspecs)).body
    return {
        node.name: (
            f"def {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns) if node.returns else None}: ...",
            (ast.get_docstring(node) or "").split("\n")[0],
        )
        for node in functions
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(by) == "hookspec" for by in node.decorator_list)
    }


def hooks_of_the_page(text: str) -> dict[str, tuple[str, str]]:
    """Hook → the signature in its first block and the paragraph below it."""
    found = re.findall(r"^## (i2i_\w+)\n\n```python\n(.*?)\n```\n\n(.*?)\n", text, re.M | re.S)
    return {name: (signature, sentence) for name, signature, sentence in found}


def test_the_hook_reference_agrees_with_the_hooks() -> None:
    assert hooks_of_the_page(page("plugins/hooks.md")) == hooks_of_the_code()
    assert len(hooks_of_the_code()) >= 5


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("def i2i_models() ->", "def i2i_models(catalog) ->"),
        ("Iterable[LossSpec]: ...", "list[LossSpec]: ..."),
        ("## i2i_datasets", "## i2i_data"),
        ("Training schemes that", "Schemes that"),
    ],
)
def test_a_hook_that_changed_would_be_noticed(written: str, instead: str) -> None:
    text = page("plugins/hooks.md")
    assert written in text
    assert hooks_of_the_page(text.replace(written, instead)) != hooks_of_the_code()


def test_the_examples_of_hooks_are_answers_to_them() -> None:
    for name in hooks_of_the_code():
        examples = re.findall(r"```python\n(.*?)```", section(page("plugins/hooks.md"), name), re.S)
        assert len(examples) == 2, name
        names: dict[str, object] = {"__name__": "i2i"}
        exec(compile(examples[1], name, "exec"), names)
        answer = names[name]
        assert callable(answer)
        assert list(inspect.signature(answer).parameters) == []
        assert len(answer()) == 1, name


# Public names


def documented(text: str, module: str) -> list[str]:
    names = re.findall(rf"^\.\. auto\w+:: {re.escape(module)}\.(\w+)$", text, re.M)
    return names + re.findall(r"^```\{py:data\} (\w+)$", text, re.M)


@pytest.mark.parametrize(
    ("name", "module", "public", "elsewhere"),
    [
        ("plugins/contracts.md", "i2i", i2i.__all__, set()),
        ("plugins/testing.md", "i2i.testing", testing.__all__, {"catalog", "fixed_chance", "one_thread"}),
    ],
)
def test_every_public_name_is_in_the_reference_once(name: str, module: str, public: list[str], elsewhere: set) -> None:
    assert sorted([*documented(page(name), module), *elsewhere]) == sorted(public)
    assert all(f"{word}" in page(name) for word in elsewhere)


# Plugins


def test_every_plugin_has_its_page() -> None:
    plugins = {path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml")}
    models = DOCS / "guide" / "models"
    including = {path.stem for path in models.glob("*.md") if f"plugins/{path.stem}/README.md" in path.read_text()}
    assert including == plugins
    for name in plugins:
        assert f"]({name}.md)" in page("guide/models/index.md")
        assert f"](guide/models/{name}.md)" in page("index.md")
        assert f"./plugins/{name}" in page("guide/install.md")


# The house


def floors_of_the_house() -> list[set[str]]:
    source = (ROOT / "tests" / "test_house.py").read_text(encoding="utf-8")
    (value,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS"
    )
    floors: list[set[str]] = list(ast.literal_eval(value))
    return floors


def test_the_house_is_drawn_as_it_is_kept() -> None:
    house = section(page("architecture.md"), "The house")
    drawn = re.search(r"```text\n(.*?)```", house, re.S)
    assert drawn
    assert [set(line.split()) for line in drawn[1].splitlines()] == floors_of_the_house()


def test_every_room_has_its_paragraph() -> None:
    rooms = re.findall(r"^`(\w+)`\n: ", section(page("architecture.md"), "The rooms"), re.M)
    assert sorted(rooms) == sorted(room for floor in floors_of_the_house() for room in floor)


# Formats on disk


def keys_of_table(title: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", section(page("formats.md"), title), re.M)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, run_i2i: Callable[..., subprocess.CompletedProcess]) -> Path:
    """A run of a few steps: of the smallest recipe whose model samples, so that nothing that a run may hold lacks."""
    pytest.importorskip("tensorboard", reason="the group 'dev' is not installed")
    folder = tmp_path_factory.mktemp("formats")
    run_i2i("data", "make", "digits", "--dst", folder / "digits", "--count", "8")
    smoke = ("--config", ROOT / "configs" / "dcgan-smoke.yaml", "--device", "cpu")
    more = ("--set", "run.validate_every=1", "--log", "tensorboard")
    done = run_i2i("fit", *smoke, *more, "--src", folder / "digits" / "white", "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def generic(path: str) -> str:
    """A path of the page or of the disk, its steps forgotten."""
    return re.sub(r"step-\d{7}", "step-…", path).rstrip("/")


def test_a_run_folder_holds_what_the_page_says(run_folder: Path) -> None:
    found = {generic(str(path.relative_to(run_folder))) for path in run_folder.rglob("*")}
    found = {path for path in found if not re.match(r"(validation/step-…|tensorboard)/", path)}
    shown = {generic(path) for path in keys_of_table("A run folder")}
    shown |= {f"checkpoints/step-…/{name}" for name in keys_of_table("A checkpoint")}
    assert found - {"samples", "checkpoints", "validation"} == shown - {".occupied"}  # which comes and goes


def test_the_recipe_has_the_keys_of_the_page(run_folder: Path) -> None:
    recipe = yaml.safe_load((run_folder / "recipe.yaml").read_text(encoding="utf-8"))
    assert list(recipe) == keys_of_table("`recipe.yaml`")


def test_the_environment_has_the_keys_of_the_page(run_folder: Path) -> None:
    environment = json.loads((run_folder / "environment.json").read_text(encoding="utf-8"))
    assert list(environment) == keys_of_table("`environment.json`")


def test_metrics_have_what_the_page_says(run_folder: Path) -> None:
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    text = section(page("formats.md"), "`metrics.jsonl`")
    assert all(line.keys() >= {"step", "images_per_second", "loader_share"} for line in lines)
    assert "diversity" in lines[-1]
    assert all(f"`{name}`" in text for name in ("step", "images_per_second", "loader_share", "diversity"))


def test_events_have_the_keys_and_kinds_of_the_page(run_folder: Path) -> None:
    from i2i.training.events import Kind

    lines = [json.loads(line) for line in (run_folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    kinds = list(get_args(Kind))
    assert keys_of_table("`events.jsonl`") == ["step", "time", "kind", "text", *kinds]
    assert all(list(line) == ["step", "time", "kind", "text"] and line["kind"] in kinds for line in lines)
    assert {line["kind"] for line in lines} == {"best"}


def test_validation_pictures_are_told_as_the_page_says(run_folder: Path) -> None:
    told = json.loads((run_folder / "validation" / "pictures.json").read_text(encoding="utf-8"))
    assert list(told) == keys_of_table("`validation/pictures.json`")
    text = section(page("formats.md"), "`validation/pictures.json`")
    assert all(f"`{name}`" in text for name in ("best", "worst", *told["pictures"][0]))


def test_the_header_of_a_weights_file_has_the_keys_of_the_page(run_folder: Path) -> None:
    from safetensors import safe_open

    (path, *_) = run_folder.glob("checkpoints/*/weights.safetensors")
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert list(metadata) == ["i2i"]
    assert sorted(json.loads(metadata["i2i"])) == sorted(keys_of_table("`weights.safetensors`"))


def test_the_state_has_the_keys_of_the_page(run_folder: Path) -> None:
    (path, *_) = run_folder.glob("checkpoints/*/state.json")
    state = json.loads(path.read_text(encoding="utf-8"))
    assert sorted(state) == sorted(keys_of_table("`state.json`"))
    text = section(page("formats.md"), "`state.json`")
    assert all(f"`{part}`" in text for part in state["state"])
    assert len(state["state"]) == 5, "the page says five parts"


def test_the_reader_without_i2i_reads(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path, *_) = run_folder.glob("checkpoints/*/weights.safetensors")
    monkeypatch.chdir(path.parent)
    (program,) = re.findall(r"```python\n(.*?)```", section(page("formats.md"), "`weights.safetensors`"), re.S)
    names: dict[str, dict] = {}
    exec(compile(program, "formats.md", "exec"), names)
    assert names["header"]["recipe"]["model"]["use"] == "dcgan"
    assert all(key.startswith("generator.") for key in names["tensors"])


# Messages


def messages(folder: Path) -> Iterator[str]:
    """Every text in the code, with `…` where something is filled in."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def quoted_messages(text: str) -> list[str]:
    """What the page says that the program says: in headings, in the table of a refused resume, where a line begins."""
    headings = re.findall(r"^## `(.+)`$", text, re.M)
    table = re.findall(r"^\| `(.+?)` \|", section(text, "A resume is refused"), re.M)
    return headings + table + re.findall(r"^`((?!-|pip )[^`]+ [^`]+)`", text, re.M)


def test_messages_of_the_troubleshooting_are_those_of_the_program() -> None:
    said = list(messages(ROOT / "i2i"))
    unknown = [
        f"{message}: {part.strip()}"
        for message in quoted_messages(page("guide/troubleshooting.md"))
        for part in re.split(r"…|\b[A-Z]{4,}\b|'cuda'", message)
        if len(part.strip(" :;")) > 2 and not any(part.strip(" :;") in text for text in said)
    ]
    assert unknown == []
    assert len(quoted_messages(page("guide/troubleshooting.md"))) > 10


def test_the_troubleshooting_has_every_exit_code() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| .+$", section(page("guide/troubleshooting.md"), "Exit codes"), re.M)
    codes = {int(code) for row in rows for code in row.split(", ")}
    signals = {Interrupted("", number).exit_code for number in (signal.SIGINT, signal.SIGTERM)}
    assert codes == {0, I2IError.exit_code, UsageError.exit_code, 3} | signals


def test_a_line_of_the_manifest_has_the_keys_of_the_page() -> None:
    assert sorted(Record.__dataclass_fields__) == sorted(keys_of_table("A line of the manifest"))
