from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import i2i
from i2i.training.batches import MicroBatch
from i2i.training.building import build_model, build_trainer
from i2i.training.checkpoints import pack, unpack
from i2i.training.loop import Loop
from i2i.training.runtime import Runtime
from i2i.training.turns import LoopTurn

TINY = ("model.width=4", "model.discriminator_width=4", "run.batch=2", "trainer.replay=3")
GENERATORS, DISCRIMINATORS = {"to_target", "to_source"}, {"judge_target", "judge_source"}
INSTALLED = i2i.discover()


def losses_of(kind: str) -> list[str]:
    return [name for name in INSTALLED.names("loss") if INSTALLED.find("loss", name).value.kind == kind]


ADVERSARIAL, REGULARISERS = losses_of("adversarial"), losses_of("regulariser")
LoopOf = Callable[..., Loop]


@pytest.fixture
def loop_of(catalog: i2i.Catalog) -> LoopOf:
    """A loop on a tiny model: `loop_of("losses.identity=null", precision="bf16")`."""

    def make(*overrides: str, precision: str = "fp32") -> Loop:
        recipe = i2i.load_recipe(catalog, "cyclegan-digits", overrides=[*TINY, *overrides])
        torch.manual_seed(recipe.run.seed)
        trainer = build_trainer(recipe, build_model(recipe.model))
        return Loop(trainer, Runtime(torch.device("cpu"), precision), recipe.run, recipe.trainer.entry.value.ema)

    return make


def batch(number: int = 0, side: int = 32, samples: int = 2) -> list[MicroBatch]:
    chance = torch.Generator().manual_seed(number)
    source, target = (torch.rand(samples, 3, side, side, generator=chance) for _ in range(2))
    return [MicroBatch(0, {"source": source, "target": target})]


def all_finite(scalars: Any) -> bool:
    return all(value.dim() == 0 and bool(torch.isfinite(value)) for value in scalars.values())


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}


def moved(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """The submodules of which a weight has changed."""
    return {key.split(".")[0] for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}


def count_calls(model: nn.Module) -> Counter[str]:
    calls: Counter[str] = Counter()
    for name, network in model.named_children():
        network.register_forward_hook(lambda *_, name=name: calls.update([name]))
    return calls


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_steps_are_finite_and_move_all_four_networks(loop_of: LoopOf, precision: str) -> None:
    loop = loop_of(precision=precision)
    before = copied(loop.model)
    for number in range(3):
        scalars = loop.advance(batch(number))
        assert all_finite(scalars)
    assert set(scalars) == {
        "adversarial",
        "cycle",
        "identity",
        "discriminator_target",
        "discriminator_source",
        "real_accuracy",
        "fake_accuracy",
    }
    assert moved(loop.model, before) == GENERATORS | DISCRIMINATORS
    assert all(parameter.dtype == torch.float32 for parameter in loop.model.parameters())


@pytest.mark.parametrize("adversarial", ADVERSARIAL)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_adversarial_loss_that_is_installed_plays_its_part(
    loop_of: LoopOf, adversarial: str, precision: str
) -> None:
    loop = loop_of(f"losses.adversarial.use={adversarial}", precision=precision)
    before = copied(loop.model)
    for number in range(2):
        assert all_finite(loop.advance(batch(number)))
    assert moved(loop.model, before) == GENERATORS | DISCRIMINATORS


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Overrides that name two folders of small random pictures."""
    folder = tmp_path_factory.mktemp("digits")
    for name in ("source", "target"):
        (folder / name).mkdir()
        for number in range(4):
            i2i.write_picture(i2i.to_image(torch.rand(3, 32, 32)), folder / name / f"{number}.png")
    return f"dataset.source={folder / 'source'}", f"dataset.target={folder / 'target'}"


@pytest.mark.parametrize("adversarial", ADVERSARIAL)
def test_a_run_needs_nothing_but_the_name_of_another_adversarial_loss(
    catalog: i2i.Catalog, digits: tuple[str, ...], tmp_path: Path, adversarial: str
) -> None:
    small = ("run.steps=3", "run.log_every=1", "run.device=cpu", "run.workers=0", *TINY, *digits)
    overrides = [*small, f"losses.adversarial.use={adversarial}"]
    recipe = i2i.load_recipe(catalog, "cyclegan-digits", overrides=overrides)
    fit = i2i.start(catalog, recipe, tmp_path / "run")
    before = copied(fit.loop.model)
    fit.run()
    assert moved(fit.loop.model, before) == GENERATORS | DISCRIMINATORS
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    for line in lines:
        assert all(0 <= line[side] <= 1 for side in ("real_accuracy", "fake_accuracy"))
        assert all(math.isfinite(line[name]) for name in ("adversarial", "discriminator_target"))


@pytest.mark.parametrize("regulariser", REGULARISERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_regulariser_that_is_installed_holds_back_the_discriminators_alone(
    loop_of: LoopOf, regulariser: str, precision: str
) -> None:
    plain = loop_of(precision=precision)
    loop = loop_of(f"losses.regulariser={{use: {regulariser}, weight: 10}}", precision=precision)
    first, second = plain.advance(batch()), dict(loop.advance(batch()))
    assert all_finite(second)
    assert second.pop("penalty") > 0
    assert second == first, "the rest of the log is of the game alone"
    assert moved(loop.model, copied(plain.model)) == DISCRIMINATORS


def test_the_regulariser_is_halved_as_the_rest_of_the_discriminators_objective_is(
    loop_of: LoopOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: dict[str, list[Tensor]] = {"generators": [], "discriminators": []}
    add, minimise = LoopTurn.add, LoopTurn.minimise

    def added(turn: LoopTurn, loss: Tensor) -> None:
        parts[turn.name].append(loss.detach())
        add(turn, loss)

    def minimised(turn: LoopTurn, loss: Tensor) -> None:
        parts[turn.name].append(loss.detach())
        minimise(turn, loss)

    monkeypatch.setattr(LoopTurn, "add", added)
    monkeypatch.setattr(LoopTurn, "minimise", minimised)
    penalties = 0.0
    model, pictures = loop_of().model, batch()[0].tensors
    model.requires_grad_(True)
    for judge, seen in ((model.judge_target, pictures["target"]), (model.judge_source, pictures["source"])):
        signed = (2 * seen - 1).requires_grad_()  # as in the papers
        (gradient,) = torch.autograd.grad(judge((signed + 1) / 2).mean((1, 2, 3)).sum(), signed)
        penalties += 2 * gradient.square().sum((1, 2, 3)).mean() / 2

    for every in (1, 3):
        loop = loop_of(f"losses.regulariser={{use: r1, weight: 2, every: {every}}}")
        loop.step = 2  # the third
        parts["discriminators"].clear()
        scalars = loop.advance(batch())
        game = scalars["discriminator_target"] + scalars["discriminator_source"]
        torch.testing.assert_close(scalars["penalty"], penalties / 2)
        torch.testing.assert_close(torch.stack(parts["discriminators"]).sum(), game + every * penalties / 2)


def test_a_penalty_is_logged_at_the_steps_that_computed_it(loop_of: LoopOf) -> None:
    loop = loop_of("losses.regulariser={use: r1, weight: 1, every: 2}")
    assert ["penalty" in loop.advance(batch(number)) for number in range(4)] == [False, True, False, True]
    own = loop_of("losses.adversarial.use=wgan-gp")
    assert "penalty" in own.advance(batch())


def test_micro_batches_tell_the_mean_of_their_penalties(loop_of: LoopOf) -> None:
    overrides = ("run.batch=4", "trainer.replay=0", "losses.regulariser={use: r1, weight: 1, every: 2}")
    whole, parts = loop_of(*overrides), loop_of(*overrides, "run.accumulate=2")
    (everything,) = batch(samples=4)
    halves = [
        MicroBatch(first, {key: pictures[first : first + 2] for key, pictures in everything.tensors.items()})
        for first in (0, 2)
    ]
    whole.step = parts.step = 1
    torch.testing.assert_close(parts.advance(halves)["penalty"], whole.advance([everything])["penalty"])


def test_a_lazy_regulariser_spares_the_discriminators_the_steps_between(loop_of: LoopOf) -> None:
    loop = loop_of("losses.regulariser={use: r1, weight: 1, every: 2}")
    judged = []
    for number in range(4):
        calls = count_calls(loop.model)
        loop.advance(batch(number))
        judged.append(calls["judge_target"])
    assert judged == [3, 4, 3, 4]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_augmentation_changes_what_all_judges_see_and_trains(loop_of: LoopOf, precision: str) -> None:
    loop = loop_of("trainer.augment=[colour, translation, cutout]", precision=precision)
    judged: list[Tensor] = []
    loop.model.judge_source.register_forward_pre_hook(lambda _, inputs: judged.append(inputs[0]))
    before, micro_batch = copied(loop.model), batch()
    assert all_finite(loop.advance(micro_batch))
    assert moved(loop.model, before) == GENERATORS | DISCRIMINATORS
    assert len(judged) == 3
    assert not any(torch.equal(pictures, micro_batch[0].tensors["source"]) for pictures in judged)
    assert all((picture == 0.5).any() for pictures in judged for picture in pictures)


def test_accuracies_are_means_over_both_judges(loop_of: LoopOf) -> None:
    loop = loop_of("trainer.replay=0")
    seen: dict[str, list[Tensor]] = {"judge_target": [], "judge_source": []}
    for name, logits in seen.items():
        getattr(loop.model, name).register_forward_hook(lambda *call, logits=logits: logits.append(call[2].detach()))
    scalars = loop.advance(batch())
    real, fake = (torch.stack([logits[turn] for logits in seen.values()]) for turn in (1, 2))
    assert scalars["real_accuracy"] == (real > 0.5).float().mean()  # least squares: half-way between 1 and 0
    assert scalars["fake_accuracy"] == (fake < 0.5).float().mean()


def test_an_adversarial_loss_that_compares_with_real_logits_is_handed_them(loop_of: LoopOf) -> None:
    seen = []

    class Relativistic(nn.Module):
        def generator(self, fake_logits: Tensor, real_logits: Tensor) -> Tensor:
            seen.append((fake_logits.shape, real_logits.shape))
            return F.softplus(real_logits - fake_logits).mean()

        def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
            return F.softplus(fake_logits - real_logits).mean()

    loop = loop_of()
    loss = loop.trainer.losses["adversarial"]
    loss.loss, loss.needs_real_logits = Relativistic(), True
    assert all_finite(loop.advance(batch()))
    assert len(seen) == 2
    assert all(fake == real for fake, real in seen)


def test_in_each_turn_exactly_its_own_networks_learn(loop_of: LoopOf, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = loop_of()
    taken: list[tuple[str, set[str], set[str]]] = []
    apply = loop.turns.apply

    def watched(name: str, closure: Any = None) -> None:
        with_gradient = {
            key.split(".")[0] for key, parameter in loop.model.named_parameters() if parameter.grad is not None
        }
        before = copied(loop.model)
        apply(name, closure)
        taken.append((name, with_gradient, moved(loop.model, before)))

    monkeypatch.setattr(loop.turns, "apply", watched)
    loop.advance(batch())
    assert taken == [
        ("generators", GENERATORS, GENERATORS),
        ("discriminators", DISCRIMINATORS, DISCRIMINATORS),
    ]


def test_discriminators_send_no_gradient_into_the_generators(loop_of: LoopOf) -> None:
    """What a discriminator judges in its own turn is cut off from the network that drew it."""
    loop = loop_of("trainer.replay=0")
    judged: list[Tensor] = []
    loop.model.judge_target.register_forward_pre_hook(lambda _, inputs: judged.append(inputs[0]))
    loop.advance(batch())
    assert [pictures.requires_grad for pictures in judged] == [True, False, False]  # fools; then real and fake


@pytest.mark.parametrize("override", ["losses.identity=null", "losses.identity.weight=0"])
def test_identity_loss_that_is_off_costs_no_forward_pass(loop_of: LoopOf, override: str) -> None:
    loop = loop_of(override)
    calls = count_calls(loop.model)
    scalars = loop.advance(batch())
    assert all_finite(scalars)
    assert scalars["identity"] == 0
    assert {name: calls[name] for name in GENERATORS} == {"to_target": 2, "to_source": 2}  # there, and back


def test_a_step_calls_no_network_more_often_than_the_scheme_needs(loop_of: LoopOf) -> None:
    loop = loop_of()
    calls = count_calls(loop.model)
    loop.advance(batch())
    assert calls == {"to_target": 3, "to_source": 3, "judge_target": 3, "judge_source": 3}


def test_cycle_and_identity_weigh_pictures_in_minus_one_to_one_as_the_paper_does(loop_of: LoopOf) -> None:
    loop = loop_of("losses.cycle.weight=10", "losses.identity.weight=5")
    (micro_batch,) = batch()
    source, target = micro_batch.tensors["source"], micro_batch.tensors["target"]

    def distance(one: Tensor, other: Tensor) -> Tensor:
        return F.l1_loss(one * 2 - 1, other * 2 - 1)

    with torch.no_grad():
        there, back = loop.model.to_target, loop.model.to_source
        cycle = distance(back(there(source)), source) + distance(there(back(target)), target)
        identity = distance(there(target), target) + distance(back(source), source)
    scalars = loop.advance([micro_batch])
    torch.testing.assert_close(scalars["cycle"], 10 * cycle)
    torch.testing.assert_close(scalars["identity"], 5 * identity)


def test_adversarial_losses_are_those_of_the_paper(loop_of: LoopOf) -> None:
    """Section 4: least squares; appendix 7.1: the discriminators' objective is halved."""
    loop = loop_of("trainer.replay=0")
    (micro_batch,) = batch()
    source, target = micro_batch.tensors["source"], micro_batch.tensors["target"]
    model = loop.model
    with torch.no_grad():
        fake_target, fake_source = model.to_target(source), model.to_source(target)
        on_target, on_source = model.judge_target(fake_target), model.judge_source(fake_source)
        fooled = (on_target - 1).square().mean() + (on_source - 1).square().mean()
        judged_target = ((model.judge_target(target) - 1).square().mean() + on_target.square().mean()) / 2
        judged_source = ((model.judge_source(source) - 1).square().mean() + on_source.square().mean()) / 2
    scalars = loop.advance([micro_batch])
    torch.testing.assert_close(scalars["adversarial"], fooled)
    torch.testing.assert_close(scalars["discriminator_target"], judged_target)
    torch.testing.assert_close(scalars["discriminator_source"], judged_source)


def test_learning_rate_is_constant_and_then_falls_linearly_to_zero(loop_of: LoopOf) -> None:
    loop = loop_of("trainer.learning_rate=0.004", "trainer.decay_from=2", "trainer.decay_to=6")
    rates = []
    for number in range(7):
        before = copied(loop.model)
        loop.advance(batch(number))
        rates.append({group["lr"] for optimizer in loop.optimizers.values() for group in optimizer.param_groups})
    assert rates == [{rate} for rate in (0.004, 0.004, 0.004, 0.003, 0.002, 0.001, 0.0)]
    assert moved(loop.model, before) == set()


def test_adam_has_the_options_betas(loop_of: LoopOf) -> None:
    loop = loop_of("trainer.beta1=0.4", "trainer.beta2=0.9")
    assert set(loop.optimizers) == {"generators", "discriminators"}
    assert all(optimizer.defaults["betas"] == (0.4, 0.9) for optimizer in loop.optimizers.values())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_unet_generator_trains(loop_of: LoopOf, precision: str) -> None:
    loop = loop_of(
        "model.generator=unet-128", "model.width=2", "dataset.resize=128", "dataset.crop=128", precision=precision
    )
    before = copied(loop.model)
    assert all_finite(loop.advance(batch(side=128, samples=1)))
    assert moved(loop.model, before) == GENERATORS | DISCRIMINATORS


def test_resize_convolution_trains(loop_of: LoopOf) -> None:
    loop = loop_of("model.upsampling=resize")
    before = copied(loop.model)
    assert all_finite(loop.advance(batch()))
    assert moved(loop.model, before) == GENERATORS | DISCRIMINATORS


def test_micro_batches_move_the_networks_as_their_whole_batch_does(loop_of: LoopOf) -> None:
    whole = loop_of("run.batch=4", "trainer.replay=0")
    parts = loop_of("run.batch=4", "run.accumulate=2", "trainer.replay=0")
    (everything,) = batch(samples=4)
    halves = [
        MicroBatch(first, {key: pictures[first : first + 2] for key, pictures in everything.tensors.items()})
        for first in (0, 2)
    ]
    for loop, given in ((whole, [everything]), (parts, halves)):
        loop.optimizers = {name: torch.optim.SGD(loop.turns.parameters[name], 0.1) for name in loop.optimizers}
        loop.turns.optimizers = loop.optimizers
        for optimizer in loop.optimizers.values():
            optimizer.param_groups[0]["initial_lr"] = 0.1
        loop.advance(given)
    # the parts' discriminators see the same pictures: their generators step only after the second part
    for (key, one), other in zip(whole.model.state_dict().items(), parts.model.state_dict().values(), strict=True):
        assert (one - other).abs().max() <= 1e-6, key


def test_replay_pools_travel_with_the_trainers_state(loop_of: LoopOf) -> None:
    loop, fresh = loop_of(), loop_of()
    for number in range(3):
        loop.advance(batch(number))
    tree, tensors = pack(loop.trainer.state_dict())
    fresh.trainer.load_state_dict(unpack(json.loads(json.dumps(tree)), tensors))
    for name in ("shown_targets", "shown_sources"):
        kept, restored = getattr(loop.trainer, name).pictures, getattr(fresh.trainer, name).pictures
        assert len(restored) == 3
        assert all(torch.equal(one, other) for one, other in zip(kept, restored, strict=True))


def test_a_loop_that_was_saved_goes_on_bit_for_bit(loop_of: LoopOf) -> None:
    loop = loop_of()
    for number in range(3):
        loop.advance(batch(number))
    tree, tensors = pack(loop.state_dict())
    later = [loop.advance(batch(number)) for number in (3, 4)]

    resumed = loop_of()
    resumed.load_state_dict(unpack(json.loads(json.dumps(tree)), tensors))
    again = [resumed.advance(batch(number)) for number in (3, 4)]
    assert later == again
    assert moved(resumed.model, copied(loop.model)) == set()


def test_preview_shows_both_directions_and_both_ways_back_and_trains_nothing(loop_of: LoopOf) -> None:
    loop = loop_of()
    loop.advance(batch())
    before = copied(loop.model)
    pictures = loop.preview(batch(1)[0].tensors)
    assert list(pictures) == ["source", "as target", "and back", "target", "as source", "and back again"]
    assert all(shown.shape == (2, 3, 32, 32) and 0 <= shown.min() <= shown.max() <= 1 for shown in pictures.values())
    assert moved(loop.model, before) == set()


def test_a_model_without_judges_is_refused_by_name(catalog: i2i.Catalog) -> None:
    recipe = i2i.load_recipe(catalog, "cyclegan-digits", overrides=TINY)
    model = build_model(recipe.model)
    del model.judge_source
    with pytest.raises(
        i2i.UsageError, match=r"needs a model with .*; 'cyclegan' has to_target, to_source, judge_target$"
    ):
        build_trainer(recipe, model)
