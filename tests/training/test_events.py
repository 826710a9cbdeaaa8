"""What happened in a run: `events.jsonl`."""

import datetime
import errno
import json
from pathlib import Path

import pytest

from i2i import I2IError, resume, start
from i2i.errors import BrokenPicture, Interrupted
from i2i.training import lines
from i2i.training.checkpoints import newest_checkpoint
from i2i.training.events import MOST_BROKEN, Event, Events
from i2i.training.starting import fork
from i2i.training.validation import Measured, Validation

OPTIONS = ["run.steps=20", "run.log_every=1", "run.checkpoint_every=5", "run.max_masked=3", "run.report=false"]


def events(run, *names):
    """What the file tells: these keys of each line, or all but the time."""
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    names = names or ("step", "kind", "text")
    return [tuple(line[name] for name in names) for line in lines]


def test_what_exploded_and_went_back_is_told_in_the_order_of_time(catalog, alien_recipe, tmp_path, poisoned):
    before = datetime.datetime.now(datetime.UTC)
    going = poisoned(start(catalog, alien_recipe(*OPTIONS), tmp_path / "run"), {7, 11, 12, 13})
    run = going.run().path
    (masked, *since) = events(run)
    assert masked == (8, "non-finite", "1 step changed nothing, as gradients were not finite")
    ((step, kind, text),) = since
    assert (step, kind) == (10, "returned")
    assert text.startswith("step 14: ")
    assert text.endswith(" is nan: back to step 10, on with other batches and half the learning rates")
    for (told,) in events(run, "time"):
        moment = datetime.datetime.fromisoformat(told)
        assert moment.utcoffset() == datetime.timedelta(0)
        assert abs(moment - before) < datetime.timedelta(minutes=5)
    assert [sorted(json.loads(line)) for line in (run / "events.jsonl").read_text().splitlines()] == [
        ["kind", "step", "text", "time"]
    ] * 2


def test_the_second_explosion_is_the_last_event(catalog, alien_recipe, tmp_path, poisoned):
    going = poisoned(start(catalog, alien_recipe(*OPTIONS), tmp_path / "run"), set(range(11, 40)))
    with pytest.raises(I2IError):
        going.run()
    assert events(tmp_path / "run", "step", "kind") == [
        (10, "returned"), (11, "non-finite"), (12, "non-finite"), (13, "non-finite"), (13, "stopped")
    ]  # fmt: skip
    assert "though it went back once already" in events(tmp_path / "run", "text")[-1][0]


def test_where_no_checkpoint_is_intact_that_is_what_is_said(catalog, alien_recipe, tmp_path, poisoned):
    going = poisoned(start(catalog, alien_recipe(*OPTIONS), tmp_path / "run"), {7, 8, 9})
    stepped = going.listener.stepped

    def harm(step):
        for state in (tmp_path / "run" / "checkpoints").glob("*/state.json"):
            state.write_text("{}")
        stepped(step)

    going.listener.stepped = harm
    with pytest.raises(I2IError) as ended:
        going.run()
    place = tmp_path / "run" / "checkpoints"
    assert str(ended.value).endswith(
        f", and {place} holds no intact checkpoint to go back to; try a lower trainer.learning_rate, run.clip=1 or "
        "run.precision=fp32"
    )
    assert "went back" not in str(ended.value)
    told = events(tmp_path / "run", "text")[-1][0]
    assert ", and checkpoints holds no intact" in told  # the folder may be moved


def told(values, lower_is_better=True):
    """Validations that find these figures, step by step."""
    figures = dict(enumerate(values, 1))
    return lambda recipe, loop, pictures: Validation("told", lower_is_better, lambda loop: Measured(figures[loop.step]))


def test_a_resumed_run_tells_nothing_twice(catalog, alien_recipe, tmp_path, new_notes):
    figures = told([0.9, 0.8, 0.85, 0.7, 0.6, 0.65, 0.5, 0.4])
    options = ["run.validate_every=1", "run.log_every=1", "run.checkpoint_every=100", "run.report=false"]
    whole = start(catalog, alien_recipe(*options), tmp_path / "whole", validation=figures).run().path
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*options), tmp_path / "part", listener=new_notes(6), validation=figures).run()
    part = tmp_path / "part"
    (part / "checkpoints" / "step-0000006" / "state.json").unlink()  # what steps 5 and 6 found is told again
    with (part / "events.jsonl").open("a") as file:
        file.write('{"step": 7, "kind": "be')  # half a line
    resume(catalog, part, validation=figures).run()
    course = [(5, "resumed", "goes on from step 5")]
    assert [event for event in events(part) if event[1] != "best"] == course
    assert [event for event in events(part) if event not in course] == events(whole)
    assert events(whole)[0] == (1, "best", "told 0.9 is the best so far")
    assert [step for step, _, _ in events(whole)] == [1, 2, 4, 5, 7, 8]


def test_a_stop_and_its_resumption_stay_in_the_course_of_a_run_and_of_its_fork(
    catalog, alien_recipe, tmp_path, new_notes
):
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe("run.report=false"), tmp_path / "run", listener=new_notes(3)).run()
    course = [(3, "stopped", "stopped by SIGTERM, saved"), (3, "resumed", "goes on from step 3")]
    forked = fork(catalog, tmp_path / "run", tmp_path / "fork").run().path
    assert events(tmp_path / "run") == course[:1]
    assert events(forked) == course
    resume(catalog, tmp_path / "run").run()
    assert events(tmp_path / "run") == course


def test_a_run_that_ends_early_says_why(catalog, alien_recipe, tmp_path):
    options = ["run.validate_every=1", "run.patience=2", "run.report=false"]
    run = start(catalog, alien_recipe(*options), tmp_path / "run", validation=told([0.5, 0.6, 0.7, 0.8])).run().path
    assert events(run)[-1] == (
        3, "stopped", "ended early: told is no better than the 0.5 of step 1 in 2 validations (run.patience=2)"
    )  # fmt: skip


def test_pictures_left_out_are_named_once_whoever_meets_them_again(catalog, alien_recipe, folders, tmp_path, new_notes):
    whole = (folders / "photos" / "1.png").read_bytes()
    (folders / "photos" / "half.png").write_bytes(whole[: len(whole) // 2])
    (folders / "photos" / "text.jpg").write_text("not a picture")
    options = ["dataset.validation=0", "run.steps=30", "run.report=false"]
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*options), tmp_path / "run", listener=new_notes(15)).run()
    resume(catalog, tmp_path / "run").run()
    left_out = [text for kind, text in events(tmp_path / "run", "kind", "text") if kind == "broken"]
    assert len(left_out) == len(set(left_out)) == 2
    assert all(text.startswith("skipped: ") for text in left_out)


def test_of_many_pictures_left_out_the_first_are_named_and_all_are_counted(catalog, alien_recipe, tmp_path):
    going = start(catalog, alien_recipe("run.steps=1", "run.report=false"), tmp_path / "run")
    going.broken.note([BrokenPicture(Path(f"{number}.png"), "is torn") for number in range(MOST_BROKEN + 3)])
    going.run()
    broken = [text for kind, text in events(tmp_path / "run", "kind", "text") if kind == "broken"]
    assert broken[0] == "skipped: 0.png: is torn"
    assert len(broken) == MOST_BROKEN + 1
    assert broken[-1].startswith("pictures left out: 53 (0.png, 1.png, ")


def test_samples_that_collapse_are_an_event(tmp_path, folders):
    from i2i import discover, load_recipe

    options = ["model.width=4", "run.batch=4", "run.steps=2", "run.sample_every=1", "run.collapse_below=1",
               "run.report=false", "run.precision=fp32"]  # fmt: skip
    catalog = discover()
    recipe = load_recipe(catalog, "dcgan-digits", overrides=options, folders={"src": [str(folders / "photos")]})
    going = start(catalog, recipe, tmp_path / "run")
    going.monitor.watch.was_diverse = True
    run = going.run().path
    ((step, kind, text),) = events(run)
    assert (step, kind) == (1, "collapse")
    assert text.startswith("the samples differ from each other only ")


def test_a_disk_that_is_full_ends_the_run_as_with_metrics(catalog, alien_recipe, tmp_path, monkeypatch):
    append = lines.append

    def full(file, line):
        if file.name == "events.jsonl":
            raise I2IError(f"{file}: cannot be written ({errno.errorcode[errno.ENOSPC]}); checkpoints are intact")
        append(file, line)

    monkeypatch.setattr(lines, "append", full)
    options = ["run.validate_every=2", "run.report=false"]
    with pytest.raises(I2IError, match=r"events\.jsonl: cannot be written \(ENOSPC\); checkpoints are intact"):
        start(catalog, alien_recipe(*options), tmp_path / "run", validation=told([0.5] * 8)).run()
    assert newest_checkpoint(tmp_path / "run" / "checkpoints") is not None


def test_a_run_of_which_nothing_is_to_be_told_has_no_file(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe("run.report=false"), tmp_path / "run").run().path
    assert not (run / "events.jsonl").exists()
    assert not (run / "report.html").exists()


def test_a_line_that_somebody_spoiled_hinders_nothing(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text('{"step": 1, "kind": ["x"], "text": {}}\n')
    events = Events(file)
    event = Event(2, "best", "kid 0.1")
    assert events.is_new(event)
    events.write(event)
    assert not Events(file).is_new(event)
