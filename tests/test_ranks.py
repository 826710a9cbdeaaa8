"""One batch for several processes: each takes its share, none waits for another, and a dead one is made up for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from i2i.errors import UsageError
from i2i.ranks.launching import WHOLE, Share, end_with_parent, run_ranks, share_from_environment, this_command

SECONDS = 60
on_posix = pytest.mark.skipif(os.name == "nt", reason="signals of another kind")


def command(code: str) -> list[str]:
    """A rank that runs this code, in which `rank` is its number."""
    return [sys.executable, "-c", "import os, sys\nrank = int(os.environ['I2I_RANK'])\n" + textwrap.dedent(code)]


def ran(code: str, ranks: int = 2, **environment: str) -> tuple[int, list[tuple[str, bool]]]:
    said: list[tuple[str, bool]] = []
    heard = lambda line, is_error: said.append((line, is_error))  # noqa: E731
    ended = run_ranks(ranks, command(code), {**os.environ, **environment}, heard)
    return ended, sorted(said)


# Shares


def test_every_name_is_in_one_share_and_shares_are_about_equal() -> None:
    names = [f"folder/{number}.png" for number in range(3000)]
    shares = [Share(rank, 3) for rank in range(3)]
    owners = [[share.rank for share in shares if share.mine(name)] for name in names]
    assert {len(found) for found in owners} == {1}
    assert all(900 < sum(found == [rank] for found in owners) < 1100 for rank in range(3))


def test_a_name_stays_in_its_share_from_run_to_run() -> None:
    names = ["a.png", "möwe.png", "two\nlines.png", os.fsdecode(b"latin-\xe9.png")]
    assert [[Share(rank, 4).mine(name) for rank in range(4)].index(True) for name in names] == [2, 3, 2, 0]


def test_one_rank_has_it_all() -> None:
    assert share_from_environment({}) == WHOLE
    assert WHOLE.mine("a.png")
    assert str(Share(1, 4)) == "rank 2 of 4"


def test_ranks_take_the_devices_of_their_machine_in_turn() -> None:
    assert [Share(rank, 8, rank % 4).cuda_index(4) for rank in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert Share(3, 4, 3).cuda_index(1) == 0  # where the launcher shows each its own only


TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
STEP = {
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "2",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_LOCALID": "0",
}


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        (TORCHRUN, Share(5, 8, 1)),
        (STEP, Share(2, 4, 0)),
        ({**STEP, **TORCHRUN}, Share(5, 8, 1)),
        ({**TORCHRUN, "I2I_RANK": "0", "I2I_RANKS": "2", "I2I_LOCAL_RANK": "0"}, Share(0, 2, 0, 2)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "1"}, Share(1, 2, 1)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Share(1, 2, 1)),
        ({**TORCHRUN, "LOCAL_WORLD_SIZE": "4"}, Share(5, 8, 1, 4)),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "1,3(x2)"}, Share(2, 4, 0, 3)),
        ({"RANK": "1"}, WHOLE),
    ],
)
def test_a_launcher_tells_a_process_its_share(environment: dict[str, str], share: Share) -> None:
    assert share_from_environment(environment) == share


def test_a_batch_script_without_srun_does_it_all() -> None:
    script = {name: value for name, value in STEP.items() if "STEP" not in name} | {"SLURM_PROCID": "0"}
    assert share_from_environment(script) == WHOLE


@pytest.mark.parametrize(("rank", "ranks"), [("2", "2"), ("-1", "2"), ("0", "0"), ("one", "2"), ("0", "")])
def test_a_share_that_makes_no_sense_is_refused(rank: str, ranks: str) -> None:
    told = f"RANK={rank} WORLD_SIZE={ranks}: not a rank from 0 and how many there are"
    with pytest.raises(UsageError, match=told):
        share_from_environment({"RANK": rank, "WORLD_SIZE": ranks})


# Restarts

ALONE = """
import sys
from i2i.ranks.group import is_restarted, may_be_restarted
assert not is_restarted({}) and not may_be_restarted({"TORCHELASTIC_MAX_RESTARTS": "0"})
assert "torch" not in sys.modules, "torch is imported to ask whether a launcher has restarted this"
from i2i.cli import i2i as command
try:
    command.main(["fit", "--plugin", "cyclegna", "--src", "photos"], standalone_mode=False)
except Exception as error:
    assert "unknown recipe 'cyclegna'; did you mean 'cyclegan'?" in str(error), error
else:
    raise AssertionError("it is refused")
assert "torch" not in sys.modules, "torch is imported to refuse a name"
assert is_restarted({"TORCHELASTIC_RESTART_COUNT": "1"}) and not is_restarted({"TORCHELASTIC_RESTART_COUNT": "0"})
"""


def test_a_command_that_no_launcher_restarts_is_refused_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


# Ranks


def test_each_rank_knows_its_share_and_says_its_name() -> None:
    code = """
        from i2i.ranks.shares import share_from_environment
        share = share_from_environment(os.environ)
        print(f"that is {share}, {share.local_rank} here")
        print("möwe \N{WOMAN}", file=sys.stderr)
        sys.stdout.buffer.write(b"\\xe9 and no end")
    """
    assert ran(code, PYTHONIOENCODING="utf-8") == (
        0,
        [
            ("rank 1 of 2: \\xe9 and no end", False),
            ("rank 1 of 2: möwe \N{WOMAN}", True),
            ("rank 1 of 2: that is rank 1 of 2, 0 here", False),
            ("rank 2 of 2: \\xe9 and no end", False),
            ("rank 2 of 2: möwe \N{WOMAN}", True),
            ("rank 2 of 2: that is rank 2 of 2, 1 here", False),
        ],
    )


def test_cores_are_shared_out_unless_the_user_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.ranks.launching._cores", lambda: 7)
    code = "print(os.environ['OMP_NUM_THREADS'])"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert ran(code)[1] == [("rank 1 of 2: 3", False), ("rank 2 of 2: 3", False)]
    assert ran(code, ranks=9)[1][0] == ("rank 1 of 9: 1", False)
    assert ran(code, OMP_NUM_THREADS="5")[1][0] == ("rank 1 of 2: 5", False)


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((0, 0), 0),
        ((0, 3), 3),
        ((3, 2), 2),
        ((1, 2), 1),
        ((3, 1), 1),
        ((130, 1), 130),
        ((130, 143), 143),
        ((77, 2), 77),
    ],
)
def test_the_worst_exit_code_counts(codes: tuple[int, int], worst: int) -> None:
    assert ran(f"sys.exit({codes}[rank])")[0] == worst


@on_posix
def test_a_rank_that_is_killed_is_told_of_and_the_other_goes_on(tmp_path: Path) -> None:
    code = """
        import signal, time
        if rank == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        while not os.path.exists(os.environ["TOLD"]):
            time.sleep(0.01)
        print("done")
    """
    told = tmp_path / "told"
    said: list[tuple[str, bool]] = []

    def hear(line: str, is_error: bool) -> None:
        said.append((line, is_error))
        told.touch()  # the other waits for this

    assert run_ranks(2, command(code), {**os.environ, "TOLD": str(told)}, hear) == 1
    assert said == [
        (
            "rank 1 of 2: ended by SIGKILL, perhaps for want of memory; the next run does what is left of its share",
            True,
        ),
        ("rank 2 of 2: done", False),
    ]


WAITING = """
    import signal, time
    def stop(number, frame):
        print("stopped by", number)
        sys.exit(128 + number)
    if "raw" not in os.environ:
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
    print("waiting", flush=True)
    time.sleep(60)
"""


@on_posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_are_passed_on_once(number: signal.Signals, code: int) -> None:
    said: list[str] = []

    def hear(line: str, is_error: bool) -> None:
        said.append(line)
        if len(said) == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert run_ranks(2, command(WAITING), os.environ, hear) == code
    assert sorted(said) == [
        f"rank {rank} of 2: {what}" for rank in (1, 2) for what in (f"stopped by {number}", "waiting")
    ]
    assert signal.getsignal(number) is before


@on_posix
def test_a_terminal_does_not_reach_ranks_itself() -> None:
    assert ran("print(os.getpgrp() == os.getpid())", ranks=1) == (0, [("rank 1 of 1: True", False)])


@on_posix
def test_a_signal_that_a_rank_does_not_catch_is_no_accident() -> None:
    said: list[str] = []

    def hear(line: str, is_error: bool) -> None:
        said.append(line)
        if len(said) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    assert run_ranks(2, command(WAITING), {**os.environ, "raw": ""}, hear) == 143
    assert sorted(said) == ["rank 1 of 2: waiting", "rank 2 of 2: waiting"]


@on_posix
def test_a_signal_while_ranks_are_started_starts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    real = subprocess.Popen

    def interrupted(*arguments: object, **words: object) -> object:
        started.append(real(*arguments, **words))  # type: ignore[call-overload]
        os.kill(os.getpid(), signal.SIGTERM)
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    assert run_ranks(3, command(WAITING), {**os.environ, "raw": ""}, lambda line, is_error: None) == 143
    assert len(started) == 1


def test_when_nobody_listens_ranks_end() -> None:
    def gone(line: str, is_error: bool) -> None:
        raise BrokenPipeError("nobody listens")

    begun = time.monotonic()
    with pytest.raises(BrokenPipeError, match="nobody listens"):
        run_ranks(2, command(WAITING), os.environ, gone)
    assert time.monotonic() - begun < 30


@on_posix
def test_a_process_that_a_rank_leaves_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.ranks.launching.LAST_WORDS_SECONDS", 0.5)
    code = """
        import subprocess
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
    """
    ended, said = ran(code, ranks=1)
    assert ended == 0
    os.kill(int(said[0][0].removeprefix("rank 1 of 1: ")), signal.SIGKILL)  # raises where it has ended


def test_a_rank_may_say_much_without_an_end() -> None:
    ended, said = ran("sys.stdout.write('x' * 300_000)", ranks=1)
    assert ended == 0
    assert sum(line.removeprefix("rank 1 of 1: ").count("x") for line, _ in said) == 300_000


def test_ranks_run_this_very_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "i2i.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    assert run_ranks(2, this_command(["--version"]), os.environ, lambda line, is_error: said.append(line)) == 0
    version = said[0].removeprefix("rank 1 of 2: ").removeprefix("rank 2 of 2: ")
    assert version.startswith("i2i ")
    assert sorted(said) == [f"rank 1 of 2: {version}", f"rank 2 of 2: {version}"]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "-P" not in this_command([])  # `python -m i2i` takes what lies there: so do its ranks


ORPHAN = """
    import signal, time
    from pathlib import Path
    from i2i.ranks.launching import end_with_parent

    def ended(number, frame):
        Path(os.environ["FOLDER"], f"ended-{rank}").touch()
        sys.exit(143)

    signal.signal(signal.SIGTERM, ended)
    end_with_parent(os.environ)
    Path(os.environ["FOLDER"], f"begun-{rank}").touch()
    time.sleep(60)
"""


@on_posix
def test_ranks_end_when_what_started_them_is_killed(tmp_path: Path) -> None:
    start = (
        f"import os; from i2i.ranks.launching import run_ranks; run_ranks(2, {command(ORPHAN)!r}, os.environ, print)"
    )
    parent = subprocess.Popen([sys.executable, "-c", start], env={**os.environ, "FOLDER": str(tmp_path)})

    def wait_for(what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while len(list(tmp_path.glob(f"{what}-*"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    wait_for("begun")
    parent.kill()
    wait_for("ended")
    parent.wait()


def test_a_process_that_is_no_rank_of_ours_ends_by_itself() -> None:
    end_with_parent({"I2I_RANK": "0", "RANK": "0"})  # else its input, which has ended, would end it


# With the manifest


BATCH = """
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from i2i.disk.drafts import complete_or_not_at_all
    from i2i.inference.manifest import Manifest
    from i2i.ranks.shares import share_from_environment

    @dataclass(frozen=True)
    class Job:
        source: Path
        target: Path
        name: str
        mask: Path | None = None

    folder, share = Path(os.environ["FOLDER"]), share_from_environment(os.environ)
    with Manifest.open(folder / "out", "settings") as manifest:
        for number in range(30):
            name = f"{number:03d}.png"
            job = Job(folder / "photos" / name, folder / "out" / name, name)
            if not share.mine(name) or (found := manifest.examine(job)).state == "done":
                continue
            assert found.state == "new", found
            line = lambda draft: manifest.about_to_appear(job, draft, found.seen)
            with complete_or_not_at_all(job.target, line) as stream:
                stream.write(job.source.read_bytes())
            print(name, flush=True)
            if "DIES" in os.environ and rank == 1:
                os.kill(os.getpid(), 9)
"""


@on_posix
def test_the_next_run_does_what_a_dead_rank_did_not(tmp_path: Path) -> None:
    names = [f"{number:03d}.png" for number in range(30)]
    (tmp_path / "photos").mkdir()
    for name in names:
        (tmp_path / "photos" / name).write_text(name)
    code, said = ran(BATCH, FOLDER=str(tmp_path), DIES="")
    first = [name for name in names if Share(0, 2).mine(name)]
    second = [name for name in names if Share(1, 2).mine(name)]
    assert code == 1
    assert [line for line, is_error in said if not is_error] == [
        *(f"rank 1 of 2: {name}" for name in first),
        f"rank 2 of 2: {second[0]}",
    ]
    code, said = ran(BATCH, FOLDER=str(tmp_path), ranks=1)  # another number of ranks will do
    assert (code, said) == (0, [(f"rank 1 of 1: {name}", False) for name in second[1:]])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".i2i-manifest.jsonl", *names]
    assert {path.read_text() for path in (tmp_path / "out").glob("*.png")} == set(names)
