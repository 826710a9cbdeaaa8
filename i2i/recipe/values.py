"""What a finished recipe is made of: frozen, validated, written back as the plain data it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from i2i.contracts import Options
from i2i.errors import RecipeError
from i2i.plugins import Catalog, Entry

MetricName = Literal["auto", "kid", "fid", "psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "lpips"]
FeaturesName = Literal["light", "random", "squeezenet1_1", "vgg19", "inception"]


class RunOptions(Options):
    """How long, how large, on what: the part of a recipe that the loop itself reads."""

    steps: int | None = Field(
        10_000, ge=1, description="optimizer steps in all; null: one pass over the data, the last batch filled up"
    )
    batch: int = Field(1, ge=1, description="pictures per optimizer step, over all micro-batches and ranks")
    accumulate: int = Field(1, ge=1, description="micro-batches that a batch is computed in, to save memory")
    seed: int = Field(0, ge=0, lt=2**63, description="of all chance: initial weights, order, augmentation, noise")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to compute; auto: cuda, mps, cpu")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the device has it")
    memory_format: Literal["auto", "contiguous", "channels-last"] = Field(
        "auto", description="order of numbers in memory; auto: the model's own, and channels-last for bf16 on CUDA"
    )
    compile: Literal["default", "reduce-overhead", "max-autotune"] | None = Field(
        None, description="compile networks by torch, in this mode of it; worth it where all pictures have one size"
    )
    recompute: bool = Field(
        False, description="keep less for the way back and compute repeated blocks of networks again; same result"
    )
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of the weights; 0: none")
    clip: float | None = Field(None, gt=0, description="largest gradient norm of a turn; null: no clipping")
    workers: int | None = Field(None, ge=0, description="loader processes; null: as many as the device can use")
    sync_batch_norm: bool = Field(
        False, description="batch norms look at the pictures of all ranks, not of one each; on CUDA"
    )
    log_every: int = Field(10, ge=1, description="steps between two lines of metrics.jsonl")
    sample_every: int = Field(500, ge=1, description="steps between two sample grids")
    checkpoint_every: int = Field(1000, ge=1, description="steps between two checkpoints; the last step always has one")
    checkpoint_minutes: float | None = Field(
        None, gt=0, description="minutes after which there is another checkpoint in any case; null: steps alone count"
    )
    keep: int = Field(3, ge=1, description="newest checkpoints that are kept")
    keep_every: int | None = Field(
        None, ge=1, description="checkpoints of steps that this divides are kept for good; null: none is"
    )
    validate_every: int | None = Field(
        None, ge=1, description="steps between two validations, from which the best checkpoint is known; null: none"
    )
    metric: MetricName = Field(
        "auto", description="what validations measure; auto: psnr_y where the picture itself comes back, else kid"
    )
    metric_features: FeaturesName = Field(
        "light", description="of kid and fid: light and random need no weights, light hardly any time; the others are "
        "networks that were trained"
    )  # fmt: skip
    validation_pictures: int = Field(
        64, ge=2, description="pictures, drawn once, held-out ones where there are any, that validations look at"
    )
    patience: int | None = Field(
        None, ge=1, description="validations in a row without a new best before the run ends early; null: it does not"
    )
    max_bad: int | None = Field(
        None, ge=0, description="pictures that may be unreadable before the run stops; null: any number"
    )
    max_masked: int = Field(
        10, ge=1, description="steps in a row without finite gradients, before the run goes back to its last checkpoint"
    )
    collapse_below: float = Field(
        0.3, ge=0, le=1, description="warn when samples differ from each other less than this share of what the data do"
    )
    report: bool = Field(True, description="keep report.html: curves, samples and what happened, in one page")
    note: str = Field("", description="kept in the weights file: on what data, under which licence")

    @model_validator(mode="after")
    def _micro_batches_are_equal(self) -> RunOptions:
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} does not divide into accumulate = {self.accumulate} equal parts")
        return self

    @model_validator(mode="after")
    def _recomputes_or_compiles(self) -> RunOptions:
        if self.recompute and self.compile is not None:
            raise ValueError(
                f"recompute and compile = {self.compile}: compiled networks are not recomputed; choose one"
            )
        return self

    @model_validator(mode="after")
    def _patience_has_validations_to_count(self) -> RunOptions:
        if self.patience is not None and self.validate_every is None:
            raise ValueError(
                f"patience {self.patience} counts validations, of which there are none: set validate_every"
            )
        return self


@dataclass(frozen=True)
class Part:
    """A name that a recipe uses, what is behind it and its validated options."""

    entry: Entry[Any]
    options: Options

    def as_dict(self) -> dict[str, Any]:
        """`use` and every option, defaults included, as plain data."""
        return {"use": self.entry.name, **self.options.model_dump(mode="json")}


@dataclass(frozen=True)
class LossPart(Part):
    """A loss in its role."""

    weight: float

    def as_dict(self) -> dict[str, Any]:
        """As `Part.as_dict`, with the weight."""
        return {"use": self.entry.name, "weight": self.weight, **self.options.model_dump(mode="json")}


@dataclass(frozen=True)
class Recipe:
    """Everything a run is: the same recipe and the same data give the same weights."""

    name: str
    model: Part
    dataset: Part
    losses: Mapping[str, LossPart | None]
    trainer: Part
    run: RunOptions
    translate: Options
    """The model's translate options: what holds unless the command that translates says otherwise."""
    weights: Path | None = None
    """Shipped weights; the YAML says where, relative to the package that holds the folder `recipes`."""
    trackers: Mapping[str, Part] = field(default_factory=lambda: MappingProxyType({}))
    """Who follows the run, by name; they decide no number."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data that `recipe_from_data` takes back."""
        data = {
            "name": self.name,
            "model": self.model.as_dict(),
            "dataset": self.dataset.as_dict(),
            "losses": {role: part and part.as_dict() for role, part in self.losses.items()},
            "trainer": self.trainer.as_dict(),
            "run": self.run.model_dump(mode="json"),
        }
        if options := self.translate.model_dump(mode="json"):
            data["translate"] = options
        if self.trackers:
            data["trackers"] = {name: part.options.model_dump(mode="json") for name, part in self.trackers.items()}
        return data

    def versions(self, catalog: Catalog) -> dict[str, str]:
        """Distribution → version of everything that the recipe learns with and from."""
        parts = [self.model, self.dataset, self.trainer, *filter(None, self.losses.values())]
        return catalog.versions(*(part.entry for part in parts))

    def lacking_to_stand_alone(self) -> list[str] | None:
        """The model's options without which it needs weights, and which are not given; None: it always needs them."""
        wanted: tuple[str, ...] | None = self.model.entry.value.standalone
        if wanted is None:
            return None
        options = self.model.options.model_dump()
        return [name for name in wanted if not _is_given(options.get(name))]

    def require_data(self) -> None:
        """Raise `RecipeError` for every folder that the dataset needs and nobody named."""
        missing = [
            folder_missing(option, flag)
            for flag, option in self.dataset.entry.value.cli.items()
            if self.dataset.options.model_dump().get(option) is None
        ]
        if missing:
            raise RecipeError(missing)


def _is_given(value: object) -> bool:
    return value is not None and not (isinstance(value, Sized) and len(value) == 0)


def folder_missing(option: str, flag: str) -> str:
    """What is said of a folder that the dataset needs and nobody named."""
    return f"dataset.{option}: not given; use --{flag} DIR"
