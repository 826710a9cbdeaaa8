"""Generated pictures of earlier steps (Shrivastava et al. 2017, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor


class ReplayPool:
    """Half of what a discriminator sees is older than this step, which damps oscillation."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pictures: list[Tensor] = []

    def exchange(self, fresh: Tensor) -> Tensor:
        """(B, C, H, W) → as many pictures: each a fresh one, or with chance ½ an older one that it replaces.

        What is not finite is grey, black or white in the pool: the step that it came from changes nothing else.
        """
        shown = []
        for picture in fresh:
            if len(self.pictures) < self.size:
                self.pictures.append(_finite(picture))  # a view would keep its whole batch in memory
                shown.append(picture)
            elif self.size and torch.rand(()) < 0.5:
                slot = int(torch.randint(self.size, ()))
                shown.append(self.pictures[slot].to(picture))
                self.pictures[slot] = _finite(picture)
            else:
                shown.append(picture)
        return torch.stack(shown)


def _finite(picture: Tensor) -> Tensor:
    """A copy."""
    return picture.nan_to_num(0.5, 1, 0)
