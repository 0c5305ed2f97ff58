"""The order of an epoch: a pure function of seed, epoch and the records, so that any number of ranks and workers can take part and leave.

global order    k7 k2 k9 k4 | k1 k8 k0 k3 | k5 k6          batch_size = 4 over all ranks
rank 0 of 2     k7 k2       | k1 k8       | k5             each rank takes its slice of every global batch
rank 1 of 2           k9 k4 |       k0 k3 |    k6

An order answers which records stand at the positions [start, stop) of an epoch, at once for any start: that is why a stream resumes at any
sample as fast as it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import numpy as np

from ...schemas.errors import InputError
from ...schemas.fingerprint import random_for

PAD = -1
_LARGEST_TABLE = 1 << 20
_ROUNDS = 8


class Order(Protocol):
    """Which record stands where; ``len`` is the number of positions of an epoch."""

    def __len__(self) -> int: ...

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        """Record numbers ``int64 [stop - start]`` of these positions, ``PAD`` where a position holds none."""


class _Recent:
    """Remembers the last two results of a function; a copy sent to another process remembers none."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._known: dict[Hashable, Any] = {}

    def __call__(self, *key: Hashable) -> Any:
        if key not in self._known:
            while len(self._known) > 1:
                del self._known[next(iter(self._known))]
            self._known[key] = self._function(*key)
        return self._known[key]

    def __getstate__(self) -> dict[str, Any]:
        return {"_function": self._function, "_known": {}}


class Sequential:
    """As stored."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        return np.arange(start, stop)


class Shuffled:
    """A permutation of all records, another one each epoch.

    Up to 2^20 records it is numpy's (8 bytes a record, uniform). Beyond, it is computed place by place and takes no memory: a Feistel
    network of eight rounds over a rectangle of about N cells (Black and Rogaway 2002, *Ciphers with Arbitrary Finite Domains*).
    """

    def __init__(self, count: int, seed: int, name: str = "order") -> None:
        self._count, self._seed, self._name = count, seed, name
        self._table = _Recent(self._permutation)

    def __len__(self) -> int:
        return self._count

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        if self._count <= _LARGEST_TABLE:
            table: np.ndarray = self._table(epoch)
            return table[start:stop]
        return permuted(np.arange(start, stop, dtype=np.uint64), self._count, self._keys(epoch)).astype(np.int64)

    def _permutation(self, epoch: int) -> np.ndarray:
        return random_for(self._seed, self._name, str(epoch)).permutation(self._count)

    def _keys(self, epoch: int) -> np.ndarray:
        return random_for(self._seed, self._name, str(epoch)).integers(0, 2**64, _ROUNDS, dtype=np.uint64)


def permuted(places: np.ndarray, count: int, keys: np.ndarray) -> np.ndarray:
    """Where each place of [0, count) goes in a permutation that the keys choose (``uint64``, one a round).

    A place is a cell (left, right) of a rectangle of at least ``count`` cells; each round adds to one coordinate a mix of the other,
    modulo its length. A cell beyond ``count`` is sent on until it lands inside.
    """
    height = np.uint64(int(np.ceil(np.sqrt(count))))
    width = np.uint64(-(-count // int(height)))
    out = _rounds(places, height, width, keys)
    outside = np.flatnonzero(out >= count)
    while len(outside):
        out[outside] = _rounds(out[outside], height, width, keys)
        outside = outside[out[outside] >= count]
    return out


def _rounds(places: np.ndarray, height: np.uint64, width: np.uint64, keys: np.ndarray) -> np.ndarray:
    left: Any = places // width
    right: Any = places % width
    for number, key in enumerate(keys):
        if number % 2:
            right = (right + mix(left, key) % width) % width
        else:
            left = (left + mix(right, key) % height) % height
    out: np.ndarray = left * width + right
    return out


def mix(values: np.ndarray, key: np.uint64) -> np.ndarray:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014) of each value and the key."""
    mixed = (values + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) ^ key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class BlockShuffled:
    """Blocks of neighbouring records in shuffled order, and the records of ``window`` blocks mixed together.

    stored    | a b c | d e f | g h i | j k l |        blocks
    blocks    | g h i | a b c | j k l | d e f |        shuffled
    windows   | b h g i c a   | d l f k j e   |        of two blocks

    For data that are dear to fetch: no more than ``window`` blocks are in use at a time, each is fetched once an epoch. Memory: 16 bytes a block
    and 8 a record of two windows. ``starts``: first position of each block, and the number of records at the end, ``int64 [blocks + 1]``.
    """

    def __init__(self, starts: np.ndarray, seed: int, window: int, name: str = "order") -> None:
        self._starts, self._seed, self._size, self._name = starts, seed, max(1, window), name
        self._epoch_blocks = _Recent(self._blocks)
        self._mixed = _Recent(self._window)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        if stop <= start:
            return np.empty(0, np.int64)
        ends = self._epoch_blocks(epoch)[1]
        found = []
        number = int(np.searchsorted(ends, start, side="right"))
        while start < stop:
            first = int(ends[number - 1]) if number else 0
            some = self._mixed(epoch, number)[start - first : stop - first]
            found.append(some)
            start += len(some)
            number += 1
        return np.concatenate(found)

    def _blocks(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The shuffled blocks, and the position at which each window ends."""
        blocks = random_for(self._seed, self._name, "blocks", str(epoch)).permutation(len(self._starts) - 1)
        sizes = np.diff(self._starts)[blocks]
        return blocks, np.cumsum(np.add.reduceat(sizes, np.arange(0, len(sizes), self._size)))

    def _window(self, epoch: int, number: int) -> np.ndarray:
        blocks = self._epoch_blocks(epoch)[0][number * self._size : (number + 1) * self._size]
        rows = np.concatenate([np.arange(self._starts[block], self._starts[block + 1]) for block in blocks])
        return random_for(self._seed, self._name, "window", str(epoch), str(number)).permutation(rows)


class Repeated:
    """An epoch of several passes, each in its own order."""

    def __init__(self, order: Order, times: int) -> None:
        self._order, self._times = order, times

    def __len__(self) -> int:
        return len(self._order) * self._times

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        return _across(self._order, epoch * len(self) + start, epoch * len(self) + stop)


def _across(order: Order, start: int, stop: int) -> np.ndarray:
    """Positions of an order that goes on epoch after epoch."""
    length, found = len(order), []
    while start < stop:
        epoch, place = divmod(start, length)
        last = min(length, place + stop - start)
        found.append(order.rows(epoch, place, last))
        start += last - place
    return np.concatenate(found) if found else np.empty(0, np.int64)


class Chosen:
    """An order over some of the records: position -> place in ``rows`` -> record."""

    def __init__(self, order: Order, rows: np.ndarray) -> None:
        self._order, self._rows = order, rows

    def __len__(self) -> int:
        return len(self._order)

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        found: np.ndarray = self._rows[self._order.rows(epoch, start, stop)]
        return found


class Mixed:
    """Several orders in given proportions, each going round at its own pace.

    In every stretch of 1,024 positions each order has its share, rounded to a record, at random places. How many records an order
    has given before any position is a formula, so a mixture too resumes anywhere at once: the orders are taken apart one after
    the other, and of g places the first gets floor(g * share).
    """

    _STRETCH = 1024
    _UNIT = 1 << 20

    def __init__(self, orders: Sequence[Order], weights: Sequence[float], count: int, seed: int) -> None:
        self._orders, self._count, self._seed = list(orders), count, seed
        left = float(sum(weights))
        self._shares = []
        for weight in weights:
            self._shares.append(round(self._UNIT * weight / left) if left > 0 else 0)
            left -= weight
        self._shares[-1] = self._UNIT
        self._recent = _Recent(self._stretch)

    def __len__(self) -> int:
        return self._count

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        first, last = epoch * self._count + start, epoch * self._count + stop
        found = []
        while first < last:
            stretch, place = divmod(first, self._STRETCH)
            end = min(self._STRETCH, place + last - first)
            mine: np.ndarray = self._recent(stretch)
            found.append(mine[place:end])
            first += end - place
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def _stretch(self, number: int) -> np.ndarray:
        """The records of one stretch, in their random places."""
        begin, end = number * self._STRETCH, (number + 1) * self._STRETCH
        pieces = []
        for order, share in zip(self._orders, self._shares, strict=True):
            mine_begin, mine_end = begin * share // self._UNIT, end * share // self._UNIT
            pieces.append(_across(order, mine_begin, mine_end))
            begin, end = begin - mine_begin, end - mine_end
        return random_for(self._seed, "mix", str(number)).permutation(np.concatenate(pieces))


class Bucketed:
    """Batches of records of one class of length: each epoch the classes are shuffled apart, cut into batches, and the batches shuffled.

    A class's last batch is filled up with ``PAD``, or left out with ``drop_last``. ``classes``: class of each record ``int [N]``.
    """

    def __init__(self, classes: np.ndarray, batch_size: int, seed: int, shuffle: bool, drop_last: bool) -> None:
        self._members = [np.flatnonzero(classes == number) for number in range(int(classes.max()) + 1 if len(classes) else 0)]
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self._batches = [len(some) // batch_size if drop_last else -(-len(some) // batch_size) for some in self._members]
        self._table = _Recent(self._epoch)

    def __len__(self) -> int:
        return sum(self._batches) * self._batch_size

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        table: np.ndarray = self._table(epoch if self._shuffle else 0)
        return table[start:stop]

    def _epoch(self, epoch: int) -> np.ndarray:
        random = random_for(self._seed, "buckets", str(epoch))
        found = []
        for some, batches in zip(self._members, self._batches, strict=True):
            mine = (random.permutation(some) if self._shuffle else some)[: batches * self._batch_size]
            found.append(np.concatenate([mine, np.full(batches * self._batch_size - len(mine), PAD)]).reshape(-1, self._batch_size))
        table = np.concatenate(found)
        return (random.permutation(table) if self._shuffle else table).reshape(-1)


def batch_count(count: int, batch_size: int, drop_last: bool) -> int:
    """Number of global batches of so many positions."""
    return count // batch_size if drop_last else -(-count // batch_size)


def rank_rows(rows: np.ndarray, batch_size: int, rank: int, world: int) -> np.ndarray:
    """A rank's slice of the record numbers of a global batch; all ranks' slices are equally long, filled up with ``PAD``."""
    share = -(-batch_size // world) if len(rows) == batch_size else -(-len(rows) // world)
    mine = rows[rank * share : (rank + 1) * share]
    return mine if len(mine) == share else np.concatenate([mine, np.full(share - len(mine), PAD)])


def mixed(orders: Sequence[Order], weights: Sequence[float], seed: int) -> Mixed:
    """A mixture whose epoch is as long as its orders together; InputError where a set with a weight is empty."""
    for number, (order, weight) in enumerate(zip(orders, weights, strict=True)):
        if weight > 0 and not len(order):
            raise InputError(f"weights: set {number + 1} has weight {weight}, and no record of it is left")
    kept = [(order, weight) for order, weight in zip(orders, weights, strict=True) if weight > 0]
    return Mixed([order for order, _ in kept], [weight for _, weight in kept], sum(len(order) for order, _ in kept), seed)
