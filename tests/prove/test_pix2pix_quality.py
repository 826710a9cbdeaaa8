"""Proof: ten minutes on two cores teach `pix2pix` to colour and to mend small photos better than plain guesses do."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from kornia.color import rgb_to_lab
from kornia.morphology import dilation

from i2i import discover, load, load_recipe, start

pytestmark = pytest.mark.prove
DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
PHOTOS = DATA / "sr" / "BSD"
COUNT = 240
"""Squares measured on, of pictures that were never trained on."""
RING = 7
"""Pixels of the square by which a hole is widened to find what surrounds it."""


@pytest.fixture(autouse=True)
def _data():
    if not PHOTOS.exists():
        pytest.skip(f"nothing at {PHOTOS}")


def trained(name, folder):
    """A run of the recipe as it is, its translator, and batches to measure on: held out, and trained on."""
    began = time.monotonic()
    line = [sys.executable, "-m", "i2i", "fit", "--plugin", name, "--src", PHOTOS, "--out", folder / "run"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(f"\n{name}: trained in {(time.monotonic() - began) / 60:.1f} minutes")
    fit = start(discover(), load_recipe(discover(), name, folders={"src": [str(PHOTOS)]}), dry_run=True)
    assert fit.dataset.validation is not None
    held_out = fit.batches.fixed(fit.dataset.validation, COUNT).tensors
    return load(folder / "run"), held_out, fit.batches.fixed(fit.dataset, COUNT).tensors


def colours(pictures):
    """a and b of CIE Lab: (B, 2, H, W)."""
    return rgb_to_lab(pictures)[:, 1:]


def test_colours_are_nearer_than_the_mean_colour(tmp_path):
    translator, held_out, seen = trained("pix2pix-colours-light", tmp_path)
    made = torch.stack(translator.translate(list(held_out["source"]), batch=16))
    truth = colours(held_out["target"])
    mean = colours(seen["target"]).mean((0, 2, 3))[:, None, None]
    error, guess, grey = ((truth - other).norm(dim=1).mean().item() for other in (colours(made), mean, 0))
    print(f"error in ab: {error:.2f}; the mean colour {guess:.2f}, no colour {grey:.2f}: {1 - error / guess:.1%} less")
    assert error <= 0.85 * guess


def test_holes_are_filled_better_than_by_what_surrounds_them(tmp_path):
    translator, held_out, _ = trained("pix2pix-holes-light", tmp_path)
    target, mask = held_out["target"], held_out["mask"]
    made = torch.stack(translator.translate(list(held_out["source"]), batch=16, masks=list(mask)))
    assert torch.equal(torch.where(mask > 0, 0, made), torch.where(mask > 0, 0, held_out["source"]))
    ring = dilation(mask, torch.ones(RING, RING)) - mask
    guesses = {"what is known": 1 - mask, "its surroundings": ring}
    psnr = psnr_within(made, target, mask)
    for name, known in guesses.items():
        mean = (target * known).sum((2, 3)) / known.sum((2, 3)).clamp(min=1)
        guess = psnr_within(mean[:, :, None, None].expand_as(target), target, mask)
        print(f"PSNR in the holes: {psnr:.2f} dB; the mean of {name} {guess:.2f} dB: {psnr - guess:.2f} dB more")
        assert psnr >= guess + 2


def psnr_within(pictures, target, mask):
    """Over all pixels of all holes."""
    difference = ((pictures - target) * mask).square().sum() / (3 * mask.sum())
    return -10 * difference.log10().item()
