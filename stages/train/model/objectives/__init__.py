"""Objectives: what is learned. Each is fitted on the training split's targets alone and kept whole
in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from .....schemas.errors import InputError
from ...options import TrainOptions
from .classification import Classification
from .regression import Regression
from .vqa import Vqa


class Objective(Protocol):
    """What training, evaluation and prediction ask of an objective."""

    metric: str
    outputs: int
    link: str

    def state(self) -> dict[str, Any]:
        """Plain JSON values from which the objective is made again."""

    def encode(self, targets: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor]:
        """Targets for the loss, and weight ``[B]``: 0 where a row has no usable target."""

    def loss(self, logits: Tensor, encoded: Tensor) -> Tensor:
        """Loss of each row ``[B]``."""

    def divergence(self, peer: Tensor, logits: Tensor) -> Tensor:
        """How far the answers that ``logits`` give are from a peer's, row by row ``[B]``: the
        Kullback-Leibler divergence KL(peer || own).
        """

    def score(self, logits: Tensor, targets: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor]:
        """The metric of each row ``[B]`` and weight ``[B]``: 0 where a row has no target to compare
        with. Higher is better.
        """

    def truth(self, targets: Sequence[Mapping[str, Any]]) -> Tensor | None:
        """What is right for each row ``float64 [B]``, for metrics of all rows: the class's number
        (-1 for one never seen), or the number; None for tasks in which no single answer is right.
        """

    def chosen(self, logits: Tensor) -> Tensor:
        """What is answered to each row ``float64 [B]``, likewise."""

    def answers(self, logits: Tensor, top: int) -> list[list[tuple[str, float | None]]]:
        """For each row the best answers with their probabilities; None for a number, which has
        none.
        """

    def meant(self, logits: Tensor) -> Tensor:
        """What logits ``[B, O]`` mean: probabilities, or numbers in the target's own unit."""

    def logits(self, meant: Tensor) -> Tensor:
        """Logits that mean this."""

    def prior(self) -> Tensor:
        """Logits ``[outputs]`` that say what is known without any input; their best answer is the
        training split's commonest.
        """


def fit_objective(options: TrainOptions, targets: Sequence[Mapping[str, Any]]) -> Objective:
    """The objective of the options, fitted on the targets of the training split."""
    found = fit_target("train.target", options.task, options.target, targets, options.answers)
    if isinstance(found, Classification):
        found.weigh(options.class_weights, options.focal)
    return found


def fit_target(
    where: str, task: str, name: str, targets: Sequence[Mapping[str, Any]], most: int = 1000
) -> Objective:
    """The objective for one target, fitted on the training split; ``most``: largest number of
    classes.
    """
    known = [target[name] for target in targets if name in target]
    if not known:
        every = sorted({other for target in targets for other in target})
        raise InputError(
            f"{where}: no record of the training split has the target {name!r}; there are"
            f" {', '.join(every) or 'none'}"
        )
    lists = sum(isinstance(value, list) for value in known)
    if task != "vqa" and lists:
        raise InputError(
            f"{where}: {name!r} is a list in {lists:,} of {len(known):,} records, and {task}"
            " learns one value a record; choose a target of one value,"
            " or task: vqa where the list holds what several annotators answered"
        )
    if task == "vqa" and lists < len(known):
        raise InputError(
            f"{where}: task vqa wants the list of the annotators' answers, and {name!r} is a"
            " single word; use task: classification"
        )
    if task == "classification":
        return Classification.fit(name, known, most)
    if task == "regression":
        return Regression.fit(name, known)
    return Vqa.fit(name, known, most)


def load_objective(task: str, state: Mapping[str, Any]) -> Objective:
    """The objective that :meth:`Objective.state` described."""
    if task == "classification":
        return Classification(**state)
    return Regression(**state) if task == "regression" else Vqa(**state)


__all__ = [
    "Classification",
    "Objective",
    "Regression",
    "Vqa",
    "fit_objective",
    "fit_target",
    "load_objective",
]
