"""Cached vectors come by key: of the record that stands in each row, zeros where it has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError
from modalmill.schemas.features import FeatureCache
from modalmill.stages import stream
from tiny import jpeg, recipe, vqa_corpus, write


@pytest.fixture
def out(tmp_path: Path, run_recipe: Callable[..., Result]) -> Path:
    """Ten questions with cached vectors, and three pictures without a question."""
    for number in range(3):
        write(tmp_path / "photos" / f"{number}.jpg", jpeg(seed=50 + number))
    sources: dict[str, Any] = {
        "vqa": vqa_corpus(tmp_path, images=5, per_image=2),
        "photos": {"type": "image_folder", "path": "photos"},
    }
    features = {"question": {"features.text": {"size": 16}}}
    run_recipe(recipe(tmp_path, sources, features=features))
    return tmp_path / "out"


def test_each_row_has_the_vector_of_its_record(out: Path) -> None:
    cache = FeatureCache(out / "features", "question")
    parts = {
        "image": stream.ImageSpec(size=8),
        "question": stream.FeatureSpec(folder=str(out / "features"), part="question"),
    }
    seen = {}
    # 13 records in batches of 4 over two ranks: some rows only fill up
    for rank in range(2):
        one = stream.open(
            out / "shards", batch_size=4, parts=parts, drop_last=False, rank=rank, world=2
        )
        index = one.index
        row_of = dict(zip(index.all_keys().to_pylist(), cache.rows(index.all_keys()), strict=True))
        for batch in one:
            vectors = batch.parts["question"].numpy()
            assert vectors.shape == (len(batch), cache.dims)
            column = batch.names.index("question")
            present = batch.present_BM[:, column].tolist()
            for key, vector, here in zip(batch.keys, vectors, present, strict=True):
                seen[key] = here
                assert here == (row_of.get(key, -1) >= 0)
                assert np.array_equal(vector, cache.vectors[row_of[key]] if here else 0 * vector)
    assert sorted(seen.values()) == [False] * 4 + [True] * 10  # three photos, and "" of padding
    assert {key for key, here in seen.items() if here} == {
        key for key in seen if key.startswith("vqa-")
    }


def test_vectors_alone_need_no_medium_and_no_worker(out: Path) -> None:
    parts = {"words": stream.FeatureSpec(folder=str(out / "features"), part="question")}
    one = stream.open(out / "shards", batch_size=13, parts=parts, shuffle=False)
    (batch,) = one
    assert batch.names == ("words",)
    assert int(batch.present_BM.sum()) == 10
    assert bool(batch.parts["words"][batch.present_BM[:, 0]].any(1).all())
    assert not batch.parts["words"][~batch.present_BM[:, 0]].any()


def test_vectors_that_nobody_made_are_told(out: Path) -> None:
    parts = {"image": stream.FeatureSpec(folder=str(out / "features"), part="image")}
    with pytest.raises(InputError, match=r"image.arrow: no cached features of 'image' here"):
        stream.open(out / "shards", parts=parts)
