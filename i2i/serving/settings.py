"""What a client asks for, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Value = StrictBool | StrictInt | StrictFloat | StrictStr | None

MOST = 10**9
"""Of any number of pictures; how many are made is bounded by `Bounds.samples`."""


class Asked(BaseModel):
    """What both kinds of job have."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(max_length=300, description="id of a model, as /api/models lists them")
    options: dict[str, Value] = Field(default_factory=dict, max_length=100, description="the model's own options")
    seed: int = Field(0, ge=0, lt=2**63, strict=True, description="of all chance")


class TranslateSettings(Asked):
    """Of pictures that are sent along."""

    format: Literal["same", "png", "jpeg", "webp", "tiff", "avif"] = Field(
        "same", description="file format of the answers"
    )
    quality: int | None = Field(
        None, ge=1, le=100, strict=True, description="of JPEG, WebP and AVIF; null: nearly nothing is lost"
    )


class SampleSettings(Asked):
    """Of pictures that are made out of nothing."""

    count: int = Field(ge=1, le=MOST, strict=True, description="pictures to make; of a walk, those it goes through")
    interpolate: int | None = Field(
        None,
        ge=1,
        le=MOST,
        strict=True,
        description="walk through the pictures and back, so many frames from each to the next",
    )

    @property
    def total(self) -> int:
        """How many pictures that makes."""
        return self.count * (self.interpolate or 1)
