"""What is compared takes turns, so that a machine that is busy for a while is so for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def compare(title: str, steps: Mapping[str, Callable[[], object]], rounds: int) -> None:
    """Run each once a round and print how many times as fast as the first it is, with its median time and spread."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            if turn:  # the first is warm-up
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    plain, longest = next(iter(medians.values())), max(map(len, steps))
    print(title)
    for name, taken in seconds.items():
        times = f"{medians[name]:.3f} s  ({min(taken):.3f} to {max(taken):.3f})"
        print(f"{plain / medians[name]:5.2f}×  {name:{longest}} {times}")
