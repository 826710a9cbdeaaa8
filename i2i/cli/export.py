"""`i2i export`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from i2i.cli.saying import answer_json, remark, report
from i2i.cli.weights import WEIGHTS
from i2i.errors import UsageError

if TYPE_CHECKING:
    from i2i.inference.published import Published
    from i2i.inference.translator import Translator
    from i2i.plugins import Catalog
    from i2i.recipe import Recipe
    from i2i.runtimes.exporting import Exported

PATH = click.Path(path_type=Path)
OWN_FORMS = ("onnx", "torch-export")
SAME = 1e-3
"""Levels below which nobody needs a figure."""


class FormType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """One of i2i's own forms, or one that an installed model declares."""

    name = "form"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fails with all forms that there are."""
        if value not in OWN_FORMS and value not in (known := forms()):
            self.fail(f"{value!r} is not one of {', '.join(map(repr, known))}.", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """All forms that begin so."""
        return [CompletionItem(form) for form in forms() if form.startswith(incomplete)]


def forms() -> list[str]:
    """i2i's own, and those that installed models declare."""
    from i2i.plugins import discover

    models = discover().entries["model"].values()
    return [*OWN_FORMS, *sorted({form for entry in models for form in entry.value.write_foreign})]


@click.command(short_help="Write a model's translation into a file for other runtimes.")
@click.argument("file", type=PATH)
@click.option("--to", "form", type=FormType(), metavar="FORM", required=True, help="Form of the file: onnx "
              "(NAME.onnx), which i2i reads too; torch-export (NAME.pt2), for torch elsewhere; or one that the model's "
              "plugin declares, such as published-cyclegan (NAME.pth), as others' code loads it.")  # fmt: skip
@click.option("--plugin", help="Recipe whose newest finished run, or shipped weights, to export; where its model needs "
              "none, the recipe itself.")  # fmt: skip
@click.option("--run", type=PATH, help="Run folder whose newest weights to export.")
@click.option("--best", is_flag=True, help="With --run: its best weights by what validations found, not its newest.")
@click.option("--weights", type=WEIGHTS, help="Weights file (.safetensors) to export, or its address, hf://… or "
              "https://….")  # fmt: skip
@click.option("--direction", help="Which way to translate; the same as --set translate.direction=NAME.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A translate option, translate.KEY=VALUE, "
              "which the file keeps for good; of a model that needs no weights also model.KEY=VALUE.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Say what was written as JSON, for programs.")
def export(file: Path, form: Any, plugin: str | None, run: Path | None, weights: Any, **given: Any) -> None:
    """Write a model's translation into FILE: one that other programs run without i2i, and without its plugin.

    Any number of pictures of any size goes in, where the model allows it: float32 (batch, channels, height, width) in
    [0, 1]; translate options are fixed. What is written is read back, and its answers are compared with torch's.
    In a form that a plugin declares, FILE holds the network's tensors alone, under the names of others' code.

    \b
    i2i export --plugin srgan --to onnx srgan.onnx
    i2i translate --weights srgan.onnx --src small/ --dst large/
    i2i export --run my-run --direction target-to-source --to torch-export photos.pt2
    i2i export --plugin cyclegan-digits --to published-cyclegan latest_net_G.pth
    """
    from i2i.inference.choosing import choose_weights
    from i2i.plugins import discover
    from i2i.recipe import Settings
    from i2i.runtimes.files import SUFFIXES, refuse

    refuse(file, form, given["force"])
    catalog, settings = discover(), Settings.sorted(given["overrides"])
    sugar = {} if given["direction"] is None else {"direction": given["direction"]}
    extra = [("--direction", f"translate.{name}", value) for name, value in sugar.items()]
    source, why = choose_weights(catalog, plugin, weights, run, None, settings, extra, given["best"])
    _refuse_exported(source)
    if form not in SUFFIXES:
        _export_published(catalog, source, why, form, file, {**settings.options(), **sugar}, given)
        return

    from i2i.inference.loading import load
    from i2i.runtimes.exporting import export as write

    translator = load(source, plugin=plugin, catalog=catalog, device="cpu")
    if isinstance(source, Path):
        translator = translator.with_options(**settings.options(), **sugar)
    remark(f"{translator.name}: {source if isinstance(source, Path) else 'recipe'} ({why})")
    made = write(
        translator.model, translator.header, translator.options, translator.fingerprint, file, form, given["force"]
    )
    if given["as_json"]:
        answer_json(_told(made, translator, form))
        return
    report(f"{file}: {translator.name}, {_size(made)}; {_compared(made)}")
    if form == "onnx":
        report(f"next: i2i translate --weights {shlex.quote(str(file))} --src PICTURES --dst OUT")


def _export_published(
    catalog: Catalog, source: Path | Recipe, why: str, form: str, file: Path, options: dict[str, Any], given: Any
) -> None:
    from i2i.inference.published import export_published

    if not isinstance(source, Path):
        raise UsageError(f"--to {form}: {source.name} needs no weights, and has none to write")
    made = export_published(catalog, source, form, file, options, given["force"])
    remark(f"{made.name}: {source} ({why})")
    if given["as_json"]:
        answer_json(_told_published(made, form))
        return
    report(f"{file}: {made.name}, {made.bytes / 1e6:.1f} MB, {made.tensors} tensors as {form}")


def _told_published(made: Published, form: str) -> dict[str, Any]:
    return {
        "file": str(made.path),
        "form": form,
        "recipe": made.name,
        "step": made.step,
        "options": made.options.model_dump(mode="json"),
        "bytes": made.bytes,
        "tensors": made.tensors,
    }


def _refuse_exported(source: object) -> None:
    if isinstance(source, Path) and source.suffix.lower() == ".onnx":
        raise UsageError(f"{source}: is an exported file already; export from the weights that it was made of")


def _size(made: Exported) -> str:
    return f"{made.bytes / 1e6:.1f} MB"


def _compared(made: Exported) -> str:
    """How near it comes to torch, in words."""
    sizes = " and ".join(f"{one.batch} of {one.width}×{one.height}" for one in made.compared)
    worst = made.difference
    said = f"less than {SAME:g}" if worst < SAME else f"{worst:.2g}"
    return f"its answers differ from torch's by {said} of a level of 255 at most (compared: {sizes} pixels)"


def _told(made: Exported, translator: Translator, form: str) -> dict[str, Any]:
    return {
        "file": str(made.path),
        "form": form,
        "recipe": translator.name,
        "step": translator.header["step"],
        "options": translator.options.model_dump(mode="json"),
        "bytes": made.bytes,
        "largest_difference_in_levels": made.difference,
        "compared": [asdict(one) for one in made.compared],
    }
