"""The models in memory: a few, those used last."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path

from i2i.inference.computation import WITHIN_MEMORY, Tiles
from i2i.inference.loading import load
from i2i.inference.translator import Translator
from i2i.plugins import Catalog
from i2i.recipe import Recipe
from i2i.serving.bounds import Bounds
from i2i.serving.choices import Choice
from i2i.tiling.memory import trim


@dataclass
class Shelf:
    """Loads what is asked for; only the thread that computes uses it."""

    catalog: Catalog
    bounds: Bounds
    device: str = "auto"
    precision: str = "fp32"
    tiles: Tiles = WITHIN_MEMORY
    kept: OrderedDict[tuple[str, float], Translator] = field(default_factory=OrderedDict)

    def translator(self, choice: Choice) -> Translator:
        """The model of a choice. Raises `I2IError` where its file is damaged or has gone."""
        key = (choice.id, choice.mark)
        if key not in self.kept:
            for stale in [old for old in self.kept if old[0] == choice.id]:
                del self.kept[stale]
            while len(self.kept) >= self.bounds.models:
                self.kept.popitem(last=False)
            trim()
            self.kept[key] = self._loaded(choice.source)
        self.kept.move_to_end(key)
        return self.kept[key]

    def _loaded(self, source: Path | Recipe) -> Translator:
        made = load(
            source,
            device=self.device,
            precision=self.precision,
            tiles=self.tiles,
            limits=self.bounds.limits(),
            catalog=self.catalog,
        )
        return replace(made, limits=self.bounds.limits(made.geometry.scale))
