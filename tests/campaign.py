"""What a run of the tests takes of a long list, and what only a campaign goes through: ``make
answers``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

# Of each way to fuse one: attention over tokens and over parts, gates, sums, products, answers
# joined, fitted, and a network over everything.
_ONE_OF_A_KIND = (
    "attention",
    "opinion_pool",
    "concat",
    "low_rank",
    "gated",
    "late_attention",
    "stacking",
    "cross_attention",
    "mean",
)
IS_ON = "MODALMILL_CAMPAIGN" in os.environ


def fusions(words: Iterable[str]) -> list[str]:
    """The fusions to try: one of each kind, or all of them in a campaign."""
    return [word for word in words if IS_ON or word in _ONE_OF_A_KIND]


def also(always: Iterable[T], in_campaign: Iterable[T]) -> list[T]:
    """The values to try: the first ones, and the others beside them in a campaign."""
    return [*always, *(in_campaign if IS_ON else ())]
