"""What was measured, for programs, for spreadsheets and in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from math import isfinite
from typing import TYPE_CHECKING, Any

from i2i.evaluation.named import METRICS
from i2i.evaluation.unpaired import SUBSETS

if TYPE_CHECKING:
    from i2i.errors import BrokenPicture
    from i2i.evaluation.paired import Evaluation, Row, Ruler
    from i2i.evaluation.unpaired import Distances, Features

READER = "8-bit sRGB, transparency over white"
BASELINES = {
    "originals": "the originals of --src enlarged by Pillow's BICUBIC",
    "targets": "targets shrunk as by MATLAB's imresize, rounded to 8 bits, enlarged by Pillow's BICUBIC",
}

Protocol = Mapping[str, Any]


def paired_protocol(ruler: Ruler, border_is: str, made_by: str = "") -> Protocol:
    """How pairs are measured; `border_is` says where the border's width is from, `made_by` what made the pictures."""
    protocol: dict[str, Any] = {
        "pictures by": made_by or "files",
        "scale": ruler.scale,
        "border": f"{ruler.border or 'no'} pixels cropped on each side ({border_is})",
        "Y": "BT.601, 16 to 235, rounded to 8 bits, as MATLAB's rgb2ycbcr",
        "PSNR": "peak 255, RGB over all channels together",
        "SSIM": "Gaussian 11×11, σ 1.5, K1 0.01, K2 0.03, windows inside the picture, RGB mean of channels",
        "means": "over pictures, without those of infinite PSNR",
        "pictures": READER,
    }
    if ruler.scale is not None and ruler.scale > 1:
        protocol["targets"] = f"cropped at right and bottom where less than {ruler.scale} pixels larger"
    if ruler.lpips is not None:
        protocol["LPIPS"] = f"0.1, {ruler.lpips.options.backbone}, RGB, same border"
        protocol["LPIPS files"] = dict(ruler.lpips.loaded)
    if ruler.baseline is not None:
        protocol["bicubic"] = BASELINES[ruler.baseline]
    return protocol | {"versions": versions("i2i", "torch", "pillow")}


def unpaired_protocol(features: Features, found: Distances, made_by: str = "") -> Protocol:
    """How sets are measured; `made_by` what made the pictures."""
    subsets = f"mean ± deviation of {SUBSETS} subsets of {found.subset} pictures"
    return {
        "pictures by": made_by or "files",
        "features": f"{features.in_words}, {found.values} values",
        "files": dict(features.files),
        "KID": f"unbiased, kernel (x·y/{found.values} + 1)³, {subsets}",
        "FID": "Fréchet distance of the Gaussians with the features' means and covariances",
        "pictures": READER,
        "versions": versions("i2i", "torch", "torch-fidelity", "pillow"),
    }


def versions(*distributions: str) -> dict[str, str]:
    """Of what is installed."""
    return {name: version(name) for name in distributions}


def in_words(protocol: Protocol) -> str:
    """One long line."""
    return "; ".join(
        f"{name}: {_plain(value)}" for name, value in protocol.items() if value is not None and value != {}
    )


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {str(text)[:12]}" for name, text in value.items())
    return str(value)


def paired_data(evaluation: Evaluation, ruler: Ruler, protocol: Protocol, remarks: Sequence[str]) -> dict[str, Any]:
    """Everything, as strict JSON can hold it: an infinite PSNR is null, `identical` counts them."""
    return {
        "protocol": protocol,
        "remarks": list(remarks),
        "border": ruler.border,
        "count": len(evaluation.rows),
        "compared_with_bicubic": evaluation.compared,
        "identical": evaluation.identical,
        "metrics": {metric: _metric_data(evaluation, metric) for metric in evaluation.metrics},
        "pictures": [_row_data(row) for row in evaluation.rows],
        "not_evaluated": refused_data(evaluation.refused),
    }


def unpaired_data(
    found: Distances, protocol: Protocol, remarks: Sequence[str], refused: Iterable[BrokenPicture]
) -> dict[str, Any]:
    """The distances of two sets."""
    return {
        "protocol": protocol,
        "remarks": list(remarks),
        "count": {"pictures": found.pictures, "targets": found.targets},
        "metrics": {
            "kid": {"mean": found.kid, "deviation": found.kid_deviation, "more_is_better": False},
            "fid": {"value": found.fid, "more_is_better": False},
        },
        "not_evaluated": refused_data(refused),
    }


def refused_data(refused: Iterable[BrokenPicture]) -> list[dict[str, str]]:
    """What could not be measured, and why."""
    return [{"file": str(broken.path), "reason": broken.reason} for broken in refused]


def as_csv(evaluation: Evaluation) -> str:
    """A line a picture; an infinite PSNR is `inf`, what could not be measured has a reason in its last column."""
    metrics = evaluation.metrics
    names = ["file", *metrics, *(f"bicubic_{metric}" for metric in metrics), "not_evaluated"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in evaluation.rows:
        bicubic = {f"bicubic_{metric}": value for metric, value in (row.bicubic or {}).items()}
        writer.writerow({"file": row.name, **row.scores, **bicubic})
    writer.writerows({"file": str(broken.path), "not_evaluated": broken.reason} for broken in evaluation.refused)
    return text.getvalue()


def _metric_data(evaluation: Evaluation, metric: str) -> dict[str, Any]:
    ordered = evaluation.worst_first(metric)
    bicubic = evaluation.bicubic_mean(metric)
    return {
        "mean": _finite(evaluation.mean(metric)),
        "bicubic": None if bicubic is None else _finite(bicubic),
        "worst": ordered[0].name,
        "best": ordered[-1].name,
        "unit": METRICS[metric].unit,
        "more_is_better": METRICS[metric].more_is_better,
    }


def _row_data(row: Row) -> dict[str, Any]:
    return {"file": row.name, **_all_finite(row.scores), "bicubic": row.bicubic and _all_finite(row.bicubic)}


def _all_finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
