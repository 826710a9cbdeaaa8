"""What a shell offers for a word that is being typed. Nothing here imports torch; what goes wrong offers nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from i2i.training.layout import RUNS

if TYPE_CHECKING:
    from i2i.contracts import Options
    from i2i.plugins import Catalog

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
RECIPE_FILE = "recipe.yaml"
WEIGHTS_SUFFIX = ".safetensors"
TRANSLATING = ("translate", "evaluate")
"""Commands whose --set takes the options of a translation, and of a model that needs no weights."""


def recipes(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names for --plugin."""
    catalog = _catalog()
    return [
        CompletionItem(name, help=catalog.entries["recipe"][name].distribution)
        for name in catalog.names("recipe")
        if name.startswith(begun)
    ]


def trackers(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names for --log."""
    catalog = _catalog()
    return [
        CompletionItem(name, help=catalog.entries["tracker"][name].value.summary)
        for name in catalog.names("tracker")
        if name.startswith(begun)
    ]


def plugins(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Plugins that are installed, and folders, which a plugin may lie in."""
    from i2i.plugins import installed

    there = {plugin.name: plugin.distribution for plugin in installed()}
    found = [CompletionItem(name, help=package) for name, package in there.items() if name.startswith(begun)]
    return found or folders(context, parameter, begun)


def names(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Everything that `i2i plugins show` explains."""
    catalog = _catalog()
    packages = {entry.distribution: "package" for entry in catalog}
    known = packages | {entry.name: entry.kind for entry in catalog}
    return [CompletionItem(name, help=kind) for name, kind in sorted(known.items()) if name.startswith(begun)]


def runs(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Run folders below runs/ and here, the newest first; where none fits, folders."""
    found = [path.parent for place in (RUNS, Path()) for path in place.glob(f"*/{RECIPE_FILE}")]
    newest = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    fitting = [CompletionItem(str(path)) for path in newest if str(path).startswith(begun)]
    return fitting or folders(context, parameter, begun)


def weights(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Weights files, and the folders on the way to them."""
    return _below(begun, lambda path: path.suffix == WEIGHTS_SUFFIX)


def weights_or_runs(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For --init: both."""
    found = [item for item in runs(context, parameter, begun) if item.type == "plain"]
    return found + weights(context, parameter, begun)


def folders(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """As the shell completes folders."""
    return [CompletionItem(begun, type="dir")]


def paths(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """As the shell completes files and folders."""
    return [CompletionItem(begun, type="file")]


def keys(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For --set: `model.width=` and so on, of the recipe that --plugin or NAME says; of none the keys of every run."""
    if "=" in begun:
        return []
    plugin = context.params.get("plugin")
    if plugin is None and context.info_name == "show":
        plugin = next(iter(context.args), None)  # click has not come to arguments where an option lacks its value
    known = _keys(plugin)
    if context.info_name in TRANSLATING:
        known = {key: text for key, text in known.items() if key.startswith(("translate.", "model."))}
    return [CompletionItem(f"{key}=", help=text) for key, text in known.items() if key.startswith(begun)]


def _keys(plugin: str | None) -> dict[str, str]:
    """Dotted key → what it says."""
    from i2i.recipe import RunOptions, load_recipe

    if not plugin:
        return dict(_options("run", RunOptions))
    recipe = load_recipe(_catalog(), plugin)
    parts = {"model": recipe.model, "dataset": recipe.dataset, "trainer": recipe.trainer}
    parts |= {f"losses.{role}": loss for role, loss in recipe.losses.items() if loss is not None}
    found = {}
    for section, part in parts.items():
        found[f"{section}.use"] = part.entry.value.summary
        found.update(_options(section, part.entry.value.options))
    found.update((f"losses.{role}.weight", "what the loss is multiplied by") for role in recipe.losses)
    return {**found, **dict(_options("run", RunOptions)), **dict(_options("translate", type(recipe.translate)))}


def _options(section: str, options: type[Options]) -> Iterator[tuple[str, str]]:
    from i2i.cli.options import described

    for name, field in options.model_fields.items():
        inner = field.default
        if isinstance(inner, _options_type()):
            yield from _options(f"{section}.{name}", type(inner))
        else:
            yield f"{section}.{name}", described(field)


def _options_type() -> type[Options]:
    from i2i.contracts import Options

    return Options


def _catalog() -> Catalog:
    from i2i.plugins import discover

    return discover()


def _below(begun: str, is_wanted: Callable[[Path], bool]) -> list[CompletionItem]:
    """What lies where the word points to; a folder ends in a slash, and the word goes on."""
    place, _, name = begun.rpartition("/")
    folder = Path(place or ("/" if begun.startswith("/") else ".")).expanduser()
    front = f"{place}/" if "/" in begun else ""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(name) and (name or not path.name.startswith(".")):
            if path.is_dir():
                found.append(CompletionItem(f"{front}{path.name}/"))
            elif is_wanted(path):
                found.append(CompletionItem(f"{front}{path.name}"))
    return found


def safely(offer: Offer) -> Offer:
    """The same offer; nothing where it fails: whoever presses a key wants no traceback between the words."""

    def offered(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            return offer(context, parameter, begun)
        except Exception:  # a broken plugin, an unknown recipe, a folder that may not be read
            return []

    return offered
