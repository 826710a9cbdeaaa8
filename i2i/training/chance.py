"""Chance is a function of place: every generator is seeded from where it is used, so nothing needs saving."""

from __future__ import annotations

import hashlib

import numpy
import torch


def seed_for(*place: int | str) -> int:
    """63 well-mixed bits from a place such as ("step", seed, step, micro-batch, rank)."""
    digest = hashlib.blake2b(repr(place).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator_for(device: torch.device, *place: int | str) -> torch.Generator:
    """A torch generator of this place, on this device."""
    return torch.Generator(device).manual_seed(seed_for(*place))


def rng_for(*place: int | str) -> numpy.random.Generator:
    """A numpy generator of this place."""
    return numpy.random.default_rng(seed_for(*place))


def seed_torch(*place: int | str) -> None:
    """Seed torch's own generators on all devices, for code that draws plainly."""
    torch.manual_seed(seed_for(*place))
