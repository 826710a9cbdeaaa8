"""`i2i translate`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from i2i.errors import BrokenPicture, Interrupted
from i2i.inference.files import Job, make_destination, plan, translate_files

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

PATH = click.Path(path_type=Path)


class _Stopped(KeyboardInterrupt):
    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the command in one line; from then on both are ignored until the process ends.

    Nobody sees a traceback of the clean-up, which waits for the pictures that are being written and for no other.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        before.clear()
        raise _Stopped(number)

    try:
        for number in before:
            signal.signal(number, stop)
        yield
    except _Stopped as stopped:
        raise Interrupted("stopped", stopped.signal_number) from stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
@stopping_on_signals()
def translate(plugin: str | None, run: Path | None, weights: Path | None, **given: Any) -> None:
    """Translate pictures of any size; each keeps its name, its folder below --src and its file format.

    A file that cannot be read, or its translation not be written in its format, is reported and the rest is done (exit
    code 3).

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

    from i2i.inference.translator import load
    from i2i.recipe import translate_overrides

    options = translate_overrides(given["overrides"])
    if given["direction"] is not None:
        options["direction"] = given["direction"]
    where = {name: given[name] for name in ("device", "precision", "background")}
    translator = load(path, options, catalog=catalog, **where)
    make_destination(given["destination"])
    click.echo(f"{translator.header['recipe']['name']}, step {translator.header['step']}: {path} ({why})", err=True)
    broken = _translate_all(translator, jobs, given["batch"], given["seed"])
    click.echo(f"{len(jobs) - len(broken)} of {len(jobs)} pictures translated into {given['destination']}")
    for picture in broken:
        click.echo(f"not translated: {picture}", err=True)
    if broken:
        sys.exit(3)


def _translate_all(translator: Translator, jobs: list[Job], batch: int, seed: int) -> list[BrokenPicture]:
    """Translate and show how far it is; what could not be read or encoded."""
    broken: list[BrokenPicture] = []
    written: list[Job] = []
    try:
        results = translate_files(translator, jobs, batch, seed, written.append)
        with _progress(len(jobs)) as show, closing(results):
            for done, result in enumerate(results, 1):
                show(done)
                if result.broken is not None:
                    broken.append(result.broken)
    except _Stopped as stopped:
        text = f"stopped; {len(written)} of {len(jobs)} pictures are written"
        raise Interrupted(text, stopped.signal_number) from stopped
    return broken


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Shows how many are done: a live line on a terminal, now and then a plain one elsewhere."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from i2i.cli.console import PLAIN_SECONDS

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("translating"), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=total)
            yield lambda done: progress.update(task, completed=done)
        return
    told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > PLAIN_SECONDS:
            told = time.monotonic()
            click.echo(f"translated {done} of {total}", err=True)

    yield tell
