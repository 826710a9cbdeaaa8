"""`i2i plugins show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from i2i.cli.options import commented, described
from i2i.cli.plugins.describing import plain
from i2i.cli.saying import answer_json
from i2i.contracts import DatasetSpec, LossSpec, ModelSpec, Options, Spec, TrainerSpec
from i2i.errors import UsageError
from i2i.plugins import CORE, HOOKS, LIMIT, Catalog, Entry, Installed, canonical, discover, installed, suggestion

KINDS = tuple(kind for kind, _ in HOOKS.values())


@click.command(short_help="Explain what a plugin brings, with every option.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def show(name: str, as_json: bool) -> None:
    """Explain what a plugin brings, with every option.

    NAME is a package, its entry point, or a model, loss, trainer, dataset, tracker or recipe. Of a broken package it
    says why.

    \b
    i2i plugins show i2i-cyclegan
    i2i plugins show lsgan
    """
    catalog, plugins = discover(), installed()
    whole = {plugin.distribution for plugin in plugins if plugin.known_as(name)}
    if canonical(name) == CORE:
        whole.add(CORE)
    entries = [entry for entry in catalog if entry.distribution in whole or entry.name == name]
    packages = sorted(whole | {entry.distribution for entry in entries})
    if not packages:
        known = [name for plugin in plugins for name in (plugin.name, plugin.distribution)]
        known += [entry.name for entry in catalog]
        hint = suggestion(name, known) or "; `i2i plugins list` lists what is"
        raise UsageError(f"no plugin, model, loss, trainer, dataset, tracker or recipe '{name}' is installed{hint}")
    if as_json:
        of = {package: [entry for entry in entries if entry.distribution == package] for package in packages}
        told = [plain(package, chosen, catalog, plugins) for package, chosen in of.items()]
        answer_json({"packages": told})
        return
    for number, package in enumerate(packages):
        chosen = [entry for entry in entries if entry.distribution == package]
        for line in (*([""] if number else []), *explained(package, chosen, catalog, plugins)):
            click.echo(line)


def explained(
    package: str, chosen: Sequence[Entry[Any]], catalog: Catalog, plugins: Sequence[Installed]
) -> Iterator[str]:
    """The lines of one package: where it is, what it brings, and the chosen ones of that in full."""
    brought = [entry for entry in catalog if entry.distribution == package]
    points = [plugin for plugin in plugins if plugin.distribution == package]
    version = points[0].version if points else brought[0].version
    yield click.style(f"{package} {version}", bold=True)
    yield from _columns(_facts(points, brought), "  ")
    for broken in catalog.broken:
        if broken.distribution == package:
            yield f"  {click.style('broken', fg='red')}: {broken.reason}"
    if any(plugin.distribution == package for plugin in catalog.left_out):
        yield f"  left out by {LIMIT}: nothing of it is loaded"
    for entry in chosen:
        yield ""
        yield from _entry(entry)
    if len(chosen) < len(brought):
        yield f"\n`i2i plugins show {package}` explains all that it brings"


def _facts(points: Sequence[Installed], brought: Sequence[Entry[Any]]) -> Iterator[tuple[str, str]]:
    modules = [plugin.module for plugin in points] or [CORE]
    yield "in", ", ".join(dict.fromkeys(map(_place, modules)))
    if points:
        yield "entry point", ", ".join(f"{plugin.name} = {plugin.module}" for plugin in points)
    for kind in KINDS:
        if names := [entry.name for entry in brought if entry.kind == kind]:
            yield kind, ", ".join(names)


def _place(module: str) -> str:
    """The folder or file of a module, looked up without running it."""
    package = module.partition(".")[0]
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        return f"no module '{package}'"
    place = Path(spec.origin)
    return str(place.parent if place.name == "__init__.py" else place)


def _entry(entry: Entry[Any]) -> Iterator[str]:
    spec, title = entry.value, click.style(f"{entry.kind} {entry.name}", bold=True)
    if not isinstance(spec, Spec):
        yield f"{title}: `i2i show {entry.name}` prints it"
        return
    yield f"{title}: {spec.summary}"
    if spec.paper:
        yield f"  {spec.paper}"
    yield from _columns(_own_facts(spec), "  ")
    yield from _section("options", spec.options)
    if isinstance(spec, ModelSpec):
        yield from _section("options of translate", spec.translate_options)


def _own_facts(spec: Spec) -> Iterator[tuple[str, str]]:
    yield "API", str(spec.api_version)
    if isinstance(spec, ModelSpec):
        yield "a weights file holds", ", ".join(spec.inference)
        if spec.standalone is not None:
            needed = ", ".join(f"model.{option}" for option in spec.standalone)
            yield "without weights", f"given {needed}" if needed else "always"
        yield "reads what others published", "yes" if spec.read_foreign else "no"
        yield from _listed("is written for others as", tuple(spec.write_foreign))
    if isinstance(spec, LossSpec):
        yield "kind", spec.kind
    if isinstance(spec, TrainerSpec):
        for name, role in spec.roles.items():
            yield f"role {name}", f"{role.summary}; kind {role.kind}{', may be null' if role.optional else ''}"
        yield from _listed("needs of the model", spec.submodules)
        yield from _listed("needs in a batch", spec.keys)
        yield from _listed("averages", spec.ema)
    if isinstance(spec, DatasetSpec):
        yield from _listed("gives in a batch", spec.keys)
        yield from ((f"--{flag}", f"dataset.{option}") for flag, option in spec.cli.items())


def _listed(title: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    if names:
        yield title, ", ".join(names)


def _section(title: str, options: type[Options]) -> Iterator[str]:
    if options.model_fields:
        yield f"  {title}:"
        yield from _options(options, "    ")


def _options(options: type[Options], indent: str) -> Iterator[str]:
    schema = options.model_json_schema()
    properties, definitions = schema["properties"], schema.get("$defs", {})
    for key, text in _rows(options, properties, definitions).items():
        yield f"{indent}{key.ljust(max(map(len, properties)))}  {text}"
        inner = options.model_fields[key].default
        if isinstance(inner, Options):
            yield from _options(type(inner), indent + "  ")


def _rows(options: type[Options], properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, str]:
    """Key → what it says, its type, bounds and default; of a section of options only what it says."""
    return {
        key: described(field)
        if isinstance(field.default, Options) and type(field.default).model_fields
        else commented(properties[key], definitions, field)
        for key, field in options.model_fields.items()
    }


def _columns(rows: Iterator[tuple[str, str]], indent: str) -> Iterator[str]:
    titled = list(rows)
    width = max((len(title) for title, _ in titled), default=0)
    return (f"{indent}{title.ljust(width)}  {text}" for title, text in titled)
