"""A check: a sentence that holds of a subject, and the function that finds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


class Skipped(Exception):
    """A check does not apply here; its text says why."""


@dataclass(frozen=True)
class Check:
    """A function that raises where its sentence does not hold of the subject, or `Skipped`."""

    sentence: str
    function: Callable[[Any], None]
    gate: bool = False
    """Whether nothing after it can be told where it fails."""


@dataclass
class Subject:
    """What is checked, such as `model lumen`: its checks in their order, what they look at, and which gate shut."""

    label: str
    checks: Sequence[Check]
    examined: Any
    shut: str | None = field(default=None, init=False)

    def run(self, check: Check) -> None:
        """Raise what the check raises; `Skipped` behind a gate that failed."""
        if self.shut is not None:
            raise Skipped(f"cannot be told while this fails: {self.shut}")
        try:
            check.function(self.examined)
        except Skipped:
            raise
        except (Exception, SystemExit):
            self.shut = check.sentence if check.gate else None
            raise


def require(holds: object, otherwise: str) -> None:
    """Raise `AssertionError` with this line where something does not hold."""
    if not holds:
        raise AssertionError(otherwise)


def listed(names: Sequence[str], most: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def one_line(error: BaseException) -> str:
    """What an error says, in one line; its type too where that says more than the text."""
    text = " ".join(str(error).split()) or "no explanation"
    told = isinstance(error, AssertionError | Skipped) and str(error)
    return text if told else f"{type(error).__name__}: {text}"
