"""Orders are permutations (or shares) that can be asked at any position, and mix as well as they
say.
"""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas import checks
from modalmill.schemas.errors import InputError
from modalmill.stages.stream.order import order as orders
from modalmill.stages.stream.order.batches import batch_count, rank_slice
from modalmill.stages.stream.order.blocks import BlockShuffled
from modalmill.stages.stream.order.buckets import Bucketed
from modalmill.stages.stream.order.mixed import Mixed
from modalmill.stages.stream.order.order import PAD, Order, Repeated, Sequential
from modalmill.stages.stream.order.permutation import Shuffled, permuted
from scipy import stats


def whole(order: Order, epoch: int = 0) -> list[int]:
    return order.records(epoch, 0, len(order)).tolist()


@st.composite
def block_orders(draw: st.DrawFn) -> BlockShuffled:
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=20))
    return BlockShuffled(
        np.concatenate([[0], np.cumsum(sizes)]), draw(st.integers(0, 99)), draw(st.integers(1, 6))
    )


shuffled_orders = st.builds(Shuffled, st.integers(1, 300), st.integers(0, 99))
all_orders = st.one_of(
    st.builds(Sequential, st.integers(1, 300)),
    shuffled_orders,
    block_orders(),
    st.builds(Repeated, shuffled_orders, st.integers(1, 3)),
)


@given(all_orders, st.integers(0, 3), st.data())
def test_any_stretch_is_the_same_stretch_of_the_whole_even_in_another_process(
    order: Order, epoch: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(order)))
    stop = data.draw(st.integers(start, len(order)))
    assert (
        pickle.loads(pickle.dumps(order)).records(epoch, start, stop).tolist()
        == whole(order, epoch)[start:stop]
    )


@given(st.one_of(shuffled_orders, block_orders()), st.integers(0, 3))
def test_an_epoch_holds_every_record_once(order: Order, epoch: int) -> None:
    assert sorted(whole(order, epoch)) == list(range(len(order)))


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_the_formula_for_large_sets_is_a_permutation_for_every_size(count: int, key: int) -> None:
    keys = np.random.default_rng(key).integers(0, 2**64, 8, dtype=np.uint64)
    assert sorted(permuted(np.arange(count, dtype=np.uint64), count, keys).tolist()) == list(
        range(count)
    )


def test_the_formula_for_large_sets_shuffles_as_well_as_chance() -> None:
    """Where first places land is uniform (chi-square), and neither displacement nor neighbourhood
    tells it from a random permutation.
    """
    count, landed, displaced, near = 5000, [], [], 0
    for seed in range(400):
        keys = np.random.default_rng(seed).integers(0, 2**64, 8, dtype=np.uint64)
        out = permuted(np.arange(200, dtype=np.uint64), count, keys).astype(np.int64)
        landed += (out[:20] * 50 // count).tolist()
        displaced.append(np.abs(out - np.arange(200)).mean())
        near += int((np.abs(np.diff(out)) <= 5).sum())
    assert stats.chisquare(np.bincount(landed, minlength=50)).pvalue > 1e-4
    expected = np.abs(np.arange(count)[None, :] - np.arange(200)[:, None]).mean()
    assert abs(np.mean(displaced) / expected - 1) < 0.01
    pairs = 400 * 199
    assert abs(near - pairs * 10 / count) < 5 * np.sqrt(pairs * 10 / count)


def test_a_set_of_a_thousand_million_records_is_asked_at_once_anywhere() -> None:
    order = Shuffled(10**9, 7)
    near_end = order.records(3, 999_999_900, 10**9)
    assert len(set(near_end.tolist())) == 100
    assert near_end.min() >= 0
    assert near_end.max() < 10**9


def test_every_epoch_and_seed_has_its_own_order() -> None:
    seen = {tuple(whole(Shuffled(50, seed), epoch)) for seed in range(5) for epoch in range(5)}
    assert len(seen) == 25


@given(block_orders())
def test_no_more_than_a_window_of_blocks_is_in_use_at_a_time(order: BlockShuffled) -> None:
    starts, window = order._starts, order._size
    blocks = np.searchsorted(starts, whole(order), side="right") - 1
    for block in set(blocks.tolist()):
        here = np.flatnonzero(blocks == block)
        assert len(set(blocks[here[0] : here[-1] + 1].tolist())) <= window


@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0.01, 10)), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_a_mixture_has_its_shares_in_every_stretch_and_goes_through_each_set_evenly(
    sets: list[tuple[int, float]], seed: int
) -> None:
    starts = np.cumsum([0, *(size for size, _ in sets)])
    parts = [
        orders.Chosen(Shuffled(size, seed), np.arange(start, start + size))
        for (size, _), start in zip(sets, starts, strict=False)
    ]
    weights = [weight for _, weight in sets]
    mix = Mixed(parts, weights, 4096, seed)
    rows = np.array(whole(mix))
    owner = np.searchsorted(starts, rows, side="right") - 1
    for stretch in range(4):
        counts = np.bincount(owner[stretch * 1024 : (stretch + 1) * 1024], minlength=len(sets))
        assert np.abs(counts - 1024 * np.array(weights) / sum(weights)).max() <= len(sets) + 0.01
    for number, (size, _) in enumerate(sets):
        times = np.bincount(rows[owner == number] - starts[number], minlength=size)
        rounds = (owner == number).sum() / size
        assert times.min() >= np.floor(rounds) - 1
        assert times.max() <= np.ceil(rounds) + 1
    assert mix.records(0, 100, 300).tolist() == rows[100:300].tolist()


def test_weights_that_are_no_proportions_are_told() -> None:
    for weights, what in (
        ([1], "wanted 2"),
        ([1, -1], "from 0 upwards"),
        ([0, 0], "at least one above 0"),
        ([1, math.nan], "from 0 upwards"),
        ("12", "a number for each"),
    ):
        with pytest.raises(InputError, match=what):
            checks.shares("weights", weights, 2)


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=80),
    st.integers(1, 7),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
def test_buckets_keep_classes_apart_and_lose_nothing(
    classes: list[int], size: int, shuffle: bool, drop_last: bool, epoch: int
) -> None:
    order = Bucketed(np.array(classes), size, 5, shuffle, drop_last)
    rows = whole(order, epoch)
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    for batch in batches:
        assert len({classes[row] for row in batch if row >= 0}) == 1
        assert not drop_last or -1 not in batch
    seen = sorted(row for row in rows if row >= 0)
    assert len(seen) == len(set(seen))
    if not drop_last:
        assert seen == list(range(len(classes)))


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 7), st.booleans(), st.integers(0, 5))
def test_the_ranks_share_every_global_batch_and_take_the_same_number_of_steps(
    count: int, batch_size: int, world: int, drop_last: bool, epoch: int
) -> None:
    order = Shuffled(count, 7).records(epoch, 0, count)
    seen = []
    for batch in range(batch_count(count, batch_size, drop_last)):
        all_of_it = order[batch * batch_size : (batch + 1) * batch_size]
        slices = [rank_slice(all_of_it, batch_size, rank, world) for rank in range(world)]
        assert len({len(some) for some in slices}) == 1
        together = [record for some in slices for record in some.tolist() if record != PAD]
        assert together == all_of_it.tolist()
        seen += together
    assert len(set(seen)) == len(seen)
    if not drop_last:
        assert sorted(seen) == list(range(count))
