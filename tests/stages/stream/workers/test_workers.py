"""Threads and processes fill the same batches, tell what went wrong in them, and leave nothing
behind.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from modalmill.stages import stream
from modalmill.stages.stream.workers.buffers import heap_slot
from modalmill.stages.stream.workers.choose_backend import Judge
from modalmill.stages.stream.workers.processes import WorkerLostError, _Asked
from modalmill.stages.stream.workers.task import FilledRows
from streams import contents

PARTS = {
    "image": stream.ImageSpec(size=32, crop="random", flip=True),
    "audio": stream.AudioSpec(rate_hz=8000, seconds=0.3),
}


def opened(shards: Path, **options: Any) -> stream.Stream:
    return stream.open(shards, **{"parts": PARTS, "batch_size": 20, "workers": 2, **options})


def held() -> tuple[int, int, int, int]:
    """Threads, child processes, open files, and anonymous or shared memory files of this
    process.
    """
    gc.collect()
    me = psutil.Process()
    links = [
        os.readlink(f"/proc/self/fd/{name}")
        for name in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{name}")
    ]
    return (
        threading.active_count(),
        len(me.children(recursive=True)),
        len(links),
        sum("memfd" in link for link in links) + len(os.listdir("/dev/shm")),
    )


@pytest.fixture
def leaves_nothing(uneven_shards: Path) -> Iterator[None]:
    # what is loaded or started once for all is no leak
    with opened(uneven_shards, backend="processes") as once:
        contents(once)
    contents(opened(uneven_shards))
    before = held()
    yield
    for _ in range(50):
        if all(now <= then for now, then in zip(held(), before, strict=True)):
            return
        time.sleep(0.1)
    raise AssertionError(
        f"held {before} before, {held()} now: threads, processes, files, memory files"
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_processes_fill_the_same_batches_as_threads_and_as_nobody(
    uneven_shards: Path, leaves_nothing: None, workers: int
) -> None:
    wanted = contents(opened(uneven_shards, workers=0))
    with opened(uneven_shards, workers=workers, backend="processes") as processes:
        assert contents(processes) == wanted
        assert contents(processes) != wanted  # another epoch
    assert contents(opened(uneven_shards, workers=workers)) == wanted


def test_lists_come_from_processes_too(uneven_shards: Path) -> None:
    parts = {
        "image": stream.ImageSpec(size=8),
        "audio": stream.BytesSpec(
            transform=lambda data, random: (len(data), int(random.integers(99)))
        ),
    }
    with opened(uneven_shards, parts=parts, backend="processes") as processes:
        found = [batch.lists["audio"] for batch in processes]
    assert found == [batch.lists["audio"] for batch in opened(uneven_shards, parts=parts)]
    assert sum(value is not None for some in found for value in some) >= 125


def test_batches_that_are_kept_are_never_written_over_by_processes(
    uneven_shards: Path, leaves_nothing: None
) -> None:
    with opened(uneven_shards, batch_size=4, backend="processes") as processes:
        kept = [(batch, batch.parts["image"].clone()) for batch in processes]
        assert all(torch.equal(batch.parts["image"], copy) for batch, copy in kept)
    assert all(torch.equal(batch.parts["image"], copy) for batch, copy in kept)
    del kept


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_a_reader_that_leaves_early_leaves_nothing(
    uneven_shards: Path, leaves_nothing: None, backend: Any
) -> None:
    one = opened(uneven_shards, backend=backend)
    first = next(iter(one)).keys
    rest = contents(one)
    assert first == next(iter(opened(uneven_shards))).keys
    assert len(rest) == len(one)
    del one


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_an_error_in_a_transform_names_the_record_and_leaves_nothing(
    uneven_shards: Path, leaves_nothing: None, backend: Any
) -> None:
    def wrong(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        raise ZeroDivisionError("no luck")

    with (
        opened(
            uneven_shards,
            backend=backend,
            parts={"image": stream.ImageSpec(size=8, transform=wrong)},
        ) as one,
        pytest.raises(
            stream.TransformError,
            match=r"all-00000\d.tar: record photos-\d+, part image: ZeroDivisionError: no luck",
        ),
    ):
        list(one)


def test_a_worker_that_is_killed_is_told_with_its_signal(
    uneven_shards: Path, leaves_nothing: None
) -> None:
    with opened(uneven_shards, backend="processes", batch_size=4) as one:
        batches = iter(one)
        next(batches)
        for child in psutil.Process().children():
            if child.name() != "resource_tracker":
                child.kill()
        with pytest.raises(WorkerLostError, match=r"signal 9 \(SIGKILL\); out of memory"):
            list(batches)
        del batches


SCRIPT = textwrap.dedent(
    """
    import multiprocessing, signal, sys
    from modalmill.stages import stream

    if __name__ == "__main__":
        # it is ignored where the tests run in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)
        multiprocessing.set_start_method(sys.argv[2])
        parts = {"image": stream.ImageSpec(size=32)}
        more = {"backend": "processes", "drop_last": False}
        one = stream.open(sys.argv[1], parts=parts, batch_size=20, workers=2, **more)
        while True:
            seen = sum(int((batch.weight_B > 0).sum()) for batch in one)
            print(seen, flush=True)
            if sys.argv[3] == "once":
                break
    """
)


def run(tmp_path: Path, shards: Path, method: str, times: str) -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script), str(shards), method, times],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_way_of_starting_processes_works_and_ends(
    tmp_path: Path, uneven_shards: Path, method: str
) -> None:
    process = run(tmp_path, uneven_shards, method, "once")
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, out, errors) == (0, "300\n", "")


def in_group(group: int) -> list[int]:
    found = []
    for one in psutil.process_iter():
        try:
            if os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def eventually(true: Callable[[], bool]) -> bool:
    for _ in range(100):
        if true():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_process_however_it_ends(
    tmp_path: Path, uneven_shards: Path, sent: signal.Signals
) -> None:
    before = len(os.listdir("/dev/shm"))
    process = run(tmp_path, uneven_shards, "fork", "for ever")
    assert process.stdout is not None
    process.stdout.readline()
    assert len(in_group(process.pid)) == 3
    process.send_signal(sent)
    process.communicate(timeout=30)
    assert eventually(lambda: not in_group(process.pid))
    assert len(os.listdir("/dev/shm")) == before


@contextmanager
def busy_loop() -> Iterator[None]:
    """A thread that holds the interpreter whenever it can."""
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            pass

    busy = threading.Thread(target=spin)
    busy.start()
    try:
        yield
    finally:
        done.set()
        busy.join()


def verdict_of(judge: Judge) -> str:
    judge._SECONDS = 0.3  # type: ignore[misc]
    with judge:
        verdict = None
        while verdict is None:
            time.sleep(0.01)
            verdict = judge.waited(0.01)
    return verdict


def test_auto_goes_over_to_processes_in_the_middle_and_loses_nothing(
    uneven_shards: Path, leaves_nothing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # any machine is then slow enough for processes
    for least in ("_SECONDS", "_WAIT_SHARE", "_LATE_S"):
        monkeypatch.setattr(Judge, least, -1.0)
    with opened(uneven_shards, backend="auto", batch_size=4) as one:
        found = contents(one)
        assert one.backend == "processes"
    assert found == contents(opened(uneven_shards, batch_size=4))


def test_auto_wants_processes_beside_a_busy_loop() -> None:
    with busy_loop():
        assert verdict_of(Judge()) == "processes"


def test_auto_stays_with_threads_where_nobody_holds_the_interpreter() -> None:
    judge = Judge()
    assert verdict_of(judge) == "threads"
    assert "ms for the interpreter" in str(judge)


def test_a_slot_is_free_only_when_the_worker_that_was_asked_has_answered() -> None:
    """Ctrl-C while the loop waits for an answer: the worker still writes into the slot."""

    class Interrupted:
        calls = 0

        def answer(self, number: int) -> FilledRows:
            self.calls += 1
            if self.calls == 1:
                raise KeyboardInterrupt
            return FilledRows()

    worker, slot = Interrupted(), heap_slot({}, 0)
    asked = _Asked(slot, [(worker, 1)])  # type: ignore[list-item]  # it answers as a worker does
    with pytest.raises(KeyboardInterrupt):
        asked.result()
    assert slot.busy
    asked.settle()
    assert (worker.calls, slot.busy) == (2, False)
