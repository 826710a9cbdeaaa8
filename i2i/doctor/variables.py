"""Which variables of the environment change what i2i does."""

from __future__ import annotations

from collections.abc import Mapping

from i2i.ranks.shares import LAUNCHERS

BEGINNINGS = (
    "I2I_",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "PYTORCH_",
    "TORCH",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "HF_HOME",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "NO_COLOR",
    "FORCE_COLOR",
    "MASTER_",
    *(name for names in LAUNCHERS for name in names),
)
"""What their names begin with: i2i's own, and those of others that i2i or torch reads."""


def relevant(environment: Mapping[str, str]) -> dict[str, str]:
    """Those that are set, by name."""
    return {name: environment[name] for name in sorted(environment) if name.startswith(BEGINNINGS)}
