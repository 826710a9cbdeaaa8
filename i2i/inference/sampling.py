"""Pictures out of nothing: samples by their number, and walks from one to the next on the sphere of latents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Options, Request
from i2i.inference.fitting import shown
from i2i.training.chance import seed_for
from i2i.training.runtime import Runtime, memory_explained


@dataclass(frozen=True)
class Place:
    """Where a picture lies among the latents: at a sample, or on the way from it to another."""

    departure: int
    arrival: int
    share: float = 0.0
    """Of the way, from 0 at the departure to 1 at the arrival."""


def closed_walk(stops: int, frames: int) -> Iterator[Place]:
    """From each of the samples 0 … stops−1 to the next and from the last to the first, in `frames` equal steps each."""
    for stop in range(stops):
        for frame in range(frames):
            yield Place(stop, (stop + 1) % stops, frame / frames)


def pictures_at(
    places: Iterable[Place], model: Any, options: Options, runtime: Runtime, seed: int, batch: int
) -> Iterator[Tensor]:
    """The picture at every place, float (3, H, W) in [0, 1] on the CPU: a function of seed and place alone."""
    remaining = iter(places)
    while group := list(islice(remaining, batch)):
        request = Request(options=options, seeds=tuple(_seed_of(place.departure, seed) for place in group))
        with torch.no_grad(), runtime.autocast(), memory_explained("lower --batch"):
            images = model.sample(_latents_at(group, model, seed).to(runtime.device), request)
        yield from (shown(image).cpu() for image in images)


def on_the_way(departure: Tensor, arrival: Tensor, share: float) -> Tensor:
    """The latent at `share` of the way between two of any one shape; at 0 it is `departure` itself.

    The direction turns evenly (spherical linear interpolation: Shoemake 1985, "Animating Rotation with Quaternion
    Curves"; for latents White 2016, "Sampling Generative Networks"), the length changes evenly, so that the points of
    a walk are about as likely as its ends. Parallel latents span no sphere: there the direction is blended.
    """
    if share == 0:
        return departure
    near, far = (float(latent.double().norm()) or 1.0 for latent in (departure, arrival))
    cosine = float((departure.double() * arrival.double()).sum()) / (near * far)
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    weights = (1 - share, share)
    if math.sin(angle) > 1e-6:
        weights = (math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle))
    length = (1 - share) * near + share * far
    return departure * (weights[0] * length / near) + arrival * (weights[1] * length / far)


def _latents_at(places: list[Place], model: Any, seed: int) -> Tensor:
    """(B, …); one row at a time, since a batch's sums may be rounded differently from a single row's."""
    departures = model.latents([_seed_of(place.departure, seed) for place in places])
    rows = []
    for place, departure in zip(places, departures, strict=True):
        arrival = model.latents([_seed_of(place.arrival, seed)])[0] if place.share else departure
        rows.append(on_the_way(departure, arrival, place.share))
    return torch.stack(rows)


def _seed_of(sample: int, seed: int) -> int:
    return seed_for("sample", seed, sample)
