"""What others published, given to a model that reads it as it is: no weights file is written in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from i2i.contracts import Weights
from i2i.errors import I2IError, UsageError
from i2i.inference.choosing import choose_weights
from i2i.inference.importing import import_weights
from i2i.inference.loading import load
from i2i.plugins import Catalog

GLAZE = {"glaze0.weight": torch.diag(torch.tensor([0.5, 0.25, 1.0]))[:, :, None, None], "glaze0.bias": torch.zeros(3)}


@pytest.fixture
def tint(plugin_alone: Callable[[str], Catalog]) -> Catalog:
    """`tint` reads pickles; three models beside it do not."""
    catalog = plugin_alone("tint")
    models = dict(catalog.entries["model"])
    models["tint"] = replace(models["tint"], value=replace(models["tint"].value, reads_pickle=True))
    return replace(catalog, entries={**catalog.entries, "model": models})


def saved(folder: Path, tensors: dict[str, Tensor] = GLAZE) -> Path:
    torch.save(tensors, folder / "theirs.pth")
    return folder / "theirs.pth"


def test_it_translates_as_when_it_was_imported_before(tint: Catalog, tmp_path: Path) -> None:
    file, picture = saved(tmp_path), torch.rand(3, 5, 7)
    import_weights(tint, file, tmp_path / "w.safetensors", "tint")
    at_once = load(file, plugin="tint", catalog=tint, device="cpu")
    assert at_once.translate(picture).equal(load(tmp_path / "w.safetensors", catalog=tint).translate(picture))
    assert at_once.fingerprint == Weights.load(tmp_path / "w.safetensors").fingerprint()


def test_a_safetensors_file_of_others_is_given_likewise_and_one_of_ours_is_as_before(
    tint: Catalog, tmp_path: Path
) -> None:
    save_file(GLAZE, tmp_path / "theirs.safetensors")
    theirs = load(tmp_path / "theirs.safetensors", plugin="tint", catalog=tint, device="cpu")
    assert theirs.header["data"]["imported"]["file"] == "theirs.safetensors"
    import_weights(tint, saved(tmp_path), tmp_path / "ours.safetensors", "tint-dark")
    ours = load(tmp_path / "ours.safetensors", plugin="tint", catalog=tint, device="cpu")
    assert ours.name == "tint-dark"


def test_a_pickle_is_refused_where_no_plugin_or_one_that_does_not_read_it_is_named(
    tint: Catalog, tmp_path: Path
) -> None:
    file = saved(tmp_path)
    plain = {**tint.entries["model"], "tint": replace(tint.find("model", "tint"), value=_without(tint))}
    for plugin, catalog in ((None, tint), ("tint", replace(tint, entries={**tint.entries, "model": plain}))):
        with pytest.raises(I2IError) as raised:
            load(file, plugin=plugin, catalog=catalog, device="cpu")
        assert str(raised.value) == (
            f"{file}: a pickle file can run code when it is opened; i2i reads .safetensors files only: bring it in "
            "with `i2i import FILE --out W.safetensors`"
        )


def _without(catalog: Catalog) -> object:
    return replace(catalog.find("model", "tint").value, reads_pickle=False)


def test_a_file_that_is_not_there_is_told(tint: Catalog, tmp_path: Path) -> None:
    with pytest.raises(I2IError, match=r"none\.pth: no such file"):
        load(tmp_path / "none.pth", plugin="tint", catalog=tint, device="cpu")


def test_such_a_model_is_asked_last_where_nobody_says_which(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {**GLAZE, "glaze0.old": torch.zeros(3)})  # `tint-of-old` knows it too
    with pytest.raises(I2IError, match="does not fit the model 'tint-of-old': unknown"):
        import_weights(tint, file, tmp_path / "w.safetensors")
    assert import_weights(tint, saved(tmp_path), tmp_path / "w.safetensors").recipe["name"] == "tint"


def test_without_weights_it_is_told_to_give_some_not_to_train_any(
    tint: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        choose_weights(tint, "tint", None, None)
    assert str(raised.value) == ("no weights for tint: none are shipped; give --weights FILE, as somebody published it")


def test_weights_of_another_model_are_not_taken_for_its_own(tint: Catalog, tmp_path: Path) -> None:
    import_weights(tint, saved(tmp_path), tmp_path / "ours.safetensors", "tint")
    ours = Weights.load(tmp_path / "ours.safetensors")
    other = next(name for name in tint.entries["model"] if name != "tint")
    file = tmp_path / "other.safetensors"
    replace(ours, recipe={**ours.recipe, "model": {**ours.recipe["model"], "use": other}}).save(file)
    with pytest.raises(UsageError) as raised:
        load(file, plugin="tint", catalog=tint, device="cpu")
    told = f"holds weights of model '{other}', not of --plugin tint; leave --plugin out"
    assert str(raised.value) == f"{file}: {told}"


def test_a_pipe_is_not_waited_for(tint: Catalog, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.safetensors")
    with pytest.raises(I2IError, match=r"pipe\.safetensors: .*it is a pipe"):
        load(pipe, plugin="tint", catalog=tint, device="cpu")
