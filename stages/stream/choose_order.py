"""Which record stands where in an epoch, as the options ask."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...schemas.errors import InputError
from .options import Blocks, StreamOptions
from .order.batches import GlobalBatches
from .order.blocks import BlockShuffled
from .order.buckets import Bucketed
from .order.mixed import mixed
from .order.order import Chosen, Order, Repeated, Sequential
from .order.permutation import Shuffled
from .shards.index import Index

_log = logging.getLogger("modalmill.stream")


def choose_blocks(options: StreamOptions, is_remote: bool) -> Blocks | None:
    """The blocks to shuffle by, if any: those that were asked for, or the default ones where any
    set lies behind a url and each stretch should be fetched once an epoch.
    """
    if isinstance(options.shuffle, Blocks):
        return options.shuffle
    return Blocks() if options.shuffle and is_remote else None


class MixedSet(NamedTuple):
    """Records that have a share of the stream of their own, and which."""

    records: np.ndarray
    weight: float


def mixed_sets(index: Index, options: StreamOptions) -> list[MixedSet]:
    """The sets that are mixed: those with weights, or the classes of a target; all records as one
    where neither is asked for.
    """
    # of one set no copy: workers get it and the index in one
    chosen = index.chosen[0] if len(index.chosen) == 1 else np.concatenate(index.chosen)
    if options.balance is not None:
        classes, words = index.classes(options.balance)
        of_chosen = classes[chosen]
        lost = int((of_chosen < 0).sum())
        if lost:
            _log.warning("balance: %s records have no %r and are left out", lost, options.balance)
        sets = [chosen[of_chosen == number] for number in range(len(words))]
        classed = [MixedSet(records, 1.0) for records in sets if len(records)]
        if not classed:
            raise InputError(f"balance: of {lost:,} records none has {options.balance!r}")
        return classed
    if options.weights is not None:
        pairs = zip(index.chosen, options.weights, strict=True)
        return [MixedSet(records, weight) for records, weight in pairs]
    return [MixedSet(chosen, 1.0)]


def choose_batches(
    index: Index,
    sets: Sequence[MixedSet],
    classes: np.ndarray | None,
    blocks: Blocks | None,
    options: StreamOptions,
) -> GlobalBatches:
    """The batches of every epoch. classes: class of length of each record ``int [N]``, None for
    none. InputError where options are asked for that cannot be together.
    """
    drop_last = options.drops_last(sum(len(own.records) for own in sets if own.weight > 0))
    if classes is not None:
        if options.weights is not None or options.repeat > 1 or blocks:
            raise InputError(
                "buckets: cannot be together with weights, repeat or blocks; open the sets apart"
            )
        order: Order = _bucketed(index, classes, drop_last, options)
    else:
        order = _ordered(index, sets, blocks, options)
        if options.repeat > 1:
            order = Repeated(order, options.repeat)
    return GlobalBatches(order, options.batch_size, drop_last, classes)


def block_starts(index: Index, records: np.ndarray, block_bytes: int) -> np.ndarray:
    """Where in ``records`` each block begins: neighbours whose media begin in the same
    ``block_bytes`` of the same tar; the end is the last.
    """
    blocks = np.zeros(len(records), np.int64)
    for spans in index.spans.values():
        blocks = np.maximum(blocks, spans[records, 0] // block_bytes)
    tars: np.ndarray = index.tar[records].astype(np.int64)
    # a record without media stays in the block before it
    blocks = np.maximum.accumulate(tars * (blocks.max(initial=0) + 1) + blocks)
    return np.concatenate([[0], np.flatnonzero(np.diff(blocks)) + 1, [len(records)]])


def _ordered(
    index: Index, sets: Sequence[MixedSet], blocks: Blocks | None, options: StreamOptions
) -> Order:
    """The order of the chosen records: of all as one, or of each set by itself and mixed."""
    orders = [
        # names of their own: with the same one, two sets of one size had the same permutation
        _order_of(index, own.records, blocks, options, f"order{number}" if number else "order")
        for number, own in enumerate(sets)
    ]
    if options.weights is None and options.balance is None:
        return orders[0]
    return mixed(orders, [own.weight for own in sets], options.seed)


def _order_of(
    index: Index, chosen: np.ndarray, blocks: Blocks | None, options: StreamOptions, name: str
) -> Order:
    """The order of these records alone. name: what its random numbers come from."""
    if blocks is not None:
        starts = block_starts(index, chosen, blocks.block_bytes)
        window = max(1, blocks.window_bytes // blocks.block_bytes)
        return Chosen(BlockShuffled(starts, options.seed, window, name), chosen)
    count = len(chosen)
    return Chosen(
        Shuffled(count, options.seed, name) if options.shuffle else Sequential(count), chosen
    )


def _bucketed(index: Index, classes: np.ndarray, drop_last: bool, options: StreamOptions) -> Order:
    """The chosen records by class of length."""
    chosen = np.concatenate(index.chosen)
    order = Bucketed(
        classes[chosen], options.batch_size, options.seed, bool(options.shuffle), drop_last
    )
    # the appended -1 is what PAD (-1) looks up, so that PAD stays PAD
    return Chosen(order, np.append(chosen, -1))
