import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam

from i2i import I2IError, Trainer
from i2i.errors import UsageError
from i2i.recipe import RunOptions
from i2i.training.batches import MicroBatch
from i2i.training.loop import Loop
from i2i.training.runtime import Runtime
from i2i.training.turns import LoopTurns

FORKED = torch.multiprocessing.get_context("forkserver")
FP32, BF16 = (Runtime(torch.device("cpu"), precision) for precision in ("fp32", "bf16"))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.other, self.alone = nn.Linear(3, 3), nn.Linear(3, 1), nn.Linear(3, 3)


class PairTrainer(Trainer):
    """Whatever `play` says is a step."""

    def __init__(self, play, optimizers=None, rate=None):
        super().__init__(Pair(), {}, SimpleNamespace())
        self.play, self.make, self.rate = play, optimizers, rate

    def optimizers(self):
        if self.make:
            return self.make(self.model)
        return {"one": SGD(self.model.one.parameters(), 0.1), "other": SGD(self.model.other.parameters(), 0.1)}

    def learning_rate(self, optimizer, step):
        return self.rate(step) if self.rate else 1.0

    def step(self, batch, turns):
        return self.play(self.model, batch["x"], turns) or {}


def loop_of(play, runtime=FP32, make=None, rate=None, **run):
    return Loop(PairTrainer(play, make, rate), runtime, RunOptions(**run))


def batches(x, parts=1):
    size = len(x) // parts
    return [MicroBatch(part * size, {"x": x[part * size : (part + 1) * size]}) for part in range(parts)]


def everything(model):
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])


def minimise_one(model, x, turns):
    with turns("one") as turn:
        turn.minimise(model.other(model.one(x)).square().mean())


def test_exactly_the_turns_own_parameters_learn():
    seen = {}

    def play(model, x, turns):
        seen["before"] = [p.requires_grad for p in model.parameters()]
        for name in ("one", "other"):
            with turns(name) as turn:
                seen[name] = {key for key, p in model.named_parameters() if p.requires_grad}
                turn.minimise(model.other(model.one(x)).mean())
        seen["after"] = [p.requires_grad for p in model.parameters()]

    loop = loop_of(play)
    alone = loop.model.alone.weight.clone()
    loop.advance(batches(torch.ones(2, 3)))
    assert not any(seen["before"] + seen["after"])
    assert seen["one"] == {"one.weight", "one.bias"}
    assert seen["other"] == {"other.weight", "other.bias"}
    assert torch.equal(loop.model.alone.weight, alone)


def test_an_unknown_turn_is_named():
    def play(model, x, turns):
        with turns("critic"):
            pass

    with pytest.raises(I2IError, match=r"turn 'critic': the trainer has no such optimizer \(it has: one, other\)"):
        loop_of(play).advance(batches(torch.ones(2, 3)))


@pytest.mark.parametrize("make", [None, lambda m: {"one": Adam(m.one.parameters(), 0.01)}], ids=["SGD", "Adam"])
def test_micro_batches_give_the_step_of_the_whole_batch(make):
    x = torch.randn(8, 3)
    whole = loop_of(minimise_one, make=make, batch=8)
    parts = loop_of(minimise_one, make=make, batch=8, accumulate=4)
    for _ in range(5):
        whole.advance(batches(x))
        parts.advance(batches(x, 4))
    assert torch.allclose(everything(whole.model), everything(parts.model), atol=1e-6)


def test_turns_that_share_parameters_share_no_gradients_over_micro_batches():
    def make(model):
        shared = list(model.one.parameters())
        return {
            "one": SGD([*shared], 0.1),
            "other": SGD([*shared, *model.other.parameters()], 0.05),
        }

    def play(model, x, turns):
        with turns("one") as turn:
            turn.minimise(model.one(x).square().mean())
        with turns("other") as turn:
            turn.minimise(model.other(model.one(x)).mean())

    x = torch.randn(4, 3)
    loop = loop_of(play, make=make, batch=4, accumulate=2)
    expected = Pair()
    first = torch.autograd.grad(expected.one(x).square().mean(), expected.one.weight)[0]
    second = torch.autograd.grad(expected.other(expected.one(x)).mean(), expected.one.weight)[0]
    loop.advance(batches(x, 2))
    moved = expected.one.weight - 0.1 * first - 0.05 * second
    assert torch.allclose(loop.model.one.weight, moved, atol=1e-6)


def test_minimising_twice_is_refused_with_micro_batches_and_fine_without():
    def twice(model, x, turns):
        minimise_one(model, x, turns)
        minimise_one(model, x, turns)

    loop_of(twice).advance(batches(torch.ones(2, 3)))
    with pytest.raises(I2IError, match=r"turn 'one' minimises twice in one step.*set run\.accumulate=1"):
        loop_of(twice, batch=2, accumulate=2).advance(batches(torch.ones(2, 3), 2))


def test_a_missing_gradient_counts_as_zero():
    def make(model):
        return {"all": SGD([*model.one.parameters(), *model.alone.parameters()], 0.1, momentum=0.9)}

    def play(model, x, turns):
        with turns("all") as turn:
            turn.minimise(model.one(x).mean())

    loop = loop_of(play, make=make)
    alone = loop.model.alone.weight.clone()
    loop.advance(batches(torch.ones(2, 3)))
    assert torch.equal(loop.model.alone.weight, alone)


def test_gradients_are_clipped_to_the_norm():
    loop = loop_of(minimise_one, clip=1e-3)
    before = loop.model.one.weight.clone(), loop.model.one.bias.clone()
    loop.advance(batches(100 * torch.ones(2, 3)))
    moved = torch.cat([(loop.model.one.weight - before[0]).reshape(-1), loop.model.one.bias - before[1]])
    assert moved.norm().item() == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_the_schedule_is_absolute():
    loop = loop_of(minimise_one, rate=lambda step: 0.5**step)
    rates = []
    for _ in range(3):
        loop.advance(batches(torch.ones(2, 3)))
        rates.append(loop.optimizers["one"].param_groups[0]["lr"])
    assert rates == [0.1, 0.05, 0.025]


def test_a_loss_that_is_no_scalar_is_refused():
    def play(model, x, turns):
        with turns("one") as turn:
            turn.minimise(model.one(x).mean(1))

    with pytest.raises(I2IError, match=r"turn 'one': minimise takes a 0-dim loss, found shape \(2,\)"):
        loop_of(play).advance(batches(torch.ones(2, 3)))


def test_a_closure_serves_lbfgs_and_refuses_micro_batches():
    losses = []

    def play(model, x, turns):
        def loss():
            losses.append((model.one(x) - 1).square().mean())
            return losses[-1]

        with turns("one") as turn:
            turn.minimise(loss)

    def make(model):
        return {"one": LBFGS(model.one.parameters(), max_iter=20, line_search_fn="strong_wolfe")}

    loop_of(play, make=make).advance(batches(torch.randn(4, 3)))
    assert losses[-1] < 1e-6 < losses[0]
    with pytest.raises(I2IError, match=r"evaluates its loss several times a step: set run\.accumulate=1"):
        loop_of(play, make=make, batch=2, accumulate=2).advance(batches(torch.ones(2, 3), 2))


@pytest.mark.parametrize("minimisations", ["in two turns", "in one turn"])
def test_what_follows_a_step_is_computed_with_the_stepped_weights_in_bf16(minimisations):
    outputs = []

    def minimise(model, x, turn):
        answer = model.one(x)
        outputs.append(answer.detach().float())
        turn.minimise(answer.square().mean())

    def play(model, x, turns):
        with turns("one") as turn:
            minimise(model, x, turn)
            if minimisations == "in one turn":
                minimise(model, x, turn)
        if minimisations == "in two turns":
            with turns("one") as turn:
                minimise(model, x, turn)

    def make(model):
        return {"one": SGD(model.one.parameters(), 10.0)}

    loop_of(play, BF16, make).advance(batches(torch.ones(2, 3)))
    assert (outputs[0] - outputs[1]).abs().max() > 0.1


def test_noise_is_drawn_per_sample_whatever_the_partition():
    drawn = []

    def play(model, x, turns):
        drawn.append((turns.noise((len(x), 2)), turns.noise((len(x), 2))))

    loop_of(play, batch=6).advance(batches(torch.ones(6, 3)))
    loop_of(play, batch=6, accumulate=3).advance(batches(torch.ones(6, 3), 3))
    whole, *parts = drawn
    assert torch.equal(whole[0], torch.cat([part[0] for part in parts]))
    assert torch.equal(whole[1], torch.cat([part[1] for part in parts]))
    assert not torch.equal(whole[0], whole[1])


def test_noise_differs_from_step_to_step_and_refuses_another_batch_size():
    turns = LoopTurns(PairTrainer(lambda *_: None), {}, FP32)
    turns.begin(0, 0, 0, 2)
    first = turns.noise((2, 3))
    turns.begin(1, 0, 0, 2)
    assert not torch.equal(first, turns.noise((2, 3)))
    with pytest.raises(I2IError, match=r"noise\(\(3, 1\)\): the first size must be the batch's, 2"):
        turns.noise((3, 1))


def test_plain_chance_is_a_function_of_the_step():
    drawn = []

    def play(model, x, turns):
        drawn.append(torch.randn(2))

    for start in (0, 1):
        loop = loop_of(play)
        loop.step = start
        for _ in range(2 - start):
            torch.manual_seed(99 + len(drawn))
            loop.advance(batches(torch.ones(2, 3)))
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[1], drawn[2])


STEPS = 20


def _rank(rank, store, x, parts, results):
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    sums = []

    def play(model, part, turns):
        minimise_one(model, part, turns)
        sums.append(turns.reduce(part.sum()))

    runtime = Runtime.choose("cpu", "fp32")
    loop = loop_of(play, runtime, batch=8, accumulate=parts)
    size = 8 // parts // 2
    for _ in range(STEPS):
        first = [part * 2 * size + rank * size for part in range(parts)]
        loop.advance([MicroBatch(start, {"x": x[start : start + size]}) for start in first])
    results[rank] = (everything(loop.model), sum(sums[:parts]))
    torch.distributed.destroy_process_group()


def in_two_ranks(work, *arguments):
    """Two processes, forked from one that has imported torch."""
    FORKED.set_forkserver_preload(["torch._dynamo", "i2i.training.loop"])
    torch.multiprocessing.start_processes(work, arguments, nprocs=2, start_method="forkserver")


@pytest.mark.parametrize("parts", [1, 2])
def test_two_ranks_learn_what_one_learns(tmp_path, monkeypatch, parts):
    # their processes import this module by its name: not as part of `tests`, which other distributions install too
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setitem(sys.modules, "test_turns", sys.modules[__name__])
    monkeypatch.setattr(_rank, "__module__", "test_turns")
    x = torch.randn(8, 3)
    alone = loop_of(minimise_one, batch=8)
    for _ in range(STEPS):
        alone.advance(batches(x))
    with torch.multiprocessing.Manager() as manager:
        results = manager.dict()
        in_two_ranks(_rank, tmp_path / "store", x, parts, results)
        assert torch.equal(results[0][0], results[1][0])
        for parameters, total in (results[0], results[1]):
            assert torch.allclose(parameters, everything(alone.model), rtol=0, atol=1e-6)
            assert torch.allclose(total, x.sum(), atol=1e-5)


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))


class NormedTrainer(PairTrainer):
    def __init__(self):
        Trainer.__init__(self, Normed(), {}, SimpleNamespace())

    def optimizers(self):
        return {"body": SGD(self.model.parameters(), 0.1)}

    def learning_rate(self, optimizer, step):
        return 1.0

    def step(self, batch, turns):
        with turns("body") as turn:
            turn.minimise(self.model.body(batch["x"]).square().mean())
        return {}


def _normed_rank(rank, store, x, results):
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    loop = Loop(NormedTrainer(), Runtime.choose("cpu", "fp32"), RunOptions(batch=8))
    for _ in range(STEPS):
        loop.advance([MicroBatch(4 * rank, {"x": x[4 * rank : 4 * rank + 4]})])
    results[rank] = {name: value.clone() for name, value in loop.model.state_dict().items()}
    torch.distributed.destroy_process_group()


def two_shards_in_one_process(x):
    """What two ranks are to learn, in plain torch: each normalises its half, gradients and statistics are averaged."""
    shards = [Normed() for _ in range(2)]
    for _ in range(STEPS):
        for shard, part in zip(shards, x.split(4), strict=True):
            shard.zero_grad()
            shard.body(part).square().mean().backward()
        with torch.no_grad():
            for one, other in zip(*(shard.parameters() for shard in shards), strict=True):
                change = 0.1 * (one.grad + other.grad) / 2
                one -= change
                other -= change
            for one, other in zip(*(shard.buffers() for shard in shards), strict=True):
                if one.is_floating_point():
                    one.copy_((one + other) / 2)
                    other.copy_(one)
    return shards[0].state_dict()


def test_ranks_with_batch_norm_learn_what_two_shards_in_one_process_learn(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setitem(sys.modules, "test_turns", sys.modules[__name__])
    monkeypatch.setattr(_normed_rank, "__module__", "test_turns")
    x = torch.randn(8, 3)
    expected = two_shards_in_one_process(x)
    with torch.multiprocessing.Manager() as manager:
        results = manager.dict()
        in_two_ranks(_normed_rank, tmp_path / "store", x, results)
        one, other = results[0], results[1]
    assert all(torch.equal(one[name], other[name]) for name in expected)
    assert all(torch.allclose(one[name].double(), expected[name].double(), rtol=0, atol=1e-6) for name in expected)
    assert one["body.1.num_batches_tracked"] == STEPS


def _searching_rank(rank, store, x, results):
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)

    def play(model, part, turns):
        with turns("one") as turn:
            turn.minimise(lambda: (model.one(part) - part.flip(1)).square().mean())

    def make(model):
        return {"one": LBFGS(model.one.parameters(), max_iter=5, line_search_fn="strong_wolfe")}

    loop = loop_of(play, Runtime.choose("cpu", "fp32"), make, batch=8)
    for _ in range(3):
        loop.advance([MicroBatch(4 * rank, {"x": x[4 * rank : 4 * rank + 4]})])
    results[rank] = everything(loop.model)
    torch.distributed.destroy_process_group()


def test_ranks_search_along_one_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setitem(sys.modules, "test_turns", sys.modules[__name__])
    monkeypatch.setattr(_searching_rank, "__module__", "test_turns")
    x = torch.cat([torch.randn(4, 3), 5 * torch.randn(4, 3)])
    with torch.multiprocessing.Manager() as manager:
        results = manager.dict()
        in_two_ranks(_searching_rank, tmp_path / "store", x, results)
        assert torch.equal(results[0], results[1])


def test_batch_norms_are_synchronised_on_cuda_alone():
    model = Normed()
    assert FP32.synchronised(model) is model
    with pytest.raises(UsageError, match=r"sync_batch_norm: torch synchronises .* these 2 ranks compute on cpu;"):
        Runtime(torch.device("cpu"), "fp32", 0, 2).synchronised(model)
    on_cuda = Runtime(torch.device("cuda"), "fp32", 0, 2).synchronised(model)
    assert isinstance(on_cuda.body[1], nn.SyncBatchNorm)
    assert [*on_cuda.state_dict()] == [*Normed().state_dict()]


def test_optimise_runs_a_scheme_on_one_batch_inside_no_grad():
    heard = []

    def play(model, x, turns):
        loss = (model.one(x) - 1).square().mean()
        with turns("one") as turn:
            loss = (model.one(x) - 1).square().mean()
            turn.minimise(loss)
        return {"loss": loss.detach()}

    from i2i import Request

    request = Request(report=lambda fraction, **scalars: heard.append((fraction, scalars["loss"])))
    with torch.no_grad():
        Loop.optimise(PairTrainer(play), {"x": torch.randn(4, 3)}, 30, request)
    assert heard[-1][0] == 1.0
    assert heard[-1][1] < heard[0][1]


def test_optimise_stops_where_a_scalar_is_not_finite():
    def play(model, x, turns):
        return {"good": x.sum(), "loss": x.sum() * float("nan")}

    with pytest.raises(I2IError, match="iteration 1: loss is nan; try other weights or a lower rate"):
        Loop.optimise(PairTrainer(play), {"x": torch.randn(4, 3)}, 3)
