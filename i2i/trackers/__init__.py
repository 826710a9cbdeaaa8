"""The built-in trackers; they enter by the same hook as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from i2i.contracts import Options, TrackerSpec
from i2i.hookspecs import hookimpl


class TensorBoardOptions(Options):
    """What is shown beside the figures."""

    pictures: bool = Field(True, description="sample sheets as pictures, those of a column side by side")


@hookimpl
def i2i_trackers() -> Iterable[TrackerSpec]:
    """TensorBoard."""
    return (
        TrackerSpec(
            name="tensorboard",
            summary="event files in the run folder, for `tensorboard --logdir`; needs i2i[tensorboard]",
            options=TensorBoardOptions,
            build="i2i.trackers.tensorboard:TensorBoard",
        ),
    )
