"""Checks of a loss: one number, a gradient that is its slope, and the roles of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from i2i.errors import I2IError
from i2i.plugins import Entry
from i2i.recipe import Part
from i2i.testing.bench import Bench
from i2i.testing.checks import Check, Skipped, one_line, require
from i2i.testing.regularising import (
    comes_every_so_many_steps,
    penalty_regularises,
    reaches_the_parameters,
    slope_of_regulariser,
    takes_any_function,
)
from i2i.testing.slopes import LEVELS, both_logits, require_number, require_slope, two_batches

if TYPE_CHECKING:
    from torch import Tensor


class Loss:
    """A loss on the bench."""

    def __init__(self, bench: Bench, entry: Entry[Any]) -> None:
        self.bench, self.entry = bench, entry

    @cached_property
    def part(self) -> Part:
        """With its default options, else with those of a recipe that uses it."""
        try:
            return self.bench.default(self.entry)
        except Skipped:
            parts = [part for recipe in self.bench.recipes.values() for part in recipe.losses.values() if part]
            if found := next((part for part in parts if part.entry is self.entry), None):
                return found
            raise

    def module(self, double: bool = False) -> Any:
        """The loss, prepared. Raises `Skipped` where it lacks a file."""
        from i2i.training.building import build, prepare

        loss = build(self.part)
        try:
            prepare(loss)
        except I2IError as error:
            raise Skipped(f"it cannot be prepared here: {one_line(error)}") from error
        return loss.double() if double else loss


def answers_one_number(loss: Loss) -> None:
    """Of an image loss."""
    require_number("forward", loss.module()(*two_batches()))


def slope_of_image_loss(loss: Loss) -> None:
    """With respect to the prediction."""
    module = loss.module(double=True)
    prediction, target = (picture.double() for picture in two_batches())
    require_slope("forward", lambda changed: module(changed, target), prediction)


def plays_both_sides(loss: Loss) -> None:
    """An adversarial loss answers a number from each side, and shares where it tells its accuracy."""
    module, (fake, real) = loss.module(), both_logits()
    require_number("generator", module.generator(fake, real))
    require_number("discriminator", module.discriminator(real, fake))
    if hasattr(module, "accuracy"):
        for share in module.accuracy(real, fake):
            holds = share.shape == () and 0 <= float(share) <= 1
            require(holds, f"accuracy: {share.tolist()} is no share in [0, 1], 0-dim")


def needs_what_it_says(loss: Loss) -> None:
    """`generator` takes None for the real logits where the spec says that it does not look at them."""
    if loss.entry.value.needs_real_logits:
        raise Skipped("its spec says that it looks at them")
    module, (fake, real) = loss.module(), both_logits()
    try:
        without = module.generator(fake, None)
    except Exception as error:
        raise AssertionError(
            f"generator fails without real logits ({one_line(error)}); say needs_real_logits in its spec"
        ) from error
    with_them = module.generator(fake, real)
    require(
        abs(float(without - with_them)) <= 1e-6 * (1 + abs(float(without))),
        f"generator answers {float(without):g} without real logits and {float(with_them):g} with them; "
        "say needs_real_logits in its spec",
    )


def pulls_opposite_ways(loss: Loss) -> None:
    """The slopes of both sides along the logits of generated pictures have different signs, at one level or another."""
    module = loss.module()
    ways = [
        (_way(module.generator, fake, real), _way(module.discriminator, real, fake, along=1))
        for fake, real in map(both_logits, LEVELS)
    ]
    _require_opposite(
        ways, "generator and discriminator change by {:.3g} and {:.3g} as the logits of generated pictures rise"
    )


def tells_real_from_generated(loss: Loss) -> None:
    """The discriminator's slopes along the logits of real and of generated pictures have different signs."""
    module = loss.module()
    ways = [
        (_way(module.discriminator, real, fake), _way(module.discriminator, real, fake, along=1))
        for fake, real in map(both_logits, LEVELS)
    ]
    _require_opposite(
        ways,
        "discriminator changes by {:.3g} as the logits of real pictures rise and by {:.3g} as those of generated "
        "ones do",
    )


def _require_opposite(ways: Sequence[tuple[float, float]], seen: str) -> None:
    """At one level or another."""
    require(any(one * other < 0 for one, other in ways), f"{seen.format(*ways[0])}: one should rise, the other fall")


def _way(side: Callable[..., Tensor], *logits: Tensor, along: int = 0) -> float:
    given = [one.clone().requires_grad_(place == along) for place, one in enumerate(logits)]
    side(*given).backward()
    gradient = given[along].grad
    return 0.0 if gradient is None else float(gradient.sum())


def slopes_of_both_sides(loss: Loss) -> None:
    """With respect to the logits."""
    module, (fake, real) = loss.module(double=True), (logits.double() for logits in both_logits())
    require_slope("generator", lambda changed: module.generator(changed, real), fake)
    require_slope("discriminator", lambda changed: module.discriminator(real, changed), fake)
    require_slope("discriminator", lambda changed: module.discriminator(changed, fake), real)


_OF_KIND: dict[str, Sequence[Check]] = {
    "image": (
        Check("it answers one finite number", answers_one_number, gate=True),
        Check("its gradient equals the numerical one", slope_of_image_loss),
    ),
    "adversarial": (
        Check("both of its sides answer one finite number", plays_both_sides, gate=True),
        Check("its generator's side needs the real logits only if its spec says so", needs_what_it_says, gate=True),
        Check("its two sides pull the logits of generated pictures opposite ways", pulls_opposite_ways),
        Check("its discriminator's side pulls real and generated pictures opposite ways", tells_real_from_generated),
        Check("its gradients equal the numerical ones", slopes_of_both_sides),
        Check("its penalty, where it has one, keeps what a regulariser keeps", penalty_regularises),
    ),
    "regulariser": (
        Check("it takes any function of pictures and answers one finite number", takes_any_function, gate=True),
        Check("its gradient reaches the parameters of that function", reaches_the_parameters, gate=True),
        Check("its gradient equals the numerical one", slope_of_regulariser),
        Check("it comes every so many steps", comes_every_so_many_steps),
    ),
}


def checks(entry: Entry[Any]) -> Sequence[Check]:
    """Those of the loss's kind."""
    return _OF_KIND[entry.value.kind]
