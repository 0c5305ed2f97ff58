"""A model's answers to every row of a split under several views of it: one pass over the stream,
each part encoded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ....schemas.arrays import Bools, Float64s
from ....schemas.errors import InputError
from ...stream import FusionBatch
from ..data.subsets import subsets_of
from ..metrics.metric import Metric, Rows
from ..metrics.statistics import calibration_error
from ..model.checkpoint import Saved
from ..model.model import FusionModel
from ..model.objectives import Objective

View: TypeAlias = tuple[str, Tensor, "nn.Module | None"]
Views: TypeAlias = Callable[[FusionBatch], Iterable[View]]


class Asked(Protocol):
    """What a survey asks of a model."""

    def encode(self, batch: FusionBatch) -> tuple[list[Tensor], list[Tensor]]:
        """Tokens and masks of the parts."""

    def decide(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> Tensor:
        """Logits ``[B, O]``."""


@dataclass(frozen=True)
class Answers:
    """Of one view, row by row ``float64 [N]``: the metric, the loss, the Brier score, the
    confidence, what was answered (``[N, C]`` for labels); and whether anything was shown.
    probability: ``float64 [N, C]`` where a metric takes it.
    """

    score: Float64s
    loss: Float64s
    brier: Float64s
    confidence: Float64s
    answer: np.ndarray
    has_any: Bools
    probability: Float64s | None = None


@dataclass(frozen=True)
class Survey:
    """Rows of a split that can be scored. there: which parts they have ``bool [N, M]``. weight: 1
    for rows with a target, 0 for others.

    known: 1 for rows whose target the training split knew, for which loss and Brier score are
        defined. prior: score of the commonest answer.
    answer: number of the right class, for classification. truth: what is right, for metrics of all
        rows (``[N, C]`` for labels); None where no answer simply is.
    """

    keys: list[str]
    weight: Float64s
    known: Float64s
    there: Bools
    prior: Float64s
    answer: np.ndarray
    views: dict[str, Answers]
    truth: np.ndarray | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def rows(self, answer: np.ndarray, probability: Float64s | None = None) -> Rows:
        """Answers to the rows that have a target, for metrics of all rows."""
        assert self.truth is not None
        here = self.weight > 0
        return Rows(
            self.truth[here], answer[here], None if probability is None else probability[here]
        )

    def summary(self, view: str, metric: str) -> dict[str, float]:
        """Means of a view; those of confidence only where answers are probabilities, metrics of all
        rows where the rows define them.
        """
        answers = self.views[view]
        rows, known_rows = max(self.weight.sum(), 1e-9), max((self.weight * self.known).sum(), 1e-9)
        means = {
            metric: float((answers.score * self.weight).sum() / rows),
            "loss": float((answers.loss * self.weight * self.known).sum() / known_rows),
            "rows_with_any": int((answers.has_any * self.weight).sum()),
        }
        if not np.isnan(answers.brier).any():
            means["brier"] = float((answers.brier * self.weight * self.known).sum() / known_rows)
        if not np.isnan(answers.confidence).any():
            means["ece"] = calibration_error(answers.confidence, answers.score, self.weight)
        if self.truth is not None and (self.weight > 0).any():
            rows = self.rows(answers.answer, answers.probability)
            values = {name: definition.of(rows) for name, definition in self.metrics.items()}
            means |= {name: value for name, value in values.items() if not math.isnan(value)}
        return means


@torch.no_grad()
def survey(
    saved: Saved,
    stream: Iterable[FusionBatch],
    views: Views,
    model: Asked | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Survey:
    """Ask the model about every row of the stream under every view: its name, what it shows ``[B,
    M]``, how gaps are filled.

    model: asked in the place of the saved one. metrics: those of all rows that the summaries are to
        have.
    """
    metrics = metrics or {}
    with_probability = any(definition.needs_probability for definition in metrics.values())
    model, objective = model or saved.model, saved.objective
    keys: list[str] = []
    columns: list[dict[str, np.ndarray]] = []
    answers: dict[str, list[dict[str, np.ndarray]]] = {}
    for raw in stream:
        batch = saved.inputs.completed(raw)
        real = batch.weight_B > 0
        targets = batch.targets()
        encoded, known_B = objective.encode(targets)
        prior, weight_B = objective.score(objective.prior()[None].expand(len(batch), -1), targets)
        tokens, masks = model.encode(batch)
        keys += [key for key, is_real in zip(batch.keys, real.tolist(), strict=True) if is_real]
        truth_B = objective.truth(targets) if metrics else None
        row_values = {
            "weight": weight_B,
            "known": known_B,
            "there": batch.present_BM,
            "prior": prior,
            "answer": _classes(encoded, known_B),
        }
        columns.append(
            _numpy(row_values if truth_B is None else {**row_values, "truth": truth_B}, real)
        )
        for name, shown_BM, missing in views(batch):
            with _without(model, missing):
                logits = model.decide(tokens, masks, batch.present_BM & shown_BM)
            if not torch.isfinite(logits[real]).all():
                raise InputError(
                    "the model's outputs are no finite numbers; train again with a lower"
                    " learning_rate"
                )
            score, _ = objective.score(logits, targets)
            row_values = {
                "score": score,
                "has_any": (batch.present_BM & shown_BM).any(1),
                **_told_by(objective, logits, encoded),
            }
            row_values |= {
                "answer": objective.chosen(logits),
                **({"probability": objective.meant(logits)} if with_probability else {}),
            }
            answers.setdefault(name, []).append(_numpy(row_values, real))
    whole = (
        {name: np.concatenate([values[name] for values in columns]) for name in columns[0]}
        if columns
        else {}
    )
    if not whole:
        raise InputError("the split holds no records")
    return Survey(
        keys,
        **whole,
        views={name: _answers(pieces) for name, pieces in answers.items()},
        metrics=metrics,
    )


def survey_subsets(
    saved: Saved,
    stream: Iterable[FusionBatch],
    model: Asked | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Survey:
    """The survey whose views are the subsets of the parts, by their names."""
    subsets = {name: torch.tensor(mask) for name, mask in subsets_of(saved.inputs.names).items()}
    return survey(
        saved,
        stream,
        lambda batch: [(name, shown_M, None) for name, shown_M in subsets.items()],
        model,
        metrics,
    )


@contextmanager
def _without(model: Asked, missing: nn.Module | None) -> Iterator[None]:
    """The model doing without a part in this way; None for its own, which comes back whatever
    happens in between, for all views share the model.
    """
    if missing is None:
        yield
        return
    assert isinstance(model, FusionModel)
    own, model.missing = model.missing, missing
    try:
        yield
    finally:
        model.missing = own


def _classes(encoded: Tensor, known_B: Tensor) -> Tensor:
    """The right class of each row, -1 where there is none or answers are no classes."""
    return (
        torch.where(known_B > 0, encoded, -1)
        if encoded.dtype == torch.long
        else torch.full_like(known_B, -1)
    )


def _numpy(values: Mapping[str, Tensor], real: Tensor) -> dict[str, np.ndarray]:
    return {
        name: value[real].cpu().numpy().astype(bool if value.dtype == torch.bool else np.float64)
        for name, value in values.items()
    }


def _answers(pieces: list[dict[str, np.ndarray]]) -> Answers:
    return Answers(
        **{name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    )


def _told_by(objective: Objective, logits: Tensor, encoded: Tensor) -> dict[str, Tensor]:
    """For each row: loss; Brier score and confidence of what logits ``[B, O]`` say (NaN for
    numbers, which are no probabilities).
    """
    loss = objective.loss(logits, encoded)
    if objective.link == "identity":
        nothing = torch.full_like(loss, math.nan)
        return {"loss": loss, "brier": nothing, "confidence": nothing}
    p = objective.meant(logits)
    wanted = (
        functional.one_hot(encoded, logits.shape[1]).float()
        if objective.link == "softmax"
        else encoded
    )
    return {
        "loss": loss,
        "brier": (p - wanted).square().sum(1),
        "confidence": objective.confidence(p),
    }
