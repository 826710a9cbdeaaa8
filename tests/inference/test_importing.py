from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from i2i.contracts import Weights
from i2i.errors import I2IError, RecipeError, UsageError
from i2i.inference.importing import import_weights
from i2i.inference.loading import load
from i2i.plugins import Catalog

TINT = Path(__file__).parents[1] / "plugins" / "tint"
GAIN = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.25, 0.0], [0.0, 0.0, 1.0]])
OFFSET = torch.tensor([0.1, 0.2, 0.0])


@pytest.fixture
def tint(plugin_alone: Callable[[str], Catalog]) -> Catalog:
    """Three models that read what others published and one that does not, alone."""
    return plugin_alone("tint")


def glaze(number: int = 0) -> dict[str, Tensor]:
    return {f"glaze{number}.weight": GAIN[:, :, None, None], f"glaze{number}.bias": OFFSET}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return saved(tmp_path, glaze())


def saved(folder: Path, tensors: dict[str, Tensor]) -> Path:
    torch.save(tensors, folder / "theirs.pth")
    return folder / "theirs.pth"


def without(catalog: Catalog, kind: str, *names: str) -> Catalog:
    kept = {name: entry for name, entry in catalog.entries[kind].items() if name not in names}
    return replace(catalog, entries={**catalog.entries, kind: kept})


def test_an_imported_network_translates_as_it_did_elsewhere(tint: Catalog, file: Path, tmp_path: Path) -> None:
    import_weights(tint, file, tmp_path / "w.safetensors")

    picture = torch.rand(3, 5, 7)
    translated = load(tmp_path / "w.safetensors", catalog=tint, device="cpu").translate(picture)
    expected = torch.einsum("oc,chw->ohw", GAIN, picture) + OFFSET[:, None, None]
    torch.testing.assert_close(translated, expected)


def test_the_header_says_where_the_weights_come_from(tint: Catalog, file: Path, tmp_path: Path) -> None:
    import_weights(tint, file, tmp_path / "w.safetensors", note="MIT licence")

    weights = Weights.load(tmp_path / "w.safetensors")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert weights.note == f"imported from theirs.pth, SHA-256 {digest}; MIT licence"
    assert weights.data == {"imported": {"file": "theirs.pth", "sha256": digest}}
    assert (weights.step, weights.versions.keys()) == (0, {"i2i", "i2i_tint"})


def test_without_a_note_the_origin_is_the_note(tint: Catalog, file: Path, tmp_path: Path) -> None:
    weights = import_weights(tint, file, tmp_path / "w.safetensors")
    assert weights.note == f"imported from theirs.pth, SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()}"


def test_options_come_from_the_file_and_what_it_does_not_tell_from_the_recipe(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, glaze(0) | glaze(1))
    recipe = import_weights(tint, file, tmp_path / "w.safetensors", "tint-dark").recipe
    assert (recipe["name"], recipe["model"]) == ("tint-dark", {"use": "tint", "layers": 2, "mood": "dark"})


def test_without_a_plugin_it_is_the_recipe_named_as_the_model(tint: Catalog, file: Path, tmp_path: Path) -> None:
    assert import_weights(tint, file, tmp_path / "w.safetensors").recipe["name"] == "tint"


def test_else_the_first_recipe_that_uses_the_model(tint: Catalog, file: Path, tmp_path: Path) -> None:
    catalog = without(tint, "recipe", "tint")
    assert import_weights(catalog, file, tmp_path / "w.safetensors").recipe["name"] == "a-tint"


def test_a_model_that_no_recipe_uses_is_named(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {"0.weight": GAIN[:, :, None, None], "0.bias": OFFSET})
    with pytest.raises(UsageError) as raised:
        import_weights(tint, file, tmp_path / "w.safetensors")
    assert str(raised.value) == "no recipe of i2i_tint uses its model 'tint-unnamed'; name one with --plugin"


def test_numbers_are_kept_as_the_model_computes_them(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {name: tensor.half() for name, tensor in glaze().items()})
    weights = import_weights(tint, file, tmp_path / "w.safetensors")
    assert {tensor.dtype for tensor in weights.tensors.values()} == {torch.float32}


def test_a_file_that_no_model_knows_is_told_by_its_first_keys(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {f"stroke{number}": OFFSET for number in range(6)})
    with pytest.raises(I2IError) as raised:
        import_weights(tint, file, tmp_path / "w.safetensors")
    assert str(raised.value) == (
        f"{file}: not recognised: its 6 tensors begin with stroke0, stroke1, stroke2, stroke3, …; asked 'tint', "
        "'tint-of-old', 'tint-unnamed'; needed is a plugin whose model knows these names (`read_foreign`)"
    )
    assert raised.value.exit_code == 1
    assert not (tmp_path / "w.safetensors").exists()


def test_with_a_plugin_only_its_model_is_asked(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {"stroke": OFFSET})
    with pytest.raises(I2IError, match=r"begin with stroke; asked 'tint'; needed is.*; without --plugin every"):
        import_weights(tint, file, tmp_path / "w.safetensors", "tint")


def test_a_weights_file_of_i2i_is_not_brought_in(tint: Catalog, tmp_path: Path) -> None:
    ours = tmp_path / "w.safetensors"
    import_weights(tint, saved(tmp_path, glaze()), ours)
    with pytest.raises(UsageError) as raised:
        import_weights(tint, ours, tmp_path / "again.safetensors")
    assert str(raised.value) == f"{ours}: is a weights file of i2i already; use it as it is, by --weights"


def test_of_several_models_that_know_a_file_one_is_to_be_named(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, glaze() | {"glaze0.old": OFFSET})
    with pytest.raises(UsageError) as raised:
        import_weights(tint, file, tmp_path / "w.safetensors")
    several = "recognised by several models, tint, tint-of-old; say which with --plugin NAME"
    assert str(raised.value) == f"{file}: {several}"


def test_what_is_of_the_kind_but_does_not_fit_is_refused(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {"glaze0.weight": GAIN[:, :, None, None]})
    with pytest.raises(I2IError) as raised:
        import_weights(tint, file, tmp_path / "w.safetensors")
    assert str(raised.value) == f"{file}: does not fit the model 'tint': missing glazes.0.bias"

    file = saved(tmp_path, glaze() | {"glaze0.bias": torch.zeros(5)})
    with pytest.raises(I2IError, match=r"does not fit the model 'tint': size mismatch for glazes\.0\.bias"):
        import_weights(tint, file, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_options_out_of_bounds_are_told_with_the_file(tint: Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {name: tensor for number in range(5) for name, tensor in glaze(number).items()})
    with pytest.raises(RecipeError) as raised:
        import_weights(tint, file, tmp_path / "w.safetensors")
    assert str(raised.value) == f"{file}: model.layers: should be less than or equal to 4, found 5"


def test_a_recipe_whose_model_reads_nothing_is_refused(tint: Catalog, file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        import_weights(tint, file, tmp_path / "w.safetensors", "tint-own")
    assert str(raised.value) == (
        "tint-own: its model 'tint-own' reads nothing that others published; models that do: tint, tint-of-old, "
        "tint-unnamed"
    )


def test_where_no_model_reads_anything_the_listing_is_named(tint: Catalog, file: Path, tmp_path: Path) -> None:
    catalog = without(tint, "model", "tint", "tint-of-old", "tint-unnamed")
    with pytest.raises(UsageError) as raised:
        import_weights(catalog, file, tmp_path / "w.safetensors")
    assert str(raised.value) == (
        "no installed model reads what others published; `i2i plugins` lists what is installed"
    )


def test_nothing_is_overwritten(tint: Catalog, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "w.safetensors"
    out.write_text("precious")
    with pytest.raises(UsageError) as raised:
        import_weights(tint, file, out)
    assert str(raised.value) == f"{out}: exists; choose another --out"
    assert out.read_text() == "precious"


def test_only_a_safetensors_file_is_written(tint: Catalog, file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        import_weights(tint, file, tmp_path / "w.pth")
    assert str(raised.value) == f"--out {tmp_path / 'w.pth'}: a weights file is named NAME.safetensors"


def test_the_folder_of_the_weights_is_made_and_nothing_else_is_left_in_it(
    tint: Catalog, file: Path, tmp_path: Path
) -> None:
    import_weights(tint, file, tmp_path / "new" / "folder" / "w.safetensors")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["w.safetensors"]


def test_where_nothing_can_be_written_the_place_is_told(tint: Catalog, file: Path) -> None:
    out = file / "w.safetensors"
    with pytest.raises(I2IError) as raised:
        import_weights(tint, file, out)
    assert str(raised.value) == f"{out}: cannot be written ({file} is not a folder)"


def test_the_command_says_what_was_found_and_what_to_do_next(
    install_plugin: Callable[[Path, Path], None],
    run_i2i: Callable[..., subprocess.CompletedProcess[str]],
    file: Path,
    tmp_path: Path,
) -> None:
    install_plugin(TINT, tmp_path / "site")
    out = tmp_path / "w.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    done = run_i2i("import", file, "--plugin", "tint", "--out", out, "--note", "MIT", site=tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{out}: tint (layers 1, mood plain); imported from theirs.pth, SHA-256 {digest}; MIT",
        f"next: i2i translate --weights {out} --src PICTURES --dst OUT",
    ]

    again = run_i2i("import", file, "--plugin", "tint", "--out", out, site=tmp_path / "site")
    assert (again.returncode, again.stderr) == (2, f"Error: {out}: exists; choose another --out\n")


def test_the_command_ends_with_1_where_the_file_is_none(
    run_i2i: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = run_i2i("import", tmp_path / "missing.pth", "--plugin", "fast-style", "--out", tmp_path / "w.safetensors")
    assert (done.returncode, done.stderr) == (1, f"Error: {tmp_path / 'missing.pth'}: no such file\n")
