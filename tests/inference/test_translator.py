from dataclasses import replace

import pytest
import torch
from PIL import Image

from i2i import BrokenPicture, I2IError, RecipeError, UsageError, Weights, load, load_recipe, start
from i2i.inference.choosing import choose_weights
from i2i.inference.opening import Subject
from i2i.plugins import discover
from i2i.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained but complete CycleGAN run, tiny."""
    root = tmp_path_factory.mktemp("tiny")
    for index, name in enumerate(("photos", "paintings")):
        (root / name).mkdir()
        for number in range(3):
            Image.effect_noise((40, 36), 60 + 50 * index).convert("RGB").save(root / name / f"{number}.png")
    options = ["model.width=4", "model.discriminator_width=4", "run.steps=1", "run.batch=1", "run.precision=fp32"]
    where = [f"dataset.source={root / 'photos'}", f"dataset.target={root / 'paintings'}"]
    catalog = discover()
    recipe = load_recipe(catalog, "cyclegan-digits", overrides=[*options, *where])
    return start(catalog, recipe, root / "run").run().path


def test_each_kind_of_picture_is_answered_in_kind(run, tmp_path):
    translator = load(run)
    image = Image.effect_noise((21, 17), 80).convert("RGB")
    image.save(tmp_path / "x.png")
    from_image = translator.translate(image)
    assert isinstance(from_image, Image.Image)
    assert from_image.size == (21, 17)
    assert translator.translate(tmp_path / "x.png").tobytes() == from_image.tobytes()
    assert translator.translate(str(tmp_path / "x.png")).tobytes() == from_image.tobytes()
    tensor = translator.translate(torch.rand(3, 17, 21))
    assert tensor.shape == (3, 17, 21)
    assert 0 <= tensor.min() <= tensor.max() <= 1


def test_a_list_comes_back_in_its_order_whatever_its_sizes(run):
    pictures = [torch.rand(3, 16 + 4 * (index % 3), 20) for index in range(9)]
    together = load(run).translate(pictures, batch=3)
    assert [answer.shape for answer in together] == [picture.shape for picture in pictures]
    alone = [load(run).translate(picture) for picture in pictures]
    assert max((a - b).abs().max() for a, b in zip(together, alone, strict=True)) < 1e-5


def test_the_direction_matters_and_an_unknown_one_is_refused(run):
    picture = torch.rand(3, 16, 16)
    there, back = load(run), load(run, {"direction": "target-to-source"})
    assert not torch.equal(there.translate(picture), back.translate(picture))
    assert torch.equal(there.with_options(direction="target-to-source").translate(picture), back.translate(picture))
    with pytest.raises(RecipeError, match=r"translate\.direction: should be 'source-to-target' or 'target-to-source'"):
        load(run, {"direction": "sideways"})
    with pytest.raises(RecipeError, match=r"translate\.directoin: unknown key; did you mean 'direction'\?"):
        load(run, {"directoin": "target-to-source"})


def test_what_is_no_picture_is_refused(run, tmp_path):
    (tmp_path / "x.jpg").write_text("text")
    with pytest.raises(BrokenPicture, match=r"x\.jpg: "):
        load(run).translate(tmp_path / "x.jpg")
    with pytest.raises(UsageError, match=r"a picture tensor is \(3, H, W\), found \(1, 4, 4\)"):
        load(run).translate(torch.rand(1, 4, 4))
    with pytest.raises(UsageError, match=r"a picture tensor is uint8 or float in \[0, 1\], found torch.int64"):
        load(run).translate(torch.ones(3, 4, 4, dtype=torch.int64))


def test_a_background_that_is_no_colour_is_refused_before_any_picture(run):
    with pytest.raises(UsageError, match=r"background: no such colour: 'wihte'"):
        load(run, background="wihte")


def test_a_stream_is_read_as_it_is_needed(run):
    taken = []

    def pictures():
        for index in range(1000):
            taken.append(index)
            yield Subject(index, torch.rand(3, 16, 16))

    stream = load(run).stream(pictures(), batch=2)
    next(stream)
    assert len(taken) < 30
    stream.close()


def test_weights_are_chosen_in_the_order_that_the_design_names(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    catalog = discover()
    weights = run / "checkpoints" / "step-0000001" / "weights.safetensors"
    assert choose_weights(catalog, "cyclegan", weights, None) == (weights, "as given")
    assert choose_weights(catalog, "cyclegan-digits", None, run) == (weights, f"newest of {run}")
    with pytest.raises(UsageError, match=r"a run of cyclegan-digits, not of cyclegan; leave --plugin out"):
        choose_weights(catalog, "cyclegan", None, run)
    with pytest.raises(UsageError, match=r"either --weights FILE or --run DIR, not both"):
        choose_weights(catalog, None, weights, run)
    with pytest.raises(UsageError, match=r"--best: chooses among the checkpoints of a run folder; also give --run DIR"):
        choose_weights(catalog, None, weights, None, best=True)
    with pytest.raises(I2IError, match=r"no validation has found a best checkpoint"):
        choose_weights(catalog, None, None, run, best=True)
    RunFolder.open(run).write_best({"step": 1, "metric": "kid", "value": 0.5, "lower_is_better": True})
    assert choose_weights(catalog, None, None, run, best=True) == (weights, f"best of {run}")
    RunFolder.open(run).write_best(None)
    with pytest.raises(UsageError, match=r"say with what: --plugin NAME, --run DIR or --weights FILE"):
        choose_weights(catalog, None, None, None)
    with pytest.raises(UsageError, match=r"no weights for cyclegan: none are shipped .* `i2i fit --plugin"):
        choose_weights(catalog, "cyclegan", None, None)
    assert choose_weights(catalog, "cyclegan-digits", None, None)[1] == "shipped with cyclegan-digits"
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "first").symlink_to(run)
    path, why = choose_weights(catalog, "cyclegan-digits", None, None)
    assert path.resolve() == weights.resolve()
    assert why == "newest finished run of cyclegan-digits under runs/"


@pytest.mark.parametrize("content", ["name: [unclosed", "- a list", "steps: 3", "", "\x00"])
def test_a_run_whose_recipe_is_damaged_is_named_in_one_line(run, tmp_path, content):
    (tmp_path / "recipe.yaml").write_text(content)
    (tmp_path / "checkpoints").symlink_to(run / "checkpoints")
    with pytest.raises(UsageError) as refusal:
        choose_weights(discover(), "cyclegan", None, tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path}/recipe.yaml: damaged, names no recipe; leave --plugin out to use the run"
    )
    assert choose_weights(discover(), None, None, tmp_path)[0].name == "weights.safetensors"


def test_loading_leaves_the_callers_chance_alone(run):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load(run)
    assert torch.equal(torch.rand(3), expected)


def rewritten(run, path, **changes):
    """The run's weights with another header."""
    weights = Weights.load(run / "checkpoints" / "step-0000001" / "weights.safetensors")
    replace(weights, **changes).save(path)
    return path


def test_weights_need_their_model_and_nothing_else_of_their_recipe(run, tmp_path):
    recipe = dict(Weights.load(run / "checkpoints" / "step-0000001" / "weights.safetensors").recipe)
    foreign = {
        **recipe,
        "losses": {"cycle": {"use": "pinball"}},
        "dataset": {"use": "cloud"},
        "trainer": {"use": "odd"},
    }
    path = rewritten(run, tmp_path / "w.safetensors", recipe=foreign)
    assert load(path).translate(torch.rand(3, 16, 16)).shape == (3, 16, 16)
    path = rewritten(run, tmp_path / "w.safetensors", recipe={**recipe, "model": {"use": "cyclegna"}})
    with pytest.raises(
        I2IError, match=r"unknown model 'cyclegna'; did you mean 'cyclegan'\?.* made by i2i .*i2i-cyclegan"
    ):
        load(path)


@pytest.mark.parametrize("recipe", [["a list"], {}, {"name": "x", "model": "cyclegan"}, {"model": {"use": "cyclegan"}}])
def test_weights_whose_header_names_no_model_are_refused(run, tmp_path, recipe):
    path = rewritten(run, tmp_path / "w.safetensors", recipe=recipe)
    with pytest.raises(I2IError, match=r"w\.safetensors: its header holds no recipe with a name and a model"):
        load(path)


def test_weights_of_a_newer_model_are_refused_by_name(run, tmp_path):
    path = rewritten(run, tmp_path / "w.safetensors", model_version=2)
    with pytest.raises(I2IError, match=r"version 2 of model 'cyclegan'; the installed one knows 1: pip install -U"):
        load(path)


def test_weights_that_do_not_fit_their_options_are_refused(run, tmp_path):
    recipe = dict(Weights.load(run / "checkpoints" / "step-0000001" / "weights.safetensors").recipe)
    path = rewritten(run, tmp_path / "w.safetensors", recipe={**recipe, "model": {**recipe["model"], "width": 8}})
    with pytest.raises(I2IError, match=r"does not fit the model 'cyclegan': .*size mismatch"):
        load(path)


def test_weights_of_an_older_model_are_migrated(run, tmp_path, monkeypatch):
    (tmp_path / "past.py").write_text(
        "def migrate(options, tensors, from_version):\n"
        "    assert 'use' not in options\n"
        "    renamed = {key.replace('to_painting.', 'to_target.'): tensor for key, tensor in tensors.items()}\n"
        "    return {'width': options.pop('channels'), **options}, renamed\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    weights = Weights.load(run / "checkpoints" / "step-0000001" / "weights.safetensors")
    model = {key: value for key, value in weights.recipe["model"].items() if key != "width"}
    tensors = {key.replace("to_target.", "to_painting."): tensor for key, tensor in weights.tensors.items()}
    old = {"recipe": {**weights.recipe, "model": {**model, "channels": 4}}, "tensors": tensors}
    path = rewritten(run, tmp_path / "w.safetensors", **old)
    catalog = discover()
    spec = catalog.find("model", "cyclegan").value
    monkeypatch.setitem(spec.__dict__, "version", 2)
    monkeypatch.setitem(spec.__dict__, "migrate", "past:migrate")
    picture = torch.rand(3, 16, 16)
    assert torch.equal(load(path, catalog=catalog).translate(picture), load(run).translate(picture))
