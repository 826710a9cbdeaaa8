import math
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy
import pytest
from PIL import Image

from i2i import discover, load_recipe

ALIEN = Path(__file__).parents[1] / "plugins" / "alien"


@pytest.fixture
def catalog(monkeypatch):
    """The installed plugins and the alien."""
    monkeypatch.syspath_prepend(str(ALIEN))
    installed = discover()
    yield discover([EntryPoint("alien", "i2i_alien", "i2i")])
    assert not installed.broken
    for name in [name for name in sys.modules if name.startswith("i2i_alien")]:
        del sys.modules[name]


@pytest.fixture
def folders(tmp_path):
    """Two folders of small random pictures."""
    rng = numpy.random.default_rng(0)
    for name, count in (("photos", 7), ("paintings", 5)):
        (tmp_path / name).mkdir()
        for index in range(count):
            pixels = rng.integers(0, 256, (18, 24, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    return tmp_path


@pytest.fixture
def alien_recipe(catalog, folders):
    """The alien on those folders; call it with overrides."""

    def recipe(*overrides):
        where = [f"dataset.source={folders / 'photos'}", f"dataset.target={folders / 'paintings'}"]
        return load_recipe(catalog, "alien", overrides=[*where, "run.precision=fp32", *overrides])

    return recipe


@pytest.fixture
def poisoned():
    """`poisoned(going, bad)`: a run whose batches of these numbers are not finite."""
    return _poisoned


def _poisoned(going, bad):
    prepared = going.batches._prepared

    def poison(number, part, loaded):
        batch = prepared(number, part, loaded)
        if number in bad:
            for pictures in batch.tensors.values():
                pictures.fill_(math.nan)
        return batch

    going.batches._prepared = poison
    return going
