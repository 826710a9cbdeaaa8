"""A run in TensorBoard: event files beside its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from i2i.contracts import Tracker
from i2i.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

    from i2i.trackers import TensorBoardOptions

FOLDER = "tensorboard"
"""Of the run folder: where the event files go."""


class TensorBoard(Tracker):
    """Writes event files. Raises `UsageError` where the package `tensorboard` is missing."""

    def __init__(self, options: TensorBoardOptions) -> None:
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError as error:
            raise UsageError("needs the extra: pip install 'i2i[tensorboard]'") from error
        self.options = options
        self.writer: SummaryWriter | None = None

    def started(self, folder: Path, recipe: Mapping[str, Any], step: int) -> None:
        """A new event file; in it, what those before hold of later steps is struck out."""
        from torch.utils.tensorboard import SummaryWriter

        self.ended()
        self.writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1)
        text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
        self.writer.add_text("recipe", f"```yaml\n{text}```", step)
        self.writer.flush()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A curve each."""
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)
            self.writer.flush()  # who ends a run at once loses nothing

    def pictures(self, step: int, columns: Mapping[str, Tensor]) -> None:
        """A row of pictures each."""
        if self.writer is not None and self.options.pictures:
            for title, pictures in columns.items():
                self.writer.add_images(title, pictures.clamp(0, 1), step)
            self.writer.flush()

    def said(self, step: int, kind: str, text: str) -> None:
        """A text below the kind's name."""
        if self.writer is not None:
            self.writer.add_text(f"events/{kind}", text, step)
            self.writer.flush()

    def ended(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None
