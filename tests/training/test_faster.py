"""Options that change how fast a run is, and what of it they leave as it was."""

from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.optim import SGD, Adam, AdamW

from i2i import I2IError, Trainer
from i2i.recipe import RunOptions
from i2i.training.batches import MicroBatch
from i2i.training.compiling import compiling
from i2i.training.guard import step_unless_infinite
from i2i.training.loop import Loop
from i2i.training.optimising import masks_itself, settle
from i2i.training.recomputing import recompute
from i2i.training.runtime import Runtime, without_tf32
from i2i.training.starting import start

FP32 = Runtime(torch.device("cpu"), "fp32")


class Block(nn.Module):
    def __init__(self, norm=True, dropout=True):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1, bias=False)  # before a norm its gradient is noise
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.dropout = nn.Dropout(0.5) if dropout else nn.Identity()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x + self.dropout(self.norm(self.first(x)).relu())


class Net(nn.Module):
    def __init__(self, blocks=3, dropout=True):
        super().__init__()
        torch.manual_seed(0)
        self.painter = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), *(Block(dropout=dropout) for _ in range(blocks)), nn.Conv2d(4, 3, 1)
        )


class NetTrainer(Trainer):
    def __init__(self, model=None):
        super().__init__(model or Net(), {}, SimpleNamespace())
        self.strides = []

    def optimizers(self):
        return {"painter": Adam(self.model.painter.parameters(), 0.01)}

    def step(self, batch, turns):
        self.strides.append(batch["x"].stride())
        with turns("painter") as turn:
            painted = self.model.painter(batch["x"])
            loss = (painted - batch["x"]).square().mean()
            turn.minimise(loss)
        return {"loss": loss.detach()}

    def preview(self, batch):
        return {"painted": self.model.painter(batch["x"])}


def trained(steps=3, model=None, **run):
    loop = Loop(NetTrainer(model), FP32, RunOptions(**run), ema=("painter",))
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        loop.advance([MicroBatch(0, {"x": x})])
    return loop


def state(loop):
    return {key: value.clone() for key, value in loop.model.state_dict().items()}


# memory format


@pytest.mark.parametrize(("asked", "is_last"), [("auto", False), ("contiguous", False), ("channels-last", True)])
def test_the_order_in_memory_is_the_one_asked_for_and_gives_the_same(asked, is_last):
    loop = trained(model=Net(dropout=False), memory_format=asked, ema=0.9)  # dropout draws in the order of memory
    weight = loop.model.painter[1].first.weight
    (optimizer,) = loop.optimizers.values()
    for tensor in (weight, optimizer.state[weight]["exp_avg"], loop.ema.averages["painter.1.first.weight"]):
        assert tensor.is_contiguous(memory_format=torch.channels_last) == is_last
    assert (loop.trainer.strides[0][1] == 1) == is_last
    expected = state(trained(model=Net(dropout=False)))
    assert all(torch.allclose(value, expected[key], atol=1e-5) for key, value in state(loop).items())


def test_auto_is_channels_last_for_bf16_on_cuda_alone():
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert Runtime(cuda, "bf16").memory_format("auto") is torch.channels_last
    for runtime in (Runtime(cuda, "fp32"), Runtime(cpu, "bf16"), Runtime(cpu, "fp32")):
        assert runtime.memory_format("auto") is None
    assert Runtime(cuda, "bf16").memory_format("contiguous") is torch.contiguous_format


def test_a_run_in_channels_last_goes_on_bit_for_bit():
    whole = trained(4, memory_format="channels-last")
    half = trained(2, memory_format="channels-last")
    saved = half.state_dict()
    plain = {
        "state": {
            place: {name: value.clone(memory_format=torch.contiguous_format) for name, value in kept.items()}
            for place, kept in saved["optimizers"]["painter"]["state"].items()
        },
        "param_groups": saved["optimizers"]["painter"]["param_groups"],
    }
    other = trained(0, memory_format="channels-last")
    other.load_state_dict({**saved, "optimizers": {"painter": plain}})
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        other.advance([MicroBatch(0, {"x": x})])
    expected = state(whole)
    assert all(torch.equal(value, expected[key]) for key, value in state(other).items())
    weight = other.model.painter[1].first.weight
    assert other.optimizers["painter"].state[weight]["exp_avg"].stride() == weight.stride()


# recomputation


def test_recomputing_changes_nothing_but_how_often_blocks_are_computed():
    plain, recomputing = trained(), trained(recompute=True)
    expected = state(plain)
    assert all(torch.equal(value, expected[key]) for key, value in state(recomputing).items())
    assert int(recomputing.model.painter[1].norm.num_batches_tracked) == 3
    assert [block.calls for block in list(plain.model.painter)[1:4]] == [3] * 3
    assert [block.calls for block in list(recomputing.model.painter)[1:4]] == [6] * 3
    assert recomputing.recomputed == 3
    assert state(recomputing).keys() == expected.keys()


def test_a_preview_computes_blocks_once():
    loop = trained(1, recompute=True)
    before = loop.model.painter[1].calls
    loop.preview({"x": torch.rand(2, 3, 8, 8)})
    assert loop.model.painter[1].calls == before + 1


def test_recomputing_keeps_less():
    def kept(**run):
        loop, held = trained(0, Net(8), **run), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: held.append(t.nbytes) or t, lambda t: t):
            loop.advance([MicroBatch(0, {"x": torch.rand(2, 3, 32, 32)})])
        return sum(held)

    assert kept(recompute=True) < kept()  # what is kept while a single block is computed again counts, too


def test_blocks_that_remember_and_what_is_no_block_are_left_alone():
    torch.nn.utils.parametrizations.spectral_norm((spectral := Net()).painter[1].first)
    assert recompute(spectral) == 2
    assert recompute(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.ReLU())) == 0
    assert recompute(Net(1)) == 0
    assert recompute(nn.ModuleList([nn.Sequential(Net(), nn.ReLU()), nn.Identity()])) == 3


def test_a_run_says_how_many_blocks_it_recomputes(catalog, alien_recipe, tmp_path, new_notes):
    going = start(
        catalog, alien_recipe("run.recompute=true", "run.steps=1"), tmp_path / "run", listener=(notes := new_notes())
    )
    assert "run.recompute: no repeated blocks are computed again for their gradients" in notes.lines
    assert going.loop.recomputed == 0


def test_what_is_compiled_is_not_recomputed():
    with pytest.raises(ValidationError, match="recompute and compile = default: compiled networks are not recomputed"):
        RunOptions(recompute=True, compile="default")


# compiling


def test_without_a_compiler_one_line_says_what_is_missing():
    from torch._inductor.exc import InvalidCxxCompiler

    with (
        pytest.raises(I2IError, match=r"^run\.compile=default: torch cannot compile .* run\.compile=null$") as caught,
        compiling("default"),
    ):
        raise InvalidCxxCompiler
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="mine"), compiling("default"):
        raise ValueError("mine")


# optimizers


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_a_fused_optimizer_masks_its_own_step(kind):
    layer = nn.Linear(3, 2)
    optimizer = kind(layer.parameters(), 0.1, fused=True)
    assert masks_itself(optimizer)

    def stepped(fine, gradient):
        for parameter in layer.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        step_unless_infinite(torch.tensor(fine), optimizer)
        return [value.clone() for kept in optimizer.state.values() for value in kept.values()], layer.weight.clone()

    moments, weight = stepped(True, 1.0)
    after, unchanged = stepped(False, float("nan"))
    assert all(torch.equal(*pair) for pair in zip(moments, after, strict=True))
    assert torch.equal(weight, unchanged)
    assert not torch.equal(stepped(True, 1.0)[1], weight)
    assert not hasattr(optimizer, "found_inf")


def test_only_adam_is_fused_and_on_cuda_alone():
    layer = nn.Linear(3, 2)
    for optimizer in (Adam(layer.parameters()), SGD(layer.parameters(), 0.1), Adam(layer.parameters(), foreach=True)):
        settle(optimizer, torch.device("cpu"))
        assert not masks_itself(optimizer)
    settle(adam := Adam(layer.parameters()), torch.device("cuda"))
    settle(chosen := Adam(layer.parameters(), foreach=True), torch.device("cuda"))
    assert masks_itself(adam)
    assert not masks_itself(chosen)


def test_a_run_from_another_kind_of_machine_goes_on_as_this_one_does():
    layer = nn.Linear(3, 2)
    there, here = Adam(layer.parameters(), fused=True), Adam(layer.parameters())
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    there.step()
    made_with = [dict(group) for group in here.param_groups]
    here.load_state_dict(there.state_dict())
    settle(here, torch.device("cpu"), made_with)
    assert here.param_groups[0]["fused"] is None
    here.step()
    assert all(int(kept["step"]) == 2 for kept in here.state.values())


# precision


def test_fp32_is_exact_on_cuda_and_other_settings_come_back():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    for _ in range(2):
        with without_tf32(), Runtime(torch.device("cuda"), "fp32").autocast():
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cuda.matmul.allow_tf32
        assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before


# parts of a loss


def test_parts_of_a_loss_are_as_good_as_their_sum():
    class InParts(NetTrainer):
        def step(self, batch, turns):
            with turns("painter") as turn:
                turn.add(self.model.painter(batch["x"]).square().mean())
                turn.minimise(self.model.painter(1 - batch["x"]).mean())
            return {}

    class AtOnce(NetTrainer):
        def step(self, batch, turns):
            with turns("painter") as turn:
                turn.minimise(
                    self.model.painter(batch["x"]).square().mean() + self.model.painter(1 - batch["x"]).mean()
                )
            return {}

    x, states = torch.rand(2, 3, 8, 8), []
    for kind in (InParts, AtOnce):
        loop = Loop(kind(), FP32, RunOptions(batch=2, accumulate=2))
        loop.advance([MicroBatch(place, {"x": x[place : place + 1]}) for place in range(2)])
        states.append(state(loop))
    assert all(torch.allclose(value, states[1][key], atol=1e-5) for key, value in states[0].items())


def test_parts_without_a_last_one_are_refused():
    class Forgetful(NetTrainer):
        def step(self, batch, turns):
            with turns("painter") as turn:
                turn.add(self.model.painter(batch["x"]).mean())
            return {}

    with pytest.raises(I2IError, match=r"turn 'painter': parts of a loss were added, and minimise was not called"):
        Loop(Forgetful(), FP32, RunOptions()).advance([MicroBatch(0, {"x": torch.rand(1, 3, 8, 8)})])


def test_a_loss_that_depends_on_nothing_that_learns_is_refused():
    class Idle(NetTrainer):
        def step(self, batch, turns):
            with turns("painter") as turn:
                turn.minimise(batch["x"].mean())
            return {}

    with pytest.raises(I2IError, match=r"turn 'painter': its loss depends on none of its parameters; give one of"):
        Loop(Idle(), FP32, RunOptions()).advance([MicroBatch(0, {"x": torch.rand(1, 3, 8, 8)})])
