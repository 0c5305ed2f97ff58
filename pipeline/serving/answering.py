"""Children that hold the model and answer: what they decode comes from strangers, so that each is
behind a deadline and a memory bound, and a decoder that hangs or dies costs its part alone.
"""

from __future__ import annotations

import functools
import queue
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ...stages.base import Beat
from ...stages.train.use.describe import ModelTold, describe
from ...stages.train.use.predict import Prediction, Predictor
from ..guard import Guard
from ..task import Task, refuse_skipped


@functools.cache
def _predictor(checkpoint: Path, top: int) -> Predictor:
    """The model, read once in each child."""
    predictor = Predictor(checkpoint, top)
    predictor.make_ready()
    return predictor


@dataclass(frozen=True, slots=True)
class DescribeTask:
    """Reads the model, and says what it takes and answers."""

    checkpoint: Path
    top: int

    def run(self, beat: Beat, skip: Mapping[str, str]) -> ModelTold:
        return describe(_predictor(self.checkpoint, self.top).saved)


@dataclass(frozen=True, slots=True)
class AnswerTask:
    """Answers records of files and words by the names of their parts."""

    checkpoint: Path
    top: int
    records: Sequence[Mapping[str, str]]

    def run(self, beat: Beat, skip: Mapping[str, str]) -> list[Prediction]:
        def check(item: str) -> None:
            beat(item)
            refuse_skipped(item, skip)

        predictor = _predictor(self.checkpoint, self.top)
        keys = [f"record {place}" for place in range(len(self.records))]
        return list(predictor.records(self.records, keys, check))


class Answering:
    """A model in some children. told: what it takes and answers."""

    def __init__(self, guards: Sequence[Guard], checkpoint: Path, top: int) -> None:
        self._checkpoint, self._top = checkpoint, top
        self._idle: queue.SimpleQueue[Guard] = queue.SimpleQueue()
        task = DescribeTask(checkpoint, top)
        with ThreadPoolExecutor(len(guards)) as pool:
            told = list(pool.map(lambda guard: cast(ModelTold, guard.run(task)), guards))
        self.told = told[0]
        for guard in guards:
            self._idle.put(guard)

    def answer(self, records: Sequence[Mapping[str, str]]) -> list[Prediction]:
        """The answers to records, in order; waits until a child is free. What could not be read
        stands under ``damaged``.
        """
        task: Task = AnswerTask(self._checkpoint, self._top, records)
        guard = self._idle.get()
        try:
            return cast(list[Prediction], guard.run(task))
        finally:
            self._idle.put(guard)


@contextmanager
def answering(
    checkpoint: Path, top: int, workers: int, deadline_s: float, memory_bytes: int
) -> Iterator[Answering]:
    """So many children with the model read; ended on leaving. InputError for no checkpoint, or one
    that cannot answer here.
    """
    guards = [Guard().limit(deadline_s, memory_bytes) for _ in range(workers)]
    try:
        for guard in guards:
            guard.start()
        yield Answering(guards, checkpoint, top)
    finally:
        for guard in guards:
            guard.close()
