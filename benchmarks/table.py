"""What was saved, as a table: ratios first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NOTE = (
    "Ratios are to the first line of each block, round by round; medians, least and most in brackets. The share of the "
    "limit is that of the operations of direct convolutions; an algorithm that needs fewer may pass 100 %."
)


def lines_of(content: Mapping[str, Any], parts: Sequence[str] | None = None) -> Iterator[str]:
    """All parts, or these."""
    for name, part in content["parts"].items():
        if parts is None or name in parts:
            yield from _part(name, part)
    yield ""
    yield NOTE


def _part(name: str, part: Mapping[str, Any]) -> Iterator[str]:
    limits = ", ".join(f"{precision} {limit['gigaflops']:.0f} GFLOP/s" for precision, limit in part["limits"].items())
    yield ""
    tiny = "tiny sizes, only to see that it works; " if part["quick"] else ""
    yield f"== {name} ({tiny}limit of convolutions: {limits}; commit {part['commit']}; took {part['took']:.0f} s)"
    for row in part["rows"]:
        yield from _row(row)
    for series in part["series"]:
        yield f"{series['title']}: {series['note']}"
        for size, seconds, memory in series["points"]:
            yield f"  {size:>7,.0f} {series['unit']:16} {seconds:9.3f} s {_bytes(memory):>9}"


def _row(row: Mapping[str, Any]) -> Iterator[str]:
    work = "" if row["gigaflops"] is None else f"; {row['gigaflops']:,.0f} GFLOP"
    yield f"{row['title']}{work}{'; ' * bool(row['note'])}{row['note']}"
    for entry in row["entries"]:
        spread = f"({entry['ratio_spread'][0]:.2f} to {entry['ratio_spread'][1]:.2f})"
        seconds = f"{entry['seconds']:8.3f} s ({entry['spread'][0]:.3f} to {entry['spread'][1]:.3f})"
        rate = entry["pictures_per_second"]
        per_second = "" if rate is None else f"{rate:.3g}/s"
        share = "" if entry["share_of_limit"] is None else f"{entry['share_of_limit']:.0%} of limit"
        memory = "" if entry["memory"] is None else _bytes(entry["memory"])
        figures = ", ".join(f"{name} {_figure(name, value)}" for name, value in entry["figures"].items())
        line = f"  {entry['ratio']:6.2f}× {spread:16} {seconds:32} {per_second:>9} {share:>14} {memory:>8}"
        yield f"{line}  {entry['name']}{'; ' * bool(figures)}{figures}"


def _figure(name: str, value: float) -> str:
    return f"{value:.1%}" if name.startswith("share") else f"{value:.5g}"


def _bytes(amount: float) -> str:
    return f"{amount / 1e9:.2f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"
