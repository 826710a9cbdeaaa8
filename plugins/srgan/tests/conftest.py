from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import i2i


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors on busy cores: threads waiting for each other make these tests five times as slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _fixed_chance() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def catalog() -> i2i.Catalog:
    return i2i.discover()
