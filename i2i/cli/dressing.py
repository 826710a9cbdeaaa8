"""What all commands have in common, put on where they are handed out: loudness, metavars, what a shell completes."""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from importlib import metadata
from types import MappingProxyType

import click

from i2i.cli import completing
from i2i.cli.completing import Offer
from i2i.cli.saying import Loudness, Voice, detail
from i2i.errors import I2IError

METAVARS: Mapping[str, str] = MappingProxyType(
    {
        "--plugin": "NAME",
        "--config": "FILE",
        "--run": "DIR",
        "--weights": "FILE",
        "--src": "PATH",
        "--target": "PATH",
        "--pred": "PATH",
        "--mask": "PATH",
        "--dst": "DIR",
        "--direction": "NAME",
        "--device": "[auto|cpu|cuda|mps]",
        "--precision": "[auto|fp32|bf16]",
        "--background": "COLOUR",
        "--steps": "N",
        "--batch": "N",
        "--seed": "N",
        "--max-bad": "N",
        "--editable": "DIR",
    }
)
"""How the value of an option is called, in every command that has it and does not say otherwise."""

NUMBERS = (click.types.IntParamType, click.types.FloatParamType)

OFFERS: Mapping[str, Offer] = MappingProxyType(
    {
        "--plugin": completing.recipes,
        "--run": completing.runs,
        "--src": completing.paths,
        "--target": completing.paths,
        "--resume": completing.runs,
        "--init": completing.weights_or_runs,
        "--weights": completing.weights,
        "--set": completing.keys,
        "--log": completing.trackers,
        "push weights": completing.weights,
        "show plugin": completing.recipes,
        "plugins show name": completing.names,
        "plugins check target": completing.plugins,
        "plugins uninstall names": completing.plugins,
        "runs list folders": completing.runs,
        "runs report paths": completing.runs,
        "runs compare one": completing.runs,
        "runs compare other": completing.runs,
        "runs export run": completing.runs,
        "runs rm paths": completing.runs,
    }
)
"""What a shell offers for an option, or for an argument of a command, that has no choices."""

VERSIONS = ("torch", "torchvision", "kornia", "numpy", "pillow", "pydantic", "click")


def dressed(command: click.Command, name: str) -> click.Command:
    """The command, and those below it, with what all of them have. `name` is how a user types it, without `i2i`."""
    if not any("--quiet" in parameter.opts for parameter in command.params):
        command.params += loudness_options()
        for parameter in command.params:
            _dress(parameter, name)
    if isinstance(command, click.Group):
        for inner, below in command.commands.items():
            dressed(below, f"{name} {inner}")
    return command


def loudness_options() -> list[click.Option]:
    """`--quiet` and `--verbose`."""
    texts = {
        ("-q", "--quiet"): (_hush, "Say nothing but errors and what was asked for."),
        ("-v", "--verbose"): (_tell, "Also say what is decided on the way, and where an error came from."),
    }
    return [
        click.Option(list(names), is_flag=True, expose_value=False, is_eager=True, callback=heard, help=text)
        for names, (heard, text) in texts.items()
    ]


def _dress(parameter: click.Parameter, command: str) -> None:
    is_flag = isinstance(parameter, click.Option) and parameter.is_flag
    if isinstance(parameter.type, click.Choice) or is_flag:
        return
    keys = [*parameter.opts] if isinstance(parameter, click.Option) else [f"{command} {parameter.name}"]
    for key in keys:
        if parameter.metavar is None and isinstance(parameter, click.Option):
            parameter.metavar = METAVARS.get(key, "N" if isinstance(parameter.type, NUMBERS) else None)
        if key in OFFERS:
            parameter._custom_shell_complete = completing.safely(OFFERS[key])


def _hush(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    if is_given:
        _set(context, Loudness.QUIET)


def _tell(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    if is_given and _set(context, Loudness.VERBOSE):
        if not sys.warnoptions:
            warnings.simplefilter("default")
        began = time.monotonic()
        with context.scope(cleanup=False):
            for line in _surroundings():
                detail(line)
        context.call_on_close(lambda: _closing(began))


def _set(context: click.Context, loudness: Loudness) -> bool:
    """Whether that changes anything. Raises `click.UsageError` where the opposite was said before."""
    if context.resilient_parsing:
        return False
    voice = context.ensure_object(Voice)
    if voice.loudness not in (Loudness.NORMAL, loudness):
        raise click.UsageError("--quiet and --verbose: leave one of them out", context)
    changes, voice.loudness = voice.loudness != loudness, loudness
    return changes


def _surroundings() -> Iterator[str]:
    """What a command works with, before it has decided anything."""
    from i2i.doctor.variables import relevant
    from i2i.plugins import LIMIT, core_version, discover

    there = {package.name.lower(): package.version for package in metadata.distributions() if package.name}
    versions = ", ".join(f"{name} {there[name]}" for name in VERSIONS if name in there)
    yield f"i2i {core_version()}, Python {platform.python_version()}, {versions}"
    try:
        catalog = discover()
    except I2IError as error:
        yield f"plugins: {error}"
    else:
        found = dict.fromkeys(f"{entry.distribution} {entry.version}" for entry in catalog)
        yield f"plugins: {', '.join(found)}"
        yield from (f"broken: {plugin.distribution} {plugin.version}: {plugin.reason}" for plugin in catalog.broken)
        if catalog.left_out:
            yield f"left out by {LIMIT}: {', '.join(plugin.distribution for plugin in catalog.left_out)}"
    if variables := " ".join(f"{name}={value}" for name, value in relevant(os.environ).items()):
        yield f"environment: {variables}"


def _closing(began: float) -> None:
    """How long it took, with what."""
    import psutil

    text = f"took {time.monotonic() - began:.1f} s; the process holds {psutil.Process().memory_info().rss / 1e6:.0f} MB"
    if (torch := sys.modules.get("torch")) is not None:
        text += f"; torch computes with {torch.get_num_threads()} threads on the CPU"
    detail(text)
