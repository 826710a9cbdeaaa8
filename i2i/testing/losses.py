"""Checks of a loss: one number, a gradient that is its slope, and the roles of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from i2i.errors import I2IError
from i2i.plugins import Entry
from i2i.recipe import Part
from i2i.testing.bench import Bench
from i2i.testing.checks import Check, Skipped, one_line, require
from i2i.testing.slopes import both_logits, require_number, require_slope, smooth_judge, two_batches

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
    """The slopes of both sides along the logits of generated pictures have different signs."""
    module, (fake, real) = loss.module(), both_logits()
    ways = []
    for side in (lambda made: module.generator(made, real), lambda made: module.discriminator(real, made)):
        made = fake.clone().requires_grad_()
        side(made).backward()
        ways.append(float(made.grad.sum()) if made.grad is not None else 0.0)
    require(
        ways[0] * ways[1] < 0,
        f"generator and discriminator change by {ways[0]:.3g} and {ways[1]:.3g} as the logits of generated pictures "
        "rise: one should rise, the other fall",
    )


def slopes_of_both_sides(loss: Loss) -> None:
    """With respect to the logits."""
    module, (fake, real) = loss.module(double=True), (logits.double() for logits in both_logits())
    require_slope("generator", lambda changed: module.generator(changed, real), fake)
    require_slope("discriminator", lambda changed: module.discriminator(real, changed), fake)
    require_slope("discriminator", lambda changed: module.discriminator(changed, fake), real)


def takes_any_function(loss: Loss) -> None:
    """A regulariser is handed a closure, not a module."""
    (real, fake), (judge, _) = two_batches(8), smooth_judge()
    require_number("forward", loss.module()(lambda pictures: judge(pictures), real, fake))


def reaches_the_parameters(loss: Loss) -> None:
    """Of the function that a regulariser is handed."""
    (real, fake), (judge, weight) = two_batches(8), smooth_judge()
    loss.module()(judge, real, fake).backward()
    reached = weight.grad is not None and bool(weight.grad.abs().sum() > 0)
    require(reached, "no gradient reaches the function's parameters: what is it that learns? (create_graph=True)")


def slope_of_regulariser(loss: Loss) -> None:
    """With respect to a parameter of the function."""
    module, (real, fake) = loss.module(double=True), (picture.double() for picture in two_batches(8))
    judge, weight = smooth_judge(double=True)

    def changed(other: Tensor) -> Any:
        return module(lambda pictures: judge(pictures, other), real, fake)

    require_slope("forward", changed, weight.detach())


_OF_KIND: dict[str, Sequence[Check]] = {
    "image": (
        Check("it answers one finite number", answers_one_number, gate=True),
        Check("its gradient equals the numerical one", slope_of_image_loss),
    ),
    "adversarial": (
        Check("both of its sides answer one finite number", plays_both_sides, gate=True),
        Check("its generator's side needs the real logits only if its spec says so", needs_what_it_says, gate=True),
        Check("its two sides pull the logits of generated pictures opposite ways", pulls_opposite_ways),
        Check("its gradients equal the numerical ones", slopes_of_both_sides),
    ),
    "regulariser": (
        Check("it takes any function of pictures and answers one finite number", takes_any_function, gate=True),
        Check("its gradient reaches the parameters of that function", reaches_the_parameters, gate=True),
        Check("its gradient equals the numerical one", slope_of_regulariser),
    ),
}


def checks(entry: Entry[Any]) -> Sequence[Check]:
    """Those of the loss's kind."""
    return _OF_KIND[entry.value.kind]
