"""What each address held when it was first used: a file that people can read, and later downloads are held to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from i2i.disk.drafts import complete_or_not_at_all
from i2i.disk.locking import alone
from i2i.errors import I2IError
from i2i.hub.addresses import DIGEST, own_folder

WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Pin:
    """What an address held."""

    sha256: str
    """In hexadecimal."""
    bytes: int
    date: str
    """Of the first use, ISO 8601."""
    revision: str = ""
    """The commit that the file is of, where it lies in a repository and that is known."""


def lock_file() -> Path:
    """The file of all pins, be it there or not."""
    return own_folder("XDG_CONFIG_HOME", ".config") / "i2i" / "weights.lock.json"


def pinned(address: str) -> Pin | None:
    """What the address held when it was first used here; None where it was not. Raises `I2IError` in one line."""
    return _read(lock_file()).get(address)


def pin(address: str, found: Pin) -> None:
    """Note what an address holds, beside what others note at the same time.

    Raises `I2IError` where somebody noted other contents meanwhile, or the file cannot be written.
    """
    path = lock_file()
    try:
        with alone(path.with_name(f".{path.name}.writing"), WAIT_SECONDS) as locked:
            if locked is False:
                raise I2IError(f"{path}: another process has been writing it for {WAIT_SECONDS:.0f} s")
            known = _read(path)
            if (earlier := known.get(address)) is None:
                _write(path, {**known, address: found})
            elif earlier.sha256 != found.sha256:
                raise I2IError(f"{address}: another process pinned SHA-256 {earlier.sha256} just now, this one found "
                               f"{found.sha256}; see {path}")  # fmt: skip
    except OSError as error:
        raise I2IError(f"{path}: cannot be written ({error.strerror}); to do without it give the address with "
                       f"#sha256={found.sha256}") from error  # fmt: skip


def _read(path: Path) -> dict[str, Pin]:
    try:
        content = json.loads(path.read_bytes())
        return {str(address): _read_pin(about) for address, about in content.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise I2IError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise I2IError(f"{path}: damaged, so what addresses held is not known; mend it, or remove it, and what is "
                       "fetched next is pinned anew") from error  # fmt: skip


def _read_pin(about: Mapping[str, Any]) -> Pin:
    found = Pin(about["sha256"], int(about.get("bytes", 0)), str(about.get("date", "")), str(about.get("revision", "")))
    if not DIGEST.fullmatch(found.sha256):
        raise ValueError(found.sha256)
    return found


def _write(path: Path, pins: Mapping[str, Pin]) -> None:
    content = {address: {key: value for key, value in asdict(pin).items() if value} for address, pin in pins.items()}
    with complete_or_not_at_all(path) as stream:
        stream.write(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n")
