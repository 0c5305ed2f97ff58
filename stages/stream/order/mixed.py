"""Several sets in shares that are exact in every stretch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....schemas.errors import InputError
from ....schemas.fingerprint import random_for
from .order import Order, records_across
from .recent import Recent


class Mixed:
    """Several orders in given proportions, each going round at its own pace.

    In every stretch of 1,024 positions each order has its share, rounded to a record, at random
    places. How many records an order has given before any position is a formula, so a mixture too
    resumes anywhere at once: the orders are taken apart one after the other, and of g places the
    first gets floor(g * share).
    """

    _STRETCH = 1024
    _UNIT = 1 << 20

    def __init__(
        self, orders: Sequence[Order], weights: Sequence[float], count: int, seed: int
    ) -> None:
        self._orders, self._count, self._seed = list(orders), count, seed
        # each share is of what the orders before it have left
        left = float(sum(weights))
        self._shares = []
        for weight in weights:
            self._shares.append(round(self._UNIT * weight / left) if left > 0 else 0)
            left -= weight
        self._shares[-1] = self._UNIT
        self._recent = Recent(self._stretch)

    def __len__(self) -> int:
        return self._count

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        # counted through all epochs: an order goes on in the next one where it stood in the last
        first, last = epoch * self._count + start, epoch * self._count + stop
        stretches = []
        while first < last:
            stretch, place = divmod(first, self._STRETCH)
            end = min(self._STRETCH, place + last - first)
            mine: np.ndarray = self._recent(stretch)
            stretches.append(mine[place:end])
            first += end - place
        return np.concatenate(stretches) if stretches else np.empty(0, np.int64)

    def _stretch(self, number: int) -> np.ndarray:
        """The records of one stretch, in their random places."""
        begin, end = number * self._STRETCH, (number + 1) * self._STRETCH
        pieces = []
        for order, share in zip(self._orders, self._shares, strict=True):
            mine_begin, mine_end = begin * share // self._UNIT, end * share // self._UNIT
            pieces.append(records_across(order, mine_begin, mine_end))
            begin, end = begin - mine_begin, end - mine_end
        return random_for(self._seed, "mix", str(number)).permutation(np.concatenate(pieces))


def mixed(orders: Sequence[Order], weights: Sequence[float], seed: int) -> Mixed:
    """A mixture whose epoch is as long as its orders together; InputError where a set with a weight
    is empty.
    """
    for number, (order, weight) in enumerate(zip(orders, weights, strict=True)):
        if weight > 0 and not len(order):
            raise InputError(
                f"weights: set {number + 1} has weight {weight}, and no record of it is left"
            )
    kept = [(order, weight) for order, weight in zip(orders, weights, strict=True) if weight > 0]
    return Mixed(
        [order for order, _ in kept],
        [weight for _, weight in kept],
        sum(len(order) for order, _ in kept),
        seed,
    )
