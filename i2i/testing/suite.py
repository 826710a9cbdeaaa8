"""The contract as tests: a class to inherit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest

from i2i.errors import UsageError
from i2i.testing.bench import draw_pictures
from i2i.testing.checks import Check, Skipped, Subject
from i2i.testing.contract import planned


class PluginContract:
    """Everything that holds of a plugin, one test a check.

    >>> class TestContract(PluginContract):
    ...     plugin = "i2i-lumen"
    ...     settings = {"lumen": ("model.width=4", "dataset.crop=32")}
    """

    plugin: ClassVar[str]
    """A distribution, or the path of a project folder."""
    settings: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType({})
    """By recipe: lines as of `--set` that make it quick. `{pictures}` stands for the folder in which each of the
    command line's flags has its folder of pictures: `{pictures}/src/0.png` is one of them."""

    known: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """`subject: check` → why it fails as yet: a fault owned up to. The test fails once that check passes."""

    def draw(self, folder: Path, flag: str) -> None:
        """Lay training pictures for a flag of the command line (`src`) into a folder that is not there yet."""
        draw_pictures(folder, flag)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each check of each subject."""
        if "check" in metafunc.fixturenames:
            subjects = planned(self.plugin, self.settings, self.draw)
            found = {
                f"{subject.label}: {check.sentence}": (subject, check)
                for subject in subjects
                for check in subject.checks
            }
            if gone := self.known.keys() - found:
                raise UsageError(f"known: no such check: {', '.join(sorted(gone))}")
            cases = [pytest.param(*case, id=name, marks=self._marks(name)) for name, case in found.items()]
            metafunc.parametrize(("subject", "check"), cases)

    def test_contract(self, subject: Subject, check: Check) -> None:
        """The sentence holds of the subject."""
        try:
            subject.run(check)
        except Skipped as reason:
            pytest.skip(str(reason))

    def _marks(self, name: str) -> list[pytest.MarkDecorator]:
        return [pytest.mark.xfail(reason=self.known[name], strict=True)] if name in self.known else []
