"""Which part of the files a process translates, where several share them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from i2i.errors import UsageError

LAUNCHERS = (
    ("I2I_RANK", "I2I_RANKS", "I2I_LOCAL_RANK", "I2I_RANKS"),
    ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),  # torchrun
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),  # srun
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_TASKS_PER_NODE"),
)
"""What tells a process its rank, how many there are, its place on this machine, and how many are here; the first that
tells the first two. SLURM tells of all machines: `4(x2),1`."""


@dataclass(frozen=True)
class Share:
    """Which part of the files this process translates."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    """Its place among the ranks on this machine."""
    local_ranks: int = 1
    """How many share this machine, as far as that is told."""

    def __str__(self) -> str:
        return f"rank {self.rank + 1} of {self.ranks}"

    def mine(self, name: str) -> bool:
        """Whether the file of this name (`Job.name`) is in this share; every name is in exactly one."""
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.ranks == self.rank

    def cuda_index(self, count: int) -> int:
        """Which of the `count` devices that this process sees is its own; of one, that one."""
        return self.local_rank % count


WHOLE = Share()
"""All files: there is one rank."""


def share_from_environment(environment: Mapping[str, str]) -> Share:
    """The share that a launcher gave this process; `WHOLE` where there is none.

    A batch script of SLURM has a rank's variables too, though nobody but srun starts one process for each task: in a
    job the share is a step's. Raises `UsageError` where the variables make no sense.
    """
    for names in LAUNCHERS:
        in_no_step = "SLURM_NTASKS" in names and "SLURM_JOB_ID" in environment
        if all(name in environment for name in names[:2]) and not in_no_step:
            return _share({name: environment[name] for name in names if name in environment}, *names)
    return WHOLE


def _share(told: Mapping[str, str], rank: str, ranks: str, local: str, here: str) -> Share:
    try:
        local_ranks = max(int(number) for number in re.sub(r"\(x\d+\)", "", told.get(here, "1")).split(","))
        share = Share(int(told[rank]), int(told[ranks]), int(told.get(local, told[rank])), local_ranks)
    except ValueError:
        share = Share(-1)
    if not 0 <= share.rank < share.ranks or share.local_rank < 0 or share.local_ranks < 1:
        said = " ".join(f"{name}={value}" for name, value in told.items())
        raise UsageError(f"{said}: not a rank from 0 and how many there are; whatever starts this process sets them")
    return share
