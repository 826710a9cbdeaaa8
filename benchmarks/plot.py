"""What was saved, as a picture: ratios with their spreads, and how cost grows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes

PLAIN, OURS, MEMORY = "#9aa0a6", "#1a73e8", "#d93025"


def draw(content: Mapping[str, Any], path: Path) -> None:
    """Write an SVG."""
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "i2i", "font.size": 9})
    bars = [(row["title"], entry) for part in content["parts"].values() for row in part["rows"]
            for entry in row["entries"][1:] if entry["name"].startswith(("i2i, ", "i2i by "))]  # fmt: skip
    series = [each for part in content["parts"].values() for each in part["series"]]
    heights = ([0.5 * len(bars) + 0.8] if bars else []) + ([2.8] if series else [])
    if not heights:
        return
    figure = pyplot.figure(figsize=(11, sum(heights) + 0.6), layout="constrained")
    figure.suptitle(_title(content["machine"]))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    if bars:
        _bars(parts[0].subplots(), bars)
    if series:
        for axes, each in zip(parts[-1].subplots(1, len(series), squeeze=False)[0], series, strict=True):
            _growth(axes, each)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _bars(axes: Axes, bars: list[tuple[str, Mapping[str, Any]]]) -> None:
    places = range(len(bars))
    ratios = [entry["ratio"] for _, entry in bars]
    below = [max(0.0, entry["ratio"] - entry["ratio_spread"][0]) for _, entry in bars]
    above = [max(0.0, entry["ratio_spread"][1] - entry["ratio"]) for _, entry in bars]
    axes.barh(places, ratios, xerr=[below, above], color=OURS, height=0.6, error_kw={"elinewidth": 1, "capsize": 3})
    axes.axvline(1, color=PLAIN)
    axes.set_yticks(places, [f"{title}\n{entry['name']}" for title, entry in bars])
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as the plain fp32 loop; medians, least and most")
    for place, ratio in zip(places, ratios, strict=True):
        axes.text(0.02, place, f"{ratio:.2f}×", va="center", color="white")


def _growth(axes: Axes, series: Mapping[str, Any]) -> None:
    sizes, seconds, memory = zip(*series["points"], strict=True)
    axes.loglog(sizes, seconds, "o-", color=OURS)
    axes.set_xlabel(series["unit"])
    axes.set_ylabel("seconds", color=OURS)
    axes.set_title(series["title"])
    other = axes.twinx()
    other.loglog(sizes, [amount / 1e6 for amount in memory], "s--", color=MEMORY)
    other.set_ylim(100, max(1e4, 2e-6 * max(memory)))  # so that what hardly grows looks it
    other.set_ylabel("MB at most", color=MEMORY)


def _title(machine: Mapping[str, Any]) -> str:
    return machine["gpu"] or f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads"
