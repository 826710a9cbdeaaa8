"""Proof: `dcgan-digits` draws all ten digits, in about the proportions and the variety of the real ones."""

import csv
import shutil
import time

import pytest
import torch

from i2i import Request, discover, load, load_recipe, start, to_tensor
from i2i.features.random import random_features, spread
from i2i.training.building import build_model
from i2i.training.chance import seed_torch

pytestmark = pytest.mark.prove
SECONDS = 360
COMPARED = 1000
ADVERSARIAL = sorted(name for name, entry in discover().entries["loss"].items() if entry.value.kind == "adversarial")


def as_batch(pictures):
    """(N, 3, 32, 32) in [0, 1] of 8-bit pictures."""
    return torch.stack([to_tensor(picture) for picture in pictures]).float() / 255


def diversity(pictures, others):
    """Mean pairwise distance relative to the others', as training logs it."""
    return (spread(random_features(pictures)) / spread(random_features(others))).item()


def variety(pictures):
    """(N, 3, 32, 32) → how much a pixel varies from picture to picture, on average."""
    return pictures.std(0).mean().item()


def trained(white, folder, *overrides):
    recipe = load_recipe(discover(), "dcgan-digits", overrides=[f"dataset.source={white[0]}", *overrides])
    began = time.monotonic()
    run = start(discover(), recipe, folder).run()
    return load(run.path), recipe, time.monotonic() - began


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_are_digits_of_all_ten_kinds(white, reader, tmp_path, seed):
    sampler, recipe, seconds = trained(white, tmp_path / "run", f"run.seed={seed}")
    samples, (unseen, unseen_too) = as_batch(sampler.sample(COMPARED, seed=1, batch=100)), white[1]
    labels = reader(samples)[0].argmax(1)
    shares = torch.bincount(labels, minlength=10) / len(labels)
    distance, variety = reader.kid(samples, unseen), diversity(samples, unseen)
    print(f"\nseed {seed}: {recipe.run.steps} steps in {seconds:.0f} s")
    print("  share of each digit: " + " ".join(f"{share:.3f}" for share in shares))
    print(f"  KID to unseen digits {distance:.4f} (unseen to unseen {reader.kid(unseen, unseen_too):.4f})")
    print(f"  diversity {variety:.3f} of the unseen digits'")
    assert shares.min() >= 0.02
    assert distance < 0.2
    assert variety >= 0.7
    assert seconds < SECONDS


@pytest.fixture(scope="module")
def untrained(reader, white):
    """KID of what the generator draws before it has learned anything."""
    recipe = load_recipe(discover(), "dcgan-digits")
    seed_torch("init", recipe.run.seed)
    model = build_model(recipe.model).eval()
    seeds = tuple(range(COMPARED))
    with torch.no_grad():
        request = Request(seeds=seeds, options=recipe.model.entry.value.translate_options())
        pictures = model.sample(model.latents(seeds), request)
    return reader.kid(pictures, white[1][0])


@pytest.mark.parametrize("loss", ADVERSARIAL)
def test_every_adversarial_loss_learns(white, reader, untrained, tmp_path, loss):
    overrides = [f"losses.adversarial.use={loss}", "run.steps=300", "run.log_every=1"]
    sampler, _, seconds = trained(white, tmp_path / "run", *overrides)  # a NaN in any step's scalars ends the run
    distance = reader.kid(as_batch(sampler.sample(COMPARED, seed=1, batch=100)), white[1][0])
    print(f"\n{loss}: KID {distance:.3f} after 300 steps in {seconds:.0f} s, {untrained:.3f} untrained")
    assert distance < untrained


@pytest.fixture(scope="module")
def by_class(white):
    """(a folder of the white digits with a subfolder for each, the digit of each unseen one)."""
    folder = white[0].parent / "by-class"
    with (white[0].parent / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            if (path := white[0].parent / row["file"]).parent == white[0]:
                (folder / row["label"]).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / row["label"])
    return folder


def test_a_class_is_drawn_by_its_name_and_in_all_its_variety(white, by_class, reader, tmp_path):
    schedule = ["run.steps=1000", "trainer.decay_from=500", "trainer.decay_to=1000"]
    sampler, _, seconds = trained((by_class, None), tmp_path / "run", "dataset.classes=true", *schedule)
    unseen = torch.cat(white[1])
    true = reader(unseen)[0].argmax(1)
    right, varied = [], []
    for digit in range(10):
        drawn = as_batch(sampler.with_options(class_name=str(digit)).sample(200, seed=1, batch=100))
        right.append((reader(drawn)[0].argmax(1) == digit).float().mean().item())
        varied.append(variety(drawn) / variety(unseen[true == digit]))
    print(f"\nclasses: 1000 steps in {seconds:.0f} s")
    print("  share read as the class asked for: " + " ".join(f"{share:.2f}" for share in right))
    print("  variety within the class, of the unseen digits': " + " ".join(f"{share:.2f}" for share in varied))
    assert min(right) >= 0.5
    assert sum(right) / 10 >= 0.8
    assert min(varied) >= 0.7
