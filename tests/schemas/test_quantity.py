"""Facts of one part, and of a column of parts, are the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.columns import one_array
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.quantity import FACTS, fact, fact_column
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.modality import modality, names

SIZES = st.none() | st.integers(0, 4000)
SECONDS = st.none() | st.floats(0, 100)
PARTS = st.one_of(
    st.builds(Part, st.just("text"), text=st.text(max_size=20)),
    st.builds(
        Part,
        st.just("video"),
        uri=st.just("a.mp4"),
        width=SIZES,
        height=SIZES,
        bytes=st.none() | st.integers(0, 1 << 40),
        frames=SIZES,
        fps=SECONDS,
        duration_s=SECONDS,
        start_s=SECONDS,
        end_s=SECONDS,
    ),
)


@given(st.lists(PARTS, max_size=6))
def test_a_fact_in_a_column_is_that_of_the_part(parts: list[Part]) -> None:
    named = {f"part{number}": part for number, part in enumerate(parts)}
    table = rows_to_table([Row(Record("a", "a", Origin("s", "f"), named))])
    column = one_array(table["parts"]).flatten()
    for name in FACTS:
        wanted = [fact(part, name) for part in parts]
        found = fact_column(column, name)
        np.testing.assert_allclose(
            found, [math.nan if value is None else value for value in wanted], err_msg=name
        )


@pytest.mark.parametrize("name", names())
def test_what_a_modality_knows_has_a_meaning_and_a_name_of_its_own(name: str) -> None:
    kind = modality(name)
    assert set(kind.facts) <= set(FACTS)
    assert not set(kind.facts) & set(kind.signals)
    for quantity in [*map(FACTS.__getitem__, kind.facts), *kind.signals.values()]:
        assert quantity.about
        assert quantity.low < quantity.high
