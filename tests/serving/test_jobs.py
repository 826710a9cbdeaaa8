"""Jobs through the API, as a program sends them."""

from __future__ import annotations

import io
import shutil
import socket
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy
import pytest
from PIL import Image

from i2i import Weights, load_recipe
from i2i.inference.loading import load
from i2i.serving.bounds import Bounds
from i2i.serving.choices import Choices
from i2i.serving.previews import can_be_shown, preview
from i2i.serving.refusals import Refused
from i2i.training.checkpoints import save_checkpoint

NOISE = numpy.random.default_rng(0)


def noise(form: str = "PNG", size: tuple[int, int] = (16, 12), **given) -> bytes:
    stream = io.BytesIO()
    levels = NOISE.integers(0, 256, (size[1], size[0], 3), dtype=numpy.uint8)
    Image.fromarray(levels).save(stream, form, **given)
    return stream.getvalue()


def test_models_are_listed_with_their_options_and_without_places(client, tmp_path: Path) -> None:
    answer = client.get("/api/models")
    models = {model["id"]: model for model in answer.told["models"]}
    assert list(models)[:2] == ["weights:dots", "weights:dots-both"]
    dots, snail, mender = models["weights:dots"], models["snail"], models["mender"]
    assert (dots["samples"], dots["translates"], dots["step"]) == (True, False, 3)
    assert (models["weights:dots-both"]["samples"], models["weights:dots-both"]["translates"]) == (True, True)
    assert (mender["fills"], snail["translates"], snail["origin"]) == (True, True, "recipe")
    assert {model["scale"] for model in models.values()} >= {1, 2, 3, 4}
    assert str(tmp_path).encode() not in answer.body
    options = {option["name"]: option for option in snail["options"]}
    assert list(options) == ["seconds", "tint", "again", "word"], "no files, nothing with parts"
    assert options["seconds"] | {"description": ""} == {
        "name": "seconds", "kind": "number", "description": "", "default": 0, "choices": [], "minimum": 0,
        "maximum": 60, "nullable": False,
    }  # fmt: skip
    assert (options["tint"]["kind"], options["tint"]["choices"]) == ("choice", ["none", "red"])
    assert (options["word"]["kind"], options["word"]["nullable"]) == ("text", True)


def test_a_finished_run_can_be_chosen_and_another_cannot(start, catalog, tmp_path: Path) -> None:
    from i2i_dots.weights import save_weights

    weights = Weights.load(save_weights(tmp_path / "made.safetensors"))
    for name, step in {"over": 10, "on its way": 5}.items():
        folder = tmp_path / "runs" / name
        save_checkpoint(folder / "checkpoints", step, weights, {}, keep=1)
        (folder / "recipe.yaml").write_text("name: dots\nmodel: {use: dots}\nrun: {steps: 10}\n")
    choices = Choices(catalog, tmp_path / "runs")
    client = start(choices=choices)
    models = {model["id"]: model for model in client.get("/api/models").told["models"]}
    assert models["run:over"]["written"] == pytest.approx(time.time(), abs=600)
    assert choices.left_out == {"on its way": "stopped at step 5 of 10"}
    ids = [model["id"] for model in client.get("/api/models").told["models"]]
    assert [name for name in ids if name.startswith("run:")] == ["run:over"]
    assert client.over(client.wish({"model": "run:over", "count": 1}))["done"] == 1


def test_answers_are_those_of_translate(client, catalog, tmp_path: Path) -> None:
    contents = noise()
    (tmp_path / "a photo.png").write_bytes(contents)
    job = client.over(client.send({"model": "enlarger", "seed": 3, "options": {"speckle": True}},
                                  ("pictures", "a photo.png", contents)))  # fmt: skip
    answer = client.get(job["pictures"][0]["result"])
    translator = load(load_recipe(catalog, "enlarger"), {"speckle": True}, catalog=catalog)
    files = tmp_path / "out"
    from i2i.inference.files import Files
    from i2i.inference.manifest import Manifest
    from i2i.inference.pending import Pending
    from i2i.inference.places import plan

    with Manifest.open(files, "") as manifest:
        jobs = plan([tmp_path / "a photo.png"], files)
        assert all(
            done.broken is None for done in Files(translator, manifest, seed=3).translated(Pending(jobs, manifest))
        )
    assert answer.body == (files / "a photo.png").read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert (
        answer.headers["content-disposition"] == "attachment; filename=\"a photo.png\"; filename*=UTF-8''a%20photo.png"
    )


def test_pictures_keep_their_format_or_get_another(client, picture) -> None:
    files = [("pictures", "a.jpg", noise("JPEG")), ("pictures", "b.tif", noise("TIFF")),
             ("pictures", "c.gif", picture(form="GIF", mode="P", colour=3)), ("pictures", "d", noise()),
             ("pictures", "e.psd", noise())]  # fmt: skip
    job = client.over(client.send({"model": "snail"}, *files))
    assert [each["name"] for each in job["pictures"]] == ["a.jpg", "b.tif", "c.gif", "d.png", "e.psd.png"]
    kinds = [client.get(each["result"]).headers["content-type"] for each in job["pictures"]]
    assert kinds == ["image/jpeg", "image/tiff", "image/gif", "image/png", "image/png"]
    assert job["remarks"] == ["it takes its time"]
    job = client.over(client.send({"model": "snail", "format": "webp", "quality": 50}, *files))
    assert [client.get(each["result"]).image.format for each in job["pictures"]] == ["WEBP"] * 5


def test_two_of_one_name_stay_two(client, picture) -> None:
    files = [
        ("pictures", name, picture(colour=(shade, 0, 0))) for shade, name in enumerate(["x.png", "X.png", "x.png"])
    ]
    job = client.over(client.send({"model": "snail"}, *files))
    assert [each["name"] for each in job["pictures"]] == ["x.png", "X (2).png", "x (3).png"]
    packed = zipfile.ZipFile(io.BytesIO(client.get(job["all"]).body))
    assert packed.testzip() is None
    assert packed.namelist() == ["x.png", "X (2).png", "x (3).png"]
    assert [Image.open(packed.open(name)).getpixel((0, 0)) for name in packed.namelist()] == [
        (255 - shade, 255, 255) for shade in range(3)
    ]


def test_a_picture_that_cannot_be_read_says_so_and_the_others_are_done(client, picture, tmp_path: Path) -> None:
    job = client.over(
        client.send({"model": "snail"}, ("pictures", "good.png", picture()), ("pictures", "bad.png", b"GIF89a no"))
    )
    good, bad = job["pictures"]
    assert (job["state"], job["done"], job["failed"]) == ("done", 1, 1)
    assert (good["state"], bad["state"], bad["result"]) == ("done", "failed", None)
    assert bad["error"]
    assert str(tmp_path) not in str(job)
    refused = client.get(f"/api/jobs/{job['id']}/pictures/1")
    assert (refused.status, refused.error) == (404, f"picture 1 is failed: {bad['error']}")
    assert client.get(bad["original"]).error.startswith("cannot be shown: ")


def test_options_reach_the_model(client, picture) -> None:
    job = client.over(client.send({"model": "snail", "options": {"tint": "red"}}, ("pictures", "a.png", picture())))
    assert client.get(job["pictures"][0]["result"]).image.getpixel((0, 0)) == (255, 155, 255)


def test_a_model_that_falls_takes_no_other_job_with_it(client, picture) -> None:
    fallen = client.over(client.send({"model": "snail", "options": {"word": "fall"}}, ("pictures", "a.png", picture())))
    assert fallen["state"] == "failed"
    assert "fell over" in fallen["error"]
    assert client.over(client.send({"model": "snail"}, ("pictures", "a.png", picture())))["state"] == "done"


def test_masks_say_what_is_painted(client, picture) -> None:
    mask = Image.new("L", (12, 8), 0)
    mask.paste(255, (0, 0, 6, 8))
    stream = io.BytesIO()
    mask.save(stream, "PNG")
    job = client.over(
        client.send({"model": "mender"}, ("pictures", "a.png", picture()), ("masks", "any.png", stream.getvalue()))
    )
    made = client.get(job["pictures"][0]["result"]).image
    assert [made.getpixel((x, 0)) for x in (0, 11)] == [(255, 128, 0), (200, 100, 0)]
    several = [("masks", name, stream.getvalue()) for name in ("a.png", "b.png")]
    refused = client.send({"model": "mender"}, ("pictures", "c.png", picture()), *several)
    assert refused.error == "masks: c.png has 0; send one for all, or one a picture, named alike"
    for contents in (picture((5, 5)), b"GIF89a no"):
        files = ("pictures", "a.png", picture()), ("masks", "m.png", contents)
        wrong = client.over(client.send({"model": "mender"}, *files))["error"]
        assert "m.png" in wrong
        assert "a.png" not in wrong
    refused = client.send({"model": "snail"}, ("pictures", "c.png", picture()), several[0])
    assert refused.error == "masks: snail fills no holes; leave them out"


def test_previews_are_what_browsers_show(client) -> None:
    job = client.over(client.send({"model": "snail"}, ("pictures", "a.tif", noise("TIFF"))))
    for place in ("original", "preview"):
        shown = client.get(job["pictures"][0][place])
        assert (shown.status, shown.image.format, shown.image.size) == (200, "WEBP", (16, 12))
    large = client.over(client.send({"model": "snail"}, ("pictures", "a.png", noise(size=(2100, 20)))))
    assert client.get(large["pictures"][0]["preview"]).image.size == (2048, 20)


def test_an_answer_is_shown_though_nobody_may_send_one_as_large(start) -> None:
    client = start(Bounds(pixels=10_000, picture_bytes=31_000))
    job = client.over(client.send({"model": "enlarger-x4"}, ("pictures", "a.png", noise(size=(50, 50)))))
    assert client.get(job["pictures"][0]["preview"]).image.size == (200, 200)


def test_what_is_too_large_to_be_shown_has_no_preview_and_jpeg_is_decoded_small(tmp_path: Path) -> None:
    picture, limits = Image.new("RGB", (4200, 4100), "navy"), Bounds().answers()
    for name in ("a.png", "a.jpg"):
        picture.save(tmp_path / name)
    assert [can_be_shown(tmp_path / name, limits, 5_000_000) for name in ("a.png", "a.jpg")] == [False, True]
    made = preview(tmp_path / "a.jpg", tmp_path, limits, 5_000_000, lambda size: None)
    assert max(Image.open(made).size) == 2048
    with pytest.raises(Refused, match="cannot be shown: too large: "):
        preview(tmp_path / "a.png", tmp_path / "x", limits, 5_000_000, lambda size: None)


def test_a_picture_too_large_to_be_shown_says_so_beforehand(client, picture, monkeypatch) -> None:
    monkeypatch.setattr("i2i.serving.translating.ANSWER_PIXELS", 100)
    monkeypatch.setattr("i2i.serving.translating.SENT_PIXELS", 50)
    small, large = client.over(
        client.send({"model": "snail"}, *[("pictures", "a.png", picture((side, side))) for side in (7, 11)])
    )["pictures"]
    assert client.get(small["preview"]).status == client.get(small["original"]).status == 200
    assert (large["preview"], large["original"], client.get(large["result"]).status) == (None, None, 200)


def test_pictures_are_made_and_walks(client) -> None:
    job = client.over(client.wish({"model": "weights:dots", "count": 3, "seed": 5}))
    assert (job["kind"], job["state"], job["total"]) == ("sample", "done", 3)
    assert [each["name"] for each in job["pictures"]] == ["00000.png", "00001.png", "00002.png"]
    made = [client.get(each["result"]).body for each in job["pictures"]]
    again = client.over(client.wish({"model": "weights:dots", "count": 2, "seed": 5}))
    assert [client.get(each["result"]).body for each in again["pictures"]] == made[:2]
    walk = client.over(client.wish({"model": "weights:dots", "count": 2, "seed": 5, "interpolate": 4}))
    assert client.get(walk["walk"]).image.n_frames == 8
    assert client.get(walk["pictures"][4]["result"]).body == made[1]
    names = zipfile.ZipFile(io.BytesIO(client.get(walk["all"]).body)).namelist()
    assert names[-1] == "walk.gif"
    assert client.get(f"/api/jobs/{job['id']}/walk.gif").error == "this job has no walk, or not yet"
    assert client.get(f"/api/jobs/{job['id']}/original/0").error == "this picture was made out of nothing"
    dark = client.over(client.wish({"model": "weights:dots", "count": 1, "options": {"class_name": "dark"}}))
    assert client.get(dark["pictures"][0]["result"]).body != made[0]
    lost = client.over(client.wish({"model": "weights:dots", "count": 1, "options": {"class_name": "blue"}}))
    assert (lost["state"], lost["error"][:40]) == ("failed", "translate.class_name: no class 'blue' in")


@pytest.mark.parametrize("seconds", [30, 0.2])
def test_a_job_is_cancelled_within_a_picture_and_between_two(client, picture, seconds: float) -> None:
    files = [("pictures", f"{number}.png", picture((300, 300 + number))) for number in range(8)]
    job = client.send({"model": "snail", "options": {"seconds": seconds}}, *files).told["id"]
    client.until(job, "working" if seconds > 1 else "done")
    assert client.ask("DELETE", f"/api/jobs/{job}").told == {"id": job, "state": "cancelled"}
    assert client.get(f"/api/jobs/{job}").told["state"] == "cancelled"
    told = client.over(client.send({"model": "snail"}, ("pictures", "next.png", picture())))
    assert told["state"] == "done", "the next is not kept waiting"
    told = client.get(f"/api/jobs/{job}").told
    assert not [each["error"] for each in told["pictures"] if each["error"]]
    assert {each["state"] for each in told["pictures"]} == ({"cancelled"} if seconds > 1 else {"done", "cancelled"})
    assert client.ask("DELETE", f"/api/jobs/{job}").told == {"id": job, "state": "forgotten"}
    assert client.get(f"/api/jobs/{job}").error == "there is no such job; results are forgotten after a while"


def test_an_animation_is_cancelled_within_a_frame(client, picture) -> None:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (9, 9), (70 * shade, 0, 0)) for shade in range(4)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    job = client.send({"model": "snail", "options": {"seconds": 30}}, ("pictures", "a.gif", stream.getvalue())).told
    told = client.until(job["id"], "working")
    while not 0 < told["fraction"] < 0.25:
        told = client.until(job["id"], "working")
    client.ask("DELETE", f"/api/jobs/{job['id']}")
    assert client.over(client.send({"model": "snail"}, ("pictures", "next.png", picture())))["state"] == "done"


def test_a_job_that_waits_is_cancelled_at_once(start, picture) -> None:
    client = start(works=False)
    jobs = [client.send({"model": "snail"}, ("pictures", "a.png", picture())).told["id"] for _ in range(3)]
    assert client.get(f"/api/jobs/{jobs[2]}").told["ahead"] == 2
    client.ask("DELETE", f"/api/jobs/{jobs[0]}")
    assert client.get(f"/api/jobs/{jobs[0]}").told["state"] == "cancelled"
    assert client.get(f"/api/jobs/{jobs[2]}").told["ahead"] == 1


def test_results_are_forgotten_the_oldest_first(start, picture) -> None:
    client = start(Bounds(kept_jobs=3))
    jobs = [client.over(client.send({"model": "snail"}, ("pictures", "a.png", picture()))) for _ in range(5)]
    there = [client.get(f"/api/jobs/{job['id']}").status for job in jobs]
    assert there == [404, 404, 200, 200, 200]
    assert len(list(client.folder.iterdir())) == 3


def test_results_make_room_by_their_bytes_and_their_age(start) -> None:
    client = start(Bounds(kept_bytes=300_000))
    jobs = [
        client.over(client.send({"model": "snail"}, ("pictures", "a.png", noise(size=(200, 200))))) for _ in range(3)
    ]
    assert [client.get(f"/api/jobs/{job['id']}").status for job in jobs] == [404, 404, 200]
    large = client.send({"model": "snail"}, ("pictures", "a.png", noise(size=(400, 400))))
    assert (large.status, large.error) == (429, "there is no room for so many pictures; send fewer, or later")
    assert large.headers["retry-after"] == "10"
    grown = client.over(client.send({"model": "enlarger-x4"}, ("pictures", "a.png", noise(size=(280, 280)))))
    assert (grown["state"], grown["error"]) == ("failed", "there is no room for so many pictures; send fewer, or later")
    assert sum(path.stat().st_size for path in client.folder.rglob("*")) < 300_000
    assert client.get("/api/health").told["busy"] == 0


def test_results_age(start, picture) -> None:
    client = start(Bounds(kept_seconds=0.001))
    job = client.send({"model": "snail"}, ("pictures", "a.png", picture())).told["id"]
    client.get(f"/api/jobs/{job}?wait=5")
    assert client.get(f"/api/jobs/{job}").status == 404
    assert list(client.folder.iterdir()) == []


def test_without_its_folder_nothing_is_taken_and_no_place_in_the_queue_lost(start, picture) -> None:
    client = start(Bounds(jobs=1))
    shutil.rmtree(client.folder)
    for _ in range(2):
        refused = client.send({"model": "snail"}, ("pictures", "a.png", picture()))
        assert refused.status == 507
        assert refused.error == "the server's folder cannot be written to (No such file or directory)"
    assert not client.folder.exists()
    client.folder.mkdir()
    client.over(client.send({"model": "snail"}, ("pictures", "a.png", picture())))
    assert {stat.S_IMODE(path.stat().st_mode) for path in client.folder.iterdir()} == {0o700}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_told_in_words(client, picture, monkeypatch) -> None:
    full = "the disk is full; try again later, or with fewer pictures"
    job = client.over(client.send({"model": "snail"}, ("pictures", "a.png", picture())))

    @contextmanager
    def nowhere(path: Path) -> Iterator[io.BufferedWriter]:
        with Path("/dev/full").open("wb") as stream:
            yield stream

    monkeypatch.setattr("i2i.serving.previews.complete_or_not_at_all", nowhere)
    refused = client.get(job["pictures"][0]["preview"])
    assert (refused.status, refused.error) == (507, full)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode: io.open("/dev/full", "wb"))  # noqa: SIM115, UP020
        for size in ((9, 9), (300, 300)):
            refused = client.send({"model": "snail"}, ("pictures", "a.png", noise(size=size)))
            assert (refused.status, refused.error) == (507, full)
    assert client.get("/api/health").told["busy"] == 0


def test_an_archive_whose_pictures_have_gone_is_refused_as_a_whole(client, picture) -> None:
    job = client.over(client.send({"model": "snail"}, ("pictures", "a.png", picture())))
    next(client.folder.glob("*/out/00000.png")).unlink()
    refused = client.get(job["all"])
    assert (refused.status, refused.error) == (404, "there are no such pictures any more")


def test_a_download_that_is_broken_off_counts_until_then_and_leaves_nothing(start) -> None:
    client, contents = start(Bounds(kept_bytes=20_000_000)), noise("BMP", (1400, 1400))
    job = client.over(client.send({"model": "snail"}, ("pictures", "a.bmp", contents)))
    with closing(socket.socket()) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", client.port))
        reader.sendall(f"GET {job['all']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        reader.recv(100)
        client.ask("DELETE", f"/api/jobs/{job['id']}")
        assert len(list(client.folder.iterdir())) == 1
        assert client.over(client.send({"model": "snail"}, ("pictures", "a.bmp", contents)))["state"] == "failed"
    end = time.monotonic() + 10
    while list(client.folder.glob("*/*/*")) and time.monotonic() < end:
        time.sleep(0.02)
    assert not list(client.folder.glob("*/*/*"))


def test_who_waits_for_slow_previews_or_models_keeps_nobody_else_waiting(client, picture, monkeypatch) -> None:
    job = client.over(client.send({"model": "snail"}, ("pictures", "a.png", picture())))
    gate = threading.Event()

    def slow(*given: object) -> Path:
        gate.wait(20)
        raise Refused(404, "late")

    monkeypatch.setattr("i2i.serving.results.preview", slow)
    monkeypatch.setattr(Choices, "find", slow)
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(client.get, job["pictures"][0]["original"]) for _ in range(48)]
        asked.append(pool.submit(client.wish, {"model": "weights:dots", "count": 1}))
        try:
            while client.get("/api/health").told["busy"] == 0:
                assert client.get("/api/models").status == 200
            assert not any(each.done() for each in asked)
            assert client.get("/api/models").status == 200
        finally:
            gate.set()
        assert {each.result().status for each in asked} == {404}


def test_files_are_removed_while_others_go_on(client, picture, monkeypatch) -> None:
    job = client.over(client.send({"model": "snail"}, ("pictures", "a.png", picture())))
    seen = []

    def remove(folder: Path, **how: object) -> None:
        seen.append(client.get("/api/health").status)
        (folder / "removed").touch()

    monkeypatch.setattr("i2i.serving.queue.shutil.rmtree", remove)
    assert client.ask("DELETE", f"/api/jobs/{job['id']}").status == 200
    assert seen == [200]


def test_the_api_describes_itself(client) -> None:
    described = client.get("/api/openapi.json").told
    takes = described["paths"]["/api/jobs"]["post"]["requestBody"]["content"]
    assert set(takes) == {"multipart/form-data", "application/json"}
    for reference in (takes["application/json"]["schema"]["$ref"], "#/components/schemas/TranslateSettings"):
        assert described["components"]["schemas"][reference.rpartition("/")[2]]["properties"]["model"]
    assert client.get("/api/health").told["status"] == "ok"
    assert client.get("/docs").error == "there is nothing at this address"
