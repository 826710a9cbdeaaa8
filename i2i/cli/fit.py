"""`i2i fit`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.options import described
from i2i.cli.saying import answer_json
from i2i.cli.sections import Sectioned
from i2i.cli.weights import WEIGHTS, at_hand
from i2i.errors import Interrupted, UsageError
from i2i.plugins import discover
from i2i.ranks.group import MEETING, is_first, is_restarted, joined, may_be_restarted, meeting
from i2i.ranks.launching import end_with_parent, run_ranks, this_command
from i2i.ranks.shares import WHOLE, share_from_environment
from i2i.recipe import RunOptions, load_recipe
from i2i.training.layout import CHECKPOINTS

if TYPE_CHECKING:
    from i2i.training.listener import DryRun

FOLDERS = ("src", "target")
RUN_KEYS = ("steps", "batch", "seed", "precision", "device", "max_bad")
PATH = click.Path(path_type=Path)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Sugar for `--set run.KEY=…`."""
    for name in reversed(RUN_KEYS):
        text = f"{described(RunOptions.model_fields[name])}; the same as --set run.{name}."
        command = click.option(f"--{name.replace('_', '-')}", help=text[0].upper() + text[1:])(command)
    return command


SECTIONS = {
    "What is trained": "--plugin --config --set --init",
    "Pictures": "--src --target",
    "The run": "--out --resume --fork --dry-run --json --log",
    "How long, on what": "--steps --batch --seed --precision --device --devices --max-bad",
}
"""Heading of `--help` → options."""


@click.command(cls=Sectioned, sections=SECTIONS, short_help="Train a model on folders of pictures.")
@click.option("--plugin", help="Recipe to use; `i2i plugins` lists them.")
@click.option("--config", type=PATH, help="YAML file laid over the recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One recipe key; may be repeated.")
@click.option(
    "--src", multiple=True, help="Folder, file, list, archive or URL of pictures to learn from; may be repeated."
)
@click.option("--target", multiple=True, help="The same of the other domain; may be repeated.")
@click.option("--out", type=PATH, metavar="DIR", help="Run folder to make; without it runs/NAME-TIME/.")
@click.option("--resume", type=PATH, metavar="RUN", help="Go on with this run folder; only --steps may be given.")
@click.option("--fork", type=PATH, metavar="NEW_RUN", help="With --resume: go on in a new run folder, with what --set "
              "and its like change.")  # fmt: skip
@click.option("--init", type=WEIGHTS, metavar="WEIGHTS", help="Weights file or run folder to start from, or the "
              "address of a weights file, hf://… or https://….")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Take one step, say what it needs, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print it as JSON, for programs.")
@click.option("--log", "logs", multiple=True, metavar="TRACKER", help="Follow the run in TRACKER too, such as "
              "tensorboard; may be repeated.")  # fmt: skip
@click.option("--devices", type=click.IntRange(1), metavar="N", help="Train on N processes together: one a GPU, or "
              "with a share of the cores. Under torchrun and SLURM that happens by itself.")  # fmt: skip
@run_options
def fit(devices: int | None, **given: Any) -> None:
    """Train a model on folders of pictures.

    Ctrl-C saves and ends; --resume goes on exactly where it ended. SIGUSR1 saves and goes on.

    \b
    i2i fit --plugin cyclegan-light --src photos/ --target paintings/
    i2i fit --plugin cyclegan --src photos/ --target paintings/ --set trainer.replay=20 --out my-run
    i2i fit --resume my-run
    i2i fit --resume my-run --fork slower --set trainer.learning_rate=0.0001
    """
    if given["as_json"] and not given["dry_run"]:
        raise UsageError("--json: is for --dry-run; a run writes what programs need into its folder (metrics.jsonl)")
    if hasattr(signal, "SIGUSR1") and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until there is something to save
    share = share_from_environment(os.environ)
    if share == WHOLE and (devices or 1) > 1:
        tell = lambda line, is_error: click.echo(line, err=is_error)  # noqa: E731
        with meeting() as where:
            told = {**os.environ, MEETING: where}
            sys.exit(run_ranks(devices or 1, this_command(sys.argv[1:]), told, tell, together=True))
    end_with_parent(os.environ)
    try:
        with joined(share, os.environ):
            _fit(**given)
    except Interrupted as stopped:
        if share.rank:  # the first says it
            sys.exit(stopped.exit_code)
        raise


def _fit(plugin: str | None, config: Path | None, resume: Path | None, fork: Path | None, **given: Any) -> None:
    flags = {name: f"--{name.replace('_', '-')}" for name in RUN_KEYS if given[name] is not None}
    extra = [(flag, f"run.{name}", _number(name, given[name])) for name, flag in flags.items()]
    extra += [("--log", f"trackers.{name}", {}) for name in given["logs"]]
    restarted = is_restarted(os.environ)
    if fork is not None and not (restarted and (fork / CHECKPOINTS).is_dir()):
        return _fork(resume, fork, extra, plugin=plugin, config=config, **given)
    if fork is not None:
        return _resume(fork, None)
    if resume is not None:
        _refuse_with_resume(plugin=plugin, config=config, **given)
        return _resume(resume, given["steps"] and _number("steps", given["steps"]))
    catalog = discover()
    folders = {flag: given[flag] for flag in FOLDERS}
    recipe = load_recipe(catalog, plugin, config, given["overrides"], extra, folders, needs_data=True)
    if may_be_restarted(os.environ) and given["out"] is None:
        raise UsageError("--out: say where; torchrun starts this again where a rank dies, and it could not be found")

    from i2i.cli.console import console_of, stopping_on_signals
    from i2i.evaluation.validating import validation
    from i2i.training.starting import begun, start

    if restarted and begun(catalog, given["out"], recipe):
        return _resume(given["out"], None)
    with console_of(recipe.name, beside_answers=given["as_json"]) as console, stopping_on_signals(console):
        first = at_hand(given["init"])
        run = start(catalog, recipe, given["out"], first, console, given["dry_run"], validation)
        if given["dry_run"]:
            dry = run.try_one_step()
            if is_first():
                _tell(dry, run.steps, given["as_json"])
        else:
            console.describe(run)
            console.finished(run.run(), run)


def _resume(path: Path, steps: Any) -> None:
    from i2i.cli.console import console_of, stopping_on_signals
    from i2i.evaluation.validating import validation
    from i2i.training.starting import resume

    with console_of(str(path)) as console, stopping_on_signals(console):
        run = resume(discover(), path, steps, console, validation)
        console.describe(run)
        console.finished(run.run(), run)


def _fork(path: Path | None, new: Path, extra: list[tuple[str, str, Any]], **given: Any) -> None:
    if path is None:
        raise UsageError(f"--fork {new}: says where a run that --resume RUN names goes on")
    recipes = ("plugin", "config", "src", "target", "out", "init", "dry_run")
    if others := [f"--{name.replace('_', '-')}" for name in recipes if given[name]]:
        raise UsageError(
            f"--fork goes on with the recipe of {path}; leave out {', '.join(others)} (--set and its like change it)"
        )

    from i2i.cli.console import console_of, stopping_on_signals
    from i2i.evaluation.validating import validation
    from i2i.training.starting import fork

    with console_of(str(new)) as console, stopping_on_signals(console):
        run = fork(discover(), path, new, given["overrides"], extra, console, validation)
        console.describe(run)
        console.finished(run.run(), run)


def _refuse_with_resume(**given: Any) -> None:
    written = {"overrides": "set", "logs": "log", "as_json": "json"}
    named = [f"--{written.get(name, name.replace('_', '-'))}" for name, value in given.items() if value]
    others = [flag for flag in named if flag != "--steps"]
    if others:
        raise UsageError(
            f"--resume goes on with the run's own recipe; leave out {', '.join(others)} (--steps may change)"
        )


def _number(name: str, text: str) -> Any:
    return int(text) if name in {"steps", "batch", "seed", "max_bad"} and text.lstrip("-").isdigit() else text


def _tell(dry: DryRun, steps: int, as_json: bool) -> None:
    from i2i.cli.console import data_lines

    if as_json:
        answer_json({**vars(dry), "steps": steps})
        return
    for line in data_lines(dry.data):
        click.echo(line)
    device, precision = dry.environment["device name"], dry.environment["precision"]
    click.echo(f"model: {dry.parameters / 1e6:.2f} million parameters, {precision} on {device}")
    click.echo("one step: " + ", ".join(f"{name} {value:.4g}" for name, value in dry.scalars.items()))
    click.echo(f"time: {dry.seconds:.2f} s for this first step, so about {spoken(dry.total_seconds)} for {steps}")
    click.echo(f"memory: {dry.memory / 2**30:.2f} GiB at most; nothing was written")


def spoken(seconds: float) -> str:
    """A duration in the two units that matter.

    >>> spoken(95), spoken(4000), spoken(200000)
    ('1 min 35 s', '1 h 6 min', '2 d 7 h')
    """
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (unit, size), (smaller, small) in pairwise(units):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // small)} {smaller}"
    return f"{seconds:.0f} s"
