"""BLEU: how much of what was written stands in what people wrote (Papineni et al. 2002)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

ORDERS = 4


def bleu(
    written: Sequence[Sequence[str]],
    references: Sequence[Sequence[Sequence[str]]],
    orders: int = ORDERS,
) -> float:
    """Corpus BLEU in [0, 1] of sentences, each against one or more references, all as lists of
    words.

    The geometric mean of the clipped precisions of n-grams up to ``orders``, times the brevity
    penalty of the closest lengths (the shorter one of two that are as close). An order that no
    reference is long enough for does not count; where another has no match, it is 0. No smoothing.

    >>> bleu([["a", "red", "cat", "sits"]], [[["a", "red", "cat", "sits"]]])
    1.0
    """
    orders = min(orders, max((len(other) for others in references for other in others), default=1))
    matched, total = [0] * orders, [0] * orders
    length = closest = 0
    for sentence, others in zip(written, references, strict=True):
        length += len(sentence)
        closest += min(
            (len(other) for other in others), key=lambda size: (abs(size - len(sentence)), size)
        )
        for order in range(orders):
            counts = _grams(sentence, order + 1)
            most: Counter[tuple[str, ...]] = Counter()
            for other in others:
                most |= _grams(other, order + 1)
            matched[order] += (counts & most).total()
            total[order] += counts.total()
    if not all(matched):
        return 0.0
    precision = math.exp(sum(math.log(a / b) for a, b in zip(matched, total, strict=True)) / orders)
    return precision * math.exp(min(0.0, 1 - closest / length))


def _grams(sentence: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(
        tuple(sentence[start : start + order]) for start in range(len(sentence) - order + 1)
    )
