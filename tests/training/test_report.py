"""Reports of runs, read and written without a browser: what they are made from, what they cost, what they survive."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from click.testing import CliRunner
from PIL import Image

from i2i import discover, load_recipe
from i2i.cli.runs import runs as command
from i2i.disk.locking import Occupation
from i2i.errors import I2IError, Interrupted, UsageError
from i2i.evaluation.named import METRICS
from i2i.training.listener import Listener
from i2i.training.report import Reporter, reporter, shown
from i2i.training.report.curves import Curves
from i2i.training.report.embedding import Pictures, embedded
from i2i.training.report.events import Events
from i2i.training.report.grouping import OF_SETS, VALIDATIONS, groups
from i2i.training.report.growing import GrowingFile
from i2i.training.report.shown import answers, grids, spread
from i2i.training.report.story import Source
from i2i.training.report.thinning import thin
from i2i.training.reporting import Reporting
from i2i.training.starting import start

ALIEN = Path(__file__).parents[1] / "plugins" / "alien"
NOISE = numpy.random.default_rng(0)


class Stopping(Listener):
    step = 0

    def stepped(self, step):
        self.step = step

    def should_stop(self):
        return signal.SIGTERM if self.step == 3 else None


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of 8 steps."""
    place = tmp_path_factory.mktemp("trained")
    for name, number in (("photos", 7), ("paintings", 5)):
        for index in range(number):
            noisy(place / name / f"{index}.png", 24, 18)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ALIEN))
        catalog = discover([EntryPoint("alien", "i2i_alien", "i2i")])
        where = [f"dataset.source={place / 'photos'}", f"dataset.target={place / 'paintings'}"]
        path = start(catalog, load_recipe(catalog, "alien", overrides=where), place / "monet").run().path
    for module in [module for module in sys.modules if module.startswith("i2i_alien")]:
        del sys.modules[module]
    (path / "report.html").unlink(missing_ok=True)
    return path


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it, without a report."""
    return shutil.copytree(trained, tmp_path / "runs" / "monet")


@pytest.fixture
def folder(tmp_path):
    """An empty folder of an old run: nothing but checkpoints that are not there."""
    (tmp_path / "old" / "checkpoints").mkdir(parents=True)
    return tmp_path / "old"


def written(path):
    Reporter(path).write()
    return (path / "report.html").read_text(encoding="utf-8")


def content(text):
    """What a page hands to its scripts."""
    begins = text.index('id="content">') + len('id="content">')
    return json.loads(text[begins : text.index("</script>", begins)])


def noisy(file, width=64, height=48):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(NOISE.integers(0, 256, (height, width, 3), dtype=numpy.uint8)).save(file)
    return file


def lay(file, *entries, end="\n"):
    with file.open("a", encoding="utf-8") as stream:
        stream.write("\n".join(map(json.dumps, entries)) + end)


def output(*arguments):
    result = CliRunner().invoke(command, ["report", *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


# the whole


def test_a_finished_run_is_told_of_by_its_files_alone(run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "elsewhere")
    text = written(moved)
    told = content(text)
    assert '<strong class="state finished">finished</strong> at step 8 of 8' in text
    assert [grid["step"] for grid in told["grids"]] == [4, 8]
    names = {curve["name"]: curve for chart in told["charts"] for curve in chart["curves"]}
    assert {"painter", "critic", "images_per_second"} <= set(names)
    assert names["painter"]["steps"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert '<span class="key">judgement</span>' in text
    assert "<td>7</td><td>5</td>" in text.partition('id="data"')[2]  # photos and paintings
    assert "python" in text.partition('id="environment"')[2]


def test_a_report_is_written_without_torch(run):
    code = "import sys; from pathlib import Path; from i2i.training.report import Reporter\n"
    code += "assert 'PIL' not in sys.modules; Reporter(Path(sys.argv[1])).write(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(run)], check=True, timeout=120)
    assert (run / "report.html").stat().st_size > 1_000_000


def test_a_run_that_was_stopped_says_so_and_one_that_goes_on_too(catalog, alien_recipe, tmp_path):
    going = start(catalog, alien_recipe(), tmp_path / "run", listener=Stopping())
    with pytest.raises(Interrupted):
        going.run()
    held = Occupation(tmp_path / "run")
    watching = Reporter(tmp_path / "run")
    assert watching.tick()
    running = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    watching.write()  # the process that trains it is about to end
    stopped = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    held.end()
    assert '<strong class="state running">running</strong> at step 3 of 8' in running
    assert '<strong class="state stopped">stopped</strong> at step 3 of 8' in stopped


def test_what_names_hold_is_text(folder):
    evil = "</script><script>alert(1)</script><b>"
    (folder / "recipe.yaml").write_text(f"name: '{evil}'\nrun: {{steps: 9, note: '{evil}'}}\n")
    (folder / "environment.json").write_text(json.dumps({evil: evil, "data": {evil: {evil: evil}}}))
    lay(folder / "metrics.jsonl", {"step": 1, evil: 1.0})
    lay(folder / "events.jsonl", {"step": 1, "kind": evil, "text": evil, "time": evil})
    text = written(folder)
    library = text[text.index("plotly.js v") : text.rindex('<script type="module">')]
    assert "<script>alert" not in text.replace(library, "")
    assert "<b>" not in text.replace(library, "")
    assert content(text)["charts"][0]["curves"][0]["name"] == evil


@pytest.mark.parametrize("missing", ["recipe.yaml", "environment.json", "metrics.jsonl", "samples", "checkpoints"])
def test_a_run_of_which_something_is_missing_gets_a_report_that_says_so(run, missing):
    shutil.rmtree(run / missing) if (run / missing).is_dir() else (run / missing).unlink()
    text = written(run)
    said = {"recipe.yaml": "recipe.yaml cannot be read", "environment.json": "environment.json: is not there",
            "metrics.jsonl": "No metrics were logged yet", "checkpoints": "no checkpoint"}  # fmt: skip
    assert said.get(missing, "finished") in text
    assert ("plotly.js v" in text) == (missing != "metrics.jsonl")


def test_damaged_files_are_told_of_and_the_rest_is_shown(run):
    (run / "recipe.yaml").write_text("name: [")
    (run / "environment.json").write_text('{"torch": ')
    grid = run / "samples" / "step-0000004.png"
    grid.write_bytes(grid.read_bytes()[:200])
    (run / "samples" / "step-x.png").write_text("somebody else's")
    with (run / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"step": 9, "painter": \xff\n[1]\n"x"\n{"step": 9, "painter": 0.5}\n{"step": 10, "pai')
    text = written(run)
    assert "step-0000004.png: cannot be read" in text
    assert "environment.json: is not there, or cannot be read" in text
    assert "recipe.yaml cannot be read" in text
    told = content(text)
    assert [grid["step"] for grid in told["grids"]] == [8]
    painter = next(curve for chart in told["charts"] for curve in chart["curves"] if curve["name"] == "painter")
    assert (painter["steps"][-1], painter["values"][-1]) == (9, 0.5)


# metrics


def test_a_growing_file_is_read_once_and_half_a_line_when_it_is_whole(tmp_path):
    file = tmp_path / "lines"
    growing = GrowingFile(file)
    assert growing.news().lines == ()
    file.write_bytes(b"one\ntwo\nthr")
    assert growing.news().lines == (b"one", b"two")
    assert growing.news().lines == ()
    with file.open("ab") as stream:
        stream.write(b"ee\nfour\n")
    news = growing.news()
    assert (news.lines, news.begins_anew) == ((b"three", b"four"), False)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path):
    file = tmp_path / "lines"
    file.write_bytes(b"one\ntwo\n")
    growing = GrowingFile(file)
    growing.news()
    file.write_bytes(b"one\nTWO\nthree\n")  # longer, the same file, another text
    assert growing.news() == growing.news().__class__((b"one", b"TWO", b"three"), True)
    (tmp_path / "draft").write_bytes(b"one\nTWO\nthree\n")
    (tmp_path / "draft").replace(file)
    assert growing.news().begins_anew
    file.unlink()
    assert growing.news().begins_anew
    assert not growing.news().begins_anew


def test_steps_that_were_taken_again_replace_what_came_after_them(tmp_path):
    file = tmp_path / "metrics.jsonl"
    lay(file, *({"step": step, "loss": float(step), "kid": 9.0} for step in (10, 20, 30, 40)))
    curves = Curves(file)
    curves.read()
    lay(file, {"step": 20, "loss": -1.0})
    found = curves.read()
    assert (list(found["loss"].steps), list(found["loss"].values)) == ([10, 20], [10.0, -1.0])
    assert list(found["kid"].steps) == [10]


def test_only_finite_numbers_become_points(tmp_path):
    file = tmp_path / "metrics.jsonl"
    strange = [float("nan"), float("inf"), True, None, "3", [1], {"x": 1}, 10**400]
    lay(file, *({"step": step, "loss": value} for step, value in enumerate(strange, 1)))
    lay(file, {"step": 20, "loss": 2}, {"step": True, "loss": 1.0}, {"step": 1.5, "loss": 1.0}, {"loss": 1.0})
    lay(file, {"step": -1, "loss": 1.0}, {"step": 2**70, "loss": 1.0})
    found = Curves(file).read()
    assert (list(found["loss"].steps), list(found["loss"].values)) == ([20], [2.0])


def test_a_long_curve_keeps_its_ends_its_spikes_and_its_means():
    steps = range(10, 200_010, 10)
    values = NOISE.normal(size=20_000)
    values[7_654], values[12_345] = 50.0, -50.0
    drawn = thin(steps, values, 2000)
    assert len(drawn.steps) <= 2000
    assert (drawn.steps[0], drawn.steps[-1]) == (10, 200_000)
    assert drawn.values[drawn.steps.index(76_550)] == 50
    assert drawn.values[drawn.steps.index(123_460)] == -50
    assert list(drawn.steps) == sorted(set(drawn.steps))
    assert numpy.mean(drawn.means) == pytest.approx(values.mean(), abs=0.01)


@pytest.mark.parametrize("number", [1, 2, 99, 100, 101, 102, 150, 151, 1999])
def test_curves_of_any_length_are_thinned_to_points_of_their_own(number):
    values = NOISE.normal(size=number)
    drawn = thin(range(number), values, 100)
    assert len(drawn.steps) == min(number, len(drawn.steps)) <= 100
    assert all(drawn.values[place] == pytest.approx(values[step], rel=1e-5) for place, step in enumerate(drawn.steps))
    assert (max(drawn.values), min(drawn.values)) == pytest.approx((values.max(), values.min()), rel=1e-5)


def test_numbers_near_the_largest_ones_stay_finite():
    drawn = thin(range(1000), [1.7e308] * 1000, 100)
    assert all(numpy.isfinite([*drawn.values, *drawn.means]))


def test_what_tells_quality_is_drawn_first_and_losses_of_one_size_together():
    sizes = {"adversarial": 0.7, "cycle": 0.3, "critic_loss": 0.4, "real_accuracy": 0.5, "fake_accuracy": 0.5,
             "images_per_second": 9, "style": 5000.0, "tiny": 1e-4, "diversity": 0.3, "mine": 0.1}  # fmt: skip
    found = {group.title: group.names for group in groups(sizes, "mine")}
    assert found == {
        "Validation: mine": ("mine",),
        "Losses": ("adversarial", "cycle"),
        "Loss: tiny": ("tiny",),
        "Loss: style": ("style",),
        "Loss of the discriminator: critic_loss": ("critic_loss",),
        "Accuracy of the discriminator": ("real_accuracy", "fake_accuracy"),
        "Diversity of samples": ("diversity",),
        "Speed, pictures a second": ("images_per_second",),
    }
    assert next(iter(found)) == "Validation: mine"


def test_a_chart_tells_which_curves_it_has():
    sizes = {"a": 1.0, "b": 1.0, "c": 1.0, "x": 900.0, "y": 900.0, "real_accuracy": 0.5, "psnr_y": 28.0, "kid": 0.1}
    assert [group.title for group in groups(sizes)] == [
        "Validation: PSNR, Y (dB)", "Validation: KID", "Losses", "Losses: x, y",
        "Accuracy of the discriminator: real_accuracy",
    ]  # fmt: skip
    assert [group.title for group in groups({"reconstruction": 1.0})] == ["Loss: reconstruction"]


def test_metrics_are_called_as_by_evaluate():
    paired = {name: (metric.title, metric.unit) for name, metric in METRICS.items()}
    assert paired == {name: called for name, called in VALIDATIONS.items() if name not in OF_SETS}


# pictures


def test_grids_are_spread_evenly_with_the_first_and_the_newest():
    before = set()
    for number in range(1, 400):
        steps = [500 * place for place in range(1, number + 1)]
        chosen = spread(steps, 40)
        assert (chosen[0], chosen[-1]) == (steps[0], steps[-1])
        assert len(chosen) <= 40
        assert len(chosen) >= min(number, 20)
        assert set(chosen[:-1]) <= before | set(chosen[-2:])  # what was encoded stays of use
        before |= set(chosen)
    assert spread([], 40) == []


def test_a_picture_is_encoded_once_as_long_as_its_file_is_the_same(tmp_path):
    file, pictures = noisy(tmp_path / "a.png"), Pictures()
    first = pictures.embed(file, 140_000)
    assert pictures.embed(file, 140_000) is first
    assert pictures.encoded == 1
    noisy(file)
    os.utime(file, ns=(1, 1))
    assert pictures.embed(file, 140_000) != first
    pictures.forget_unasked()
    pictures.forget_unasked()
    assert not pictures.knows(file)


@pytest.mark.parametrize("size", [(40, 30), (900, 700), (1, 4000), (3000, 40)])
def test_a_noisy_picture_is_made_small_enough(tmp_path, size):
    file = noisy(tmp_path / "a.png", *size)
    found = embedded(file, 30_000)
    assert len(found.address) <= 30_000
    assert max(found.width, found.height) <= max(size)
    assert found.address.startswith("data:image/png" if max(size) <= 160 else "data:image/webp")


def test_three_hundred_noisy_grids_leave_a_report_below_fifteen_megabytes(folder):
    (folder / "samples").mkdir()
    first = noisy(folder / "samples" / "step-0000500.png", 420, 320)
    for step in range(1000, 150_500, 500):
        os.link(first, folder / "samples" / f"step-{step:07d}.png")
    lay(folder / "metrics.jsonl", {"step": 150_000, "loss": 1.0})
    Reporter(folder).write()
    assert 9_000_000 < (folder / "report.html").stat().st_size < 15_000_000
    told = content((folder / "report.html").read_text(encoding="utf-8"))["grids"]
    assert len(told) > 30
    assert (told[0]["step"], told[-1]["step"]) == (500, 150_000)


def test_a_report_that_grows_too_large_all_the_same_has_fewer_pictures(run, monkeypatch):
    usual = len(written(run).encode())
    monkeypatch.setattr(reporter, "MOST_BYTES", usual - 1)
    noisy(run / "samples" / "step-0000006.png", 400, 300)
    monkeypatch.setattr(shown, "MOST_GRIDS", 4)
    told = content(written(run))["grids"]
    assert [grid["step"] for grid in told] == [4, 8]


def test_a_run_that_goes_on_does_not_wait_for_its_older_grids(folder):
    for step in (1, 2, 3):
        noisy(folder / "samples" / f"step-{step:07d}.png")
    pictures = Pictures()
    assert grids(folder, pictures, seconds=0.0).shown == ()
    pictures.embed(folder / "samples" / "step-0000002.png", shown.GRID_CHARACTERS)
    found = grids(folder, pictures, seconds=0.0)
    assert ([grid.step for grid in found.shown], found.there) == ([2], 3)
    assert [grid.step for grid in grids(folder, pictures).shown] == [1, 2, 3]


def test_validation_pictures_are_shown_from_within_their_folder_alone(folder):
    place = folder / "validation"
    noisy(place / "step-0000009" / "worst-1-made.png")
    noisy(folder / "secret.png")
    made = "step-0000009/worst-1-made.png"
    entries = [
        {"rank": "worst", "value": 1.5, "source": "../secret.png", "made": made, "wanted": None},
        {"rank": "worst", "value": 1.6, "source": None, "made": str(folder / "secret.png"), "wanted": None},
        {"rank": "worst", "value": 1.7, "source": None, "made": "gone\0.png", "wanted": 3},
        {"rank": "best", "value": None, "source": made, "made": made, "wanted": made},
    ]
    told = {"step": 9, "metric": "psnr", "lower_is_better": False, "pictures": entries}
    (place / "pictures.json").write_text(json.dumps(told))
    found = answers(folder, Pictures())
    assert [(answer.value, answer.source) for answer in found.worst] == [(1.5, None)]
    assert [answer.value for answer in found.best] == [None]
    text = written(folder)
    assert "psnr 1.5</figcaption>" in text
    assert "equal to what was wanted</figcaption>" in text
    for damaged in ("{", "[]", json.dumps({**told, "pictures": [3]}), json.dumps({**told, "step": None})):
        (place / "pictures.json").write_text(damaged)
        assert answers(folder, Pictures()) is None


# events


def test_warnings_are_all_kinds_but_the_known_good_ones(tmp_path):
    file = tmp_path / "events.jsonl"
    kinds = ("resumed", "collapse", "best", "non-finite", "returned", "starving", "broken", "of next year", "stopped")
    lay(file, *({"step": step, "time": "t", "kind": kind, "text": f"it {kind}"} for step, kind in enumerate(kinds)))
    lay(file, {"step": 1}, {"step": "1", "kind": "x", "text": "y"}, end="\n{")
    events = Events(file)
    found = events.read()
    assert [event.kind for event in found if not event.is_warning] == ["resumed", "best", "stopped"]
    assert len(events.read()) == len(kinds)


def test_a_run_without_a_validation_says_how_to_have_one(run):
    assert '<dd class="warn">none; next time: --set run.validate_every=500</dd>' in written(run)


def test_the_best_figure_comes_first(run):
    best = {"step": 4, "metric": "kid", "value": 0.0412, "lower_is_better": True}
    (run / "best.json").write_text(json.dumps(best))
    lay(run / "metrics.jsonl", {"step": 9, "kid": 0.0712}, {"step": 10, "kid": 0.05})
    facts = written(run).partition('<dl class="facts">')[2]
    assert facts.startswith('<div class="card fact"><dt>Best KID</dt><dd class="value">0.0412</dd>')
    assert '<dd class="good">at step 4; lower is better</dd>' in facts
    assert "first validation 0.0712 → now 0.05<" in facts
    assert '<dt>Newest KID</dt><dd class="value">0.05</dd>' in facts


@pytest.mark.parametrize(
    ("count", "held_out", "said", "tone"),
    [
        (7, False, "on 7 pictures it was trained on: says little about new ones", "warn"),
        (64, False, "on 64 pictures it was trained on: says little about new ones", "warn"),
        (3, True, "on 3 pictures held out: few, the figure is rough", "warn"),
        (16, True, "on 16 pictures held out", "faint"),
    ],
)
def test_the_best_figure_says_on_what_it_rests(run, count, held_out, said, tone):
    validated(run, {"count": count, "held_out": held_out, "over": "whole picture, with what was kept"})
    text = written(run)
    card = text.partition('<dl class="facts">')[2].partition("</dl>")[0]
    assert card.startswith('<div class="card fact"><dt>Best PSNR, Y</dt><dd class="value">28.11 dB</dd>')
    assert f'<dd class="{tone}">{said}</dd>' in card
    assert f'<dd class="{"good" if tone == "faint" else "faint"}">at step 8' in card
    assert "whole picture, with what was kept" in card
    answers = text.partition('<section id="answers">')[2]
    assert f'<p class="{tone}">{said[0].upper()}{said[1:]}.</p>' in answers
    assert "by told (whole picture, with what was kept); higher is better." in answers
    assert "<figcaption>PSNR, Y 28.11 dB</figcaption>" in answers


@pytest.mark.parametrize("older", [{}, {"count": True, "held_out": 1}, {"count": 7}])
def test_a_run_of_which_nothing_tells_on_what_it_rests_keeps_silent(run, older):
    validated(run, older)
    text = written(run)
    assert "<dt>Best PSNR, Y</dt>" in text
    assert "trained on:" not in text
    assert "held out" not in text.partition('id="recipe"')[0]


def validated(run, basis):
    """A validation at step 8 of which this is told."""
    best = {"step": 8, "metric": "psnr_y", "value": 28.11, "lower_is_better": False}
    (run / "best.json").write_text(json.dumps(best))
    made = noisy(run / "validation" / "step-0000008" / "best-1-made.png").relative_to(run / "validation")
    entry = {"rank": "best", "value": 28.11, "source": None, "made": str(made), "wanted": None}
    told = {"step": 8, "metric": "psnr_y", "lower_is_better": False, "measured": "told", **basis, "pictures": [entry]}
    (run / "validation" / "pictures.json").write_text(json.dumps(told))


def test_of_many_bests_the_newest_is_listed_and_the_others_are_folded(run):
    bests = [{"step": step, "kind": "best", "text": f"kid {step} is the best so far"} for step in (1, 2, 3)]
    others = [{"step": 2, "kind": "stopped", "text": "by a signal"}, {"step": 2, "kind": "resumed", "text": "goes on"}]
    lay(run / "events.jsonl", *bests[:2], *others, bests[2])
    news = written(run).partition('<section id="news">')[2].partition("</section>")[0]
    seen, _, folded = news.partition("<details>")
    assert [word for word in ("kid 3", "goes on", "by a signal", "kid 2", "kid 1") if word in seen] == [
        "kid 3", "goes on", "by a signal"
    ]  # fmt: skip
    assert folded.startswith("<summary>2 earlier ones were the best so far</summary>")
    assert "kid 2" in folded
    assert "kid 1" in folded


# what it costs


def test_a_report_is_rewritten_when_a_hundred_times_as_long_has_passed_as_it_took(folder, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(reporter, "time", SimpleNamespace(perf_counter=lambda: clock.now))

    def compose(ends):
        clock.now += 2
        return b"x"

    watching = Reporter(folder)
    monkeypatch.setattr(watching, "_composed", compose)
    assert watching.tick()  # ends at 2
    clock.now = 201.9
    assert not watching.tick()
    clock.now = 202.1
    assert watching.tick()
    watching.write()
    assert not watching.tick()


def test_one_that_costs_nothing_is_not_rewritten_all_the_time(folder):
    watching = Reporter(folder)
    assert [watching.tick() for _ in range(3)] == [True, False, False]


def test_rewriting_reads_and_encodes_what_is_new(run):
    source = Source(run)
    source.story(True, 40)
    encoded = source.pictures.encoded
    lay(run / "metrics.jsonl", {"step": 9, "painter": 0.25})
    noisy(run / "samples" / "step-0000009.png")
    story = source.story(True, 40)
    assert source.pictures.encoded == encoded + 1
    assert story.newest["painter"] == (9, 0.25)
    assert story.step == 9


def test_a_report_that_cannot_be_written_leaves_the_one_before(run, monkeypatch):
    before = written(run)
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(I2IError, match=r"report\.html: cannot be written \(no space left on device\)"):
        Reporter(run).write()
    assert (run / "report.html").read_text(encoding="utf-8") == before
    assert not list(run.glob(".i2i-*"))


def test_what_a_killed_writer_left_is_swept(folder):
    (folder / ".i2i-0123456789abcdef.part").write_bytes(b"half a page")
    written(folder)
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["report.html"]


# the command


def test_the_command_writes_reports_of_the_runs_of_a_folder(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "runs" / "second")
    (tmp_path / "runs" / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    lines = output().splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["runs/monet/report.html", "runs/second/report.html"]
    assert lines[0].endswith(" MiB")
    (run / "report.html").unlink()
    assert output("runs/monet", run).count("\n") == 1
    assert (run / "report.html").exists()


def test_the_command_names_what_is_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output() == "no runs in runs; `i2i fit` makes them\n"
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "recipe.yaml").write_text("name: x")
    for name, complaint in (("gone", "gone: no such folder"), ("configs", "configs: not a run folder, and none is in")):
        result = CliRunner().invoke(command, ["report", name])
        assert isinstance(result.exception, UsageError)
        assert str(result.exception).startswith(complaint)


def test_the_command_ends_with_3_when_some_reports_cannot_be_written(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "runs" / "other")
    (other / "report.html").mkdir()
    result = CliRunner().invoke(command, ["report", str(run), str(other)])
    assert result.exit_code == 3
    assert f"{run}/report.html: " in result.output
    assert f"{other}/report.html: cannot be written (is a directory)" in result.output
    result = CliRunner().invoke(command, ["report", str(other)])
    assert isinstance(result.exception, I2IError)


def test_a_page_that_could_not_be_written_is_told_once_and_tried_again_at_the_end(run):
    said = []
    (run / "report.html").mkdir()
    reporting = Reporting(run, said.append)
    reporting.tick()
    reporting.tick()
    reporting.write()
    (told,) = said
    assert told.startswith(f"{run / 'report.html'}: cannot be written (I2IError: ")
    assert told.endswith("; the run goes on")
    (run / "report.html").rmdir()
    reporting.write()
    assert (run / "report.html").is_file()
    assert len(said) == 1
