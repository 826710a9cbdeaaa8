import pytest
import torch

from i2i import I2IError, UsageError
from i2i.training.runtime import Runtime, has_bf16, memory_explained


def test_auto_takes_an_accelerator_where_there_is_one_and_bf16_where_the_device_has_it():
    runtime = Runtime.choose()
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert runtime.device.type == expected
    assert runtime.precision == ("bf16" if has_bf16(runtime.device) else "fp32")
    assert Runtime.choose("cpu", "fp32").precision == "fp32"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UsageError, match=r"device 'cuda' is not available to torch .* here \(available: .*cpu\)"):
        Runtime.choose("cuda")


def test_bf16_computes_in_bf16_and_fp32_does_not():
    layer, x = torch.nn.Linear(4, 4), torch.rand(2, 4)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with Runtime(torch.device("cpu"), precision).autocast():
            assert layer(x).dtype == dtype


def test_memory_that_ends_says_what_to_lower():
    with pytest.raises(I2IError, match=r"^out of memory; lower --batch$"), memory_explained("lower --batch"):
        torch.empty(2**58)
    with pytest.raises(I2IError, match=r"^out of memory; lower it$"), memory_explained("lower it"):
        raise torch.OutOfMemoryError("CUDA out of memory")  # what a GPU raises; none may be at hand


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shape"), memory_explained("lower it"):
        raise RuntimeError("shape mismatch")


def test_the_description_holds_what_a_bit_identical_repetition_needs():
    described = Runtime.choose("cpu").describe()
    assert {"device", "device name", "precision", "threads", "torch", "python", "platform"} <= described.keys()
    assert Runtime.choose("cpu").memory() > 2**20
