"""What all commands have in common: help, loudness, JSON, colours, what a misspelt word is told."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from i2i import discover
from i2i.cli import COMMANDS, i2i, main
from i2i.cli.console import console_of
from i2i.cli.progress import LiveCounter, PlainCounter, QuietCounter, counting
from i2i.cli.saying import Loudness, Voice, colour, is_live
from i2i.errors import UsageError
from i2i.training.run_folder import RunFolder

Run = Callable[..., subprocess.CompletedProcess[str]]

DIFFERENT_METAVARS = {
    "--out": {"FILE", "DIR"},  # of fit it is the run folder
    "--max-seconds": {"N", "S"},  # the unit, as there is no other
    "--json": {"FILE"},  # of evaluate, which prints and writes; elsewhere a flag
    "--precision": {"[auto|fp32|bf16]", "[fp32|bf16]"},  # only training chooses by itself
}
"""Options whose value is justly called something else in some command."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group, by how a user types it."""
    waiting: list[tuple[str, click.Command]] = [("i2i", i2i)]
    while waiting:
        name, command = waiting.pop(0)
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                waiting.append((f"{name} {inner}", found))


EVERY = [pytest.param(name, command, id=name) for name, command in commands()]


def options(command: click.Command) -> list[click.Option]:
    command._help_option = None  # click keeps that of a test which called the command by itself
    found = command.get_params(click.Context(command, help_option_names=["-h", "--help"]))
    return [parameter for parameter in found if isinstance(parameter, click.Option)]


def examples(command: click.Command) -> list[str]:
    lines = (command.help or "").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("i2i ")]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(i2i, [str(argument) for argument in arguments])


# help


@pytest.mark.parametrize(("name", "command"), EVERY)
def test_a_command_says_what_it_does_in_a_line_and_in_a_paragraph(name: str, command: click.Command) -> None:
    first = (command.help or "").strip().splitlines()[0]
    assert len(first) > 20
    if name == "i2i":
        return
    short = command.get_short_help_str(limit=100)
    assert short.endswith(".")
    assert "\n" not in short
    assert not short.endswith("..")
    inner = name.removeprefix("i2i ")
    if inner in COMMANDS:
        assert short == COMMANDS[inner][1], "the list of `i2i --help` says something else"


@pytest.mark.parametrize(("name", "command"), EVERY)
def test_a_command_has_examples_and_each_is_understood(name: str, command: click.Command) -> None:
    shown = examples(command)
    assert shown
    assert name == "i2i" or any(line.startswith(name) for line in shown)
    for line in shown:
        words = shlex.split(re.split(r" (?:&&|\||>)(?: |$)", line)[0])[1:]
        assert words
        understand(i2i, words)


def understand(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Raises `click.UsageError` where the words are no command with its options."""
    command._help_option = None
    context = click.Context(command, parent=parent, info_name=command.name, help_option_names=["-h", "--help"])
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        _, chosen, rest = command.resolve_command(context, words)
        assert chosen is not None
        understand(chosen, rest, context)
    elif words:
        command.make_context(command.name, list(words), parent=context)


@pytest.mark.parametrize(("name", "command"), EVERY)
def test_every_option_is_explained_in_sentences(name: str, command: click.Command) -> None:
    for option in options(command):
        assert (option.help or "").endswith("."), f"{name} {option.opts[0]}: {option.help!r}"
        assert not (option.help or "")[0].islower(), f"{name} {option.opts[0]}: {option.help!r}"


def test_the_value_of_an_option_is_called_the_same_in_every_command() -> None:
    called = defaultdict(lambda: defaultdict(list))
    for name, command in commands():
        for option in options(command):
            if not option.is_flag:
                long = next((word for word in option.opts if word.startswith("--")), option.opts[0])
                called[long][option.make_metavar(click.Context(command))].append(name)
    wrong = {
        option: dict(metavars)
        for option, metavars in called.items()
        if len(metavars) > 1 and not set(metavars) <= DIFFERENT_METAVARS.get(option, set())
    }
    assert wrong == {}
    assert not any({"TEXT", "PATH", "INTEGER"} & {*called[option]} for option in ("--plugin", "--run", "--weights"))


@pytest.mark.parametrize(("name", "command"), EVERY)
def test_every_command_can_be_quiet_and_verbose(name: str, command: click.Command) -> None:
    spelled = [word for option in options(command) for word in option.opts]
    assert len(spelled) == len(set(spelled)), f"{name}: an option has the name of another"
    assert {"-q", "--quiet", "-v", "--verbose", "-h", "--help"} <= set(spelled)


@pytest.mark.parametrize("name", ["translate", "evaluate", "fit"])
def test_many_options_stand_under_headings(name: str) -> None:
    shown = call(name, "--help").output
    headings = re.findall(r"^(\S.*):$", shown, re.M)
    assert len(headings) > 3
    assert headings[-1] == "Options"
    command = next(found for full, found in commands() if full == f"i2i {name}")
    for option in options(command):
        assert len(re.findall(rf"^  (?:-\w, )?{re.escape(option.opts[-1])}(?:  | [A-Z[]|$)", shown, re.M)) == 1, (
            option.opts
        )


def test_help_of_a_command_can_be_asked_for_in_both_orders() -> None:
    assert call("help", "plugins", "show").output == call("plugins", "show", "--help").output
    assert call("help").output == call("--help").output
    assert call().exit_code == 2
    assert "Commands:" in call().output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trnslate"], "Error: No such command 'trnslate'. Did you mean 'translate'?"),
        (["wholly-else"], "Error: No such command 'wholly-else'. `i2i --help` lists them."),
        (["plugins", "lst"], "Error: No such command 'lst'. Did you mean 'list'?"),
        (["translate", "--pluggin", "x"], "Error: No such option '--pluggin'. Did you mean '--plugin'?"),
        (["runs", "exprot"], "no command of `i2i runs`; did you mean 'export'?"),
    ],
)
def test_a_misspelt_word_is_told_the_right_one(words: list[str], told: str) -> None:
    result = call(*words)
    said = result.output + (str(result.exception) if result.exception else "")
    assert told in said
    assert isinstance(result.exception, SystemExit) or getattr(result.exception, "exit_code", None) == 2


# quiet and verbose


@pytest.fixture
def broken_folder(tmp_path: Path) -> Path:
    """Two pictures, one of which is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (16, 16), "red").save(folder / "a.png")
    (folder / "b.png").write_text("hello")
    return folder


@pytest.mark.parametrize("where", ["before", "after"])
def test_quiet_keeps_answers_and_errors(where: str, broken_folder: Path, tmp_path: Path) -> None:
    command = ["data", "sheet", broken_folder, "--out", tmp_path / "sheet.png"]
    loud = call(*command)
    assert loud.stdout == f"{tmp_path / 'sheet.png'}: 1 picture, 104×104\n"
    quiet = call("-q", *command) if where == "before" else call(*command, "--quiet")
    assert (quiet.stdout, quiet.exit_code) == ("", 3)
    assert quiet.stderr == f"left out: {broken_folder}/b.png: not a picture that Pillow can read (found text)\n"
    assert call("-q", "data", "check", broken_folder).stdout.startswith(f"{broken_folder}: 2 pictures\n")


@pytest.mark.parametrize("words", [["-v", "show", "cyclegan"], ["show", "cyclegan", "--verbose"]])
def test_verbose_tells_versions_plugins_and_how_long_it_took(words: list[str]) -> None:
    result = call(*words)
    first, plugins, *_, last = result.stderr.splitlines()
    assert re.match(r"i2i \S+, Python 3\.\d+\.\d+, torch \S+,", first)
    assert "i2i-cyclegan" in plugins
    assert re.match(r"took \d+\.\d s; the process holds \d+ MB", last)
    assert result.stdout == call("show", "cyclegan").stdout


def test_verbose_names_what_changes_i2i_and_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "cyclegan")
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.home()))  # found fetched networks by
    lines = call("-v", "runs").stderr.splitlines()
    assert any(line.startswith("left out by I2I_PLUGINS: ") and "i2i-dcgan" in line for line in lines)
    assert any(line.startswith("environment: ") and "I2I_PLUGINS=cyclegan " in line for line in lines)
    assert any(line.startswith("environment: ") and f"XDG_CACHE_HOME={Path.home()}" in line for line in lines)
    monkeypatch.setenv("I2I_PLUGINS", "nonesuch")
    assert any(
        line.startswith("plugins: I2I_PLUGINS: no plugin 'nonesuch'") for line in call("-v", "runs").stderr.splitlines()
    )


@pytest.mark.parametrize("words", [["-q", "runs", "list", "-v"], ["runs", "list", "-q", "-v"]])
def test_quiet_and_verbose_exclude_each_other(words: list[str]) -> None:
    result = call(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--quiet and --verbose: leave one of them out" in result.stderr


def test_progress_is_as_loud_as_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def counter(loudness: Loudness) -> Any:
        context = click.Context(i2i, obj=Voice(loudness))
        with context, counting(3, "made", []) as found:
            return found

    assert isinstance(counter(Loudness.QUIET), QuietCounter)
    assert isinstance(counter(Loudness.NORMAL), PlainCounter)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(counter(Loudness.NORMAL), LiveCounter)
    assert isinstance(counter(Loudness.QUIET), QuietCounter)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(counter(Loudness.VERBOSE), PlainCounter)


def test_a_run_that_is_quiet_hears_signals_and_says_what_goes_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    heard = {Loudness.QUIET: ("", "wrong\n"), Loudness.NORMAL: ("step 1\nwrong\n", "")}
    for loudness, told in heard.items():
        with click.Context(i2i, obj=Voice(loudness)), console_of("a run") as console:
            console.said("step 1")
            console.warned("wrong")
        assert tuple(capsys.readouterr()) == told


def test_what_comes_next_is_a_command_to_paste(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = SimpleNamespace(loop=SimpleNamespace(step=3, model=SimpleNamespace(translate=None)),
                          logbook=SimpleNamespace(report_failed=False))  # fmt: skip
    with console_of("a run") as console:
        console.finished(RunFolder(tmp_path / "mönet run"), run)  # type: ignore[arg-type]
    following = capsys.readouterr().out.splitlines()[-1]
    assert following == f"next: i2i translate --run '{tmp_path}/mönet run' --src PICTURES --dst OUT"


def test_of_a_report_that_failed_at_the_end_no_older_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.html").touch()
    for failed, told in ((False, f"; report in {tmp_path / 'report.html'}"), (True, "")):
        run = SimpleNamespace(loop=SimpleNamespace(step=3, model=None), logbook=SimpleNamespace(report_failed=failed))
        with console_of("a run") as console:
            console.finished(RunFolder(tmp_path), run)  # type: ignore[arg-type]
        assert capsys.readouterr().out == f"done: {tmp_path} (step 3){told}\n"


@pytest.mark.parametrize("flag", [[], ["-v"]])
def test_what_an_error_came_from_is_told_verbosely(
    flag: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: Any, **named: Any) -> None:
        try:
            try:
                raise KeyError
            except KeyError as problem:
                raise OSError("the disk\n is gone") from problem
        except OSError as problem:
            raise UsageError("x: cannot be read") from problem

    monkeypatch.setattr("i2i.cli.show.load_recipe", fail)
    monkeypatch.setattr(sys, "argv", ["i2i", *flag, "show", "cyclegan"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    _, error, causes = capsys.readouterr().err.partition("Error: x: cannot be read\n")
    assert error
    assert causes.splitlines()[:2] == (["from OSError: the disk is gone", "from KeyError"] if flag else [])


@pytest.mark.parametrize("flag", [[], ["-v"]])
def test_an_unexpected_error_is_one_line_and_verbosely_a_traceback(
    flag: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("i2i.cli.show.load_recipe", fail)
    monkeypatch.delenv("I2I_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "argv", ["i2i", *flag, "show", "cyclegan"])
    if flag:
        with pytest.raises(RuntimeError, match="no such luck"):
            main()
    else:
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        assert capsys.readouterr().err == (
            "Error: unexpected RuntimeError: no such luck (a bug in i2i or a plugin; --verbose shows where)\n"
        )


WARNING = """
import sys, warnings
import i2i.cli.show as show, i2i.cli as cli
warnings.resetwarnings()
honest = show.explained
def explained(recipe):
    warnings.warn("something is old", UserWarning)
    return honest(recipe)
show.explained = explained
sys.argv = ["i2i", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.parametrize(("flags", "shown"), [([], False), (["-v"], True)])
def test_warnings_of_python_are_shown_verbosely_alone(flags: list[str], shown: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run(
        [sys.executable, "-c", WARNING, "show", "cyclegan", *flags],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert ("something is old" in done.stderr) is shown


# for machines


def only_json(result: Result, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_a_recipe_is_told_to_machines_with_its_schemas() -> None:
    told = only_json(call("show", "cyclegan", "--json", "--set", "model.width=48"))
    assert told["recipe"]["model"]["width"] == 48
    assert {"model", "dataset", "trainer", "run", "losses.cycle"} <= told["schemas"].keys()
    assert "description" in told["schemas"]["run"]["properties"]["steps"]


def test_a_plugin_is_told_to_machines_with_its_schemas() -> None:
    (package,) = only_json(call("plugins", "show", "lsgan", "--json"))["packages"]
    assert (package["distribution"], package["state"], package["reason"]) == ("i2i", "healthy", None)
    (loss,) = package["entries"]
    assert (loss["kind"], loss["name"]) == ("loss", "lsgan")
    assert loss["options"]["type"] == "object"


def test_json_of_a_training_is_for_trying_it(tmp_path: Path) -> None:
    result = call("fit", "--plugin", "cyclegan-digits", "--src", tmp_path, "--target", tmp_path, "--json")
    assert str(result.exception).startswith("--json: is for --dry-run;")


def test_pictures_are_told_to_machines(broken_folder: Path) -> None:
    (folder,) = only_json(call("data", "check", broken_folder, "--json"), exit_code=3)["folders"]
    assert folder["pictures"] == 2
    assert folder["broken"][0]["file"] == str(broken_folder / "b.png")


def test_a_dry_run_is_told_to_machines_though_a_picture_is_broken(broken_folder: Path) -> None:
    small = ["--set", "model.width=4", "--set", "run.validate_every=2", "--batch", 2, "--device", "cpu"]
    result = call("fit", "--plugin", "dcgan-digits", "--src", broken_folder, *small, "--dry-run", "--json")
    assert only_json(result)["parameters"] > 0
    assert "skipped: " in result.stderr


def test_a_translation_is_told_to_machines(broken_folder: Path, tmp_path: Path) -> None:
    translate = ["translate", "--plugin", "srresnet-compact-x2", "--src", broken_folder, "--dst", tmp_path / "out"]
    told = only_json(call(*translate, "--dry-run", "--json"))
    assert [todo["source"] for todo in told["todo"]] == [str(broken_folder / name) for name in ("a.png", "b.png")]
    assert told["todo"][0] == {
        "source": str(broken_folder / "a.png"), "target": str(tmp_path / "out" / "a.png"), "refused": None,
    }  # fmt: skip
    assert not (tmp_path / "out").exists()

    result = call(*translate, "--json")
    told = only_json(result, exit_code=3)
    assert (told["pictures"], told["translated"], told["done_before"]) == (2, 1, 0)
    assert [failed["file"] for failed in told["failed"]] == [str(broken_folder / "b.png")]
    assert f"not translated: {broken_folder}/b.png" in result.stderr
    assert "1 of 2 pictures translated" in result.stderr

    quiet = call(*translate, "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (3, "")
    assert quiet.stderr.startswith(f"not translated: {broken_folder}/b.png")
    assert quiet.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "other"),
    [
        (["--watch"], "--watch, which never ends"),
        (["--devices", "2"], "several processes, which would print one each"),
    ],
)
def test_json_is_refused_where_there_is_no_one_answer(flags: list[str], other: str, tmp_path: Path) -> None:
    result = call("translate", "--plugin", "srgan", "--src", tmp_path, "--dst", tmp_path / "out", "--json", *flags)
    assert str(result.exception) == f"--json prints one answer at the end; leave it out, or {other}"


def test_an_error_is_told_to_people_even_where_machines_read(run_i2i: Run) -> None:
    done = run_i2i("show", "nonesuch", "--json", "-q")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: unknown recipe 'nonesuch'")
    assert done.stderr.count("\n") == 1


# colours


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": ""}, False),
    ],
)
def test_colours_are_for_terminals_unless_the_environment_says_otherwise(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-m", "i2i", "plugins", "show", "nonesuch"], capture_output=True, text=True, timeout=60
    )
    assert ("\x1b[" in done.stderr) is coloured
    assert done.stderr.removeprefix("\x1b[31m").startswith("Error:")


def test_a_terminal_that_cannot_move_gets_no_colours_and_no_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert colour({"TERM": "dumb"}) is False
    assert colour({"TERM": "xterm-256color"}) is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for term, live in {"xterm": True, "dumb": False, "unknown": False}.items():
        monkeypatch.setenv("TERM", term)
        assert is_live() is live


def test_no_live_line_goes_into_a_file_though_colours_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with counting(3, "made", []) as counter:
        assert isinstance(counter, PlainCounter)


def test_json_of_all_listings_is_the_same_with_forced_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    told = only_json(call("plugins", "list", "--json"))
    assert len(told["entries"]) == len(list(discover()))


def test_a_quiet_evaluation_is_its_table_alone(tmp_path: Path) -> None:
    for folder, level in (("made", 90), ("wanted", 100)):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (32, 32), (level,) * 3).save(tmp_path / folder / "a.png")
    command = ("evaluate", "--pred", tmp_path / "made", "--target", tmp_path / "wanted", "--lpips", "none")
    loud, quiet = call(*command), call(*command, "--quiet")
    assert "1 picture evaluated; " in loud.stdout
    assert loud.stdout.startswith(quiet.stdout)
    assert "PSNR, Y" in quiet.stdout
    assert "evaluated" not in quiet.stdout
