"""Processes that compute one thing together, each a part of it."""

from __future__ import annotations

import datetime
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from i2i.errors import I2IError, UsageError
from i2i.ranks.shares import WHOLE, Share

MEETING = "I2I_MEETING"
"""Where the ranks of `run_ranks` find each other."""
RESTARTS, MOST_RESTARTS = "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS"
PATIENCE = datetime.timedelta(minutes=10)
"""How long a rank waits for others that are alive, such as for the one that writes a checkpoint."""
GONE = ("closed by peer", "reset by peer", "broken pipe", "timed out", "connection refused", "connection was closed")
"""How torch says that another rank is not there any more."""


class RankLost(I2IError):
    """Another process of the same work has ended."""


@contextmanager
def joined(share: Share, environment: Mapping[str, str]) -> Iterator[None]:
    """The ranks of a launcher are one group inside; where there is but one, nothing happens.

    Tensors are added up by gloo on the CPU and by NCCL on CUDA. Raises `RankLost` where another rank ends meanwhile,
    `UsageError` where nothing says where they meet.
    """
    if share == WHOLE:
        yield
        return
    import torch
    import torch.distributed as distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    # torchrun's store outlives ranks that died, with their addresses in it: those of another attempt are not asked.
    # On several machines it has a new store for each, and their counts of attempts may differ.
    attempt = environment.get(RESTARTS, "0") if share.local_ranks == share.ranks else "0"
    where = meeting_point(environment)
    try:
        store, _, _ = next(rendezvous(where, share.rank, share.ranks, timeout=PATIENCE))
        fresh = PrefixStore(f"attempt-{attempt}", store)
        distributed.init_process_group(backend, None, PATIENCE, share.ranks, share.rank, fresh)
        yield
    except RuntimeError as problem:
        if any(sign in str(problem).lower() for sign in GONE):
            raise RankLost(f"{share}: another process of this run has ended; this one ends too") from problem
        raise
    finally:
        if _is_group():
            distributed.destroy_process_group()


def meeting_point(environment: Mapping[str, str]) -> str:
    """The address at which ranks meet, as torch's `init_method`: of `run_ranks`, torchrun or srun."""
    if MEETING in environment:
        return environment[MEETING]
    if "MASTER_ADDR" in environment and "MASTER_PORT" in environment:
        return f"tcp://{environment['MASTER_ADDR']}:{environment['MASTER_PORT']}"
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_NODELIST")
    if nodes and (job := environment.get("SLURM_JOB_ID", "")).isdecimal():
        return f"tcp://{_first_of(nodes)}:{20_000 + int(job) % 20_000}"
    raise UsageError("the ranks know no place to meet: set MASTER_ADDR and MASTER_PORT, as torchrun does")


def is_restarted(environment: Mapping[str, str]) -> bool:
    """Whether torchrun has started the ranks once more, as far as any of them is told."""
    return RESTARTS in environment and bool(largest(int(environment[RESTARTS])))


def may_be_restarted(environment: Mapping[str, str]) -> bool:
    """Whether torchrun would start the ranks once more."""
    return int(environment.get(MOST_RESTARTS, "0")) > 0


@contextmanager
def meeting() -> Iterator[str]:
    """A place to meet for ranks of this machine."""
    with tempfile.TemporaryDirectory(prefix="i2i-ranks-") as folder:
        yield (Path(folder) / "meeting").as_uri()


def gathered(value: Any) -> list[Any]:
    """What each rank gives, on rank 0; nothing elsewhere."""
    import torch.distributed as distributed

    is_first = distributed.get_rank() == 0
    values: list[Any] = [None] * distributed.get_world_size() if is_first else []
    distributed.gather_object(value, values if is_first else None)
    return values


def from_first(value: Any) -> Any:
    """What rank 0 gives, on every rank; alone, one's own."""
    import torch.distributed as distributed

    if not _is_group():
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def is_first() -> bool:
    """Whether this process writes what all have."""
    import torch.distributed as distributed

    return not _is_group() or distributed.get_rank() == 0


def largest(number: int) -> int:
    """Of the numbers that the ranks give; alone, one's own."""
    import torch
    import torch.distributed as distributed

    if not _is_group():
        return number
    numbers = torch.tensor(number)
    distributed.all_reduce(numbers, distributed.ReduceOp.MAX)
    return int(numbers)


def _is_group() -> bool:
    import torch.distributed as distributed

    return distributed.is_available() and distributed.is_initialized()


def _first_of(nodes: str) -> str:
    """`node[03-07,12],other` begins with node03."""
    name, _, numbers = nodes.partition(",")[0].partition("[") if "[" not in nodes else nodes.partition("[")
    first = re.match(r"\d+", numbers)
    return name.split(",")[0] if first is None or "," in name else name + first[0]
