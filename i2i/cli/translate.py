"""`i2i translate`."""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.progress import counting, stopping_on_signals
from i2i.cli.sampling import SHEET, STOPS, Sampling, asked_for, drawn, left_from_before, refuse_misuse, write_all
from i2i.errors import BrokenPicture, UsageError
from i2i.inference.files import (
    Job,
    StepsWriter,
    make_destination,
    plan,
    steps_folders,
    translate_files,
    with_masks,
)

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

PATH = click.Path(path_type=Path)
SUGAR = {"--direction": "direction", "--class": "class_name"}
"""Flag → translate option."""


@click.command(short_help="Translate pictures, or sample new ones, with trained weights.")
@click.option("--plugin", help="Recipe whose newest finished run, or shipped weights, to use; where its model needs "
              "none, the recipe itself.")  # fmt: skip
@click.option("--config", type=PATH, help="YAML file laid over the recipe of a model that needs no weights.")
@click.option("--run", type=PATH, help="Run folder whose newest weights to use.")
@click.option("--weights", type=PATH, help="Weights file (.safetensors) to use.")
@click.option("--src", "sources", type=PATH, multiple=True, help="Folder or file to translate; may be repeated.")
@click.option("--glob", "globs", multiple=True, metavar="PATTERN", help="Only pictures whose name fits, such as "
              "'*_LR.png', or whose path below --src does, where there is a slash; may be repeated.")  # fmt: skip
@click.option("--mask", "masks", type=PATH, help="What a model that fills is to paint anew, in white: a picture, or a "
              "folder of them named as those of --src. What is transparent is painted too.")  # fmt: skip
@click.option("--scale", type=click.IntRange(1), metavar="N", help="Make sure that the weights enlarge N times.")
@click.option("--self-ensemble", is_flag=True, help="Translate each picture in its 8 flips and rotations and take the "
              "mean: 8 times the time for a little more fidelity.")  # fmt: skip
@click.option("--count", type=int, metavar="N", help="Pictures to make with a model that needs none to begin with.")
@click.option("--interpolate", "frames", type=int, metavar="N", help="Walk through the --count pictures (without it: "
              f"{STOPS}) and back, N frames from each to the next; also written as walk.gif.")  # fmt: skip
@click.option("--grid", is_flag=True, help="Also show the pictures made, of a walk only those it goes through, "
              f"on a sheet, grid.png: at most the first {SHEET}.")  # fmt: skip
@click.option("--class", "class_name", metavar="NAME", help="Class of the pictures made: --set translate.class_name=…")
@click.option("--dst", "destination", type=PATH, required=True, help="Folder to write to. Translations keep "
              "their names and folders; pictures made are numbered.")  # fmt: skip
@click.option("--direction", help="Which way to translate: the same as --set translate.direction=…")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A translate option, translate.KEY=VALUE; "
              "of a model that needs no weights also model.KEY=VALUE.")  # fmt: skip
@click.option("--save-every", type=click.IntRange(1), metavar="K", help="Also write what translations look like after "
              "every K iterations, to NAME-steps/ beside them, where the model makes them step by step.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Pictures of one size at a time.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all chance; picture i made is a "
              "function of the seed and i, whatever the batch.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--background", default="white", show_default=True, help="Colour under transparent pixels, "
              "where transparency is not kept.")  # fmt: skip
@stopping_on_signals()
def translate(plugin: str | None, config: Path | None, run: Path | None, weights: Path | None, **given: Any) -> None:
    """Translate pictures of any size; each keeps its name, its folder below --src and its file format.

    A model that restores, such as one for super-resolution, keeps grey grey, transparency and 16 bits, where the file
    format holds them; one that fills paints what is transparent or shown by --mask, and leaves all other pixels as they
    are. A file that cannot be read, or its translation not be written in its format, is reported and the
    rest is done (exit code 3). A model that makes pictures out of nothing takes --count instead and writes 00000.png,
    00001.png and so on.

    \b
    i2i translate --plugin cyclegan-light --src photos/ --dst out/
    i2i translate --run my-run --direction target-to-source --src paintings/ --dst photos-again/
    i2i translate --weights monet.safetensors --src a.jpg --src b.png --dst out/
    i2i translate --plugin srgan --src small/ --glob '*_LR.png' --dst large/
    i2i translate --plugin pix2pix-holes --src scratched/ --mask scratches/ --dst mended/
    i2i translate --plugin gatys --set model.style=starry.jpg --src photos/ --dst painted/
    i2i translate --plugin dcgan --count 64 --seed 7 --grid --dst faces/
    i2i translate --plugin dcgan --count 8 --interpolate 50 --dst walk/
    """
    destination, batch, seed, every = given["destination"], given["batch"], given["seed"], given["save_every"]
    sources, count, frames = given["sources"], given["count"], given["frames"]
    sampling = asked_for(sources, count, frames, given["grid"], given["class_name"], every)
    _refuse_misuse(sampling, every, given)

    from i2i.plugins import discover
    from i2i.recipe import Settings

    settings = Settings.sorted(given["overrides"])
    sugar = [(flag, name, given[name]) for flag, name in SUGAR.items() if given[name] is not None]
    options = settings.options() | {name: value for _, name, value in sugar}
    catalog = discover()
    jobs = plan(sources, destination, given["globs"])
    if given["masks"] is not None:
        jobs = with_masks(jobs, given["masks"], destination)
    steps = steps_folders(jobs) if every is not None else {}

    from i2i.inference.choosing import choose_weights, require_scale

    extra = [(flag, f"translate.{name}", value) for flag, name, value in sugar]
    source, why = choose_weights(catalog, plugin, weights, run, config, settings, extra)

    from i2i.inference.translator import load

    where = {name: given[name] for name in ("device", "precision", "background", "self_ensemble")}
    translator = load(source, catalog=catalog, **where)
    usage = _command(destination, settings.model, plugin=plugin, config=config, run=run, weights=weights)
    refuse_misuse(translator, sampling, usage)
    if given["masks"] is not None:
        translator.require_filling(f"--mask {given['masks']}")
    if given["scale"] is not None:
        require_scale(translator, given["scale"], catalog)
    using = f"{translator.name}: {why}"
    if isinstance(source, Path):  # a recipe has the options in it
        translator = translator.with_options(**options)
        using = f"{translator.name}, step {translator.header['step']}: {source} ({why})"
    using = "\n".join([using, *translator.remarks])
    if sampling is not None:
        pictures = drawn(translator, sampling, batch, seed)
        _begin(destination, using)
        click.echo(write_all(pictures, sampling, destination, batch))
        if (older := left_from_before(sampling, destination)) is not None:
            click.echo(older, err=True)
        return
    _begin(destination, using)
    broken, remarks = _translate_all(translator, jobs, batch, seed, steps, every)
    click.echo(f"{len(jobs) - len(broken)} of {len(jobs)} pictures translated into {destination}")
    for picture in broken:
        click.echo(f"not translated: {picture}", err=True)
    for remark in remarks:
        click.echo(remark, err=True)
    if broken:
        sys.exit(3)


def _refuse_misuse(sampling: Sampling | None, every: int | None, given: Mapping[str, Any]) -> None:
    """Raise `UsageError` where flags for translations come without pictures, or exclude each other."""
    flags = {
        "--glob": given["globs"],
        "--mask": given["masks"],
        "--scale": given["scale"],
        "--self-ensemble": given["self_ensemble"],
    }
    for flag in [flag for flag, value in flags.items() if value]:
        if sampling is not None:
            raise UsageError(f"{flag} is for pictures that are translated: it needs --src DIR")
    if every is not None and given["self_ensemble"]:
        raise UsageError("--save-every shows a picture on its way, --self-ensemble makes eight: leave one of them out")


def _begin(destination: Path, using: str) -> None:
    """Make the folder and say with what it is filled."""
    make_destination(destination)
    click.echo(using, err=True)


def _command(destination: Path, settings: Sequence[str], **weights: str | Path | None) -> str:
    """The command that uses these weights or does without, as a user would type it, without what it is to do."""
    flags = [part for name, value in weights.items() if value is not None for part in (f"--{name}", str(value))]
    flags += [part for text in settings for part in ("--set", text)]
    return shlex.join(["i2i", "translate", *flags, "--dst", str(destination)])


def _translate_all(
    translator: Translator, jobs: list[Job], batch: int, seed: int, steps: Mapping[Path, Path], every: int | None
) -> tuple[list[BrokenPicture], list[str]]:
    """Translate and show how far it is; what could not be read or encoded, and what else is worth a line."""
    broken: list[BrokenPicture] = []
    written: list[object] = []
    lost: defaultdict[str, list[Path]] = defaultdict(list)
    with counting(len(jobs), "translated", written) as counter:
        writer = StepsWriter(steps, every or 1, counter)
        onlooker = writer if every is not None else counter
        translated = translate_files(translator, jobs, batch, seed, written.append, onlooker, translator.background)
        with closing(translated) as results:
            for done, result in enumerate(results, 1):
                counter.count(done)
                if result.broken is not None:
                    broken.append(result.broken)
                for phrase in result.lost:
                    lost[phrase].append(result.job.target)
    remarks = [f"{phrase}: {_counted(targets)}" for phrase, targets in lost.items()]
    if every is None or writer.written or len(broken) == len(jobs):
        return broken, remarks
    why = "no translation took so many iterations" if writer.seen else f"{translator.name} makes no pictures on the way"
    return broken, [*remarks, f"--save-every {every} saved nothing: {why}"]


def _counted(targets: Sequence[Path]) -> str:
    """`out/a.bmp`, or `3 pictures, such as out/a.bmp`."""
    return str(targets[0]) if len(targets) == 1 else f"{len(targets)} pictures, such as {targets[0]}"
