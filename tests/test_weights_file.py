from __future__ import annotations

import json
import pickle
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from hostile_files import CODE, NO_FILES, SAFETENSORS
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from i2i import API_VERSION, I2IError, Weights
from i2i.contracts.weights import read_header


def weights(**changes: Any) -> Weights:
    usual = Weights(
        recipe=MappingProxyType({"name": "tiny", "model": {"use": "cyclegan", "width": 4}}),
        tensors={"to_target.weight": torch.arange(6.0).reshape(2, 3), "to_target.count": torch.tensor(7)},
        step=120,
        model_version=2,
        api_version=API_VERSION,
        versions={"i2i": "0.1.0"},
        data={"source": {"pictures": 3}},
        loaded={"vgg19.pth": "0" * 64},
        note="photographs, © nobody",
    )
    return replace(usual, **changes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    weights().save(path)
    return path


def rewritten(path: Path, **changes: Any) -> Path:
    """The same tensors under a header with these changes, its hash left as it was; None removes a key."""
    header = {**read_header(path), **changes}
    header = {key: value for key, value in header.items() if value is not None}
    save_file(load_file(path), path, metadata={"i2i": json.dumps(header)})
    return path


def refusal(path: Path) -> str:
    """The one line that `load` refuses the file with, after its name."""
    with pytest.raises(I2IError) as failure:
        Weights.load(path)
    text = str(failure.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_weights_come_back_as_they_were_saved(file: Path) -> None:
    saved, loaded = weights(), Weights.load(file)
    assert loaded.header() == saved.header()
    assert loaded.tensors.keys() == saved.tensors.keys()
    assert all(torch.equal(loaded.tensors[key], saved.tensors[key]) for key in saved.tensors)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.bool, torch.int64, torch.uint8])
def test_every_kind_of_number_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"net.a": torch.tensor([[0, 1], [1, 1]]).to(dtype), "net.none": torch.empty(0, 3, dtype=dtype)}
    weights(tensors=tensors).save(tmp_path / "a.safetensors")
    loaded = Weights.load(tmp_path / "a.safetensors").tensors
    assert all(loaded[key].dtype == dtype and torch.equal(loaded[key], tensors[key]) for key in tensors)


def test_views_shared_and_learning_tensors_are_saved_as_plain_ones(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3).requires_grad_()
    weights(tensors={"net.a": whole, "net.b": whole.T, "net.c": whole}).save(tmp_path / "a.safetensors")
    loaded = Weights.load(tmp_path / "a.safetensors").tensors
    assert torch.equal(loaded["net.b"], whole.detach().T)
    assert not loaded["net.a"].requires_grad


def test_the_header_is_readable_without_the_tensors_and_says_everything(file: Path) -> None:
    header = read_header(file)
    assert len(header.pop("sha256")) == 64
    assert header == {
        "recipe": {"name": "tiny", "model": {"use": "cyclegan", "width": 4}},
        "step": 120,
        "model_version": 2,
        "api_version": API_VERSION,
        "versions": {"i2i": "0.1.0"},
        "data": {"source": {"pictures": 3}},
        "loaded": {"vgg19.pth": "0" * 64},
        "note": "photographs, © nobody",
    }
    with safe_open(file, framework="pt") as opened:
        assert opened.metadata().keys() == {"i2i"}


def test_equal_weights_make_equal_files(file: Path, tmp_path: Path) -> None:
    weights().save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_keys_that_are_numbers_do_not_upset_the_hash(tmp_path: Path) -> None:
    weights(data={2: "two", 10: "ten"}).save(tmp_path / "a.safetensors")
    assert Weights.load(tmp_path / "a.safetensors").data == {"2": "two", "10": "ten"}


ALTERED = "its contents do not match the hash in its header; the file was altered or damaged"


def test_a_flipped_bit_in_a_tensor_is_noticed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert refusal(file) == ALTERED


@pytest.mark.parametrize("change", [{"note": "mine"}, {"step": 121}, {"recipe": {}}, {"sha256": "0" * 64}])
def test_an_edited_header_is_noticed(file: Path, change: dict[str, Any]) -> None:
    assert refusal(rewritten(file, **change)) == ALTERED


def test_a_missing_hash_is_noticed(file: Path) -> None:
    assert refusal(rewritten(file, sha256=None)) == ALTERED


def test_swapped_and_renamed_tensors_are_noticed(file: Path) -> None:
    header, tensors = read_header(file), load_file(file)
    tensors["to_source.weight"] = tensors.pop("to_target.weight")
    save_file(tensors, file, metadata={"i2i": json.dumps(header)})
    assert refusal(file) == ALTERED


@pytest.mark.parametrize("suffix", ["pth", "pt", "ckpt", "pkl", "bin", "PTH"])
def test_pickles_are_refused_by_name_and_never_opened(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    assert refusal(path) == (
        "a pickle file can run code when it is opened; i2i reads .safetensors files only: "
        "bring it in with `i2i import FILE --out W.safetensors`"
    )


def test_a_pickle_in_disguise_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    assert refusal(path).startswith("not a readable weights file (")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was opened",)


UNKNOWN = "holds tensors but no i2i header that says which model they belong to"
FOREIGN = f"{UNKNOWN}; bring it in with `i2i import FILE --out W.safetensors`"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, FOREIGN),
        ({"format": "pt"}, FOREIGN),
        ({"i2i": "{"}, UNKNOWN),
        ({"i2i": "5"}, UNKNOWN),
        ({"i2i": "[]"}, UNKNOWN),
    ],
)
def test_tensors_of_unknown_meaning_are_refused(tmp_path: Path, metadata: dict[str, str] | None, expected: str) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors", metadata=metadata)
    assert refusal(tmp_path / "foreign.safetensors") == expected


def test_a_header_that_lacks_something_is_refused(file: Path) -> None:
    assert refusal(rewritten(file, step=None, recipe=None)) == "its i2i header lacks recipe, step"


def test_a_header_without_what_later_versions_added_is_not_the_readers_business(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    old = {"recipe": {}, "step": 1, "model_version": 1, "api_version": 1}
    save_file({"net.a": torch.zeros(1)}, path, metadata={"i2i": json.dumps(old)})
    assert read_header(path) == old
    assert Weights(tensors={}, **old).loaded == {}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert refusal(file).startswith("not a readable weights file (")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.safetensors") == "no such weights file"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("not a readable weights file (")


def test_a_newer_api_is_refused_with_what_helps(tmp_path: Path) -> None:
    weights(api_version=API_VERSION + 1).save(tmp_path / "new.safetensors")
    assert refusal(tmp_path / "new.safetensors") == (
        f"needs i2i API {API_VERSION + 1}, this i2i offers {API_VERSION}; upgrade with pip install -U i2i"
    )


def test_an_api_version_that_is_no_number_is_refused(file: Path) -> None:
    assert refusal(rewritten(file, api_version="new")) == "its i2i header names no API version, but 'new'"


def test_what_a_later_version_adds_to_the_header_is_tolerated_and_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = {**weights().header(), "colour": "red"}
    with monkeypatch.context() as patch:
        patch.setattr(Weights, "header", lambda self: later)
        weights().save(tmp_path / "later.safetensors")
    assert Weights.load(tmp_path / "later.safetensors").header() == weights().header()
    assert refusal(rewritten(tmp_path / "later.safetensors", colour="blue")) == ALTERED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recipe": [1]}, "its header holds no recipe with a name and a model"),
        ({"recipe": {"name": {"a": 1}}}, "its header holds no recipe with a name and a model"),
        ({"recipe": {"name": "x\nError: y"}}, "its header holds no recipe with a name and a model"),
        ({"recipe": {"model": {"use": "\x1b[31m"}}}, "its header holds no recipe with a name and a model"),
        ({"recipe": {"translate": []}}, "its header holds no recipe with a name and a model"),
        ({"recipe": {"run": []}}, "its i2i header says [] for recipe.run, where a mapping belongs"),
        ({"recipe": {"losses": "l1"}}, "its i2i header says 'l1' for recipe.losses, where a mapping belongs"),
        ({"step": "many"}, "its i2i header says 'many' for step, where a whole number belongs"),
        ({"loaded": 5}, "its i2i header says 5 for loaded, where a mapping belongs"),
        ({"note": ["a"]}, "its i2i header says ['a'] for note, where a text belongs"),
    ],
)
def test_a_header_whose_parts_are_of_other_kinds_is_refused(file: Path, changes: dict[str, Any], expected: str) -> None:
    assert refusal(rewritten(file, **changes)) == expected


def test_what_a_newer_api_made_is_not_judged_by_this_one(file: Path) -> None:
    assert refusal(rewritten(file, api_version=API_VERSION + 1, note=["a"])).startswith("needs i2i API ")


@pytest.mark.parametrize("levels", [100, 100_000])
def test_a_header_nested_deeply_is_refused(file: Path, levels: int) -> None:
    header = json.dumps(read_header(file)).replace('"note"', '"deep": ' + "[" * levels + "]" * levels + ', "note"')
    save_file(load_file(file), file, metadata={"i2i": header})
    assert refusal(file) in {
        "its i2i header is nested more than 64 levels deep",
        "holds tensors but no i2i header that says which model they belong to",
    }


def test_a_header_of_megabytes_is_refused(file: Path) -> None:
    assert refusal(rewritten(file, note="x" * 5 * 2**20)) == (
        "not a readable weights file (its metadata are longer than 4194304 characters)"
    )


@pytest.mark.parametrize("name", [name for name in SAFETENSORS if name != "110,000 tensors"])
def test_hostile_safetensors_are_refused_as_weights(tmp_path: Path, name: str) -> None:
    path = SAFETENSORS[name](tmp_path, tmp_path / "canary")
    refusal(path)
    assert not (tmp_path / "canary").exists()


def test_no_weights_are_waited_for(tmp_path: Path) -> None:
    path = NO_FILES["a pipe called .safetensors"](tmp_path, tmp_path)
    assert refusal(path) == "not a readable weights file (it is a pipe)"


@pytest.mark.parametrize(
    "words",
    [
        ("translate", "--weights", "net.pth", "--src", "photos", "--dst", "out"),
        ("translate", "--plugin", "cyclegan", "--weights", "net.pth", "--src", "photos", "--dst", "out"),
        ("serve", "--port", "0", "--weights", "net.pth"),
        ("evaluate", "--weights", "net.pth", "--src", "photos", "--target", "photos"),
        ("export", "--to", "onnx", "--weights", "net.pth", "net.onnx"),
        ("fit", "--plugin", "cyclegan", "--src", "photos", "--target", "photos", "--out", "run", "--init", "net.pth"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_way_in_refuses_a_pickle_and_says_how_to_bring_it_in(
    run_i2i: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name)
    path = CODE["os.system"](tmp_path, tmp_path / "canary")
    done = run_i2i(*words, cwd=tmp_path)
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert line == f"Error: {path.name}: a pickle file can run code when it is opened; i2i reads .safetensors files " \
                   "only: bring it in with `i2i import FILE --out W.safetensors`"  # fmt: skip
    assert not (tmp_path / "canary").exists()
