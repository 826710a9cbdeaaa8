"""Proof: `cyclegan-digits` redraws digits it has never seen, both ways, and they stay the same digits."""

import csv
import time
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn

from i2i import discover, find_pictures, load, load_recipe, open_picture, start, to_tensor
from i2i.datasets.digits import make_digits

pytestmark = pytest.mark.prove
DOMAINS = ("white", "yellow")
SECONDS = 180


class Reader(nn.Module):
    """Which digit, and of which domain: 12 logits."""

    def __init__(self):
        super().__init__()
        layers = []
        for channels, wider in ((3, 24), (24, 48), (48, 96)):
            layers += [nn.Conv2d(channels, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, 12))

    def forward(self, pictures):
        return self.layers(pictures).split((10, 2), 1)


def drawn(folder, count, seed):
    """Pictures (N, 3, 32, 32) in [0, 1], labels and domains of `count` digits a domain."""
    make_digits(folder, count, seed=seed)
    with (folder / "labels.csv").open() as file:
        labels = {row["file"]: int(row["label"]) for row in csv.DictReader(file)}
    paths = [path for domain in DOMAINS for path in find_pictures(folder / domain)]
    pictures = torch.stack([to_tensor(open_picture(path)) for path in paths]).float() / 255
    names = [path.relative_to(folder).as_posix() for path in paths]
    domains = torch.tensor([DOMAINS.index(Path(name).parts[0]) for name in names])
    return pictures, torch.tensor([labels[name] for name in names]), domains


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Three disjoint sets: to train the CycleGAN on, to train the reader on, to test both on."""
    root = tmp_path_factory.mktemp("digits")
    sets = {
        name: drawn(root / name, count, seed)
        for name, count, seed in (("fit", 2000, 10), ("read", 3000, 20), ("unseen", 500, 30))
    }
    return root, sets


@pytest.fixture(scope="module")
def reader(real):
    """A small classifier of the real domains; its own accuracy on unseen digits is printed and must be ≥ 0.98."""
    torch.manual_seed(0)
    pictures, labels, domains = real[1]["read"]
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    order = numpy.random.default_rng(0)
    for _ in range(6):
        for chosen in torch.from_numpy(order.permutation(len(pictures))).split(64):
            label, domain = model(pictures[chosen])
            loss = nn.functional.cross_entropy(label, labels[chosen]) + nn.functional.cross_entropy(
                domain, domains[chosen]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    right_label, right_domain = accuracy(model, *real[1]["unseen"])
    print(f"\nreader on real unseen digits: label {right_label:.3f}, domain {right_domain:.3f}")
    assert right_label >= 0.98
    assert right_domain >= 0.98
    return model


@torch.no_grad()
def accuracy(reader, pictures, labels, domains):
    label, domain = reader(pictures)
    return (label.argmax(1) == labels).float().mean().item(), (domain.argmax(1) == domains).float().mean().item()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_unseen_digits_keep_their_label_and_change_their_domain(real, reader, tmp_path, seed):
    root, sets = real
    where = [f"dataset.source={root / 'fit' / 'white'}", f"dataset.target={root / 'fit' / 'yellow'}"]
    catalog = discover()
    recipe = load_recipe(catalog, "cyclegan-digits", overrides=[*where, f"run.seed={seed}"])
    began = time.monotonic()
    run = start(catalog, recipe, tmp_path / "run").run()
    seconds = time.monotonic() - began
    pictures, labels, domains = sets["unseen"]
    print(f"\nseed {seed}: {recipe.run.steps} steps in {seconds:.0f} s")
    translator = load(run.path)
    ways = {way: translator.with_options(direction=way) for way in ("source-to-target", "target-to-source")}
    for (way, there), back, domain in zip(ways.items(), reversed(ways.values()), (0, 1), strict=True):
        originals = list(pictures[domains == domain])
        translated = there.translate(originals, batch=50)
        returned = torch.stack(back.translate(translated, batch=50))
        kept, moved = accuracy(
            reader, torch.stack(translated), labels[domains == domain], torch.full((500,), 1 - domain)
        )
        cycle = 2 * (returned - torch.stack(originals)).abs().mean().item()  # in [-1, 1], as the paper's loss
        print(f"  {way}: label kept {kept:.3f}, domain {moved:.3f}, cycle L1 {cycle:.3f} (range [-1, 1])")
        assert kept >= 0.85
        assert moved >= 0.95
        assert cycle < 0.2
    assert seconds < SECONDS
