"""Fixtures for a plugin's `conftest.py`: `from i2i.testing import catalog, fixed_chance, one_thread`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from i2i.plugins import Catalog, discover


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors on busy cores: threads waiting for each other make these tests five times as slow."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def fixed_chance() -> Iterator[None]:
    """Torch draws the same numbers in every test, whatever ran before it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Everything that is installed."""
    return discover()
