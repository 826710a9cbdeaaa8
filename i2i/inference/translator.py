"""A model with its weights, ready to translate pictures or to make new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from PIL import Image
from torch import Tensor, nn

from i2i.contracts import API_VERSION, Geometry, Options, Request, Weights
from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import open_picture, parsed_colour, to_image, to_tensor
from i2i.images.masks import masked
from i2i.images.whole import EIGHT_BITS, Levels, Whole, open_whole
from i2i.inference.ensemble import in_all_ways
from i2i.inference.fitting import apply_filling, apply_whole, on_its_way
from i2i.inference.onlooker import Onlooker
from i2i.inference.pipeline import Read, batched, read_ahead
from i2i.inference.sampling import Place, closed_walk, pictures_at
from i2i.plugins import Catalog, Entry, discover
from i2i.recipe import Recipe, model_from_data, validate_options
from i2i.training.building import load_inference_model, loaded_by, migrated, remarks_of, standalone_model
from i2i.training.chance import seed_for
from i2i.training.run_folder import weights_at
from i2i.training.runtime import Runtime, memory_explained

Item = TypeVar("Item")


@dataclass(frozen=True)
class Translated(Generic[Item]):
    """What became of one item."""

    index: int
    item: Item
    picture: Tensor | None
    """float (C, H·scale, W·scale) in [0, 1], on the CPU; None where the item could not be read. C is 3, but of a model
    that restores 1 for grey, 2 for grey and alpha and 4 for RGB and alpha, as the item had them, and of one that fills
    1 for grey."""
    broken: BrokenPicture | None = None
    levels: Levels = EIGHT_BITS
    """What the item's levels were in its file, where the model restores or fills."""
    untouched: bool = False
    """Whether the model fills and the item had no hole: the picture is the item's own."""


@dataclass(frozen=True)
class Translator:
    """Translates pictures, lists and streams of any length, or makes pictures out of nothing; made by `load`."""

    model: Any
    header: Mapping[str, Any]
    """What the weights file says of itself: `recipe`, `step`, `versions`, `data`, `note`; without one, step 0."""
    runtime: Runtime
    options: Options
    background: str = "white"
    self_ensemble: bool = False
    """Whether each picture is translated in its 8 flips and rotations, and answered by the mean."""

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

    def with_options(self, /, **changes: Any) -> Translator:
        """The same weights with other translate options, such as `direction="target-to-source"`."""
        return replace(self, options=_laid_over(self.options, changes))

    def translate(self, pictures: Any, batch: int = 1, seed: int = 0, masks: Any = None) -> Any:
        """Translate one picture, or many in their order.

        A picture is a path, a PIL image (answered by a PIL image) or a tensor (3, H, W), float in [0, 1] or uint8
        (answered by a float tensor in [0, 1]). A model whose `geometry.restores` answers grey by grey (mode L, of 16
        bits I;16) and keeps alpha (LA, RGBA); colours of more than 8 bits fit into no PIL image, but into tensors.
        A model whose `geometry.fills` paints what is transparent and what `masks`, one a picture, show in white: paths,
        PIL images or tensors (1, H, W) of the pictures' sizes, or None for those without.
        Raises `BrokenPicture` for the first one that cannot be read, `UsageError` for masks that the model has no use
        for or whose number is another.
        """
        if isinstance(pictures, str | Path | Image.Image) or (isinstance(pictures, Tensor) and pictures.dim() == 3):
            return self.translate([pictures], batch, seed, None if masks is None else [masks])[0]
        pairs = zip(pictures, repeat(None), strict=False)
        if masks is not None:
            self.require_filling("masks")
            if isinstance(masks, str | Path | Image.Image | Tensor):
                raise UsageError("masks: one for each picture, in a list; None for a picture without")
            pictures, masks = list(pictures), list(masks)
            if len(pictures) != len(masks):
                raise UsageError(f"masks: {len(masks)} for {len(pictures)} pictures; give one a picture, or None")
            pairs = zip(pictures, masks, strict=True)
        answers: dict[int, Any] = {}
        for done in self.stream(pairs, batch, seed, lambda pair: pair[0], mask_of=lambda pair: pair[1]):
            if done.picture is None:
                raise done.broken or I2IError(f"picture {done.index} could not be read")
            is_tensor = isinstance(done.item[0], Tensor)
            answers[done.index] = done.picture if is_tensor else Whole(done.picture, done.levels).image()
        return [answers[index] for index in sorted(answers)]

    def stream(
        self,
        items: Iterable[Item],
        batch: int = 1,
        seed: int = 0,
        picture_of: Callable[[Item], Any] = lambda item: item,
        onlooker: Onlooker | None = None,
        mask_of: Callable[[Item], Any] = lambda item: None,
    ) -> Iterator[Translated[Item]]:
        """Translate items as they come; answers are grouped by size, so not always in order. Memory is bounded.

        `picture_of` says which path, PIL image or tensor belongs to an item, `mask_of` which mask, if any; `onlooker`
        learns how a batch of items comes along, where the model says.
        """
        _require("batch", batch, least=1, example=8)
        if not self.translates:
            raise UsageError(f"{self.name} makes pictures out of nothing: use sample(count), not translate(pictures)")
        reads = read_ahead(lambda item: self._open(picture_of(item), mask_of(item)), items, ahead=2 * batch + 2)
        for group in batched(reads, self._size_on_device, batch, most=4 * batch):
            if group[0].picture is None:
                yield from (Translated(read.index, read.item, None, read.broken) for read in group)
            else:
                yield from self._translated(group, seed, onlooker)

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

    def _open(self, picture: Path | str | Image.Image | Tensor, mask: Any) -> Whole:
        opened = self._opened(picture)
        if mask is None:
            return opened
        return masked(opened, mask, picture if isinstance(picture, Path | str) else "the picture")

    def _opened(self, picture: Path | str | Image.Image | Tensor) -> Whole:
        if not isinstance(picture, Tensor):
            if self.geometry.restores or self.geometry.fills:
                return open_whole(picture, as_stored=self.geometry.fills)
            return Whole(to_tensor(open_picture(picture, self.background)))
        if picture.dim() != 3 or picture.shape[0] != 3 or not picture.numel():
            raise UsageError(f"a picture tensor is (3, H, W), found {tuple(picture.shape)}")
        if picture.dtype != torch.uint8 and not picture.is_floating_point():
            raise UsageError(f"a picture tensor is uint8 or float in [0, 1], found {picture.dtype}")
        if picture.is_floating_point() and not picture.isfinite().all():
            raise UsageError("a picture tensor is float in [0, 1], found numbers that are not finite")
        return Whole(picture)

    def _size_on_device(self, read: Read[Any]) -> tuple[int, int] | None:
        if read.picture is None:
            return None
        return self.geometry.padded(*_size(read.picture))

    def _translated(
        self, group: Sequence[Read[Any]], seed: int, onlooker: Onlooker | None
    ) -> Iterator[Translated[Any]]:
        seeds = tuple(seed_for("translate", seed, read.index) for read in group)
        request = Request(options=self.options, seeds=seeds)
        if onlooker is not None:
            request = _watched(request, onlooker, group, self.geometry)
        wholes: list[Whole] = [read.picture for read in group if read.picture is not None]
        pictures = [_in_unit_range(whole.values.to(self.runtime.device)) for whole in wholes]

        def model(images: Tensor, alpha_of: Sequence[int] | None) -> Tensor:
            asked = request
            if alpha_of is not None:  # nobody wants to see or hear of these
                asked = Request(options=self.options, seeds=tuple(seeds[place] for place in alpha_of))
            return self._asked(images, asked)

        advice = "lower --batch, or translate smaller pictures"
        with torch.inference_mode(False), torch.no_grad(), self.runtime.autocast(), memory_explained(advice):
            if self.geometry.fills:
                outputs = apply_filling(
                    lambda images, mask: self._asked(images, replace(request, mask=mask)), pictures, self.geometry
                )
            else:
                outputs = apply_whole(model, pictures, self.geometry)
        for read, whole, output in zip(group, wholes, outputs, strict=True):
            untouched = self.geometry.fills and not whole.is_seen_through
            yield Translated(read.index, read.item, output.cpu(), levels=whole.levels, untouched=untouched)

    def _asked(self, images: Tensor, request: Request) -> Tensor:
        """What the model answers."""
        if self.self_ensemble:
            return in_all_ways(self.model, images, request)
        return self.model.translate(images, request)


def load(
    source: Path | str | Recipe,
    options: Mapping[str, Any] | None = None,
    *,
    device: str = "auto",
    precision: str = "fp32",
    background: str = "white",
    self_ensemble: bool = False,
    catalog: Catalog | None = None,
) -> Translator:
    """A translator from a weights file, a run folder, or a recipe whose model needs no weights.

    `options` are the model's translate options, such as `{"direction": "target-to-source"}`, laid over those of the
    recipe; transparent pictures are laid over `background`, a Pillow colour, unless the model's `geometry.restores`.
    With `self_ensemble` each picture is translated in its 8 flips and rotations and answered by the mean: eight times
    the time for a little more fidelity. Raises `I2IError` where the file is damaged, its plugin is missing, an option
    is unknown or the model needs weights.
    """
    parsed_colour(background)  # refused now, not at the first transparent picture
    catalog = catalog or discover()
    if isinstance(source, Recipe):
        translate_options = _laid_over(source.translate, options)
        runtime = Runtime.choose(device, precision)
        model = standalone_model(source)
        weights = _no_weights(source, model, catalog)
    else:
        path = str(source := weights_at(Path(source)))
        weights = Weights.load(source)
        weights = migrated(weights, model_entry(weights, catalog, path), path)
        part = model_from_data(catalog, weights.recipe["model"], path)
        recorded = weights.recipe.get("translate", {})
        defaults = validate_options(part.entry.value.translate_options, recorded, f"{path}: translate.")
        translate_options = _laid_over(defaults, options)
        runtime = Runtime.choose(device, precision)
        model = load_inference_model(part, weights, path)
    if self_ensemble and not hasattr(model, "translate"):
        name = weights.recipe["name"]
        raise UsageError(f"self-ensemble: {name} makes pictures out of nothing and has none to flip and rotate")
    return Translator(model.to(runtime.device), weights.header(), runtime, translate_options, background, self_ensemble)


def _laid_over(defaults: Options, changes: Mapping[str, Any] | None) -> Options:
    return validate_options(type(defaults), {**defaults.model_dump(), **(changes or {})}, "translate.")


def _no_weights(recipe: Recipe, model: nn.Module, catalog: Catalog) -> Weights:
    return Weights(
        recipe=recipe.as_dict(),
        tensors={},
        step=0,
        model_version=recipe.model.entry.value.version,
        api_version=API_VERSION,
        versions=recipe.versions(catalog),
        loaded=loaded_by(model),
    )


def model_entry(weights: Weights, catalog: Catalog, source: str) -> Entry[Any]:
    """The installed model that a weights file names. Raises `I2IError` that says what made the weights."""
    try:
        _, name = weights.recipe["name"], str(weights.recipe["model"]["use"])
        dict(weights.recipe.get("translate", {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise I2IError(f"{source}: its header holds no recipe with a name and a model") from error
    if name not in catalog.entries["model"]:
        made_by = ", ".join(f"{distribution} {version}" for distribution, version in weights.versions.items())
        raise I2IError(f"{source}: {catalog.unknown('model', name)}; the weights were made by {made_by}")
    return catalog.find("model", name)


def _watched(request: Request, onlooker: Onlooker, group: Sequence[Read[Any]], geometry: Geometry) -> Request:
    """The request with the onlooker's ears and, where it looks, its eyes."""
    items = [read.item for read in group]
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


def _in_unit_range(picture: Tensor) -> Tensor:
    return picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()
