"""What was measured, as it is saved and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from i2i.bench.limit import Limit
from i2i.bench.sides import Timing


@dataclass(frozen=True)
class Asked:
    """What the command line wants."""

    device: str
    precisions: Sequence[str]
    """Of ours: those that the hardware has."""
    rounds: int
    seconds: float
    """For the rounds of one part."""
    quick: bool
    """Whether everything is to be tiny: to see that it works, not how fast."""
    pictures: int | None = None
    """Of a folder; None: as many as fit into the time on a small machine."""
    iterations: int = 3
    """Of Gatys's optimisation."""
    runtime: str = "torch"
    """What computes our translations."""
    vgg: str | None = None
    """VGG-19's weights; None: random ones."""
    limits: Mapping[str, Limit] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One of those that were compared."""

    name: str
    seconds: float
    """Of one turn: the median."""
    spread: tuple[float, float]
    turns: int
    ratio: float
    """How many times as fast as the plain way: the median over the rounds."""
    ratio_spread: tuple[float, float]
    pictures_per_second: float | None
    """None where nothing of the kind is made."""
    memory: int | None
    """Bytes, the most."""
    share_of_limit: float | None
    """Operations of the plain computation a second, beside what convolutions reach here in this precision."""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A comparison; the plain way comes first."""

    title: str
    gigaflops: float | None
    pictures: int
    entries: Sequence[Entry]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """How cost grows."""

    title: str
    unit: str
    points: Sequence[tuple[float, float, int]]
    """How many or how large, seconds, bytes."""
    note: str = ""


@dataclass(frozen=True)
class Found:
    """What one part found."""

    rows: Sequence[Row] = ()
    series: Sequence[Series] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


def row_of(title: str, timings: Sequence[Timing], limits: Mapping[str, Limit], note: str = "") -> Row:
    """Timings of one task; the first is the plain way, which knows the operations. A name ends in its precision."""
    plain = timings[0]
    return Row(title, plain.gigaflops, plain.pictures, [_entry(timing, plain, limits) for timing in timings], note)


def of_processes(row: Row) -> Row:
    """The same of sides that only start other processes: their own memory tells nothing."""
    return replace(row, entries=[replace(entry, memory=None, pictures_per_second=None) for entry in row.entries])


def _entry(timing: Timing, plain: Timing, limits: Mapping[str, Limit]) -> Entry:
    ratio, least, most = timing.ratios(plain)
    per_picture = plain.pictures / timing.pictures  # where they take another number
    limit, share = limits.get(timing.side.rpartition(" ")[2]), None
    if plain.gigaflops is not None and limit is not None:
        share = plain.gigaflops / (timing.seconds * per_picture) / limit.gigaflops
    return Entry(
        name=timing.side,
        seconds=timing.seconds,
        spread=timing.spread,
        turns=len(timing.turns),
        ratio=ratio / per_picture,
        ratio_spread=(least / per_picture, most / per_picture),
        pictures_per_second=timing.pictures / timing.seconds,
        memory=timing.memory,
        share_of_limit=share,
        figures=dict(timing.figures),
    )
