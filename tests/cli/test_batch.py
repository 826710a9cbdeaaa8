"""`i2i translate` over many files, again and again, as a user runs it."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass

import numpy
import pytest
import torch
from PIL import Image, ImageCms, ImageSequence

from i2i.cli import main
from i2i.images.whole import open_whole

MANIFEST = ".i2i-manifest.jsonl"
PROJECT = """
[project]
name = "i2i-blurrer"
version = "1.0"
[project.entry-points.i2i]
blurrer = "i2i_blurrer"
"""
HOOKS = """
from importlib.resources import files

from pydantic import Field

from i2i import ModelSpec, Options, TrainerSpec, hookimpl


class ModelOptions(Options):
    scale: int = Field(1, ge=1, description="how many times larger")
    restores: bool = Field(True, description="whether the picture stays what it is")
    norm: bool = Field(False, description="whether it normalises the whole picture")


class TranslateOptions(Options):
    strength: float = Field(1, description="how blurred")
    signal: int = Field(0, description="what it sends to its own process when it sees its third picture")
    room: int = Field(10**9, description="how often it finds memory")


@hookimpl
def i2i_models():
    options = {"options": ModelOptions, "translate_options": TranslateOptions, "inference": (), "standalone": ()}
    return [ModelSpec(name="blurrer", summary="blurs", build="i2i_blurrer.model:Blurrer", **options)]


@hookimpl
def i2i_trainers():
    return [TrainerSpec(name="blurrer", summary="never built", keys=("picture",), build="i2i_blurrer.model:None")]


@hookimpl
def i2i_recipes():
    return [files(__name__) / "blurrer.yaml"]
"""
RECIPE = "model: {use: blurrer}\ndataset: {use: pictures}\ntrainer: {use: blurrer}\n"
MODEL = """
import os

import torch
import torch.nn.functional as F
from torch import nn

from i2i import Geometry, I2IError

SEEN = []


class Blurrer(nn.Module):
    def __init__(self, options):
        super().__init__()
        tiling = "statistics" if options.norm else "margin"
        self.geometry = Geometry(scale=options.scale, margin=1, restores=options.restores, tiling=tiling)
        self.norm = nn.InstanceNorm2d(3) if options.norm else nn.Identity()

    def translate(self, images, request):
        SEEN.append(tuple(images.shape))
        if request.options.signal and len(SEEN) == 3:
            os.kill(os.getpid(), request.options.signal)
        if len(SEEN) == request.options.room:
            raise torch.OutOfMemoryError("no more")
        if not images.flatten(1).any(1).all():
            raise I2IError("nothing but darkness")
        blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
        blurred = images.lerp(blurred, request.options.strength)
        blurred = self.norm(blurred) / 8 + 0.5 if self.geometry.tiling == "statistics" else blurred
        scale = self.geometry.scale
        return blurred.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, install_plugin):
    """Where the blurrer is installed, which needs no weights."""
    project = tmp_path_factory.mktemp("blurrer")
    package = project / "i2i_blurrer"
    package.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    for name, text in {"__init__.py": HOOKS, "model.py": MODEL, "blurrer.yaml": RECIPE}.items():
        (package / name).write_text(text)
    site = tmp_path_factory.mktemp("site")
    install_plugin(project, site)
    return site


@pytest.fixture
def folder(site, tmp_path, monkeypatch):
    """Where the user is: three pictures in a tree."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # the command raises it
    monkeypatch.setattr("i2i.cli.console.PLAIN_SECONDS", 1000)  # however slow this machine is
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a.png", "b.jpg", "deep/c.png")):
        picture(tmp_path / "photos" / name, number)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("i2i_blurrer")]:
        del sys.modules[name]


@dataclass
class Said:
    """What the command did."""

    code: int
    out: list[str]
    err: list[str]


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """`run(*arguments)`: the command line, from `photos` to `out` unless told otherwise."""

    def run(*arguments, src=("photos",), dst="out", plugin="blurrer"):
        flags = [*(part for source in src for part in ("--src", source)), "--dst", dst]
        command = ["i2i", "translate", "--plugin", plugin, *map(str, flags), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Said(end.value.code, out.splitlines(), err.splitlines())

    return run


def picture(path, number=0, size=(12, 9)):
    """A picture that no other number has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = numpy.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=numpy.uint8)
    Image.fromarray(levels).save(path)


def everything(path):
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir())


def contents(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*.*") if file.is_file()}


def seen():
    from i2i_blurrer.model import SEEN

    return SEEN


def pixels(path):
    return numpy.asarray(Image.open(path))


def test_a_second_run_does_nothing_and_says_so(folder, run):
    first = run()
    assert (first.code, first.out) == (0, ["3 of 3 pictures translated into out"]), first.err
    assert first.err == ["blurrer: needs no weights"]
    assert everything(folder / "out") == [MANIFEST, "a.png", "b.jpg", "deep/c.png"]
    before = contents(folder / "out")
    again = run()
    assert (again.code, again.out) == (0, ["nothing to do: all 3 pictures are translated in out"])
    assert contents(folder / "out") == before


def test_what_is_missing_or_changed_or_new_is_done_and_nothing_else(folder, run):
    run()
    untouched = (folder / "out" / "deep" / "c.png").stat()
    (folder / "out" / "a.png").unlink()
    picture(folder / "photos" / "b.jpg", 7)
    picture(folder / "photos" / "d.png", 8)
    result = run()
    assert (result.code, result.out) == (0, ["3 of 4 pictures translated into out; 1 were done before"])
    assert (folder / "out" / "deep" / "c.png").stat() == untouched
    fresh = run(dst="fresh")
    assert fresh.out == ["4 of 4 pictures translated into fresh"]
    names = everything(folder / "photos")
    assert all((folder / "out" / name).read_bytes() == (folder / "fresh" / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    "flags", [("--seed", 1), ("--quality", 50), ("--set", "model.restores=false"), ("--set", "translate.strength=0.5")]
)
def test_other_settings_do_it_all_anew(run, flags):
    run()
    assert run(*flags).out == ["3 of 3 pictures translated into out"]
    assert run(*flags).out == ["nothing to do: all 3 pictures are translated in out"]


def test_how_the_work_is_cut_and_shared_does_not_matter_to_what_is_done(run):
    run()
    for flags in (("--batch", 2), ("--tile", 8), ("--memory", "4GB"), ("--on-error", "stop"), ("--max-bad", 3)):
        assert run(*flags).out == ["nothing to do: all 3 pictures are translated in out"]


def test_several_sources_keep_their_own_folders(folder, run):
    picture(folder / "more" / "a.png", 9)
    result = run(src=("photos", "more", "photos/b.jpg"))
    assert result.code == 0, result.err
    assert everything(folder / "out") == [
        MANIFEST, "more/a.png", "photos/a.png", "photos/b.jpg", "photos/deep/c.png"
    ]  # fmt: skip
    assert (folder / "out" / "more" / "a.png").read_bytes() != (folder / "out" / "photos" / "a.png").read_bytes()


def test_what_is_not_ours_stays_and_is_reported_unless_it_is_forced(folder, run):
    (folder / "out").mkdir()
    (folder / "out" / "a.png").write_bytes(b"a diary")
    result = run()
    assert (result.code, result.out) == (3, ["2 of 3 pictures translated into out"])
    assert result.err[1:] == [
        "not translated: out/a.png: is there, and no line of the manifest tells of it; --force replaces it"
    ]
    assert (folder / "out" / "a.png").read_bytes() == b"a diary"
    picture(folder / "out" / "b.jpg", 5)
    result = run()
    assert result.code == 3
    assert "not translated: out/b.jpg: was changed since it was translated; --force replaces it" in result.err
    forced = run("--force")
    assert (forced.code, forced.out) == (0, ["3 of 3 pictures translated into out"])
    assert run().out == ["nothing to do: all 3 pictures are translated in out"]
    assert pixels(folder / "out" / "a.png").shape == (9, 12, 3)


def test_a_translation_that_rotted_is_found_by_its_hash_and_made_anew(folder, run):
    run()
    path = folder / "out" / "a.png"
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run().out == ["nothing to do: all 3 pictures are translated in out"]
    result = run("--verify")
    assert result.code == 0
    assert result.out == ["1 of 3 pictures translated into out, 1 of them damaged since; 2 were done before"]
    assert path.read_bytes() == whole
    assert run("--verify").out == ["nothing to do: all 3 pictures are translated in out"]


def spoil(folder, *names):
    for name in names:
        (folder / "photos" / name).write_text("not a picture")


def test_what_cannot_be_read_is_listed_the_rest_is_done_and_it_is_tried_again(folder, run):
    spoil(folder, "deep/broken.jpg")
    for counted in ("3 of 4 pictures translated into out", "0 of 4 pictures translated into out; 3 were done before"):
        result = run()
        assert (result.code, result.out) == (3, [counted])
        assert len(result.err) == 2
        assert result.err[1].startswith("not translated: photos/deep/broken.jpg: ")
    picture(folder / "photos" / "deep" / "broken.jpg", 4)
    assert run().out == ["1 of 4 pictures translated into out; 3 were done before"]
    lines = [json.loads(line) for line in (folder / "out" / MANIFEST).read_text().splitlines()]
    assert all(isinstance(line, dict) for line in lines)


@pytest.mark.parametrize("batch", [(), ("--batch", 1), ("--batch", 8), ("--tile", 6)])
def test_what_the_model_itself_refuses_costs_that_picture_alone(folder, run, batch):
    run(dst="whole")
    Image.new("RGB", (12, 9)).save(folder / "photos" / "dark.png")
    result = run(*batch)
    assert (result.code, result.out) == (3, ["3 of 4 pictures translated into out"])
    assert result.err[1:] == ["not translated: photos/dark.png: nothing but darkness"]
    for name in ("a.png", "b.jpg", "deep/c.png"):
        assert abs(pixels(folder / "out" / name).astype(int) - pixels(folder / "whole" / name)).max() <= 1


@pytest.mark.parametrize(
    ("flags", "bad", "why"),
    [
        (("--on-error", "stop"), 1, "stopped at the first; "),
        (("--max-bad", 1), 2, "stopped, as more than 1 failed; "),
    ],
)
def test_too_many_failures_end_it_and_what_is_done_stays_done(folder, run, flags, bad, why):
    spoil(folder, "0.jpg", "1.jpg", "2.jpg", "3.jpg")
    result = run(*flags, "--batch", 1)
    assert (result.code, result.out) == (1, [])
    assert [line.startswith("Error: not translated: photos/") for line in result.err[1:-1]] == [True] * bad
    assert result.err[-1].startswith(f"Error: {why}")
    assert result.err[-1].endswith(" pictures are translated, and the next run goes on from there")
    for name in ("0", "1", "2", "3"):
        (folder / "photos" / f"{name}.jpg").unlink()
    assert run().code == 0
    assert everything(folder / "out") == [MANIFEST, "a.png", "b.jpg", "deep/c.png"]


def test_as_many_failures_as_are_allowed_end_nothing(folder, run):
    spoil(folder, "0.jpg", "1.jpg")
    result = run("--max-bad", 2)
    assert (result.code, result.out) == (3, ["3 of 5 pictures translated into out"])


def test_a_dry_run_says_what_would_be_done_and_writes_nothing_at_all(folder, run):
    before = everything(folder)
    result = run("--dry-run", "--suffix", "_soft")
    assert result.code == 0
    assert result.out == [
        "photos/a.png → out/a_soft.png",
        "photos/b.jpg → out/b_soft.jpg",
        "photos/deep/c.png → out/deep/c_soft.png",
        "would translate 3 of 3 pictures into out",
    ]
    assert everything(folder) == before
    assert not (folder / "out").exists()


def test_a_dry_run_knows_what_is_done_and_what_is_in_the_way(folder, run):
    run()
    (folder / "out" / "a.png").write_bytes(b"a diary")
    (folder / "out" / "b.jpg").unlink()
    before = {name: (folder / name).stat() for name in everything(folder)}
    result = run("--dry-run")
    assert result.out == [
        "photos/a.png → out/a.png  (not: was changed since it was translated; --force replaces it)",
        "photos/b.jpg → out/b.jpg",
        "would translate 1 of 3 pictures into out; 1 are done",
    ]
    assert {name: (folder / name).stat() for name in everything(folder)} == before


def test_a_format_a_suffix_and_a_quality_are_those_asked_for(folder, run):
    picture(folder / "photos" / "a.jpg", 4)
    result = run("--format", "webp", "--suffix", "_soft", "--quality", 30)
    assert result.code == 0, result.err
    names = ["a_soft.jpg.webp", "a_soft.png.webp", "b_soft.webp", "deep/c_soft.webp"]
    assert everything(folder / "out") == [MANIFEST, *names]
    for name in names:
        with Image.open(folder / "out" / name) as image:
            assert (image.format, image.size) == ("WEBP", (12, 9))
    run("--format", "webp", "--suffix", "_soft", "--quality", 95, dst="fine")
    assert all((folder / "fine" / name).stat().st_size > (folder / "out" / name).stat().st_size for name in names)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "tiff", "avif"])
def test_every_format_can_be_asked_for(folder, run, name):
    result = run("--format", name, src=("photos/a.png",))
    assert result.code == 0, result.err
    (path,) = [path for path in (folder / "out").iterdir() if path.name != MANIFEST]
    with Image.open(path) as image:
        assert (image.format, image.size) == (name.upper(), (12, 9))


@pytest.fixture
def profiled(folder, swapped_profile):
    """A flat picture whose profile has red and blue change places."""
    path = folder / "profiled" / "a.png"
    path.parent.mkdir()
    Image.new("RGB", (6, 5), (200, 40, 10)).save(path, icc_profile=swapped_profile)
    return path


@pytest.mark.parametrize(
    ("colours", "stored", "keeps"),
    [("source", (200, 40, 10), True), ("srgb", (10, 40, 200), False), ("as-stored", (200, 40, 10), True)],
)
def test_colours_come_back_as_the_source_has_them_or_as_asked_for(
    folder, run, profiled, swapped_profile, colours, stored, keeps
):
    assert run("--colours", colours, src=("profiled",)).code == 0
    with Image.open(folder / "out" / "a.png") as image:
        assert image.getpixel((2, 2)) == pytest.approx(stored, abs=2)
        assert image.info.get("icc_profile") == (swapped_profile if keeps else None)


def test_the_model_sees_srgb(folder, run, profiled):
    run("--set", "model.restores=false", src=("profiled",))
    with Image.open(folder / "out" / "a.png") as image:
        shown = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])), ImageCms.createProfile("sRGB")
        )  # fmt: skip
        assert shown.getpixel((2, 2)) == pytest.approx((10, 40, 200), abs=2)


def test_transparency_is_carried_or_laid_over_a_background(folder, run):
    path = folder / "clear" / "a.png"
    path.parent.mkdir()
    Image.new("RGBA", (6, 5), (200, 40, 10, 128)).save(path)
    assert run("--set", "model.restores=false", src=("clear",)).code == 0
    assert Image.open(folder / "out" / "a.png").getpixel((0, 0)) == (200, 40, 10, 128)
    assert run("--set", "model.restores=false", "--background", "black", src=("clear",), dst="laid").code == 0
    image = Image.open(folder / "laid" / "a.png")
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == pytest.approx((100, 20, 5), abs=1)
    as_jpeg = run("--format", "jpeg", src=("clear",), dst="jpeg")
    assert as_jpeg.err[1:] == ["transparency laid over white, as JPEG holds none: jpeg/a.jpg"]


@pytest.fixture
def animation(folder):
    path = folder / "moving" / "a.gif"
    path.parent.mkdir()
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 250, 400], loop=2)
    return path


def test_an_animation_is_translated_frame_by_frame(folder, run, animation):
    result = run("--set", "model.scale=2", src=("moving",))
    assert result.code == 0, result.err
    with Image.open(folder / "out" / "a.gif") as image:
        frames = [
            (frame.convert("RGB").getpixel((3, 3)), frame.info["duration"]) for frame in ImageSequence.Iterator(image)
        ]
        assert (image.size, image.info["loop"]) == ((12, 10), 2)
    assert frames == [((255, 0, 0), 100), ((0, 255, 0), 250), ((0, 0, 255), 400)]


def test_of_an_animation_the_first_frame_is_enough_where_that_is_asked_for(folder, run, animation):
    result = run("--frames", "first", src=("moving",))
    assert result.code == 0, result.err
    with Image.open(folder / "out" / "a.gif") as image:
        assert getattr(image, "n_frames", 1) == 1
        assert image.convert("RGB").getpixel((3, 3)) == (255, 0, 0)


def test_an_animation_into_a_format_of_one_frame_is_refused_and_says_which_take_it(folder, run, animation):
    result = run("--format", "jpeg", src=("moving",))
    assert result.code == 3
    assert len(result.err) == 2
    assert result.err[1].startswith("not translated: moving/a.gif: ")
    assert run("--format", "jpeg", "--frames", "first", src=("moving",)).code == 0


@pytest.mark.parametrize("scale", [1, 2])
def test_a_picture_larger_than_the_tile_equals_the_untiled(folder, run, scale):
    large = folder / "large"
    picture(large / "a.png", 1, size=(61, 47))
    picture(large / "b.tif", 2, size=(40, 70))
    Image.open(large / "a.png").convert("L").save(large / "grey.png")
    clear = Image.open(large / "a.png").convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((61, 47)).point(lambda level: max(level, 9)))
    clear.save(large / "clear.png")
    options = ("--set", f"model.scale={scale}")
    assert run(*options, src=("large",), dst="whole").code == 0
    seen().clear()
    assert run(*options, "--tile", 16, src=("large",), dst="tiled").code == 0
    assert max(max(shape[2:]) for shape in seen()) <= 16
    for name in everything(large):
        whole, tiled = open_whole(folder / "whole" / name), open_whole(folder / "tiled" / name)
        assert tiled.levels == whole.levels
        assert torch.equal(tiled.values, whole.values)
    assert run(*options, src=("large",), dst="tiled").out == ["nothing to do: all 4 pictures are translated in tiled"]


def test_norms_of_the_whole_picture_are_exact_where_that_is_asked_for(folder, run):
    path = folder / "large" / "a.png"
    path.parent.mkdir()
    shades = Image.linear_gradient("L").resize((60, 50))
    Image.merge("RGB", (shades, shades.rotate(90, expand=False), Image.effect_noise((60, 50), 90))).save(path)
    norm = ("--set", "model.norm=true")
    assert run(*norm, src=("large",), dst="whole").code == 0
    assert run(*norm, "--tile", 24, "--tile-norms", "exact", src=("large",)).code == 0
    differs = pixels(folder / "out" / "a.png").astype(int) - pixels(folder / "whole" / "a.png")
    assert abs(differs).max() <= 1
    done = ["nothing to do: all 1 pictures are translated in out"]
    assert run(*norm, "--tile", 24, "--tile-norms", "exact", src=("large",)).out == done
    assert run(*norm, "--tile", 24, src=("large",)).out == ["1 of 1 pictures translated into out"]
    assert run(*norm, "--tile", 24, src=("large",)).out == done


def test_memory_decides_how_large_tiles_are(folder, run):
    from i2i.tiling.memory import anonymous

    picture(folder / "large" / "a.png", 1, size=(900, 1100))
    assert run(src=("large",), dst="whole").code == 0
    seen().clear()
    assert run("--memory", f"{anonymous() // 10**6 + 40}MB", src=("large",), dst="tiled").code == 0
    assert len(seen()) > 1
    assert numpy.array_equal(pixels(folder / "tiled" / "a.png"), pixels(folder / "whole" / "a.png"))


def test_memory_that_runs_out_amid_a_picture_costs_that_picture_alone(folder, run):
    for name in "ab":
        picture(folder / "large" / f"{name}.png", size=(61, 47))
    seen().clear()
    settings = ("--tile", 16, "--set", "translate.room=15")
    result = run(*settings, src=("large",))
    assert (result.code, result.out) == (3, ["1 of 2 pictures translated into out"])
    assert result.err[1:] == ["not translated: large/a.png: out of memory; lower --memory, or --tile"]
    assert everything(folder / "out") == [MANIFEST, "b.png"]
    result = run(*settings, src=("large",))
    assert (result.code, result.out) == (0, ["1 of 2 pictures translated into out; 1 were done before"])
    assert (folder / "out" / "a.png").read_bytes() == (folder / "out" / "b.png").read_bytes()


def test_too_little_memory_is_told_with_what_it_takes(folder, run):
    picture(folder / "large" / "a.png", 1, size=(900, 1100))
    result = run("--memory", "1MB", src=("large",))
    assert result.code == 3
    assert len(result.err) == 2
    assert result.err[1].startswith("not translated: large/a.png: ")
    assert "--memory" in result.err[1]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--memory", "3 apples"), "'3 apples' is no amount of memory: give a number and its unit, such as 3GB"),
        (("--suffix", "a/b"), "--suffix 'a/b': holds '/'"),
        (("--suffix", ".png"), "--suffix .png: is a file format's; --format says which to write"),
        (("--watch", "--dry-run"), "--watch looks again and again, --dry-run is for once: leave one of them out"),
        (("--watch", "--force"), "--watch looks again and again, --force is for once: leave one of them out"),
        (("--watch", "--verify"), "--watch looks again and again, --verify is for once: leave one of them out"),
        (("--glob", "*.bmp"), "--glob '*.bmp': fits no picture (found 3, such as photos/a.png)"),
        (("--colours", "pink"), "Invalid value for '--colours': 'pink' is not one of"),
        (("--quality", "101"), "Invalid value for '--quality': 101 is not in the range 1<=x<=100"),
        (("--max-bad", "-1"), "Invalid value for '--max-bad': -1 is not in the range x>=0"),
        (("--devices", "0"), "Invalid value for '--devices': 0 is not in the range x>=1"),
    ],
)
def test_wrong_uses_are_told_before_any_work(folder, run, flags, complaint):
    result = run(*flags)
    assert result.code == 2
    assert result.err[-1].startswith(f"Error: {complaint}"), result.err
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "flag",
    ["--suffix=_a", "--format=png", "--memory=1GB", "--tile=99", "--verify", "--dry-run", "--watch",
     "--devices=2"],
)  # fmt: skip
def test_flags_for_translations_want_pictures(folder, run, flag):
    result = run("--count", 3, flag, src=())
    assert (result.code, result.err) == (
        2, [f"Error: {flag.partition('=')[0]} is for pictures that are translated: it needs --src DIR"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--max-pixels", 100), "12 × 9 pixels are more than the 100 pixels that are read"),
        (("--max-bytes", 50), "bytes; files of up to 50 bytes are read"),
    ],
)
def test_what_is_larger_than_allowed_is_refused_and_the_rest_is_done(folder, run, flags, why):
    for path in ("photos/a.png", "photos/deep/c.png"):
        (folder / path).unlink()
    Image.new("L", (1, 1), 200).save(folder / "photos" / "tiny.pgm")
    result = run(*flags)
    assert (result.code, result.out) == (3, ["1 of 2 pictures translated into out"])
    assert len(result.err) == 2
    assert result.err[1].startswith("not translated: photos/b.jpg: too large: ")
    assert result.err[1].endswith(why)
    assert everything(folder / "out") == [MANIFEST, "tiny.pgm"]
    assert run().out == ["1 of 2 pictures translated into out; 1 were done before"]


def test_what_takes_too_long_to_read_is_refused(folder, run):
    result = run("--max-seconds", 1e-9)
    assert (result.code, result.out) == (3, ["0 of 3 pictures translated into out"])
    assert result.err[1].startswith("not translated: photos/a.png: ")
    assert len(result.err) == 4


def test_a_rank_of_a_cluster_does_its_share(folder, run, monkeypatch):
    for number in range(6):
        picture(folder / "photos" / f"{number}.png", 10 + number)
    counts = []
    for rank in ("0", "1"):
        for name, value in {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank}.items():
            monkeypatch.setenv(name, value)
        result = run()
        assert result.code == 0, result.err
        counts += [int(count) for count in result.out[0].removesuffix(" pictures translated into out").split(" of ")]
    assert counts[:2] == [counts[0]] * 2
    assert counts[2:] == [counts[2]] * 2
    assert 0 < counts[0] < counts[0] + counts[2] == 9
    assert run().out == [f"nothing to do: all {counts[2]} pictures are translated in out"]


def test_two_processes_share_the_pictures_and_leave_one_manifest(folder, run):
    for number in range(8):
        picture(folder / "photos" / f"{number}.png", 10 + number)
    spoil(folder, "broken.jpg")
    result = run("--devices", 2)
    assert result.code == 3, result.err
    assert len(result.out) == 2
    shares = [
        line.partition(" pictures translated into out")[0].rpartition(": ")[2].split(" of ") for line in result.out
    ]
    assert sum(int(done) for done, _ in shares) == 11
    assert sum(int(total) for _, total in shares) == 12
    assert min(int(total) for _, total in shares) > 0
    assert [line for line in result.err if "not translated: photos/broken.jpg: " in line]
    assert everything(folder / "out") == sorted([MANIFEST, *set(everything(folder / "photos")) - {"broken.jpg"}])
    (folder / "photos" / "broken.jpg").unlink()
    assert run().out == ["nothing to do: all 11 pictures are translated in out"]


def test_a_wrong_use_is_told_once_and_not_by_every_process(folder, run):
    result = run("--devices", 2, src=("nowhere",))
    assert (result.code, result.out, result.err) == (2, [], ["Error: nowhere: no such file or folder"])


def test_a_name_cannot_break_a_line_in_two(folder, run):
    spoil(folder, "two\nlines\x1b[31m.jpg")
    result = run()
    assert result.code == 3
    assert len(result.err) == 2
    assert result.err[1].startswith(r"not translated: photos/two\nlines\x1b[31m.jpg: ")
    stopped = run("--on-error", "stop")
    assert stopped.code == 1
    assert stopped.err[1].startswith(r"Error: not translated: photos/two\nlines\x1b[31m.jpg: ")
    assert len(stopped.err) == 3


def packed(path, folder):
    with tarfile.open(path, "w") as archive:
        archive.add(folder, ".")
    return path


def test_an_archive_is_read_as_a_folder_and_never_unpacked(folder, run):
    packed(folder / "photos.tar", folder / "photos")
    before = everything(folder)
    run(dst="whole")
    result = run(src=("photos.tar",))
    assert (result.code, result.out) == (0, ["3 of 3 pictures translated into out"]), result.err
    names = everything(folder / "photos")
    assert everything(folder / "out") == [MANIFEST, *names]
    assert all((folder / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes() for name in names)
    assert [name for name in everything(folder) if not name.startswith(("out/", "whole/"))] == before
    assert run(src=("photos.tar",)).out == ["nothing to do: all 3 pictures are translated in out"]


def test_an_archive_is_written_whole_or_not_at_all(folder, run):
    run(dst="whole")
    result = run(dst="out.tar")
    assert result.code == 0, result.err
    assert result.out == [
        "3 of 3 pictures translated into out.tar.parts",
        "3 pictures packed into out.tar; out.tar.parts may be deleted",
    ]
    with tarfile.open(folder / "out.tar") as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    assert found == {name: (folder / "whole" / name).read_bytes() for name in everything(folder / "photos")}
    assert (folder / "out.tar.parts" / MANIFEST).is_file()
    again = run(dst="out.tar")
    assert (again.code, again.err) == (2, ["Error: out.tar: is there already; delete it or choose another --dst"])


def test_an_archive_that_lacks_a_picture_is_completed_by_the_next_run(folder, run):
    spoil(folder, "broken.jpg")
    result = run(dst="out.tar")
    assert result.code == 3
    assert result.out == ["3 of 4 pictures translated into out.tar.parts"]
    picture(folder / "photos" / "broken.jpg", 3)
    result = run(dst="out.tar")
    assert (result.code, result.out) == (
        0, ["1 of 4 pictures translated into out.tar.parts; 3 were done before",
            "4 pictures packed into out.tar; out.tar.parts may be deleted"]
    )  # fmt: skip
    with tarfile.open(folder / "out.tar") as archive:
        assert len(archive.getnames()) == 4
    assert (folder / "out.tar.parts" / MANIFEST).is_file()


@pytest.mark.parametrize(
    ("flags", "what"), [(("--devices", 2), "several processes need"), (("--watch",), "--watch needs")]
)
def test_an_archive_is_written_by_one_process_that_ends(folder, run, flags, what):
    result = run(*flags, dst="out.tar")
    assert result.code == 2
    assert result.err == [f"Error: out.tar: an archive is packed at the end; {what} a folder as --dst"]
    assert not (folder / "out.tar").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_one_line_and_the_next_run_goes_on(folder, run, number, code):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for place in range(20):
        picture(folder / "photos" / f"{place:02}.png", 10 + place)
    seen().clear()
    result = run("--batch", 1, "--set", f"translate.signal={int(number)}")
    signal.signal(signal.SIGINT, before[0])  # a command that is stopped is deaf until its process ends
    signal.signal(signal.SIGTERM, before[1])
    done = len([name for name in everything(folder / "out") if name != MANIFEST])
    assert (result.code, result.out) == (code, [])
    assert result.err == ["blurrer: needs no weights", f"Error: stopped; {done} of 23 pictures are written"]
    seen().extend([()] * 3)
    again = run("--batch", 1, "--set", f"translate.signal={int(number)}")
    before = f"; {done} were done before" if done else ""
    assert (again.code, again.out) == (0, [f"{23 - done} of 23 pictures translated into out{before}"])


def appears(path, process):
    wait_until(path.exists, process)


def reads(path, text, process):
    wait_until(lambda: text in path.read_text(), process)


def wait_until(happened, process):
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_empty_source_is_an_error_unless_it_is_watched(folder, run):
    (folder / "inbox").mkdir()
    result = run(src=("inbox",))
    assert result.code == 2
    assert result.err[0].startswith("Error: inbox: holds no pictures (looked for ")
    assert not (folder / "out").exists()


def test_what_arrives_while_it_watches_is_translated_until_a_signal_ends_it(folder, run, python):
    (folder / "inbox").mkdir()
    flags = ["--plugin", "blurrer", "--src", "inbox", "--dst", "out", "--watch"]
    command = [python, "-m", "i2i", "translate", *flags]
    with (folder / "said.txt").open("w") as said, (folder / "told.txt").open("w") as told:
        process = subprocess.Popen(command, text=True, stdout=told, stderr=said)
    appears(folder / "out", process)
    picture(folder / "inbox" / "deep" / "a.png")
    (folder / "inbox" / "broken.jpg").write_text("not a picture")
    appears(folder / "out" / "deep" / "a.png", process)
    picture(folder / "inbox" / "b.png")
    os.utime(folder / "inbox" / "b.png", (time.time() + 86400,) * 2)  # of a camera whose clock is fast
    reads(folder / "told.txt", "out/b.png", process)  # said when it is recorded, after the file appears
    (folder / "inbox").rename(folder / "away")
    reads(folder / "said.txt", "looking again", process)
    picture(folder / "away" / "c.png")
    (folder / "away").rename(folder / "inbox")
    reads(folder / "told.txt", "out/c.png", process)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    err = (folder / "said.txt").read_text()
    assert process.returncode == 143, err
    told = [f"inbox/{name} → out/{name}" for name in ("deep/a.png", "b.png", "c.png")]
    assert (folder / "told.txt").read_text().splitlines() == told
    lines = err.splitlines()
    assert lines[1] == "watching; stop with Ctrl-C. Translations appear in out"
    assert lines[2].startswith("not translated: inbox/broken.jpg: ")
    assert lines[3:] == ["inbox: no such file or folder; looking again", "Error: stopped"]
    assert everything(folder / "out") == [MANIFEST, "b.png", "c.png", "deep/a.png"]
    (folder / "inbox" / "broken.jpg").unlink()
    assert run(src=("inbox",)).out == ["nothing to do: all 3 pictures are translated in out"]
