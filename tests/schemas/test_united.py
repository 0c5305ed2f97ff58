"""Sets that pairs unite are the connected components of the pairs."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.united import United
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_pairs_unite_what_they_connect(pairs: list[tuple[int, int]]) -> None:
    united = United(10)
    for one, other in pairs:
        united.unite(one, other)
    rows, columns = ([pair[side] for pair in pairs] for side in (0, 1))
    _, wanted = connected_components(coo_array(([1] * len(pairs), (rows, columns)), (10, 10)))
    for one in range(10):
        for other in range(10):
            assert united.are(one, other) == (wanted[one] == wanted[other])
        assert united.first()[one] == wanted.tolist().index(wanted[one])
    assert all(len(numbers) > 1 for numbers in united.sets())
    assert sum(map(len, united.sets())) == sum(wanted.tolist().count(one) > 1 for one in wanted)
    assert sorted(itertools.chain(*united.all_sets())) == list(range(10))
    # as many edges as it takes to connect each set, and each is one of the pairs
    assert len(united.edges) == 10 - len(united.all_sets())
    assert {edge[:2] for edge in united.edges} <= set(pairs)
