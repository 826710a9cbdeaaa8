"""Which way of computing a model's translations is the fastest here: found by a trial on a real picture, remembered."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from i2i.contracts import Geometry, Options, Request
from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import I2IError
from i2i.runtimes.engines import ENGINES, able
from i2i.training.runtime import Runtime, has_bf16

TORCH = "torch"
SIDE = 128
"""Pixels of the part that is tried."""
LEAST_PSNR = 40.0
"""dB between a picture by the way that is taken and the same in float32 by torch."""
LEAST_GAIN = 1.05
"""Times as fast; less is noise."""
PICTURES = 100
"""After so many of 256×256 an engine has to have won back the time in which it was made ready."""


@dataclass(frozen=True)
class Way:
    """How a translation is computed, and what a trial found of it."""

    engine: str = TORCH
    precision: str = "fp32"
    gain: float = 1.0
    """Times as fast as float32 by torch."""
    psnr: float | None = None
    """dB to that."""

    def __str__(self) -> str:
        return f"{self.precision} by {self.engine}"


class _ReportsProgress(Exception):
    """The model translates step by step: there is nothing to try in a moment."""


def candidates(device: torch.device, engine: str, precision: str) -> list[Way]:
    """What may be taken where `auto` or one is asked for, float32 by torch first where it may."""
    precisions = [precision] if precision != "auto" else ["fp32", *(["bf16"] if has_bf16(device) else [])]
    ways = [Way(TORCH, each) for each in precisions] if engine in (TORCH, "auto") else []
    if engine == "auto":
        return ways + [Way(one.name, each) for each in precisions for one in able(str(device), each)]
    return ways or [Way(engine, each) for each in precisions if each in ENGINES[engine].serves.get(device.type, ())]


def prepared(model: Any, way: Way, options: Options, runtime: Runtime, name: str) -> tuple[Any, Runtime]:
    """The model that computes that way, and with what precision torch is to compute."""
    own = replace(runtime, precision=way.precision)
    if way.engine == TORCH:
        return model, own
    from i2i.runtimes.accelerated import Accelerated  # brings what exports models, which takes a moment

    return Accelerated(model, options, ENGINES[way.engine], runtime.device, way.precision, name), own


def fastest(
    model: Any,
    ways: list[Way],
    options: Options,
    runtime: Runtime,
    name: str,
    fingerprint: str,
    picture: Callable[[], Tensor],
) -> Way:
    """The fastest that gives nearly the same picture; of one that was tried before, what is remembered.

    `picture()` is float (C, H, W) in [0, 1], as the model takes them, on its device.
    """
    if len(ways) == 1:
        return ways[0]
    place = _place(ways, options, runtime, fingerprint)
    with suppress(OSError, ValueError, TypeError):
        return Way(**json.loads(place.read_text(encoding="utf-8")))
    found = _tried(model, ways, options, runtime, name, _part(picture(), model.geometry))
    with suppress(OSError, I2IError), complete_or_not_at_all(place) as stream:
        stream.write(json.dumps(asdict(found)).encode())
    return found


def _tried(model: Any, ways: list[Way], options: Options, runtime: Runtime, name: str, picture: Tensor) -> Way:
    """By a first answer, which makes ready, and the faster of two more."""
    best, wanted, least = ways[0], None, 0.0
    for way in ways:
        try:
            began = time.perf_counter()
            own, precise = prepared(model, way, options, runtime, name)
            answer, seconds = _timed(own, precise, options, picture, began)
        except _ReportsProgress:
            return ways[0]
        except Exception:  # whatever an engine cannot do, torch does
            continue
        if wanted is None:
            wanted, least = answer, seconds[1]
            continue
        psnr = -10 * float((answer - wanted).square().mean().clamp_min(1e-12).log10())
        gain = least / seconds[1]
        won_back = PICTURES * (256 * 256) / (picture.shape[-1] * picture.shape[-2]) * (least - seconds[1]) > seconds[0]
        if psnr >= LEAST_PSNR and gain >= LEAST_GAIN * best.gain and (way.engine == TORCH or won_back):
            best = replace(way, gain=gain, psnr=psnr)
    return best


def _timed(model: Any, runtime: Runtime, options: Options, picture: Tensor, began: float) -> tuple[Tensor, list[float]]:
    """An answer; seconds until the first was there, and of the faster of two more."""

    def refuse(fraction: float, **scalars: float) -> None:
        raise _ReportsProgress

    mask = torch.ones_like(picture[:, :1]) if model.geometry.fills else None
    request = Request(options=options, seeds=(0,), mask=mask, report=refuse)
    taken = []
    for _ in range(3):
        with torch.no_grad(), runtime.autocast():
            answer = model.translate(picture, request).float().clamp(0, 1).cpu()
        taken.append(time.perf_counter() - began)
        began = time.perf_counter()
    return answer, [taken[0], min(taken[1:])]


def _part(picture: Tensor, geometry: Geometry) -> Tensor:
    """(C, H, W) → (1, C, h, w) as small as a trial wants it: the middle, or all of it brought to that size."""
    height, width = geometry.size or geometry.padded(SIDE, SIDE)
    if picture.shape[-2] < height or picture.shape[-1] < width or geometry.size is not None:
        return interpolate(picture[None], (height, width), mode="bilinear").clamp(0, 1)
    top, left = (picture.shape[-2] - height) // 2, (picture.shape[-1] - width) // 2
    return picture[None, :, top : top + height, left : left + width]


def _place(ways: list[Way], options: Options, runtime: Runtime, fingerprint: str) -> Path:
    """Where it is remembered what was found of these weights, with these options, on this machine."""
    facts = {
        "weights": fingerprint,
        "options": options.model_dump(mode="json"),
        "machine": runtime.describe(),
        "ways": [str(way) for way in ways],
        "versions": dict(_versions(ways)),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser()
    return cache / "i2i" / "ways" / f"{digest[:32]}.json"


def _versions(ways: list[Way]) -> Iterator[tuple[str, str]]:
    for module in {module for way in ways if way.engine != TORCH for module in ENGINES[way.engine].modules}:
        with suppress(PackageNotFoundError):
            yield module, version(module)


def told(way: Way) -> str:
    """One line of what was taken, where it is not float32 by torch."""
    if way.psnr is None:
        return f"computes in {way}"
    return f"computes in {way}: {way.gain:.1f} times as fast as fp32 by {TORCH}, {way.psnr:.0f} dB from it"
