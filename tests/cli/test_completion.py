"""What shells complete: driven as a shell drives it, and through bash itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from i2i import discover
from i2i.cli import i2i

Complete = Callable[..., list[str]]

NO_TORCH = """
import sys
from click.shell_completion import BashComplete
from i2i.cli import i2i
for line in sys.stdin.read().splitlines():
    *words, begun = line.split(" ")
    assert BashComplete(i2i, {}, "i2i", "_I2I_COMPLETE").get_completions(words, begun), line
    heavy = [name for name in ("torch", "torchvision", "kornia") if name in sys.modules]
    assert not heavy, f"{line}: imports {', '.join(heavy)}"
"""


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """`complete("fit", "--plu")`: what is offered for the last word, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def complete(*words: str) -> list[str]:
        offered = BashComplete(i2i, {}, "i2i", "_I2I_COMPLETE").get_completions(list(words[:-1]), words[-1])
        return [item.value if item.type == "plain" else f"{item.type} {item.value}" for item in offered]

    return complete


def test_commands_complete_without_importing_any(complete: Complete) -> None:
    assert complete("tr") == ["translate"]
    assert complete("") == [
        *("fit", "translate", "runs", "evaluate", "gallery", "serve", "export", "import", "push", "show", "plugins"),
        *("data", "doctor", "bench", "completion"),
    ]
    assert complete("runs", "ex") == ["export"]


def test_options_and_their_choices_complete(complete: Complete) -> None:
    assert complete("translate", "--weig") == ["--weights"]
    assert complete("translate", "--format", "t") == ["tiff"]
    assert complete("evaluate", "--features", "") == ["inception", "squeezenet1_1", "vgg19", "random"]
    assert complete("doctor", "--qu") == ["--quiet"]
    assert complete("completion", "") == ["bash", "zsh", "fish"]


def test_recipes_complete_after_plugin_and_show(complete: Complete) -> None:
    known = discover().names("recipe")
    expected = [name for name in known if name.startswith("cyclegan")]
    assert len(expected) > 1
    assert complete("fit", "--plugin", "cyclegan") == expected
    assert complete("show", "cyclegan") == expected
    assert complete("translate", "-q", "--plugin", "") == known


def test_everything_a_plugin_brings_completes_after_plugins_show(complete: Complete) -> None:
    assert complete("plugins", "show", "lsg") == ["lsgan"]
    assert "i2i-cyclegan" in complete("plugins", "show", "i2i-")
    assert complete("plugins", "check", "cyc") == ["cyclegan"]


def test_run_folders_complete_the_newest_first_and_else_folders(complete: Complete, tmp_path: Path) -> None:
    for number, name in enumerate(("runs/old", "runs/new", "mine")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "recipe.yaml").write_text("name: a\n")
        os.utime(tmp_path / name / "recipe.yaml")
        os.utime(tmp_path / name, (1_000 * number, 1_000 * number))
    (tmp_path / "runs" / "no-run").mkdir()
    assert complete("translate", "--run", "runs/") == ["runs/new", "runs/old"]
    assert complete("fit", "--resume", "mi") == ["mine"]
    assert complete("runs", "export", "mi") == ["mine"]
    assert complete("runs", "rm", "runs/old", "runs/n") == ["runs/new"]
    assert complete("translate", "--run", "elsewhere") == ["dir elsewhere"]


def test_weights_files_and_the_folders_on_the_way_complete(complete: Complete, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "monet.safetensors").touch()
    (tmp_path / "kept" / "monet.png").touch()
    (tmp_path / "k.safetensors").touch()
    assert complete("translate", "--weights", "k") == ["k.safetensors", "kept/"]
    assert complete("evaluate", "--weights", "kept/") == ["kept/monet.safetensors"]
    assert complete("translate", "--weights", f"{tmp_path}/kept/m") == [f"{tmp_path}/kept/monet.safetensors"]


def test_set_keys_are_those_of_the_recipe(complete: Complete) -> None:
    assert complete("fit", "--plugin", "cyclegan", "--set", "trainer.rep") == ["trainer.replay="]
    assert complete("fit", "--plugin", "cyclegan", "--set", "losses.cycle.w") == ["losses.cycle.weight="]
    assert complete("show", "cyclegan", "--set", "model.wid") == ["model.width="]
    assert complete("translate", "--plugin", "cyclegan", "--set", "t") == ["translate.direction="]
    assert complete("fit", "--set", "run.check") == [f"run.checkpoint_{rest}=" for rest in ("every", "minutes")]


def test_trackers_complete_after_log(complete: Complete) -> None:
    assert complete("fit", "--log", "te") == ["tensorboard"]
    assert complete("fit", "--log", "nonesuch") == []


def test_what_goes_wrong_offers_nothing(complete: Complete) -> None:
    assert complete("fit", "--plugin", "nonesuch", "--set", "run.") == []
    assert complete("nonesuch", "--plugin", "cy") == []


def test_completing_imports_no_torch() -> None:
    lines = ["", "tr", "translate --we", "fit --plugin cyc", "fit --plugin cyclegan --set trainer.", "show cyc"]
    lines += [
        "translate --run r",
        "plugins show lsg",
        "plugins check cyc",
        "runs export r",
        "evaluate --features i",
        "fit --log t",
    ]
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH], input="\n".join(lines), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


BASH = """
eval "$(i2i completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
compopt() { echo "option: $1 $2"; }
_i2i_completion i2i "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
printf '%s\\n' "${COMPREPLY[@]}"
complete -p i2i
"""


@pytest.fixture
def scripts(tmp_path: Path) -> dict[str, str]:
    """An environment with `i2i` on the path."""
    script = tmp_path / "bin" / "i2i"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m i2i "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return {**os.environ, "PATH": os.pathsep.join([str(script.parent), os.environ["PATH"]])}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["i2i", "translate", "--tile-"], ["--tile-norms"]),
        (["i2i", "fit", "--plugin", "cyclegan", "--set", "trainer.rep"], ["option: -o nospace", "trainer.replay="]),
        (["i2i", "fit", "--src", "some"], ["option: -o default", ""]),
        (["i2i", "fit", "--log", "te"], ["tensorboard"]),
        (["i2i", "translate", "--run", "mö"], [r"mönet\ run"]),
        (["i2i", "translate", "--run", '"mö'], ["mönet run"]),
        (["i2i", "fit", "--resume", "mönet\\ r"], [r"mönet\ run"]),
        (["i2i", "translate", "--weights", "~/ke"], ["option: -o nospace", r"~/kept\ ones/"]),
    ],
)
def test_bash_completes(words: list[str], offered: list[str], scripts: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mönet run").mkdir()
    (tmp_path / "mönet run" / "recipe.yaml").touch()
    (tmp_path / "kept ones").mkdir()
    environment = {**scripts, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [*offered, "complete -o nosort -F _i2i_completion i2i"]


@pytest.mark.parametrize(("shell", "begins"), [("zsh", "#compdef i2i"), ("fish", "function _i2i_completion;")])
def test_the_script_is_one_that_the_shell_understands(
    shell: str, begins: str, scripts: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(["i2i", "completion", shell], env=scripts, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(begins)
    if shutil.which(shell) is not None:
        (tmp_path / "script").write_text(done.stdout)
        checked = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, text=True, timeout=60)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_an_unknown_shell_is_refused_with_the_known_ones(scripts: dict[str, str]) -> None:
    done = subprocess.run(["i2i", "completion", "tcsh"], env=scripts, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr
