"""Runs followed by trackers: what they are told, what becomes of one that fails, and TensorBoard."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from i2i import I2IError, RecipeError, UsageError, Weights, discover, resume, start
from i2i.errors import Interrupted
from i2i.plugins import Catalog
from i2i.training.checkpoints import identical, newest_checkpoint
from i2i.training.starting import fork

SHORT = ["run.steps=4", "run.log_every=2", "run.sample_every=4", "run.checkpoint_every=2"]


@pytest.fixture
def followed(plugin_alone, catalog, alien_recipe, folders):
    """The alien's recipe with trackers, and a catalog that has the diary; call it with overrides."""
    diary = plugin_alone("diary").entries["tracker"]
    known = Catalog({**catalog.entries, "tracker": {**catalog.entries["tracker"], **diary}})

    def recipe(*overrides):
        from i2i import load_recipe

        where = [f"dataset.source={folders / 'photos'}", f"dataset.target={folders / 'paintings'}"]
        given = [*where, "run.precision=fp32", "run.report=false", *SHORT, *overrides]
        return load_recipe(known, "alien", overrides=given)

    recipe.catalog = known
    return recipe


def told(run, name="diary.jsonl"):
    return [json.loads(line) for line in (run.path / name).read_text().splitlines()]


def test_a_tracker_is_told_what_the_run_folder_gets(followed, tmp_path):
    run = start(followed.catalog, followed("trackers.diary={}"), tmp_path / "run").run()
    lines = told(run)
    assert lines[0] == ["started", "alien", 0]
    assert lines[-1] == ["ended"]
    logged = [(line["step"], sorted(line.keys() - {"step"})) for line in told(run, "metrics.jsonl")]
    assert [(step, names) for what, step, names in lines[1:-1] if what == "scalars"] == logged
    (shown,) = [line for line in lines if line[0] == "pictures"]
    assert shown[1] == 4
    assert all(shape[0] > 0 and shape[1] == 3 for shape in shown[2].values())


def test_a_run_that_goes_on_starts_its_trackers_at_its_step_and_tells_their_events(followed, tmp_path, new_notes):
    recipe = followed("trackers.diary.name=mine.jsonl")
    with pytest.raises(Interrupted):
        start(followed.catalog, recipe, tmp_path / "run", listener=new_notes(2)).run()
    run = resume(followed.catalog, tmp_path / "run").run()
    lines = told(run, "mine.jsonl")
    assert [line for line in lines if line[0] in ("started", "said", "ended")] == [
        ["started", "alien", 0],
        ["said", 2, "stopped", "stopped by SIGTERM, saved"],
        ["ended"],
        ["started", "alien", 2],
        ["said", 2, "resumed", "goes on from step 2"],
        ["ended"],
    ]


def test_a_run_that_goes_back_starts_its_trackers_there(followed, tmp_path, poisoned):
    recipe = followed("trackers.diary={}", "run.steps=8", "run.max_masked=2", "run.log_every=1")
    run = poisoned(start(followed.catalog, recipe, tmp_path / "run"), {4, 5}).run()
    lines = told(run)
    assert [line[2] for line in lines if line[0] == "started"] == [0, 2]
    steps = [line[1] for line in lines if line[0] == "scalars"]
    assert [(before, after) for before, after in pairwise(steps) if after <= before] == [(5, 3)]
    assert [line[1:3] for line in lines if line[0] == "said"] == [[5, "non-finite"], [6, "non-finite"], [2, "returned"]]


@pytest.mark.parametrize("what", ["started", "scalars", "pictures", "ended"])
def test_a_tracker_that_fails_is_said_once_and_ends_no_run(followed, tmp_path, what, new_notes):
    plain = start(followed.catalog, followed(), tmp_path / "plain").run()
    notes = new_notes()
    recipe = followed(f"trackers.diary.stumbles={what}")
    run = start(followed.catalog, recipe, tmp_path / "run", listener=notes).run()
    told_of = [line for line in notes.lines if "--log" in line]
    assert told_of == ["--log diary: OSError: [Errno 28] no ink left; it is told nothing more, the run goes on"]
    assert identical(*(newest_checkpoint(one.checkpoints) for one in (plain, run)))


def test_a_tracker_that_exits_ends_no_run(followed, tmp_path, new_notes, monkeypatch):
    import i2i_diary.diary

    monkeypatch.setattr(i2i_diary.diary.Diary, "scalars", lambda self, step, values: sys.exit(0))
    notes = new_notes()
    run = start(followed.catalog, followed("trackers.diary={}"), tmp_path / "run", listener=notes).run()
    assert "--log diary: SystemExit: 0; it is told nothing more, the run goes on" in notes.lines
    assert newest_checkpoint(run.checkpoints).name == "step-0000004"


def test_what_a_tracker_does_with_what_it_is_told_is_its_own_affair(followed, tmp_path, monkeypatch):
    import i2i_diary.diary

    def spoil(self, step, told):
        told.clear()

    monkeypatch.setattr(i2i_diary.diary.Diary, "scalars", spoil)
    run = start(followed.catalog, followed("trackers={diary: {}, tensorboard: {}}"), tmp_path / "run").run()
    assert "images_per_second" in events_of(run.path).Tags()["scalars"]


def test_a_tracker_that_cannot_be_built_is_said_before_anything_is_looked_at(followed, tmp_path):
    recipe = followed("trackers.diary.stumbles=build", f"dataset.source={tmp_path / 'nothing there'}")
    with pytest.raises(UsageError, match=r"^--log diary: needs ink$"):
        start(followed.catalog, recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_is_none_is_said(followed, tmp_path, monkeypatch):
    import i2i_diary.diary

    monkeypatch.setattr(i2i_diary.diary, "Diary", lambda options: "a string")
    with pytest.raises(I2IError, match=r"^--log diary: i2i_diary\.diary:Diary gives 'a string', which is no i2i"):
        start(followed.catalog, followed("trackers.diary={}"), tmp_path / "run")


def test_who_follows_a_run_may_change_while_it_goes_on_and_is_in_no_weights_file(followed, tmp_path, new_notes):
    with pytest.raises(Interrupted):
        start(followed.catalog, followed(), tmp_path / "run", listener=new_notes(2)).run()
    written = tmp_path / "run" / "recipe.yaml"
    written.write_text(written.read_text() + "trackers: {diary: {name: late.jsonl}}\n")
    run = resume(followed.catalog, tmp_path / "run").run()
    assert told(run, "late.jsonl")[0] == ["started", "alien", 2]
    assert "trackers" not in Weights.load(run.newest_weights()).recipe
    other = fork(followed.catalog, run.path, tmp_path / "fork", extra=[("--log", "trackers.diary", {}),
                 ("--steps", "run.steps", 6)])  # fmt: skip
    assert other.recipe.as_dict()["trackers"] == {"diary": {"name": "late.jsonl", "stumbles": None}}


def test_a_tracker_that_is_not_there_is_said_with_the_nearest_name(followed):
    with pytest.raises(RecipeError) as refused:
        followed("trackers.dairy={}", "trackers.diary.nmae=x", "trackers.tensorboard=7")
    assert sorted(str(refused.value).splitlines()) == [
        "--set: trackers.dairy: unknown tracker 'dairy'; did you mean 'diary'? (known: diary, tensorboard)",
        "--set: trackers.diary.nmae: unknown key; did you mean 'name'?",
        "--set: trackers.tensorboard: expected keys and values, found 7",
    ]
    assert followed("trackers.diary=null").trackers == {}


# TensorBoard


def events_of(run):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="not installed")
    found = accumulators.EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    return found


def test_tensorboard_shows_what_the_metrics_say_before_and_after_resuming(followed, tmp_path, new_notes):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    recipe = followed("trackers.tensorboard={}", "run.log_every=1", "run.steps=6", "run.checkpoint_every=100")
    with pytest.raises(Interrupted):
        start(followed.catalog, recipe, tmp_path / "run", listener=new_notes(4)).run()
    (tmp_path / "run" / "checkpoints" / "step-0000004" / "state.json").unlink()
    # the newest intact checkpoint is of step 0 now: all is told again
    run = resume(followed.catalog, tmp_path / "run").run()
    found = events_of(run.path)
    lines = told(run, "metrics.jsonl")
    assert {name for line in lines for name in line} - {"step"} == set(found.Tags()["scalars"])
    for name in found.Tags()["scalars"]:
        curve = {event.step: event.value for event in found.Scalars(name)}
        wanted = {line["step"]: line[name] for line in lines if name in line}
        assert len(found.Scalars(name)) == len(wanted)
        assert curve == pytest.approx(wanted, rel=1e-6)
    assert found.Tags()["images"]
    assert "events/stopped/text_summary" in found.Tags()["tensors"]


def test_pictures_of_tensorboard_can_be_left_out(followed, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    run = start(followed.catalog, followed("trackers.tensorboard.pictures=false"), tmp_path / "run").run()
    assert events_of(run.path).Tags()["images"] == []


WITHOUT = """
import sys
sys.modules["tensorboard"] = None
from i2i.cli import main
sys.argv = ["i2i", *sys.argv[1:]]
main()
"""


def test_without_the_extra_one_line_says_so_before_anything_is_trained(folders):
    line = ["fit", "--plugin", "dcgan-digits", "--src", str(folders / "photos"), "--out", str(folders / "run")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *line, "--log", "tensorboard"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "--log tensorboard: needs the extra: pip install 'i2i[tensorboard]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folders / "run").exists()


def test_the_command_line_names_trackers(run_i2i, folders):
    source = ("--plugin", "dcgan-digits", "--src", folders / "photos", "--out", folders / "run")
    done = run_i2i("fit", *source, "--log", "tensorbord")
    assert done.returncode == 2
    assert "--log: trackers.tensorbord: unknown tracker 'tensorbord'; did you mean 'tensorboard'?" in done.stderr
    done = run_i2i("fit", "--resume", folders / "run", "--log", "tensorboard")
    assert "leave out --log" in done.stderr
    assert "tensorboard" in discover().names("tracker")
