"""`i2i translate`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from i2i.errors import BrokenPicture, Interrupted
from i2i.inference.files import Job, make_destination, plan, translate_files

PATH = click.Path(path_type=Path)


@click.command(short_help="Translate pictures with trained weights.")
@click.option("--plugin", help="Recipe whose newest finished run, or shipped weights, to use.")
@click.option("--run", type=PATH, help="Run folder whose newest weights to use.")
@click.option("--weights", type=PATH, help="Weights file (.safetensors) to use.")
@click.option("--src", "sources", type=PATH, multiple=True, required=True, help="Folder or file; may be repeated.")
@click.option("--dst", "destination", type=PATH, required=True, help="Folder to write to; names and folders are kept.")
@click.option("--direction", help="Which way to translate: the same as --set translate.direction=…")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A translate option, translate.KEY=VALUE.")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Pictures of one size at a time.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all chance in the translation.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--background", default="white", show_default=True, help="Colour under transparent pixels.")
def translate(plugin: str | None, run: Path | None, weights: Path | None, **given: Any) -> None:
    """Translate pictures of any size; each keeps its name, its folder below --src and its file format.

    A file that cannot be read is reported and the rest is done (exit code 3).

    \b
    i2i translate --plugin cyclegan-light --src photos/ --dst out/
    i2i translate --run my-run --direction target-to-source --src paintings/ --dst photos-again/
    i2i translate --weights monet.safetensors --src a.jpg --src b.png --dst out/
    """
    from i2i.inference.choosing import choose_weights
    from i2i.plugins import discover

    catalog = discover()
    jobs = plan(given["sources"], given["destination"])
    path, why = choose_weights(catalog, plugin, weights, run)
    make_destination(given["destination"])

    from i2i.inference.translator import load
    from i2i.recipe import translate_overrides

    overrides = translate_overrides(given["overrides"])
    if given["direction"] is not None:
        overrides["direction"] = given["direction"]
    translator = load(path, given["device"], given["precision"], given["background"], catalog, **overrides)
    click.echo(f"{translator.header['recipe']['name']}, step {translator.header['step']}: {path} ({why})", err=True)
    broken = _translate_all(translator, jobs, given["batch"], given["seed"])
    click.echo(f"{len(jobs) - len(broken)} of {len(jobs)} pictures translated into {given['destination']}")
    for picture in broken:
        click.echo(f"not translated: {picture}", err=True)
    if broken:
        sys.exit(3)


def _translate_all(translator: Any, jobs: list[Job], batch: int, seed: int) -> list[BrokenPicture]:
    """Translate under a progress line; what could not be read."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("translating"), MofNCompleteColumn(), TimeRemainingColumn())
    broken: list[BrokenPicture] = []
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    console = Console(stderr=True)
    done = 0
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("", total=len(jobs))
            for result in translate_files(translator, jobs, batch, seed):
                done += 1
                progress.update(task, completed=done)
                if result.broken is not None:
                    broken.append(result.broken)
    except _Stopped as stopped:
        text = f"stopped; {done - len(broken)} of {len(jobs)} pictures are written"
        raise Interrupted(text, stopped.signal_number) from stopped
    return broken


class _Stopped(BaseException):
    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stopped(number)
