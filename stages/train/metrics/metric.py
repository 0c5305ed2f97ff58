"""What a metric is: a number about the answers to all rows of a split, where no mean over rows
would do (macro-F1, AUC, R2).

A metric is one file in ``metrics/all_rows``, called like it, or a user's own. Evaluation reports
those of a task that answers alone define; ``train.metric`` chooses the one that picks the best
epoch and heads the tables, which may ask for probabilities. Higher is better in each.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ....schemas.arrays import Bools, Float64s
from ....schemas.errors import nearest
from ... import outside

ROOM = "all_rows"


@dataclass(frozen=True)
class Rows:
    """Answers to the rows that have a target.

    truth: ``[N]`` class numbers (-1: a class that the training split did not have), numbers in the
        target's unit, or, for labels, which are right ``[N, C]``. answer: likewise.
    probability: ``float [N, C]`` of each class, where the metric asks for it.
    """

    truth: np.ndarray
    answer: np.ndarray
    probability: Float64s | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def classes(self) -> list[int]:
        """The classes of the training split that are right for any row."""
        if self.truth.ndim == 2:  # labels
            return [int(number) for number in np.flatnonzero(self.truth.any(0))]
        numbers: list[int] = np.unique(self.truth[self.truth >= 0]).astype(int).tolist()
        return numbers

    def right(self, number: int) -> Bools:
        """For which rows this class is right ``bool [N]``."""
        labels = self.truth.ndim == 2
        is_right: Bools = self.truth[:, number] > 0 if labels else self.truth == number
        return is_right

    def counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each of :meth:`classes`: rows that are rightly answered so, rows that are answered so,
        rows for which it is right ``int [K]``.
        """
        classes = self.classes()
        if self.truth.ndim == 2:
            right, answer = self.truth[:, classes] > 0, self.answer[:, classes] > 0
            return (right & answer).sum(0), answer.sum(0), right.sum(0)
        size = 1 + int(max([*classes, *self.answer]))
        there = np.bincount(self.truth[self.truth >= 0].astype(int), minlength=size)
        said = np.bincount(self.answer.astype(int), minlength=size)
        hit = np.bincount(self.truth[self.truth == self.answer].astype(int), minlength=size)
        return hit[classes], said[classes], there[classes]


class Metric:
    """One metric. tasks: those whose answers it takes. needs_probability: it takes the probability
    of each class for each row and each subset of the parts, which is much to keep: it is worked out
    where it is asked for.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    needs_probability: ClassVar[bool] = False

    def of(self, rows: Rows) -> float:
        """The metric; NaN where the rows do not define it."""
        raise NotImplementedError


def metrics_of(task: str) -> dict[str, Metric]:
    """The metrics of a task, by name."""
    metrics: dict[str, Metric] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent / ROOM)]):
        metrics[module.name] = outside.defined_in(
            importlib.import_module(f".{ROOM}.{module.name}", __package__), Metric
        )[0]()
    metrics |= {outside.name_of(cls): cls() for cls in outside.classes(Metric, "metrics").values()}
    return {name: metric for name, metric in sorted(metrics.items()) if task in metric.tasks}


def mistake(task: str, name: str, own: str) -> str:
    """What is wrong with a metric's name for a task, or nothing. own: the metric that the task
    itself has.
    """
    names = [own, *metrics_of(task)]
    return "" if name in names else f"no metric of {task} is called {name!r}{nearest(name, names)}"
