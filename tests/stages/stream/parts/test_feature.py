"""Cached vectors come by key: of the record that stands in each row, zeros where it has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
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


LENGTHS = (3, 1, 7, 2, 5, 1, 4, 6, 2, 3)


@pytest.fixture
def sequences(tmp_path: Path, run_recipe: Callable[..., Result]) -> Path:
    """Ten texts of known lengths in words, and three pictures without a text."""
    write(tmp_path / "words.txt", "\n".join(f"w{n} {n} {n * n} 1" for n in range(1, 9)) + "\n")
    for number in range(3):
        write(tmp_path / "photos" / f"{number}.jpg", jpeg(seed=50 + number))
    texts = [" ".join(f"w{n}" for n in range(1, length + 1)) for length in LENGTHS]
    write(tmp_path / "t.csv", "id,note\n" + "".join(f"{n},{t}\n" for n, t in enumerate(texts)))
    sources: dict[str, Any] = {
        "t": {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "note"}},
        "photos": {"type": "image_folder", "path": "photos"},
    }
    options = {"path": str(tmp_path / "words.txt"), "pool": "none"}
    features = {"note": {"features.word_vectors": options}}
    run_recipe(recipe(tmp_path, sources, features=features))
    return tmp_path / "out"


def spec_of(out: Path, longest: int | None = None) -> dict[str, Any]:
    folder = str(out / "features")
    return {"note": stream.FeatureSpec(folder=folder, part="note", longest=longest)}


@pytest.mark.parametrize("longest", [None, 4])
@pytest.mark.parametrize("world", [1, 2])
def test_each_row_has_the_sequence_of_its_record_and_zeros_behind_it(
    sequences: Path, longest: int | None, world: int
) -> None:
    seen = {}
    for rank in range(world):
        one = stream.open(
            sequences / "shards",
            batch_size=4,
            parts=spec_of(sequences, longest),
            drop_last=False,
            rank=rank,
            world=world,
        )
        for batch in one:
            vectors, lengths = batch.parts["note"], batch.lengths["note"]
            assert vectors.shape == (len(batch), max(1, int(lengths.max())), 3)
            assert torch.equal(batch.mask("note").sum(1), lengths)
            assert torch.equal(lengths > 0, batch.present_BM[:, 0])
            assert not vectors[~batch.mask("note")].any()
            for key, own, length in zip(batch.keys, vectors, lengths.tolist(), strict=True):
                seen[key] = own[:length].tolist()
    wanted = {
        f"t-{number}": [[n, n * n, 1] for n in range(1, min(length, longest or 99) + 1)]
        for number, length in enumerate(LENGTHS)
    }
    assert {key: own for key, own in seen.items() if own} == wanted
    assert {key.partition("-")[0] for key, own in seen.items() if not own} <= {"photos", ""}


def test_they_make_classes_of_length_and_the_last_one_cuts(sequences: Path) -> None:
    one = stream.open(
        sequences / "shards",
        batch_size=2,
        parts=spec_of(sequences),
        where="'note' in parts",
        buckets={"note": [2, 5]},
        drop_last=False,
    )
    for batch in one:
        lengths = batch.lengths["note"][batch.weight_B > 0].tolist()
        assert all(length <= 2 for length in lengths) or all(2 < length <= 5 for length in lengths)


def test_a_cached_vector_has_no_length(out: Path) -> None:
    parts = {"question": stream.FeatureSpec(folder=str(out / "features"), part="question")}
    with pytest.raises(InputError, match="knows no lengths; .* or cached sequences"):
        stream.open(out / "shards", parts=parts, buckets={"question": [2]})


def test_a_batch_of_sequences_is_no_view_of_the_cache(sequences: Path) -> None:
    """Written over, it leaves the next one as it was."""
    one = stream.open(sequences / "shards", batch_size=13, parts=spec_of(sequences), shuffle=False)
    (first,) = one
    kept = first.parts["note"].clone()
    first.parts["note"].fill_(9)
    (second,) = one
    assert torch.equal(second.parts["note"], kept)
