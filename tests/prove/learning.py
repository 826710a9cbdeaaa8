"""Twenty steps of a recipe by plain gradient descent: `learning.py MODE NUMBERS RATE OUT RECIPE KEY=VALUE…`.

MODE is `ranks`, as many as a launcher says or one alone, `nothing`, or `shards`: two ranks' shares in one process,
where what a collective adds up is added up here. NUMBERS is `float32` or `float64`. Each rank's parameters and buffers
go to OUT-RANK.safetensors.
"""

import os
import sys
import threading
from dataclasses import replace

import torch
from safetensors.torch import save_file
from torch.optim import SGD

STEPS = 20


class Descent(SGD):
    """In place of Adam, which divides what rounding leaves by what is as small."""

    rate = 0.0

    def __init__(self, parameters, *_, **__):
        super().__init__(parameters, self.rate)


torch.optim.Adam = Descent  # before plugins import it

import i2i  # noqa: E402
from i2i.ranks.group import joined  # noqa: E402
from i2i.ranks.shares import share_from_environment  # noqa: E402
from i2i.training.runtime import Runtime  # noqa: E402
from i2i.training.starting import start  # noqa: E402


def learn(fit, numbers):
    fit.loop.model.to(numbers)
    batches = fit.batches.from_step(0)
    for _ in range(STEPS):
        fit.loop.advance([of_type(part, numbers) for part in next(batches)])


def of_type(part, numbers):
    return replace(part, tensors={key: value.to(numbers) for key, value in part.tensors.items()})


def save(fit, out):
    state = {name: value.contiguous() for name, value in fit.loop.model.state_dict().items()}
    save_file(state, f"{out}-{fit.runtime.rank}.safetensors")


class Together:
    """Threads that take turns: one computes until it has something to add up, then the other."""

    def __init__(self):
        self.computing, self.meet = threading.Lock(), threading.Barrier(2)
        self.given, self.here = {}, threading.local()

    def all_reduce(self, tensor):
        self.given[self.here.rank] = tensor.clone()
        self.computing.release()
        self.meet.wait()
        total = self.given[0] + self.given[1]
        self.meet.wait()
        self.computing.acquire()
        tensor.copy_(total)

    def run(self, rank, work):
        self.here.rank = rank
        with self.computing:
            work()


def shards(recipe, out, numbers):
    together, fits = Together(), []
    torch.distributed.all_reduce = together.all_reduce
    for rank in range(2):
        Runtime.choose = classmethod(lambda cls, *_, rank=rank: cls(torch.device("cpu"), "fp32", rank, 2))
        fits.append(start(i2i.discover(), recipe, dry_run=True))
    threads = [
        threading.Thread(target=together.run, args=(fit.runtime.rank, lambda fit=fit: learn(fit, numbers)))
        for fit in fits
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for fit in fits:
        save(fit, out)


if __name__ == "__main__":
    mode, numbers, rate, out, name, *overrides = sys.argv[1:]
    numbers, Descent.rate = getattr(torch, numbers), float(rate)
    if numbers is torch.float64:  # what comes of a network in bf16 is cast by this
        torch.Tensor.float = torch.Tensor.double
    torch.set_num_threads(1)
    recipe = i2i.load_recipe(i2i.discover(), name, overrides=overrides)
    if mode == "shards":
        shards(recipe, out, numbers)
    else:
        with joined(share_from_environment(os.environ), os.environ):
            fit = start(i2i.discover(), recipe, dry_run=True)
            if mode != "nothing":
                learn(fit, numbers)
            save(fit, out)
