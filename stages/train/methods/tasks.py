"""What may be asked of a record (``train.task``), by its word."""

from __future__ import annotations

from collections.abc import Mapping

from ....schemas.contents import Kind
from ...outside import WithOutside
from .card import TaskCard

TASKS: Mapping[str, TaskCard] = WithOutside(
    "tasks",
    TaskCard,
    {
        "classification": TaskCard(
            "objectives.classification.Classification",
            "one class of many: softmax and cross-entropy",
            "standard",
            "C",
            metric="accuracy",
            wants="one word or number a record",
            one_class=True,
        ),
        "multilabel": TaskCard(
            "objectives.multilabel.Multilabel",
            "any number of labels: a sigmoid and binary cross-entropy for each",
            "standard",
            "C",
            metric="samples_f1",
            kinds=frozenset({"list"}),
            wants="a list of labels, in JSON or by 'lists' of its source",
        ),
        "regression": TaskCard(
            "objectives.regression.Regression",
            "a number: squared error, standardised by the training split",
            "standard",
            "1",
            metric="negative_mae",
            kinds=frozenset({"number"}),
            wants="a target read by 'numbers'",
        ),
        "vqa": TaskCard(
            "objectives.vqa.Vqa",
            "what several annotators answered, each answer right to a degree",
            "Teney 2018",
            "C",
            metric="vqa_accuracy",
            kinds=frozenset({"list"}),
            wants="the list of the annotators' answers",
        ),
    },
)


def refused(where: str, task: str, target: str, kind: Kind | None) -> str:
    """What is wrong with a task for a target of that kind, and which tasks take it; or nothing."""
    card = TASKS[task]
    if kind is None or kind in card.kinds:
        return ""
    refusal = f"{where}: {task} wants {card.wants}, and {target!r} is a {kind}"
    others = [word for word, other in TASKS.items() if kind in other.kinds]
    return f"{refusal}; task: {' or '.join(others)} takes it" if others else refusal
