"""A file system that is reached by a loop of its own, which no fork survives, as those of networks are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem


class Distant(AsyncFileSystem):  # type: ignore[misc]
    """Files of this machine."""

    protocol = "distant"

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        place = Path(self._strip_protocol(path))
        found = place.stat()
        kind = "directory" if place.is_dir() else "file"
        return {"name": str(place), "size": found.st_size, "type": kind, "mtime": found.st_mtime}

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        inside = sorted(Path(self._strip_protocol(path)).iterdir())
        return [await self._info(str(place)) for place in inside] if detail else list(map(str, inside))

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        return Path(self._strip_protocol(path)).read_bytes()[start:end]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        self.loop  # noqa: B018 -- as a network's would
        return Path(self._strip_protocol(path)).open(mode)
