"""Where batches come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    import torch
    from torch import Tensor

    from i2i.errors import BrokenPicture


class Dataset:
    """Samples by index; batch order and chance are the core's.

    A sample is a function of (index, rng): nothing else may vary between two runs.
    """

    broken: Sequence[BrokenPicture] = ()
    """What was found unreadable when the dataset was opened; it is left out."""

    classes: Sequence[str] = ()
    """The names of the classes, where samples have one: their key `label` is then an index into these, int64 ()."""

    @property
    def validation(self) -> Dataset | None:
        """The part that is held out and never trained on."""
        return None

    def describe(self) -> dict[str, object]:
        """What was found, for the console and `environment.json`: counts, sizes, folders."""
        return {"samples": len(self)}

    def __len__(self) -> int:
        raise NotImplementedError

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """One sample, in a loader worker: key → uint8 (C, H, W), of equal size over all indices.

        A value of fewer dimensions, such as a label, is handed on as it is.

        Raises `BrokenPicture`; the core then counts the file and draws another index from `rng`.
        """
        raise NotImplementedError

    def prepare(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """A batch of uint8 (B, C, H, W), already on the device, as float in [0, 1]: augmentation goes here."""
        return {key: value.float() / 255 if value.dim() == 4 else value for key, value in batch.items()}
