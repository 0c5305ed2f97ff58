"""WebDataset tars: ours are read back as they were, those of others by their members' names."""

from __future__ import annotations

import random
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.result import Result
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.manifest import Row, read_manifest, table_to_records
from modalmill.schemas.record import Record
from modalmill.stages.base import Noted
from modalmill.stages.ingest.webdataset import WebDataset
from modalmill.stages.media.files import read_file
from streams import samples, tar
from tiny import jpeg, mp4, png, recipe, vqa_corpus, wav, write

Run = Callable[..., Result]


def read(root: Path, **options: Any) -> tuple[list[Row], dict[str, int], Counter[str]]:
    """Rows, what is told, and what was counted."""
    tally: Counter[str] = Counter()
    items = list(WebDataset(**options).read(root, "web", tally, lambda item: None))
    rows = [item for item in items if isinstance(item, Row)]
    assert sum(tally.values()) == len(rows)
    assert len({row.record.key for row in rows}) == len(rows)
    return rows, {item.what: item.count for item in items if isinstance(item, Noted)}, tally


def records_of(folder: Path) -> dict[str, Record]:
    return {one.key: one for one in table_to_records(read_manifest(folder))}


def test_what_img2dataset_writes_is_guessed_and_told(tmp_path: Path) -> None:
    tar(tmp_path / "00000.tar", samples(5))
    tar(tmp_path / "00001.tar", samples(5, 5))
    write(tmp_path / "00000_stats.json", "{}")
    rows, told, _ = read(tmp_path, path=".")
    assert [row.record.key for row in rows] == [f"web-{number:05d}" for number in range(10)]
    for number, row in enumerate(rows):
        record = row.record
        assert record.parts["text"].text == f"picture {number}"
        assert read_file(tmp_path, record.parts["image"].uri or "") == jpeg(seed=number)
        # the width is 64 everywhere, and nothing to learn
        assert record.targets == {"caption": f"picture {number}", "cls": str(number)}
        assert record.origin.file == f"0000{number // 5}.tar"
    assert told == {
        "parts guessed from the endings of members: image (.jpg), text (.txt)": 1,
        "targets guessed: cls, caption": 1,
        "passed over in the data root: files of .json": 1,
    }


@given(st.randoms(use_true_random=False))
def test_every_member_is_given_byte_for_byte_whatever_wrote_the_tar(mixer: random.Random) -> None:
    # USTAR has names of 100 bytes
    form = mixer.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    wanted = {
        f"{'d/' * mixer.randrange(3)}{'k' * mixer.randrange(1, 80)}ü{number}": {
            ending: mixer.randbytes(mixer.randrange(1, 2000))
            for ending in mixer.sample(["jpg", "png", "wav", "left.jpg"], mixer.randrange(1, 5))
        }
        for number in range(mixer.randrange(1, 6))
    }
    files = [
        (f"{key}.{ending}", data) for key, own in wanted.items() for ending, data in own.items()
    ]
    if mixer.random() < 0.3:
        mixer.shuffle(files)
    parts = {"image": ["jpg", "png"], "voice": "wav", "left": ["left.jpg"]}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tar(root / "a.tar", files, form)
        rows, _, _ = read(root, path="a.tar", parts=parts, keys="first_dot")
        assert {row.record.origin.id for row in rows} == wanted.keys()
        for row in rows:
            own = wanted[row.record.origin.id]
            expected = {"image": own.get("jpg", own.get("png")), "voice": own.get("wav")}
            expected["left"] = own.get("left.jpg")
            found = {part: read_file(root, one.uri or "") for part, one in row.record.parts.items()}
            assert found == {part: data for part, data in expected.items() if data is not None}
            assert row.record.absent.keys() == {p for p, data in expected.items() if data is None}


def test_our_own_shards_are_the_records_that_they_were(tmp_path: Path, run_recipe: Run) -> None:
    root = tmp_path / "data"
    sources = {"vqa": vqa_corpus(root, images=6)}
    for number in range(5):
        write(root / "clips" / f"{number}.mp4", mp4())
        write(root / "voice" / f"{number}.wav", wav(300 + number))
        write(root / "walk" / f"{number}.csv", "time,x\n0,1\n0.5,2.25\n1,3\n1.5,-1\n")
        write(root / "words" / f"{number}.srt", "1\n00:00:00,000 --> 00:00:00,500\nhello\n")
    rows = [f"{n},{'val' if n % 2 else 'train'},{n}.5,{n % 3},a b|b" for n in range(6)]
    write(root / "t.csv", "\n".join(["id,split,mass,kind,tags", *rows]))
    sources["clips"] = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "media": {
            "clip": {"path": "clips/{id}.mp4"},
            "voice": {"path": "voice/{id}.wav"},
            "walk": {"path": "walk/{id}.csv", "modality": "series", "rate_hz": 2},
        },
        "cues": {"words": "words/{id}.srt"},
        "table": {"facts": ["mass", "kind"]},
        "targets": ["kind", "tags"],
        "lists": {"tags": "|"},
        "numbers": ["mass"],
        "split": "{split}",
    }
    stages = ["clean.audio", "clean.video"]
    run_recipe(recipe(root, sources, stages, shard={}), tmp_path / "first")
    again = recipe(tmp_path / "first", {"back": {"type": "webdataset", "path": "shards"}}, stages)
    run_recipe({**again, "shard": {}}, tmp_path / "second")
    before, after = records_of(tmp_path / "first"), records_of(tmp_path / "second")
    assert {f"back-{key}" for key in before} == after.keys()
    for key, record in before.items():
        other = after[f"back-{key}"]
        assert other.group == f"back-{record.group}"
        assert (other.split, other.targets) == (record.split, record.targets)
        assert dict(other.absent) == dict(record.absent)
        assert other.parts.keys() == record.parts.keys()
        for name, part in record.parts.items():
            if part.uri is None:
                assert other.parts[name] == part
    assert _members(tmp_path / "first") == _members(tmp_path / "second")


def _members(out: Path) -> dict[str, bytes]:
    """Every member but the json by its name, without the prefix of a second reading."""
    found = {}
    for path in sorted((out / "shards").glob("*.tar")):
        with tarfile.open(path) as file:
            for one in file:
                data = file.extractfile(one)
                if data is not None and not one.name.endswith(".json"):
                    found[one.name.removeprefix("back-")] = data.read()
    assert len(found) > 10
    return found


def test_shards_of_other_writers_train_and_val(tmp_path: Path, run_recipe: Run) -> None:
    for split, count in (("train", 6), ("val", 3)):
        pattern = str(tmp_path / "data" / f"{split}-%04d.tar")
        (tmp_path / "data").mkdir(exist_ok=True)
        with webdataset.ShardWriter(pattern, maxcount=4, verbose=0) as writer:
            for number in range(count):
                sample = {"jpg": jpeg(seed=number), "json": {"label": "cat", "a": {"b": number}}}
                writer.write({"__key__": f"{split}{number}", "txt": f"number {number}", **sample})
    source = {"type": "webdataset", "path": "data/{train,val}-*.tar", "targets": ["label"]}
    source |= {"numbers": {"much": "a.b"}, "parts": {"picture": "jpg", "caption": "txt"}}
    stages = ["clean.image"]
    run_recipe(recipe(tmp_path, {"web": source}, stages, shard={}), tmp_path / "out")
    records = records_of(tmp_path / "out")
    assert Counter(one.split for one in records.values()) == {"train": 6, "val": 3}
    picked = records["web-val2"]
    assert picked.targets == {"label": "cat", "much": 2.0}
    assert picked.parts["caption"].text == "number 2"
    assert (picked.parts["picture"].width, picked.parts["picture"].height) == (64, 48)
    members = _members(tmp_path / "out")
    assert members["web-val2.jpg"] == jpeg(seed=2)


def test_what_tar_itself_writes_with_links_and_folders(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "raw" / "a" / f"{number}.jpg", jpeg(seed=number))
        write(tmp_path / "raw" / "a" / f"{number}.seg.png", png(seed=number))
    (tmp_path / "raw" / "a" / "3.jpg").hardlink_to(tmp_path / "raw" / "a" / "0.jpg")
    write(tmp_path / "raw" / "a" / ".hidden.jpg", b"x")
    subprocess.run(["tar", "-cf", tmp_path / "t.tar", "-C", tmp_path / "raw", "."], check=True)
    rows, _, _ = read(tmp_path, path="t.tar")
    found = {row.record.origin.id: row.record.parts for row in rows}
    assert found.keys() == {f"a/{number}" for number in range(4)}
    assert read_file(tmp_path, found["a/3"]["image"].uri or "") == jpeg(seed=0)
    assert read_file(tmp_path, found["a/1"]["seg"].uri or "") == png(seed=1)


def test_a_cut_tar_gives_what_lies_before_the_cut_and_one_reject(tmp_path: Path) -> None:
    whole = tar(tmp_path / "a.tar", samples(6)).read_bytes()
    seen = Counter[int]()
    for cut in range(0, len(whole.rstrip(b"\0")), 3001):
        write(tmp_path / "b.tar", whole[:cut])
        tar(tmp_path / "c.tar", samples(1, 50))
        rows, _, _ = read(tmp_path, path="[bc].tar", parts={"image": "jpg"}, targets=["cls"])
        faults = [row.fault.rule for row in rows if row.fault]
        assert faults == ["tar_damaged"]
        for row in rows:
            if row.fault is None:
                number = int(row.record.origin.id)
                assert row.record.targets == {"cls": str(number)}
                data = read_file(tmp_path, row.record.parts["image"].uri or "")
                assert data == jpeg(seed=number)
        seen[len(rows)] += 1
    assert max(seen) > 5


def test_samples_that_are_wrong_are_rejected_one_by_one(tmp_path: Path) -> None:
    good = [("ok.jpg", jpeg()), ("ok.json", b'{"label": "cat"}')]
    bad = [
        ("text.jpg", jpeg()),
        ("text.json", b"{"),
        ("two.jpg", jpeg()),
        ("two.jpg", jpeg(seed=1)),
        ("none.bin", b"x"),
        ("../up.jpg", jpeg()),
        ("list.jpg", jpeg()),
        ("list.json", b"[1]"),
    ]
    tar(tmp_path / "a.tar", good + bad)
    tar(tmp_path / "b.tar", good)
    rows, _, tally = read(tmp_path, path=".", parts={"image": "jpg"}, targets=["label"])
    faults = {row.record.origin.id: row.fault.rule if row.fault else "" for row in rows[:-1]}
    assert faults == {
        "ok": "",
        "text": "broken_json",
        "two": "member_twice",
        "none": "nothing_named",
        "../up": "path_outside_root",
        "list": "",
    }
    assert rows[-1].fault is not None
    assert rows[-1].fault.rule == "duplicate_id"
    assert tally == {"samples": 7}
    rows, _, _ = read(tmp_path, path=".", parts={"image": "jpg"}, id="{__tar__}-{__key__}")
    assert {row.record.key for row in rows} > {"web-a-ok", "web-b-ok"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parts": {"image": ["jpg", "wav"]}}, "endings of members of one modality"),
        ({"parts": {"image": "xyz"}}, "endings of members of one modality"),
        ({"parts": {"a": "jpg"}, "text": {"a": "txt"}}, "a part of this name comes from"),
        ({"path": "nope-*.tar"}, "no tar fits this"),
        ({"path": "nope"}, "no such tar or folder"),
        ({"path": "a.tar.gz"}, "unpack it first"),
        ({"path": "e.tar"}, "no sample that can be read"),
        ({"parts": {"image": "jpg"}, "keys": "dot"}, "keys"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(
    tmp_path: Path, run_recipe: Run, options: dict[str, Any], words: str
) -> None:
    tar(tmp_path / "a.tar", samples(2))
    write(tmp_path / "e.tar", b"")
    source = {"type": "webdataset", "path": "a.tar", **options}
    with pytest.raises(RecipeError, match=words):
        run_recipe(recipe(tmp_path, {"web": source}))


def test_parts_that_a_tar_says_can_be_named_in_stages(tmp_path: Path, run_recipe: Run) -> None:
    tar(tmp_path / "train.tar", samples(4))
    source = {"type": "webdataset", "path": "train.tar"}
    run_recipe(recipe(tmp_path, {"web": source}, [{"align.require": {"parts": ["image"]}}]))
    with pytest.raises(RecipeError, match="did you mean 'image'"):
        run_recipe(recipe(tmp_path, {"web": source}, [{"align.require": {"parts": ["imgae"]}}]))


def test_a_changed_tar_is_read_again_and_an_unchanged_one_is_not(
    tmp_path: Path, run_recipe: Run
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    tar(data / "a.tar", samples(3))
    given = recipe(data, {"web": {"type": "webdataset", "path": "."}}, ["clean.image"], shard={})
    run_recipe(given, out)
    before = {path: path.stat().st_mtime_ns for path in (out / "work" / "ingest").iterdir()}
    run_recipe(given, out)
    assert {p: p.stat().st_mtime_ns for p in (out / "work" / "ingest").iterdir()} == before
    tar(data / "a.tar", [("x.jpg", jpeg(seed=9)), *samples(2, 7)])
    run_recipe(given, out)
    assert set(_all_jpegs(out)) == {jpeg(seed=9), jpeg(seed=7), jpeg(seed=8)}


def _all_jpegs(out: Path) -> list[bytes]:
    found = []
    with tarfile.open(out / "shards" / "all-000000.tar") as file:
        for one in file:
            data = file.extractfile(one)
            if data is not None and one.name.endswith(".jpg"):
                found.append(data.read())
    return found


def test_a_tar_of_our_set_that_is_not_as_it_was_is_one_reject(
    tmp_path: Path, run_recipe: Run
) -> None:
    tar(tmp_path / "data" / "a.tar", samples(4))
    run_recipe(
        recipe(tmp_path / "data", {"web": {"type": "webdataset", "path": "a.tar"}}, shard={}),
        tmp_path / "out",
    )
    with open(tmp_path / "out" / "shards" / "all-000000.tar", "ab") as file:
        file.write(b"\0" * 512)
    rows, _, _ = read(tmp_path, path="out")
    assert [(row.fault.rule, row.fault.value) for row in rows if row.fault] == [("tar_damaged", 4)]
    # and where its members are asked for by name, they are read as those of any tar
    rows, _, _ = read(tmp_path, path="out/shards", parts={"image": "jpg"})
    assert [row.fault for row in rows] == [None] * 4
