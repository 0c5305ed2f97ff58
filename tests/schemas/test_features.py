"""Cached sequences: what was written is read, whatever their number, lengths and type."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas import features
from modalmill.schemas.features import CachedVectors, FeatureCache, FeatureNote, write_keys

DIMS = 3
NOTE = FeatureNote(address="features.x", dims=DIMS, extractor="e", fit="", longest=9)


def sequences_of(lengths: list[int], kind: Any) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        f"{place:03}": random.normal(size=(length, DIMS)).astype(kind)
        for place, length in enumerate(lengths)
    }


@given(
    st.lists(st.integers(1, 9), max_size=12),
    st.sampled_from([np.float16, np.float32]),
    st.booleans(),
)
def test_what_was_written_is_read(lengths: list[int], kind: Any, on_disk: bool) -> None:
    """Gathered in memory or in a file, to the same bytes; -1 is a record without a sequence."""
    wanted = sequences_of(lengths, kind)
    with tempfile.TemporaryDirectory() as name:
        folder, other = Path(name) / "a", Path(name) / "b"
        with mock.patch.object(features, "_IN_MEMORY", 0 if on_disk else 1 << 20):
            CachedVectors(NOTE, wanted).write(folder, "x", sorted(wanted), np.dtype(kind))
        CachedVectors(NOTE, wanted).write(other, "x", sorted(wanted), np.dtype(kind))
        assert (folder / "x.arrow").read_bytes() == (other / "x.arrow").read_bytes()
        assert [path.name for path in folder.iterdir()] == ["x.arrow"]
        again = CachedVectors.read(folder, "x", NOTE)
        assert again.note == NOTE
        assert again.vectors.keys() == wanted.keys()
        for content, own in again.vectors.items():
            assert own.dtype == kind
            assert np.array_equal(own, wanted[content])
        keys = {f"k{content}": content for content in wanted}
        write_keys(folder, "x", keys)
        cache = FeatureCache(folder, "x")
        rows = cache.rows(pa.chunked_array([["nobody", *sorted(keys)]], pa.string()))
        assert cache.has_sequences
        assert cache.dims == DIMS
        assert cache.lengths(rows).tolist() == [0, *lengths]
        for row, content in zip(rows[1:].tolist(), sorted(wanted), strict=True):
            assert np.array_equal(cache.sequence(row), wanted[content])
        means = cache.one_each(rows[1:])
        for mean, content in zip(means, sorted(wanted), strict=True):
            assert np.allclose(mean, wanted[content].astype(np.float64).mean(0), atol=1e-3)


def test_a_vector_is_a_sequence_of_one_to_who_asks_for_sequences(tmp_path: Path) -> None:
    note = FeatureNote(address="features.x", dims=DIMS, extractor="e", fit="")
    vectors = {"a": np.ones(DIMS, np.float16), "b": np.zeros(DIMS, np.float16)}
    CachedVectors(note, vectors).write(tmp_path, "x", ["a", "b"])
    write_keys(tmp_path, "x", {"k": "b"})
    cache = FeatureCache(tmp_path, "x")
    assert not cache.has_sequences
    assert "longest" not in cache.made_by.to_dict()
    assert cache.lengths(np.array([1, -1])).tolist() == [1, 0]
    assert np.array_equal(cache.sequence(0), np.ones((1, DIMS)))
    assert np.array_equal(cache.one_each(np.array([1, 0]))[1], vectors["a"])
