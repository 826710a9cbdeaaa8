"""A model at work: pictures whole where they fit into memory, else in tiles, and less at a time after a failure."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Geometry, Options, Request
from i2i.errors import I2IError, UsageError
from i2i.images.whole import Whole
from i2i.inference.ensemble import in_all_ways
from i2i.inference.fitting import apply_whole, fitted
from i2i.inference.painting import Painter
from i2i.inference.pipeline import AHEAD_BYTES
from i2i.inference.tiled import Bands, Cut, Norms
from i2i.tiling.bands import line_bytes
from i2i.tiling.footprint import LARGEST, Footprint, measured, side_for
from i2i.tiling.layout import Layout, require_side, smallest_side
from i2i.tiling.memory import anonymous, free, trim
from i2i.tiling.regions import in_unit_range
from i2i.tiling.sample import blended_overlap
from i2i.training.runtime import OutOfMemory, Runtime, memory_explained

Answer = Tensor | Bands | I2IError
"""A picture float (C, H·scale, W·scale) on the CPU, a larger one from the top, or why there is none."""
RequestOf = Callable[[range], Request]
"""What is asked for some of a group's pictures."""

Choose = Callable[[Callable[[], Tensor], Callable[[str], object]], tuple[Any, Runtime]]
"""By a picture (C, H, W) as the model takes it: what is to compute 8-bit pictures. What is chosen is told."""

SMALL = 2**19
"""Pixels at once, of the answer, of which nobody asks whether they fit, unless a budget was given."""
AT_ONCE = {"cpu": 2**16}
AT_ONCE_ELSEWHERE = 2**22
"""Pixels of a batch whose size nobody chose."""
MOST_AT_ONCE = 64
AT_LEAST = 2**18
"""Pixels that tell what norms go by, where memory allows it."""
SHARE_OF_FREE = 0.7
"""Of the memory that is free when the work begins."""


@dataclass(frozen=True)
class Tiles:
    """From when on a picture is translated in tiles, and how."""

    memory: int | None = None
    """Bytes that the process may hold of its own, or take of the device; None: most of what is free."""
    side: int | None = None
    """The largest height and width, in pixels, that the network sees at once; None: as large as memory allows."""
    norms: Norms = "quick"
    """Where norms look at the whole picture: `quick`, from it made smaller, or `exact`, from all of it."""
    folder: Path | None = None
    """Where exact norms may put files while they work; None: where temporary files go."""
    processes: int = 1
    """How many share this machine's memory, of which each takes its part where `memory` does not say it."""


WITHIN_MEMORY = Tiles()


class Computation:
    """Answers pictures, those of one padded size together; remembers what did not fit and tells each retreat once."""

    def __init__(
        self,
        model: Any,
        runtime: Runtime,
        options: Options,
        tiles: Tiles = WITHIN_MEMORY,
        self_ensemble: bool = False,
        tell: Callable[[str], object] = lambda text: None,
    ) -> None:
        """Raises `UsageError` where the model cannot work in tiles of the side that is asked for."""
        self.model, self.runtime, self.options, self.tiles, self.tell = model, runtime, options, tiles, tell
        self.self_ensemble = self_ensemble
        self.told: set[str] = set()
        self.choose: Choose | None = None
        self._exact: tuple[Any, Runtime] = (model, runtime)
        self._quick: tuple[Any, Runtime] | None = None
        self.geometry: Geometry = model.geometry
        if tiles.side is not None and self._can_tile:
            require_side(self.geometry, tiles.side, self._overlap)
        self.budget = tiles.memory or self._most_of_what_is_free()
        self.waiting_bytes = min(AHEAD_BYTES, max(0, self._main_memory_left()) // 8)
        self.too_many: int | None = None
        self.largest_side = LARGEST
        self._footprint: Footprint | None = None

    def batch_for(self, size: tuple[int, int] | None) -> int:
        """How many pictures of this padded (height, width) to take at once where nobody says it."""
        if size is None or (self.geometry.tiling == "never" and self.geometry.size is None):
            return 1
        pixels = size[0] * size[1] * self.geometry.scale**2
        return max(1, min(MOST_AT_ONCE, AT_ONCE.get(self.runtime.device.type, AT_ONCE_ELSEWHERE) // pixels))

    def answers(self, pictures: Sequence[Whole], request_of: RequestOf, which: range | None = None) -> Iterator[Answer]:
        """What the model makes of pictures of one padded size, or of `which` of them, in their order."""
        which = range(len(pictures)) if which is None else which
        self._settle(pictures[which[0]])
        size = self.geometry.padded(*pictures[which[0]].values.shape[-2:])
        if self._fits(len(which), size):
            try:
                yield from self._at_once([pictures[place] for place in which], request_of(which))
                return
            except OutOfMemory as failure:
                if not self._retreats(len(which), size):
                    yield failure
                    return
            except UsageError:
                raise
            except I2IError as failure:  # the model's own, of one of them
                if isinstance(failure.__cause__, OSError):  # of whoever writes what it shows on the way
                    raise
                if len(which) == 1:
                    yield failure
                    return
        if len(which) > 1:
            half = len(which) // 2
            yield from self.answers(pictures, request_of, which[:half])
            yield from self.answers(pictures, request_of, which[half:])
        elif self._can_tile:
            yield self._in_tiles(pictures[which[0]], request_of(which), size)
        else:
            yield from self.answers(pictures, request_of, which)

    def _settle(self, picture: Whole) -> None:
        """Compute as is the fastest for such a picture: in full precision where it has more than 8 bits."""
        if self.choose is None:
            return
        if self._quick is None:

            def sample() -> Tensor:
                colours = picture.values[: 3 if len(picture.values) >= 3 else 1]
                colours = in_unit_range(_sent(colours, self.runtime.device)).expand(3, -1, -1)
                return fitted(colours, self.geometry)

            with _explained():
                self._quick = self.choose(sample, self._tell_once)
        self.model, self.runtime = self._exact if is_deep(picture) else self._quick

    @property
    def _overlap(self) -> int | None:
        """Of tiles; None: the model's margin."""
        quick = self.geometry.tiling == "statistics" and self.tiles.norms == "quick"
        return blended_overlap(self.geometry)[0] if quick else None

    @property
    def _can_tile(self) -> bool:
        return self.geometry.tiling != "never" and self.geometry.size is None

    def _fits(self, count: int, size: tuple[int, int]) -> bool:
        pixels, side = count * size[0] * size[1], self.tiles.side
        if not self._can_tile and side is not None and max(size) > side:
            self._tell_once(f"tiles of {side} pixels: this model looks at a whole picture at once and sees no tiles")
        if not self._can_tile and count == 1:  # nobody knows how much it takes, and there is no other way
            return True
        if self.too_many is not None and pixels >= self.too_many:
            return False
        if not self._can_tile:
            return True
        if side is not None:
            return max(size) <= side
        if self.tiles.memory is None and pixels * self.geometry.scale**2 <= SMALL:
            return True
        try:
            return self.footprint.of(*size, count) <= self._left()
        except OutOfMemory:
            return False
        except I2IError:  # it fails at grey; at this picture it may not, and else it says so
            return True

    def _retreats(self, count: int, size: tuple[int, int]) -> bool:
        """After memory ran out: whether there is another way, which is told."""
        what = f"out of memory with {count} × {size[1]}×{size[0]} pixels at once"
        if count > 1:
            self.too_many = count * size[0] * size[1]
            self._tell_once(f"{what}: fewer from now on")
        elif self._can_tile and max(size) > smallest_side(self.geometry, self._overlap):
            self.too_many = size[0] * size[1]
            self._tell_once(f"{what}: in tiles from now on")
        elif self.runtime.device.type != "cpu":
            self._move_to_cpu(what)
        else:
            return False
        return True

    def _move_to_cpu(self, what: str) -> None:
        self._tell_once(f"{what} on {self.runtime.device.type}: on the CPU from now on, which is slower")
        self.model = copy.deepcopy(self.model).to("cpu")
        self.runtime, self.choose = Runtime.choose("cpu", "fp32"), None
        self.budget = self.tiles.memory or self._most_of_what_is_free()
        self.too_many = self._footprint = None

    def _tell_once(self, text: str) -> None:
        kind = text.rpartition(":")[2]
        if kind not in self.told:
            self.told.add(kind)
            self.tell(text)

    def _at_once(self, pictures: Sequence[Whole], request: Request) -> list[Tensor]:
        given = [in_unit_range(_sent(picture.values, self.runtime.device)) for picture in pictures]

        def model(images: Tensor, mask: Tensor | None, alpha_of: Sequence[int] | None) -> Tensor:
            if alpha_of is None:
                return self.ask(images, replace(request, mask=mask))
            return self.ask(images, _unheard(request, [request.seeds[place] for place in alpha_of]))

        with self._working("lower --batch, or translate smaller pictures"):
            return [answer.cpu() for answer in apply_whole(model, given, self.geometry)]

    def ask(self, images: Tensor, request: Request) -> Tensor:
        """(B, C, H', W') → (B, C, H'·scale, W'·scale): what the model answers."""
        if self.self_ensemble:
            return in_all_ways(self.model, images, request)
        answer: Tensor = self.model.translate(images, request)
        return answer

    @contextmanager
    def _working(self, advice: str = "give it more --memory, or a smaller picture") -> Iterator[None]:
        """Gradients may be switched on inside; `inference_mode` could not be undone."""
        without_gradients, autocast = torch.no_grad(), self.runtime.autocast()
        with _explained(), torch.inference_mode(False), without_gradients, autocast, memory_explained(advice):
            yield

    @property
    def footprint(self) -> Footprint:
        """How much memory the model takes, measured when it is first asked for."""
        if self._footprint is None:
            channels, device = self.geometry.channels, self.runtime.device

            def compute(height: int, width: int) -> object:
                images = torch.full((1, channels, height, width), 0.5, device=device)
                mask = torch.ones((1, 1, height, width), device=device) if self.geometry.fills else None
                return self.ask(images, Request(options=self.options, seeds=(0,), mask=mask))

            with self._working():
                self._footprint = measured(compute, device, self.geometry)
            trim()
        return self._footprint

    def _in_tiles(self, picture: Whole, request: Request, size: tuple[int, int]) -> Answer:
        try:
            side = self._side(picture, size)
            while True:
                try:
                    return self._bands(picture, request, Layout.of(size, self.geometry, side, self._overlap))
                except OutOfMemory:
                    smaller = side // 2
                    if smaller < smallest_side(self.geometry, self._overlap):
                        raise
                    self._tell_once(f"out of memory with tiles of {side} pixels: smaller ones from now on")
                    self.largest_side = side = smaller
        except OutOfMemory as failure:
            if self.runtime.device.type == "cpu":
                return failure
            self._move_to_cpu(str(failure))
            return next(self.answers([picture], lambda which: request))
        except I2IError as failure:
            return failure

    def _side(self, picture: Whole, size: tuple[int, int]) -> int:
        """Of tiles that fit into what memory is left."""
        most = self.largest_side if self.too_many is None else min(self.largest_side, isqrt(self.too_many) // 2)
        if self.tiles.side is not None:
            return min(most, self.tiles.side)
        line = line_bytes(size[1], self.geometry.scale) * (2 if picture.has_alpha else 1)
        try:
            footprint = self.footprint
        except I2IError:  # not even that much memory, or it fails at grey
            return most
        return min(most, side_for(footprint, self._left(), self.geometry, self._overlap, line))

    def _bands(self, picture: Whole, request: Request, layout: Layout) -> Bands:
        def ask(images: Tensor, mask: Tensor | None, is_alpha: bool) -> Tensor:
            of_all = request.seeds * len(images)
            asked = (
                _unheard(request, of_all) if is_alpha else replace(_unheard(request, of_all), mask=_on(mask, device))
            )
            with self._working("lower --memory, or --tile"):
                return self.ask(_sent(images, device), asked).float().cpu()

        device = self.runtime.device
        feather = 0 if self._overlap is None else blended_overlap(self.geometry)[1]
        cut = Cut(picture.values, layout, self.geometry, ask, feather)
        pixels = layout.outer[0] * layout.outer[1]
        if self.tiles.side is not None:  # memory did not ask for smaller tiles
            pixels = max(pixels, AT_LEAST)
        made = Painter(self.geometry, layout, self.tiles.norms, request.report, pixels, self.tell, self.tiles.folder)
        return cut.bands(made)

    def _left(self) -> int:
        """Bytes for the model's work, beside the pictures that wait for it and the answers that wait to be written."""
        if self.runtime.device.type == "cpu":
            return self._main_memory_left() - 2 * self.waiting_bytes
        return min(self.budget, free(self.runtime.device))

    def _main_memory_left(self) -> int:
        on_cpu = self.runtime.device.type == "cpu"
        return self.budget - anonymous() if on_cpu else self._part_of(free(torch.device("cpu")))

    def _most_of_what_is_free(self) -> int:
        device = self.runtime.device
        if device.type == "cpu":
            return self._part_of(free(device)) + anonymous()
        return int(free(device) * SHARE_OF_FREE)

    def _part_of(self, main_memory: int) -> int:
        return int(main_memory * SHARE_OF_FREE) // self.tiles.processes


def is_deep(picture: Whole) -> bool:
    """Whether a picture has levels that reduced precision would not keep apart."""
    return picture.levels.bits > 8


@contextmanager
def _explained() -> Iterator[None]:
    """What a plugin did not foresee becomes an `I2IError` that says where."""
    try:
        yield
    except (I2IError, OSError):
        raise
    except Exception as failure:
        library = Path(torch.__file__).parent
        calls = traceback.extract_tb(failure.__traceback__)
        where = [call for call in calls if library not in Path(call.filename).parents][-1]
        what = f"{type(failure).__name__}: {failure}".partition("\n")[0]
        raise I2IError(f"the model fails at it ({what}, {Path(where.filename).name}:{where.lineno})") from failure


def _unheard(request: Request, seeds: Sequence[int]) -> Request:
    """The same of other pictures, of which nobody wants to see or hear."""
    return Request(options=request.options, seeds=tuple(seeds))


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """On the device; to a GPU by way of pinned memory, which the copy does not wait for."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def _on(mask: Tensor | None, device: torch.device) -> Tensor | None:
    return None if mask is None else mask.to(device)
