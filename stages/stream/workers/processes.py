"""Processes that fill batches in shared memory: they keep their pace beside a loop that holds the
interpreter.

Only record numbers go to a worker and only short notes come back; media are read and decoded by the
worker, into memory that this process has mapped too. The memory has no name, and a worker ends when
its pipe closes: nothing is left behind, however either side ends. Processes are started in
multiprocessing's current way (``multiprocessing.set_start_method``).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import traceback
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeAlias

from ....schemas.errors import InputError, ModalmillError, TransformError, WorkerLostError
from .buffers import Arrays, Layout, Pool, Slot, mapped, shared_slot
from .filling import Filler
from .task import FilledRows, FillTask
from .threads import Pending

_PATIENCE_S = 5.0

_Answer: TypeAlias = FilledRows | ModalmillError


class ProcessCrew:
    """Worker processes, each with a pipe of its own; tasks go round, and each worker answers in the
    order it was asked.
    """

    def __init__(self, filler: Filler, count: int, most_slots: int) -> None:
        context = multiprocessing.get_context()
        pipes = [context.Pipe() for _ in range(count)]
        self._workers: list[_Worker] = []
        for number, (mine, theirs) in enumerate(pipes):
            # a fork inherits all ends: any that stays open would hide that its owner is gone
            others = (
                [end for pipe in pipes for end in pipe if end is not theirs]
                if context.get_start_method() == "fork"
                else []
            )
            process = context.Process(
                target=_work,
                args=(theirs, others, filler),
                name=f"modalmill-stream-{number}",
                daemon=True,
            )
            try:
                process.start()
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise InputError(
                    f"backend='processes' with start method {context.get_start_method()!r}:"
                    f" {error}; give transforms that are functions of a module,"
                    " or use backend='threads'"
                ) from error
            self._workers.append(_Worker(process, mine))
        # with a copy of it here, the end of a worker would never be noticed
        for _, theirs in pipes:
            theirs.close()
        self._pool = Pool(shared_slot, most_slots)
        self._next = 0
        self._finalizer = weakref.finalize(self, _end, self._workers, os.getpid())

    def start(self, tasks: Sequence[FillTask], layout: Layout) -> Pending:
        slot = self._pool.get(layout)
        asked = []
        for task in tasks:
            # going on where the last batch stopped: small batches too reach every worker
            worker = self._workers[self._next % len(self._workers)]
            self._next += 1
            asked.append((worker, worker.ask(slot, task)))
        return _Asked(slot, asked)

    @property
    def is_lost(self) -> bool:
        """Whether a worker is gone: then a new crew is needed."""
        return any(worker.is_lost for worker in self._workers)

    def close(self) -> None:
        self._finalizer()


class _Worker:
    """This side of a worker."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process, self.pipe = process, pipe
        self._knows: dict[int, weakref.ref[Slot]] = {}
        self._asked = 0
        self._answers: deque[tuple[int, _Answer]] = deque()
        self._answered = 0
        self.is_lost = False

    def ask(self, slot: Slot, task: FillTask) -> int:
        """Send a task; the number under which its answer comes."""
        # the worker has to unmap them too, or their memory would stay
        gone = [number for number, reference in self._knows.items() if reference() is None]
        with self._told():
            for number in gone:
                del self._knows[number]
            is_known = slot.number in self._knows
            self.pipe.send((gone, slot.number, None if is_known else slot.layout, task))
            if not is_known:
                reduction.send_handle(self.pipe, slot.descriptor, self.process.pid)
                self._knows[slot.number] = weakref.ref(slot)
        self._asked += 1
        return self._asked

    def answer(self, number: int) -> _Answer:
        """The answer to a task; those before it are kept for who asks later."""
        while self._answered < number:
            with self._told():
                self._answers.append((self._answered + 1, self.pipe.recv()))
            self._answered += 1
        for place, (mine, value) in enumerate(self._answers):
            if mine == number:
                del self._answers[place]
                return value
        raise AssertionError("an answer is asked for once")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        if self.is_lost:
            raise WorkerLostError("a decoding process is gone; begin the loop anew")
        try:
            yield
        except (EOFError, OSError) as error:
            self.is_lost = True
            with contextlib.suppress(ValueError):  # closed
                self.process.join(_PATIENCE_S)
                raise WorkerLostError(_why(self.process.exitcode)) from error
            raise WorkerLostError("the stream was closed while a loop over it ran") from error
        except BaseException:  # in the middle of a message, what comes next would be misread
            self.lose()
            raise

    def lose(self) -> None:
        """End a worker that can no longer be talked to; afterwards it writes nowhere any more."""
        self.is_lost = True
        with contextlib.suppress(ValueError):
            self.process.kill()
            self.process.join()


class _Asked:
    def __init__(self, slot: Slot, asked: list[tuple[_Worker, int]]) -> None:
        self.slot, self._asked = slot, asked

    def result(self) -> list[FilledRows]:
        filled = []
        while self._asked:
            worker, number = self._asked[0]
            value = worker.answer(number)
            # only now: who is interrupted before has still to wait for this worker before the slot
            # is free
            del self._asked[0]
            if isinstance(value, BaseException):
                raise value
            filled.append(value)
        return filled

    def settle(self) -> None:
        while self._asked:
            worker, number = self._asked[0]
            with contextlib.suppress(WorkerLostError):
                worker.answer(number)
            del self._asked[0]
        self.slot.busy = False


def _why(code: int | None) -> str:
    if code is not None and code < 0:
        hint = "; out of memory?" if code == -signal.SIGKILL else ""
        return (
            f"a decoding process was ended by signal {-code}"
            f" ({signal.Signals(-code).name}){hint}; what is wrong shows with backend='threads'"
        )
    hint = (
        ""
        if multiprocessing.get_start_method() == "fork"
        else " (a script that starts processes needs: if __name__ == '__main__')"
    )
    return (
        f"a decoding process ended with exit code {code}{hint}; what is wrong shows with"
        " backend='threads'"
    )


def _end(workers: Sequence[_Worker], owner: int) -> None:
    for worker in workers:
        worker.pipe.close()
    for worker in workers:
        if os.getpid() != owner:  # a forked copy of this process
            continue
        worker.process.join(_PATIENCE_S)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        worker.process.close()


def _work(pipe: Connection, others: Sequence[Connection], filler: Filler) -> None:
    """A worker's life: it ends when the pipe closes. Ctrl-C is for the process that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for end in others:
        end.close()
    slots: dict[int, Arrays] = {}
    while True:
        try:
            gone, number, layout, task = pipe.recv()
            if layout is not None:
                descriptor = reduction.recv_handle(pipe)
                try:
                    slots[number] = mapped(layout, descriptor)
                finally:
                    os.close(descriptor)
        except (EOFError, OSError):
            return
        for old in gone:
            slots.pop(old, None)
        try:
            answer: _Answer = filler.fill(task, slots[number])
        except ModalmillError as error:
            answer = error
        except BaseException as error:  # it shall be seen where the batch was asked for
            answer = TransformError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
        with contextlib.suppress(BrokenPipeError):
            pipe.send(_sendable(answer))


def _sendable(answer: _Answer) -> _Answer:
    try:
        pickle.dumps(answer)
    except Exception as error:  # a value of a user's function that cannot travel
        return TransformError(
            f"what a transform gave cannot be sent between processes ({error}); use"
            " backend='threads'"
        )
    return answer
