"""No decoder can stop the job: a hang, a crash or a greedy one costs its own item."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from misbehaving import Misbehave
from modalmill.pipeline.engine import Local
from modalmill.pipeline.guard import Guard, TaskFailed
from modalmill.schemas.errors import InputError, WorkerLostError


def test_a_hang_a_crash_and_a_greedy_decoder_cost_their_own_items(tmp_path: Path) -> None:
    guard = Guard().limit(deadline_s=1.0, memory_bytes=1 << 30)
    fates = guard.run(Misbehave(("a", "hang", "b", "crash", "c", "memory", "d"), tmp_path / "log"))
    assert fates == {
        "a": "good",
        "hang": "decoder_timeout",
        "b": "good",
        "crash": "decoder_crashed",
        "c": "good",
        "memory": "decoder_memory",
        "d": "good",
    }
    guard.close()


@dataclass(frozen=True)
class Reserve:
    """Reserves addresses without using them, as the driver of an accelerator does."""

    reserved_bytes: int
    unbounded: bool

    def is_unbounded(self) -> bool:
        return self.unbounded

    def run(self, beat: Callable[[str], None], skip: Mapping[str, str]) -> bool:
        try:
            mmap.mmap(-1, self.reserved_bytes, mmap.MAP_PRIVATE, 0).close()
        except OSError:
            return False
        return True


def test_the_bound_is_lifted_for_a_task_on_an_accelerator_alone() -> None:
    guard = Guard().limit(deadline_s=5.0, memory_bytes=1 << 28)
    found = [guard.run(Reserve(1 << 30, unbounded)) for unbounded in (False, True, False, True)]
    assert found == [False, True, False, True]
    guard.close()


def test_one_death_is_no_proof(tmp_path: Path) -> None:
    guard = Guard().limit(deadline_s=1.0, memory_bytes=1 << 30)
    items = ("a", "hang-once", "crash-once", "b", "memory-once", "killed-once", "c")
    assert guard.run(Misbehave(items, tmp_path / "log")) == dict.fromkeys(items, "good")
    guard.close()


def test_a_worker_killed_from_outside_again_and_again_is_told_and_no_item_is_blamed(
    tmp_path: Path,
) -> None:
    guard = Guard().limit(deadline_s=5.0, memory_bytes=1 << 30)
    with pytest.raises(
        WorkerLostError, match=r"killed from outside 20 times at killed, .* fewer --workers"
    ):
        guard.run(Misbehave(("a", "killed"), tmp_path / "log"))
    guard.close()


def test_an_error_is_shown_while_other_workers_are_at_work(tmp_path: Path) -> None:
    """Closing what threads still use would show 'Bad file descriptor' in its place, or close a
    descriptor of somebody else's.
    """
    for turn in range(4):
        engine = Local(3, 20.0, 1 << 30)
        tasks = [
            Misbehave(items, tmp_path / "log")
            for items in (("sleep",), ("user",), ("sleep",), ("sleep",))
        ]
        with pytest.raises(InputError, match="the user's mistake"):
            dict(engine.map(tasks))
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < 5, turn


def test_errors_come_back_as_what_they_are(tmp_path: Path) -> None:
    guard = Guard().limit(5.0, 1 << 30)
    with pytest.raises(InputError, match="the user's mistake"):
        guard.run(Misbehave(("user",), tmp_path / "log"))
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        guard.run(Misbehave(("fault",), tmp_path / "log"))
    assert guard.run(Misbehave(("fine",), tmp_path / "log")) == {"fine": "good"}
    guard.close()


def test_many_tasks_on_two_workers_leave_no_process_behind(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    engine = Local(2, 1.0, 1 << 30)
    tasks = [
        Misbehave((f"{number}", "crash" if number == 3 else f"{number}b"), tmp_path / "log")
        for number in range(8)
    ]
    results = dict(engine.map(tasks))
    assert results[3] == {"3": "good", "crash": "decoder_crashed"}
    assert all(
        results[number] == {str(number): "good", f"{number}b": "good"}
        for number in range(8)
        if number != 3
    )
    engine.close()
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before


def test_a_child_that_holds_the_interpreter_ends_after_its_parent_was_killed(
    tmp_path: Path,
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from pathlib import Path\nfrom misbehaving import Misbehave\n"
        "from modalmill.pipeline.guard import Guard\n"
        "guard = Guard().limit(1.5, 1 << 30)\n"
        "guard._watch = lambda: __import__('time').sleep(60)\n"
        f"guard.run(Misbehave(('hang',), Path({str(tmp_path / 'log')!r})))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    children: list[psutil.Process] = []
    deadline = time.monotonic() + 20
    while not children and time.monotonic() < deadline:
        children = psutil.Process(parent.pid).children()
        time.sleep(0.1)
    time.sleep(2.0)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert children
    assert not alive
