"""What the doctor finds: facts of this machine as it is, and of invented ones what is wrong with them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from click.testing import CliRunner, Result

from i2i import discover
from i2i.cli import i2i
from i2i.doctor import Examination, Finding, examine
from i2i.doctor.computing import Device
from i2i.doctor.findings import findings
from i2i.doctor.installation import EXTRAS, Extra, Plugin, ShippedWeights, extras
from i2i.doctor.machine import cpu_quotas
from i2i.doctor.speed import Speed, measured
from i2i.plugins import canonical
from i2i.training.runtime import has_bf16
from i2i.training.speed import Work, convolutions, precisions_of

PLUGINS = Path(__file__).parents[1] / "plugins"


@pytest.fixture(scope="module")
def here() -> Examination:
    """This machine, with nothing measured."""
    return examine(Path.cwd(), os.environ, measure=False)


@pytest.fixture
def healthy(here: Examination) -> Examination:
    """The same, as large as one would wish."""
    device = Device(0, "a GPU", 24 * 10**9, 23 * 10**9, "9.0", True)
    machine = replace(here.machine, cores=8, usable_cores=8.0, memory=64 * 10**9, free_memory=60 * 10**9)
    room = {name: replace(getattr(here.storage, name), free=10**12, is_writable=True) for name in ("runs", "cache")}
    return replace(
        here,
        machine=machine,
        computing=replace(here.computing, threads=8, devices=(device,), precision="bf16", unseen=(), build="CUDA 13.2"),
        installation=replace(here.installation, environment={}, problem="", plugins=(Plugin("i2i-a", "1", "healthy"),)),
        storage=replace(here.storage, **room),
        findings=(),
    )


def call(*words: str) -> Result:
    return CliRunner().invoke(i2i, ["doctor", *words])


def told(found: Examination, environment: Mapping[str, str] | None = None) -> list[Finding]:
    return list(findings(found, environment or {}))


def test_it_names_cores_devices_precision_memory_and_plugins_of_this_machine(here: Examination) -> None:
    result = call("--no-benchmark")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 110
    shown = re.sub(r"\s+", " ", result.output)
    cores = psutil.cpu_count(logical=False)
    assert f": {cores} core{'' if cores == 1 else 's'}" in shown
    assert f"torch computes with {torch.get_num_threads()} thread" in shown
    assert ("no bf16 by hardware" in shown) is not has_bf16(torch.device("cpu"))
    assert ("no GPU" in shown) is not (torch.cuda.is_available() or torch.backends.mps.is_available())
    assert f"torch {torch.__version__}, built for" in shown
    for distribution in {entry.distribution for entry in discover()} - {"i2i"}:
        assert distribution in shown
    assert f"{psutil.virtual_memory().total / 1e9:.0f} GB, " in shown
    assert "squeezenet1_1-b8a52dc0.pth" in shown
    assert "speed" not in shown


def test_machines_get_the_same_as_json_alone(here: Examination) -> None:
    result = call("--json", "--no-benchmark")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found.keys() == {"machine", "computing", "installation", "storage", "speed", "findings"}
    assert found["speed"] is None
    assert found["machine"]["logical_cores"] == psutil.cpu_count()
    assert found["computing"]["torch"] == torch.__version__
    assert found["installation"]["version"] == here.installation.version
    assert all(finding.keys() == {"what", "remedy", "is_broken"} for finding in found["findings"])


def test_a_broken_plugin_is_broken_with_the_reason_and_ends_with_1(
    run_i2i: Callable[..., subprocess.CompletedProcess[str]],
    install_plugin: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    broken = next(folder for folder in sorted(PLUGINS.glob("*")) if "broken" in folder.name or "import" in folder.name)
    install_plugin(broken, tmp_path)
    done = run_i2i("doctor", "--no-benchmark", site=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^broken: \S+ \S+ is broken: \S+", done.stdout, re.M)
    assert "i2i plugins uninstall" in done.stdout
    found = json.loads(run_i2i("doctor", "--no-benchmark", "--json", site=tmp_path).stdout)
    assert found["findings"][0]["is_broken"] is True


def test_it_measures_convolutions_and_the_disk(tmp_path: Path) -> None:
    speed = measured(tmp_path, seconds=0.01)
    assert tuple(speed.gigaflops) == precisions_of(torch.device("cpu"))
    assert (speed.gain is None) is not has_bf16(torch.device("cpu"))
    assert all(rate > 0 for rate in speed.gigaflops.values())
    assert speed.write is not None
    assert speed.write > 0
    assert list(tmp_path.iterdir()) == []
    assert measured(tmp_path / "nowhere", seconds=0.01).write is None


def test_precisions_take_turns_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    honest = torch.autocast

    def watched(*given: Any, **named: Any) -> Any:
        seen.append(named["enabled"])
        return honest(*given, **named)

    monkeypatch.setattr(torch, "autocast", watched)
    convolutions(torch.device("cpu"), 0.0, ("fp32", "bf16"), Work(1, 4, 8))
    assert seen == [False, True] * (len(seen) // 2)
    assert len(seen) >= 8


def test_nothing_is_told_of_a_machine_as_it_should_be(healthy: Examination) -> None:
    assert told(healthy) == []


def test_without_a_gpu_the_recipes_for_a_cpu_are_named(healthy: Examination) -> None:
    (found,) = told(replace(healthy, computing=replace(healthy.computing, devices=(), has_mps=False)))
    assert found.what == "no GPU: training a recipe that is meant for one takes days"
    assert "cyclegan-light" in found.remedy
    assert not found.is_broken


@pytest.mark.parametrize(
    ("build", "environment", "what", "remedy"),
    [
        ("CUDA 13.2", {"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES= hides it", "unset that"),
        ("CPU", {}, "it was built for CPUs", "install the build for your driver"),
        ("CUDA 13.2", {}, "The NVIDIA driver on your system is too old", "a newer driver than 470.1"),
    ],
)
def test_a_gpu_that_torch_does_not_see_is_told_with_the_reason(
    build: str, environment: dict[str, str], what: str, remedy: str, healthy: Examination
) -> None:
    complaint = "The NVIDIA driver on your system is too old" if build != "CPU" and not environment else ""
    computing = replace(healthy.computing, devices=(), has_mps=False, unseen=("NVIDIA A100",), build=build,
                        driver="470.1", complaint=complaint)  # fmt: skip
    (found,) = told(replace(healthy, computing=computing), environment)
    assert found.what.startswith("NVIDIA A100 is there, and torch")
    assert what in found.what
    assert remedy in found.remedy


def test_little_room_is_told_and_none_is_broken(healthy: Examination) -> None:
    def with_room(**given: Any) -> list[Finding]:
        runs = replace(healthy.storage.runs, **given)
        return told(replace(healthy, storage=replace(healthy.storage, runs=runs)))

    (little,) = with_room(free=3 * 10**9)
    assert (little.what.split(":")[0], little.is_broken) == ("little room for runs", False)
    assert "3.0 GB free on the disk of" in little.what
    (none,) = with_room(free=10**8)
    assert (none.what.split(":")[0], none.is_broken) == ("no room for runs", True)
    (shut,) = with_room(is_writable=False)
    assert "cannot be written, and runs would lie there" in shut.what


def test_shipped_weights_that_are_not_there_are_broken(healthy: Examination, tmp_path: Path) -> None:
    weights = (ShippedWeights("there", tmp_path, True), ShippedWeights("gone", tmp_path / "x.safetensors", False))
    (found,) = told(replace(healthy, installation=replace(healthy.installation, weights=weights)))
    assert found.what == f"recipe gone ships {tmp_path}/x.safetensors, which is not there"
    assert found.is_broken


def test_threads_that_do_not_fit_the_cores_are_told(healthy: Examination) -> None:
    few = replace(
        healthy,
        computing=replace(healthy.computing, threads=1),
        installation=replace(healthy.installation, environment={"OMP_NUM_THREADS": "1"}),
    )
    assert told(few) == [Finding("OMP_NUM_THREADS=1 lets torch compute with 1 of 8 cores", "unset OMP_NUM_THREADS")]
    quota = replace(healthy, machine=replace(healthy.machine, usable_cores=1.5))
    (found,) = told(quota)
    assert found.what == "torch computes with 8 threads where 1.5 cores may be used: they wait for each other"
    assert found.remedy == "OMP_NUM_THREADS=1"


def test_bf16_that_gains_nothing_and_little_memory_are_told(healthy: Examination) -> None:
    (slow,) = told(replace(healthy, speed=Speed("cpu", {"fp32": 100.0, "bf16": 50.0}, None, None)))
    assert slow.what == "bf16 is computed by hardware and yet only 0.5 times as fast as fp32"
    assert "--precision fp32" in slow.remedy
    (short,) = told(replace(healthy, machine=replace(healthy.machine, free_memory=10**9)))
    assert short.what == "little memory: 1.0 of 64.0 GB are free"


def test_plugins_left_out_and_misspelt_variables_are_told(healthy: Examination) -> None:
    plugins = (Plugin("i2i-a", "1", "left out"), Plugin("i2i-b", "1", "healthy"))
    (found,) = told(replace(healthy, installation=replace(healthy.installation, plugins=plugins)))
    assert found.what == "I2I_PLUGINS leaves out i2i-a"
    (found,) = told(healthy, {"I2I_PLUGIN": "a", "I2I_PLUGINS": "a"})
    assert found == Finding("I2I_PLUGIN is set, and nothing reads it", "did you mean I2I_PLUGINS?")


def test_a_plugin_that_is_named_and_not_there_is_told_and_the_rest_examined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "nonesuch")
    result = call("--no-benchmark")
    assert result.exit_code == 1
    assert re.search(r"^broken: I2I_PLUGINS: no plugin 'nonesuch' is installed", result.output, re.M)
    assert "torch" in result.output


def test_what_an_extra_lacks_is_what_pip_is_told() -> None:
    needs = {"heic": {"PIL": "pillow>=12"}, "remote": {"json": "json>=1", "no_such": "no-such<2,>=1.1"}}
    assert list(extras(needs)) == [Extra("heic", ()), Extra("remote", ("no-such<2,>=1.1",))]


def test_every_extra_is_looked_for_by_modules_that_its_packages_have() -> None:
    project = tomllib.loads((PLUGINS.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {name: [*needs.values()] for name, needs in EXTRAS.items()} == project["optional-dependencies"]
    modules = metadata.packages_distributions()
    for module, requirement in (pair for needs in EXTRAS.values() for pair in needs.items()):
        name = canonical(re.split("[<>=]", requirement)[0])
        if name in {canonical(package.name) for package in metadata.distributions()}:
            assert name in map(canonical, modules[module]), requirement


@pytest.mark.parametrize(
    ("groups", "files", "quotas"),
    [
        (
            "0::/a/b\n",
            {"cpu.max": "max 100000", "a/cpu.max": "150000 100000", "a/b/cpu.max": "400000 100000"},
            {1.5, 4},
        ),
        ("4:cpu,cpuacct:/c\n", {"cpu/c/cpu.cfs_quota_us": "50000", "cpu/c/cpu.cfs_period_us": "100000"}, {0.5}),
        ("4:cpu:/c\n", {"cpu/c/cpu.cfs_quota_us": "-1", "cpu/c/cpu.cfs_period_us": "100000"}, set()),
    ],
)
def test_quotas_of_control_groups_count(groups: str, files: dict[str, str], quotas: set[float], tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert set(cpu_quotas(tmp_path)) == quotas
