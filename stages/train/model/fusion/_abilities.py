"""What a fusion may be able to do beside fusing, each ability by the method that does it. A fusion
is asked once for one, when it is made or used, and never batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class StartsFromPrior(Protocol):
    """Answers by itself (model-level), and can begin with the answer that is commonest."""

    def start_from(self, prior_O: Tensor) -> None:
        """Let the untrained fusion answer with these logits ``[O]``."""


@runtime_checkable
class TellsLooks(Protocol):
    """Knows how much it looked at each token."""

    def looked_at(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> list[Tensor]:
        """The share of each token ``[B, T_m]`` a part."""


@runtime_checkable
class FitsAnswers(Protocol):
    """Is fitted to what the parts' models answer on rows that were not trained on."""

    def fit(self, logits_NMO: Tensor, present_NM: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        """Fit to logits ``[N, M, O]`` and presence ``[N, M]``; ``loss``: logits ``[N, O]`` to the
        loss of each row.
        """


@runtime_checkable
class ChoosesWeights(Protocol):
    """Tries the weights of a grid on rows that were not trained on, where ``grid`` is not 0."""

    grid: int

    def choose(self, loss: Callable[[], float]) -> None:
        """Take the weights of the smallest loss, which is that of the weights as they are now."""
