"""Any number of labels a record: a sigmoid and binary cross-entropy for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from .....schemas.json_value import JsonValue
from .answers import OfCoins
from .objective import Targets

_SAID = 0.5  # a label is answered from this probability on


class Multilabel(OfCoins):
    """Labels are those of the training split, the commonest first; a record may have none.

    The score of a row is the F1 between the labels that are right and those answered with a
    probability of at least a half (Godbole & Sarawagi 2004; ``average="samples"`` of scikit-learn):
    1 where both are none. A label never seen in training counts as missed.
    """

    metric = "samples_f1"

    def __init__(
        self, target: str, classes: Sequence[str], counts: Sequence[int], records: int
    ) -> None:
        self.target = target
        self.classes = list(classes)
        self.counts = list(counts)
        self.records = records
        self.outputs = len(self.classes)
        self._numbers = {name: number for number, name in enumerate(self.classes)}

    @classmethod
    def fit(cls, target: str, known: Sequence[JsonValue], most: int) -> Multilabel:
        counts = Counter(label for labels in known for label in _distinct(labels))
        kept = sorted(counts, key=lambda label: (-counts[label], label))[:most]
        return cls(target, kept, [counts[label] for label in kept], len(known))

    def state(self) -> dict[str, JsonValue]:
        return {
            "target": self.target,
            "classes": self.classes,
            "counts": self.counts,
            "records": self.records,
        }

    def encode(self, targets: Targets) -> tuple[Tensor, Tensor]:
        return self.truth(targets).float(), self._has_target(targets)

    def score(self, logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        right_BC, said_BC = self.truth(targets), self.chosen(logits).cpu()
        right_B = torch.tensor([len(_distinct(target.get(self.target, ()))) for target in targets])
        both_B = (right_BC & said_BC).sum(1)
        either_B = right_B + said_BC.sum(1)
        return torch.where(either_B > 0, 2 * both_B / either_B.clamp(min=1), 1.0), self._has_target(
            targets
        )

    def truth(self, targets: Targets) -> Tensor:
        right_BC = torch.zeros(len(targets), self.outputs, dtype=torch.bool)
        for row, target in enumerate(targets):
            for label in _distinct(target.get(self.target, ())):
                if label in self._numbers:
                    right_BC[row, self._numbers[label]] = True
        return right_BC

    def chosen(self, logits: Tensor) -> Tensor:
        """The labels of probability a half or more ``bool [B, C]``."""
        return self.meant(logits) >= _SAID

    def answers(self, logits: Tensor, top: int) -> list[list[tuple[str, float | None]]]:
        """For each row its labels with their probabilities, and the likeliest of the others until
        there are ``top``.
        """
        counts = self.chosen(logits).sum(1).clamp(min=min(top, self.outputs)).tolist()
        values, places = self.meant(logits).sort(dim=1, descending=True)
        return [
            [
                (self.classes[place], value)
                for place, value in zip(row[:n], chances[:n], strict=True)
            ]
            for n, row, chances in zip(counts, places.tolist(), values.tolist(), strict=True)
        ]

    def labels(self, logits: Tensor) -> list[list[str]]:
        return [
            [name for name, is_said in zip(self.classes, row, strict=True) if is_said]
            for row in self.chosen(logits).tolist()
        ]

    def confidence(self, meant: Tensor) -> Tensor:
        """NaN: the score of a set of labels is no chance of being right."""
        return torch.full(meant.shape[:1], torch.nan)

    def prior(self) -> Tensor:
        return torch.logit(torch.tensor(self.counts) / self.records, eps=1e-4)


def _distinct(labels: JsonValue) -> list[str]:
    """The labels as words, each once, without empty ones."""
    # it is a list: fit_target refuses others
    listed = cast("Sequence[JsonValue]", labels)
    return [label for label in dict.fromkeys(str(raw).strip() for raw in listed) if label]
