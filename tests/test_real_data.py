"""The recipes on real data, in small: the numbers that must come out are known from the data sets'
own documentation.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import operator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import soundfile
import webdataset
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result, run
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.recipe import load_recipe, parse_recipe

RECIPES = Path(__file__).parents[1] / "recipes"


def go(
    shared: Path, name: str, out: Path, *overrides: str, data: str = "", until: str | None = "shard"
) -> Result:
    recipe, root = load_recipe(
        RECIPES / f"{name}.yaml", [f"data={shared / (data or name)}", *overrides]
    )
    return run(make_plan(recipe, root, until), out, "local", 2)


def test_vqa_coco_is_accounted_for_and_opens_in_stock_webdataset(
    shared: Path, tmp_path: Path
) -> None:
    result = go(shared, "vqa_coco", tmp_path / "out")
    account = result.account.to_dict()
    assert account["adds_up"]
    assert account["sources"]["vqa"]["kinds"] == {
        "annotations": 1580,
        "images": 1031,
        "questions": 1580,
    }
    assert account["sources"]["vqa"]["presence"] == {
        "image": 30,
        "image+question": 1540,
        "question": 40,
    }
    assert account["rejects_by_reason"] == {
        "align.require: no image": 40,
        "align.require: no question": 30,
    }
    assert account["stages"]["shard"]["written"] == 1540
    paths = [str(path) for path in sorted((tmp_path / "out" / "shards").glob("*.tar"))]
    samples = sum(1 for path in paths for _ in webdataset.WebDataset(path, shardshuffle=False))
    assert samples == account["stages"]["shard"]["kinds"]["samples"] == 1001


def test_a_model_on_vqa_beats_the_commonest_answer_on_held_back_images(
    shared: Path, tmp_path: Path
) -> None:
    result = go(
        shared, "vqa_features", tmp_path / "out", "train.epochs=12", data="vqa_coco", until=None
    )
    assert result.training is not None
    assert result.training["all"] > result.training["commonest_answer"] + 0.04
    splits: dict[str, set[str | None]] = {}
    for record in table_to_records(read_manifest(tmp_path / "out")):
        splits.setdefault(record.parts["image"].uri or "", set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())


def test_grid_words_cut_sound_and_frames_at_their_times(shared: Path, tmp_path: Path) -> None:
    result = go(shared, "grid_s1", tmp_path / "out")
    assert result.account.to_dict()["stages"]["align.cut"] == result.account.to_dict()["stages"][
        "align.cut"
    ] | {
        "in": 36,
        "copies": 180,
        "written": 216,
    }
    records = {record.key: record for record in table_to_records(read_manifest(tmp_path / "out"))}
    words = [records[f"grid-bbaf2n-{place}"] for place in range(6)]
    assert [record.parts["words"].text for record in words] == [
        "bin",
        "blue",
        "at",
        "f",
        "two",
        "now",
    ]
    assert words[0].targets == {
        "command": "bin",
        "colour": "blue",
        "preposition": "at",
        "letter": "f",
        "digit": "two",
        "adverb": "now",
    }
    path = shared / "grid_s1" / "s1" / "bbaf2n.mpg"
    start, end = 29500 / 25000, 34000 / 25000  # 'blue' in the .align file
    stored = _member(tmp_path / "out", "grid-bbaf2n-1")
    # Sound: an independent decode of the whole clip, cut by sample numbers, against the stored
    # word.
    with av.open(str(path)) as container:
        whole = np.concatenate(
            [
                frame.to_ndarray()
                .astype(np.float64)
                .reshape(len(frame.layout.channels), -1)
                .mean(0)
                for frame in container.decode(audio=0)
            ]
        )
        rate = container.streams.audio[0].rate
    cut = whole[round(start * rate) : round(end * rate)]
    ours, our_rate = soundfile.read(io.BytesIO(stored["flac"]))
    assert our_rate == 16_000
    assert abs(len(ours) / our_rate - (end - start)) < 0.002
    theirs = np.interp(np.arange(len(ours)) / our_rate, np.arange(len(cut)) / rate, cut)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97
    early = np.interp(
        np.arange(len(ours)) / our_rate,
        np.arange(len(cut)) / rate,
        whole[round((start - 0.02) * rate) :][: len(cut)],
    )
    assert np.corrcoef(ours, early)[0, 1] < 0.8
    # Pictures: each stored frame looks most like a frame that is on the screen during the word, as
    # OpenCV reads them.
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        good, frame = capture.read()
        if not good:
            break
        frames.append(
            cv2.cvtColor(
                cv2.resize(frame, (120, 96), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB
            )
        )
    assert len(frames) == 75
    from modalmill.stages.media import video

    decoded = video.sample(path, 6, 96, start, end)
    nearest = [
        int(np.argmin([np.abs(frame.astype(int) - other).mean() for other in frames]))
        for frame in decoded
    ]
    assert set(nearest) <= {
        number for number in range(75) if start < (number + 1) / 25 and number / 25 < end
    }
    assert nearest == sorted(nearest)
    shown = video.sample(io.BytesIO(stored["mp4"]), 6, 96)
    assert np.abs(shown.astype(int) - decoded).mean() < 4


def _member(out: Path, key: str) -> dict[str, bytes]:
    for path in sorted((out / "shards").glob("*.tar")):
        for sample in webdataset.WebDataset(str(path), shardshuffle=False):
            if sample["__key__"] == key:
                return dict(sample)
    raise KeyError(key)


def test_takes_of_one_recording_are_never_in_two_splits(shared: Path, tmp_path: Path) -> None:
    go(shared, "esc50_sample", tmp_path / "out")
    with open(shared / "esc50_sample" / "meta" / "esc50.csv", newline="") as file:
        sources = {
            row["filename"].removesuffix(".wav"): row["src_file"] for row in csv.DictReader(file)
        }
    splits: dict[str, set[str | None]] = {}
    records = list(table_to_records(read_manifest(tmp_path / "out")))
    assert len({record.origin.id for record in records}) == 32
    for record in records:
        splits.setdefault(sources[record.origin.id], set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len({split for found in splits.values() for split in found}) == 3


def test_meld_has_exactly_its_rows_and_is_repaired_as_its_authors_did(
    shared: Path, tmp_path: Path
) -> None:
    result = go(shared, "meld", tmp_path / "out")
    assert result.account.to_dict()["sources"]["train"]["written"] == 9989
    ours = {
        record.origin.row: record.parts["utterance"].text
        for record in table_to_records(read_manifest(tmp_path / "out"))
        if record.split == "val"
    }
    with open(
        shared / "meld" / "fixed_2020-11" / "dev_sent_emo.csv", encoding="utf-8", newline=""
    ) as file:
        theirs = [" ".join(row["Utterance"].split()) for row in csv.DictReader(file)]
    assert len(theirs) == len(ours) == 1109
    equal = sum(" ".join((ours[row] or "").split()) == text for row, text in enumerate(theirs, 2))
    assert equal >= 1108


def test_seven_corpora_become_one(shared: Path, tmp_path: Path) -> None:
    result = go(shared, "mixed", tmp_path / "out", data=".")
    account = result.account.to_dict()
    assert account["adds_up"]
    assert {name: source["written"] for name, source in account["sources"].items()} == {
        "vqa": 1610,
        "grid": 36,
        "esc": 32,
        "meld": 9989,
        "mdn": 8,
        "sms": 5572,
        "resumes": 280,
    }
    described: dict[str, Any] = json.loads(
        (tmp_path / "out" / "shards" / "shards.json").read_text()
    )
    assert described["parts"] == {
        "audio": "audio",
        "image": "image",
        "question": "text",
        "text": "text",
        "video": "video",
    }
    assert described["records"] == account["stages"]["shard"]["written"]


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("metadata.csv", 8),
        ("metadata_wav.csv", 8),
        ("metadata_flac.csv", 8),
        ("metadata_mp3.csv", 8),
    ],
)
def test_lj_speech_tables_are_read_with_their_bars_and_loose_quotes(
    shared: Path, file: str, rows: int
) -> None:
    from modalmill.stages.ingest._table import find_dialect, read_rows

    path = shared / "ljspeech_sample" / file
    dialect = find_dialect(
        path, header=["id", "text", "normalised"] if file == "metadata.csv" else None
    )
    found = list(read_rows(path, dialect))
    assert dialect.delimiter == "|"
    assert len(found) == rows
    assert not any(row.fault for row in found)


def test_tate_artists_have_their_missing_values(shared: Path) -> None:
    from modalmill.stages.ingest._table import find_dialect, read_rows

    path = shared / "tate_artists" / "artist_data.csv"
    rows = [row.cells for row in read_rows(path, find_dialect(path))]
    assert len(rows) == 3532
    assert {
        name: sum(not row[name] for row in rows)
        for name in ("gender", "yearOfBirth", "yearOfDeath", "placeOfBirth")
    } == {
        "gender": 116,
        "yearOfBirth": 60,
        "yearOfDeath": 1304,
        "placeOfBirth": 492,
    }
    assert "id" in rows[0]


def test_films_are_one_in_any_encoding_and_clips_of_one_speaker_are_as_many_as_they_are(
    shared: Path, tmp_path: Path
) -> None:
    for name, folder, wanted in (("grid", "grid_s1", 36), ("mdn", "mdn_video", 6)):
        sources = {"s": {"type": "video_folder", "path": folder, "id": "{path}{suffix}"}}
        stages = [{"clean.duplicates": {"sounds": False}}]
        recipe = parse_recipe({"name": name, "sources": sources, "stages": stages})
        run(make_plan(recipe, shared, "clean.duplicates"), tmp_path / name, "serial")
        records = list(table_to_records(read_manifest(tmp_path / name)))
        assert len({record.group for record in records}) == wanted
        if name == "mdn":
            of_rabbits = [one.group for one in records if "rabbit" in one.key]
            assert len(of_rabbits) == 3
            assert len(set(of_rabbits)) == 1


def accounted(
    shared: Path, out: Path, sources: dict[str, Any], stages: list[Any]
) -> dict[str, dict[str, Any]]:
    """The account of a run, by source and stage."""
    value = {"name": "defects", "sources": sources, "stages": stages, "tolerance": 1.0}
    result = run(make_plan(parse_recipe(value), shared, "manifest"), out, "serial")
    told = result.account.to_dict()
    assert told["adds_up"]
    return {**told["sources"], **told["stages"]}


def test_spam_is_read_as_it_is_encoded_and_its_cut_rows_and_copies_are_found(
    shared: Path, tmp_path: Path
) -> None:
    path = shared / "sms_spam" / "spam.csv"
    source = {"type": "csv", "path": "sms_spam/spam.csv", "text": {"m": "v2"}, "targets": ["v1"]}
    with open(path, encoding="cp1252", newline="") as file:
        cells = list(csv.reader(file))[1:]
    # of the three columns without a name, the empty ones at the end are none
    empty = [len(list(itertools.takewhile(operator.not_, row[:1:-1]))) for row in cells]
    rows = [
        (row[0], ",".join(row[1 : len(row) - gone])) for row, gone in zip(cells, empty, strict=True)
    ]
    told = accounted(shared, tmp_path / "joined", {"s": {**source, "stray": "join"}}, [])
    assert told["s"]["notes"] == {
        "cells beyond the named columns, joined onto the last one": 50,
        "read as cp1252, found from its bytes; set encoding to say otherwise": 1,
    }
    records = table_to_records(read_manifest(tmp_path / "joined"))
    ours = {record.origin.row: record.parts["m"].text for record in records}
    assert [(ours[number] or "").strip() for number in range(2, len(rows) + 2)] == [
        text.strip() for _, text in rows
    ]
    assert sum(not row[1].isascii() for row in cells) == 481, "as its README counts them"
    told = accounted(shared, tmp_path / "cut", {"s": source}, ["clean.duplicates"])
    assert told["s"]["reasons"] == {"stray_columns": 50}
    joined = accounted(
        shared, tmp_path / "merged", {"s": {**source, "stray": "join"}}, ["clean.duplicates"]
    )
    assert joined["clean.duplicates"]["written"] == len(set(rows)) == 5572 - 403


def test_resumes_are_as_many_as_there_are_texts(shared: Path, tmp_path: Path) -> None:
    source = {"type": "csv", "path": "resumes/resumes.csv", "text": {"m": "Resume_str"}}
    told = accounted(shared, tmp_path / "out", {"s": source}, ["clean.duplicates"])
    assert told["s"]["written"] == 280
    assert told["clean.duplicates"]["written"] == 48


def test_equal_pictures_of_nlvr_are_found_and_no_others(shared: Path, tmp_path: Path) -> None:
    source = {"type": "image_folder", "path": "nlvr/dev/images"}
    told = accounted(shared, tmp_path / "out", {"s": source}, ["clean.duplicates"])
    assert told["s"]["written"] == 924
    assert told["clean.duplicates"]["reasons"] == {"duplicate": 36}


def test_utterances_without_sound_and_sounds_without_an_utterance_are_told(
    shared: Path, tmp_path: Path
) -> None:
    table = {
        "type": "csv",
        "base": "ljspeech_sample",
        "path": "metadata_mp3.csv",
        "id": "{audio_file:stem}",
        "text": {"said": "text"},
    }
    sources = {"lines": table, "mp3": {"type": "audio_folder", "path": "ljspeech_sample/wavs"}}
    told = accounted(
        shared, tmp_path / "out", sources, [{"align.join": {"sources": ["lines", "mp3"]}}]
    )
    # wav, flac and mp3 of one utterance are three files of one id
    assert told["mp3"]["reasons"] == {"duplicate_id": 12}
    assert told["align.join"]["unmatched"] == {"no_lines": 2, "no_mp3": 2}
    assert told["align.join"]["presence"] == {"audio": 2, "audio+said": 6, "said": 2}


def test_wrong_decodings_of_meld_are_counted(shared: Path, tmp_path: Path) -> None:
    for file, rows in (("train", 2691), ("dev", 308)):
        source = {
            "type": "csv",
            "path": f"meld/raw_2019-03/{file}_sent_emo.csv",
            "text": {"m": "Utterance"},
        }
        told = accounted(shared, tmp_path / file, {"s": source}, ["clean.text"])
        assert told["clean.text"]["notes"] == {
            "texts decoded wrongly or with control characters, repaired": rows
        }
