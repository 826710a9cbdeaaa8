import numpy
import pytest
import torch

from i2i import Dataset, I2IError
from i2i.training.batches import Batches
from i2i.training.runtime import Runtime

CPU = Runtime(torch.device("cpu"), "fp32")


class Numbered(Dataset):
    """Sample i is the number i; its noise is drawn from the rng it was handed."""

    def __init__(self, size=10):
        self.size = size

    def __len__(self):
        return self.size

    def load(self, index, rng):
        return {"x": torch.tensor([[[index, int(rng.integers(256))]]], dtype=torch.uint8)}


def taken(batches, step, steps):
    """(steps, B, 2): index and noise of every sample."""
    stream = batches.from_step(step)
    rows = [torch.cat([micro.tensors["x"] for micro in next(stream)]) for _ in range(steps)]
    return (torch.stack(rows) * 255).round().int()[:, :, 0, 0]


def test_an_epoch_shows_every_sample_once_in_an_order_of_its_own():
    seen = taken(Batches(Numbered(), CPU, seed=0, batch=5), 0, 4)[..., 0].reshape(2, 10)
    assert sorted(seen[0].tolist()) == sorted(seen[1].tolist()) == list(range(10))
    assert seen[0].tolist() != seen[1].tolist()


def test_batches_are_a_function_of_seed_and_step():
    batches = Batches(Numbered(), CPU, seed=3, batch=4)
    assert torch.equal(taken(batches, 0, 8)[5:], taken(batches, 5, 3))
    assert not torch.equal(taken(batches, 0, 8), taken(Batches(Numbered(), CPU, seed=4, batch=4), 0, 8))


@pytest.mark.parametrize("change", [{"accumulate": 2}, {"workers": 2}])
def test_micro_batches_and_workers_change_nothing(change):
    plain = taken(Batches(Numbered(), CPU, seed=0, batch=4, workers=0), 0, 6)
    assert torch.equal(plain, taken(Batches(Numbered(), CPU, seed=0, batch=4, **change), 0, 6))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_ranks_share_a_batch_without_overlap(accumulate):
    whole = taken(Batches(Numbered(), CPU, 0, batch=8, accumulate=accumulate), 0, 3)
    ranks = []
    for rank in range(2):
        runtime = Runtime(torch.device("cpu"), "fp32", rank, 2)
        batches = Batches(Numbered(), runtime, 0, batch=8, accumulate=accumulate)
        ranks.append(taken(batches, 0, 3))
        first = [micro.first_sample for micro in next(batches.from_step(0))]
        assert first == [part * (8 // accumulate) + rank * (4 // accumulate) for part in range(accumulate)]
    together = torch.cat(ranks, 1)
    for step in range(3):
        assert sorted(map(tuple, together[step].tolist())) == sorted(map(tuple, whole[step].tolist()))


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(I2IError, match=r"run\.batch 6 does not divide among 2 micro-batches on 2 ranks"):
        Batches(Numbered(), Runtime(torch.device("cpu"), "fp32", 0, 2), 0, batch=6, accumulate=2)


def test_fixed_samples_are_the_same_every_time_and_repeat_where_there_are_few():
    batches = Batches(Numbered(3), CPU, seed=0, batch=1)
    one, other = (batches.fixed(Numbered(3), 4).tensors["x"] for _ in range(2))
    assert torch.equal(one, other)
    numbers = (one[:, 0, 0, 0] * 255).round().int().tolist()
    assert sorted(numbers[:3]) == [0, 1, 2]
    assert numbers[3] == numbers[0]


def test_fixed_samples_come_from_anywhere_in_the_data():
    """Not from its beginning, where all pictures of the first class are."""
    numbers = (Batches(Numbered(100), CPU, 0, 1).fixed(Numbered(100), 20).tensors["x"][:, 0, 0, 0] * 255).round()
    assert len(numbers.unique()) == 20
    assert numbers.min() < 30
    assert numbers.max() > 70


def test_samples_are_floats_in_the_unit_range():
    (micro,) = next(Batches(Numbered(), CPU, 0, batch=4).from_step(0))
    assert micro.tensors["x"].dtype == torch.float32
    assert 0 <= micro.tensors["x"].min() <= micro.tensors["x"].max() <= 1
    assert micro.samples == 4


def test_an_error_in_a_worker_arrives_as_itself():
    class Faulty(Numbered):
        def load(self, index, rng):
            raise I2IError("the disk is gone")

    with pytest.raises(I2IError, match=r"^the disk is gone$"):
        next(Batches(Faulty(), CPU, 0, batch=1, workers=1).from_step(0))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_datasets_own_mistakes_are_one_line(workers):
    class Mistaken(Numbered):
        def load(self, index, rng):
            raise ValueError("no such\nthing")

    class Uneven(Numbered):
        def load(self, index, rng):
            return {"x": torch.zeros(1, 1, 1 + index, dtype=torch.uint8)}

    with pytest.raises(I2IError, match=r"^dataset: sample \d: ValueError: no such thing$"):
        next(Batches(Mistaken(), CPU, 0, batch=1, workers=workers).from_step(0))
    with pytest.raises(I2IError, match=r"^dataset: x is \(1, 1, \d+\) in one sample and \(1, 1, \d+\) in another$"):
        next(Batches(Uneven(), CPU, 0, batch=4, workers=workers).from_step(0))


def test_the_validation_part_prepares_its_own_batches():
    class Validation(Numbered):
        def prepare(self, batch, generator):
            return {"x": batch["x"].float() * 0 + 0.25}

    fixed = Batches(Numbered(), CPU, 0, batch=1).fixed(Validation(), 2)
    assert fixed.tensors["x"].eq(0.25).all()


def test_chance_is_spread_over_places():
    from i2i.training.chance import rng_for, seed_for

    seeds = {seed_for("step", seed, step) for seed in range(50) for step in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert isinstance(rng_for("sample", 0, 1), numpy.random.Generator)
