"""Runs listed, compared, exported and removed, as a user does."""

import errno
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
import yaml
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from i2i import load_recipe
from i2i.cli.runs import runs as command
from i2i.contracts import Weights
from i2i.disk.locking import OCCUPIED, Occupation, Occupied
from i2i.errors import I2IError, Interrupted, UsageError
from i2i.images.limits import amount
from i2i.training import comparing
from i2i.training.checkpoints import identical, load_checkpoint, save_checkpoint
from i2i.training.run_folder import RunFolder
from i2i.training.starting import resume, start

STEPS = ("step-0000000", "step-0000004", "step-0000008")


@pytest.fixture
def fitted(plugin_alone, tmp_path, monkeypatch, new_notes):
    """`fitted("a", *overrides, stop_at=None)`: a real run in `runs/` below the working folder."""
    monkeypatch.chdir(tmp_path)
    catalog, rng = plugin_alone("alien"), numpy.random.default_rng(0)
    for name, count in (("photos", 7), ("paintings", 5)):
        (tmp_path / name).mkdir()
        for index in range(count):
            pixels = rng.integers(0, 256, (18, 24, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")

    def fit(name, *overrides, stop_at=None):
        where = [f"dataset.source={tmp_path / 'photos'}", f"dataset.target={tmp_path / 'paintings'}"]
        recipe = load_recipe(catalog, "alien", overrides=[*where, "run.precision=fp32", "run.report=false", *overrides])
        going = start(catalog, recipe, tmp_path / "runs" / name, listener=new_notes(stop_at))
        if stop_at is None:
            return going.run().path
        with pytest.raises(Interrupted):
            going.run()
        return going.folder.path

    fit.catalog = catalog
    return fit


@pytest.fixture
def run(fitted):
    """A finished run of 8 steps."""
    return fitted("a")


def call(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def output(*arguments):
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def listed(*arguments):
    return {run["path"].rpartition("/")[2]: run for run in json.loads(output(*arguments, "--json"))["runs"]}


def cut_short(file):
    file.write_bytes(file.read_bytes()[:-1])


def flip(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def bytes_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# list


def test_alone_it_lists_the_runs_of_the_working_folder_newest_first(fitted):
    fitted("whole")
    path = fitted("stopped", "run.steps=9", stop_at=3)
    lines = [line.split("  ") for line in output().splitlines()]
    rows = [[cell.strip() for cell in line if cell] for line in lines]
    assert rows[0] == ["RUN", "RECIPE", "STEP", "STATE", "WRITTEN", "BEST", "SIZE"]
    assert [row[:4] for row in rows[1:]] == [
        ["runs/stopped", "alien", "3 of 9", "stopped"],
        ["runs/whole", "alien", "8 of 8", "finished"],
    ]
    assert all(row[4].endswith(" s ago") for row in rows[1:])
    assert [row[5] for row in rows[1:]] == ["–", "–"]
    assert rows[1][6] == f"{bytes_of(path) / 1024:.1f} KiB".replace(".0 ", " ")
    assert output() == output("list") == output("runs")


def test_a_run_folder_itself_is_listed_and_none_twice(run, fitted):
    fitted("b")
    assert set(listed(run)) == {"a"}
    assert set(listed(run, "runs", run / ".." / "a")) == {"a", "b"}


def test_what_is_no_run_is_passed_over_and_what_is_no_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output() == "no runs in runs; `i2i fit` makes them\n"
    assert json.loads(output("--json")) == {"runs": []}
    (tmp_path / "mine" / "configs").mkdir(parents=True)
    (tmp_path / "mine" / "configs" / "recipe.yaml").write_text("name: x")
    assert output("mine") == "no runs in mine; `i2i fit` makes them\n"
    result = call("compaer", "a")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "compaer, a: no such folder, and no command of `i2i runs`; did you mean 'compare'?"


def test_a_run_that_goes_on_says_who_trains_it_and_how_far_it_is(run):
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 11, "painter": 1}\n{"step": 1')
    assert (listed()["a"]["state"], listed()["a"]["step"]) == ("finished", 8)
    held = Occupation(run)
    found = listed()["a"]
    held.end()
    assert (found["state"], found["step"]) == ("running", 11)
    assert found["occupant"] == f"{os.getpid()} on {platform.node()}"
    (run / OCCUPIED).write_text(f"{os.getppid()} on {platform.node()}\n")  # left by one that was killed
    assert listed()["a"]["state"] == "finished"
    assert (run / OCCUPIED).exists()


def test_where_files_cannot_be_locked_a_living_process_is_believed(run, monkeypatch):
    monkeypatch.setattr("i2i.training.runs.try_lock", lambda descriptor: None)
    for process, state in ((os.getpid(), "running"), (2**31 - 1, "finished")):
        (run / OCCUPIED).write_text(f"{process} on {platform.node()}\n")
        assert listed()["a"]["state"] == state


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda newest: cut_short(newest / "weights.safetensors"), "weights.safetensors has not the length that"),
        (lambda newest: cut_short(newest / "training.safetensors"), "training.safetensors has not the length that"),
        (lambda newest: (newest / "training.safetensors").unlink(), "training.safetensors is missing"),
        (lambda newest: (newest / "training.safetensors").write_bytes(b""), "training.safetensors has not"),
        (lambda newest: (newest / "state.json").unlink(), "state.json is missing"),
        (lambda newest: cut_short(newest / "state.json"), "state.json cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_told_with_the_step_to_go_on_from(run, harm, problem):
    harm(run / "checkpoints" / STEPS[2])
    assert (listed()["a"]["state"], listed()["a"]["step"]) == ("damaged", 4)
    last = output().splitlines()[-1]
    assert last.startswith(f"runs/a: {STEPS[2]}: {problem}")
    assert last.endswith("; step 4 looks intact")


def test_a_run_without_recipe_or_checkpoints_is_damaged(run):
    (run / "recipe.yaml").write_text("name: [")
    assert output().splitlines()[-1] == "runs/a: recipe.yaml cannot be read"
    assert listed()["a"]["recipe"] is None
    (run / "recipe.yaml").write_text("name: a\nrun: {steps: 8}")
    shutil.rmtree(run / "checkpoints")
    assert output().splitlines()[-1] == "runs/a: no checkpoint"


def test_a_run_that_ended_as_there_was_no_more_to_gain_is_finished(run):
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe["run"] |= {"steps": 20, "patience": 3}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    newest = run / "checkpoints" / STEPS[2]
    state, weights = load_checkpoint(newest), Weights.load(newest / "weights.safetensors")
    for stale, expected in ((2, "stopped"), (3, "finished")):
        state["validating"] = {"metric": "kid", "best": {"step": 4, "value": 0.5}, "stale": stale}
        save_checkpoint(newest.parent, 8, weights, state, 9)
        assert listed()["a"]["state"] == expected


def test_the_best_figure_is_shown(run):
    best = {"step": 4, "metric": "kid", "value": 0.031249, "lower_is_better": True}
    (run / "best.json").write_text(json.dumps(best))
    assert "kid 0.03125 ↓ at 4" in output()
    assert listed()["a"]["best"] == best
    (run / "best.json").write_text(json.dumps({**best, "metric": "ssim", "lower_is_better": False}))
    assert "ssim 0.03125 ↑ at 4" in output()
    for nonsense in ("", "[]", '{"step": 4}', '{"step": 1, "metric": "a", "value": NaN, "lower_is_better": true}'):
        (run / "best.json").write_text(nonsense)
        assert listed()["a"]["best"] is None


def test_help_and_listing_import_no_torch(run):
    code = "import sys; from i2i.cli import i2i\n"
    code += "for line in ('runs --help', 'runs', 'runs --json'):\n"
    code += "    i2i.main(line.split(), standalone_mode=False); assert 'torch' not in sys.modules, line"
    done = subprocess.run([sys.executable, "-c", code], cwd=run.parents[1], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"recipe": "alien"' in done.stdout


# compare


def test_runs_that_differ_in_what_decides_no_number_are_identical(fitted):
    one = fitted("a")
    other = fitted("b", "run.checkpoint_every=3", "run.keep=1", stop_at=5)
    resume(fitted.catalog, other).run()
    told = "hold the same weights, optimizers, moving average and pools at step 8, bit for bit"
    assert output("compare", one, other) == f"identical: {one} and {other} {told}\n"
    assert identical(one / "checkpoints" / STEPS[2], other / "checkpoints" / STEPS[2])


def test_what_differs_is_listed(fitted):
    one, other = fitted("a"), fitted("b", "trainer.learning_rate=0.02")
    result = call("compare", one, other)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[:2] == [
        f"different: {one} at step 8, {other} at step 8",
        "  recipe: trainer.learning_rate 0.01 → 0.02",
    ]
    parts = {line.split(":")[0].strip(): line for line in lines[2:]}
    assert set(parts) == {"weights", "optimizers", "moving average"}
    states = [load_checkpoint(run / "checkpoints" / STEPS[2])["loop"]["model"] for run in (one, other)]
    name = next(name for name in states[0] if not torch.equal(states[0][name], states[1][name]))
    gap = float((states[0][name].double() - states[1][name].double()).abs().max())
    count = sum(not torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert parts["weights"].startswith(f"  weights: {count} of {len(states[0])} differ: {name} by up to {gap:.3g}, ")
    assert parts["weights"].endswith(f", {count - 3} more")
    assert call("compare", one, other, "--step", 0).exit_code == 1  # the rate is one of the optimizer's numbers


def test_other_steps_are_different_and_the_same_step_of_both_may_be_named(fitted):
    one, other = fitted("a"), fitted("b", stop_at=5)
    assert call("compare", one, other).output.startswith(f"different: {one} at step 8, {other} at step 5\n")
    assert " at step 4, bit for bit" in output("compare", one, other, "--step", 4)
    error = call("compare", one, other, "--step", 8).exception
    assert isinstance(error, UsageError)
    assert str(error) == f"{other}: no checkpoint of step 8; there are: 0, 4, 5"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("weights", lambda loop: loop["model"]["lens.weight"].view(-1)[0].neg_()),
        ("moving average", lambda loop: next(iter(loop["ema"].values())).view(-1)[0].add_(1e-7)),
        ("optimizers", lambda loop: loop["optimizers"]["critic"]["param_groups"][0].update(momentum=0.8)),
        ("pools", lambda loop: loop["trainers"][0].update(mean_colour=torch.zeros(3).double())),
        ("pools", lambda loop: loop["trainers"][0].update(pool=[torch.zeros(2)])),
        ("course", lambda loop: loop.update(rate=0.5)),
    ],
)
def test_the_smallest_difference_in_any_part_is_found(run, fitted, part, change):
    other = run.with_name("b")
    shutil.copytree(run, other)
    newest = other / "checkpoints" / STEPS[2]
    state, weights = load_checkpoint(newest), Weights.load(newest / "weights.safetensors")
    change(state["loop"])
    save_checkpoint(newest.parent, 8, weights, state, 9)
    result = call("compare", run, other)
    assert result.exit_code == 1
    assert [line.split(":")[0].strip() for line in result.output.splitlines()] == ["different", part]


def test_where_a_run_was_made_makes_no_difference(run):
    other = run.with_name("b")
    shutil.copytree(run, other)
    newest = other / "checkpoints" / STEPS[2]
    state, weights = load_checkpoint(newest), Weights.load(newest / "weights.safetensors")
    state["environment"]["device name"] = "another one"
    save_checkpoint(newest.parent, 8, weights, state, 9)
    assert output("compare", run, other).startswith("identical: ")


def test_tensors_are_compared_by_their_bits():
    def number(bits):
        return torch.tensor(struct.unpack("<f", struct.pack("<I", bits)))

    nan, other_nan = number(0x7FC00000), number(0x7FC00001)
    assert comparing._apart(nan, nan.clone()) is None
    assert comparing._apart(nan, other_nan) == "by up to nan"
    assert comparing._apart(torch.tensor([0.0]), torch.tensor([-0.0])) == "by up to 0"
    assert comparing._apart(torch.tensor([True]), torch.tensor([False])) == "by up to 1"
    assert comparing._apart(torch.tensor(1.0), torch.tensor([1.0])) == "float32 () → float32 (1,)"
    assert comparing._apart(torch.empty(0), torch.empty(0)) is None
    assert comparing._apart("1", "1.0") == "1 → 1.0"


def test_a_damaged_checkpoint_is_told_and_the_one_before_compared(run, fitted):
    other = fitted("b", stop_at=4)
    flip(run / "checkpoints" / STEPS[2] / "training.safetensors")
    assert listed()["a"]["state"] == "finished"  # no hash is computed for a list
    result = call("compare", run, other)
    assert result.exit_code == 0
    told = f"{run}/checkpoints/{STEPS[2]}: training.safetensors was altered; trying the one before\n"
    assert result.stderr == told
    assert " at step 4, bit for bit" in result.stdout
    error = call("compare", run, run, "--step", 8).exception
    assert str(error) == f"{run}/checkpoints/{STEPS[2]}: training.safetensors was altered; name another --step"


# export


def test_the_weights_are_one_file(run, tmp_path):
    out = tmp_path / "new" / "alien.safetensors"
    told = output("export", run, "--out", out).splitlines()
    assert told[0].startswith(f"{out}: weights of {run} at step 8, ")
    assert told[1] == f"next: i2i translate --weights {out} …"
    assert out.read_bytes() == (run / "checkpoints" / STEPS[2] / "weights.safetensors").read_bytes()
    assert Weights.load(out).step == 8
    assert [path.name for path in out.parent.iterdir()] == ["alien.safetensors"]


def test_nothing_is_overwritten_unless_forced(run, tmp_path):
    out = tmp_path / "w.safetensors"
    output("export", run, "--out", out)
    error = call("export", run, "--out", out, "--step", 4).exception
    assert (type(error), str(error)) == (UsageError, f"--out {out}: exists; --force overwrites it")
    assert Weights.load(out).step == 8
    output("export", run, "--out", out, "--step", 4, "--force")
    assert Weights.load(out).step == 4


def test_the_best_is_exported(run, tmp_path):
    out = tmp_path / "w.safetensors"
    error = call("export", run, "--best", "--out", out).exception
    assert str(error) == f"{run}: tells of no best figure (best.json); name a --step, or neither for the newest"
    best = {"step": 4, "metric": "kid", "value": 0.5, "lower_is_better": True}
    (run / "best.json").write_text(json.dumps(best))
    error = call("export", run, "--best", "--step", 4, "--out", out).exception
    assert str(error) == "--best and --step name two checkpoints; leave out one"
    output("export", run, "--best", "--out", out)
    assert Weights.load(out).step == 4
    shutil.rmtree(run / "checkpoints" / STEPS[1])
    error = call("export", run, "--best", "--out", out, "--force").exception
    assert str(error) == f"{run}: no checkpoint of step 4; there are: 0, 8"


def test_where_no_file_can_be_written_none_is_there(run, tmp_path):
    for out, problem in (
        (tmp_path / "w.pt", "a weights file ends in .safetensors"),
        (tmp_path / "folder.safetensors", "is a folder"),
    ):
        (tmp_path / "folder.safetensors").mkdir(exist_ok=True)
        assert str(call("export", run, "--out", out, "--force").exception) == f"--out {out}: {problem}"
    (tmp_path / "file").touch()
    error = call("export", run, "--out", tmp_path / "file" / "w.safetensors").exception
    assert isinstance(error, I2IError)
    assert str(error).endswith(f"{tmp_path / 'file'} is not a folder)")
    error = call("export", tmp_path, "--out", tmp_path / "w.safetensors").exception
    assert str(error) == f"{tmp_path}: not a run folder (recipe.yaml and checkpoints/ are not both in it)"


# rm


def test_a_run_is_removed_and_its_size_told(run, fitted):
    other, size = fitted("b"), bytes_of(run)
    assert output("rm", run, run / ".." / "a", "--yes") == f"{run}: removed, {amount(size)} freed\n"
    assert not run.exists()
    assert other.exists()


def test_without_somebody_to_ask_nothing_is_removed(run):
    error = call("rm", run).exception
    assert isinstance(error, UsageError)
    assert str(error) == "nobody can be asked here whether to remove; --yes does it"
    assert set(listed()) == {"a"}


@pytest.mark.skipif(os.name == "nt", reason="no such terminals")
@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("y", 0)])
def test_it_asks_and_says_what_would_go(run, answer, code):
    import pty

    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    arguments = [sys.executable, "-m", "i2i", "runs", "rm", str(run)]
    done = subprocess.run(arguments, stdin=theirs, capture_output=True, text=True, timeout=60)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(f"{run}: alien, step 8 of 8, ")
    assert "Remove? [y/N]: " in done.stdout
    assert ("freed" in done.stdout, "nothing was removed" in done.stdout) == (code == 0, code == 1)
    assert run.exists() == (code == 1)
    assert not (run / OCCUPIED).exists()


def test_one_that_may_not_go_keeps_all(run, fitted, tmp_path):
    other = fitted("b")
    held = Occupation(other)
    refused = call("rm", run, other, "--yes").exception
    held.end()
    assert isinstance(refused, Occupied)
    assert str(refused).startswith(f"{other}: process {os.getpid()} on ")
    refused = call("rm", run, tmp_path / "photos", "--yes").exception
    wanted = "not a run folder (recipe.yaml and checkpoints/ are not both in it)"
    assert (type(refused), str(refused)) == (UsageError, f"{tmp_path / 'photos'}: {wanted}")
    (tmp_path / "link").symlink_to(run)
    refused = call("rm", tmp_path / "link", "--yes").exception
    assert str(refused) == f"{tmp_path / 'link'}: a link; name the folder itself, {run}"
    assert {name: found["state"] for name, found in listed().items()} == {"a": "finished", "b": "finished"}


def test_the_newest_intact_checkpoint_is_kept(run, fitted):
    flip(run / "checkpoints" / STEPS[2] / "weights.safetensors")
    (run / "checkpoints" / ".step-0000009.12").mkdir()
    before = bytes_of(run)
    result = call("rm", run, "--keep-newest", "--yes")
    assert result.stdout == f"{run}: {STEPS[1]} kept, {(before - bytes_of(run)) / 1024:.1f} KiB freed\n"
    assert "weights.safetensors was altered" in result.stderr
    assert [path.name for path in (run / "checkpoints").iterdir()] == [STEPS[1]]
    assert resume(fitted.catalog, run).run().path == run
    assert listed()["a"]["state"] == "finished"


def test_the_best_checkpoint_is_kept_beside_the_newest(run):
    for best, kept in ((4, [STEPS[1], STEPS[2]]), (8, [STEPS[2]])):
        (run / "best.json").write_text(
            json.dumps({"step": best, "metric": "kid", "value": 0.5, "lower_is_better": True})
        )
        output("rm", run, "--keep-newest", "--yes")
        assert sorted(path.name for path in (run / "checkpoints").iterdir()) == kept


def test_a_run_without_an_intact_checkpoint_keeps_what_it_has(run):
    for step in STEPS:
        flip(run / "checkpoints" / step / "training.safetensors")
    error = call("rm", run, "--keep-newest", "--yes").exception
    assert str(error) == f"{run}: holds no intact checkpoint"
    assert listed()["a"]["checkpoints"] == [0, 4, 8]


def test_what_a_link_in_a_run_leads_to_stays(run, tmp_path):
    (run / "samples" / "photos").symlink_to(tmp_path / "photos")
    (run / "pictures").symlink_to(tmp_path / "photos")
    output("rm", run, "--yes")
    assert not run.exists()
    assert len(list((tmp_path / "photos").iterdir())) == 7


def test_a_removal_that_could_not_end_is_told_and_can_be_repeated(run, monkeypatch):
    rmtree = shutil.rmtree

    def forbidden(folder):
        if folder.name == "samples":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        rmtree(folder)

    monkeypatch.setattr("i2i.training.removing.shutil.rmtree", forbidden)
    error = call("rm", run, "--yes").exception
    assert isinstance(error, I2IError)
    assert str(error) == f"{run}: not all of it could be removed: {run / 'samples'}: Permission denied"
    assert (listed()["a"]["state"], listed()["a"]["problem"]) == ("damaged", "no checkpoint")
    monkeypatch.undo()
    monkeypatch.chdir(run.parents[1])
    output("rm", run, "--yes")
    assert not run.exists()


def test_what_is_exported_for_others_is_half_as_large_and_names_no_folder(run, tmp_path):
    plain, out = tmp_path / "plain.safetensors", tmp_path / "shipped.safetensors"
    output("export", run, "--out", plain)
    output("export", run, "--half", "--note", "Drawn by ourselves; CC0", "--out", out)
    whole, shipped = Weights.load(plain), Weights.load(out)
    assert whole.recipe["dataset"]["source"] is not None
    assert shipped.recipe["dataset"]["source"] is None
    assert str(run.parent) not in json.dumps(shipped.header())
    assert shipped.note == shipped.recipe["run"]["note"] == "Drawn by ourselves; CC0"
    for key, tensor in shipped.tensors.items():
        assert tensor.dtype == (torch.float16 if whole.tensors[key].is_floating_point() else whole.tensors[key].dtype)
        torch.testing.assert_close(tensor.float(), whole.tensors[key].float(), rtol=1e-3, atol=1e-4)
    noted = tmp_path / "noted.safetensors"
    output("export", run, "--note", "Ours", "--out", noted)
    assert all(torch.equal(tensor, whole.tensors[key]) for key, tensor in Weights.load(noted).tensors.items())


def test_the_tensors_of_an_export_are_those_of_the_run(run, tmp_path, run_i2i):
    """In a process of its own, where the run's plugin is not installed."""
    done = run_i2i("runs", "export", run, "--out", tmp_path / "w.safetensors")
    assert (done.returncode, done.stderr) == (0, "")
    weights = load_file(tmp_path / "w.safetensors")
    assert all(
        torch.equal(value, weights[name]) for name, value in Weights.load(tmp_path / "w.safetensors").tensors.items()
    )
    refused = run_i2i("runs", "export", run, "--out", tmp_path / "w.safetensors")
    assert (refused.returncode, refused.stderr) == (
        2,
        f"Error: --out {tmp_path / 'w.safetensors'}: exists; --force overwrites it\n",
    )


def test_run_folders_right_here_are_told_of_where_runs_has_none(fitted, monkeypatch):
    here = fitted("mend").parent
    fitted("look at")
    monkeypatch.chdir(here)
    assert output() == "no runs in runs; run folders here: look at, mend (i2i runs .)\n"
    assert output("report") == "no runs in runs; run folders here: look at, mend (i2i runs report .)\n"
    assert output(here / "mend").count("\n") == 2
    (here / "runs").mkdir()
    assert output() == "no runs in runs; run folders here: look at, mend (i2i runs .)\n"


def test_a_run_folder_that_is_not_there_is_said_to_be_that(fitted, monkeypatch):
    path = fitted("monet")
    monkeypatch.chdir(path.parent)
    for given, hint in {"mnet": "; did you mean 'monet'?", "elsewhere": ""}.items():
        with pytest.raises(UsageError) as refused:
            RunFolder.open(Path(given))
        assert str(refused.value) == f"{given}: no such folder{hint}"
    monkeypatch.chdir(path.parent.parent)
    with pytest.raises(UsageError, match=f"monet: no such folder; did you mean '{path.parent.name}/monet'"):
        RunFolder.open(Path("monet"))


def test_the_way_on_is_a_command_to_paste(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mönet run").mkdir()
    (tmp_path / "mönet run" / "recipe.yaml").touch()
    with pytest.raises(UsageError, match="go on with --resume 'mönet run', or choose another --out"):
        RunFolder.refuse_existing(Path("mönet run"))
