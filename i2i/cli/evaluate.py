"""`i2i evaluate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.figures import show_pairs, show_sets
from i2i.cli.progress import counting, stopping_on_signals
from i2i.cli.saying import answer, remark, warn
from i2i.cli.sections import Sectioned
from i2i.cli.weights import WEIGHTS
from i2i.errors import BrokenPicture, UsageError, counted
from i2i.evaluation.pairing import Pairing, chosen_pictures, paired, rewrite_from
from i2i.inference.places import make_destination

if TYPE_CHECKING:
    from i2i.evaluation.paired import Ruler
    from i2i.features.lpips import LPIPS
    from i2i.inference.translator import Translator

PATH = click.Path(path_type=Path)
SHOWN = 10
"""Files that could not be evaluated, listed for people."""
OF_PAIRS = ("match", "scale", "border", "lpips", "lpips_weights", "lpips_heads", "csv_file")
OF_SETS = ("features", "features_weights")
OF_MODELS = ("plugin", "run", "weights")


SECTIONS = {
    "Pictures": "--pred --src --target --glob",
    "What translates, in place of --pred": "--plugin --run --best --weights --set --self-ensemble",
    "Pairs": "--match --scale --border --lpips --lpips-weights --lpips-heads",
    "Sets": "--unpaired --features --features-weights",
    "Device": "--device --precision --batch --seed",
    "What is written": "--json --csv",
}
"""Heading of `--help` → options."""


@click.command(
    cls=Sectioned, sections=SECTIONS, short_help="Measure how good pictures are: PSNR, SSIM, LPIPS, KID, FID."
)
@click.option("--pred", type=PATH, help="Folder or file of the pictures to measure.")
@click.option("--target", type=PATH, required=True, help="Folder or file of what they should look like.")
@click.option("--plugin", help="Instead of --pred: translate --src as `i2i translate` would with this recipe.")
@click.option("--run", type=PATH, help="The same with the newest weights of a run folder.")
@click.option("--best", is_flag=True, help="With --run: its best weights by what validations found, not its newest.")
@click.option("--weights", type=WEIGHTS, help="The same with a weights file (.safetensors), or its address, hf://… or "
              "https://….")  # fmt: skip
@click.option("--src", type=PATH, help="What to translate; with --pred what the pictures were made from. Enlarged by "
              "the bicubic filter, it is measured beside them.")  # fmt: skip
@click.option("--glob", "globs", multiple=True, metavar="PATTERN", help="Of --pred, or of what is translated, only "
              "pictures whose name fits, such as '*_LR.png'; may be repeated.")  # fmt: skip
@click.option("--match", multiple=True, metavar="OLD=NEW", help="A target's name has NEW where its picture's has OLD: "
              "_LR=_HR; other pictures are passed over. May be repeated.")  # fmt: skip
@click.option("--scale", type=click.IntRange(1), metavar="N", help="How many times larger the pictures are than what "
              "they were made from; known with weights or with --src.")  # fmt: skip
@click.option("--border", type=click.IntRange(0), metavar="N", show_default="the scale", help="Pixels to leave "
              "out on each side.")  # fmt: skip
@click.option("--lpips", type=click.Choice(["squeeze", "alex", "vgg", "none"]), help="Network of LPIPS.", show_default=
              "squeeze where its files are here already")  # fmt: skip
@click.option("--lpips-weights", type=PATH, metavar="FILE", help="File of that network, in place of the published one.")
@click.option("--lpips-heads", type=PATH, metavar="FILE", help="File of what LPIPS learned, likewise.")
@click.option("--unpaired", is_flag=True, help="Compare the sets, not pairs: KID and FID. Needs `i2i[evaluate]`.")
@click.option("--features", type=click.Choice(["inception", "squeezenet1_1", "vgg19", "random"]), help="Of KID and "
              "FID. Figures of different features cannot be compared.", show_default="inception")  # fmt: skip
@click.option("--features-weights", type=PATH, metavar="FILE", help="File of these, in place of the published one.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A translate option, translate.KEY=VALUE; "
              "of a model that needs no weights also model.KEY=VALUE.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Pictures of one size at a time.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of a translation's chance.")
@click.option("--self-ensemble", is_flag=True, help="Translate each picture in its 8 flips and rotations and take the "
              "mean.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
              help="Where to compute; auto takes a GPU where PyTorch finds one.")  # fmt: skip
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True,
              help="Of the networks' arithmetic; bf16 is faster where the device has it.")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", help="Also write everything as JSON, for programs; `-`: "
              "print that instead.")  # fmt: skip
@click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Also write a line a picture.")
@stopping_on_signals()
def evaluate(target: Path, unpaired: bool, **given: Any) -> None:
    """Measure pictures against what they should look like, pair by pair: PSNR and SSIM on Y and RGB, LPIPS.

    Names pair by their path without suffix. Nothing is written but --json and --csv; the protocol is printed with the
    figures. What cannot be read or does not pair is listed and the rest is measured (exit code 3).

    \b
    i2i evaluate --pred big --target hr --src lr
    i2i evaluate --pred big --target Set5 --match _LR=_HR --scale 4 --json -
    i2i evaluate --weights x4.safetensors --src Set5 --target Set5 --match _LR=_HR --csv set5.csv
    i2i evaluate --pred painted --target paintings --unpaired
    """
    _refuse_misuse(unpaired, given)
    # refused before anything is loaded
    pictures = given["pred"] or given["src"]
    if unpaired:
        chosen, targets = chosen_pictures(pictures, given["globs"]), chosen_pictures(target)
    else:
        found = paired(pictures, target, given["src"], given["globs"], rewrite_from(given["match"]))

    for name in ("json_file", "csv_file"):
        if given[name] is not None and str(given[name]) != "-":
            make_destination(Path(given[name]).parent)
    translator, made_by = (None, "") if given["pred"] is not None else _translator(given)
    if unpaired:
        refused = _compare_sets(chosen, targets, translator, made_by, given)
    else:
        refused = _compare_pairs(found, translator, made_by, given)
    if refused:
        sys.exit(3)


def _refuse_misuse(unpaired: bool, given: dict[str, Any]) -> None:
    models = [name for name in OF_MODELS if given[name] is not None]
    if given["pred"] is None and not models:
        raise UsageError(
            "say what to measure: --pred DIR, or --src DIR with --plugin NAME, --run DIR or --weights FILE"
        )
    for name in (*models, "best", "overrides", "self_ensemble"):
        if given["pred"] is not None and given[name]:
            raise UsageError(f"--pred and {_flag(name)}: either measure pictures or translate them, not both")
    if given["pred"] is None and given["src"] is None:
        raise UsageError(f"--{models[0]} also needs --src DIR: what to translate")
    for name in OF_PAIRS if unpaired else OF_SETS:
        if given[name]:
            raise UsageError(f"{_flag(name)}: {'leave --unpaired out' if unpaired else 'needs --unpaired'}")
    if unpaired and given["pred"] is not None and given["src"] is not None:
        raise UsageError("--src is for pairs, or for weights to translate: sets of pictures have no originals")
    if given["lpips"] == "none" and (given["lpips_weights"] or given["lpips_heads"]):
        raise UsageError("--lpips none reads no file; leave --lpips-weights and --lpips-heads out")
    for name in ("json_file", "csv_file"):
        if given[name] is not None and Path(given[name]).is_dir():
            raise UsageError(f"{given[name]}: is a folder; {_flag(name)} is a file to write")


def _flag(name: str) -> str:
    return "--set" if name == "overrides" else "--" + name.removesuffix("_file").replace("_", "-")


def _translator(given: dict[str, Any]) -> tuple[Translator, str]:
    """What translates, and that in words."""
    from i2i.inference.choosing import choose_weights, require_scale
    from i2i.inference.loading import load
    from i2i.plugins import discover
    from i2i.recipe import Settings

    settings, catalog = Settings.sorted(given["overrides"]), discover()
    source, why = choose_weights(
        catalog, given["plugin"], given["weights"], given["run"], settings=settings, best=given["best"]
    )
    options = {name: given[name] for name in ("plugin", "device", "precision", "self_ensemble")}
    translator = load(source, catalog=catalog, **options)
    if given["scale"] is not None:
        require_scale(translator, given["scale"], catalog)
    using = f"{translator.name}: {why}"
    if isinstance(source, Path):
        translator = translator.with_options(**settings.options())
        using = f"{translator.name}, step {translator.header['step']}: {source} ({why})"
    _remark(using, *translator.remarks)
    how = f"{translator.runtime.precision}{', self-ensemble' if translator.self_ensemble else ''}"
    return translator, f"{using}, {how}"


def _compare_pairs(
    found: Pairing, translator: Translator | None, made_by: str, given: dict[str, Any]
) -> Sequence[BrokenPicture]:
    from i2i.evaluation import report
    from i2i.evaluation.paired import Evaluation, measured, read, translated

    remarks = _remarks_on(found)
    ruler, border_is = _ruler(found, translator, given, remarks)
    _remark(*remarks)
    if translator is None:
        predicted = read(found.pairs)
    else:
        predicted = translated(translator, found.pairs, given["batch"], given["seed"])
    results: list[Any] = []
    with counting(len(found.pairs), "evaluated", results, "evaluated") as counter, closing(predicted):
        for result in measured(predicted, ruler):
            results.append(result)
            counter.count(len(results))
    evaluation = Evaluation.of([*results, *found.single])
    protocol = report.paired_protocol(ruler, border_is, made_by)
    if given["json_file"] != "-":
        show_pairs(evaluation, protocol)
    _list(evaluation.refused)
    if given["csv_file"] is not None:
        _write(given["csv_file"], report.as_csv(evaluation))
    _give_out(given["json_file"], report.paired_data(evaluation, ruler, protocol, remarks))
    return evaluation.refused


def _remarks_on(found: Pairing) -> list[str]:
    remarks = []
    if found.passed_over:
        remarks.append(f"{counted(found.passed_over, 'picture')} passed over: --match replaces nothing in their names")
    if found.spare:
        remarks.append(f"{counted(found.spare, 'target')} without a picture")
    return remarks


def _ruler(
    found: Pairing, translator: Translator | None, given: dict[str, Any], remarks: list[str]
) -> tuple[Ruler, str]:
    """By what to measure, and why with this border."""
    from i2i.evaluation.paired import Ruler, scale_of

    scale, has_originals = given["scale"], given["src"] is not None
    if translator is not None:
        scale = translator.geometry.scale
    elif scale is None and has_originals:
        scale = scale_of(found.pairs)
    border, border_is = given["border"], "as asked for"
    if border is None:
        border, border_is = (scale, "the scale") if scale and scale > 1 else (0, "nothing was enlarged")
        if scale is None:
            border_is = "the scale is not known: give --scale" + ("" if has_originals else " or --src")
            remarks.append(f"no border is cropped: {border_is}")
    lpips, told = _lpips(given)
    remarks += told
    originals = sum(pair.original is not None for pair in found.pairs)
    if has_originals and not originals:
        raise UsageError(f"{given['src']}: holds none of the pictures' originals; they have a picture's name, or else "
                         "its target's")  # fmt: skip
    if has_originals and originals < len(found.pairs):
        remarks.append(f"{len(found.pairs) - originals} of {len(found.pairs)} pictures have no original in --src")
    baseline: Any = "originals" if originals else "targets" if not has_originals and (scale or 1) > 1 else None
    return Ruler(scale, border, lpips, baseline), border_is


def _lpips(given: dict[str, Any]) -> tuple[LPIPS | None, list[str]]:
    """The network, and which it is or why there is none."""
    if given["lpips"] == "none":
        return None, []
    from i2i.features.lpips import HEADS, LPIPS, LPIPSOptions
    from i2i.training.runtime import Runtime

    files = {name: given[f"lpips_{name}"] for name in ("weights", "heads")}
    options = LPIPSOptions(
        backbone=given["lpips"] or "squeeze", **{name: path and str(path) for name, path in files.items()}
    )
    network = LPIPS(options)
    published = {"weights": network.network.published, "heads": HEADS[options.backbone]}
    lacking = [name for name, path in files.items() if path is None and not published[name].is_here]
    if given["lpips"] is None and lacking and not any(files.values()):
        return None, [
            f"without LPIPS, as {' and '.join(published[name].name for name in lacking)} would have to be fetched: "
            "--lpips squeeze does, or give --lpips-weights FILE and --lpips-heads FILE"
        ]
    network.prepare()
    return network.to(Runtime.choose(given["device"], given["precision"]).device), [network.remark]


def _compare_sets(
    chosen: Sequence[Path],
    targets: Sequence[Path],
    translator: Translator | None,
    made_by: str,
    given: dict[str, Any],
) -> Sequence[BrokenPicture]:
    from i2i.evaluation import report, unpaired
    from i2i.training.runtime import Runtime

    device = Runtime.choose(given["device"], given["precision"]).device
    features = unpaired.build(given["features"] or "inception", given["features_weights"], device)
    batch = given["batch"]
    if translator is None:
        ours = unpaired.read(chosen, batch)
    else:
        ours = unpaired.translated(translator, chosen, batch, given["seed"])
    results: list[Any] = []
    refused: list[BrokenPicture] = []
    sets: list[Any] = []
    with counting(len(chosen) + len(targets), "described", results, "described") as counter:
        for reads in (ours, unpaired.read(targets, batch)):
            begin = len(results)
            with closing(reads):
                for result in unpaired.described(reads, features, batch):
                    if isinstance(result, BrokenPicture):
                        refused.append(result)
                    else:
                        results.append(result)
                    counter.count(len(results) + len(refused))
            sets.append(results[begin:])
    _list(refused)
    found = unpaired.distances(*sets)
    protocol = report.unpaired_protocol(features, found, made_by)
    _remark(*found.remarks)
    if given["json_file"] != "-":
        show_sets(found, protocol)
    _give_out(given["json_file"], report.unpaired_data(found, protocol, found.remarks, refused))
    return refused


def _give_out(file: str | None, data: dict[str, Any]) -> None:
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    if file == "-":
        answer(text.rstrip("\n"))
    elif file is not None:
        _write(Path(file), text)


def _write(path: Path, text: str) -> None:
    from i2i.disk.drafts import complete_or_not_at_all

    with complete_or_not_at_all(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))  # a file's name need not be text


def _list(refused: Sequence[BrokenPicture]) -> None:
    lines = [f"not evaluated: {broken}" for broken in refused[:SHOWN]]
    if len(refused) > SHOWN:
        lines.append(f"and {len(refused) - SHOWN} more; --json lists all")
    for line in lines:
        warn(line)


def _remark(*lines: str) -> None:
    for line in lines:
        remark(line)
