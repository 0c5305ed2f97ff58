"""One number: squared error on the target standardised by the training split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from .....schemas.errors import InputError
from .....schemas.json_value import JsonValue
from .objective import Objective, Targets


class Regression(Objective):
    """The score is minus the absolute error, in the target's own unit; its mean is minus
    the MAE.
    """

    metric = "negative_mae"
    link = "identity"

    def __init__(self, target: str, mean: float, deviation: float) -> None:
        self.target = target
        self.outputs = 1
        self.mean = mean
        self.deviation = deviation
        # A thousandth of the spread of the targets is the last digit that can mean something.
        self._decimals = max(0, 3 - math.floor(math.log10(abs(deviation) or 1.0)))

    @classmethod
    def fit(cls, target: str, known: Sequence[JsonValue], most: int = 1) -> Regression:
        """The objective over the numbers of the training split."""
        try:
            values = np.array([_number(value) for value in known])
        except (TypeError, ValueError) as error:
            raise InputError(
                f"train.target: {target!r} holds words ({error}); read it with 'numbers' in its"
                " source, or choose classification"
            ) from error
        return cls(target, float(values.mean()), float(values.std()) or 1.0)

    def state(self) -> dict[str, JsonValue]:
        return {"target": self.target, "mean": self.mean, "deviation": self.deviation}

    def encode(self, targets: Targets) -> tuple[Tensor, Tensor]:
        values = torch.tensor(
            [
                (_number(target.get(self.target, self.mean)) - self.mean) / self.deviation
                for target in targets
            ]
        )
        return values, self._has_target(targets)

    def loss(self, logits: Tensor, encoded: Tensor) -> Tensor:
        return (logits.float().squeeze(1) - encoded).square()

    def divergence(self, peer: Tensor, logits: Tensor) -> Tensor:
        """Of normal distributions of variance 1."""
        return (logits.float() - peer.float()).square().sum(1) / 2

    def score(self, logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        encoded, weight = self.encode(targets)
        return -(logits.float().squeeze(1) - encoded).abs() * self.deviation, weight

    def truth(self, targets: Targets) -> Tensor:
        return torch.tensor(
            [_number(target.get(self.target, self.mean)) for target in targets], dtype=torch.float64
        )

    def chosen(self, logits: Tensor) -> Tensor:
        return logits.double().squeeze(1) * self.deviation + self.mean

    def answers(self, logits: Tensor, top: int) -> list[list[tuple[str, float | None]]]:
        values = (logits.double() * self.deviation + self.mean).squeeze(1).tolist()
        return [[(_shown(value, self._decimals), None)] for value in values]

    def meant(self, logits: Tensor) -> Tensor:
        return logits.float() * self.deviation + self.mean

    def logits(self, meant: Tensor) -> Tensor:
        return (meant - self.mean) / self.deviation

    def prior(self) -> Tensor:
        return torch.zeros(1)


def _shown(value: float, decimals: int) -> str:
    """The number to so many decimals, without zeros at their end."""
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def _number(value: JsonValue) -> float:
    # what is none, float says
    return float(cast("str | float", value))
