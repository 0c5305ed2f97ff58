"""What a person sees while a run works: bars with rate and time left on a terminal, plain lines in
a log, nothing with --quiet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, TypeAlias

from .terminal import say

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

_LINE_EVERY_S = 5.0
_WATCH_EVERY_S = 20.0
_RATE_AFTER_S = 0.5

Advance: TypeAlias = Callable[[int, int], None]


class Progress:
    """Shows steps of a run. Without a terminal each step is one line when it ends, and one every
    five seconds while it works.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._live = not quiet and self._stream.isatty()

    @contextmanager
    def step(self, name: str, unit: str) -> Iterator[Advance]:
        """A step in work: call what it gives with (done, total)."""
        began = time.monotonic()
        if self._quiet:
            yield _nothing
            return
        if self._live:
            with self._bars(transient=False) as bars:
                yield _advance_bar(bars, name, unit)
            return
        state = {"last": began, "done": 0, "total": 0, "first": -1}

        def advance(done: int, total: int) -> None:
            # what was finished before the step began is no part of its rate
            if state["first"] < 0:
                state["first"] = done
            now = time.monotonic()
            state["done"], state["total"] = done, total
            if now - state["last"] >= _LINE_EVERY_S:
                state["last"] = now
                rate = (done - state["first"]) / (now - began)
                left = (total - done) / rate if rate > 0 else 0
                self.line(
                    f"{name}: {done:,} of {total:,} {unit}, {rate:,.0f}/s, {left:,.0f} s left"
                )

        yield advance
        seconds = time.monotonic() - began
        fresh = state["done"] - max(0, state["first"])
        if state["total"]:
            done = f"{state['done']:,} {unit}"
            self.line(f"{name}: {done} in {seconds:.1f} s" + ("" if fresh else ", nothing to do"))

    def _bars(self, transient: bool) -> Bars:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]} {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
            transient=transient,
        )

    @contextmanager
    def watch(self, name: str, unit: str) -> Iterator[Advance]:
        """A step that shows a bar on a terminal while it works, a line now and then elsewhere, and
        nothing afterwards.
        """
        if self._quiet:
            yield _nothing
            return
        if not self._live:
            began = told = time.monotonic()

            def advance(done: int, total: int) -> None:
                nonlocal told
                now = time.monotonic()
                if now - told >= _WATCH_EVERY_S:
                    told = now
                    self.line(
                        f"{name}: {done:,} of {total:,} {unit}, {done / (now - began):,.0f}/s"
                    )

            yield advance
            return
        with self._bars(transient=True) as bars:
            yield _advance_bar(bars, name, unit)

    def line(self, text: str) -> None:
        """One line for the person, unless --quiet."""
        if not self._quiet:
            say(text, self._stream)


def _advance_bar(bars: Bars, name: str, unit: str) -> Advance:
    """A function that moves a new bar of these bars."""
    task = bars.add_task(name, total=None, unit=unit, rate="")
    began = time.monotonic()

    def advance(done: int, total: int) -> None:
        seconds = time.monotonic() - began
        bars.update(
            task,
            completed=done,
            total=total,
            rate=f"{done / seconds:,.0f}/s" if seconds > _RATE_AFTER_S else "",
        )

    return advance


def _nothing(done: int, total: int) -> None:
    return
