"""A model on the bench: pictures to give it, and its answers to them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from i2i.contracts import API_VERSION, Request, Weights
from i2i.errors import I2IError, UsageError
from i2i.plugins import Entry
from i2i.recipe import Part, Recipe
from i2i.testing.asking import wants_more
from i2i.testing.bench import Bench
from i2i.testing.checks import Skipped, one_line, require

if TYPE_CHECKING:
    from torch import Tensor

    from i2i.inference.translator import Translator

SEEDS = (11, 12, 13)
NUDGE = 0.02
"""Standard deviation of what is added to every number that learns: a network fresh from its initialisation may answer
the same whatever it sees, and weights that nobody saved would come back by their seed."""


class Model:
    """A model on the bench, built with the options of its recipe."""

    def __init__(self, bench: Bench, entry: Entry[Any]) -> None:
        self.bench, self.entry = bench, entry
        self.learning: set[str] = set()  # parameters that may learn, known once the model was built

    @property
    def spec(self) -> Any:
        """The model's."""
        return self.entry.value

    @cached_property
    def part(self) -> Part:
        """The model of its recipe, or with its defaults."""
        return self.bench.part("model", self.entry)

    @cached_property
    def translator(self) -> Translator:
        """The model ready for use; fitted for one step where it can do nothing before."""
        fresh = self.fresh()
        try:
            self._try(fresh)
        except Exception:
            fitted = self._fitted()
            if fitted is None:
                raise
            return fitted
        return fresh

    @property
    def geometry(self) -> Any:
        """The model's."""
        return self.translator.geometry

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the network takes; not square where it can be otherwise."""
        return self.geometry.size or self.geometry.padded(24, 20)

    def images(self, height: int, width: int, count: int = len(SEEDS), first: int = 0) -> Tensor:
        """Smooth pictures (count, C, height, width) in [0, 1], different from each other."""
        import torch
        from torch.nn.functional import interpolate

        chance = torch.Generator().manual_seed(height * 1000 + width + first)
        coarse = torch.rand(count, self.geometry.channels, 6, 6, generator=chance)
        smooth = interpolate(coarse, (height, width), mode="bilinear")
        return (0.85 * smooth + 0.15 * torch.rand(smooth.shape, generator=chance)).clamp(0, 1)

    def mask(self, images: Tensor) -> Tensor | None:
        """(B, 1, H, W), 1 in the middle, for a model that fills; None for others."""
        if not getattr(self.geometry, "fills", False):
            return None
        height, width = images.shape[-2:]
        mask = images.new_zeros(len(images), 1, height, width)
        mask[..., height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)] = 1
        return mask

    def translate(self, images: Tensor, seeds: Sequence[int], by: Any = None, mask: Tensor | None = None) -> Any:
        """What the model (or another, `by`) answers to these very tensors, seeds one a picture."""
        import torch

        mask = self.mask(images) if mask is None else mask
        request = Request(options=self.translator.options, seeds=tuple(seeds), mask=mask)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.seed()  # nothing but the seeds may decide
            return (by or self.translator.model).translate(images, request)

    def sample(self, seeds: Sequence[int], by: Any = None) -> Any:
        """What the model (or another, `by`) makes out of nothing."""
        import torch

        model = by or self.translator.model
        request = Request(options=self.translator.options, seeds=tuple(seeds))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.seed()
            return model.sample(model.latents(tuple(seeds)), request)

    def require_translates(self) -> None:
        """Raise `Skipped` for a model that makes pictures out of nothing only."""
        if not self.translator.translates:
            raise Skipped("it translates no pictures: it makes them out of nothing")

    def require_samples(self) -> None:
        """Raise `Skipped` for a model that translates only."""
        if not self.translator.samples:
            raise Skipped("it makes no pictures out of nothing: it translates")

    def answers(self) -> list[tuple[str, Callable[[Sequence[int]], Any]]]:
        """What it can do, by name, as functions of seeds; picture i goes with seed i."""
        can: list[tuple[str, Callable[[Sequence[int]], Any]]] = []
        if self.translator.translates:
            images = self.images(*self.size)

            def translate(seeds: Sequence[int]) -> Any:
                return self.translate(images[[SEEDS.index(seed) for seed in seeds]], seeds)

            can.append(("translate", translate))
        if self.translator.samples:
            can.append(("sample", self.sample))
        return can

    def using(self, translator: Translator) -> Model:
        """The same with other weights."""
        other = copy.copy(self)
        other.__dict__["translator"] = translator
        return other

    def fresh(self) -> Translator:
        """The model as its options make it and a nudge, without any training."""
        import torch

        from i2i.training.building import build_model
        from i2i.training.chance import seed_for

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_for("init", 0))
            model = self._built(build_model)
            self.learning = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
            self._nudge(model)
        name = self.bench.recipe_with("model", self.entry.name)
        return self._ready(model, self.part, self.bench.recipe(name) if name else None)

    @cached_property
    def trained(self) -> Translator:
        """The model after a few steps of its recipe and a nudge; as it is ready for use where no recipe trains it."""
        import torch

        ready, name = self.translator, self.bench.recipe_with("model", self.entry.name)
        if name is None:
            return ready
        try:
            fit, _ = self.bench.observed(name)
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(SEEDS[0])
                self._nudge(fit.loop.model)
            trained = self._ready(fit.loop.model, fit.recipe.model, fit.recipe)
            self._try(trained)
        except (Exception, SystemExit):  # the checks of a trainer tell of it
            return ready
        return trained

    def _built(self, build_model: Callable[[Part], Any]) -> Any:
        name = self.bench.recipe_with("model", self.entry.name)
        try:
            return build_model(self.part)
        except UsageError as error:
            if name is None or not wants_more(self.bench.recipe(name), error):
                raise
            raise Skipped(f"recipe '{name}' waits for its user: {one_line(error)}") from error

    def _nudge(self, model: Any) -> None:
        import torch

        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if key in self.learning:
                    parameter.add_(NUDGE * torch.randn_like(parameter))

    def _ready(self, model: Any, part: Part, recipe: Recipe | None) -> Translator:
        import torch

        from i2i.inference.translator import Translator
        from i2i.training.building import loaded_by
        from i2i.training.runtime import Runtime

        weights = Weights(
            recipe={"name": self.entry.name, **(recipe.as_dict() if recipe else {}), "model": part.as_dict()},
            tensors={},
            step=0,
            model_version=self.spec.version,
            api_version=API_VERSION,
            loaded=loaded_by(model),
        )
        options = recipe.translate if recipe else self.spec.translate_options()
        cpu = Runtime(torch.device("cpu"), "fp32")
        return Translator(model.eval().requires_grad_(False), weights.header(), cpu, options)

    def _try(self, translator: Translator) -> None:
        """Raise where a model can do nothing yet, as one that has not seen a style."""
        for _, answer in self.using(translator).answers():
            require(answer(SEEDS[:1]).isfinite().all(), "not finite")

    def _fitted(self) -> Translator | None:
        from i2i.inference.loading import load

        name = self.bench.recipe_with("model", self.entry.name)
        if name is None:
            return None
        try:
            run = self.bench.start(self.bench.recipe(name, "run.steps=1"), folder=True).run()
            return load(run.path, device="cpu", catalog=self.bench.catalog)
        except (I2IError, Skipped):
            return None
