"""The best and the worst pictures of a validation, in the run folder."""

import json
import math

import numpy
import pytest
import torch
from PIL import Image

from i2i import I2IError, discover, load_recipe, resume, start
from i2i.errors import Interrupted
from i2i.evaluation.metrics import luma, psnr
from i2i.evaluation.validating import from_the_set, kid, validation
from i2i.images.decode import open_picture, to_tensor
from i2i.images.encode import write_picture
from i2i.training.basis import Basis
from i2i.training.exhibition import Examples, exhibit, forget_after

BASIS = Basis(9, True)
OFTEN = ["run.validate_every=1", "run.log_every=1", "run.checkpoint_every=100", "run.report=false", "run.steps=2"]


def plain(*levels):
    """One-coloured pictures, uint8 (N, 3, 8, 8)."""
    return torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)


def told(run):
    """What `pictures.json` says, once every file that it names is there and no other."""
    folder = run / "validation"
    content = json.loads((folder / "pictures.json").read_text())
    named = {picture[name] for picture in content["pictures"] for name in ("source", "made", "wanted")} - {None}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.png")} == named
    assert {name.partition("/")[0] for name in named} == {f"step-{content['step']:07d}"}
    return content


def of_rank(content, rank):
    return [picture for picture in content["pictures"] if picture["rank"] == rank]


@pytest.mark.parametrize("lower", [True, False])
def test_the_best_come_first_and_the_worst_of_all_first_among_the_worst(tmp_path, lower):
    values = [5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0]
    made = plain(*(int(value) for value in values))
    exhibit(tmp_path, 20, "told", Examples(values, lower, "in words", made, made.float() / 255), BASIS)
    content = told(tmp_path)
    assert {name: content[name] for name in ("step", "metric", "lower_is_better", "measured")} == {
        "step": 20, "metric": "told", "lower_is_better": lower, "measured": "in words"
    }  # fmt: skip
    low, high = [1, 2, 3, 4], [9, 8, 7, 6]
    assert [picture["value"] for picture in of_rank(content, "best")] == (low if lower else high)
    assert [picture["value"] for picture in of_rank(content, "worst")] == (high if lower else low)
    for picture in content["pictures"]:
        assert picture["wanted"] is None
        for name in ("made", "source"):
            shown = to_tensor(open_picture(tmp_path / "validation" / picture[name]))
            assert torch.equal(shown, plain(int(picture["value"]))[0])
    assert of_rank(content, "worst")[1]["made"] == "step-0000020/worst-2-made.png"


@pytest.mark.parametrize(("count", "best", "worst"), [(1, 1, 0), (2, 1, 1), (5, 3, 2), (8, 4, 4)])
def test_of_few_pictures_none_is_both_best_and_worst(tmp_path, count, best, worst):
    values = [float(value) for value in range(count)]
    exhibit(tmp_path, 1, "told", Examples(values, True, "", plain(*range(count))), BASIS)
    content = told(tmp_path)
    assert (len(of_rank(content, "best")), len(of_rank(content, "worst"))) == (best, worst)
    assert len({picture["value"] for picture in content["pictures"]}) == best + worst


def test_of_pictures_that_are_equal_one_is_shown(tmp_path):
    values, levels = [1.0, 1.0, 2.0, 3.0, 3.0, 2.0], [1, 1, 2, 3, 3, 2]
    exhibit(tmp_path, 1, "told", Examples(values, True, "", plain(*levels)), BASIS)
    assert [(picture["rank"], picture["value"]) for picture in told(tmp_path)["pictures"]] == [
        ("best", 1.0), ("best", 2.0), ("worst", 3.0)
    ]  # fmt: skip
    source = plain(*range(6)).float() / 255  # equal answers to different pictures are worth seeing
    exhibit(tmp_path, 2, "told", Examples(values, True, "", plain(*levels), source), BASIS)
    assert len(told(tmp_path)["pictures"]) == 6


def test_what_equals_its_target_has_no_number_as_json_knows_none(tmp_path):
    exhibit(tmp_path, 1, "psnr_y", Examples([math.inf, 30.0], False, "", plain(1, 2), None, plain(1, 3)), BASIS)
    assert [picture["value"] for picture in told(tmp_path)["pictures"]] == [None, 30.0]


def test_older_ones_go_only_when_the_new_ones_are_told_of(tmp_path):
    examples = Examples([1.0, 2.0], True, "", plain(1, 2))
    exhibit(tmp_path, 1, "told", examples, BASIS)
    broken = Examples([1.0, 2.0], True, "", torch.zeros(2, 7, 4, 4, dtype=torch.uint8))
    with pytest.raises(I2IError):
        exhibit(tmp_path, 2, "told", broken, BASIS)
    assert told(tmp_path)["step"] == 1
    exhibit(tmp_path, 3, "told", examples, BASIS)
    assert told(tmp_path)["step"] == 3
    forget_after(tmp_path, 3)
    assert told(tmp_path)["step"] == 3
    forget_after(tmp_path, 2)
    assert not (tmp_path / "validation").exists()


def test_how_far_a_picture_is_from_a_set_by_the_kernel_of_kid():
    chance = torch.Generator().manual_seed(0)
    ours, theirs = (torch.randn(count, 5, generator=chance, dtype=torch.float64) for count in (6, 4))
    kernel = lambda one, other: ((one @ other.T) / 5 + 1) ** 3  # noqa: E731
    wanted = [
        float(kernel(row[None], row[None]) - 2 * kernel(row[None], theirs).mean() + kernel(theirs, theirs).mean())
        for row in ours
    ]
    assert from_the_set(ours, theirs) == pytest.approx(wanted)
    assert min(wanted) > 0
    assert from_the_set(theirs[:1], theirs[:1]) == pytest.approx([0], abs=1e-12)
    far = torch.cat([theirs + 0.01, theirs[:1] + 5])
    assert max(range(5), key=from_the_set(far, theirs).__getitem__) == 4
    assert kid(ours, theirs) < kid(ours + 3, theirs)


def fitted(folders, tmp_path, name, *overrides):
    """A run of two steps that validates after each."""
    folder = folders / "large"
    folder.mkdir()
    rng = numpy.random.default_rng(0)
    for place in range(6):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=numpy.uint8))
        write_picture(coarse.resize((64, 64), Image.Resampling.BICUBIC), folder / f"{place}.png")
    catalog = discover()
    recipe = load_recipe(
        catalog,
        name,
        overrides=[*OFTEN, "run.precision=fp32", "run.batch=2", "run.validation_pictures=6", *overrides],
        folders={"src": [str(folder)]},
    )
    return start(catalog, recipe, tmp_path / "run", validation=validation).run()


def size(run, name):
    with Image.open(run.path / "validation" / name) as picture:
        return picture.size


def logged(run, name):
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line[name] for line in lines if name in line}


def test_of_super_resolution_each_value_is_that_of_the_files(folders, tmp_path):
    tiny = ["model.blocks=1", "model.width=8", "dataset.crop=48", "dataset.validation=0"]
    run = fitted(folders, tmp_path, "srresnet", *tiny)
    content = told(run.path)
    assert (content["step"], content["metric"], content["lower_is_better"]) == (2, "psnr_y", False)
    assert content["measured"] == "PSNR, Y of this picture and what is wanted"
    assert (content["count"], content["held_out"], content["over"]) == (6, False, "")
    assert len(content["pictures"]) == 6
    for picture in content["pictures"]:
        assert size(run, picture["source"])[0] * 4 == size(run, picture["made"])[0] == size(run, picture["wanted"])[0]
        made, wanted = (
            luma(to_tensor(open_picture(run.path / "validation" / picture[name])))[..., 4:-4, 4:-4]
            for name in ("made", "wanted")
        )
        assert picture["value"] == pytest.approx(psnr(made, wanted))
    values = [picture["value"] for picture in content["pictures"]]
    assert values[:3] == sorted(values[:3], reverse=True)
    assert min(values[:3]) >= max(values[3:])
    assert logged(run, "psnr_y")[2] == pytest.approx(sum(values) / 6)


def test_of_filled_holes_the_source_is_what_the_model_was_given(folders, tmp_path):
    tiny = ["model.width=4", "model.discriminator_width=4", "dataset.validation=0"]
    run = fitted(folders, tmp_path, "pix2pix-holes-light", *tiny)
    content = told(run.path)
    for picture in content["pictures"]:
        assert size(run, picture["source"]) == size(run, picture["made"]) == size(run, picture["wanted"])
    assert content["over"] == "whole picture, with what was kept"


def test_of_samples_there_is_no_source_and_nothing_that_each_should_be(folders, tmp_path):
    run = fitted(folders, tmp_path, "dcgan-digits", "model.width=4", "run.sample_every=100")
    content = told(run.path)
    assert (content["metric"], content["lower_is_better"]) == ("kid", True)
    assert content["measured"] == "how far this picture's look is from the mean of the wanted ones, light features"
    assert {(picture["source"], picture["wanted"]) for picture in content["pictures"]} == {(None, None)}
    assert all(picture["value"] >= 0 for picture in content["pictures"])


def test_of_what_is_unpaired_nothing_is_wanted_of_each_picture(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe(*OFTEN), tmp_path / "run", validation=validation).run()
    for picture in told(run.path)["pictures"]:
        assert picture["wanted"] is None
        assert size(run, picture["source"]) == size(run, picture["made"])


def test_answers_that_are_not_finite_are_not_shown(catalog, alien_recipe, tmp_path):
    going = start(catalog, alien_recipe(*OFTEN), tmp_path / "run", validation=validation)
    answer = going.loop.model.translate
    going.loop.model.translate = lambda images, request: answer(images, request) * (math.nan if going.loop.step else 1)
    going.run()
    assert not (tmp_path / "run" / "validation").exists()


def test_a_run_that_goes_on_shows_no_pictures_of_steps_that_it_takes_again(catalog, alien_recipe, tmp_path, new_notes):
    options = [*OFTEN, "run.steps=6"]
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*options), tmp_path / "run", listener=new_notes(4), validation=validation).run()
    assert told(tmp_path / "run")["step"] == 4
    (tmp_path / "run" / "checkpoints" / "step-0000004" / "state.json").unlink()
    going = resume(catalog, tmp_path / "run", validation=validation)
    assert going.loop.step < 4
    assert not (tmp_path / "run" / "validation").exists()
    whole = start(catalog, alien_recipe(*options), tmp_path / "whole", validation=validation).run()
    assert told(going.run().path) == told(whole.path)


@pytest.mark.parametrize("content", ["[]", '{"step": "x"}', "{", "7"])
def test_what_somebody_spoiled_is_removed_when_a_run_goes_on(tmp_path, content):
    file = tmp_path / "validation" / "pictures.json"
    file.parent.mkdir()
    file.write_text(content)
    forget_after(tmp_path, 3)
    assert not file.exists()
