"""What a run of the tests takes of a long list, and what only a campaign goes through: ``make
answers``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

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


def fusions(words: Iterable[str]) -> list[str]:
    """The fusions to try: one of each kind, or all of them in a campaign."""
    return [word for word in words if "MODALMILL_CAMPAIGN" in os.environ or word in _ONE_OF_A_KIND]
