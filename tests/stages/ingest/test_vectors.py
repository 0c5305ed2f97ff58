"""Vectors that people have already: whatever file they lie in, a model reads them as it reads
cached features.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from modalmill.pipeline.api.vectors import read_vectors_of
from modalmill.pipeline.result import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.manifest import Row
from modalmill.stages import stream
from modalmill.stages.base import Noted, Source, make
from modalmill.stages.modalities.vector import VectorSpec, decode_vector
from modalmill.stages.modality import modality
from modalmill.stages.train.use.predict import Predictor
from tiny import jpeg, recipe, write
from trainings import weights

Run = Callable[..., Result]
ROWS, SIZE = 9, 5
MATRIX = np.random.default_rng(0).normal(size=(ROWS, SIZE)).astype(np.float32)
KEYS = [f"k{number}" for number in range(ROWS)]


def saved(root: Path, form: str, kind: str = "float32") -> dict[str, Any]:
    """The vectors as a file of this form; the options that read it."""
    matrix = MATRIX.astype(kind)
    if form == "npy":
        np.save(root / "v.npy", np.asfortranarray(matrix))
        write(root / "keys.txt", "\n".join(KEYS))
        return {"path": "v.npy", "keys": "keys.txt", "id": "{keys}"}
    if form == "npz":
        np.savez_compressed(root / "v.npz", clip=matrix, ids=np.array(KEYS), more=np.zeros(3))
        return {"path": "v.npz"}
    if form == "list":
        table = pa.table({"id": KEYS, "v": pa.array(list(matrix), pa.list_(pa.float32()))})
        pq.write_table(table, root / "v.parquet", row_group_size=4)
        return {"path": "v.parquet", "id": "{id}"}
    frame = pandas.DataFrame(matrix, columns=[f"e_{place}" for place in range(SIZE)])
    frame.insert(0, "id", KEYS)
    if form == "csv":
        frame.to_csv(root / "v.csv", index=False, float_format="%.9g")
        return {"path": "v.csv", "id": "{id}", "columns": ["e_*"]}
    frame.to_parquet(root / "v.parquet")
    return {"path": "v.parquet", "id": "{id}", "columns": ["e_0", "e_1", "e_*"]}


def read(root: Path, **options: Any) -> tuple[list[Row], dict[str, int]]:
    source, mistakes = make("ingest.vectors", Source, options, "v")
    assert not mistakes
    assert source is not None
    items = list(source.read(root, "vec", Counter(), lambda item: None))
    return [one for one in items if isinstance(one, Row)], {
        one.what: one.count for one in items if isinstance(one, Noted)
    }


@pytest.mark.parametrize("form", ["npy", "npz", "list", "csv", "columns"])
def test_each_form_gives_the_vectors_that_were_saved(tmp_path: Path, form: str) -> None:
    rows, told = read(tmp_path, **saved(tmp_path, form), part="emb")
    assert [row.record.key for row in rows] == [f"vec-{key}" for key in KEYS]
    kind = modality("vector")
    found = [kind.decoded(tmp_path, row.record.parts["emb"], None) for row in rows]
    np.testing.assert_array_equal(np.stack(found), MATRIX)
    assert told == {f"vectors of {SIZE} numbers: features.vector with size: {SIZE}": 1}


@pytest.mark.parametrize("kind", ["float64", "float16", "int32", ">f4", ">f8", ">i2"])
def test_other_types_of_numbers_are_brought_to_float32(tmp_path: Path, kind: str) -> None:
    rows, _ = read(tmp_path, **saved(tmp_path, "npy", kind))
    found = [modality("vector").decoded(tmp_path, row.record.parts["vector"], None) for row in rows]
    np.testing.assert_array_equal(np.stack(found), MATRIX.astype(kind).astype(np.float32))


def test_they_train_to_the_numbers_that_the_same_cached_features_train_to(
    tmp_path: Path, run_recipe: Run
) -> None:
    data = tmp_path / "data"
    lines = [f"{n},{'val' if n % 4 == 3 else 'train'},{'ab'[n % 2]}" for n in range(16)]
    write(data / "t.csv", "\n".join(["id,split,kind", *lines]))
    for number in range(16):
        write(data / "img" / f"{number}.jpg", jpeg(seed=number % 2))
    mapping = {"id": "{id}", "targets": ["kind"], "split": "{split}"}
    pictures = {"type": "csv", "path": "t.csv", "media": {"x": {"path": "img/{id}.jpg"}}, **mapping}
    train = {
        "target": "kind",
        "inputs": {"x": {"feature": True}},
        "fusion": "concat",
        "width": 8,
        "hidden": 8,
        "epochs": 2,
        "batch_size": 4,
        "device": "cpu",
        "threads": 0,
        "checks": False,
    }
    small = {"features.image": {"grid": 2, "colours": 2, "angles": 2}}
    run_recipe(
        recipe(data, {"s": pictures}, features={"x": small}, shard={}, train=train),
        tmp_path / "theirs",
    )
    cached = read_vectors_of(tmp_path / "theirs", "x")
    table = pandas.read_csv(data / "t.csv").set_index("id")
    order = [int(key.rpartition("-")[2]) for key in cached.keys]
    own = tmp_path / "own"
    own.mkdir()
    columns = {name: np.array(table.loc[order, name], str) for name in ("split", "kind")}
    np.savez(own / "v.npz", vectors=np.asarray(cached), id=np.array(order), **columns)
    given = {"type": "vectors", "path": "v.npz", "part": "x", **mapping}
    vector = {"features.vector": {"size": cached.vectors.shape[1]}}
    run_recipe(
        recipe(own, {"s": given}, features={"x": vector}, shard={}, train=train),
        tmp_path / "ours",
    )
    ours = read_vectors_of(tmp_path / "ours", "x")
    assert ours.keys == cached.keys
    assert ours.vectors.tobytes() == cached.vectors.tobytes()
    first, second = (weights(tmp_path / out / "training") for out in ("theirs", "ours"))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    # and the model answers for a vector in a file
    np.save(own / "one.npy", np.asarray(cached)[0])
    predictor = Predictor(tmp_path / "ours" / "training" / "best.pt")
    raw = predictor.one({"x": str(own / "one.npy")})
    whole = {row["key"]: row["answers"] for row in predictor.shards(tmp_path / "ours" / "shards")}
    key = cached.keys[0]
    assert whole.get(key, raw["answers"]) == raw["answers"]
    assert raw["missing"] == []
    # words of numpy's about pickles help nobody who gave a wrong file
    write(own / "none.npy", "1,2,3")
    with pytest.raises(InputError, match="wanted one array as numpy.save writes it"):
        predictor.one({"x": str(own / "none.npy")})


def test_vectors_in_shards_are_streamed_as_arrays(tmp_path: Path, run_recipe: Run) -> None:
    source = {"type": "vectors", **saved(tmp_path, "csv"), "part": "emb"}
    run_recipe(recipe(tmp_path, {"v": source}, shard={}))
    found = {}
    opened = stream.open(tmp_path / "out" / "shards", parts={"emb": VectorSpec()}, drop_last=False)
    for batch in opened:
        found |= dict(zip(batch.keys, batch.lists["emb"], strict=True))
    for number, key in enumerate(KEYS):
        np.testing.assert_array_equal(found[f"v-{key}"], MATRIX[number])


def test_vectors_that_no_model_could_read_are_rejects(tmp_path: Path) -> None:
    vectors: list[Any] = [[1.0, 2.0], None, [1.0, float("nan")], [1.0], [3.0, None], [1.0, 1e300]]
    pq.write_table(pa.table({"id": list("abcdef"), "v": vectors}), tmp_path / "v.parquet")
    rows, _ = read(tmp_path, path="v.parquet", id="{id}")
    faults = [row.fault.rule if row.fault else "" for row in rows]
    bad = "vector_not_finite"
    assert faults == ["", "", bad, "vector_size", bad, bad]
    assert dict(rows[1].record.absent) == {"vector": "absent"}
    write(tmp_path / "v.csv", "id,x0,x1\na,1,2\nb,,\nc,1,\nd,one,2\n")
    rows, _ = read(tmp_path, path="v.csv", id="{id}", columns=["x?"])
    assert [row.fault.rule if row.fault else "" for row in rows] == ["", "", bad, bad]
    assert dict(rows[1].record.absent) == {"vector": "absent"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "none.npy"}, "there is no such file"),
        ({"path": "flat.npy"}, r"wanted one matrix \[N, D\]"),
        ({"path": "objects.npy"}, "cannot be read: .*objects of Python, which are never loaded"),
        ({"path": "cut.npy"}, "cannot be read: .* the file is cut off, with 300 of 308 bytes"),
        ({"path": "two.npz"}, "found a, b; name it with column"),
        ({"path": "two.npz", "column": "c"}, "there is no such 'c'"),
        ({"path": "v.npy", "keys": "short.txt"}, "a line for each of 9 vectors, found 1"),
        ({"path": "v.npy", "keys": "gone.txt"}, "gone.txt"),
        ({"path": "v.csv"}, r"columns: \[emb_\*\]"),
        ({"path": "v.csv", "columns": ["f_*"]}, "no column is called"),
        ({"path": "v.csv", "columns": ["e_*"], "column": "e_0"}, "found both"),
        ({"path": "v.csv", "columns": ["e_*"], "targets": ["kind"]}, "no column 'kind'"),
    ],
)
def test_mistakes_say_what_was_wanted(
    tmp_path: Path, run_recipe: Run, options: dict[str, Any], words: str
) -> None:
    for form in ("npy", "csv"):
        saved(tmp_path, form)
    np.save(tmp_path / "flat.npy", MATRIX[0])
    np.save(tmp_path / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=MATRIX, b=MATRIX)
    write(tmp_path / "cut.npy", (tmp_path / "v.npy").read_bytes()[:300])
    write(tmp_path / "short.txt", "one")
    with pytest.raises((InputError, RecipeError), match=words):
        run_recipe(recipe(tmp_path, {"v": {"type": "vectors", **options}}, shard=None))


def test_what_a_recipe_lacks_to_learn_from_vectors_is_said(tmp_path: Path, run_recipe: Run) -> None:
    source = {"type": "vectors", **saved(tmp_path, "csv"), "part": "emb", "targets": ["id"]}
    source["split"] = "train"

    def run_with(features: Any, entry: Any) -> None:
        train = {"target": "id", "inputs": {"emb": entry}, "fusion": "concat"}
        run_recipe(recipe(tmp_path, {"v": source}, features=features, shard={}, train=train))

    with pytest.raises(RecipeError, match="no encoder reads a vector as it is; give it feature"):
        run_with({}, {})
    with pytest.raises(InputError, match="set size: 5 if all"):
        run_with({"emb": {"features.vector": {"size": 4}}}, {"feature": True})


def test_a_file_for_each_vector_is_a_medium_like_others(tmp_path: Path, run_recipe: Run) -> None:
    for number in range(3):
        (tmp_path / "v").mkdir(exist_ok=True)
        np.save(tmp_path / "v" / f"{number}.npy", MATRIX[number])
    write(tmp_path / "v" / "2.npy", b"no array")
    write(tmp_path / "t.csv", "id\n0\n1\n2\n")
    media = {"emb": {"path": "v/{id}.npy", "modality": "vector"}}
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "media": media}
    features = {"emb": {"features.vector": {"size": SIZE}}}
    run_recipe(recipe(tmp_path, {"s": source}, features=features, shard={}))
    found = read_vectors_of(tmp_path / "out", "emb")
    assert found.keys == ["s-0", "s-1"]
    np.testing.assert_array_equal(np.asarray(found), MATRIX[:2].astype(np.float16))
    account = json.loads((tmp_path / "out" / "account.json").read_text())
    assert account["adds_up"]


def test_an_array_of_another_shape_is_no_vector() -> None:
    with pytest.raises(Exception, match="vector_damaged"):
        decode_vector(b"\x93NUMPY")
