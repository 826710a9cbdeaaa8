from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

import i2i
from i2i.training.batches import MicroBatch
from i2i.training.building import build_model, build_trainer
from i2i.training.loop import Loop
from i2i.training.runtime import Runtime
from i2i.training.turns import LoopTurn

TINY = (
    "model.generator=unet-32",
    "model.width=4",
    "model.discriminator_width=4",
    "model.discriminator_layers=2",
    "dataset.resize=36",
    "dataset.crop=32",
    "run.batch=2",
)
CALM = "model.dropout=false"
INSTALLED = i2i.discover()
ADVERSARIAL, REGULARISERS = (
    [name for name in INSTALLED.names("loss") if INSTALLED.find("loss", name).value.kind == kind]
    for kind in ("adversarial", "regulariser")
)
LoopOf = Callable[..., Loop]


@pytest.fixture
def loop_of(catalog: i2i.Catalog) -> LoopOf:
    """A loop on a tiny model: `loop_of("model.answers=holes", precision="bf16")`."""

    def make(*overrides: str, precision: str = "fp32") -> Loop:
        recipe = i2i.load_recipe(catalog, "pix2pix", overrides=[*TINY, *overrides])
        torch.manual_seed(recipe.run.seed)
        trainer = build_trainer(recipe, build_model(recipe.model))
        return Loop(trainer, Runtime(torch.device("cpu"), precision), recipe.run, recipe.trainer.entry.value.ema)

    return make


def batch(number: int = 0, samples: int = 2, holes: bool = True) -> list[MicroBatch]:
    chance = torch.Generator().manual_seed(number)
    source, target = (torch.rand(samples, 3, 32, 32, generator=chance) for _ in range(2))
    mask = torch.zeros(samples, 1, 32, 32)
    mask[..., 8:20, 4:24] = 1
    return [MicroBatch(0, {"source": source, "target": target} | ({"mask": mask} if holes else {}))]


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}


def moved(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """The submodules of which a weight has changed."""
    return {key.split(".")[0] for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}


def all_finite(scalars: Any) -> bool:
    return all(value.dim() == 0 and bool(torch.isfinite(value)) for value in scalars.values())


def published_step(model: Any, source: Tensor, target: Tensor, optimizers: tuple[Adam, Adam]) -> None:
    """As in the published code: pictures in [-1, 1], one generated picture for both, the discriminator first."""
    for_generator, for_discriminator = optimizers

    def judge(picture: Tensor) -> Tensor:
        return model.discriminator(torch.cat([source, (picture + 1) / 2], 1))

    def says(logits: Tensor, real: bool) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    fake, real = model.generator(source) * 2 - 1, target * 2 - 1
    for_discriminator.zero_grad()
    ((says(judge(fake.detach()), False) + says(judge(real), True)) / 2).backward()
    for_discriminator.step()
    for_generator.zero_grad()
    (says(judge(fake), True) + 100 * F.l1_loss(fake, real)).backward()
    for_generator.step()


def biases_before_norms(model: nn.Module) -> set[str]:
    """Those that do nothing: their gradients are rounding, which Adam makes large."""
    return {
        f"{name}.{place}.bias"
        for name, layers in model.named_modules()
        if isinstance(layers, nn.Sequential)
        for place, (layer, after) in enumerate(pairwise(layers))
        if isinstance(after, i2i.InstanceNorm)
    }


def test_three_steps_are_those_of_the_published_code(loop_of: LoopOf) -> None:
    loop = loop_of(CALM)
    reference = copy.deepcopy(loop.model).requires_grad_(True)
    networks = reference.generator, reference.discriminator
    optimizers = tuple(Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in networks)
    for number in range(3):
        (pair,) = batch(number)
        loop.advance([pair])
        published_step(reference, pair.tensors["source"], pair.tensors["target"], optimizers)
    theirs, idle = reference.state_dict(), biases_before_norms(loop.model)
    assert len(idle) == 3 + 4 + 2  # on the way down and up, and where pictures are judged
    for key, tensor in loop.model.state_dict().items():
        if key not in idle:
            torch.testing.assert_close(tensor, theirs[key], atol=2e-5, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("answers", ["picture", "colours", "holes"])
def test_steps_are_finite_and_move_both_networks(loop_of: LoopOf, answers: str, precision: str) -> None:
    loop = loop_of(f"model.answers={answers}", precision=precision)
    before = copied(loop.model)
    for number in range(2):
        scalars = loop.advance(batch(number, holes=answers == "holes"))
        assert all_finite(scalars)
    assert set(scalars) == {"adversarial", "reconstruction", "discriminator", "real_accuracy", "fake_accuracy"}
    assert moved(loop.model, before) == {"generator", "discriminator"}


def test_the_discriminators_objective_is_halved(loop_of: LoopOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam hardly sees the scale of a loss: three steps would be the same without."""
    loop, (pair,) = loop_of(CALM), batch()
    source, target = pair.tensors["source"], pair.tensors["target"]
    with torch.no_grad():
        logits = [loop.model.judged(picture, source) for picture in (target, loop.model.made_of(source))]
    real, fake = (
        F.binary_cross_entropy_with_logits(found, torch.full_like(found, says))
        for found, says in zip(logits, (1.0, 0.0), strict=True)
    )
    minimised, minimise = [], LoopTurn.minimise

    def watched(turn: LoopTurn, loss: Tensor) -> None:
        minimised.append(loss.detach())
        minimise(turn, loss)

    monkeypatch.setattr(LoopTurn, "minimise", watched)
    scalars = loop.advance([pair])
    torch.testing.assert_close(minimised[0], (real + fake) / 2)
    torch.testing.assert_close(scalars["discriminator"], (real + fake) / 2)


def test_the_discriminator_learns_first_and_one_generated_picture_serves_both(
    loop_of: LoopOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, minimise = [], LoopTurn.minimise

    def watched(turn: LoopTurn, loss: Tensor) -> None:
        order.append(turn.name)
        minimise(turn, loss)

    monkeypatch.setattr(LoopTurn, "minimise", watched)
    loop = loop_of()
    loop.model.generator.register_forward_hook(lambda *_: order.append("made"))
    loop.advance(batch())
    assert order == ["made", "discriminator", "generator"]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_adversarial_loss_that_is_installed_plays_its_part(loop_of: LoopOf, name: str) -> None:
    loop = loop_of(f"losses.adversarial.use={name}")
    before = copied(loop.model)
    assert all_finite(loop.advance(batch()))
    assert moved(loop.model, before) == {"generator", "discriminator"}


@pytest.mark.parametrize("name", REGULARISERS)
def test_every_regulariser_that_is_installed_holds_back_the_discriminator(loop_of: LoopOf, name: str) -> None:
    loop, plain = loop_of(CALM, f"losses.regulariser={{use: {name}, weight: 10}}"), loop_of(CALM)
    scalars = dict(loop.advance(batch()))
    plain.advance(batch())
    assert scalars.pop("penalty") > 0
    assert all_finite(scalars)
    assert "discriminator" in moved(loop.model, copied(plain.model))


def test_the_discriminator_sees_what_the_generator_was_shown(loop_of: LoopOf) -> None:
    loop, seen = loop_of("model.answers=holes"), []
    loop.model.discriminator.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach().clone()))
    (pair,) = batch()
    loop.advance([pair])
    shown = loop.model.answer.shown(pair.tensors["source"], pair.tensors["mask"])
    assert len(seen) == 3  # real, generated, and generated once more in the generator's turn
    assert all(torch.equal(pictures[:, :4], shown) for pictures in seen)
    assert torch.equal(seen[0][:, 4:], pair.tensors["target"])
    assert torch.equal(seen[1], seen[2])


def test_pictures_in_0_to_1_weigh_what_the_paper_weighs(loop_of: LoopOf) -> None:
    loop, (pair,) = loop_of(CALM), batch()
    with torch.no_grad():
        made = loop.model.made_of(pair.tensors["source"])
    signed = F.l1_loss(2 * made - 1, 2 * pair.tensors["target"] - 1)
    torch.testing.assert_close(loop.advance([pair])["reconstruction"], 100 * signed)


def test_a_perceptual_loss_joins_in_if_the_recipe_names_one(loop_of: LoopOf) -> None:
    loop, plain = loop_of(CALM, "losses.perceptual={use: mse, weight: 3}"), loop_of(CALM)
    (pair,) = batch()
    with torch.no_grad():
        made = loop.model.made_of(pair.tensors["source"])
    scalars = loop.advance([pair])
    plain.advance([pair])
    torch.testing.assert_close(scalars["perceptual"], 3 * F.mse_loss(made, pair.tensors["target"]))
    assert moved(loop.model, copied(plain.model)) == {"generator"}


def test_dropout_in_training_is_the_loops_chance(loop_of: LoopOf) -> None:
    loops = [loop_of(), loop_of()]
    for loop in loops:
        torch.manual_seed(int(torch.randint(1000, ())))
        loop.advance(batch())
    assert moved(loops[0].model, copied(loops[1].model)) == set()
    calm = loop_of(CALM)
    calm.advance(batch())
    assert "generator" in moved(calm.model, copied(loops[0].model))


def test_micro_batches_make_the_step_of_the_whole_batch(loop_of: LoopOf) -> None:
    overrides = (CALM, "run.batch=4")
    whole, parts = loop_of(*overrides), loop_of(*overrides, "run.accumulate=2")
    (everything,) = batch(samples=4)
    halves = [
        MicroBatch(first, {key: pictures[first : first + 2] for key, pictures in everything.tensors.items()})
        for first in (0, 2)
    ]
    one, other = whole.advance([everything]), parts.advance(halves)
    torch.testing.assert_close(one["reconstruction"], other["reconstruction"])
    torch.testing.assert_close(one["discriminator"], other["discriminator"])
    torch.testing.assert_close(
        whole.model.generator.model.model[0].weight, parts.model.generator.model.model[0].weight, atol=1e-5, rtol=0
    )


def test_holes_without_a_mask_in_the_batch_are_refused(loop_of: LoopOf) -> None:
    (pair,) = batch()
    tensors = {key: pair.tensors[key] for key in ("source", "target")}
    with pytest.raises(i2i.UsageError, match=r"needs a mask, such as dataset.use=self-paired with dataset.make=holes"):
        loop_of("model.answers=holes").advance([MicroBatch(0, tensors)])


@pytest.mark.parametrize("answers", ["picture", "holes"])
def test_preview_shows_source_made_and_target_and_trains_nothing(loop_of: LoopOf, answers: str) -> None:
    loop, (pair,) = loop_of(f"model.answers={answers}"), batch()
    before = copied(loop.model)
    columns, again = loop.preview(dict(pair.tensors)), loop.preview(dict(pair.tensors))
    assert list(columns) == ["source", "made", "target"]
    assert torch.equal(columns["source"], pair.tensors["source"])
    assert torch.equal(columns["target"], pair.tensors["target"])
    assert torch.equal(columns["made"], again["made"])
    assert moved(loop.model, before) == set()


def test_the_generator_alone_is_averaged(loop_of: LoopOf) -> None:
    assert {name.split(".")[0] for name in loop_of().ema.averages} == {"generator"}


def test_learning_rates_are_those_of_the_options_and_fall_together(loop_of: LoopOf) -> None:
    loop = loop_of("trainer.discriminator_learning_rate=5e-5", "trainer.decay_from=2", "trainer.decay_to=4")
    rates = []
    for number in range(4):
        loop.advance(batch(number))
        rates.append([loop.optimizers[name].param_groups[0]["lr"] for name in ("generator", "discriminator")])
    expected = [[2e-4, 5e-5], [2e-4, 5e-5], [2e-4, 5e-5], [1e-4, 2.5e-5]]
    assert [pytest.approx(pair) for pair in expected] == rates


def test_augmentation_changes_pictures_and_not_what_they_are_compared_with(loop_of: LoopOf) -> None:
    loop, seen = loop_of("trainer.augment=[cutout]"), []
    loop.model.discriminator.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach().clone()))
    (pair,) = batch()
    loop.advance([pair])
    assert all(torch.equal(pictures[:, :3], pair.tensors["source"]) for pictures in seen)
    assert not torch.equal(seen[0][:, 3:], pair.tensors["target"])
