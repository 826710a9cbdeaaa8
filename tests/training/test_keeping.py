"""Moving averages and saved states."""

import json
import math
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from i2i import I2IError
from i2i.training.checkpoints import STATE, TRAINING, load_checkpoint, pack, unpack
from i2i.training.ema import EMA


def test_the_average_follows_its_formula():
    model = nn.Sequential(nn.Linear(1, 1, bias=False))
    model[0].weight.data.fill_(0)
    ema = EMA(model, ("0",), 0.5)
    expected = 0.0
    for step in range(20):
        model[0].weight.data.fill_(step + 1.0)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1)
        ema.update(step)
    assert ema.averages["0.weight"].item() == pytest.approx(expected, rel=1e-6)


def test_only_the_named_submodules_are_averaged_and_shared_parameters_once():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(2, 2), nn.Linear(2, 2)
            self.other.weight = self.one.weight

    model = Shared()
    assert set(EMA(model, ("other",), 0.9).averages) == {"other.weight", "other.bias"}
    both = EMA(model, ("one", "other"), 0.9)
    assert len(both.averages) == 3
    before = model.one.weight.clone()
    both.averages[next(name for name in both.averages if name.endswith("weight"))].fill_(7)
    with both.swapped_in():
        assert model.one.weight.eq(7).all()
    assert torch.equal(model.one.weight, before)


def test_no_average_is_kept_when_it_is_off():
    assert EMA(nn.Sequential(nn.Linear(1, 1)), ("0",), 0.0).averages == {}


def test_the_average_is_swapped_back_after_an_error():
    model = nn.Sequential(nn.Linear(1, 1))
    ema = EMA(model, ("0",), 0.9)
    before = model[0].weight.clone()
    ema.averages["0.weight"].fill_(9)
    with pytest.raises(ZeroDivisionError), ema.swapped_in():
        1 / 0  # noqa: B018
    assert torch.equal(model[0].weight, before)


def test_a_state_of_any_nesting_comes_back_as_it_was():
    state = {
        "numbers": [1, 2.5, True, None, "text", math.pi, 1e-300],
        "by number": {0: {"exp_avg": torch.rand(2, 3)}, 1: {"step": torch.tensor(4.0)}},
        "betas": (0.5, 0.999),
        "empty": [{}, [], (), torch.empty(0)],
        "$odd": {"$tensor": "not one"},
        "bf16": torch.rand(3).bfloat16(),
        "strided": torch.rand(4, 4).t()[1:],
    }
    tree, tensors = pack(state)
    back = unpack(tree, tensors)
    assert back.keys() == state.keys()
    assert back["numbers"] == state["numbers"]
    assert back["betas"] == (0.5, 0.999)
    assert back["$odd"] == {"$tensor": "not one"}
    assert torch.equal(back["by number"][0]["exp_avg"], state["by number"][0]["exp_avg"])
    assert back["by number"][1]["step"].shape == ()
    assert back["bf16"].dtype == torch.bfloat16
    assert torch.equal(back["strided"], state["strided"])
    assert back["empty"][:3] == [{}, [], ()]


def test_what_cannot_be_saved_is_named_by_its_place():
    with pytest.raises(
        I2IError, match=r"training state /trainer/pool: a set cannot be saved \(tensors, numbers, strings"
    ):
        pack({"trainer": {"pool": {1, 2}}})


def test_a_pickle_in_the_place_of_saved_states_is_refused(tmp_path: Path):
    canary = tmp_path / "canary"

    class Poison:
        def __reduce__(self):
            return canary.touch, ()

    (tmp_path / STATE).write_text(json.dumps({"state": {}}), encoding="utf-8")
    (tmp_path / TRAINING).write_bytes(pickle.dumps(Poison()))
    line = re.escape(f"{tmp_path / TRAINING}: not a readable safetensors file (")
    with pytest.raises(I2IError, match=rf"^{line}.*\)$"):
        load_checkpoint(tmp_path)
    assert not canary.exists()
