"""Proof: `dcgan-digits` draws all ten digits, in about the proportions and the variety of the real ones."""

import time

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from i2i import discover, load, load_recipe, start, to_tensor
from i2i.contracts import Request
from i2i.features.random import random_features, spread
from i2i.training.building import build_model
from i2i.training.chance import seed_torch

pytestmark = pytest.mark.prove
SECONDS = 360
SAMPLES = 2000
ADVERSARIAL = sorted(name for name, entry in discover().entries["loss"].items() if entry.value.kind == "adversarial")


@pytest.fixture(scope="module")
def white(real):
    """(folder to learn from, unseen pictures of the same domain)."""
    root, sets = real
    pictures, _, domains = sets["unseen"]
    return root / "fit" / "white", pictures[domains == 0]


def sampled(run, count=SAMPLES):
    """(count, 3, 32, 32) in [0, 1], rounded to 8 bits as the files are."""
    return torch.stack([to_tensor(picture) for picture in load(run).sample(count, seed=1, batch=100)]).float() / 255


def kid(reader, pictures, others):
    """Kernel distance (Bińkowski et al. 2018, section 4: cubic kernel, unbiased) in the reader's features."""
    return poly_mmd(reader.features(pictures), reader.features(others)).item()


def diversity(pictures, others):
    """Mean pairwise distance relative to the others', as training logs it."""
    return (spread(random_features(pictures)) / spread(random_features(others))).item()


def trained(white, folder, *overrides):
    recipe = load_recipe(discover(), "dcgan-digits", overrides=[f"dataset.source={white[0]}", *overrides])
    began = time.monotonic()
    run = start(discover(), recipe, folder).run()
    return run.path, recipe, time.monotonic() - began


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_are_digits_of_all_ten_kinds(white, reader, tmp_path, seed):
    run, recipe, seconds = trained(white, tmp_path / "run", f"run.seed={seed}")
    samples, unseen = sampled(run), white[1]
    labels = reader(samples)[0].argmax(1)
    shares = torch.bincount(labels, minlength=10) / len(labels)
    half = len(unseen) // 2
    print(f"\nseed {seed}: {recipe.run.steps} steps in {seconds:.0f} s")
    print("  share of each digit: " + " ".join(f"{share:.3f}" for share in shares))
    distance, floor = kid(reader, samples, unseen), kid(reader, unseen[:half], unseen[half:])
    print(f"  KID to unseen digits {distance:.3f} (unseen against unseen {floor:.3f})")
    print(f"  diversity {diversity(samples, unseen):.2f} of the data's")
    assert shares.min() >= 0.02
    assert distance < 0.2
    assert diversity(samples, unseen) >= 0.7
    assert seconds < SECONDS


@pytest.fixture(scope="module")
def untrained(reader, white):
    """KID of what the generator draws before it has learned anything."""
    recipe = load_recipe(discover(), "dcgan-digits")
    seed_torch("init", recipe.run.seed)
    model = build_model(recipe.model).eval()
    seeds = tuple(range(500))
    with torch.no_grad():
        pictures = model.sample(model.latents(seeds), Request(seeds=seeds))
    return kid(reader, pictures, white[1])


@pytest.mark.parametrize("loss", ADVERSARIAL)
def test_every_adversarial_loss_learns(white, reader, untrained, tmp_path, loss):
    overrides = [f"losses.adversarial.use={loss}", "run.steps=300"]
    run, _, _ = trained(white, tmp_path / "run", *overrides)  # a NaN anywhere in a logged scalar ends the run
    distance = kid(reader, sampled(run, 500), white[1])
    print(f"\n{loss}: KID {distance:.3f} after 300 steps, {untrained:.3f} untrained")
    assert distance < untrained
