"""What an objective is: everything that training, evaluation and prediction ask of what is learned.

A task (``train.task``) is one file in this room that holds its objective, and a card in
``methods/tasks.py``; or a user's own, in a table ``TASKS``. It is fitted on the training split's
targets alone and kept whole in the checkpoint.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from .....schemas.errors import InputError
from .....schemas.json_value import JsonValue
from ...metrics.vqa_tables import VqaTables

Targets: TypeAlias = Sequence[Mapping[str, JsonValue]]


@dataclass(frozen=True)
class Scored:
    """Answers of an evaluation with every part shown, by row.

    asked: all targets of each record by its key. trained: those of the training split; None where
        there is no such split. Both are read when they are first asked for.
    """

    keys: Sequence[str]
    score: np.ndarray
    weight: np.ndarray
    asked: Callable[[], Mapping[str, Mapping[str, JsonValue]]]
    trained: Callable[[], Targets | None]


class Objective(abc.ABC):
    """One task over one target. metric: of a row. link: from logits to what they mean
    (``softmax``, ``sigmoid``, ``identity``). classes: the names of the outputs, where answers are
    chosen from names.
    """

    metric: ClassVar[str]
    link: ClassVar[str]
    target: str
    outputs: int
    classes: list[str] | None = None

    @classmethod
    @abc.abstractmethod
    def fit(cls, target: str, known: Sequence[JsonValue], most: int) -> Self:
        """The objective over the values of the training split; ``most``: of classes."""

    @abc.abstractmethod
    def state(self) -> dict[str, JsonValue]:
        """Plain JSON values from which the objective is made again: arguments of its class."""

    @classmethod
    def restored(cls, state: Mapping[str, JsonValue]) -> Self:
        """The objective that :meth:`state` described."""
        make: Callable[..., Self] = cls
        return make(**state)

    @abc.abstractmethod
    def encode(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Targets for the loss, and weight ``[B]``: 0 where a row has no usable target."""

    @abc.abstractmethod
    def loss(self, logits: Tensor, encoded: Tensor) -> Tensor:
        """Loss of each row ``[B]``."""

    @abc.abstractmethod
    def divergence(self, peer: Tensor, logits: Tensor) -> Tensor:
        """How far the answers that ``logits`` give are from a peer's, row by row ``[B]``: the
        Kullback-Leibler divergence KL(peer || own).
        """

    @abc.abstractmethod
    def score(self, logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        """The metric of each row ``[B]`` and weight ``[B]``: 0 where a row has no target to compare
        with. Higher is better.
        """

    @abc.abstractmethod
    def truth(self, targets: Targets) -> Tensor | None:
        """What is right for each row, for metrics of all rows: the class's number ``float64 [B]``
        (-1 for one never seen), the number, or ``bool [B, C]`` for labels; None for tasks in which
        no answer is simply right.
        """

    @abc.abstractmethod
    def chosen(self, logits: Tensor) -> Tensor:
        """What is answered to each row, likewise."""

    @abc.abstractmethod
    def answers(self, logits: Tensor, top: int) -> list[list[tuple[str, float | None]]]:
        """For each row the best answers with their probabilities; None for a number, which has
        none.
        """

    @abc.abstractmethod
    def meant(self, logits: Tensor) -> Tensor:
        """What logits ``[B, O]`` mean: probabilities, or numbers in the target's own unit."""

    @abc.abstractmethod
    def logits(self, meant: Tensor) -> Tensor:
        """Logits that mean this."""

    @abc.abstractmethod
    def prior(self) -> Tensor:
        """Logits ``[outputs]`` that say what is known without any input; their best answer is the
        training split's commonest.
        """

    def labels(self, logits: Tensor) -> list[list[str]] | None:
        """For each row the labels that are answered; None where an answer is one."""
        return None

    def confidence(self, meant: Tensor) -> Tensor:
        """How sure the answer to each row is ``[B]``: the probability that its score is held
        against for calibration. NaN where there is no such number.
        """
        return torch.full(meant.shape[:1], torch.nan)

    def weigh(self, class_weights: bool, focal: float) -> None:
        """Let rare classes, and rows answered badly, count more; for tasks whose card says so."""
        if class_weights or focal:
            raise InputError(f"class_weights, focal: {type(self).__name__} is not weighed by class")

    def unweighed(self) -> Objective:
        """The same whose losses are plain likelihoods."""
        return self

    def breakdown(self, scored: Scored) -> VqaTables:
        """What an evaluation reports of this task beside its metrics."""
        return {}

    def _has_target(self, targets: Targets) -> Tensor:
        return torch.tensor([float(self.target in target) for target in targets])
