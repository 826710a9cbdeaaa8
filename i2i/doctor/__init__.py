"""What this machine has and what of it is wrong or unusual: facts, measured speed, findings with a remedy each.

found = examine(Path.cwd(), os.environ, measure=True)
broken = [finding for finding in found.findings if finding.is_broken]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2i.doctor.computing import Computing
    from i2i.doctor.installation import Installation
    from i2i.doctor.machine import Machine
    from i2i.doctor.speed import Speed
    from i2i.doctor.storage import Storage

__all__ = ["Examination", "Finding", "examine"]


@dataclass(frozen=True)
class Finding:
    """Something wrong or unusual."""

    what: str
    remedy: str
    is_broken: bool = False
    """Whether something does not work at all before it is mended."""


@dataclass(frozen=True)
class Examination:
    """Everything that was found."""

    machine: Machine
    computing: Computing
    installation: Installation
    storage: Storage
    speed: Speed | None
    """None where it was not measured."""
    findings: tuple[Finding, ...] = ()


def examine(folder: Path, environment: Mapping[str, str], measure: bool = True) -> Examination:
    """Look at everything, as seen from `folder`; `measure` takes about two seconds more."""
    from i2i.doctor.computing import computing
    from i2i.doctor.findings import findings
    from i2i.doctor.installation import installation
    from i2i.doctor.machine import machine
    from i2i.doctor.speed import measured
    from i2i.doctor.storage import storage

    found = Examination(machine(), computing(), installation(environment), storage(folder), None)
    if measure:
        found = replace(found, speed=measured(found.storage.runs.path))
    return replace(found, findings=tuple(findings(found, environment)))
