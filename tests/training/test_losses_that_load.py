"""A loss that reads a file: it is prepared, said, remembered and never saved."""

import shutil

import pytest
from safetensors import safe_open

from i2i import I2IError, UsageError, resume, start


@pytest.fixture
def network(random_weights, tmp_path):
    return shutil.copy(random_weights("squeezenet1_1"), tmp_path / "network.pth")


@pytest.fixture
def perceptual(alien_recipe, network):
    """The alien, whose likeness is what SqueezeNet sees; call it with overrides."""
    likeness = f"losses.likeness={{use: features, features: {{use: squeezenet1_1, weights: {network}}}}}"
    return lambda *overrides: alien_recipe(likeness, "dataset.resize=40", "dataset.crop=32", "run.steps=2", *overrides)


def test_what_a_loss_has_to_tell_is_said_with_its_role(catalog, perceptual, new_notes):
    notes = new_notes()
    start(catalog, perceptual(), listener=notes, dry_run=True)
    assert notes.lines == [
        "losses.likeness: features: squeezenet1_1 (network.pth), compared by fire8:linear, fire9:linear"
    ]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_must_find_the_file_that_its_loss_read(
    catalog, perceptual, network, random_weights, tmp_path, precision
):
    run = start(catalog, perceptual(f"run.precision={precision}"), tmp_path / "run").run()
    for file in run.newest_weights().parent.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            assert not [key for key in tensors.keys() if "fire" in key or "features" in key]  # noqa: SIM118
    shutil.copy(random_weights("vgg19"), network)
    with pytest.raises(I2IError, match=r"network\.pth: not the SqueezeNet 1\.1 of torchvision: it lacks"):
        resume(catalog, tmp_path / "run", 3)
    shutil.copy(random_weights("squeezenet1_1"), network)
    resume(catalog, tmp_path / "run", 3).run()


def test_another_file_of_the_same_name_is_refused_with_its_role(catalog, perceptual, network, tmp_path):
    import torch

    start(catalog, perceptual(), tmp_path / "run").run()
    tensors = torch.load(network, weights_only=True)
    torch.save({key: 2 * value for key, value in tensors.items()}, network)
    expected = r"not made with what is loaded here: losses\.likeness: network\.pth \(then SHA-256 \w{12}…, here SHA-256"
    with pytest.raises(I2IError, match=expected):
        resume(catalog, tmp_path / "run", 3)


def test_crops_that_the_network_cannot_see_end_the_run_with_one_line(catalog, perceptual, tmp_path):
    with pytest.raises(UsageError, match=r"^these features need pictures of 32 or more pixels .*; found 16×16"):
        start(catalog, perceptual("dataset.crop=16"), tmp_path / "run").run()
    assert not (tmp_path / "run").exists()
