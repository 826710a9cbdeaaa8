"""A model with its weights, ready to translate pictures or to make new ones."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from PIL import Image
from torch import Tensor

from i2i.contracts import Geometry, Options, Request
from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import to_image
from i2i.images.limits import LIMITS, Limits
from i2i.images.metadata import NOTHING, Metadata
from i2i.images.whole import EIGHT_BITS, Colours, Kind, Levels, Whole
from i2i.inference.computation import MOST_AT_ONCE, WITHIN_MEMORY, Computation, Tiles, is_deep
from i2i.inference.fitting import on_its_way
from i2i.inference.onlooker import Nobody, Onlooker
from i2i.inference.opening import Opening, Subject
from i2i.inference.pipeline import Read, Room, batched, read_ahead
from i2i.inference.sampling import Place, closed_walk, pictures_at
from i2i.inference.tiled import Bands
from i2i.recipe import validate_options
from i2i.runtimes.trial import TORCH, Way, candidates, fastest, prepared, told
from i2i.training.building import remarks_of
from i2i.training.chance import seed_for
from i2i.training.runtime import Runtime

Item = TypeVar("Item")


@dataclass(frozen=True)
class Translated(Generic[Item]):
    """What became of one item."""

    index: int
    item: Item
    picture: Tensor | Bands | None
    """float (C, H·scale, W·scale) in [0, 1], on the CPU; `Bands` of it where it is made in tiles, to be taken before
    the next item is asked for; None where there is none. C is 3 or, with alpha, 4, but of a model that restores 1 for
    grey and 2 for grey and alpha, as the item had them, and of one that fills 1 for grey, and never alpha."""
    broken: BrokenPicture | None = None
    """Why there is no picture."""
    levels: Levels = EIGHT_BITS
    """What the picture's levels are to mean in its file."""
    metadata: Metadata = NOTHING
    """What the item's file said besides."""
    untouched: bool = False
    """Whether the model fills and the item had no hole: the picture is the item's own."""
    frames: int = 1
    """More where the item was left alone, as it has several."""

    @property
    def kind(self) -> Kind:
        """What there is to know of the picture beside its values and size."""
        assert self.picture is not None
        channels = self.picture.channels if isinstance(self.picture, Bands) else len(self.picture)
        return Kind(channels, self.levels, self.metadata)

    @property
    def whole(self) -> Whole:
        """The picture with all that its file is to hold, in memory."""
        assert self.picture is not None
        values = self.picture.gathered() if isinstance(self.picture, Bands) else self.picture
        return Whole(values, self.levels, self.metadata)


@dataclass(frozen=True)
class Asked:
    """What was asked for to compute with; `auto` is what a trial on the first picture finds the fastest."""

    runtime: str = TORCH
    precision: str = "fp32"


@dataclass(frozen=True)
class Translator:
    """Translates pictures, lists and streams of any length, or makes pictures out of nothing; made by `load`."""

    model: Any
    header: Mapping[str, Any]
    """What the weights file says of itself: `recipe`, `step`, `versions`, `data`, `note`; without one, step 0."""
    runtime: Runtime
    options: Options
    background: str | None = None
    """A colour that transparent pictures are laid over before they are translated; None: transparency is carried."""
    colours: Colours = "source"
    """What becomes of a picture's colour profile, as in `open_whole`."""
    self_ensemble: bool = False
    """Whether each picture is translated in its 8 flips and rotations, and answered by the mean."""
    tiles: Tiles = WITHIN_MEMORY
    limits: Limits = LIMITS
    fingerprint: str = ""
    """Of the weights and all that belongs to them: SHA-256."""
    asked: Asked | None = None
    """None: torch, in the runtime's precision."""

    @property
    def geometry(self) -> Geometry:
        """The model's."""
        return self.model.geometry

    @property
    def name(self) -> str:
        """Of the recipe that made the weights."""
        return str(self.header["recipe"]["name"])

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the model has to tell of itself, once."""
        return remarks_of(self.model)

    @property
    def translates(self) -> bool:
        """Whether the model takes pictures."""
        return hasattr(self.model, "translate")

    @property
    def samples(self) -> bool:
        """Whether the model makes pictures out of nothing."""
        return hasattr(self.model, "sample")

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides what a picture's translation is, beside the picture and the seed."""
        norms = self.tiles.norms if self.geometry.tiling == "statistics" else None
        return {
            "weights": self.fingerprint,
            "options": self.options.model_dump(mode="json"),
            "precision": self.asked.precision if self.asked else self.runtime.precision,
            **({"runtime": self.asked.runtime} if self.asked and self.asked.runtime not in (TORCH, "auto") else {}),
            "background": self.background,
            "colours": self.colours,
            "self-ensemble": self.self_ensemble,
            "norms": norms,
        }

    def computation(self, tell: Callable[[str], object] = lambda text: None) -> Computation:
        """The model at work; what does not go as asked for is told, once each."""
        work = Computation(self.model, self.runtime, self.options, self.tiles, self.self_ensemble, tell)
        if self.asked is not None and self.translates:
            work.choose = partial(self._chosen, self.asked)
        return work

    def _chosen(
        self, asked: Asked, picture: Callable[[], Tensor], tell: Callable[[str], object]
    ) -> tuple[Any, Runtime]:
        """The model and the precision to compute 8-bit pictures with, by one of them, as the model takes it."""
        ways = candidates(self.runtime.device, asked.runtime, asked.precision)
        way = fastest(self.model, ways, self.options, self.runtime, self.name, self.fingerprint, picture)
        if "auto" in (asked.runtime, asked.precision) and way != Way():
            tell(told(way))
        return prepared(self.model, way, self.options, self.runtime, self.name)

    def with_options(self, /, **changes: Any) -> Translator:
        """The same weights with other translate options, such as `direction="target-to-source"`."""
        return replace(self, options=laid_over(self.options, changes))

    def translate(self, pictures: Any, batch: int = 1, seed: int = 0, masks: Any = None) -> Any:
        """Translate one picture, or many in their order.

        A picture is a path, a PIL image (answered by a PIL image) or a tensor (3, H, W), float in [0, 1] or uint8
        (answered by a float tensor in [0, 1]). Transparency is kept (RGBA), and by a model whose `geometry.restores`
        grey too (modes L and LA, of 16 bits I;16); colours of more than 8 bits fit into no PIL image, but into tensors.
        A model whose `geometry.fills` paints what is transparent and what `masks`, one a picture, show in white: paths,
        PIL images or tensors (1, H, W) of the pictures' sizes, or None for those without.
        Raises `BrokenPicture` for the first one that cannot be read, `UsageError` for masks that the model has no use
        for or whose number is another.
        """
        if isinstance(pictures, str | Path | Image.Image) or (isinstance(pictures, Tensor) and pictures.dim() == 3):
            return self.translate([pictures], batch, seed, None if masks is None else [masks])[0]
        subjects = (Subject(picture, picture) for picture in pictures)
        if masks is not None:
            self.require_filling("masks")
            if isinstance(masks, str | Path | Image.Image | Tensor):
                raise UsageError("masks: one for each picture, in a list; None for a picture without")
            pictures, masks = list(pictures), list(masks)
            if len(pictures) != len(masks):
                raise UsageError(f"masks: {len(masks)} for {len(pictures)} pictures; give one a picture, or None")
            subjects = (Subject(picture, picture, mask) for picture, mask in zip(pictures, masks, strict=True))
        answers: dict[int, Any] = {}
        for done in self.stream(subjects, batch, seed):
            if done.picture is None:
                raise done.broken or I2IError(f"picture {done.index} could not be read")
            answers[done.index] = done.whole.values if isinstance(done.item, Tensor) else done.whole.image()
        return [answers[index] for index in sorted(answers)]

    def stream(
        self,
        subjects: Iterable[Subject[Item]],
        batch: int | None = 1,
        seed: int = 0,
        onlooker: Onlooker | None = None,
        computation: Computation | None = None,
    ) -> Generator[Translated[Item]]:
        """Translate pictures as they come; answers are grouped by size, so not always in order. Memory is bounded.

        `batch` pictures of one size are translated at a time, or as many as seem good; `onlooker` learns how they come
        along, where the model says, and what does not go as asked for. A
        `computation` of an earlier stream knows already what fits into memory.
        """
        if batch is not None:
            _require("batch", batch, least=1, example=8)
        if not self.translates:
            raise UsageError(f"{self.name} makes pictures out of nothing: use sample(count), not translate(pictures)")
        onlooker = onlooker or Nobody()
        computation = computation or self.computation(onlooker.told)
        opening = Opening(self.geometry, self.background, self.colours, self.limits)
        most = 4 * batch if batch is not None else 2 * MOST_AT_ONCE

        def size_of(kind: tuple[tuple[int, int], bool] | None) -> int:
            return batch or computation.batch_for(None if kind is None else kind[0])

        ahead, room = (2 * batch if batch is not None else MOST_AT_ONCE) + 2, Room(computation.waiting_bytes)
        reads = read_ahead(opening.open, subjects, ahead, room)
        with closing(reads):
            for group in batched(reads, self._kind, size_of, most, room):
                if group[0].picture is None:
                    yield from (Translated(r.index, r.item.item, None, r.broken, frames=r.frames) for r in group)
                else:
                    yield from self._translated(computation, group, seed, onlooker)
                del group  # before the next is waited for

    def one_by_one(
        self,
        subjects: Iterable[Subject[Item]],
        seed: int,
        computation: Computation,
        onlooker: Onlooker | None = None,
    ) -> Generator[Translated[Item]]:
        """Translate pictures in their order, none of which is asked for before the one before it is taken.

        `onlooker` as for `stream`.
        """
        opening = Opening(self.geometry, self.background, self.colours, self.limits)
        for index, subject in enumerate(subjects):
            read = Read(index, subject, opening.open(subject))
            yield from self._translated(computation, [read], seed, onlooker or Nobody())

    def sample(self, count: int, seed: int = 0, batch: int = 1) -> list[Image.Image]:
        """`count` new pictures; picture i is a function of seed and i, whatever the count and the batch.

        Raises `UsageError` where the model makes none, and for less than one picture or one at a time.
        """
        return [to_image(picture) for picture in self._sampled(count, seed, batch)]

    def sampled(self, count: int, seed: int = 0, batch: int = 1) -> Iterator[Translated[int]]:
        """The same one after another, in order; the item is the picture's number. Memory is bounded."""
        return _numbered(self._sampled(count, seed, batch))

    def walked(self, stops: int, frames: int, seed: int = 0, batch: int = 1) -> Iterator[Translated[int]]:
        """A walk on the sphere of latents through the first `stops` pictures of this seed and back to the first.

        It takes `frames` pictures from each stop to the next: picture k · frames of the walk is picture k of `sample`.
        Raises `UsageError` where the model makes none, and for less than two stops or one frame.
        """
        _require("stops", stops, least=2, example=4)
        _require("frames", frames, least=1, example=50)
        return _numbered(self._made(closed_walk(stops, frames), seed, batch))

    def _sampled(self, count: int, seed: int, batch: int) -> Iterator[Tensor]:
        _require("count", count, least=1, example=64)
        return self._made((Place(index, index) for index in range(count)), seed, batch)

    def _made(self, places: Iterable[Place], seed: int, batch: int) -> Iterator[Tensor]:
        _require("batch", batch, least=1, example=8)
        if not self.samples:
            raise UsageError(f"{self.name} translates pictures: use translate(pictures), not sample(count)")
        return pictures_at(places, self.model, self.options, self.runtime, seed, batch)

    def require_filling(self, asked: str) -> None:
        """Raise `UsageError` where the model has no use for masks."""
        if not self.geometry.fills:
            raise UsageError(f"{asked}: {self.name} fills no holes; leave it out, or take a model that does")

    def _kind(self, read: Read[Any]) -> tuple[tuple[int, int], bool] | None:
        """What pictures have in common that are translated together: their padded size, and whether they are deep."""
        if read.picture is None:
            return None
        return self.geometry.padded(*_size(read.picture)), is_deep(read.picture)

    def _translated(
        self, computation: Computation, group: Sequence[Read[Subject[Item]]], seed: int, onlooker: Onlooker
    ) -> Iterator[Translated[Item]]:
        wholes: list[Whole] = [read.picture for read in group]
        seeds = [seed_for("translate", seed, _key(read)) for read in group]

        def request_of(which: range) -> Request:
            request = Request(options=self.options, seeds=tuple(seeds[place] for place in which))
            return _watched(request, onlooker, [group[place] for place in which], self.geometry)

        for read, whole, answer in zip(group, wholes, computation.answers(wholes, request_of), strict=True):
            index, item = read.index, read.item.item
            if isinstance(answer, I2IError):
                yield Translated(index, item, None, BrokenPicture(_name(read), str(answer)))
                continue
            untouched = self.geometry.fills and not whole.is_seen_through
            levels = replace(whole.levels, profile=None) if _turned_colourful(whole, answer) else whole.levels
            yield Translated(index, item, answer, None, levels, whole.metadata, untouched)


def laid_over(defaults: Options, changes: Mapping[str, Any] | None) -> Options:
    """Translate options with others instead of some. Raises `RecipeError` for unknown ones and wrong values."""
    return validate_options(type(defaults), {**defaults.model_dump(), **(changes or {})}, "translate.")


def _key(read: Read[Subject[Any]]) -> int | str:
    return read.index if read.item.key is None else read.item.key


def _name(read: Read[Subject[Any]]) -> str:
    picture = read.item.picture
    return f"picture {read.index}" if isinstance(picture, Tensor | Image.Image | Whole) else str(picture)


def _turned_colourful(picture: Whole, answer: Tensor | Bands) -> bool:
    """Whether a grey picture, whose profile would be one of greys, was answered in colours."""
    channels = answer.channels if isinstance(answer, Bands) else len(answer)
    return len(picture.values) < 3 <= channels


def _watched(request: Request, onlooker: Onlooker, group: Sequence[Read[Subject[Any]]], geometry: Geometry) -> Request:
    """The request with the onlooker's ears and, where it looks, its eyes."""
    items = [read.item.item for read in group]
    sizes = [_size(read.picture) for read in group if read.picture is not None]

    def report(fraction: float, **scalars: float) -> None:
        onlooker.reported(items, fraction, scalars)

    def show(iteration: int, images: Tensor) -> None:
        parts = [on_its_way(image, size, geometry) for image, size in zip(images, sizes, strict=True)]
        onlooker.shown(items, iteration, parts)

    return replace(request, report=report, show=show if onlooker.sees else request.show)


def _size(picture: Whole) -> tuple[int, int]:
    return picture.values.shape[-2], picture.values.shape[-1]


def _require(name: str, found: int, least: int, example: int) -> None:
    if found < least:
        raise UsageError(f"{name} {found}: at least {least}, such as {example}")


def _numbered(pictures: Iterable[Tensor]) -> Iterator[Translated[int]]:
    return (Translated(index, index, picture) for index, picture in enumerate(pictures))
