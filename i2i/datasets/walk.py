"""A dataset that walks through the pictures of one domain."""

from __future__ import annotations

import copy
from typing import TypeVar

from i2i.contracts import Dataset
from i2i.datasets.folders import Domain, split

Self = TypeVar("Self", bound="Walk")


class Walk(Dataset):
    """Each picture of `domain` by its index, but those that are held out; their names say which."""

    def __init__(self, domain: Domain, share: float) -> None:
        self.domain, self.broken = domain, domain.broken
        self.pictures, self.held_out = split(domain.pictures, share)

    @property
    def validation(self: Self) -> Self | None:
        """The held-out pictures, or None where there are none."""
        if not self.held_out:
            return None
        part = copy.copy(self)
        part.pictures, part.held_out = self.held_out, []
        return part

    def describe(self) -> dict[str, object]:
        """Counts and sizes."""
        return {self.domain.name: self.domain.describe()}

    def __len__(self) -> int:
        return len(self.pictures)
