"""One value has one canonical form, whatever holds it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.fingerprint import canonical


@given(st.lists(st.integers(-(2**40), 2**40) | st.booleans()) | st.lists(st.floats(-1e6, 1e6)))
def test_an_array_is_as_the_list_of_its_numbers(numbers: list[float]) -> None:
    kind = float if any(isinstance(number, float) for number in numbers) else int
    array = np.array(numbers, kind)
    assert canonical({"a": array}) == canonical({"a": [kind(number) for number in numbers]})
    assert [canonical(number) for number in array] == [canonical(kind(one)) for one in numbers]
