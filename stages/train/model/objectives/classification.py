"""One class of many: softmax and cross-entropy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .....schemas.json_value import JsonValue
from .answers import OfClasses
from .objective import Targets


class Classification(OfClasses):
    """Classes are the distinct targets of the training split, the commonest first. A target never
    seen there scores 0.
    """

    metric = "accuracy"
    link = "softmax"

    def __init__(
        self,
        target: str,
        classes: Sequence[str],
        counts: Sequence[int],
        class_weights: bool = False,
        focal: float = 0.0,
    ) -> None:
        self.target = target
        self.classes = list(classes)
        self.counts = list(counts)
        self.outputs = len(self.classes)
        self.weigh(class_weights, focal)
        self._numbers = {name: number for number, name in enumerate(self.classes)}

    def weigh(self, class_weights: bool, focal: float) -> None:
        """Let rare classes count more (``N / (C n_c)``), and rows that are answered well less (``(1
        - p)^focal``, Lin et al. 2017).
        """
        self.class_weights, self.focal = class_weights, focal
        counts = torch.tensor(self.counts).float()
        self._weight_C = counts.sum() / (len(counts) * counts) if class_weights else None

    def unweighed(self) -> Classification:
        return Classification(self.target, self.classes, self.counts)

    @classmethod
    def fit(cls, target: str, known: Sequence[JsonValue], most: int) -> Classification:
        """The objective over the values of the training split."""
        counts = Counter(str(value) for value in known)
        kept = sorted(counts, key=lambda name: (-counts[name], name))[:most]
        return cls(target, kept, [counts[name] for name in kept])

    def state(self) -> dict[str, JsonValue]:
        own = {"class_weights": self.class_weights, "focal": self.focal}
        return {"target": self.target, "classes": self.classes, "counts": self.counts, **own}

    def encode(self, targets: Targets) -> tuple[Tensor, Tensor]:
        here = [str(target[self.target]) if self.target in target else None for target in targets]
        numbers = torch.tensor(
            [-1 if name is None else self._numbers.get(name, -1) for name in here]
        )
        return numbers.clamp(min=0), (numbers >= 0).float()

    def loss(self, logits: Tensor, encoded: Tensor) -> Tensor:
        weight_C = None if self._weight_C is None else self._weight_C.to(logits.device)
        loss_B = functional.cross_entropy(logits.float(), encoded, weight_C, reduction="none")
        if self.focal:
            right_B = logits.float().softmax(1).gather(1, encoded[:, None])[:, 0]
            # rounding may bring it above 1, and a root of less than 0 is NaN
            loss_B = loss_B * (1 - right_B).clamp(min=0) ** self.focal
        return loss_B

    def divergence(self, peer: Tensor, logits: Tensor) -> Tensor:
        return functional.kl_div(
            logits.float().log_softmax(1),
            peer.float().log_softmax(1),
            reduction="none",
            log_target=True,
        ).sum(1)

    def score(self, logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        chosen = logits.argmax(1).tolist()
        right = [
            float(self.classes[number] == str(target.get(self.target)))
            for number, target in zip(chosen, targets, strict=True)
        ]
        return torch.tensor(right), self._has_target(targets)

    def truth(self, targets: Targets) -> Tensor:
        return torch.tensor(
            [self._numbers.get(str(target.get(self.target)), -1) for target in targets],
            dtype=torch.float64,
        )

    def prior(self) -> Tensor:
        return torch.tensor(self.counts).float().log()
