"""Pictures that do not fit: smaller batches, tiles, and what is said of it."""

import weakref
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from i2i import Geometry, I2IError, Options, Translator, UsageError
from i2i.images.whole import open_whole
from i2i.inference.computation import Computation, Tiles
from i2i.inference.files import Files
from i2i.inference.manifest import Manifest
from i2i.inference.onlooker import Onlooker
from i2i.inference.opening import Subject
from i2i.inference.pending import Pending
from i2i.inference.places import plan
from i2i.training.runtime import Runtime


class Blur(nn.Module):
    """A 5×5 mean, enlarged; has memory for so many pixels at once."""

    def __init__(self, room=10**9, **geometry):
        super().__init__()
        self.room, self.geometry = room, Geometry(**{"margin": 2, "tiling": "margin", **geometry})
        self.asked = []

    def translate(self, images, request):
        batch, _, height, width = images.shape
        self.asked.append((batch, height, width))
        if batch * height * width > self.room:
            raise torch.OutOfMemoryError("no more")
        blurred = F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, 1)
        if self.geometry.fills:
            blurred = blurred * (1 - request.mask) + 0.25 * request.mask
        return blurred.repeat_interleave(self.geometry.scale, -1).repeat_interleave(self.geometry.scale, -2)


class Hearing(Onlooker):
    def __init__(self):
        self.heard, self.fractions = [], []

    def told(self, text):
        self.heard.append(text)

    def reported(self, items, fraction, scalars):
        self.fractions.append(fraction)


def translator(model, **how):
    header = {"recipe": {"name": "blur"}, "step": 0}
    return Translator(model, header, Runtime.choose("cpu", "fp32"), Options(), **how)


def stream(model, pictures, batch=None, **how):
    hearing = Hearing()
    subjects = [Subject(number, picture) for number, picture in enumerate(pictures)]
    done = sorted(translator(model, **how).stream(subjects, batch, 0, hearing), key=lambda each: each.item)
    return done, hearing


def test_a_batch_that_does_not_fit_is_halved_and_that_is_said_once():
    pictures = [torch.rand(3, 8, 8) for _ in range(16)]
    model = Blur(room=3 * 64, tiling="never")
    done, hearing = stream(model, pictures, batch=8)
    alone = translator(Blur()).translate(pictures)
    assert all(torch.equal(each.picture, expected) for each, expected in zip(done, alone, strict=True))
    assert hearing.heard == ["out of memory with 8 × 8×8 pixels at once: fewer from now on"]
    assert max(batch for batch, _, _ in model.asked[4:]) == 2


def test_what_never_fitted_is_asked_again_alone_but_not_for_ever():
    done, _ = stream(Blur(room=70, tiling="never"), [torch.rand(3, 8, 8)] * 2 + [torch.rand(3, 20, 20)], batch=2)
    assert [each.broken is None for each in done] == [True, True, False]


@pytest.mark.parametrize("restores", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "RGBA"])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_picture_that_does_not_fit_is_made_in_tiles_and_is_the_same(mode, scale, restores):
    picture = Image.effect_noise((61, 47), 90).convert(mode)
    if "A" in mode:
        alpha = Image.linear_gradient("L").resize((61, 47)).point(lambda level: max(level, 9))  # all of it is seen
        picture.putalpha(alpha)
    whole = translator(Blur(scale=scale, restores=restores)).translate(picture)
    (done,), hearing = stream(Blur(room=20 * 20, scale=scale, restores=restores), [picture])
    answer = done.whole.image()
    assert answer.mode == whole.mode
    assert answer.tobytes() == whole.tobytes()
    assert hearing.heard[0] == "out of memory with 1 × 61×47 pixels at once: in tiles from now on"
    assert len(hearing.heard) == len(set(hearing.heard))


def test_memory_that_runs_out_further_down_costs_that_picture_alone(tmp_path):
    class Late(Blur):
        def translate(self, images, request):
            if len(self.asked) == 5:  # in the second row of three
                self.asked.append(None)
                raise torch.OutOfMemoryError("no more")
            return super().translate(images, request)

    (tmp_path / "in").mkdir()
    for name in "ab":
        Image.effect_noise((60, 60), 90).convert("RGB").save(tmp_path / "in" / f"{name}.png")
    jobs = plan([tmp_path / "in"], tmp_path / "out")
    with Manifest.open(jobs.destination, "") as manifest:
        files = Files(translator(Late(), tiles=Tiles(side=24)), manifest)
        done = {result.job.name: result.broken for result in files.translated(Pending(jobs, manifest))}
    assert "out of memory" in str(done["a.png"])
    assert done["b.png"] is None
    assert [path.name for path in (tmp_path / "out").glob("*.*") if not path.name.startswith(".")] == ["b.png"]


def test_holes_are_filled_in_tiles_as_in_the_whole():
    picture = Image.effect_noise((41, 33), 90).convert("RGBA")
    picture.paste((0, 0, 0, 0), (10, 5, 30, 28))
    whole = translator(Blur(fills=True)).translate(picture)
    tiled = translator(Blur(fills=True), tiles=Tiles(side=16)).translate(picture)
    assert tiled.tobytes() == whole.tobytes()
    assert whole.getpixel((20, 15)) == (64, 64, 64)


def test_a_side_that_is_asked_for_is_never_exceeded_and_progress_is_told():
    model = Blur()
    (done,), hearing = stream(model, [torch.rand(3, 40, 50)], tiles=Tiles(side=16))
    picture = done.picture.gathered()
    assert picture.shape == (3, 40, 50)
    assert all(height <= 16 and width <= 16 for _, height, width in model.asked)
    assert hearing.fractions == sorted(hearing.fractions)
    assert hearing.fractions[-1] == 1


def test_a_picture_within_the_side_is_not_cut():
    model = Blur()
    stream(model, [torch.rand(3, 16, 16)] * 4, batch=4, tiles=Tiles(side=16))
    assert model.asked == [(4, 16, 16)]


def test_memory_decides_how_large_tiles_are():
    from i2i.tiling.memory import anonymous, trim

    trim()  # what other tests left would count as taken now, and as free later
    model = Blur()
    picture = torch.randint(256, (3, 2800, 2800), dtype=torch.uint8)
    budget = anonymous() + 200_000_000
    (done,), _ = stream(model, [picture], tiles=Tiles(memory=budget))
    assert done.broken is None, str(done.broken)
    answer = done.picture.gathered()
    assert torch.allclose(answer, translator(Blur()).translate(picture), atol=1e-6)
    assert len([size for size in model.asked if size[1] > 128]) > 1
    assert all(height < 2800 for _, height, _ in model.asked)


def test_less_memory_than_the_smallest_tile_takes_costs_that_picture_alone(tmp_path):
    Image.new("RGB", (900, 900)).save(tmp_path / "a.png")
    (done,), _ = stream(Blur(), [tmp_path / "a.png"], tiles=Tiles(memory=1000))
    assert done.picture is None
    assert str(done.broken).startswith(f"{tmp_path}/a.png: memory: ")
    assert "--memory" in str(done.broken)


def test_a_model_that_works_in_no_tiles_says_what_helps_and_the_rest_is_done(tmp_path):
    for name, size in (("a", 9), ("b", 30), ("c", 9)):
        Image.new("RGB", (size, size)).save(tmp_path / f"{name}.png")
    done, _ = stream(Blur(room=100, tiling="never"), [tmp_path / f"{name}.png" for name in "abc"])
    assert [each.broken is None for each in done] == [True, False, True]
    assert str(done[1].broken) == f"{tmp_path}/b.png: out of memory; lower --batch, or translate smaller pictures"
    with pytest.raises(I2IError, match="out of memory"):
        translator(Blur(room=100, tiling="never")).translate(tmp_path / "b.png")


def test_off_the_cpu_the_cpu_is_the_last_resort():
    told = []
    model = Blur(tiling="never")
    runtime = replace(Runtime.choose("cpu", "fp32"), device=torch.device("meta"))  # any that is not the CPU
    computation = Computation(model, runtime, Options(), Tiles(memory=10**9), tell=told.append)
    assert computation._retreats(1, (8, 8))
    assert told == ["out of memory with 1 × 8×8 pixels at once on meta: on the CPU from now on, which is slower"]
    assert computation.runtime.device.type == "cpu"
    assert not computation._retreats(1, (8, 8))


def test_batches_nobody_chose_are_of_small_pictures_and_never_of_a_model_that_cannot_be_cut():
    runtime = Runtime.choose("cpu", "fp32")
    assert Computation(Blur(), runtime, Options()).batch_for((32, 32)) == 64
    assert Computation(Blur(), runtime, Options()).batch_for((128, 128)) == 4
    assert Computation(Blur(scale=4), runtime, Options()).batch_for((128, 128)) == 1
    assert Computation(Blur(tiling="never"), runtime, Options()).batch_for((32, 32)) == 1
    assert Computation(Blur(size=(32, 32), tiling="never"), runtime, Options()).batch_for((32, 32)) == 64


def test_a_side_too_small_for_the_model_is_wrong_use_whatever_the_pictures_are():
    with pytest.raises(
        UsageError, match="tiles of 4 pixels: with an overlap of 2 on each side this model needs at lea"
    ):
        list(stream(Blur(), [], tiles=Tiles(side=4)))


def test_a_model_that_sees_no_tiles_says_so_where_a_picture_would_be_cut(tmp_path):
    told = "tiles of 4 pixels: this model looks at a whole picture at once and sees no tiles"
    small, large = torch.rand(3, 4, 4), torch.rand(3, 4, 9)
    assert stream(Blur(tiling="never"), [small], tiles=Tiles(side=4))[1].heard == []
    assert stream(Blur(tiling="never"), [large, small, large], tiles=Tiles(side=4))[1].heard == [told]
    Image.new("RGB", (9, 4)).save(tmp_path / "a.png")
    jobs, hearing = plan([tmp_path / "a.png"], tmp_path / "out"), Hearing()
    with Manifest.open(jobs.destination, "") as manifest:
        files = Files(translator(Blur(tiling="never"), tiles=Tiles(side=4)), manifest)
        assert [done.broken for done in files.translated(Pending(jobs, manifest), onlooker=hearing)] == [None]
    assert hearing.heard == [told]


def test_processes_that_share_a_machine_share_its_free_memory(monkeypatch):
    monkeypatch.setattr("i2i.inference.computation.free", lambda device: 10**10)
    monkeypatch.setattr("i2i.inference.computation.anonymous", lambda: 5)
    runtime = Runtime.choose("cpu", "fp32")
    budgets = [Computation(Blur(), runtime, Options(), Tiles(processes=number)).budget for number in (1, 4)]
    assert budgets == [7 * 10**9 + 5, 7 * 10**9 // 4 + 5]


def test_what_a_plugin_did_not_foresee_costs_that_picture_alone_and_says_where(tmp_path):
    class Picky(Blur):
        def translate(self, images, request):
            if images.amin((1, 2, 3)).amax() > 0.9:
                raise IndexError("list index\nout of range")
            return super().translate(images, request)

    for name, level in (("a", 0), ("b", 255), ("c", 9)):
        Image.new("RGB", (9, 9), (level,) * 3).save(tmp_path / f"{name}.png")
    done, _ = stream(Picky(), [tmp_path / f"{name}.png" for name in "abc"], batch=3)
    assert [each.broken is None for each in done] == [True, False, True]
    told = str(done[1].broken)
    assert told.startswith(f"{tmp_path}/b.png: the model fails at it (IndexError: list index, test_computation.py:")


def test_a_model_that_fails_at_grey_is_asked_for_the_picture_all_the_same():
    class NoGrey(Blur):
        def translate(self, images, request):
            if images.std() == 0:
                raise ValueError("no contrast")
            return super().translate(images, request)

    picture = torch.rand(3, 900, 900)
    (done,), _ = stream(NoGrey(), [picture], tiles=Tiles(memory=10**10))
    assert torch.equal(done.picture, translator(Blur()).translate(picture))


def test_an_onlooker_learns_how_the_frames_of_a_file_come_along(tmp_path):
    class Telling(Blur):
        def translate(self, images, request):
            request.report(0.5)
            return super().translate(images, request)

    pages = [Image.effect_noise((9, 9), 90) for _ in range(4)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:])
    hearing, jobs = Hearing(), plan([tmp_path / "a.gif"], tmp_path / "out")
    with Manifest.open(jobs.destination, "") as manifest:
        files = Files(translator(Telling()), manifest)
        (done,) = files.translated(Pending(jobs, manifest), onlooker=hearing)
    assert done.broken is None
    assert hearing.fractions == [(frame + part) / 4 for frame in range(4) for part in (0.5, 1)]


def test_a_model_is_measured_once_for_all_files_and_frames_and_frames_come_one_by_one(tmp_path, monkeypatch):
    opened, alive = [], []

    def watched(*arguments):
        whole = open_whole(*arguments)
        opened.append(weakref.ref(whole))
        alive.append(sum(each() is not None for each in opened))
        return whole

    monkeypatch.setattr("i2i.images.frames.opening.open_whole", watched)
    pages = [Image.effect_noise((400, 300), 90).convert("RGB") for _ in range(8)]
    (tmp_path / "in").mkdir()
    for name in "ab":
        pages[0].save(tmp_path / "in" / f"{name}.tif", save_all=True, append_images=pages[1:])
    model, jobs = Blur(), plan([tmp_path / "in"], tmp_path / "out")
    with Manifest.open(jobs.destination, "") as manifest:
        files = Files(translator(model, tiles=Tiles(memory=10**10)), manifest)
        for _ in range(2):  # as --watch does it
            pending = Pending(jobs, manifest, force=True)
            assert [done.broken for done in files.translated(pending)] == [None, None]
    assert max(alive) <= 2
    tried = [size for size in model.asked if size[1:] != (300, 400)]
    assert tried == [(1, 64, 64), (1, 64, 64), (1, 128, 128)]
    assert len(model.asked) == 3 + 2 * 2 * 8
