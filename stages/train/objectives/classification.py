"""One class of many: softmax and cross-entropy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Classification:
    """Classes are the distinct targets of the training split, the commonest first. A target never seen there scores 0."""

    metric = "accuracy"

    def __init__(self, target: str, classes: Sequence[str], counts: Sequence[int]) -> None:
        self.target = target
        self.classes = list(classes)
        self.counts = list(counts)
        self.outputs = len(self.classes)
        self._numbers = {name: number for number, name in enumerate(self.classes)}

    @classmethod
    def fit(cls, target: str, known: Sequence[Any], most: int) -> Classification:
        """The objective over the values of the training split."""
        counts = Counter(str(value) for value in known)
        kept = sorted(counts, key=lambda name: (-counts[name], name))[:most]
        return cls(target, kept, [counts[name] for name in kept])

    def state(self) -> dict[str, Any]:
        return {"target": self.target, "classes": self.classes, "counts": self.counts}

    def encode(self, targets: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor]:
        numbers = torch.tensor([self._numbers.get(str(target.get(self.target)), -1) for target in targets])
        return numbers.clamp(min=0), (numbers >= 0).float()

    def loss(self, logits: Tensor, encoded: Tensor) -> Tensor:
        return functional.cross_entropy(logits.float(), encoded, reduction="none")

    def score(self, logits: Tensor, targets: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor]:
        chosen = logits.argmax(1).tolist()
        right = [float(self.classes[number] == str(target.get(self.target))) for number, target in zip(chosen, targets, strict=True)]
        return torch.tensor(right), torch.tensor([float(self.target in target) for target in targets])

    def answers(self, logits: Tensor, top: int) -> list[list[tuple[str, float]]]:
        values, places = logits.float().softmax(1).topk(min(top, self.outputs), dim=1)
        return [
            [(self.classes[place], value) for place, value in zip(row, some, strict=True)]
            for row, some in zip(places.tolist(), values.tolist(), strict=True)
        ]

    def prior(self) -> Tensor:
        return torch.tensor(self.counts).float().log()
