"""What several core tests share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, PngImagePlugin

from i2i import Catalog, discover
from i2i.images.encode import write_whole
from i2i.images.whole import Levels, Whole
from i2i.training.listener import Listener

PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(autouse=True)
def pillows_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a test calls in its own process raises them for that test alone."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_CHUNK)


@pytest.fixture(scope="session")
def install_plugin() -> Callable[[Path, Path], None]:
    """`install_plugin(folder, site)`: lay the package in `folder` into `site` as an installer would, without one.

    Copies its modules and makes a `dist-info` out of its pyproject.toml: name, version, entry points of the group i2i.
    With `site` on `sys.path` or `PYTHONPATH` the plugin is installed.
    """
    return _install_plugin


@pytest.fixture(scope="session")
def begin_python(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`begin_python(*arguments, site=None, cwd=None, **environment)`: `python` with what lies in `site`.

    Answers what stands for a `subprocess.Popen`.
    """
    from in_a_fork import Command

    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def begin(*arguments: object, site: Path | None = None, cwd: Path = elsewhere, **environment: str) -> Command:
        paths = [path for path in (str(site or ""), os.environ.get("PYTHONPATH")) if path]
        return Command(arguments, cwd, {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment})

    return begin


@pytest.fixture(scope="session")
def begin_i2i(begin_python: Callable[..., Any]) -> Callable[..., Any]:
    """`begin_i2i(*words, site=None, cwd=None, **environment)`: the command line in a process of its own."""
    return partial(begin_python, "-m", "i2i")


def _to_its_end(begin: Callable[..., Any], *words: object, **where: Any) -> subprocess.CompletedProcess[str]:
    command = begin(*words, **where)
    out, err = command.communicate()
    return subprocess.CompletedProcess(command.words, command.returncode, out, err)


@pytest.fixture(scope="session")
def run_python(begin_python: Callable[..., Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_python(*arguments, site=None, cwd=None, **environment)`: `python` to its end."""
    return partial(_to_its_end, begin_python)


@pytest.fixture(scope="session")
def run_i2i(begin_i2i: Callable[..., Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_i2i(*words, site=None, cwd=None, **environment)`: the command line, to its end."""
    return partial(_to_its_end, begin_i2i)


@pytest.fixture
def plugin_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Catalog]]:
    """`plugin_alone("etcher")`: a catalog of that one of `tests/plugins` and of the core, forgotten afterwards."""
    packages = []

    def alone(name: str) -> Catalog:
        packages.append(f"i2i_{name}")
        monkeypatch.syspath_prepend(str(PLUGINS / name))
        catalog = discover([EntryPoint(name, f"i2i_{name}", "i2i")])
        assert not catalog.broken
        return catalog

    yield alone
    for module in [module for module in sys.modules if module.partition(".")[0] in packages]:
        del sys.modules[module]


@pytest.fixture
def etcher(plugin_alone: Callable[[str], Catalog]) -> Catalog:
    """The etcher alone: it optimises each picture, needs no weights where a plate is given, and fits by adding up."""
    return plugin_alone("etcher")


class Notes(Listener):
    """Remembers what it hears of a run; asks it to stop after a step."""

    def __init__(self, stop_at: int | None = None, stop_with: int = signal.SIGTERM) -> None:
        self.lines: list[str] = []
        self.logs: list[tuple[int, dict[str, float]]] = []
        self.stop_at, self.stop_with, self.step = stop_at, stop_with, 0

    def said(self, text: str) -> None:
        self.lines.append(text)

    def stepped(self, step: int) -> None:
        self.step = step

    def logged(self, step: int, scalars: Mapping[str, float]) -> None:
        self.logs.append((step, dict(scalars)))

    def should_stop(self) -> int | None:
        return self.stop_with if self.step == self.stop_at else None


@pytest.fixture(scope="session")
def new_notes() -> type[Notes]:
    """`new_notes(stop_at=None)`: a listener that remembers `lines` and `logs`."""
    return Notes


@pytest.fixture(scope="session")
def swapped_profile() -> bytes:
    """An sRGB colour profile whose red and blue primaries have changed places."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * profile[131], 12)}
    red, blue = entries[b"rXYZ"], entries[b"bXYZ"]
    profile[red + 4 : red + 8], profile[blue + 4 : blue + 8] = profile[blue + 4 : blue + 8], profile[red + 4 : red + 8]
    return bytes(profile)


VGG_CHANNELS = (64, 128, 256, 512, 512)
SQUEEZED = {3: 16, 4: 16, 6: 32, 7: 32, 9: 48, 10: 48, 11: 64, 12: 64}
LPIPS_CHANNELS = {
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
    "vgg": (64, 128, 256, 512, 512),
    "alex": (64, 192, 384, 256, 256),
}


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`random_weights("vgg19")`: a file of random weights in torchvision's format, or of LPIPS heads in theirs.

    Of vgg19, vgg16, squeezenet1_1, alexnet, and of heads-squeeze, heads-vgg, heads-alex.
    """
    import torch

    folder, chance = tmp_path_factory.mktemp("weights"), torch.Generator().manual_seed(0)

    def vgg(*depths: int) -> Iterator[tuple[str, int, int, int]]:
        place, inputs = 0, 3
        for channels, depth in zip(VGG_CHANNELS, depths, strict=True):
            for _ in range(depth):
                yield f"features.{place}", inputs, channels, 3
                place, inputs = place + 2, channels
            place += 1

    def squeezenet() -> Iterator[tuple[str, int, int, int]]:
        yield "features.0", 3, 64, 3
        inputs = 64
        for place, squeezed in SQUEEZED.items():
            yield f"features.{place}.squeeze", inputs, squeezed, 1
            yield f"features.{place}.expand1x1", squeezed, 4 * squeezed, 1
            yield f"features.{place}.expand3x3", squeezed, 4 * squeezed, 3
            inputs = 8 * squeezed

    def alexnet() -> Iterator[tuple[str, int, int, int]]:
        inputs = 3
        for place, channels, side in ((0, 64, 11), (3, 192, 5), (6, 384, 3), (8, 256, 3), (10, 256, 3)):
            yield f"features.{place}", inputs, channels, side
            inputs = channels

    def network(convolutions: Iterator[tuple[str, int, int, int]]) -> Iterator[tuple[str, torch.Tensor]]:
        for name, inputs, outputs, side in convolutions:
            weight = torch.randn(outputs, inputs, side, side, generator=chance)
            yield f"{name}.weight", weight * (2 / (inputs * side * side)) ** 0.5
            yield f"{name}.bias", torch.randn(outputs, generator=chance) * 0.1

    def heads(backbone: str) -> Iterator[tuple[str, torch.Tensor]]:
        for number, channels in enumerate(LPIPS_CHANNELS[backbone]):
            yield f"lin{number}.model.1.weight", torch.rand(1, channels, 1, 1, generator=chance)

    def tensors(name: str) -> Iterator[tuple[str, torch.Tensor]]:
        if name.startswith("heads-"):
            return heads(name.removeprefix("heads-"))
        if name == "squeezenet1_1":
            return network(squeezenet())
        if name == "alexnet":
            return network(alexnet())
        return network(vgg(2, 2, 4, 4, 4) if name == "vgg19" else vgg(2, 2, 3, 3, 3))

    def file(name: str) -> Path:
        path = folder / f"{name}-random.pth"
        if not path.exists():
            torch.save(dict(tensors(name)), path)
        return path

    return file


def _install_plugin(folder: Path, site: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for package in folder.glob("*/__init__.py"):
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(package.parent, site / package.parent.name, ignore=ignored, dirs_exist_ok=True)
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    points = project["entry-points"]["i2i"].items()
    lines = ["[i2i]", *(f"{name} = {value}" for name, value in points)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def write_deep() -> Callable[[Any, Path], None]:
    """`write_deep(levels, path)`: a file of these uint16 levels (H, W, C), a PNG but for .tif."""

    def write(levels: Any, path: Path) -> None:
        values = torch.from_numpy(levels.astype("float32") / 65535).permute(2, 0, 1)
        written = path if path.suffix == ".tif" else path.with_suffix(".png")
        write_whole(Whole(values, Levels(16)), written)
        written.rename(path)

    return write
