"""Hugging Face datasets on disk are the rows that ``datasets`` has of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modalmill.pipeline.result import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.manifest import Row, table_to_records
from modalmill.stages.base import Noted
from modalmill.stages.ingest.huggingface import HuggingFace
from modalmill.stages.media.files import read_file
from tiny import jpeg, mp4, png, recipe, wav, write

Run = Callable[..., Result]


def read(root: Path, **options: Any) -> tuple[list[Row], dict[str, int]]:
    tally: Counter[str] = Counter()
    items = list(HuggingFace(**options).read(root, "hf", tally, lambda item: None))
    rows = [item for item in items if isinstance(item, Row)]
    assert sum(tally.values()) == len(rows)
    return rows, {item.what: item.count for item in items if isinstance(item, Noted)}


@pytest.fixture(scope="module")
def pets() -> Any:
    """A data set of all that is told apart, as ``datasets`` makes it."""
    import datasets

    datasets.disable_progress_bars()
    classes = datasets.ClassLabel(names=["cat", "dog"])
    plain = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    features = {
        "image": datasets.Image(),
        "sound": plain,
        "label": classes,
        "tags": datasets.Sequence(classes),
        "caption": datasets.Value("string"),
        "age": datasets.Value("float32"),
        "seen": {"by": datasets.Value("string")},
    }
    rows = [
        {
            "image": {"bytes": jpeg(seed=n) if n % 4 else png(seed=n), "path": None},
            "sound": {"bytes": wav(300 + n), "path": f"a/b/{n}.WAV"} if n % 3 else None,
            "label": n % 2 if n else -1,
            "tags": [0, 1][: n % 3],
            "caption": f"a picture of pet {n}",
            "age": n / 2,
            "seen": {"by": "me"},
        }
        for n in range(9)
    ]
    table = {name: [row[name] for row in rows] for name in features}
    made = datasets.Dataset.from_dict(table, features=datasets.Features(features))
    # encoding of sounds wants a package that datasets does not bring
    return made.cast_column("sound", datasets.Audio(decode=False))


@pytest.mark.parametrize("form", ["hub", "save_to_disk", "several"])
def test_rows_are_those_of_datasets(pets: Any, tmp_path: Path, form: str) -> None:
    import datasets

    folder = tmp_path / "pets"
    if form == "hub":
        (folder / "data").mkdir(parents=True)
        pets.select(range(5)).to_parquet(folder / "data/train-00000-of-00002.parquet", batch_size=2)
        pets.select(range(5, 9)).to_parquet(folder / "data/train-00001-of-00002.parquet")
        pets.select(range(2)).to_parquet(folder / "data/test-00000-of-00001.parquet")
        theirs = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    elif form == "several":
        theirs = datasets.DatasetDict({"train": pets, "odd_one": pets.select(range(3))})
        theirs.save_to_disk(folder)
    else:
        pets.save_to_disk(folder, num_shards=2)
        theirs = {"": datasets.load_from_disk(str(folder))}
    rows, told = read(tmp_path, path="pets")
    assert not [row.fault for row in rows if row.fault]
    records = {row.record.origin.id: row.record for row in rows}
    assert len(records) == sum(len(split) for split in theirs.values())
    for split, wanted in theirs.items():
        names = wanted.features["label"].names
        raw = wanted.cast_column("image", datasets.Image(decode=False))
        for number, row in enumerate(raw):
            record = records[f"{split}-{number}" if split else str(number)]
            assert record.split == (split or None)
            assert read_file(tmp_path, record.parts["image"].uri or "") == row["image"]["bytes"]
            if row["sound"] is None:
                assert record.absent["sound"] == "absent"
            else:
                uri = record.parts["sound"].uri or ""
                assert uri.endswith(f"/{row['sound']['path'].rpartition('/')[2]}")
                assert read_file(tmp_path, uri) == row["sound"]["bytes"]
            assert record.parts["caption"].text == row["caption"]
            label = {"label": names[row["label"]]} if row["label"] >= 0 else {}
            tags = {"tags": [names[one] for one in row["tags"]]} if row["tags"] else {}
            assert record.targets == {**label, **tags, "age": row["age"]}
    assert told["label: rows of no class (-1); absent"] == len(theirs)
    assert told["columns not read, for nothing names them: seen"] == 1


def test_what_pandas_writes_is_known_by_its_bytes(tmp_path: Path, run_recipe: Run) -> None:
    rows = [
        {
            "photo": {"bytes": jpeg(seed=n), "path": f"{n}"},
            "voice": wav(300 + n) if n else None,
            "clip": {"bytes": mp4(), "path": "x.mp4"},
            "kind": "ab"[n % 2],
            "note": "words of one row",
            "number": n,
            "vector": [0.5, 1.5],
        }
        for n in range(8)
    ]
    (tmp_path / "d").mkdir()
    pandas.DataFrame(rows).to_parquet(tmp_path / "d" / "all.parquet")
    source = {"type": "huggingface", "path": "d"}
    stages = ["clean.image", "clean.audio", "clean.video"]
    out = run_recipe(recipe(tmp_path, {"pets": source}, stages, shard={}))
    records = {one.key: one for one in table_to_records(out.manifest())}
    assert len(records) == 8
    first, second = records["pets-0"], records["pets-1"]
    assert {name: part.modality for name, part in second.parts.items()} == {
        "photo": "image",
        "voice": "audio",
        "clip": "video",
        "note": "text",
    }
    assert second.parts["photo"].width == 64
    assert second.parts["clip"].frames == 10
    assert second.parts["voice"].duration_s == 0.5
    assert first.absent["voice"] == "absent"
    assert second.targets == {"kind": "b"}


def test_a_class_by_which_the_rows_are_sorted_is_a_target(tmp_path: Path) -> None:
    words = ["cat"] * 30 + ["dog"] * 30
    notes = [f"words of the row {number}" for number in range(60)]
    table = pa.table({"note": notes, "kind": words})
    pq.write_table(table, tmp_path / "all.parquet", row_group_size=20)
    rows, _ = read(tmp_path, path="all.parquet")
    assert {row.record.targets["kind"] for row in rows} == {"cat", "dog"}


@pytest.mark.parametrize("files", [2, 20])
def test_a_class_by_which_the_files_are_sorted_is_a_target(tmp_path: Path, files: int) -> None:
    for number in range(files):
        notes = [f"words of the row {row}" for row in range(30)]
        kind = "cat" if number < files // 2 else "dog"
        table = pa.table({"note": notes, "kind": [kind] * 30, "size": [number * 1.5] * 30})
        pq.write_table(table, tmp_path / f"train-{number:05}-of-{files:05}.parquet")
    rows, told = read(tmp_path, path="")
    assert {row.record.targets["kind"] for row in rows} == {"cat", "dog"}
    assert "targets guessed from columns: kind, size" in told


def test_columns_are_mapped_as_in_other_tables(tmp_path: Path) -> None:
    table = pa.table(
        {
            "img": [{"bytes": jpeg(seed=n), "path": None} for n in range(4)],
            "meta": [{"title": f"t {n}", "who": "ab"[n // 2]} for n in range(4)],
            "n": range(4),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=3)
    options: dict[str, Any] = {
        "media": {"picture": {"path": "{img}", "modality": "image"}},
        "text": {"title": "meta.title"},
        "numbers": ["n"],
        "group": "{meta.who}",
        "split": "train",
        "id": "x{__row__}",
    }
    from modalmill.stages.base import Source, make

    source, mistakes = make("ingest.huggingface", Source, {"path": "x.parquet", **options}, "x")
    assert not mistakes
    assert source is not None
    rows = [one for one in source.read(tmp_path, "hf", Counter(), str) if isinstance(one, Row)]
    assert [row.record.key for row in rows] == [f"hf-x{n}" for n in range(4)]
    assert [row.record.group for row in rows] == ["hf-a", "hf-a", "hf-b", "hf-b"]
    last = rows[3].record
    assert (last.split, last.targets, last.parts["title"].text) == ("train", {"n": 3.0}, "t 3")
    assert read_file(tmp_path, last.parts["picture"].uri or "") == jpeg(seed=3)


def test_a_path_without_bytes_is_a_file_beside_the_table(tmp_path: Path) -> None:
    write(tmp_path / "d" / "img" / "0.jpg", jpeg())
    paths = ["img/0.jpg", "img/1.jpg", str(tmp_path / "d" / "img" / "0.jpg"), None]
    cells = [{"bytes": None, "path": path} for path in paths]
    pq.write_table(
        pa.table({"image": pa.array(cells, pa.struct([("bytes", "binary"), ("path", "string")]))}),
        tmp_path / "d" / "x.parquet",
    )
    media: Any = {"image": {"path": "{image}", "modality": "image"}}
    rows = HuggingFace(path="d", media={name: _media(one) for name, one in media.items()})
    found = [one for one in rows.read(tmp_path, "hf", Counter(), str) if isinstance(one, Row)]
    assert [row.record.parts.keys() for row in found] == [{"image"}, set(), {"image"}, set()]
    assert found[1].record.absent["image"] == "missing"
    assert found[3].record.absent["image"] == "absent"


def _media(options: Any) -> Any:
    from modalmill.stages.ingest._columns import Media

    return Media(**options)


def test_what_is_no_data_set_says_what_to_do(tmp_path: Path, run_recipe: Run) -> None:
    def refused(path: str, words: str) -> None:
        with pytest.raises(RecipeError, match=words):
            run_recipe(recipe(tmp_path, {"hf": {"type": "huggingface", "path": path}}))

    refused("nlphuji/flickr30k", "huggingface-cli download nlphuji/flickr30k --repo-type dataset")
    (tmp_path / "empty").mkdir()
    refused("empty", "found no .parquet and no .arrow")
    write(tmp_path / "bad" / "train.parquet", b"PAR1 no more")
    refused("bad", "is no table that can be read")
    for name in ("one", "two"):
        (tmp_path / "both" / name).mkdir(parents=True)
        table = pa.table({name: ["some words of text"] * 3})
        pq.write_table(table, tmp_path / "both" / name / "train-00000-of-00001.parquet")
    with pytest.raises(InputError, match="set path to the folder of one"):
        read(tmp_path, path="both")


def test_names_of_classes_stand_beside_a_table_that_does_not_say_them(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [1, 0, 1]}), tmp_path / "x.parquet")
    info = {"features": {"label": {"_type": "ClassLabel", "names": ["no", "yes"]}}}
    write(tmp_path / "dataset_info.json", json.dumps(info))
    rows, _ = read(tmp_path, path=".")
    assert [row.record.targets for row in rows] == [{"label": one} for one in ("yes", "no", "yes")]
