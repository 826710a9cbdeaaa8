"""Computations that pause where they look at the whole picture, until others have come as far."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from i2i.tiling.looks import Look, look_of
from i2i.tiling.moments import Moments

DEVICES = ("cpu", "cuda", "mps")
OF_ITS_THREAD: frozenset[Any] = frozenset({torch._C._set_grad_enabled})
"""Functions that change nothing but the thread they run in."""


class Stopped(BaseException):
    """Raised inside a computation that nobody waits for any more."""


@dataclass(frozen=True)
class Precision:
    """What decides, thread by thread, how torch computes."""

    grad: bool
    autocast: tuple[tuple[bool, torch.dtype], ...]
    """Of each of `DEVICES`."""

    @classmethod
    def here(cls) -> Precision:
        """This thread's."""
        autocast = tuple((torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)) for device in DEVICES)
        return cls(torch.is_grad_enabled(), autocast)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """As in the thread that it was taken from."""
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(self.grad))
            for device, wanted, found in zip(DEVICES, self.autocast, Precision.here().autocast, strict=True):
                if wanted != found:
                    stack.enter_context(torch.autocast(device, wanted[1], wanted[0]))
            yield


@dataclass(frozen=True)
class Call:
    """A torch call that a computation wants to be made."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    precision: Precision


@dataclass(frozen=True)
class Reply:
    """What came of a call, or of a whole computation."""

    value: Any = None
    error: BaseException | None = None

    def taken(self) -> Any:
        """The value; raises the error, if there is one."""
        if self.error is not None:
            raise self.error
        return self.value


class Paused:
    """A computation that begins when it is first told to go on.

    Its Python code waits in a thread of its own, but all its torch calls are made by whoever tells it to go on: one
    thread computes for all, so no thread's pool of workers nor its heap is there more than once, however many wait.
    `noted` is told of the answer of each torch call and of what was given to it.
    """

    def __init__(self, compute: Callable[[], Tensor], noted: Callable[[Any, Any], None]) -> None:
        self._compute = compute
        self._noted = noted
        self._asked: SimpleQueue[Call | Reply] = SimpleQueue()
        self._replies: SimpleQueue[Reply] = SimpleQueue()
        self._paused: tuple[Call, Look] | None = None
        self._is_stopped = False
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._work,), name="i2i tile", daemon=True)

    def go_on(self, moments: Moments | None = None) -> Look | Tensor:
        """Compute as far as the next look, which is answered by the `moments` given then; at the end, the result.

        Raises what the computation raises.
        """
        if self._paused is None:
            self._thread.start()
        else:
            assert moments is not None
            (call, look), self._paused = self._paused, None
            self._replies.put(self._reply(call, lambda: look.answer(moments)))
            del call, look
        while isinstance(asked := self._asked.get(), Call):
            with asked.precision.entered():
                seen = look_of(asked.function, asked.args, asked.kwargs, pictures=1)
            if seen is not None:
                self._paused = asked, seen
                return seen
            self._replies.put(self._reply(asked, lambda: asked.function(*asked.args, **asked.kwargs)))
        self._thread.join()
        result: Tensor = asked.taken()
        return result

    def _reply(self, call: Call, made: Callable[[], Any]) -> Reply:
        try:
            with call.precision.entered():
                answer = made()
        except Exception as error:
            return Reply(error=error)
        self._noted(answer, (call.args, call.kwargs))
        return Reply(answer)

    def stop(self) -> None:
        """Have it end at its next torch call, if it has begun."""
        self._is_stopped = True
        self._replies.put(Reply(error=Stopped()))

    def wait(self) -> None:
        """Until its thread has ended, if it has begun."""
        if self._thread.ident is not None:
            self._thread.join()

    def asked(self, call: Call) -> Any:
        """From inside the computation: what became of a call."""
        if self._is_stopped:
            raise Stopped
        self._asked.put(call)
        return self._replies.get().taken()

    def _work(self) -> None:
        try:
            with _Sent(self):
                reply = Reply(self._compute())
        except BaseException as error:
            reply = Reply(error=error)
        self._asked.put(reply)


class _Sent(TorchFunctionMode):
    """While entered, all torch calls of this thread are made by the one that computes."""

    def __init__(self, computation: Paused) -> None:
        super().__init__()
        self._computation = computation

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in OF_ITS_THREAD:
            return func(*args, **(kwargs or {}))
        return self._computation.asked(Call(func, args, kwargs or {}, Precision.here()))
