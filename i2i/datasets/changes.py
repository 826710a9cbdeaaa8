"""Things that happen to pictures, as a recipe names them; what they do is in `degradation` and `making`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from i2i.contracts import Options

LIMITS = {"blur": (0.0, 20.0), "resize": (0.1, 4.0), "noise": (0.0, 255.0), "jpeg": (1.0, 100.0), "holes": (0.0, 0.9)}
"""Of `between`, for the things that have it."""

USUAL = {"blur": (0.5, 3.0), "noise": (5.0, 50.0), "jpeg": (10.0, 60.0), "holes": (0.1, 0.4)}
"""What `between` is where a making does not say."""


class Change(Options):
    """One thing that happens to a picture, as strongly as is drawn for it, or does not."""

    use: str = Field(description="what happens")
    between: tuple[float, float] | None = Field(None, description="least and most, drawn evenly a picture")
    chance: float = Field(1.0, ge=0, le=1, description="that it happens to a picture")

    @model_validator(mode="after")
    def _is_possible(self) -> Change:
        if (problem := self._problem()) is not None:
            raise ValueError(problem)
        return self

    def _problem(self) -> str | None:
        """What is wrong with the range, if anything is."""
        if self.use not in LIMITS:
            return None if self.between is None else f"{self.use} has no strength: leave out between"
        floor, ceiling = LIMITS[self.use]
        if self.between is None:
            return f"{self.use} needs between: [least, most], from {floor:g} up to {ceiling:g}"
        least, most = self.between
        if floor <= least <= most <= ceiling:
            return None
        return f"between {least:g} and {most:g}: {self.use} goes from {floor:g} up to {ceiling:g}"


class Degradation(Change):
    """One thing that happens to a picture on its way to low resolution (Wang et al. 2021, Real-ESRGAN, section 3)."""

    use: Literal["blur", "resize", "shrink", "noise", "jpeg"] = Field(
        description="blur by a Gaussian; resize and come back; shrink by the scale, at the end if it is not named; "
        "noise, Gaussian, half of the time the same in all colours; jpeg compression"
    )
    between: tuple[float, float] | None = Field(
        None,
        description="least and most, drawn evenly a picture: of blur the standard deviation in pixels, of resize the "
        "factor (drawn once a batch), of noise the standard deviation in 8-bit levels, of jpeg the quality",
    )

    def _problem(self) -> str | None:
        if self.use == "shrink" and (self.between is not None or self.chance != 1):
            return "shrink is by the scale and always happens: leave out between and chance"
        return super()._problem()


class Making(Change):
    """One thing that makes the source of a picture; a bare word is the thing with its usual strength."""

    use: Literal["grey", "holes", "noise", "jpeg", "blur", "edges"] = Field(
        description="grey: how light each pixel is; holes, brushed at random (Yu et al. 2019, section 3.4); noise, "
        "Gaussian, half of the time the same in all colours; jpeg compression; blur by a Gaussian; edges: dark lines "
        "on white"
    )
    between: tuple[float, float] | None = Field(
        None,
        description="least and most, drawn evenly a picture: of holes the share of its area (null: 0.1 to 0.4), of "
        "noise the standard deviation in 8-bit levels (5 to 50), of jpeg the quality (10 to 60), of blur the standard "
        "deviation in pixels (0.5 to 3); grey and edges have none",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_the_usual(cls, value: Any) -> Any:
        thing = {"use": value} if isinstance(value, str) else value
        if isinstance(thing, dict) and thing.get("between") is None and isinstance(thing.get("use"), str):
            return {**thing, "between": USUAL.get(thing["use"])}
        return thing
