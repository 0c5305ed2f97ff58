"""Visual question answering: several answers may be right to a degree; sigmoid and binary
cross-entropy on soft scores (Teney et al. 2018).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from .....schemas.json_value import JsonValue
from ...metrics.vqa_accuracy import accuracy, annotators_of, normalise, soft_scores
from ...metrics.vqa_tables import VqaTables, vqa_tables
from .answers import OfCoins
from .objective import Scored, Targets


class Vqa(OfCoins):
    """Answers are those of the training split with the largest sum of soft scores; each is given in
    its commonest spelling.
    """

    metric = "vqa_accuracy"

    def __init__(
        self, target: str, classes: Sequence[str], scores: Sequence[float], records: int
    ) -> None:
        self.target = target
        self.classes = list(classes)
        self.scores = list(scores)
        self.records = records
        self.outputs = len(self.classes)
        self._numbers = {normalise(name): number for number, name in enumerate(self.classes)}

    @classmethod
    def fit(cls, target: str, known: Sequence[JsonValue], most: int) -> Vqa:
        """The objective over the annotators' answers of the training split."""
        sums: Counter[str] = Counter()
        spellings: dict[str, Counter[str]] = defaultdict(Counter)
        for annotators in map(annotators_of, known):
            for answer, score in soft_scores(annotators).items():
                sums[answer] += score  # type: ignore[assignment]  # a Counter of floats
            for answer in annotators:
                spellings[normalise(answer)][answer.strip()] += 1
        kept = [
            answer
            for answer in sorted(sums, key=lambda answer: (-sums[answer], answer))[:most]
            if answer
        ]
        names = [
            min(spellings[answer].items(), key=lambda raw: (-raw[1], raw[0]))[0] for answer in kept
        ]
        return cls(target, names, [float(sums[answer]) for answer in kept], len(known))

    def state(self) -> dict[str, JsonValue]:
        return {
            "target": self.target,
            "classes": self.classes,
            "scores": self.scores,
            "records": self.records,
        }

    def encode(self, targets: Targets) -> tuple[Tensor, Tensor]:
        encoded = torch.zeros(len(targets), self.outputs)
        for row, target in enumerate(targets):
            for answer, score in soft_scores(annotators_of(target.get(self.target, ()))).items():
                if answer in self._numbers:
                    encoded[row, self._numbers[answer]] = score
        return encoded, self._has_target(targets)

    def score(self, logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        chosen = logits.argmax(1).tolist()
        scores = [
            accuracy(self.classes[number], annotators_of(target.get(self.target, ())))
            for number, target in zip(chosen, targets, strict=True)
        ]
        return torch.tensor(scores), self._has_target(targets)

    def truth(self, targets: Targets) -> None:
        """Nothing: several answers are right to a degree."""

    def prior(self) -> Tensor:
        return torch.logit(torch.tensor(self.scores) / self.records, eps=1e-4)

    def breakdown(self, scored: Scored) -> VqaTables:
        """Accuracy by the types of answers and questions, and of the type's prior alone."""
        trained = scored.trained()
        if trained is None:
            return {}
        by_key = scored.asked()
        asked = [by_key[key] for key in scored.keys]
        return vqa_tables(asked, scored.score, scored.weight, self.target, trained)
