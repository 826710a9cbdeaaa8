"""What a user does: the commands of the README on a machine without weights and without a network."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
import yaml
from PIL import Image

import i2i

SCALES = "translate.scales=[{size: 88, steps: 4}, {size: 96, steps: 2}]"
OFFLINE = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
Load = Callable[..., i2i.Translator]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`style.png`, two photos, and a folder of paintings."""
    waves = numpy.sin(numpy.add.outer(numpy.arange(72) * 0.7, numpy.arange(72) * 0.4)) * 100 + 128
    style = numpy.stack([waves, 255 - waves, waves / 2], axis=2).astype(numpy.uint8)
    Image.fromarray(style).save(tmp_path / "style.png")
    rng = numpy.random.default_rng(0)
    for place, names in (("photos", ("a.jpg", "deep/b.png")), ("paintings", ("1.png", "2.png", "3.png"))):
        for name in names:
            path = tmp_path / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=numpy.uint8)).resize((96, 72)).save(path)
    return tmp_path


@pytest.fixture
def load(folder: Path, catalog: i2i.Catalog, monkeypatch: pytest.MonkeyPatch) -> Load:
    """`load("model.style=…", …)`: what `i2i translate --plugin gatys --set …` works with, in the folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)

    def loaded(*overrides: str) -> i2i.Translator:
        return i2i.load(i2i.load_recipe(catalog, "gatys", overrides=[SCALES, *overrides]), catalog=catalog)

    return loaded


@pytest.fixture(scope="session")
def command(python: str) -> Run:
    """`command(*words, cwd=folder)`: the command line."""

    def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_HOME": str(cwd / "torch"), **OFFLINE}
        words = [python, "-m", "i2i", *map(str, arguments)]
        return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_a_picture_in_a_painting_out_without_weights_and_says_which_features(folder: Path, command: Run) -> None:
    settings = ("--set", "model.style=style.png", "--set", SCALES)
    where = ("--src", "photos", "--dst", "out", "--batch", "2", "--save-every", "2")
    done = command("translate", "--plugin", "gatys", *settings, *where, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "2 of 2 pictures translated into out\n"), done.stderr
    using, features, *_ = done.stderr.splitlines()
    assert using == "gatys: needs no weights"
    assert features == (
        "features: learned from the style, without ImageNet weights; with them, as in the papers: "
        "--set model.features.use=vgg19"
    )
    for name in ("a.jpg", "deep/b.png"):
        photo, painting = Image.open(folder / "photos" / name), Image.open(folder / "out" / name)
        assert (painting.size, painting.format) == (photo.size, photo.format)
        assert numpy.asarray(painting).std() > 10
    kept = sorted(path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*-steps/*"))
    assert kept == [f"{name}-steps/{number:05d}.png" for name in ("a", "deep/b") for number in (2, 4, 6)]
    assert Image.open(folder / "out" / "a-steps" / "00004.png").size == (88, 66)
    assert Image.open(folder / "out" / "a-steps" / "00006.png").size == (96, 72)


def test_vgg19_without_a_network_is_one_line_that_says_what_to_provide(folder: Path, command: Run) -> None:
    settings = ("--set", "model.style=style.png", "--set", "model.features.use=vgg19")
    done = command("translate", "--plugin", "gatys", *settings, "--src", "photos", "--dst", "out", cwd=folder)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth: cannot be fetched" in line
    assert "put vgg19-dcbb9e9d.pth (575 MB, SHA-256 dcbb9e9d" in line
    assert f"at {folder / 'torch' / 'hub' / 'checkpoints' / 'vgg19-dcbb9e9d.pth'}" in line
    assert "features.weights" in line
    assert "features.use=learned" in line
    assert not (folder / "out").exists()


def test_after_a_fit_of_a_folder_no_style_need_be_named(folder: Path, command: Run) -> None:
    translate = ("translate", "--plugin", "gatys", "--set", SCALES, "--src", "photos", "--dst", "out")
    (line,) = (refused := command(*translate, cwd=folder)).stderr.splitlines()
    assert refused.returncode == 2
    assert "i2i fit --plugin gatys --src DIR" in line
    assert "--set model.style=" in line
    fit = ("fit", "--plugin", "gatys", "--src", "paintings", "--set", "dataset.size=72")
    done = command(*fit, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "features: learned from the style" in done.stdout + done.stderr
    (run,) = (folder / "runs").iterdir()
    assert yaml.safe_load((run / "recipe.yaml").read_text())["run"]["steps"] == 3  # each painting once
    done = command(*translate, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "2 of 2 pictures translated into out\n"), done.stderr
    assert "newest finished run of gatys under runs/" in done.stderr


def test_a_file_that_can_be_no_style_is_refused_in_one_line(folder: Path, load: Load) -> None:
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "text.jpg").write_text("I am not a picture")
    for style, said in (
        ("dot.png", "dot.png: 1×1 pixels; a style picture has 32 or more on each side"),
        ("text.jpg", "text.jpg: not a picture"),
        ("none.jpg", "none.jpg: "),
        ("paintings", f"is learned by `i2i fit --plugin gatys --src {folder / 'paintings'}`"),
    ):
        with pytest.raises(i2i.I2IError) as caught:
            load(f"model.style={style}")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_photo_three_pixels_wide_is_painted(load: Load) -> None:
    narrow = Image.effect_noise((3, 90), 80).convert("RGB")
    assert load("model.style=style.png").translate(narrow).size == (3, 90)


def test_the_photo_may_keep_its_colours(folder: Path, load: Load) -> None:
    photo = Image.open(folder / "photos" / "deep" / "b.png")
    styled, *kept = (
        numpy.asarray(load("model.style=style.png", f"translate.colours={chosen}").translate(photo).convert("YCbCr"))
        for chosen in ("style", "luminance", "histogram")
    )
    wanted = numpy.asarray(photo.convert("YCbCr")).astype(float).mean((0, 1))[1:]
    for seen in kept:
        assert numpy.abs(seen.astype(float).mean((0, 1))[1:] - wanted).max() < 6
    assert numpy.abs(styled.astype(float).mean((0, 1))[1:] - wanted).max() > 12


def test_there_is_a_mask_for_each_style(folder: Path, load: Load) -> None:
    two = load("model.style=[style.png, style.png]", "translate.masks=style.png")
    with pytest.raises(i2i.UsageError, match=r"translate\.masks: 1 masks for 2 styles; one for each"):
        two.translate(folder / "photos" / "a.jpg")


def test_noise_is_the_same_for_the_same_seed(folder: Path, load: Load) -> None:
    translator, photo = load("model.style=style.png", "translate.initial=noise"), torch.rand(3, 72, 96)
    one, same, other = (translator.translate(photo, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=0.05)


def test_a_translator_can_be_copied_to_another_process(load: Load) -> None:
    translator, photo = load("model.style=style.png"), torch.rand(3, 72, 96)
    copy = pickle.loads(pickle.dumps(translator))
    with torch.inference_mode():
        assert torch.equal(copy.translate(photo), translator.translate(photo))


def test_a_picture_that_is_no_picture_is_refused(load: Load) -> None:
    with pytest.raises(i2i.UsageError, match="found numbers that are not finite"):
        load("model.style=style.png").translate(torch.full((3, 72, 96), float("nan")))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("model.features.weights=net.pth", "learned features read no file; set `use` too"),
        ("model.features.weigths=net.pth", "model.features.weigths: unknown key; did you mean 'weights'?"),
        ("model.style_layers={nowhere: 1}", "style_layers: these features have no nowhere (known: colours"),
        ("model.content_layers={conv4_2: 1}", "content_layers: these features have no conv4_2"),
        ("model={style_layers: {}, content_layers: {}}", "style_layers, content_layers: both are empty"),
        ("translate.scales=[{size: 64, step: 5}]", "translate.scales.0.step: unknown key; did you mean 'steps'?"),
        ("translate.scales=[{size: 16, steps: 5}]", "translate.scales.0.size: should be greater than or equal to 32"),
    ],
)
def test_a_wrong_option_is_told_with_what_would_work(load: Load, wrong: str, said: str) -> None:
    with pytest.raises(i2i.I2IError) as caught:
        load("model.style=style.png", "translate.scales=[{size: 64, steps: 1}]", wrong)
    assert said in str(caught.value)
    assert "at least 1 item" not in str(caught.value)


def test_a_style_of_any_shape_and_scale_is_taken(folder: Path, load: Load) -> None:
    Image.effect_noise((900, 32), 80).convert("RGB").save(folder / "long.png")
    photo = torch.rand(3, 72, 96)
    assert load("model.style=long.png").translate(photo).isfinite().all()
    assert load("model.style=style.png", "model.style_scale=0.05").translate(photo).isfinite().all()


def test_options_that_contradict_each_other_are_refused_before_anything_is_read(load: Load) -> None:
    wrong = ["model.style_weights=[1, 2]", "translate.scales=[{size: 256, steps: 5}, {size: 128, steps: 5}]"]
    with pytest.raises(i2i.RecipeError) as caught:
        load("model.style=style.png", *wrong)
    assert "2 style_weights for 1 style pictures" in str(caught.value)
    assert "scales go from coarse to fine, found sizes 256, 128" in str(caught.value)
