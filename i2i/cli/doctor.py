"""`i2i doctor`."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i2i.cli.saying import answer, answer_json
from i2i.errors import counted

if TYPE_CHECKING:
    from i2i.doctor import Examination

WIDTH = 100
"""Columns at most."""


@click.command(short_help="Say what this machine has: device, plugins, weights, room, speed.")
@click.option("--no-benchmark", is_flag=True, help="Measure nothing; it takes about two seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def doctor(no_benchmark: bool, as_json: bool) -> None:
    """Say what this machine has for i2i, how fast it is, and what is wrong or unusual, with a remedy each.

    Ends with exit code 1 where something is broken: a plugin, shipped weights that are not there, no room for runs.
    What is merely unusual, such as no GPU, is told and is no failure.

    \b
    i2i doctor
    i2i doctor --json --no-benchmark
    """
    from i2i.doctor import examine

    found = examine(Path.cwd(), os.environ, measure=not no_benchmark)
    if as_json:
        answer_json(asdict(found))
    else:
        for line in _aligned(_rows(found)):
            answer(line)
        for line in _findings(found):
            answer(line)
    if any(finding.is_broken for finding in found.findings):
        raise SystemExit(1)


def _aligned(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Titles in a column; what is too long goes on below itself."""
    width = min(WIDTH, click.get_current_context().terminal_width or _terminal_width())
    for title, text in rows:
        inside = textwrap.wrap(text, max(40, width - 13), break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(inside):
            yield f"{click.style(f'{title:<12}', bold=True) if number == 0 else ' ' * 12} {line}"


def _terminal_width() -> int:
    return shutil.get_terminal_size((WIDTH, 24)).columns


def _rows(found: Examination) -> Iterator[tuple[str, str]]:
    there, computing = found.installation, found.computing
    yield "i2i", f"{there.version}, Python {there.python} on {found.machine.platform}"
    yield "torch", f"{computing.torch}, built for {computing.build}"
    yield from _hardware(found)
    yield "plugins", _plugins(found)
    shipped = [weights.recipe for weights in there.weights if weights.is_there]
    yield "weights", f"shipped with {', '.join(shipped)}" if shipped else "none are shipped"
    yield from _networks(found)
    have = [extra.name for extra in there.extras if not extra.missing]
    yield "extras", f"{', '.join(have)} installed" if have else "none installed"
    for extra in there.extras:
        if extra.missing:
            packages = " ".join(f'"{package}"' if set(package) & set("<>~=") else package for package in extra.missing)
            yield "", f"{extra.name}: pip install {packages}"
    runs, cache = found.storage.runs, found.storage.cache
    yield "room", f"{_bytes(runs.free)} free for runs in {runs.path}, {_bytes(cache.free)} for fetched networks"
    variables = " ".join(f"{name}={value}" for name, value in there.environment.items())
    yield "environment", variables or "nothing that changes what i2i does"
    yield from _speed(found)


def _hardware(found: Examination) -> Iterator[tuple[str, str]]:
    machine, computing = found.machine, found.computing
    cores = counted(machine.cores, "core")
    if machine.logical_cores != machine.cores:
        cores += f" ({machine.logical_cores} logical)"
    threads = counted(computing.threads, "thread")
    yield "CPU", f"{machine.cpu}: {cores}, of which {machine.usable_cores:g} may be used; torch computes with {threads}"
    if computing.cpu_has_bf16:
        yield "", f"bf16 by hardware ({computing.cpu_bf16})"
    else:
        yield "", "no bf16 by hardware: fp32 is faster"
    for device in computing.devices:
        bf16 = "bf16" if device.has_bf16 else "no bf16"
        memory = f"{_bytes(device.memory)}, {_bytes(device.free_memory)} free"
        capability = f"compute capability {device.capability}, driver {computing.driver or 'unknown'}"
        yield f"GPU {device.index}", f"{device.name}: {memory}; {capability}, {bf16}"
    if computing.has_mps:
        yield "GPU", "Apple's, by MPS"
    if not computing.devices and not computing.has_mps:
        unseen = f" that torch sees; the driver has {', '.join(computing.unseen)}" if computing.unseen else ""
        yield "GPU", f"none{unseen}"
    yield "auto", f"device {computing.chosen}; precision when training {computing.precision}"
    yield "memory", f"{_bytes(machine.memory)}, {_bytes(machine.free_memory)} free"


def _plugins(found: Examination) -> str:
    parts = []
    for plugin in found.installation.plugins:
        state = "" if plugin.state == "healthy" else f" ({plugin.state})"
        parts.append(f"{plugin.distribution} {plugin.version}{state}")
    return ", ".join(parts) or "none"


def _networks(found: Examination) -> Iterator[tuple[str, str]]:
    storage = found.storage
    yield "networks", f"of others, fetched once a command asks for them, into {storage.cache_folder}"
    here = [f"{network.file} ({_bytes(network.size)})" for network in storage.networks if network.size is not None]
    lacking = [network for network in storage.networks if network.size is None]
    if here:
        yield "", f"here: {', '.join(here)}"
    if lacking:
        yield "", "not here: " + ", ".join(f"{network.file} ({_bytes(network.megabytes * 1e6)})" for network in lacking)


def _speed(found: Examination) -> Iterator[tuple[str, str]]:
    if (speed := found.speed) is None:
        return
    rates = ", ".join(f"{precision} {rate:.0f} GFLOP/s" for precision, rate in speed.gigaflops.items())
    disk = {"written": speed.write, "read": speed.read}
    told = [f"{rate / 1e6:.0f} MB/s {how}" for how, rate in disk.items() if rate is not None]
    on = "CPU" if speed.device == "cpu" else "GPU"
    gain = "" if speed.gain is None else f" ({speed.gain:.1f} times)"
    yield "speed", f"convolutions on the {on}: {rates}{gain}"
    yield "", f"disk: {', '.join(told) or 'cannot be written'}"


def _findings(found: Examination) -> Iterator[str]:
    yield ""
    if not found.findings:
        yield click.style("Nothing is wrong or unusual.", fg="green")
    for finding in found.findings:
        sign = click.style("broken", fg="red") if finding.is_broken else click.style("note", fg="yellow")
        yield f"{sign}: {finding.what}"
        yield f"  → {finding.remedy}"


def _bytes(amount: float) -> str:
    """`48 GB`, `575 MB`, `11 kB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= size:
            return f"{amount / size:.1f} {unit}" if amount < 10 * size else f"{amount / size:.0f} {unit}"
    return f"{amount:.0f} B"
