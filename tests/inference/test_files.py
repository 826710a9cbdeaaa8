"""What is still to be done of a plan, and files written complete or not at all."""

import errno
import json
import os

import pytest
import torch
from PIL import Image, features

from i2i import I2IError, load, load_recipe
from i2i.inference.files import Files
from i2i.inference.manifest import Manifest
from i2i.inference.pending import Pending
from i2i.inference.places import Naming, plan


@pytest.fixture
def enlarger(plugin_alone):
    """`enlarger(*settings, name=…)`: that recipe of the plugin, loaded."""
    catalog = plugin_alone("enlarger")
    return lambda *settings, name="enlarger", **how: load(
        load_recipe(catalog, name, overrides=settings), catalog=catalog, device="cpu", **how
    )


@pytest.fixture
def pictures(tmp_path):
    for name in ("a.png", "deep/b.png", "c.webp"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4), "navy").save(tmp_path / "in" / name)
    return tmp_path / "in"


def translated(translator, source, settings="s", naming=Naming(), written=lambda job: None, **how):  # noqa: B008
    """What became of the jobs, and how many had been done before."""
    jobs = plan([source], source.parent / "out", naming=naming)
    asked = {key: how.pop(key) for key in ("verify", "force") if key in how}
    with Manifest.open(jobs.destination, settings) as manifest:
        pending = Pending(jobs, manifest, **asked)
        files = Files(translator, manifest, **how)
        return list(files.translated(pending, written)), pending.done_before


def present(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if not path.name.startswith("."))


def test_every_file_is_written_and_told_of(enlarger, pictures):
    written = []
    done, before = translated(enlarger(), pictures, written=written.append)
    assert [result.broken for result in done] == [None] * 3
    assert before == 0
    assert sorted(job.name for job in written) == present(pictures.parent / "out") == ["a.png", "c.webp", "deep/b.png"]
    assert Image.open(pictures.parent / "out" / "a.png").size == (10, 8)


def test_what_is_done_is_not_done_again_and_what_has_changed_is(enlarger, pictures):
    translator, out = enlarger(), pictures.parent / "out"
    translated(translator, pictures)
    assert translated(translator, pictures) == ([], 3)
    Image.new("RGB", (6, 4), "red").save(pictures / "a.png")
    (out / "deep" / "b.png").unlink()
    done, before = translated(translator, pictures)
    assert (sorted(result.job.name for result in done), before) == (["a.png", "deep/b.png"], 1)
    assert Image.open(out / "a.png").size == (12, 8)
    done, before = translated(translator, pictures, settings="others")
    assert (len(done), before) == (3, 0)
    done, before = translated(translator, pictures, settings="others", force=True)
    assert (len(done), before) == (3, 0)


def test_what_was_damaged_is_found_by_its_hash_and_done_again(enlarger, pictures):
    translator, out = enlarger(), pictures.parent / "out"
    translated(translator, pictures)
    intact = (out / "a.png").read_bytes()
    before = (out / "a.png").stat()
    (out / "a.png").write_bytes(intact[:-20] + bytes(20))
    os.utime(out / "a.png", ns=(before.st_atime_ns, before.st_mtime_ns))  # as a failing disk does it
    assert translated(translator, pictures) == ([], 3)  # of the same size: only --verify looks closer
    done, before = translated(translator, pictures, verify=True)
    assert ([result.job.name for result in done], before) == (["a.png"], 2)
    assert [result.broken for result in done] == [None]
    assert (out / "a.png").read_bytes() == intact


def test_a_translation_that_was_cut_short_is_told_from_one_that_somebody_edited(enlarger, pictures):
    translator, out = enlarger(), pictures.parent / "out"
    translated(translator, pictures)
    intact = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(intact[:-30])
    Image.new("RGB", (10, 8), "gold").save(out / "deep" / "b.png")
    done, before = translated(translator, pictures, verify=True)
    assert ({result.job.name: result.broken is None for result in done}, before) == (
        {"a.png": True, "deep/b.png": False}, 1
    )  # fmt: skip
    assert (out / "a.png").read_bytes() == intact


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_costs_its_pictures_alone(enlarger, pictures):
    (pictures.parent / "out" / "deep").mkdir(parents=True)
    (pictures.parent / "out" / "deep").chmod(0o500)
    done, _ = translated(enlarger(), pictures)
    assert sorted(result.job.name for result in done if result.broken) == ["deep/b.png"]


def test_a_folder_in_the_place_of_a_file_costs_that_picture_alone(enlarger, pictures):
    (pictures.parent / "out" / "a.png").mkdir(parents=True)
    done, _ = translated(enlarger(), pictures, force=True)
    (broken,) = [result.broken for result in done if result.broken]
    assert str(broken).startswith(f"{pictures}/a.png: {pictures.parent}/out/a.png: cannot be written (")
    assert present(pictures.parent / "out") == ["a.png", "c.webp", "deep/b.png"]


def test_what_is_not_ours_is_left_alone_unless_forced(enlarger, pictures):
    out = pictures.parent / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"dear to somebody")
    done, _ = translated(enlarger(), pictures)
    (refused,) = [result.broken for result in done if result.broken]
    assert str(refused).startswith(f"{out}/a.png: ")
    assert "--force" in refused.reason
    assert (out / "a.png").read_bytes() == b"dear to somebody"
    done, _ = translated(enlarger(), pictures)
    assert [result.job.name for result in done if result.broken] == ["a.png"]  # and stays so
    done, _ = translated(enlarger(), pictures, force=True)
    assert not [result.broken for result in done if result.broken]
    assert Image.open(out / "a.png").size == (10, 8)


def test_what_cannot_be_read_is_noted_and_tried_again(enlarger, pictures):
    (pictures / "bad.png").write_bytes(b"\x89PNG nothing")
    done, _ = translated(enlarger(), pictures)
    (broken,) = [result.broken for result in done if result.broken]
    assert broken.path == pictures / "bad.png"
    assert broken.__traceback__ is None
    lines = [json.loads(line) for line in (pictures.parent / "out" / ".i2i-manifest.jsonl").read_text().splitlines()]
    assert {line["target"]: line["status"] for line in lines if "target" in line} == {
        "a.png": "done", "bad.png": "failed", "c.webp": "done", "deep/b.png": "done"
    }  # fmt: skip
    Image.new("RGB", (3, 3)).save(pictures / "bad.png")
    done, before = translated(enlarger(), pictures)
    assert ([(result.job.name, result.broken) for result in done], before) == ([("bad.png", None)], 3)


def test_a_picture_of_the_same_name_from_elsewhere_takes_nothing_away(enlarger, pictures):
    out = pictures.parent / "out"
    translated(enlarger(), pictures)
    pictures.rename(pictures.parent / "day1")
    pictures.mkdir()
    Image.new("RGB", (9, 9), "red").save(pictures.parent / "day1" / "new.png")
    assert translated(enlarger(), pictures.parent / "day1")[1] == 3  # the same pictures in a folder of another name
    Image.new("RGB", (7, 7), "red").save(pictures / "a.png")
    done, _ = translated(enlarger(), pictures, settings="others")
    (refused,) = [result.broken for result in done]
    assert refused.reason == (
        "is the translation of ../day1/a.png; --force replaces it, --suffix or another --dst keeps both"
    )
    assert Image.open(out / "a.png").size == (10, 8)


def test_what_somebody_changed_since_is_left_alone(enlarger, pictures):
    translator, out = enlarger(), pictures.parent / "out"
    translated(translator, pictures)
    Image.new("RGB", (10, 8), "gold").save(out / "a.png")
    Image.new("RGB", (6, 4), "red").save(pictures / "a.png")
    done, before = translated(translator, pictures)
    assert (["--force" in result.broken.reason for result in done], before) == ([True], 2)
    assert Image.open(out / "a.png").getpixel((0, 0)) == (255, 215, 0)


def test_drafts_of_a_killed_run_are_swept_away(enlarger, pictures):
    out = pictures.parent / "out"
    (out / "deep").mkdir(parents=True)
    (out / "deep" / ".i2i-0123456789abcdef.part").write_bytes(b"half a picture")
    translated(enlarger(), pictures)
    assert not list(out.rglob("*.part"))


def test_a_translation_that_its_format_cannot_hold_is_named_before_any_work_and_the_rest_is_written(enlarger, pictures):
    Image.new("RGB", (8192, 1)).save(pictures / "wide.webp")
    translator = enlarger()
    done, _ = translated(translator, pictures)
    (broken,) = [result.broken for result in done if result.broken]
    assert str(broken).startswith(f"{pictures}/wide.webp: cannot be written (16384×2 as WEBP: ")
    assert max(batch[-1] for batch in translator.model.batches) == 5
    assert present(pictures.parent / "out") == ["a.png", "c.webp", "deep/b.png"]


def test_a_full_disk_stops_everything_in_one_line(enlarger, pictures, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("i2i.disk.drafts.os.fsync", full)
    with pytest.raises(I2IError, match=r"cannot be written \(no space left on device\)"):
        translated(enlarger(), pictures)
    assert present(pictures.parent / "out") == []


def test_every_frame_of_an_animation_is_translated_and_its_timing_kept(enlarger, tmp_path):
    (tmp_path / "in").mkdir()
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "in" / "a.gif", save_all=True, append_images=frames[1:], duration=[40, 80, 120], loop=0)
    frames[0].save(tmp_path / "in" / "b.tif", save_all=True, append_images=frames[1:])
    done, _ = translated(enlarger(), tmp_path / "in")
    assert [result.broken for result in done] == [None, None]
    with Image.open(tmp_path / "out" / "a.gif") as moving:
        shown = []
        for number in range(moving.n_frames):
            moving.seek(number)
            shown.append((moving.size, moving.convert("RGB").getpixel((0, 0)), moving.info["duration"]))
    assert shown == [((12, 8), (255, 0, 0), 40), ((12, 8), (0, 255, 0), 80), ((12, 8), (0, 0, 255), 120)]
    with Image.open(tmp_path / "out" / "b.tif") as pages:
        assert pages.n_frames == 3
        pages.seek(2)
        assert pages.convert("RGB").getpixel((11, 7)) == (0, 0, 255)


def test_the_first_frame_is_enough_where_that_is_asked_for(enlarger, tmp_path):
    (tmp_path / "in").mkdir()
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime")]
    frames[0].save(tmp_path / "in" / "a.gif", save_all=True, append_images=frames[1:])
    done, _ = translated(enlarger(), tmp_path / "in", naming=Naming("", "jpeg"))
    (refused,) = [result.broken for result in done]
    assert "2 frames" in str(refused) or "several" in str(refused)
    done, _ = translated(enlarger(), tmp_path / "in", naming=Naming("", "jpeg"), frames="first")
    assert [result.broken for result in done] == [None]
    assert Image.open(tmp_path / "out" / "a.jpg").size == (12, 8)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("format_name", ["png", "jpeg", "webp", "tiff", "avif"])
def test_each_format_can_be_asked_for(enlarger, pictures, format_name):
    done, _ = translated(enlarger(), pictures, naming=Naming("_2x", format_name))
    assert [result.broken for result in done] == [None] * 3
    kinds = {Image.open(pictures.parent / "out" / result.job.name).format for result in done}
    assert kinds == {format_name.upper()}
    assert all("_2x." in result.job.name for result in done)


def test_a_translation_does_not_depend_on_what_was_done_before(plugin_alone, tmp_path):
    """Chance is a function of the name: a run that goes on gives what one that never ended gives."""
    catalog = plugin_alone("enlarger")
    recipe = load_recipe(catalog, "enlarger", overrides=["translate.speckle=true"])
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(torch.full((4, 5, 3), 128, dtype=torch.uint8).numpy()).save(tmp_path / "in" / name)
    translated(load(recipe, catalog=catalog), tmp_path / "in")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
    assert len(set(whole.values())) == 3
    (tmp_path / "out" / "b.png").unlink()
    translated(load(recipe, catalog=catalog), tmp_path / "in")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")} == whole
