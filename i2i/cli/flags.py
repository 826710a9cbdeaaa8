"""Flags of `i2i translate` that do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from i2i.cli.sampling import Sampling
from i2i.errors import UsageError
from i2i.inference.places import tar_of
from i2i.ranks.launching import WHOLE, Share


def refuse_flags(sampling: Sampling | None, share: Share, given: Mapping[str, Any]) -> None:
    """Raise `UsageError` where flags for translations come without pictures, or exclude each other."""
    if sampling is not None:
        _refuse_without_pictures(given)
    elif tar_of(given["destination"]) is not None:
        _refuse_with_archive(share, given)
    if given["save_every"] is not None and given["self_ensemble"]:
        raise UsageError("--save-every shows a picture on its way, --self-ensemble makes eight: leave one of them out")
    if given["as_json"] and (given["watch"] or share != WHOLE or (given["devices"] or 1) > 1):
        other = "--watch, which never ends" if given["watch"] else "several processes, which would print one each"
        raise UsageError(f"--json prints one answer at the end; leave it out, or {other}")
    once = {
        "--dry-run": given["dry_run"],
        "--force": given["force"],
        "--verify": given["verify"],
        "--on-error stop": given["on_error"] == "stop",
        "--max-bad": given["max_bad"] is not None,
        "--save-every": given["save_every"],
    }
    for flag in [flag for flag, value in once.items() if given["watch"] and value]:
        raise UsageError(f"--watch looks again and again, {flag} is for once: leave one of them out")


def _refuse_without_pictures(given: Mapping[str, Any]) -> None:
    flags = {
        "--glob": given["globs"],
        "--mask": given["masks"],
        "--scale": given["scale"],
        "--self-ensemble": given["self_ensemble"],
        "--suffix": given["suffix"],
        "--format": given["file_format"] != "same",
        "--memory": given["memory"],
        "--tile": given["side"],
        "--verify": given["verify"],
        "--dry-run": given["dry_run"],
        "--watch": given["watch"],
        "--devices": given["devices"],
    }
    for flag in [flag for flag, value in flags.items() if value]:
        raise UsageError(f"{flag} is for pictures that are translated: it needs --src DIR")


def _refuse_with_archive(share: Share, given: Mapping[str, Any]) -> None:
    several = share != WHOLE or (given["devices"] or 1) > 1
    for what, value in {"several processes need": several, "--watch needs": given["watch"]}.items():
        if value:
            raise UsageError(f"{given['destination']}: an archive is packed at the end; {what} a folder as --dst")
