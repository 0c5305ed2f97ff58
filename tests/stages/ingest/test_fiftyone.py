"""FiftyOne: an export as it lies on disk, written by hand in the words of its format."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from commands import here
from modalmill.schemas.manifest import Row, read_manifest, table_to_records
from modalmill.schemas.record import Record
from modalmill.stages.ingest._columns import Media
from modalmill.stages.ingest.fiftyone import FiftyOne
from tiny import jpeg, mp4, recipe, write

OTHER_FORM = (
    "taken, though the table writes the name in another form (capitals, \\ for /, or accents)"
)
SOURCE = {"type": "fiftyone", "path": "export"}
IMAGE = {"image": Media(path="{filepath}", modality="image")}


def run_on(root: Path, source: dict[str, Any]) -> CompletedProcess[str]:
    write(root / "r.yaml", yaml.safe_dump(recipe(root, {"zoo": source}, tolerance=1)))
    return here("run", root / "r.yaml", "--out", root / "out", "--until", "manifest")


def counted(root: Path, source: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Record]]:
    """What the account says of the source, and its records by id."""
    done = run_on(root, source)
    assert done.returncode == 0, done.stderr
    account = json.loads((root / "out" / "account.json").read_text())
    assert account["adds_up"]
    records = table_to_records(read_manifest(root / "out"))
    return account["sources"]["zoo"], {one.origin.id: one for one in records}


def oid(number: int) -> dict[str, str]:
    return {"$oid": f"64d0a1{number:018x}"}


def label(kind: str, text: str | None, **more: Any) -> dict[str, Any]:
    return {"_id": oid(99), "_cls": kind, "tags": [], "label": text, **more}


def sample(number: int, filepath: object, *tags: str, **fields: Any) -> dict[str, Any]:
    return {
        "_id": oid(number),
        "filepath": filepath,
        "tags": list(tags),
        "_media_type": "image",
        "_rand": 0.3,
        "metadata": {"_cls": "ImageMetadata", "size_bytes": 1, "width": 64, "height": 48},
        "created_at": {"$date": "2024-05-01T00:00:00Z"},
        **fields,
    }


def export(root: Path, *samples: Any) -> None:
    folder = root / "export"
    write(folder / "metadata.json", json.dumps({"version": "1.0.0", "media_type": "image"}))
    write(folder / "samples.json", json.dumps({"samples": samples}))


def identity(number: int) -> str:
    return oid(number)["$oid"]


def test_labels_numbers_and_texts_are_what_their_fields_say(tmp_path: Path) -> None:
    write(tmp_path / "export" / "data" / "a.jpg", jpeg())
    detections = [
        label("Detection", text, bounding_box=[0.1, 0.1, 0.5, 0.5])
        for text in ("cat", "dog", "cat")
    ]
    export(
        tmp_path,
        sample(
            1,
            "data/a.jpg",
            "train",
            ground_truth=label("Classification", "cat", confidence=None),
            predictions=label("Classification", "dog", confidence=0.75),
            weather={
                "_cls": "Classifications",
                "classifications": [
                    label("Classification", "rain"),
                    label("Classification", "fog"),
                ],
            },
            objects={"_cls": "Detections", "detections": detections},
            age={"_cls": "Regression", "value": 3.5, "confidence": None},
            uniqueness=0.25,
            unsure={"$numberDouble": "NaN"},
            caption="A cat on a mat.",
            reviewed=True,
            words=["one", "two"],
            embedding={"$binary": {"base64": "AAAA", "subType": "00"}},
            vector=[0.5, 1, 2],
            outline=[[0, 1], [1, 0]],
            mask={"_cls": "Segmentation", "mask": {"$binary": {"base64": "AAAA", "subType": "00"}}},
            left_alone=label("Classification", "x"),
            zero=0,
            scene={"_id": oid(7), "_cls": "Group", "name": "left"},
        ),
    )
    source = {
        **SOURCE,
        "targets": {
            "animal": "ground_truth",
            "weather": "weather",
            "objects": "objects",
            "reviewed": "reviewed",
            "words": "words",
            "embedding": "embedding",
            "vector": "vector",
            "outline": "outline",
            "mask": "mask",
        },
        "numbers": {
            "age": "age",
            "sure": "predictions.confidence",
            "unique": "uniqueness",
            "unsure": "unsure",
            "width": "metadata.width",
        },
        "text": {"caption": "caption"},
        "group": "{scene}",
    }
    count, records = counted(tmp_path, source)
    one = records[identity(1)]
    assert one.targets == {
        "animal": "cat",
        "weather": ["rain", "fog"],
        "objects": ["cat", "dog", "cat"],
        "reviewed": "True",
        "words": ["one", "two"],
        "age": 3.5,
        "sure": 0.75,
        "unique": 0.25,
        "width": 64.0,
    }
    assert one.parts["caption"].text == "A cat on a mat."
    assert (one.parts["media"].modality, one.parts["media"].uri) == ("image", "export/data/a.jpg")
    assert one.group == f"zoo-{identity(7)}"
    assert count["notes"] == {
        "field 'embedding' not read: it holds a vector": 1,
        "field 'vector' not read: it holds a vector": 1,
        "field 'outline' not read: it holds a list of lists or objects": 1,
        "field 'mask' not read: it holds Segmentation": 1,
        "of field 'objects' labels alone are read, and no places": 1,
        "field 'left_alone' (Classification) not read: nobody names it": 1,
        "field 'zero' not read: nobody names it": 1,
    }


def planted(root: Path) -> None:
    data = root / "export" / "data"
    for number, name in enumerate(("a.jpg", "b.jpg", "c.JPG", "nobody.jpg", "two.jpg")):
        write(data / name, jpeg(seed=number))
    write(data / "cloud.pcd", "points")
    write(root / "elsewhere" / "film.mp4", mp4(frames=3))
    write(root / "export" / "frames.json", "{}")
    kinds = [label("Classification", word) for word in ("cat", "dog", None)]
    export(
        root,
        sample(1, "data/a.jpg", "train", "nice", animal=kinds[0]),
        sample(2, "data\\b.jpg", "test", animal=kinds[1]),
        sample(3, "data/c.jpg", animal=kinds[2]),
        sample(4, str(root / "elsewhere" / "film.mp4"), "val", animal=None),
        sample(5, "data/gone.jpg", "train", animal=kinds[0]),
        sample(6, "/somewhere/else.jpg", "train", animal=kinds[0]),
        sample(7, "data/two.jpg", "train", "test", animal=kinds[0]),
        sample(1, "data/a.jpg", "train", animal=kinds[0]),
        sample(8, "../../outside.jpg", "train", animal=kinds[0]),
        sample(9, None, "train", animal=kinds[0]),
        sample(10, "data/cloud.pcd", "train", animal=kinds[0]),
        "eleven",
    )


def test_every_planted_fault_is_counted_and_told(tmp_path: Path) -> None:
    planted(tmp_path)
    source = {**SOURCE, "targets": {"animal": "animal"}, "split": "tags"}
    count, records = counted(tmp_path, source)
    assert count["kinds"] == {"samples": 12, "media files": 5}
    assert count["reasons"] == {
        "path_outside_root": 2,
        "bad_value": 1,
        "duplicate_id": 1,
        "unknown_media": 1,
        "broken_row": 1,
    }
    assert count["unmatched"] == {"no_media_file": 1, "no_row": 1}
    assert count["notes"] == {
        "labels of single frames not read (frames.json)": 1,
        "passed over in export/data: files of .pcd": 1,
        OTHER_FORM: 2,
        "without a tag that names a split (train, val, validation, test)": 1,
    }
    splits = {key: one.split for key, one in records.items() if "/" not in key}
    wanted = {1: "train", 2: "test", 3: None, 4: "val", 5: "train", 9: "train"}
    assert splits == {identity(number): split for number, split in wanted.items()}
    film = records[identity(4)]
    assert (film.parts["media"].modality, film.parts["media"].uri) == (
        "video",
        "elsewhere/film.mp4",
    )
    assert records[identity(2)].parts["media"].uri == "export/data/b.jpg"
    assert records[identity(5)].absent == {"media": "missing"}
    assert records[identity(9)].absent == {"media": "absent"}
    assert "animal" not in records[identity(3)].targets
    assert [key for key in records if "/" in key] == ["export/data/nobody.jpg"]
    told = here("rejects", tmp_path / "out", "--json").stdout
    assert "'train and test' is no name for a split" in told


@pytest.mark.parametrize("root", ["real", "link"])
@pytest.mark.parametrize("written", ["real", "link"])
@pytest.mark.parametrize("base", ["", "export"])
def test_an_absolute_path_below_the_root_is_found_also_through_a_link(
    tmp_path: Path, root: str, written: str, base: str
) -> None:
    real = tmp_path / "real"
    write(real / "export" / "data" / "a.jpg", jpeg())
    export(real, sample(1, str(tmp_path / written / "export" / "data" / "a.jpg")))
    (tmp_path / "link").symlink_to(real)
    columns = FiftyOne(path="." if base else "export", base=base, media=IMAGE)
    rows = [
        row for row in columns.read(tmp_path / root, "zoo", Counter(), print) if type(row) is Row
    ]
    assert [row.record.parts["image"].uri for row in rows] == ["export/data/a.jpg"]


def test_tags_that_no_sample_has_are_no_splits_that_are_lacking(tmp_path: Path) -> None:
    write(tmp_path / "export" / "data" / "a.jpg", jpeg())
    export(tmp_path, sample(1, "data/a.jpg", "train"))
    stages = [{"clean.image": {"min_side": 1}}]
    value = recipe(tmp_path, {"zoo": {**SOURCE, "split": "tags"}}, stages)
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out", "--until", "manifest")
    assert done.returncode == 0, done.stderr
    assert "is in the split" not in done.stdout + done.stderr


def test_early_exports_have_no_ids_and_longer_names_of_classes(tmp_path: Path) -> None:
    write(tmp_path / "base" / "export" / "data" / "a.jpg", jpeg())
    old = {
        "filepath": os.path.join("data", "a.jpg"),
        "tags": [],
        "ground_truth": {"_cls": "fiftyone.core.labels.Classification", "label": "cat"},
    }
    export(tmp_path / "base", old)
    source = {**SOURCE, "base": "base", "targets": ["ground_truth"], "split": "test"}
    _, records = counted(tmp_path, source)
    one = records["data/a.jpg"]
    assert (one.targets, one.split) == ({"ground_truth": "cat"}, "test")
    assert one.parts["media"].uri == "base/export/data/a.jpg"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"path": "exprot"}, "there is no such file or folder"),
        ({"path": "export/data"}, "samples.json: there is no such"),
        ({"targets": {"animal": "anmial"}}, "no column 'anmial' (did you mean 'animal'?)"),
        ({"splits": ["test-dev"]}, "'test-dev' is no name for a split"),
        ({"tragets": {}}, "did you mean 'targets'"),
    ],
)
def test_a_mistake_is_one_clear_sentence(tmp_path: Path, source: dict[str, Any], told: str) -> None:
    planted(tmp_path)
    done = run_on(tmp_path, {**SOURCE, **source})
    assert done.returncode in (1, 2)
    assert told in done.stderr
