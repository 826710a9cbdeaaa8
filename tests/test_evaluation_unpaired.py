"""KID and FID of sets that are no pairs."""

from __future__ import annotations

import sys

import numpy
import pytest
import torch
from PIL import Image

from i2i import BrokenPicture, I2IError, UsageError
from i2i.evaluation import unpaired
from i2i.evaluation.report import in_words, unpaired_data, unpaired_protocol


@pytest.fixture
def fidelity():
    return pytest.importorskip("torch_fidelity", reason="torch-fidelity is not installed: pip install 'i2i[evaluate]'")


@pytest.fixture
def sets(tmp_path):
    """Noise of two strengths, in two sizes, and a file that is no picture."""
    found = []
    for spread in (20, 60):
        chance = numpy.random.default_rng(spread)
        paths = []
        for number in range(6):
            pixels = numpy.clip(chance.normal(128, spread, (36 + 4 * (number % 2), 40, 3)), 0, 255)
            paths.append(tmp_path / f"{spread}-{number}.png")
            Image.fromarray(pixels.astype(numpy.uint8)).save(paths[-1])
        found.append(paths)
    (tmp_path / "broken.png").write_text("no picture")
    return [[*found[0], tmp_path / "broken.png"], found[1]]


def rows(paths, features, batch=1):
    found = list(unpaired.described(unpaired.read(paths, batch), features, batch))
    described = [row for row in found if not isinstance(row, BrokenPicture)]
    return described, [row for row in found if isinstance(row, BrokenPicture)]


def features_of(seed, count, values, shift=0.0):
    return list(torch.randn(count, values, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift)


def test_without_torch_fidelity_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.delitem(sys.modules, "torch_fidelity.metric_kid", raising=False)
    with pytest.raises(I2IError, match=r"^KID and FID need torch-fidelity \(.*\): pip install 'i2i\[evaluate\]'$"):
        unpaired.build("random", None, torch.device("cpu"))


def test_kid_is_the_unbiased_estimate_of_the_cubic_kernel(fidelity):
    ours, theirs = features_of(0, 4, 5), features_of(1, 4, 5, shift=1.0)
    found = unpaired.distances(ours, theirs)
    assert (found.subset, found.pictures, found.targets, found.values) == (2, 4, 4, 5)
    every = []
    for a in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        for b in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
            x, y = ([rows[place] for place in places] for rows, places in ((ours, a), (theirs, b)))
            across = sum(kernel(one, other) for one in x for other in y)
            every.append(kernel(*x) + kernel(*y) - across / 2)
    assert min(every) < found.kid < max(every)
    assert found.kid == pytest.approx(numpy.mean(every), abs=3 * numpy.std(every) / 10)  # of 100 subsets


def kernel(one, other):
    return ((one @ other) / len(one) + 1).item() ** 3


def test_fid_is_the_distance_of_gaussians_and_says_when_it_is_biased(fidelity):
    ours = features_of(0, 4000, 3)
    found = unpaired.distances(ours, [row + torch.tensor([2.0, 0.0, 0.0]) for row in ours])
    assert found.fid == pytest.approx(4)  # the square of the shift
    assert (found.subset, found.remarks) == (1000, [])
    few = unpaired.distances(ours[:3], ours[3:9])
    assert few.remarks == ["3 pictures are too few for the covariance of 3 features: FID is biased, KID is not"]
    with pytest.raises(UsageError, match=r"sets of pictures: 1 and 3 are too few; at least 2$"):
        unpaired.distances(ours[:1], ours[:3])


def test_sets_of_all_sizes_are_described_and_broken_files_told(fidelity, sets):
    features = unpaired.build("random", None, torch.device("cpu"))
    ours, broken = rows(sets[0], features)
    assert [file.reason for file in broken] == ["not a picture that Pillow can read (found text)"]
    theirs, _ = rows(sets[1], features)
    together, _ = rows(sets[1], features, batch=3)
    ordered = sorted(range(6), key=lambda number: number % 2)  # batches are of one size
    assert torch.allclose(torch.stack(together), torch.stack([theirs[place] for place in ordered]), rtol=1e-4)
    found = unpaired.distances(ours, theirs)
    assert found.fid > unpaired.distances(ours[:3], ours[3:]).fid
    protocol = unpaired_protocol(features, found)
    assert in_words(protocol).startswith("pictures by: files; features: random, mean of conv")
    assert f"kernel (x·y/{found.values} + 1)³, mean ± deviation of 100 subsets of 3 pictures" in protocol["KID"]
    data = unpaired_data(found, protocol, found.remarks, broken)
    assert data["count"] == {"pictures": 6, "targets": 6}
    assert data["metrics"]["kid"] == {"mean": found.kid, "deviation": found.kid_deviation, "more_is_better": False}
    with pytest.raises(UsageError, match=r"^random features read no file; leave --features-weights out$"):
        unpaired.build("random", sets[0][0], torch.device("cpu"))


def test_inception_reads_a_file_and_runs_no_code_of_it(fidelity, sets, tmp_path):
    with pytest.raises(I2IError, match=r"nowhere\.pth: no such file; put the weights of Inception v3 there$"):
        unpaired.build("inception", tmp_path / "nowhere.pth", torch.device("cpu"))
    torch.save({"conv1.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(I2IError, match=r"other\.pth: not the weights of Inception v3 that torch-fidelity takes: "):
        unpaired.build("inception", tmp_path / "other.pth", torch.device("cpu"))
    torch.save({"conv1.weight": Image.new("L", (1, 1))}, tmp_path / "code.pth")
    other = r"code\.pth: damaged, or holds something else than plain tensors: PIL\.Image\.Image"
    with pytest.raises(I2IError, match=rf"{other}; save the network's state_dict\(\) alone where it was made$"):
        unpaired.build("inception", tmp_path / "code.pth", torch.device("cpu"))
    made = untrained_inception(tmp_path / "inception.pth")
    features = unpaired.build("inception", tmp_path / "inception.pth", torch.device("cpu"))
    assert (features.in_words, list(features.files)) == ("Inception v3", ["inception.pth"])
    (row,), _ = rows(sets[1][:1], features)
    pixels = torch.from_numpy(numpy.array(Image.open(sets[1][0]))).permute(2, 0, 1)[None]
    assert torch.equal(row, made(pixels)[0][0].double())
    assert row.std() > 0


def untrained_inception(path):
    """torch-fidelity's network with weights by chance, saved."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_):
            for name, values in self.named_parameters():
                if name.endswith("conv.weight"):
                    torch.nn.init.kaiming_normal_(values, generator=torch.Generator().manual_seed(0))

    torch.save({}, path)
    network = Untrained("inception", ["2048"], feature_extractor_weights_path=str(path))
    torch.save(network.state_dict(), path)
    return network
