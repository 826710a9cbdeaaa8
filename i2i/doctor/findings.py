"""What of an examination is wrong or unusual, and what helps."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping

from i2i.doctor import Examination, Finding
from i2i.plugins import LIMIT

LITTLE_ROOM, NO_ROOM = 5_000_000_000, 1_000_000_000
"""Bytes of disk: a run's checkpoints are several hundred megabytes."""
LITTLE_MEMORY = 2_000_000_000
MORE_ROOM = {
    "runs": "`i2i runs rm RUN --keep-newest` makes some",
    "fetched networks": "TORCH_HOME names another place",
}
KNOWN = ("I2I_PLUGINS", "I2I_TRACEBACK", "I2I_TEST_DATA", "I2I_PARENT", "I2I_MEETING", "I2I_RANK", "I2I_RANKS",
         "I2I_LOCAL_RANK")  # fmt: skip
"""Variables that i2i reads or sets."""


def findings(found: Examination, environment: Mapping[str, str]) -> Iterator[Finding]:
    """What is broken first."""
    every = [*_plugins(found), *_room(found), *_devices(found, environment), *_threads(found), *_memory(found),
             *_variables(environment)]  # fmt: skip
    yield from sorted(every, key=lambda finding: not finding.is_broken)


def _plugins(found: Examination) -> Iterator[Finding]:
    there = found.installation
    if there.problem:
        yield Finding(there.problem, f"unset {LIMIT}, or name what is installed", is_broken=True)
    for plugin in there.plugins:
        if plugin.state == "broken":
            remedy = f"install another version, or `i2i plugins uninstall {plugin.distribution}`"
            yield Finding(f"{plugin.distribution} {plugin.version} is broken: {plugin.reason}", remedy, is_broken=True)
    left_out = [plugin.distribution for plugin in there.plugins if plugin.state == "left out"]
    if left_out:
        yield Finding(f"{LIMIT} leaves out {', '.join(left_out)}", f"unset {LIMIT} to load them")
    if not there.plugins and not there.problem:
        yield Finding("no plugin is installed", "`i2i plugins install ./plugins/cyclegan` in a clone of the repository")
    for weights in there.weights:
        if not weights.is_there:
            yield Finding(
                f"recipe {weights.recipe} ships {weights.file}, which is not there",
                "install its package again",
                is_broken=True,
            )


def _room(found: Examination) -> Iterator[Finding]:
    for what, place in (("runs", found.storage.runs), ("fetched networks", found.storage.cache)):
        free = f"{place.free / 1e9:.1f} GB"
        if what == "runs" and place.free < NO_ROOM:
            remedy = "make room, or give --out on another disk"
            yield Finding(f"no room for runs: {free} free on the disk of {place.path}", remedy, is_broken=True)
        elif place.free < LITTLE_ROOM:
            yield Finding(f"little room for {what}: {free} free on the disk of {place.path}", MORE_ROOM[what])
        if not place.is_writable:
            remedy = "go to a folder of yours, or give --out" if what == "runs" else "TORCH_HOME names another place"
            yield Finding(f"{place.path}: cannot be written, and {what} would lie there", remedy)


def _devices(found: Examination, environment: Mapping[str, str]) -> Iterator[Finding]:
    computing = found.computing
    if computing.devices or computing.has_mps:
        yield from _bf16(found)
        return
    if computing.unseen:
        yield _unseen(found, environment)
    else:
        light = [name for name in found.installation.recipes if name.endswith("-light")]
        remedy = f"recipes for a CPU: {', '.join(light)}" if light else "take small pictures and narrow models"
        yield Finding("no GPU: training a recipe that is meant for one takes days", remedy)
    yield from _bf16(found)


def _unseen(found: Examination, environment: Mapping[str, str]) -> Finding:
    computing = found.computing
    what = f"{', '.join(computing.unseen)} is there, and torch {computing.torch} does not see it"
    if "CUDA_VISIBLE_DEVICES" in environment:
        hidden = f"CUDA_VISIBLE_DEVICES={environment['CUDA_VISIBLE_DEVICES']}"
        return Finding(f"{what}: {hidden} hides it", "unset that")
    if computing.build == "CPU":
        return Finding(f"{what}: it was built for CPUs", "install the build for your driver as PyTorch's own page says")
    why = f": {computing.complaint}" if computing.complaint else ""
    return Finding(f"{what}{why}", f"a newer driver than {computing.driver}, or a torch built for an older CUDA")


def _bf16(found: Examination) -> Iterator[Finding]:
    gain = None if found.speed is None else found.speed.gain
    if found.computing.precision == "bf16" and gain is not None and gain < 1:
        what = f"bf16 is computed by hardware and yet only {gain:.2g} times as fast as fp32"
        yield Finding(what, "measure again when nothing else runs; if it stays so, --precision fp32")


def _threads(found: Examination) -> Iterator[Finding]:
    threads, usable = found.computing.threads, found.machine.usable_cores
    cores = max(1, math.floor(usable))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        value = found.installation.environment.get(name)
        if value is not None and threads < min(cores, found.machine.cores):
            yield Finding(f"{name}={value} lets torch compute with {threads} of {cores} cores", f"unset {name}")
            return
    if threads > math.ceil(usable):
        what = f"torch computes with {threads} threads where {usable:g} cores may be used: they wait for each other"
        yield Finding(what, f"OMP_NUM_THREADS={cores}")


def _memory(found: Examination) -> Iterator[Finding]:
    if found.machine.free_memory < LITTLE_MEMORY:
        what = f"little memory: {found.machine.free_memory / 1e9:.1f} of {found.machine.memory / 1e9:.1f} GB are free"
        yield Finding(what, "end other programs; `--memory` and smaller pictures keep i2i small")


def _variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted(environment):
        if name.startswith("I2I_") and name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            remedy = f"did you mean {near[0]}?" if near else "unset it"
            yield Finding(f"{name} is set, and nothing reads it", remedy)
