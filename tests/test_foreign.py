"""Files that others made: plain tensors come out, whatever else is in them stays without effect."""

import os

import pytest
import torch
from safetensors.torch import save_file

from i2i.errors import I2IError
from i2i.foreign import WRAPPERS, read_tensors

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "conv.bias": torch.ones(2)}


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def same(found):
    return found.keys() == STATE.keys() and all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_state_dict_is_read_as_it_is(tmp_path):
    torch.save(STATE, tmp_path / "net.pth")
    save_file(STATE, tmp_path / "net.safetensors")
    assert same(read_tensors(tmp_path / "net.pth"))
    assert same(read_tensors(tmp_path / "net.safetensors"))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_state_dict_among_other_things_is_found(tmp_path, wrapper):
    torch.save({"epoch": 3, wrapper: STATE}, tmp_path / "net.pth")
    assert same(read_tensors(tmp_path / "net.pth"))


def test_names_lose_what_data_parallel_put_before_them(tmp_path):
    torch.save({f"module.{key}": value for key, value in STATE.items()}, tmp_path / "net.pth")
    assert same(read_tensors(tmp_path / "net.pth"))


def test_what_is_not_a_tensor_is_left_out(tmp_path):
    torch.save({**STATE, "note": "trained on a Sunday", 7: torch.ones(1)}, tmp_path / "net.pth")
    assert same(read_tensors(tmp_path / "net.pth"))


def test_code_in_a_pickle_does_not_run(tmp_path):
    canary = tmp_path / "canary"
    torch.save({"weight": Hostile(canary)}, tmp_path / "net.pth")
    with pytest.raises(I2IError, match=r"net\.pth: damaged, or holds something else than plain tensors"):
        read_tensors(tmp_path / "net.pth")
    assert not canary.exists()


@pytest.mark.parametrize("contents", [b"", b"hello, this is text", bytes(range(256)) * 4, b"PK\x03\x04 cut short"])
def test_what_is_no_file_of_tensors_is_refused_in_one_line(tmp_path, contents):
    for name in ("net.pth", "net.safetensors"):
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(I2IError) as caught:
            read_tensors(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(caught.value)


def test_a_file_without_named_tensors_says_what_it_holds(tmp_path):
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "numbers.pth")
    with pytest.raises(I2IError, match=r"numbers\.pth: holds no named tensors, but 'epoch', 'lr'"):
        read_tensors(tmp_path / "numbers.pth")
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(I2IError, match="holds no named tensors, but a list"):
        read_tensors(tmp_path / "list.pth")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    torch.save({**STATE, "conv.scale": torch.tensor([1.0, float("nan")])}, tmp_path / "net.pth")
    with pytest.raises(I2IError, match=r"net\.pth: conv\.scale holds numbers that are not finite"):
        read_tensors(tmp_path / "net.pth")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(I2IError, match=rf"{name}: no such file"):
        read_tensors(tmp_path / name)
