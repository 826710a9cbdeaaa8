"""What pictures can come from: folders, files, archives and URLs, all read as folders."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from i2i.errors import UsageError
from i2i.images.sources.archives import is_archive, read_archive
from i2i.images.sources.listing import has_picture_suffix
from i2i.images.sources.remote import opened_url, read_urls, url_address, url_of
from i2i.images.sources.walking import Address, Folder, address_of, walk

if TYPE_CHECKING:
    from upath import UPath

MOST_IN_RANGE = 1_000_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Sources:
    """Where pictures are looked for."""

    local: Sequence[Path]
    """Folders and files of this machine."""
    archives: Sequence[tuple[Path, Address]]
    """Files on this machine or behind a URL, each once."""
    remote: Sequence[UPath]

    @staticmethod
    def of(given: Sequence[str | Path]) -> Sources:
        """From what a user wrote: paths, URLs, and archives of these, with `{000..003}` for a range of numbers.

        Raises `UsageError` for an empty text, a compressed archive and a URL that cannot be read.
        """
        if "" in given:
            raise UsageError("--src: empty; . is the current folder")
        local, archives = list[Path](), dict[Address, Path]()
        remote: list[UPath] = []
        for source in itertools.chain.from_iterable(map(_ranges, given)):
            url = url_of(source)
            if url is None or url.startswith("file:"):
                path = Path(source if url is None else f"/{url.removeprefix('file:').lstrip('/')}")
                if not os.path.isdir(path) and is_archive(path.name):  # noqa: PTH112
                    archives[address_of(path)] = path
                else:
                    local.append(path)
            elif is_archive((place := opened_url(url)).name):
                archives[url_address(place)] = cast("Path", place)  # which is read as one
            else:
                remote.append(place)
        return Sources(local, [(path, address) for address, path in archives.items()], remote)

    def folders(self, exclude: Path | None = None, may_be_empty: bool = False) -> Iterator[Folder]:
        """All their folders that hold pictures, in an order that never varies; all else as of `walk`."""
        yield from walk(self.local, exclude, may_be_empty)
        for archive, address in self.archives:
            yield from read_archive(archive, address, may_be_empty)
        yield from read_urls(self.remote, may_be_empty)

    def common(self) -> Address:
        """The deepest folder that holds all of them; an archive counts as a folder, a file as the one it lies in.

        Raises `UsageError` where there is none, as of a folder and a URL.
        """
        addresses = [address_of(path if os.path.isdir(path) else path.parent) for path in self.local]  # noqa: PTH112
        addresses += [address for _, address in self.archives]
        addresses += [_folder_of(place) for place in self.remote]
        if not addresses:
            return ()
        alike = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*addresses, strict=False))
        if not (common := tuple(parts[0] for parts in alike)):
            both = " and ".join("/".join(address) for address in (addresses[0], addresses[-1]))
            raise UsageError(f"{both}: have no folder in common; translate them one after the other")
        return common


def _folder_of(place: UPath) -> Address:
    address = url_address(place)
    return address[:-1] if has_picture_suffix(place.name) else address


def _ranges(given: str | Path) -> Iterator[str | Path]:
    """All that a range of numbers stands for; zeros in front are kept."""
    found = _RANGE.search(str(given))
    if found is None or os.path.exists(given):  # noqa: PTH110
        yield given
        return
    first, last = int(found[1]), int(found[2])
    padded = found[1].startswith("0") or found[2].startswith("0")
    digits = max(len(found[1]), len(found[2])) if padded else 1
    if last < first:
        raise UsageError(f"{given}: {found[0]} counts down; write {{{found[2]}..{found[1]}}}")
    if last - first >= MOST_IN_RANGE:
        raise UsageError(f"{given}: {found[0]} stands for {last - first + 1:,} names; {MOST_IN_RANGE:,} are the most")
    for number in range(first, last + 1):
        rest = f"{str(given)[: found.start()]}{number:0{digits}d}{str(given)[found.end() :]}"
        yield from _ranges(rest)
