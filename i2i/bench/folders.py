"""A folder translated as `i2i translate` does it, within this process, and its model alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from i2i.contracts import Request
from i2i.errors import I2IError
from i2i.images.whole import Whole, open_whole
from i2i.inference.computation import Computation
from i2i.inference.files import Files
from i2i.inference.manifest import Manifest, settings_hash
from i2i.inference.pending import Pending
from i2i.inference.places import make_destination, plan
from i2i.inference.translator import Translator


@dataclass(frozen=True)
class Folder:
    """Pictures, all of one size, and what translates them."""

    translator: Translator
    sources: Sequence[Path]

    def translated(self, destination: Path, batch: int | None = None) -> None:
        """Decode, compute, encode, and note it in the manifest. Raises `I2IError` where a picture fails."""
        jobs = plan(self.sources, destination)
        make_destination(destination)
        with Manifest.open(destination, settings_hash(self.translator.settings)) as manifest:
            files = Files(self.translator, manifest, batch=batch)
            with closing(files.translated(Pending(jobs, manifest))) as results:
                for done in results:
                    if done.broken is not None:
                        raise I2IError(str(done.broken))

    def decoded(self, count: int) -> list[Whole]:
        """The first pictures, in memory."""
        return [open_whole(path) for path in self.sources[:count]]

    @cached_property
    def computation(self) -> Computation:
        """The model at work, which learns what fits into memory once."""
        return self.translator.computation()

    def model_alone(self, wholes: Sequence[Whole], batch: int | None = None) -> None:
        """Let the model work on pictures of one size, in batches as above. Raises `I2IError` where it fails."""
        computation, options = self.computation, self.translator.options
        at_once = batch or computation.batch_for(computation.geometry.padded(*wholes[0].values.shape[-2:]))
        for first in range(0, len(wholes), at_once):
            group = wholes[first : first + at_once]
            for answer in computation.answers(group, lambda which: Request(options=options, seeds=tuple(which))):
                if isinstance(answer, I2IError):
                    raise answer
