"""What the tests of the core and of all plugins share."""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import pytest


@pytest.fixture(scope="session")
def python() -> str:
    """What stands for `sys.executable`, with what commands import imported already: not where that is the matter."""
    from in_a_fork import python

    return python()


@pytest.fixture(autouse=True)
def _quick_ranks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract suite's ranks are such ones."""
    if "check" in request.fixturenames and "two ranks" in request.node.name:
        monkeypatch.setattr(sys, "executable", request.getfixturevalue("python"))


@pytest.fixture(autouse=True)
def _quick_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickles are opened by a fork of a process that has imported torch, unless `fresh_reader` is asked for."""
    if "fresh_reader" not in request.fixturenames:
        monkeypatch.setattr("i2i.foreign.sandbox.started", _begun)


@pytest.fixture
def fresh_reader() -> None:
    """Pickles are opened by a process that is started as for users; it imports torch, which takes seconds."""


def _begun(file: BinaryIO) -> Any:
    from reader_in_a_fork import Reader

    return Reader(file)
