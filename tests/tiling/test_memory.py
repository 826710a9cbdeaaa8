import json
import mmap
import os
import subprocess
import sys

import numpy
import pytest
import torch

from i2i import UsageError
from i2i.tiling import memory
from i2i.tiling.memory import anonymous, control_group_room, free, parsed, spelled, trim

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
CPU = torch.device("cpu")
MB = 1000**2


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("3GB", 3 * 10**9),
        ("800M", 800 * 10**6),
        ("1.5GiB", 3 * 2**29),
        (" 2 gib ", 2**31),
        ("64k", 64_000),
        ("0.5tb", 5 * 10**11),
        (".25G", 250 * 10**6),
    ],
)
def test_an_amount_of_memory_has_a_number_and_a_unit(text, amount):
    assert parsed(text) == amount


@pytest.mark.parametrize(
    "text", ["", "3", "GB", "-3GB", "0GB", "0.0000001k", "3 GB of it", "3XB", "1e3M", "3GBB", "nan"]
)
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(UsageError) as refused:
        parsed(text)
    assert str(refused.value) == (
        f"'{text}' is no amount of memory: give a number and its unit, such as 3GB, 800M or 1.5GiB"
    )


@pytest.mark.parametrize(
    "amount", [1, 999_000, 10**6 + 1, 66 * MB, 998 * MB + 1, 999 * MB + 1, 10**9, 10**9 + 1, 10**13]
)
def test_an_amount_as_it_is_told_is_enough(amount):
    assert amount <= parsed(spelled(amount)) <= amount * 1.11 + MB


def cgroups(root, own, groups):
    """A file system of control groups: {folder: {file: text}}."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own)
    for folder, texts in groups.items():
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (root / "sys/fs/cgroup" / folder / name).write_text(text)
    return sorted(control_group_room(root))


def test_every_limit_around_a_process_counts_and_the_page_cache_does_not(tmp_path):
    rooms = cgroups(
        tmp_path,
        "0::/jobs/mine\n",
        {
            "jobs/mine": {
                "memory.max": "max\n",
                "memory.high": "900\n",
                "memory.current": "500\n",
                "memory.stat": "anon 400\ninactive_file 100\n",
            },
            "jobs": {"memory.max": "2000\n", "memory.current": "1500\n", "memory.stat": "inactive_file 0\n"},
            ".": {"memory.stat": "inactive_file 7\n"},
        },
    )
    assert rooms == [500, 500]


def test_what_is_over_its_limit_has_no_room(tmp_path):
    assert cgroups(tmp_path, "0::/\n", {".": {"memory.max": "100\n", "memory.current": "120\n"}}) == [0]


def test_control_groups_of_version_one_count_too(tmp_path):
    own = "5:devices:/x\n4:cpu,memory:/jobs\n0::/\n"
    limits = {"memory.limit_in_bytes": "1000\n", "memory.usage_in_bytes": "600\n"}
    stat = {"memory.stat": "total_inactive_file 50\n"}
    assert cgroups(tmp_path, own, {"memory/jobs": limits | stat}) == [450]


def test_in_a_container_the_outermost_group_is_its_own(tmp_path):
    own = "4:memory:/docker/0123\n"
    limits = {"memory.limit_in_bytes": "1000\n", "memory.usage_in_bytes": "600\n"}
    assert cgroups(tmp_path, own, {"memory": limits}) == [400]


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert list(control_group_room(tmp_path)) == []
    assert cgroups(tmp_path, "0::/\n", {}) == []


def test_free_memory_is_the_least_that_anybody_allows(monkeypatch):
    assert free(CPU) > 0
    monkeypatch.setattr(memory, "control_group_room", lambda: iter([12345, 20000]))
    assert free(CPU) == 12345


@linux
def test_anonymous_memory_grows_with_what_is_taken_and_not_with_mapped_files(tmp_path):
    before = anonymous()
    with mmap.mmap(-1, 64 * 2**20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as taken:
        for page in range(0, len(taken), mmap.PAGESIZE):
            taken[page] = 1
        assert anonymous() - before > 60 * 2**20
    assert anonymous() - before < 20 * 2**20
    mapped = numpy.memmap(tmp_path / "file", numpy.uint8, "w+", shape=(64 * 2**20,))
    mapped[:] = 1
    assert anonymous() - before < 20 * 2**20


FRAGMENTS = """
import json, sys, torch
from i2i.tiling.memory import anonymous, settle, trim
torch.ones(30 * 2**20, dtype=torch.uint8)  # glibc learns from its release to keep blocks of this size
settled = settle() if "settle" in sys.argv else None
before = anonymous()
blocks = [torch.ones(4 * 2**20, dtype=torch.uint8) for _ in range(24)]
kept = blocks[::4]
taken = anonymous() - before
del blocks
held = anonymous() - before
trim()
print(json.dumps([settled, taken, held, anonymous() - before]))
"""


def child(script, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


@linux
def test_freed_blocks_go_back_at_once_where_that_is_settled():
    settled, taken, held, trimmed = child(FRAGMENTS, "settle")
    if not settled:
        pytest.skip("this C library is not glibc")
    assert taken > 90 * 2**20
    assert held < 30 * 2**20  # what is kept and little else
    assert trimmed <= held


@linux
def test_trimming_gives_freed_blocks_back():
    _, taken, held, trimmed = child(FRAGMENTS)
    assert taken > 90 * 2**20
    if held < 30 * 2**20:
        pytest.skip("this C library gives freed blocks back by itself")
    assert trimmed < held / 2


def test_trimming_is_harmless_anywhere():
    trim()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_free_memory_of_a_gpu_counts_what_this_process_merely_caches():
    device = torch.device("cuda")
    before = free(device)
    kept = torch.ones(64 * 2**20, dtype=torch.uint8, device=device)
    assert before - free(device) >= 64 * 2**20
    del kept
    assert abs(before - free(device)) < 8 * 2**20


def test_amounts_are_understood_without_torch():
    script = "import json, sys, i2i.tiling.memory as m; print(json.dumps([m.parsed('2k'), 'torch' in sys.modules]))"
    assert child(script) == [2000, False]
