"""Files of arrays, and what is said of those that are none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from modalmill.schemas.errors import DamageError
from modalmill.stages.media.npy import read_npy


def saved(array: Any, save: Any = np.save) -> bytes:
    buffer = io.BytesIO()
    save(buffer, array)
    return buffer.getvalue()


GOOD = saved(np.arange(5.0))
HUGE = GOOD.replace(b"(5,), }" + 15 * b" ", b"(5" + 15 * b"0" + b",), }")


@given(
    arrays.arrays(
        st.sampled_from(["<f4", ">f8", "<i2", "bool", "<U3"]),
        arrays.array_shapes(max_dims=3, max_side=4, min_side=0),
    )
)
def test_what_numpy_saved_comes_back(array: np.ndarray) -> None:
    np.testing.assert_array_equal(read_npy(saved(array), "bad"), array)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"1,2,3\n", "the file begins otherwise"),
        (b"\x80\x04abc", "the file begins otherwise"),
        (saved(np.arange(3), np.savez), "is a zip, as an .npz"),
        (GOOD[:20], "its header is cut off, or cannot be read"),
        (GOOD.replace(b"(5,)", b"(5x)"), "its header is cut off, or cannot be read"),
        (GOOD[:-8], "cut off, with 160 of 168 bytes"),
        # more than any machine has: nothing is allocated
        (HUGE, "cut off, with 168 of 40,000,000,000,000,128 bytes"),
        (saved(np.array([{}], object)), "objects of Python, which are never loaded"),
    ],
)
def test_what_is_none_is_told_in_plain_words(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    for source in (data, tmp_path / "a.npy"):
        with pytest.raises(DamageError, match="wanted one array") as caught:
            read_npy(source, "bad")
        assert caught.value.rule == "bad"
        assert told in caught.value.message
        assert "pickle" not in caught.value.message
