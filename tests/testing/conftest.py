"""What the tests of the contract suite share."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def quick_processes(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks, and plugins' own tests, are run by processes that have imported torch already."""
    monkeypatch.setattr(sys, "executable", python)
