"""`i2i translate`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.flags import refuse_flags
from i2i.cli.progress import stopping_on_signals
from i2i.cli.sampling import (
    SHEET,
    STOPS,
    Sampling,
    asked_for,
    drawn,
    left_from_before,
    refuse_misuse,
    refuse_replacing,
    write_all,
)
from i2i.cli.saying import answer_json, detail, remark, report, warn
from i2i.cli.sections import Sectioned
from i2i.cli.weights import WEIGHTS
from i2i.errors import UsageError
from i2i.images.limits import LIMITS, Limits, allow_metadata, allow_pixels
from i2i.inference.places import make_destination, parts_of, plan, require_folder, tar_of, with_masks
from i2i.inference.places.naming import Naming
from i2i.inference.steps import steps_folders
from i2i.ranks.launching import WHOLE, Share, end_with_parent, run_ranks, share_from_environment, this_command
from i2i.runtimes.engines import ENGINES

if TYPE_CHECKING:
    from i2i.inference.places import Plan
    from i2i.inference.translator import Translator
    from i2i.plugins import Catalog
    from i2i.recipe import Recipe

MANY = 500
"""Pictures from which on engines are worth a trial: making a model ready for one takes about ten seconds."""
FORMATS = ("png", "jpeg", "webp", "tiff", "avif")


class _Place(click.Path):
    """A path. An empty text, such as a variable that is not set leaves, would be read as the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            raise UsageError(f"{param.opts[0] if param else 'path'}: empty; . is the current folder")
        return super().convert(value, param, ctx)


PATH = _Place(path_type=Path)
SUGAR = {"--direction": "direction", "--class": "class_name"}
"""Flag → translate option."""


SECTIONS = {
    "What translates": "--plugin --run --best --weights --config --set --direction --self-ensemble --scale",
    "Pictures to translate": "--src --glob --mask --frames",
    "Pictures made out of nothing": "--count --interpolate --grid --class",
    "What is written": "--dst --suffix --format --quality --colours --background --save-every",
    "What is done again, and at a picture that fails": "--force --verify --on-error --max-bad --dry-run --watch",
    "Device and memory": "--device --devices --precision --runtime --batch --memory --tile --tile-norms --seed",
    "Limits of a picture": "--max-pixels --max-bytes --max-seconds",
}
"""Heading of `--help` → options."""


@click.command(cls=Sectioned, sections=SECTIONS, short_help="Translate pictures, or sample new ones, with trained "
               "weights.")  # fmt: skip
@click.option("--plugin", help="Recipe whose newest finished run, or shipped weights, to use; where its model needs "
              "none, the recipe itself.")  # fmt: skip
@click.option("--config", type=PATH, help="YAML file laid over the recipe of a model that needs no weights.")
@click.option("--run", type=PATH, help="Run folder whose newest weights to use.")
@click.option("--best", is_flag=True, help="With --run: its best weights by what validations found, not its newest.")
@click.option("--weights", type=WEIGHTS, help="Weights file (.safetensors) to use, or one that i2i export wrote "
              "(.onnx), or its address, hf://… or https://…; with a --plugin that reads others' files, such as "
              "spandrel, also one of those (.pth).")  # fmt: skip
@click.option("--src", "sources", type=PATH, multiple=True, help="Folder, file, archive (.tar, .zip, "
              "shards such as 'photos-{000..009}.tar') or URL of pictures to translate; may be repeated.")  # fmt: skip
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
@click.option("--class", "class_name", metavar="NAME", help="Class of the pictures made; the "
              "same as --set translate.class_name=NAME.")  # fmt: skip
@click.option("--dst", "destination", type=PATH, required=True, help="Folder to write to, or an archive (.tar) "
              "to pack at the end. Translations keep their names and folders; pictures made are numbered.")  # fmt: skip
@click.option("--direction", help="Which way to translate; the same as --set translate.direction=NAME.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A translate option, translate.KEY=VALUE; "
              "of a model that needs no weights also model.KEY=VALUE.")  # fmt: skip
@click.option("--save-every", type=click.IntRange(1), metavar="K", help="Also write what translations look like after "
              "every K iterations, to NAME-steps/ beside them, where the model makes them step by step.")  # fmt: skip
@click.option("--suffix", default="", metavar="TEXT", help="Put behind each name: with _monet photo.jpg becomes "
              "photo_monet.jpg.")  # fmt: skip
@click.option("--format", "file_format", type=click.Choice(["same", *FORMATS]), default="same", show_default=True,
              help="File format of the translations. Where two pictures of a folder would get the same name, each "
              "keeps its old suffix: x.jpg.png.")  # fmt: skip
@click.option("--quality", type=click.IntRange(1, 100), help="Of JPEG, WebP, AVIF and HEIC; without it nearly nothing "
              "is lost.")  # fmt: skip
@click.option("--colours", type=click.Choice(["source", "srgb", "as-stored"]), default="source", show_default=True,
              help="Of a picture with a colour profile: to sRGB for the model and back; to sRGB for good; or its "
              "levels as they are. The profile is written with the first and the last.")  # fmt: skip
@click.option("--frames", "frames_asked", type=click.Choice(["all", "first"]), default="all", show_default=True,
              help="Of animations and files of several pages.")  # fmt: skip
@click.option("--memory", metavar="SIZE", help="What may be taken in all, such as 3GB: of main memory by the "
              "process, of a GPU's by the model. Larger pictures are translated in tiles. Without it: most of what is "
              "free.")  # fmt: skip
@click.option("--tile", "side", type=click.IntRange(1), metavar="PIXELS", help="Translate pictures larger than this in "
              "tiles of at most this side, whatever memory there is.")  # fmt: skip
@click.option("--tile-norms", "norms", type=click.Choice(["quick", "exact"]), default="quick", show_default=True,
              help="In tiles of a model whose norms look at the whole picture: from it made smaller, or from all of it "
              "as without tiles, which takes longer.")  # fmt: skip
@click.option("--force", is_flag=True, help="Do everything anew, and replace what is there, ours or not.")
@click.option("--verify", is_flag=True, help="Compare what was done before with its hashes; do anew what is damaged.")
@click.option("--on-error", type=click.Choice(["skip", "stop"]), default="skip", show_default=True,
              help="What to do at a picture that cannot be translated.")  # fmt: skip
@click.option("--max-bad", type=click.IntRange(0), metavar="N", help="Stop after more than N of them.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and where it would go.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs: what was, or would be, done.")
@click.option("--watch", is_flag=True, help="Go on translating what arrives in --src, until stopped.")
@click.option("--max-pixels", type=click.IntRange(1), metavar="N", default=LIMITS.pixels, show_default=True,
              help="Pictures of more pixels are refused.")  # fmt: skip
@click.option("--max-bytes", type=click.IntRange(1), metavar="N", default=LIMITS.file_bytes, show_default=True,
              help="Larger files are refused.")  # fmt: skip
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), metavar="S", default=LIMITS.seconds,
              show_default=True, help="To read one picture.")  # fmt: skip
@click.option("--devices", type=click.IntRange(1), metavar="N", help="Share the pictures among N processes: one a "
              "GPU, or with a share of the cores. Under torchrun and SLURM that happens by itself.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1), help="Pictures of one size at a time; without it as many as seem "
              "good, fewer where memory runs out.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all chance; picture i made is a "
              "function of the seed and i, whatever the batch.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
              help="Where to compute; auto takes a GPU where PyTorch finds one.")  # fmt: skip
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True,
              help="Of the networks' arithmetic; auto takes bf16 where the device has it, it is faster, the first "
              "picture stays within 40 dB of fp32, and pictures have 8 bits.")  # fmt: skip
@click.option("--runtime", type=click.Choice(["auto", "torch", *ENGINES]), default="auto", show_default=True,
              help=f"What computes; from {MANY} pictures on auto takes the fastest of what is installed, and says "
              "so.")  # fmt: skip
@click.option("--background", help="Colour to lay transparent pictures over before a model repaints them, and where "
              "the file format holds no transparency. Without it transparency is kept, or is laid over "
              "white.")  # fmt: skip
@stopping_on_signals()
def translate(plugin: str | None, config: Path | None, run: Path | None, weights: Any, **given: Any) -> None:
    """Translate pictures of any size; what is in the sources is never changed, and nothing in --dst that is not ours.

    --dst mirrors the tree below what all --src have in common: what lies in photos/ goes straight into --dst, while
    a/x.jpg and b/x.jpg of --src a --src b become --dst/a/x.jpg and --dst/b/x.jpg. A picture keeps its name, its file
    format, its transparency, 16 bits, colour profile, resolution and metadata, where the format holds them; what looks
    sideways by its EXIF orientation is turned upright. An animation or a file of several pages is translated frame by
    frame. A model that restores, such as one for super-resolution, keeps grey grey; one that fills paints what is
    transparent or shown by --mask, and leaves all other pixels as they are.

    What is done is noted in --dst/.i2i-manifest.jsonl: run the same command again, after an end of any kind, and only
    what is missing or has changed is done. A file that cannot be translated is reported and the rest is done (exit code
    3). A model that makes pictures out of nothing takes --count instead and writes 00000.png, 00001.png and so on.

    \b
    i2i translate --plugin cyclegan-light --src photos/ --dst out/
    i2i translate --run my-run --direction target-to-source --src paintings/ --dst photos-again/
    i2i translate --weights monet.safetensors --src a.jpg --src b.png --dst out/
    i2i translate --plugin srgan --src small/ --glob '*_LR.png' --dst large/
    i2i translate --plugin srgan --src scans/ --dst large/ --format tiff --suffix _x4 --memory 3GB
    i2i translate --plugin pix2pix-holes --src scratched/ --mask scratches/ --dst mended/
    i2i translate --plugin gatys --set model.style=starry.jpg --src photos/ --dst painted/
    i2i translate --plugin dcgan --count 64 --seed 7 --grid --dst faces/
    i2i translate --plugin dcgan --count 8 --interpolate 50 --dst walk/
    """
    sampling = asked_for(*(given[name] for name in ("sources", "count", "frames", "grid", "class_name", "save_every")))
    share = share_from_environment(os.environ)
    refuse_flags(sampling, share, given)
    end_with_parent(os.environ)

    from i2i.plugins import discover
    from i2i.recipe import Settings

    catalog, settings = discover(), Settings.sorted(given["overrides"])
    sugar = [(flag, name, given[name]) for flag, name in SUGAR.items() if given[name] is not None]
    archive = tar_of(given["destination"]) if sampling is None else None
    destination = given["destination"] if archive is None else parts_of(archive)
    require_folder(destination)
    if sampling is not None and not given["force"]:
        refuse_replacing(sampling, destination)
    jobs = _planned(destination, given) if sampling is None else None
    steps = steps_folders(list(jobs)) if jobs is not None and given["save_every"] is not None else {}
    if share == WHOLE and (given["devices"] or 1) > 1:
        command = this_command(sys.argv[1:])
        sys.exit(run_ranks(given["devices"], command, os.environ, lambda line, error: click.echo(line, err=error)))

    from i2i.inference.choosing import choose_weights, require_scale

    extra = [(flag, f"translate.{name}", value) for flag, name, value in sugar]
    source, why = choose_weights(catalog, plugin, weights, run, config, settings, extra, given["best"])
    if given["runtime"] == "auto" and not (jobs is not None and jobs.total >= MANY) and not _is_exported(source):
        given["runtime"] = "torch"
    translator = _loaded(source, catalog, share, destination, {**given, "plugin": plugin})
    usage = _command(destination, settings.model, plugin=plugin, config=config, run=run, weights=weights)
    refuse_misuse(translator, sampling, usage)
    if given["masks"] is not None:
        translator.require_filling(f"--mask {given['masks']}")
    if given["scale"] is not None:
        require_scale(translator, given["scale"], catalog)
    using = f"{translator.name}: {why}"
    if isinstance(source, Path):  # a recipe has the options in it
        translator = translator.with_options(**settings.options(), **{name: value for _, name, value in sugar})
        using = f"{translator.name}, step {translator.header['step']}: {source} ({why})"
    ours = f"this is {share}, which translates its share of the pictures alone"
    using = "\n".join([using, *translator.remarks, *([] if share == WHOLE else [ours])])
    if jobs is not None:
        sys.exit(_translate_files(translator, jobs, steps, share, using, archive, given))
    assert sampling is not None
    _sample(translator, sampling, using, given)


def _is_exported(source: Path | Recipe) -> bool:
    return isinstance(source, Path) and source.suffix.lower() == ".onnx"


def _planned(destination: Path, given: Mapping[str, Any]) -> Plan:
    naming = Naming(given["suffix"], given["file_format"])
    jobs = plan(given["sources"], destination, given["globs"], naming, may_be_empty=given["watch"])
    return jobs if given["masks"] is None else with_masks(jobs, given["masks"])


def _loaded(
    source: Path | Recipe, catalog: Catalog, share: Share, destination: Path, given: Mapping[str, Any]
) -> Translator:
    """The model as the flags want it, on this process's device and within its part of the memory."""
    from i2i.inference.computation import Tiles
    from i2i.inference.loading import load
    from i2i.tiling.memory import parsed, settle

    device, memory = _device(given["device"], share), None if given["memory"] is None else parsed(given["memory"])
    if memory is not None:
        settle()  # it takes some time, and a process of its own may decide how memory is given back
        memory = memory if device.startswith("cuda") else memory // share.local_ranks
    tiles = Tiles(memory, given["side"], given["norms"], destination, share.local_ranks)
    limits = Limits(pixels=given["max_pixels"], file_bytes=given["max_bytes"], seconds=given["max_seconds"])
    allow_pixels(limits.pixels)
    allow_metadata(limits.metadata_bytes)
    where = {name: given[name] for name in ("plugin", "precision", "runtime", "background", "colours", "self_ensemble")}
    translator = load(source, catalog=catalog, device=device, tiles=tiles, limits=limits, **where)
    made_of = f"weights: {source}" if isinstance(source, Path) else f"recipe {source.name}, without weights"
    detail(f"computes on {translator.runtime.device} in {translator.runtime.precision}; {made_of}")
    return translator


def _translate_files(
    translator: Translator,
    jobs: Plan,
    steps: Mapping[Path, Path],
    share: Share,
    using: str,
    archive: Path | None,
    given: Mapping[str, Any],
) -> int:
    from i2i.cli.batch import Order, carry_out, foretell, pack_up, watch
    from i2i.images.formats import Encoding
    from i2i.inference.files import Files
    from i2i.inference.manifest import Manifest, settings_hash

    if given["dry_run"]:
        remark(using)
    else:
        _begin(jobs.destination, using)
    names = ("seed", "frames_asked", "file_format", "quality", "save_every")
    settings = settings_hash({**translator.settings, **{name: given[name] for name in names}})
    with Manifest.open(jobs.destination, settings, write=not given["dry_run"]) as manifest:
        for line in (*manifest.remarks, *(manifest.others if share == WHOLE else ())):
            warn(line)
        encoding = Encoding(given["quality"], given["background"] or "white")
        files = Files(translator, manifest, encoding, given["batch"], given["seed"], given["frames_asked"])
        max_bad = 0 if given["on_error"] == "stop" else given["max_bad"]
        how = {"verify": given["verify"], "force": given["force"], "as_json": given["as_json"]}
        order = Order(jobs, files, share=share, steps=steps, every=given["save_every"], max_bad=max_bad, **how)
        if given["dry_run"]:
            foretell(order)
        elif given["watch"]:
            watch(order)
        else:
            code = carry_out(order)
            if archive is not None:
                pack_up(order, archive, complete=code == 0)
            return _for_launcher(code)
    return 0


def _sample(translator: Translator, sampling: Sampling, using: str, given: Mapping[str, Any]) -> None:
    """Make pictures out of nothing, and say so."""
    destination, batch = given["destination"], given["batch"] or 1
    pictures = drawn(translator, sampling, batch, given["seed"])
    _begin(destination, using)
    told = write_all(pictures, sampling, destination, batch)
    if given["as_json"]:
        answer_json({"destination": str(destination), "made": sampling.total, "also": sampling.extras})
    (remark if given["as_json"] else report)(told)
    if (older := left_from_before(sampling, destination)) is not None:
        remark(older)


def _for_launcher(code: int) -> int:
    if code == 3 and "TORCHELASTIC_RUN_ID" in os.environ:
        remark("ended with exit code 0, as torchrun would stop the other ranks at 3")
        return 0
    return code


def _device(name: str, share: Share) -> str:
    """This process's device: of several of a kind, one for each process."""
    import torch

    if name not in ("auto", "cuda") or not torch.cuda.is_available():
        return name
    return "cuda" if share == WHOLE else f"cuda:{share.cuda_index(torch.cuda.device_count())}"


def _begin(destination: Path, using: str) -> None:
    """Make the folder and say with what it is filled."""
    make_destination(destination)
    remark(using)


def _command(destination: Path, settings: Sequence[str], **weights: object) -> str:
    """The command that uses these weights or does without, as a user would type it, without what it is to do."""
    flags = [part for name, value in weights.items() if value is not None for part in (f"--{name}", str(value))]
    flags += [part for text in settings for part in ("--set", text)]
    return shlex.join(["i2i", "translate", *flags, "--dst", str(destination)])
