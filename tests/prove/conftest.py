"""What proofs share: the table of figures; of those on drawn digits, the digits and a classifier that reads them."""

import csv
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn
from torchmetrics.image.kid import poly_mmd

from i2i import find_pictures, open_picture, to_tensor
from i2i.datasets.digits import DOMAINS, make_digits


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

    @torch.no_grad()
    def features(self, pictures):
        """(N, 1536): what its last layer, a linear one, sees."""
        return torch.cat([self.layers[:-2](part) for part in pictures.split(256)])

    def kid(self, pictures, others):
        """Kernel distance (Bińkowski et al. 2018, section 4: cubic kernel, unbiased) in what its last layer sees.

        Both sets are of one size, as torchmetrics' estimate asks.
        """
        assert len(pictures) == len(others)
        return poly_mmd(self.features(pictures), self.features(others)).item()

    @torch.no_grad()
    def accuracy(self, pictures, labels, domains):
        """Shares of labels and of domains read right."""
        label, domain = self(pictures)
        return (label.argmax(1) == labels).float().mean().item(), (domain.argmax(1) == domains).float().mean().item()


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


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """Three disjoint sets: to train the model on, to train the reader on, to test both on."""
    root = tmp_path_factory.mktemp("digits")
    sets = {
        name: drawn(root / name, count, seed)
        for name, count, seed in (("fit", 2000, 10), ("read", 3000, 20), ("unseen", 500, 30))
    }
    return root, sets


@pytest.fixture(scope="session")
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
    right_label, right_domain = model.accuracy(*real[1]["unseen"])
    print(f"\nreader on real unseen digits: label {right_label:.3f}, domain {right_domain:.3f}")
    assert right_label >= 0.98
    assert right_domain >= 0.98
    return model


@pytest.fixture(scope="session")
def white(tmp_path_factory):
    """(folder of 5,000 white digits to learn from, 2 × 1,000 that the models and the reader never see)."""
    root = tmp_path_factory.mktemp("white")
    make_digits(root / "fit", 5000, seed=40)
    make_digits(root / "unseen", 2000, seed=50)
    unseen = torch.stack([to_tensor(open_picture(path)) for path in find_pictures(root / "unseen" / "white")])
    return root / "fit" / "white", (unseen.float() / 255).split(1000)


@pytest.fixture
def figure(request):
    """Say what was measured: it is printed at once, and again in the table at the end."""

    def say(text):
        print(f"\n{text}")
        request.node.user_properties.append(("figure", text))

    return say


def pytest_terminal_summary(terminalreporter):
    """A table of the proofs with what became of each, how long it took and what it measured."""
    outcomes = ("passed", "failed", "error", "skipped")
    reports = [
        (outcome, report)
        for outcome in outcomes
        for report in terminalreporter.stats.get(outcome, [])
        if getattr(report, "duration", None) is not None and (report.when == "call" or outcome in ("error", "skipped"))
    ]
    if not reports:
        return
    terminalreporter.section("proofs")
    for outcome, report in sorted(reports, key=lambda found: found[1].nodeid):
        name = report.nodeid.removeprefix("tests/prove/")
        terminalreporter.write_line(f"{outcome.upper():8}{report.duration:7.0f} s  {name}")
        for kind, text in report.user_properties:
            if kind == "figure":
                terminalreporter.write_line(f"{'':19}{text}")
