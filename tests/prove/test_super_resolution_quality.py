"""Proof: `srresnet-compact` learns to enlarge in minutes, and stage two makes its pictures look more natural."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.prove
DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
SET5 = DATA / "sr" / "Set5" / "image_SRF_4"
PICTURES = ("--src", DATA / "sr" / "T91", "--src", DATA / "sr" / "BSD")
WEIGHTS = DATA / "weights"
COMPRESSED_VGG = f"{{use: vgg19, weights: {WEIGHTS / 'vgg19-16x-distilled.pth'}}}"
BICUBIC = 28.42


@pytest.fixture(autouse=True)
def _data():
    for needed in (SET5, *PICTURES[1::2], WEIGHTS):
        if not needed.exists():
            pytest.skip(f"nothing at {needed}")


def i2i(*arguments, cwd):
    line = [sys.executable, "-m", "i2i", *map(str, arguments)]
    began = time.monotonic()
    done = subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(f"\n{arguments[0]}: {time.monotonic() - began:.0f} s")
    return done.stdout


def measured(cwd, *what):
    """PSNR on Y, and LPIPS by SqueezeNet, on Set5."""
    lpips = ("squeezenet1_1-torchvision-norm.pth", "lpips-v0.1/squeeze.pth")
    files = ("--lpips-weights", WEIGHTS / lpips[0], "--lpips-heads", WEIGHTS / lpips[1])
    pairs = ("--src", SET5, "--target", SET5, "--glob", "*_LR.png", "--match", "_LR=_HR")
    metrics = json.loads(i2i("evaluate", *what, *pairs, *files, "--json", "-", cwd=cwd))["metrics"]
    assert metrics["psnr_y"]["bicubic"] == pytest.approx(BICUBIC, abs=0.01)
    print(f"{what[1]}: {metrics['psnr_y']['mean']:.2f} dB, LPIPS {metrics['lpips']['mean']:.4f} ", end="")
    print(f"(bicubic {metrics['psnr_y']['bicubic']:.2f} dB, {metrics['lpips']['bicubic']:.4f})")
    return metrics["psnr_y"]["mean"], metrics["lpips"]["mean"]


def test_the_compact_generator_is_far_better_than_bicubic_after_500_steps(tmp_path):
    schedule = ("trainer.decay_from=100", "trainer.decay_to=500", "trainer.warm_up=50", "run.ema=0.99")
    settings = [part for setting in schedule for part in ("--set", setting)]
    i2i("fit", "--plugin", "srresnet-compact", *PICTURES, "--steps", 500, *settings, "--out", "run", cwd=tmp_path)
    psnr, _ = measured(tmp_path, "--run", "run")
    assert psnr >= 30.0


def test_stage_two_looks_more_natural_and_is_further_from_the_pixels(tmp_path):
    from i2i import discover, load_recipe

    shipped = load_recipe(discover(), "srresnet-compact").weights
    before = measured(tmp_path, "--weights", shipped)
    content = f"losses.content={{use: features, features: {COMPRESSED_VGG}, layers: [conv2_1, conv3_1, conv4_1]}}"
    game = ("--set", content, "--set", "run.ema=0.99", "--set", "trainer.warm_up=50", "--init", shipped)
    i2i("fit", "--plugin", "srgan-compact", *PICTURES, "--steps", 150, *game, "--out", "run", cwd=tmp_path)
    after = measured(tmp_path, "--run", "run")
    assert after[1] < 0.97 * before[1]
    assert BICUBIC < after[0] < before[0]
