"""Proof: minutes on two cores teach `pix2pix` to colour and to mend small pictures better than plain guesses do."""

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
EMOJI, PHOTOS = DATA / "emoji" / "noto", DATA / "sr" / "BSD"
COUNT = 240
"""Squares measured on, of pictures that were never trained on."""
RING = 7
"""Pixels of the square by which a hole is widened to find what surrounds it."""


def trained(name, pictures, share, folder):
    """A run of the recipe but for the share held out, its translator, and batches to measure on: held out, and seen."""
    if not pictures.exists():
        pytest.skip(f"nothing at {pictures}")
    began, held_out = time.monotonic(), f"dataset.validation={share}"
    line = [sys.executable, "-m", "i2i", "fit", "--plugin", name, "--src", pictures, "--set", held_out]
    done = subprocess.run([*line, "--out", folder / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(f"\n{name}: trained in {(time.monotonic() - began) / 60:.1f} minutes")
    recipe = load_recipe(discover(), name, overrides=[held_out], folders={"src": [str(pictures)]})
    fit = start(discover(), recipe, dry_run=True)
    assert fit.dataset.validation is not None
    parts = (fit.batches.fixed(part, COUNT).tensors for part in (fit.dataset.validation, fit.dataset))
    return load(folder / "run"), *parts


def colours(pictures):
    """a and b of CIE Lab: (B, 2, H, W)."""
    return rgb_to_lab(pictures)[:, 1:]


def test_colours_are_nearer_than_the_mean_colour(tmp_path):
    translator, unseen, seen = trained("pix2pix-colours-light", EMOJI, 0.05, tmp_path)
    made = torch.stack(translator.translate(list(unseen["source"]), batch=16))
    truth = colours(unseen["target"])
    guesses = {"the mean colour": colours(seen["target"]).mean((0, 2, 3))[:, None, None], "no colour": 0}
    error = (truth - colours(made)).norm(dim=1).mean().item()
    for name, guess in guesses.items():
        other = (truth - guess).norm(dim=1).mean().item()
        print(f"error in a and b of Lab: {error:.2f}; {name} {other:.2f}: {1 - error / other:.1%} less")
        assert error <= 0.85 * other


def test_holes_are_filled_better_than_by_what_surrounds_them(tmp_path):
    translator, unseen, _ = trained("pix2pix-holes-light", PHOTOS, 0.2, tmp_path)
    target, mask = unseen["target"], unseen["mask"]
    made = torch.stack(translator.translate(list(unseen["source"]), batch=16, masks=list(mask)))
    assert torch.equal(torch.where(mask > 0, 0, made), torch.where(mask > 0, 0, unseen["source"]))
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
