"""Which curves are drawn together, and in which order: what tells whether a run is any good comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VALIDATIONS = {
    "kid": ("KID", ""),
    "fid": ("FID", ""),
    "lpips": ("LPIPS", ""),
    "psnr_y": ("PSNR, Y", "dB"),
    "psnr_rgb": ("PSNR, RGB", "dB"),
    "ssim_y": ("SSIM, Y", ""),
    "ssim_rgb": ("SSIM, RGB", ""),
}
"""What `run.metric` may measure: what it is called, as by `i2i evaluate`, and its unit."""
OF_SETS = ("kid", "fid")
OWN = {
    "psnr": "PSNR of training pictures, dB",
    "diversity": "Diversity of samples",
    "active": "Active latent dimensions",
    "images_per_second": "Speed, pictures a second",
    "loader_share": "Share of time spent waiting for pictures",
    "masked_steps": "Steps that changed nothing",
}
"""Metrics that share no axis with others, and what they are; the last three tell nothing of quality."""
LAST = ("images_per_second", "loader_share", "masked_steps")
OPPONENTS = ("discriminator", "critic")
APART = 30.0
"""How many times as large as the smallest of a chart a loss may be, to be read beside it."""


@dataclass(frozen=True)
class Group:
    """A chart's title and the metrics on it."""

    title: str
    names: tuple[str, ...]
    is_smoothed: bool = True
    """Whether single values of it are noisy."""
    from_zero: bool = False


def groups(sizes: Mapping[str, float], validation: str | None = None) -> list[Group]:
    """The charts of metrics, of each of which a typical size is told. `validation` is what the best is known by."""
    validations = [name for name in sizes if name == validation or name in VALIDATIONS]
    accuracies = [name for name in sizes if "accuracy" in name]
    others = [name for name in sizes if name in OWN and name not in validations]
    losses = [name for name in sizes if name not in {*validations, *accuracies, *others}]
    against = [name for name in losses if any(word in name for word in OPPONENTS)]
    made = [Group(f"Validation: {_titled(name)}", (name,), is_smoothed=False) for name in validations]
    made += _losses("", [name for name in losses if name not in against], sizes)
    made += _losses(" of the discriminator", against, sizes)
    if accuracies:
        alone = f": {accuracies[0]}" if len(accuracies) == 1 else ""
        made.append(Group(f"Accuracy of the discriminator{alone}", tuple(accuracies)))
    for name in sorted(others, key=list(OWN).index):
        made.append(Group(OWN[name], (name,), name != "masked_steps", name in LAST))
    return made


def title_of(metric: str) -> str:
    """What a metric is called."""
    return VALIDATIONS[metric][0] if metric in VALIDATIONS else metric


def unit_of(metric: str) -> str:
    """Its unit; empty where it has none."""
    return VALIDATIONS[metric][1] if metric in VALIDATIONS else ""


def _titled(metric: str) -> str:
    return f"{title_of(metric)} ({unit})" if (unit := unit_of(metric)) else title_of(metric)


def _losses(whose: str, names: Sequence[str], sizes: Mapping[str, float]) -> list[Group]:
    """Those of about one size together, in the order in which they are logged."""
    charts: list[list[str]] = []
    for name in sorted(names, key=lambda name: sizes[name]):
        if charts and sizes[name] <= APART * sizes[charts[-1][0]]:
            charts[-1].append(name)
        else:
            charts.append([name])
    usual = max(charts, key=len, default=[])
    charts.sort(key=lambda chart: chart is not usual)
    ordered = [tuple(sorted(chart, key=names.index)) for chart in charts]
    return [Group(_named(whose, chart, is_usual=place == 0), chart) for place, chart in enumerate(ordered)]


def _named(whose: str, chart: Sequence[str], is_usual: bool) -> str:
    """A curve alone has no legend, and two charts need two titles."""
    if len(chart) == 1:
        return f"Loss{whose}: {chart[0]}"
    return f"Losses{whose}" if is_usual else f"Losses{whose}: {', '.join(chart)}"
