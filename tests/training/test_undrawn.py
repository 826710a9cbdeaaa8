"""Models that a file is about to fill draw no initial weights, unless what else they draw hangs on them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from i2i.training.undrawn import undrawn


class Norms(nn.Module):
    """Initialised as most plugins do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.linear = nn.Linear(4, 2)
        self.norm = nn.BatchNorm2d(4)
        nn.init.normal_(self.convolution.weight, 0.0, 0.02)
        nn.init.xavier_uniform_(tensor=self.linear.weight)


class Fixed(Norms):
    """Draws what no file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mixing", torch.randn(4), persistent=False)


class InPlace(Norms):
    """The same, in a tensor that is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mixing", torch.empty(4).normal_(), persistent=False)


class OwnChance(Norms):
    """Draws by a generator of its own, on which nothing else hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mixing", torch.randn(4, generator=torch.Generator().manual_seed(3)), persistent=False)


class Reading(Norms):
    """May draw when it is prepared."""

    def prepare(self) -> None:
        self.mixing: Tensor = torch.randn(4)


def test_parameters_are_zeros_and_what_is_constant_stays() -> None:
    model = undrawn(Norms)
    assert model is not None
    state = model.state_dict()
    drawn = {"convolution.weight", "convolution.bias", "linear.weight", "linear.bias"}
    assert all(not state[name].any() for name in drawn)
    assert state["norm.weight"].eq(1).all()
    assert state["norm.running_var"].eq(1).all()


def test_chance_outside_goes_on_as_if_nothing_had_been_built() -> None:
    torch.manual_seed(0)
    expected = torch.randn(3)
    torch.manual_seed(0)
    undrawn(Fixed)
    assert torch.randn(3).equal(expected)


@pytest.mark.parametrize("model", [Fixed, InPlace, Reading])
def test_a_model_that_draws_what_no_file_holds_is_left_to_draw_everything(model: type[nn.Module]) -> None:
    assert undrawn(model) is None


def test_a_generator_of_its_own_is_no_reason_to_draw() -> None:
    model = undrawn(OwnChance)
    assert model is not None
    assert model.state_dict().keys() == OwnChance().state_dict().keys()
    assert model.get_buffer("mixing").equal(OwnChance().get_buffer("mixing"))
