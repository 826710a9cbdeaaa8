"""What `i2i fit` measures at its validations: the metrics of `evaluate`, on pictures drawn once.

Answers are rounded to 8 bits first, as they would be in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Geometry
from i2i.errors import RecipeError
from i2i.evaluation import unpaired
from i2i.evaluation.light import light_features
from i2i.evaluation.metrics import WINDOW, luma, psnr, ssim
from i2i.evaluation.named import METRICS
from i2i.evaluation.paired import Evaluation, Row
from i2i.recipe import Recipe
from i2i.training.exhibition import Examples
from i2i.training.loop import Loop
from i2i.training.runtime import memory_explained
from i2i.training.validation import Measured, Validation, answers

OF_SETS = ("kid", "fid")
FROM_THE_SET = "how far this picture's look is from the mean of the wanted ones"
WITH_KEPT = "whole picture, with what was kept"
Answers = Callable[[Loop], Tensor]
"""(N, 3, H, W) of what the weights file would make now."""
Figure = Callable[[Tensor], tuple[float, list[float]]]
"""Of answers, uint8 (N, 3, H, W): what they are worth together, and a value for each."""


def validation(recipe: Recipe, loop: Loop, pictures: Mapping[str, Tensor]) -> Validation:
    """The recipe's metric on these pictures: key → float (N, C, H, W) in [0, 1], on the CPU.

    The first of the trainer's keys is what the model is given, the second what should come of it; the other way round
    where the translate option `direction` names them so. With one key, samples are compared with the pictures, or for
    metrics of pairs what the model makes of each with itself.
    Raises `RecipeError` where the metric does not fit the model or its data, `I2IError` where a file is missing.
    """
    metric = _metric(recipe, loop)
    compared = _compared(recipe, loop, pictures, metric)
    wanted = _eight_bits(compared.wanted)
    first = compared.first()
    is_of_pairs = metric not in OF_SETS
    if is_of_pairs and first.shape[1:] != wanted.shape[1:]:
        raise _wrong(f"{metric} compares pictures of one size; the model makes {_size(first)} of what should become "
                     f"{_size(wanted)}: run.metric=kid compares sets")  # fmt: skip
    scale: int = loop.model.geometry.scale
    figure = _of_pairs(metric, wanted, scale, loop) if is_of_pairs else _of_sets(metric, wanted, recipe, loop)

    lower = not is_of_pairs or not METRICS[metric].more_is_better
    by = f", {recipe.run.metric_features} features" if not is_of_pairs else ""
    meaning = f"{METRICS[metric].title} of this picture and what is wanted" if is_of_pairs else f"{FROM_THE_SET}{by}"
    over = WITH_KEPT if is_of_pairs and loop.model.geometry.fills else ""

    def measure(loop: Loop) -> Measured:
        made = compared.answers(loop)
        if not bool(made.isfinite().all()):
            return Measured(nan)
        made = _eight_bits(made)
        value, values = figure(made)
        pairs = wanted if compared.pairs else None
        return Measured(value, Examples(values, lower, meaning, made, compared.source, pairs))

    in_words = f"{metric} of {compared.in_words}{by}" + (f" ({over})" if over else "")
    return Validation(metric, lower, measure, in_words, over)


@dataclass(frozen=True)
class _Compared:
    """What the model makes, and what it should be like."""

    answers: Answers
    wanted: Tensor
    first: Callable[[], Tensor]
    """One answer: tells its size, and whether the model can do it at all."""
    in_words: str
    source: Tensor | None = None
    """What the answers are made from."""
    pairs: bool = False
    """Whether each answer is wanted to be one of the pictures, in their order."""


def _metric(recipe: Recipe, loop: Loop) -> str:
    geometry: Geometry = loop.model.geometry
    has_pairs = recipe.dataset.entry.name != "unpaired"
    if (metric := recipe.run.metric) != "auto":
        if metric not in OF_SETS and not has_pairs:
            raise _wrong(f"{metric} compares pairs, and the dataset 'unpaired' has none; take kid")
        return metric
    same_picture = geometry.scale > 1 or geometry.restores or geometry.fills
    return "psnr_y" if same_picture and has_pairs and hasattr(loop.model, "translate") else "kid"


def _compared(recipe: Recipe, loop: Loop, pictures: Mapping[str, Tensor], metric: str) -> _Compared:
    model: Any = loop.model
    keys: tuple[str, ...] = recipe.trainer.entry.value.keys
    translates, samples = hasattr(model, "translate"), hasattr(model, "sample")
    if len(keys) == 1 and samples and metric in OF_SETS:
        wanted = pictures[keys[0]]
        count = recipe.run.validation_pictures  # samples cost no pictures, held-out ones may be few
        return _Compared(lambda loop: _samples(loop, count), wanted, lambda: _samples(loop, 1), f"{count} samples")
    if len(keys) == 1 and samples and not translates:
        raise _wrong(
            f"{metric} compares pairs, and '{recipe.model.entry.name}' makes pictures out of nothing; take kid"
        )
    if not translates or (len(keys) < 2 and not samples):
        raise _wrong(f"there is nothing to compare what '{recipe.model.entry.name}' makes with: "
                     "its dataset holds no targets; set run.validate_every to null")  # fmt: skip
    given, wanted_key = keys[0], keys[1] if len(keys) > 1 else keys[0]
    if getattr(loop.translate, "direction", None) == f"{wanted_key}-to-{given}":
        given, wanted_key = wanted_key, given
    source, masks = pictures[given], pictures.get("mask")
    one_mask = None if masks is None else masks[:1]
    return _Compared(
        lambda loop: answers(loop, source, masks),
        pictures[wanted_key],
        lambda: answers(loop, source[:1], one_mask),
        f"{len(source)} answers to {given}",
        source,
        pairs=recipe.dataset.entry.name != "unpaired",
    )


def _samples(loop: Loop, count: int) -> Tensor:
    return loop.samples(count).cpu().expand(-1, 3, -1, -1)


def _of_sets(metric: str, wanted: Tensor, recipe: Recipe, loop: Loop) -> Figure:
    name, batch, device = recipe.run.metric_features, loop.run.batch, loop.runtime.device
    if name == "light":
        describe: Callable[[Tensor], Tensor] = lambda part: light_features(part.to(device).float() / 255)  # noqa: E731
    else:
        describe = unpaired.build(name, None, device).describe
    if metric == "fid":
        unpaired.fidelity("metric_fid")  # now, not after the first steps

    def described(pictures: Tensor) -> Tensor:
        with torch.no_grad(), memory_explained("lower run.batch, or take run.metric_features=light"):
            return torch.cat([describe(part).cpu().double() for part in pictures.split(batch)])

    theirs = described(wanted)

    def figure(made: Tensor) -> tuple[float, list[float]]:
        ours = described(made)
        value = kid(ours, theirs) if metric == "kid" else unpaired.distances(list(ours), list(theirs)).fid
        return value, from_the_set(ours, theirs)

    return figure


def kid(ours: Tensor, theirs: Tensor) -> float:
    """Features, float64 (N, D) and (M, D), N and M ≥ 2 → the squared distance of Bińkowski et al. 2018, section 4.

    The kernel is (x·y / D + 1)³, the estimate the unbiased one, which may lie a little below 0. `evaluate` gives its
    mean over 100 subsets; over all pictures at once it varies less, and so two steps of a run are told apart better.
    """

    def within(rows: Tensor) -> Tensor:
        values = _kernel(rows, rows)
        return (values.sum() - values.diagonal().sum()) / (len(rows) * (len(rows) - 1))

    return float(within(ours) + within(theirs) - 2 * _kernel(ours, theirs).mean())


def from_the_set(ours: Tensor, theirs: Tensor) -> list[float]:
    """Features, float64 (N, D) and (M, D) → how far each of ours is from all of theirs: 0 or more.

    In the space of KID's kernel, the squared distance from the picture to the mean of theirs.
    """
    own = _kernel(ours[:, None], ours[:, None]).flatten()  # (N,)
    return (own - 2 * _kernel(ours, theirs).mean(1) + _kernel(theirs, theirs).mean()).tolist()


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.mT / one.shape[-1] + 1) ** 3


def _of_pairs(metric: str, wanted: Tensor, scale: int, loop: Loop) -> Figure:
    border = scale if scale > 1 else 0  # as `evaluate` has it
    height, width = (side - 2 * border for side in wanted.shape[-2:])
    score = _lpips(loop) if metric == "lpips" else _score(metric)
    needed = WINDOW if metric.startswith("ssim") else 1 if metric.startswith("psnr") else 32
    if min(height, width) < needed:
        without = f" without the border of {border}" if border else ""
        raise _wrong(f"{metric} needs {needed}×{needed} pixels; targets have {width}×{height}{without}")
    inner = (..., slice(border, border + height), slice(border, border + width))

    def figure(made: Tensor) -> tuple[float, list[float]]:
        values = [score(ours[inner], goal[inner]) for ours, goal in zip(made, wanted, strict=True)]
        return Evaluation([Row("", {metric: value}) for value in values]).mean(metric), values

    return figure


def _score(metric: str) -> Callable[[Tensor, Tensor], float]:
    measured = psnr if metric.startswith("psnr") else ssim
    if metric.endswith("rgb"):
        return measured
    return lambda ours, goal: measured(luma(ours), luma(goal))


def _lpips(loop: Loop) -> Callable[[Tensor, Tensor], float]:
    from i2i.features.lpips import LPIPS, LPIPSOptions

    device = loop.runtime.device
    network = LPIPS(LPIPSOptions())
    network.prepare()
    network.to(device)

    def score(ours: Tensor, goal: Tensor) -> float:
        images = (image[None].to(device).float() / 255 for image in (ours, goal))
        with torch.no_grad():
            return float(network.distances(*images).item())

    return score


def _eight_bits(pictures: Tensor) -> Tensor:
    """Float (N, 1 or 3, H, W) in [0, 1] → uint8 (N, 3, H, W), rounded to nearest."""
    return pictures.float().clamp(0, 1).mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)


def _size(pictures: Tensor) -> str:
    return f"{pictures.shape[-1]}×{pictures.shape[-2]}"


def _wrong(what: str) -> RecipeError:
    return RecipeError([f"run.metric: {what}"])
