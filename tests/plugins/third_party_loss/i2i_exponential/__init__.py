"""The exponential loss of boosting (Freund and Schapire 1997) as an adversarial game."""

from pydantic import Field

from i2i import LossSpec, Options, hookimpl


class ExponentialOptions(Options):
    steepness: float = Field(0.5, gt=0, description="how much faster than its logit an error grows dear")


@hookimpl
def i2i_losses():
    return [
        LossSpec(
            name="exponential",
            kind="adversarial",
            summary="errors cost the exponential of their logit",
            options=ExponentialOptions,
            build="i2i_exponential.loss:Exponential",
        )
    ]
