"""Models that optimise each picture, with weights or without."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from i2i import Geometry, I2IError, Onlooker, RecipeError, UsageError, Weights, load, load_recipe
from i2i.errors import BrokenPicture
from i2i.inference.choosing import choose_weights
from i2i.inference.files import Files
from i2i.inference.fitting import on_its_way
from i2i.inference.manifest import Manifest
from i2i.inference.opening import Subject
from i2i.inference.pending import Pending
from i2i.inference.places import plan
from i2i.inference.steps import StepsWriter, steps_folders
from i2i.recipe import Settings


@pytest.fixture
def plate(tmp_path):
    Image.new("RGB", (4, 4), (255, 0, 51)).save(tmp_path / "plate.png")
    return tmp_path / "plate.png"


@pytest.fixture
def recipe(etcher, plate):
    return lambda *overrides: load_recipe(etcher, "etcher", overrides=[f"model.plate={plate}", *overrides])


class Watching(Onlooker):
    """Remembers what it hears and sees."""

    def __init__(self, sees=True):
        self.sees, self.heard, self.seen = sees, [], []

    def reported(self, items, fraction, scalars):
        self.heard.append((len(items), fraction, dict(scalars)))

    def shown(self, items, iteration, pictures):
        self.seen.append((len(items), iteration, [tuple(picture.shape) for picture in pictures]))


@pytest.mark.parametrize("tool", ["adam", "lbfgs"])
def test_a_recipe_translates_without_weights_where_nothing_else_is_needed(etcher, recipe, tool):
    translator = load(recipe(), {"strokes": 150, "tool": tool}, catalog=etcher)
    made = translator.translate(torch.full((3, 10, 9), 0.5))
    assert made.shape == (3, 10, 9)
    assert torch.allclose(made.mean((1, 2)), torch.tensor([0.75, 0.25, 0.35]), atol=0.01)
    assert translator.remarks == ("etching with strength 0.5, 1 pictures seen",)
    assert not translator.model.training


def test_what_a_recipe_is_used_for_is_said_in_the_header(etcher, recipe):
    header = load(recipe("translate.strokes=3"), catalog=etcher).header
    assert header["recipe"] == recipe("translate.strokes=3").as_dict()
    assert (header["step"], list(header["versions"]), header["loaded"]) == (0, ["i2i", "i2i_etcher"], {})


def test_the_chance_of_a_recipe_is_its_seed_and_the_callers_is_left_alone(etcher, recipe):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (load(recipe("model.speckles=3", f"run.seed={seed}"), catalog=etcher) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.model.speckles, same.model.speckles)
    assert not torch.equal(one.model.speckles, other.model.speckles)


def test_a_recipe_that_needs_weights_says_so(etcher):
    with pytest.raises(UsageError, match=r"^etcher: without weights its model needs model\.plate$"):
        load(load_recipe(etcher, "etcher"), catalog=etcher)
    with pytest.raises(UsageError, match=r"^cyclegan: its model needs weights: load a weights file or a run folder$"):
        load(load_recipe(discovered(), "cyclegan"))


def discovered():
    from i2i import discover

    return discover()


def test_a_file_that_prepare_cannot_read_is_one_line(etcher, recipe, tmp_path):
    with pytest.raises(I2IError, match=r"^model\.acid: nowhere\.txt: No such file or directory$"):
        load(recipe("model.acid=nowhere.txt"), catalog=etcher)
    with pytest.raises(I2IError, match=r"gone\.png: no such file"):
        load(recipe(f"model.plate={tmp_path / 'gone.png'}"), catalog=etcher)


def weights(recipe, path, **changes):
    """A file as `fit` makes it, with changes to its recipe."""
    Weights(
        recipe={**recipe.as_dict(), **changes}, step=1, model_version=1, api_version=1,
        tensors={"colour_sum": torch.ones(3, dtype=torch.float64), "seen": torch.tensor(2)},
    ).save(path)  # fmt: skip
    return path


def test_weights_bring_their_own_way_to_translate(etcher, tmp_path):
    recipe = load_recipe(etcher, "etcher", overrides=["translate.strokes=3", "translate.tool=lbfgs"])
    path = weights(recipe, tmp_path / "w.safetensors")
    assert load(path, catalog=etcher).options.model_dump() == {"strokes": 3, "tool": "lbfgs", "silent": False}
    assert load(path, {"strokes": 5}, catalog=etcher).options.strokes == 5
    assert load(path, {"strokes": 5}, catalog=etcher).options.tool == "lbfgs"
    old = weights(recipe, tmp_path / "old.safetensors")
    recorded = {key: value for key, value in recipe.as_dict().items() if key != "translate"}
    replace(Weights.load(path), recipe=recorded).save(old)
    assert load(old, catalog=etcher).options.strokes == 6


def test_a_way_to_translate_that_the_installed_model_does_not_know_is_refused_by_file(etcher, tmp_path):
    path = weights(load_recipe(etcher, "etcher"), tmp_path / "w.safetensors", translate={"stroke": 3})
    with pytest.raises(RecipeError) as failure:
        load(path, catalog=etcher)
    assert str(failure.value) == f"{path}: translate.stroke: unknown key; did you mean 'strokes'?"
    weights(load_recipe(etcher, "etcher"), path, translate=[3])
    with pytest.raises(I2IError, match=r"its header holds no recipe with a name and a model"):
        load(path, catalog=etcher)


def test_an_onlooker_hears_and_sees_each_batch_on_its_way(etcher, recipe):
    pictures = [torch.rand(3, 10, 9), torch.rand(3, 11, 12), torch.rand(3, 20, 9)]
    watching = Watching()
    translator = load(recipe("translate.strokes=2"), catalog=etcher)
    done = list(translator.stream([Subject(None, picture) for picture in pictures], batch=2, onlooker=watching))
    assert len(done) == 3
    assert [(size, fraction) for size, fraction, _ in watching.heard] == [(2, 0.5), (2, 1), (1, 0.5), (1, 1)]
    assert [scalars["iteration"] for _, _, scalars in watching.heard] == [0, 1, 0, 1]
    assert watching.heard[1][2]["loss"] < watching.heard[0][2]["loss"]
    shapes = [(3, 10, 9), (3, 11, 12)]  # as large as the pictures, not as what they are padded to
    assert watching.seen == [(2, 1, shapes), (2, 2, shapes), (1, 1, [(3, 20, 9)]), (1, 2, [(3, 20, 9)])]


def test_who_does_not_look_changes_nothing_and_costs_no_pictures(etcher, recipe, monkeypatch):
    translator = load(recipe(), catalog=etcher)
    seen, blind = Watching(), Watching(sees=False)
    picture = torch.rand(3, 12, 12)
    made = [next(translator.stream([Subject(None, picture)], onlooker=onlooker)).picture for onlooker in (None, seen)]
    from i2i_etcher import etching

    monkeypatch.delattr(etching.Etching, "preview")
    monkeypatch.setattr(etching.Canvas, "picture", lambda canvas: torch.stack([*canvas.sheets]).clamp(0, 1))
    made.append(next(translator.stream([Subject(None, picture)], onlooker=blind)).picture)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])
    assert blind.heard
    assert not blind.seen


def test_a_trainer_that_previews_nothing_shows_nothing(etcher, recipe, monkeypatch):
    translator, watching = load(recipe(), catalog=etcher), Watching()
    from i2i_etcher import etching

    monkeypatch.delattr(etching.Etching, "preview")
    assert list(translator.stream([Subject(None, torch.rand(3, 8, 8))], onlooker=watching))
    assert watching.heard
    assert not watching.seen


def test_a_smaller_picture_on_its_way_is_cut_in_proportion():
    geometry = Geometry(multiple_of=16, channels=1)
    assert on_its_way(torch.full((1, 16, 8), 2.0), (20, 10), geometry).shape == (3, 10, 5)
    assert on_its_way(torch.full((1, 16, 8), 2.0), (20, 10), geometry).max() == 1
    assert on_its_way(torch.zeros(3, 1, 1), (1, 10), geometry).shape == (3, 1, 1)


def test_each_picture_is_translated_as_if_it_were_alone(etcher, recipe):
    translator = load(recipe("translate.tool=lbfgs"), catalog=etcher)
    pictures = [torch.rand(3, 8, 8) for _ in range(3)]
    together = translator.translate(pictures, batch=3)
    assert all(torch.equal(one, translator.translate(picture)) for one, picture in zip(together, pictures, strict=True))


# what is written on the way


@pytest.fixture
def photos(tmp_path):
    for name in ("a.png", "deep/b.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 10), "navy").save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def translated(translator, jobs, batch, onlooker):
    with Manifest.open(jobs.destination, "") as manifest:
        return list(Files(translator, manifest, batch=batch).translated(Pending(jobs, manifest), onlooker=onlooker))


def test_steps_are_written_beside_the_translations(etcher, recipe, photos, tmp_path):
    jobs = plan([photos], tmp_path / "out")
    writer = StepsWriter(steps_folders(jobs), 2, heard := Watching())
    done = translated(load(recipe("translate.strokes=5"), catalog=etcher), jobs, 2, writer)
    assert [result.broken for result in done] == [None, None]
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.glob("out/**/*.png")) == [
        "a-steps/00002.png", "a-steps/00004.png", "a.png",
        "deep/b-steps/00002.png", "deep/b-steps/00004.png", "deep/b.png",
    ]  # fmt: skip
    assert Image.open(tmp_path / "out/a-steps/00002.png").size == (9, 10)
    assert (writer.seen, writer.written, len(heard.heard)) == (5, 4, 5)


def test_a_step_that_cannot_be_written_ends_it_in_one_line(etcher, recipe, photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a-steps").write_text("in the way")
    jobs = plan([photos / "a.png"], tmp_path / "out")
    writer = StepsWriter(steps_folders(jobs), 1, Onlooker())
    with pytest.raises(
        I2IError, match=r"a-steps/00001\.png: cannot be written \(.*a-steps is not a folder\)"
    ) as failure:
        translated(load(recipe(), catalog=etcher), jobs, 1, writer)
    assert not isinstance(failure.value, BrokenPicture)


def test_steps_of_two_pictures_never_share_a_folder(photos, tmp_path):
    Image.new("RGB", (9, 10)).save(photos / "a.jpg")
    out = tmp_path / "out"
    with pytest.raises(UsageError) as failure:
        steps_folders(plan([photos], out))
    assert str(failure.value) == (
        f"{out}/a-steps: the steps of {photos}/a.jpg and {photos}/a.png would both be written there; "
        "translate them one by one"
    )


def test_steps_never_go_where_sources_or_translations_lie(photos, tmp_path):
    (photos / "a-steps").mkdir()
    Image.new("RGB", (9, 10)).save(photos / "a-steps" / "00001.png")
    with pytest.raises(UsageError) as failure:
        steps_folders(plan([photos], tmp_path / "out"))
    assert str(failure.value) == (
        f"{tmp_path}/out/a-steps/00001.png: lies where the steps of {photos}/a.png would be written; "
        "choose another --dst"
    )


# the choice


def chosen(catalog, plugin="etcher", config=None, weights=None, run=None, sets=(), extra=()):
    return choose_weights(catalog, plugin, weights, run, config, Settings.sorted(sets), extra)


def test_a_recipe_that_needs_no_weights_goes_before_finished_runs_and_after_what_is_named(
    etcher, plate, photos, tmp_path, monkeypatch
):
    from i2i import start

    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(etcher, "etcher", overrides=[f"dataset.source=[{photos}]"])
    run = start(etcher, recipe, tmp_path / "runs" / "one").run()
    file = run.newest_weights()
    found, why = chosen(etcher)
    assert (found.resolve(), why) == (file, "newest finished run of etcher under runs/")
    sets = [f"model.plate={plate}", "translate.strokes=4"]
    found, why = chosen(etcher, sets=sets, extra=[("--direction", "translate.tool", "lbfgs")])
    assert why == "needs no weights"
    assert found.model.options.plate == str(plate)
    assert (found.translate.strokes, found.translate.tool) == (4, "lbfgs")
    assert chosen(etcher, weights=file, sets=["translate.strokes=4"]) == (file, "as given")
    assert chosen(etcher, run=run.path) == (file, f"newest of {run.path}")


def test_a_file_may_give_what_a_recipe_lacks(etcher, plate, tmp_path):
    (tmp_path / "mine.yaml").write_text(f"base: etcher\nmodel: {{plate: {plate}}}\ntranslate: {{strokes: 2}}\n")
    found, why = chosen(etcher, None, tmp_path / "mine.yaml")
    assert (found.name, found.translate.strokes, why) == ("mine", 2, "needs no weights")


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"sets": ["model.acid=x"]}, "--set model.acid=x: weights carry their own recipe; "
                                     "to do without them also give --set model.plate=…"),
        ({"config": Path("mine.yaml")}, "--config mine.yaml: weights carry their own recipe; "
                                  "to do without them also give --set model.plate=…"),
        ({"sets": ["model.plate=x"], "weights": "w"}, "--set model.plate=x: weights carry their own recipe; "
                                                      "only translate.KEY=VALUE can be set"),
        ({"config": Path("mine.yaml"), "run": "r"}, "--config mine.yaml: weights carry their own recipe; "
                                              "only translate.KEY=VALUE can be set"),
        ({"sets": ["model.plate=x", "translate.stroke=3"]}, "--set: translate.stroke: unknown key; did you mean"),
        ({"sets": ["model.plat=x"]}, "--set: model.plat: unknown key; did you mean 'plate'?"),
        ({"plugin": "etcha"}, "unknown recipe 'etcha'; did you mean 'etcher'?"),
        ({"plugin": None}, "say with what: --plugin NAME, --run DIR or --weights FILE"),
        ({}, "no weights for etcher: none are shipped and no finished run lies under runs/; train some with "
             "`i2i fit --plugin etcher --src DIR`, or give --run DIR or --weights FILE; "
             "or do without weights: --set model.plate=…"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(etcher, tmp_path, monkeypatch, given, refusal):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("run: {seed: 1}\n")
    with pytest.raises(UsageError) as failure:
        chosen(etcher, **given)
    assert str(failure.value).startswith(refusal)


@pytest.mark.parametrize("given", [{"sets": ["model.width=3"]}, {"config": Path("mine.yaml")}])
def test_a_model_that_needs_weights_takes_no_recipe_of_its_own(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("run: {seed: 1}\n")
    flag = "--set model.width=3" if "sets" in given else "--config mine.yaml"
    with pytest.raises(UsageError) as failure:
        chosen(discovered(), "cyclegan", **given)
    assert str(failure.value) == f"{flag}: weights carry their own recipe; only translate.KEY=VALUE can be set"
