"""Decoders behind a deadline and a memory bound: tasks run in a child process that can be killed
and replaced.

The child says which item it is at through eight kilobytes of shared memory, which costs a
microsecond an item. When an item keeps it busy past the deadline, or the child dies, the parent
starts another child and gives it the same task again: one death may have had another cause, the
memory that earlier items left behind or a machine that stood still. An item that brings a second
child down in the same way is given as one to skip, and the task counts it as a reject
(``decoder_timeout``, ``decoder_crashed`` or ``decoder_memory``). Nothing else of the task is lost.

SIGKILL is never an item's doing: a decoder cannot send it. It comes from outside, mostly from the
kernel when the machine has no memory left; the task is begun again, and the run stops with the
reason where that happens over and over.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import mmap
import multiprocessing.connection
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter

from ..schemas.errors import ModalmillError, WorkerLostError
from ..stages import outside
from .task import Task

# Python's collector looks at every object anew each 700 of them; records come by the ten thousand
# and have no cycles
COLLECT = (100_000, 20, 20)
# by name: this module knows no stage
WARM = tuple(f"{__package__}.{name}" for name in ("ingesting", "measuring", "records", "sharding"))
# glibc gives back the memory of each sound and asks for it anew, which takes long; up to 64 MiB
# stay with the child (bytes)
_KEEPS_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
_PAGE_BYTES = 8192
_HEAD = struct.Struct("<dI")
_POLL_S = 0.05
_PARENT_CHECK_S = 0.5
_DYING_S = 5.0
_PROOF = 2  # deaths at one item, in one way, before it is the item's doing
_MOST_DEATHS = 20  # of a task whose child is killed from outside, or dies where no item is at hand


class TaskFailed(RuntimeError):
    """A task raised something that is no modalmill error: a fault in the program, with the child's
    traceback as its text.
    """


class Guard:
    """One child process and the watch over it. Use it from one thread at a time; from any other,
    ``stop`` alone. ``close`` ends the child.
    """

    def __init__(self) -> None:
        self._limits = (0.0, 0)
        # without a name: nothing is left to clean up, however parent and child end
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # kept open as long as the guard
        self._file.truncate(_PAGE_BYTES)
        self._page = mmap.mmap(self._file.fileno(), _PAGE_BYTES)
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: multiprocessing.connection.Connection | None = None
        self._stopped = False

    def limit(self, deadline_s: float, memory_bytes: int) -> Guard:
        """This guard, from now on with a deadline for each item (seconds) and a bound on the memory
        that its child may take (bytes).
        """
        self._limits = (deadline_s, memory_bytes)
        return self

    def start(self) -> None:
        """Start the child if there is none, so that it is ready when the first task comes."""
        if self._process is None or self._process.poll() is not None:
            self._start()

    def run(self, task: Task) -> object:
        """The task's result; begun again after a death, and without the items that brought down two
        children each.
        """
        skip: dict[str, str] = {}
        deaths: Counter[tuple[str, str]] = Counter()
        ended_by = 0
        while True:
            if self._stopped:
                raise WorkerLostError("the run is being stopped")
            self.start()
            # it still says what the last child was at, which must not be held against the next
            self._page[: _HEAD.size] = _HEAD.pack(0.0, 0)
            try:
                # packed twice: classes of the user's files can be unpickled only when those are
                # loaded
                whole = pickle.dumps((task, skip, *self._limits), protocol=pickle.HIGHEST_PROTOCOL)
                pipe = self._pipe
                assert pipe is not None
                pipe.send_bytes(
                    pickle.dumps((outside.used(), whole), protocol=pickle.HIGHEST_PROTOCOL)
                )
                if self._answers():
                    kind, value = pickle.loads(pipe.recv_bytes())
                    if kind == "error":
                        raise value
                    if kind == "failure":
                        raise TaskFailed(value)
                    if kind == "result":
                        return value
                    cause = "decoder_memory"
                else:
                    cause = "decoder_timeout"
            except (EOFError, ConnectionError):
                ended_by = self._ended_by()
                cause = "killed" if ended_by == -signal.SIGKILL else "decoder_crashed"
            item = self._item()
            self._kill()
            deaths[item, cause] += 1
            # neither is the doing of an item, so there is none to leave out: try again, but not
            # for ever
            if cause == "killed" or not item:
                if deaths[item, cause] >= _MOST_DEATHS:
                    raise WorkerLostError(_why_lost(item, cause, ended_by))
            elif deaths[item, cause] >= _PROOF:
                if item in skip:  # its own task did not leave it out
                    raise TaskFailed(
                        f"{type(task).__name__} died of {item} ({cause}), which it was told to skip"
                    )
                skip[item] = cause

    def _answers(self) -> bool:
        """Wait until the child has answered or has gone (True), or has been at one item for longer
        than the deadline (False).
        """
        pipe = self._pipe
        assert pipe is not None
        while not pipe.poll(_POLL_S):
            began, _ = _HEAD.unpack_from(self._page)
            # 0.0 is at no item: loading libraries and tasks has no deadline
            if began and time.monotonic() - began > self._limits[0]:
                return False
        return True

    def _item(self) -> str:
        _, length = _HEAD.unpack_from(self._page)
        return bytes(self._page[_HEAD.size : _HEAD.size + length]).decode(errors="replace")

    def _start(self) -> None:
        self._kill()
        ours, theirs = multiprocessing.connection.Pipe(duplex=True)
        command = [sys.executable, "-c", "from modalmill.pipeline.guard import child; child()"]
        numbers = [theirs.fileno(), self._file.fileno()]
        environment = {
            **_KEEPS_MEMORY,
            **os.environ,
            "MODALMILL_CHILD": f"{numbers[0]},{numbers[1]}",
            "OMP_NUM_THREADS": "1",
        }
        # decoders write notes to stderr
        quiet = None if "MODALMILL_DEBUG" in os.environ else subprocess.DEVNULL
        environment["MODALMILL_WARM"] = " ".join(WARM)
        # the child has to find whatever this process can import, also where a script extended
        # its path
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            command,
            pass_fds=numbers,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=quiet,
        )
        # held open here as well, the pipe would never end when the child does
        theirs.close()
        self._pipe = ours
        if self._stopped:  # while it was being started
            self._process.kill()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _ended_by(self) -> int:
        """The exit status of a child whose pipe has closed, or its signal's number below zero."""
        assert self._process is not None
        try:
            return self._process.wait(_DYING_S)  # the pipe closes a moment before the child is gone
        except subprocess.TimeoutExpired:
            return 0

    def stop(self) -> None:
        """End the child for good, while another thread may be waiting for its answer: there it
        becomes WorkerLostError. Close it afterwards.
        """
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the child and give back its pipe and memory."""
        self._stopped = True
        self._kill()
        if not self._file.closed:
            self._page.close()
            self._file.close()


_spare: list[Guard] = []


def start_early(count: int) -> None:
    """Start so many children now: they load their libraries while this process still loads its own
    and reads the recipe.
    """
    for _ in range(count - len(_spare)):
        guard = Guard()
        guard.start()
        _spare.append(guard)


def take(count: int) -> list[Guard]:
    """So many guards with their children started, those of :func:`start_early` first."""
    start_early(count)
    return [_spare.pop() for _ in range(count)]


def child() -> None:
    """The child's main loop: tasks in, results out, until the parent goes away."""
    pipe_number, page_number = os.environ.pop("MODALMILL_CHILD").split(",")
    orphan_s = 0.0
    # Ctrl-C reaches every process of the terminal; who is to end is for the parent to say
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the system's own way with it ends the process even where a decoder never comes back to Python
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    # stdout leads nowhere; what user code prints is to be seen with MODALMILL_DEBUG
    sys.stdout = sys.stderr
    gc.set_threshold(*COLLECT)
    pipe = multiprocessing.connection.Connection(int(pipe_number))
    page = mmap.mmap(int(page_number), _PAGE_BYTES)

    def beat(item: str) -> None:
        name = item.encode()[: _PAGE_BYTES - _HEAD.size]
        page[: _HEAD.size + len(name)] = _HEAD.pack(time.monotonic(), len(name)) + name
        signal.setitimer(signal.ITIMER_REAL, orphan_s)

    # what most tasks stand on, loaded before the first comes
    for name in os.environ.pop("MODALMILL_WARM", "").split():
        importlib.import_module(name)
    bounded = False
    while True:
        try:
            message = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            used, whole = pickle.loads(message)
            outside.install(used)
            task, skip, deadline_s, memory_bytes = pickle.loads(whole)
            # a parent that lives has killed this process long before
            orphan_s = 2 * deadline_s + 1
            if getattr(task, "is_unbounded", _no)():
                _lift_bound()
                bounded = False
            # once: counted from a process that has grown, the bound would be a higher one
            elif not bounded:
                _bound_memory(memory_bytes)
                bounded = True
            # here, for what cannot be sent is the task's failure and no death of the worker
            reply = pickle.dumps(("result", task.run(beat, skip)), pickle.HIGHEST_PROTOCOL)
        except MemoryError:
            pipe.send_bytes(pickle.dumps(("memory", None)))  # the page still says at which item
            return
        except ModalmillError as error:
            reply = pickle.dumps(("error", error), pickle.HIGHEST_PROTOCOL)
        except BaseException:
            reply = pickle.dumps(("failure", traceback.format_exc()), pickle.HIGHEST_PROTOCOL)
        # a death from here on is not the last item's doing
        signal.setitimer(signal.ITIMER_REAL, 0)
        page[: _HEAD.size] = _HEAD.pack(0.0, 0)
        try:
            pipe.send_bytes(reply)
        except ConnectionError:
            return


def _why_lost(item: str, cause: str, ended_by: int) -> str:
    where = f" at {item}" if item else ""
    if cause == "killed":
        return (
            f"a worker was killed from outside {_MOST_DEATHS} times{where}, as the kernel does"
            " when the machine has no memory left;"
            " give fewer --workers, lower memory_bytes in the recipe, or free some memory, and"
            " run the same command again"
        )
    how = f"signal {-ended_by}" if ended_by < 0 else f"exit status {ended_by}"
    return (
        f"a worker ended {_MOST_DEATHS} times before it was at any file ({how});"
        " MODALMILL_DEBUG=1 shows what it prints"
    )


def _end_with_parent(parent: int) -> None:
    """End this process soon after its parent died; where a decoder holds the interpreter, the alarm
    set by ``beat`` does it.
    """
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os._exit(1)


def _bound_memory(memory_bytes: int) -> None:
    """Let the address space grow by ``memory_bytes`` from here and no further."""
    try:
        with open("/proc/self/statm") as file:
            # the address space, of which libraries map much and use little: the bound comes on
            # top of it
            now = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = now + memory_bytes
        if most != resource.RLIM_INFINITY:
            wanted = min(wanted, most)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, most))
    except (OSError, ValueError):  # no such limit on this system: the deadline alone guards
        return


def _lift_bound() -> None:
    """Let the address space grow as far as the system lets it."""
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _no() -> bool:
    return False
