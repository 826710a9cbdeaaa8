"""Checks of a dataset: what a sample holds, and that nothing but its index and its chance decides it."""

from __future__ import annotations

import pickle
from functools import cached_property
from typing import Any

from i2i.errors import UsageError
from i2i.plugins import Entry, resolve
from i2i.testing.bench import Bench
from i2i.testing.checks import Check, Skipped, one_line, require

SEED = 5
MOST = 64
"""Samples that are compared."""


class Samples:
    """A dataset on the bench."""

    def __init__(self, bench: Bench, entry: Entry[Any]) -> None:
        self.bench, self.entry = bench, entry

    @cached_property
    def opened(self) -> Any:
        """With the options of a recipe, else with its defaults and folders of drawn pictures."""
        from i2i.training.building import with_scale

        spec, name = self.entry.value, self.bench.recipe_with("dataset", self.entry.name)
        if name is not None:
            options = with_scale(self.bench.recipe(name)).dataset.options
        else:
            for flag in spec.cli:
                if not (self.bench.pictures / flag).exists():
                    self.bench.draw(self.bench.pictures / flag, flag)
            given = {option: [str(self.bench.pictures / flag)] for flag, option in spec.cli.items()}
            fields = spec.options.model_fields.items()
            if lacking := [key for key, field in fields if field.is_required() and key not in given]:
                raise Skipped(f"{', '.join(lacking)}: without a default, and no recipe of its own says")
            options = spec.options(**given)
        try:
            return resolve(spec.build)(options)
        except UsageError as error:
            raise Skipped(f"it does not open as it is: {one_line(error)}") from error

    def load(self, index: int, seed: int = SEED) -> dict[str, Any]:
        """One sample, with chance of its own."""
        import numpy

        sample: dict[str, Any] = self.opened.load(index, numpy.random.default_rng(seed))
        return sample

    def batch(self) -> dict[str, Any]:
        """The first two samples."""
        import torch

        samples = [self.load(0), self.load(min(1, len(self.opened) - 1))]
        return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}


def samples_are_bytes(samples: Samples) -> None:
    """uint8 (C, H, W); a label may be smaller."""
    import torch

    first = samples.load(0)
    others = [samples.load(index) for index in range(1, min(MOST, len(samples.opened)))]
    for key, value in first.items():
        require(isinstance(value, torch.Tensor), f"'{key}' is {type(value).__name__}, no tensor")
        if value.dim() == 3:
            require(value.dtype == torch.uint8, f"'{key}' is {value.dtype}; a worker hands on uint8")
        for there in {tuple(other[key].shape) for other in others} - {tuple(value.shape)}:
            raise AssertionError(f"'{key}' is {tuple(value.shape)} in one sample and {there} in another")


def chance_decides(samples: Samples) -> None:
    """The same index and rng twice."""
    chosen = range(min(MOST, len(samples.opened)))  # what chance decides may come out the same in one
    pairs = [(samples.load(index), samples.load(index)) for index in chosen]
    differing = sorted({key for once, again in pairs for key in once if not once[key].equal(again[key])})
    require(not differing, f"the same index and rng give another {', '.join(differing)}: draw from `rng` alone")


def goes_to_a_worker(samples: Samples) -> None:
    """Workers that are spawned get a pickled copy."""
    import numpy

    sample = samples.load(0)
    try:
        copy = pickle.loads(pickle.dumps(samples.opened))
    except Exception as error:
        raise AssertionError(f"cannot be sent to a loader's worker: {one_line(error)}") from error
    there = copy.load(0, numpy.random.default_rng(SEED))
    require(all(sample[key].equal(there[key]) for key in sample), "in a worker its samples are others")


def batches_hold_the_keys(samples: Samples) -> None:
    """After `prepare`: float (B, C, H, W) in [0, 1] under every key of the spec."""
    import torch

    prepared = samples.opened.prepare(samples.batch(), torch.Generator().manual_seed(SEED))
    lacking = [key for key in samples.entry.value.keys if key not in prepared]
    require(not lacking, f"its spec promises {', '.join(lacking)}; a batch holds {', '.join(prepared)}")
    for key, value in prepared.items():
        if value.dim() == 4:
            require(value.is_floating_point(), f"'{key}' is {value.dtype} after `prepare`, not floating point")
            least, most = float(value.min()), float(value.max())
            require(least >= -1e-4 and most <= 1 + 1e-4, f"'{key}' goes from {least:.4g} to {most:.4g}, not in [0, 1]")


CHECKS = (
    Check("its samples are bytes of one size", samples_are_bytes, gate=True),
    Check("a sample is a function of its index and its chance", chance_decides, gate=True),
    Check("it can be sent to a loader's worker", goes_to_a_worker),
    Check("a batch holds what its spec promises, in [0, 1]", batches_hold_the_keys),
)
