"""What belongs beside a VQA accuracy: the same by type of answer and of question, and what the type
of the question alone would have said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from ....schemas.json_value import JsonValue
from .vqa_accuracy import accuracy, annotators_of, soft_scores


class Cell(TypedDict):
    """A row of a table: the accuracy of some questions, and how many they are."""

    accuracy: float
    questions: int


class VqaTables(TypedDict, total=False):
    """What belongs beside an accuracy, as far as records say the types."""

    by_answer_type: dict[str, Cell]
    by_question_type: dict[str, Cell]
    question_type_prior: float


def vqa_tables(
    asked: Sequence[Mapping[str, JsonValue]],
    score: np.ndarray,
    weight: np.ndarray,
    target: str,
    training: Sequence[Mapping[str, JsonValue]],
) -> VqaTables:
    """Accuracy by ``answer_type`` and ``question_type`` where records have them.

    asked: the targets of each question. ``question_type_prior``: the accuracy of answering each
    question with the best answer of the training split to questions of its type.
    """
    report: VqaTables = {}
    by_answer = [str(row.get("answer_type", "")) for row in asked]
    by_question = [str(row.get("question_type", "")) for row in asked]
    if any(by_answer):
        report["by_answer_type"] = _means(by_answer, score, weight)
    if any(by_question):
        report["by_question_type"] = _means(by_question, score, weight)
    best = _best_by_type(target, training)
    if best:
        said = [best.get(str(row.get("question_type", "")), best[""]) for row in asked]
        own = np.array(
            [
                accuracy(answer, annotators_of(row.get(target, ())))
                for answer, row in zip(said, asked, strict=True)
            ]
        )
        report["question_type_prior"] = float((own * weight).sum() / max(weight.sum(), 1e-9))
    return report


def _means(kinds: Sequence[str], scores: np.ndarray, weight: np.ndarray) -> dict[str, Cell]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for kind, score, row_weight in zip(kinds, scores.tolist(), weight.tolist(), strict=True):
        sums[kind][0] += score * row_weight
        sums[kind][1] += row_weight
    return {
        kind: {"accuracy": a / b, "questions": int(b)}
        for kind, (a, b) in sorted(sums.items(), key=lambda item: -item[1][1])
        if b
    }


def _best_by_type(target: str, rows: Sequence[Mapping[str, JsonValue]]) -> dict[str, str]:
    """Type of question -> the answer with the largest sum of soft scores; under ``""`` that of all
    questions.
    """
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for answer, score in soft_scores(annotators_of(row.get(target, ()))).items():
            for kind in {str(row.get("question_type", "")), ""}:
                sums[kind][answer] += score  # type: ignore[assignment]  # a Counter of floats
    return {
        kind: min(scores, key=lambda answer: (-scores[answer], answer))
        for kind, scores in sums.items()
        if scores
    }
