"""Proof: `vae-digits` reconstructs digits that it never saw and draws new ones; beside them those of `dcgan-digits`."""

import time

import pytest
import torch

from i2i import Request, discover, load, load_recipe, start, to_tensor
from i2i.features.random import random_features, spread

pytestmark = pytest.mark.prove
COMPARED = 1000


def as_batch(pictures):
    """(N, 3, 32, 32) in [0, 1] of 8-bit pictures."""
    return torch.stack([to_tensor(picture) for picture in pictures]).float() / 255


def diversity(pictures, others):
    """Mean pairwise distance relative to the others', as training logs it."""
    return (spread(random_features(pictures)) / spread(random_features(others))).item()


def psnr(pictures, originals):
    """dB, the mean of each picture's own."""
    return (-10 * (pictures - originals).square().mean((1, 2, 3)).clamp_min(1e-10).log10()).mean().item()


def reconstructed(translator, pictures):
    """(N, 3, 32, 32) → the same, by the posterior's means."""
    with torch.no_grad():
        return torch.cat([translator.model.translate(part, Request()) for part in pictures.split(100)])


def trained(name, source, folder, *overrides):
    """(the trained model, its steps, its seconds)."""
    recipe = load_recipe(discover(), name, overrides=[f"dataset.source={source}", *overrides])
    began = time.monotonic()
    run = start(discover(), recipe, folder).run()
    return load(run.path), recipe.run.steps, time.monotonic() - began


@pytest.fixture(scope="module")
def beside(white, reader, tmp_path_factory):
    """KID of DCGAN's samples: the same digits, the same reader, its own recipe of about the same time."""
    sampler, steps, seconds = trained("dcgan-digits", white[0], tmp_path_factory.mktemp("dcgan") / "run")
    samples = as_batch(sampler.sample(COMPARED, seed=1, batch=100))
    distance, varied = reader.kid(samples, white[1][0]), diversity(samples, white[1][0])
    print(f"\ndcgan-digits: {steps} steps in {seconds:.0f} s: KID {distance:.4f}, diversity {varied:.3f}")
    return distance


@pytest.mark.parametrize("seed", [0, 1])
def test_unseen_digits_are_reconstructed_and_new_ones_drawn(white, reader, beside, tmp_path, seed):
    model, steps, seconds = trained("vae-digits", white[0], tmp_path / "run", f"run.seed={seed}")
    unseen, unseen_too = white[1]
    again = reconstructed(model, unseen)
    fidelity, mean_picture = psnr(again, unseen), psnr(unseen_too.mean(0).expand_as(unseen), unseen)
    read_alike = (reader(again)[0].argmax(1) == reader(unseen)[0].argmax(1)).float().mean().item()
    print(f"\nvae-digits, seed {seed}: {steps} steps in {seconds:.0f} s")
    print(f"  reconstructions of unseen digits: PSNR {fidelity:.2f} dB (the mean digit: {mean_picture:.2f} dB)")
    print(f"  read as the same digit: {read_alike:.3f}")
    print(f"  KID unseen to unseen {reader.kid(unseen, unseen_too):.4f}, DCGAN's samples {beside:.4f}")
    drawn = {}
    for temperature in (1.0, 0.8):
        pictures = model.with_options(temperature=temperature).sample(COMPARED, seed=1, batch=100)
        samples = drawn[temperature] = as_batch(pictures)
        shares = torch.bincount(reader(samples)[0].argmax(1), minlength=10) / COMPARED
        print(f"  samples at temperature {temperature}: KID {reader.kid(samples, unseen):.4f}, ", end="")
        print(f"diversity {diversity(samples, unseen):.3f}, shares {' '.join(f'{share:.3f}' for share in shares)}")
    distance = reader.kid(drawn[1.0], unseen)
    shares = torch.bincount(reader(drawn[1.0])[0].argmax(1), minlength=10) / COMPARED
    assert fidelity >= 25
    assert fidelity > mean_picture + 8
    assert read_alike >= 0.95
    assert distance < 0.8
    assert shares.min() >= 0.005
    assert diversity(drawn[1.0], unseen) >= 0.8
