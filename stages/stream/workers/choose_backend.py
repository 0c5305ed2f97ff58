"""Threads or processes: measured in the first seconds of a stream that shall find out for
itself.
"""

from __future__ import annotations

import statistics
import threading
import time
from typing import Literal

_NAP_S = 0.002
_TIMER_S = 0.0001


class Judge:
    """Watches threads at work: whether the reader waits for data, and whether who wants the
    interpreter has to wait for it.

    The second is measured by a thread that sleeps and looks how late it wakes: it can go on only
    once it has the interpreter. While it is late, decoding threads are too, at every image. The
    median counts, for on a machine with other work it wakes late at times whoever has the
    interpreter. Where the reader hardly waits, threads are good enough whatever they suffer.
    """

    _SECONDS, _LEAST_BATCHES = 2.0, 8
    _WAIT_SHARE, _LATE_S = 0.05, 0.0005

    def __init__(self) -> None:
        self._batches, self._passed_s, self._waited_s, self._asked = 0, 0.0, 0.0, 0.0
        self._late_s: list[float] = []
        self._done: threading.Event | None = None

    def __enter__(self) -> Judge:
        self._done = threading.Event()
        self._asked = 0.0
        threading.Thread(
            target=self._watch, args=(self._done,), name="modalmill-judge", daemon=True
        ).start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._done is not None:
            self._done.set()
            self._done = None

    def _watch(self, done: threading.Event) -> None:
        while not done.is_set():
            began = time.perf_counter()
            time.sleep(_NAP_S)
            self._late_s.append(max(0.0, time.perf_counter() - began - _NAP_S - _TIMER_S))

    def waited(self, seconds: float) -> Literal["threads", "processes"] | None:
        """Note how long the reader waited for a batch; the choice, once it is made."""
        now = time.perf_counter()
        # the first wait is for the workers to start
        if self._asked:
            self._batches += 1
            self._waited_s += seconds
            self._passed_s += now - self._asked
        self._asked = now
        if self._passed_s < self._SECONDS or self._batches < self._LEAST_BATCHES:
            return None
        if self._done is not None:
            self._done.set()
        return (
            "processes"
            if self._waited_s > self._WAIT_SHARE * self._passed_s
            and self._usual_late_s() > self._LATE_S
            else "threads"
        )

    def __str__(self) -> str:
        share = self._waited_s / max(self._passed_s, 1e-9)
        late_ms = 1000 * self._usual_late_s()
        return (
            f"the loop waited for data {share:.0%} of {self._passed_s:.1f} s, and a thread waited"
            f" {late_ms:.2f} ms for the interpreter each time"
        )

    def _usual_late_s(self) -> float:
        # the watching thread may add to it meanwhile
        return statistics.median(list(self._late_s) or [0.0])

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_done": None}
