"""COCO captions: captions, images of the json and files of the folder, all three accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from commands import here
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.record import Record
from tiny import jpeg, recipe, vqa_corpus, write

OTHER_FORM = (
    "taken, though the json writes the name in another form (capitals, \\ for /, or accents)"
)
SOURCE = {"type": "coco_captions", "captions": "captions.json", "images": "img"}


def run_on(root: Path, source: dict[str, Any]) -> CompletedProcess[str]:
    write(root / "r.yaml", yaml.safe_dump(recipe(root, {"coco": source}, tolerance=1)))
    return here("run", root / "r.yaml", "--out", root / "out", "--until", "manifest")


def counted(root: Path, source: dict[str, Any]) -> dict[str, Any]:
    """What the account says of the source."""
    done = run_on(root, source)
    assert done.returncode == 0, done.stderr
    account = json.loads((root / "out" / "account.json").read_text())
    assert account["adds_up"]
    count: dict[str, Any] = account["sources"]["coco"]
    return count


def records(root: Path) -> dict[str, Record]:
    return {one.key: one for one in table_to_records(read_manifest(root / "out"))}


def corpus(root: Path, images: list[Any], annotations: list[Any]) -> None:
    write(
        root / "captions.json",
        json.dumps({"info": {}, "licenses": [], "images": images, "annotations": annotations}),
    )


def entry(number: object, file_name: str) -> dict[str, Any]:
    return {"id": number, "file_name": file_name, "width": 64, "height": 48, "license": 3}


def caption(number: object, image: object, text: object = "A cat.") -> dict[str, Any]:
    return {"id": number, "image_id": image, "caption": text}


def planted(root: Path) -> None:
    """Two images as they should be, and one of every fault that there is."""
    outside = write(root.parent / f"{root.name}-outside.jpg", jpeg(seed=8))
    for seed, name in enumerate(
        (
            "000000000001.jpg",
            "Two.JPG",
            "COCO_train2014_000000000003.jpg",
            "000000000009.jpg",
        )
    ):
        write(root / "img" / name, jpeg(seed=seed))
    (root / "img" / "out.jpg").symlink_to(outside)
    write(root / "img" / "readme.txt", "read me")
    corpus(
        root,
        [
            entry(1, "000000000001.jpg"),
            entry("002", "two.jpg"),
            entry(3, "000000000003.jpg"),
            entry(4, "gone.jpg"),
            entry(5, "000000000001.jpg"),
            entry(1, "000000000009.jpg"),
            {"id": 7},
        ],
        [
            caption(10, 1, "One."),
            caption(11, 1, "One more."),
            caption(12, 2, "Two."),
            caption(13, 4, "Gone."),
            caption(14, 5, "One under another id."),
            caption(15, 99, "Of no image."),
            caption(16, 1, None),
            caption(10, 1, "Ten again."),
            {"id": 17},
            "eighteen",
        ],
    )


def test_every_planted_fault_is_counted_and_told(tmp_path: Path) -> None:
    planted(tmp_path)
    count = counted(tmp_path, SOURCE)
    assert count["kinds"] == {"images": 5, "image entries": 7, "captions": 10}
    assert (count["in"], count["written"], count["rejected"], count["merged"]) == (22, 9, 6, 7)
    assert count["reasons"] == {"path_outside_root": 1, "duplicate_id": 2, "broken_row": 3}
    assert count["unmatched"] == {"no_caption": 2, "no_image_file": 1, "no_image_entry": 2}
    assert count["presence"] == {"caption+image": 4, "caption": 2, "image": 3}
    assert count["notes"] == {
        "passed over in img: files of .txt": 1,
        OTHER_FORM: 1,
        "taken by their COCO number, though the json gives another name": 1,
        "images that name the file of an earlier one, and are taken as that one": 1,
    }
    told = here("rejects", tmp_path / "out", "--json").stdout
    for words in ("no image of the folder is gone.jpg", "no image of the json is 99"):
        assert words in told


def test_a_record_for_each_caption_with_its_image_as_the_group(tmp_path: Path) -> None:
    planted(tmp_path)
    counted(tmp_path, SOURCE)
    found = records(tmp_path)
    first = found["coco-10"]
    assert first.parts["caption"].text == "One."
    assert first.parts["image"].uri == "img/000000000001.jpg"
    assert (first.origin.file, first.origin.row, first.origin.id) == ("captions.json", 1, "10")
    groups = {key: one.group for key, one in found.items()}
    assert {groups[f"coco-{number}"] for number in (10, 11, 14, 16)} == {"coco-1"}
    assert (groups["coco-12"], groups["coco-image-3"]) == ("coco-2", "coco-3")
    assert found["coco-12"].parts["image"].uri == "img/Two.JPG"
    assert found["coco-13"].absent == {"image": "missing"}
    assert found["coco-16"].absent == {"caption": "absent"}
    assert "coco-9" in groups.values()  # the file that nothing names


def test_an_image_of_questions_and_captions_lies_in_one_split(tmp_path: Path) -> None:
    questions = {**vqa_corpus(tmp_path, images=20, per_image=1), "group_kind": "coco_image"}
    numbers = range(1, 21)
    corpus(
        tmp_path,
        [entry(number, f"{number:012d}.jpg") for number in numbers],
        [caption(number, number) for number in numbers if number > 5],
    )
    source = {**SOURCE, "images": "images", "group_kind": "coco_image"}
    stages = [{"align.split": {"shares": {"train": 0.5, "test": 0.5}}}]
    value = recipe(tmp_path, {"coco": source, "vqa": questions}, stages)
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out", "--until", "manifest")
    assert done.returncode == 0, done.stderr
    splits: dict[str, set[str | None]] = {}
    for one in records(tmp_path).values():
        splits.setdefault(one.parts["image"].uri or "", set()).add(one.split)
    assert len(splits) == 20
    assert all(len(names) == 1 for names in splits.values())
    assert set.union(*splits.values()) == {"train", "test"}


def karpathy(root: Path) -> None:
    images = [
        {
            "filepath": "val2014",
            "filename": f"COCO_val2014_{number:012d}.jpg",
            "imgid": place,
            "cocoid": number,
            "split": split,
            "sentids": [10 * number],
            "sentences": [
                {"tokens": ["a"], "raw": f"A {number}.", "imgid": place, "sentid": 10 * number}
            ],
        }
        for place, (number, split) in enumerate(((391895, "test"), (522418, "restval")))
    ]
    write(root / "captions.json", json.dumps({"images": images, "dataset": "coco"}))


@pytest.mark.parametrize("folder", ["img/val2014", "img"])
def test_splits_of_karpathy_are_read_with_their_splits(tmp_path: Path, folder: str) -> None:
    """Also where all files lie in one folder."""
    karpathy(tmp_path)
    for number in (391895, 522418):
        write(tmp_path / folder / f"COCO_val2014_{number:012d}.jpg", jpeg(seed=number))
    count = counted(tmp_path, {**SOURCE, "split": "{split}"})
    assert "unmatched" not in count
    assert ("notes" in count) == (folder == "img")
    found = records(tmp_path)
    assert {key: one.split for key, one in found.items()} == {
        "coco-3918950": "test",
        "coco-5224180": "restval",
    }
    assert found["coco-3918950"].parts["caption"].text == "A 391895."
    assert found["coco-3918950"].parts["image"].uri == f"{folder}/COCO_val2014_000000391895.jpg"
    assert found["coco-3918950"].group == "coco-391895"


@pytest.mark.parametrize(
    ("source", "annotations", "told"),
    [
        ({"captions": "none.json"}, [caption(1, 1)], "there is no such file"),
        ({"split": "test-dev"}, [caption(1, 1)], "'test-dev' is no name for a split"),
        ({"split": "{split"}, [caption(1, 1)], "a brace without its partner"),
        ({"split": "{split}"}, [caption(1, 1)], "no image has it"),
        ({"caption": "x"}, [caption(1, 1)], "did you mean 'captions'"),
        ({}, [{"id": 1, "image_id": 1, "bbox": [0, 0, 1, 1]}], "check that it is the file of"),
        ({}, [], "wanted a JSON object with a list 'annotations'"),
    ],
)
def test_a_mistake_is_one_clear_sentence(
    tmp_path: Path, source: dict[str, Any], annotations: list[Any], told: str
) -> None:
    write(tmp_path / "img" / "a.jpg", jpeg())
    corpus(tmp_path, [entry(1, "a.jpg")], annotations)
    done = run_on(tmp_path, {**SOURCE, **source})
    assert done.returncode in (1, 2)
    assert told in done.stderr
