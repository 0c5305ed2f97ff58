"""Faults that lay between two rules, each of which was right by itself."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openpyxl
import pytest
from modalmill.pipeline.run import Result
from modalmill.schemas.disk import read_note
from modalmill.schemas.errors import InputError, IntegrityError, RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.recipe import load_recipe
from modalmill.stages.ingest import text_folder
from modalmill.stages.media import audio, image
from PIL import Image, ImageCms
from tiny import jpeg, recipe, vqa_corpus, wav, write

Run = Callable[..., Result]
CSV = {"type": "csv", "path": "t.csv"}


def records(out: Path) -> dict[str, Any]:
    return {one.origin.id: one for one in table_to_records(read_manifest(out))}


def test_a_split_that_no_file_can_be_called_after_is_told_before_anything_is_read(
    tmp_path: Path, run_recipe: Run
) -> None:
    options = {**vqa_corpus(tmp_path), "split": "test-dev"}
    with pytest.raises(RecipeError, match="'test-dev' is no name for a split"):
        run_recipe(recipe(tmp_path, {"vqa": options}))


def test_ids_written_as_words_fit_those_written_as_numbers(tmp_path: Path, run_recipe: Run) -> None:
    options = vqa_corpus(tmp_path, images=3, per_image=1)
    place = tmp_path / options["annotations"]
    value = json.loads(place.read_text())
    for annotation in value["annotations"]:
        annotation["image_id"] = str(annotation["image_id"])
    place.write_text(json.dumps(value))
    result = run_recipe(recipe(tmp_path, {"vqa": options}))
    assert result.account.sources[0].reasons == {}
    assert all("answers" in one.targets for one in records(tmp_path / "out").values())


def label_source(root: Path, table: str, **more: Any) -> dict[str, Any]:
    for name in "ab":
        write(root / "i" / f"{name}.jpg", jpeg(seed=ord(name)))
    write(root / "t.csv", table)
    labels = {"path": "t.csv", "match": "{file}"}
    return {"type": "image_folder", "path": "i", "id": "{stem}", "labels": labels, **more}


def test_a_column_called_like_a_field_of_the_file_is_told_and_never_taken_for_it(
    tmp_path: Path, run_recipe: Run
) -> None:
    table = "file,name,kind\na,Anna,x\nb,Bob,y\nc,Carl,z\n"
    source = label_source(tmp_path, table, targets=["name", "kind"])
    result = run_recipe(recipe(tmp_path, {"s": source}))
    told = [note for note in result.account.sources[0].notes if "column 'name'" in note]
    assert told == [
        "column 'name' of t.csv not read: {name} is the file's own; give the column another name"
    ]
    targets = {key: one.targets for key, one in records(tmp_path / "out").items()}
    assert targets["a"] == {"name": "a.jpg", "kind": "x"}
    assert targets["c"] == {"kind": "z"}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"type": "image_folder", "path": "i", "text": {"image": "{stem}"}}, "text.image"),
        ({"type": "video_folder", "path": "i", "part": "voice", "sound": "voice"}, "part.voice"),
        (
            {
                "type": "csv",
                "path": "t.csv",
                "text": {"x": "a"},
                "media": {"x": {"path": "{a}.jpg"}},
            },
            "text.x",
        ),
        ({**CSV, "text": {"x": "a"}, "table": {"x": ["a"]}}, "table.x"),
    ],
)
def test_two_parts_of_one_name_are_refused(
    tmp_path: Path, run_recipe: Run, source: dict[str, Any], told: str
) -> None:
    with pytest.raises(RecipeError, match=f"{told}: a part of this name comes from"):
        run_recipe(recipe(tmp_path, {"s": source}))


def test_sound_before_the_clock_begins_is_left_out_however_many_frames_it_has() -> None:
    collected = audio._Track(None)

    def frame(time: float) -> Any:
        samples = np.full((1, 800), time + 1, np.float32)  # a tenth of a second
        return SimpleNamespace(
            to_ndarray=lambda: samples,
            format=SimpleNamespace(is_planar=True),
            layout=SimpleNamespace(channels=(1,)),
            sample_rate=8000,
            time=time,
        )

    for number in range(10):
        collected.add(frame(-0.45 + 0.1 * number), 0.0)
    samples = np.concatenate(collected.pieces)
    assert len(samples) == 4400
    assert samples[0, 0] == pytest.approx(0.95)


def test_a_picture_is_turned_whatever_profile_stands_before_its_exif() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", exif=exif, quality=95)
    data = buffer.getvalue()
    app2 = b"ICC_PROFILE\x00\x01\x01" + profile + bytes(8000)
    segment = b"\xff\xe2" + (len(app2) + 2).to_bytes(2, "big") + app2
    late = data[:2] + segment + data[2:]
    for one in (data, late):
        assert image.size(one) == (40, 60)
        assert image.has_exif(one)
        assert image.decode(one).shape == (60, 40, 3)
        assert np.abs(image.decode(one)[5, 35].astype(int) - (255, 0, 0)).max() < 40


@pytest.mark.parametrize(
    ("by", "values", "wanted"),
    [
        ("most_frequent", [["a", "b"], ["c"], ["c"], None], ["c"]),
        ("most_frequent", ["x", "y", "y", None], "y"),
        ("mean", ["x", "y", "y", None], "by: mean wants numbers, and 'y' holds 'x'"),
        ("mean", [["x"], ["y"], ["y"], None], "by: mean wants numbers"),
    ],
)
def test_what_stands_for_an_absent_target_is_of_its_kind(
    tmp_path: Path, run_recipe: Run, by: str, values: list[Any], wanted: Any
) -> None:
    lines = [json.dumps({"id": place, "y": value}) for place, value in enumerate(values)]
    write(tmp_path / "t.jsonl", "\n".join(lines))
    source = {"type": "jsonl", "path": "t.jsonl", "id": "{id}", "targets": ["y"]}
    value = recipe(tmp_path, {"s": source}, [{"clean.fill": {"target": "y", "by": by}}])
    if by == "mean":
        with pytest.raises(InputError, match=wanted):
            run_recipe(value)
    else:
        run_recipe(value)
        assert records(tmp_path / "out")["3"].targets == {"y": wanted}


@pytest.mark.parametrize(
    ("stages", "setting", "wanted"),
    [
        ("[clean.text]", "stages.0.min_words=3", "clean.text"),
        ("[{clean.text: {}}]", "stages.0.min_words=3", "clean.text"),
        ("[{clean.text: null}]", "stages.0.clean.text.min_words=3", "clean.text"),
        ("[clean.text]", "stages.clean.text.min_words=3", "clean.text"),
        ("[null]", "stages.0.min_words=3", None),
        ("[[a]]", "stages.0.min_words=3", None),
        ("[{3: {}}]", "stages.0.min_words=3", None),
        ("[null]", "stages.clean.text.min_words=3", None),
    ],
)
def test_an_option_of_a_stage_is_set_by_its_number_and_what_is_no_stage_is_told(
    tmp_path: Path, stages: str, setting: str, wanted: str | None
) -> None:
    text = f"name: x\nsources: {{s: {{type: csv, path: t.csv}}}}\nstages: {stages}\n"
    place = write(tmp_path / "r.yaml", text)
    if wanted is None:
        with pytest.raises(RecipeError):
            load_recipe(place, [setting])
        return
    found, _ = load_recipe(place, [setting])
    assert found.stages == [{wanted: {"min_words": 3}}]


def test_a_stray_cell_of_a_sheet_whose_first_column_has_no_name_is_a_reject(
    tmp_path: Path, run_recipe: Run
) -> None:
    book = openpyxl.Workbook()
    for row in ([None, "id", "note"], [0, "a", "fine"], [None, "b", "stray", "lost"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    source = {"type": "xlsx", "path": "t.xlsx", "id": "{id}", "text": {"note": "note"}}
    result = run_recipe(recipe(tmp_path, {"s": source}))
    assert set(records(tmp_path / "out")) == {"a"}
    assert result.account.sources[0].reasons == {"stray_columns": 1}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('["note"]\n["a"]\n\n["b"]\n', [2, 4]),
        ('\n{"note": "a"}\n\n{"note": "b"}\n', [2, 4]),
        ('[{"note": "a"},\n {"note": "b"}]', [1, 2]),
        ('[["note"],\n ["a"], ["b"]]', [2, 3]),
    ],
)
def test_a_row_is_told_by_its_line_or_its_place_in_the_array(
    tmp_path: Path, run_recipe: Run, text: str, rows: list[int]
) -> None:
    write(tmp_path / "t.jsonl", text)
    source = {"type": "jsonl", "path": "t.jsonl", "text": {"note": "note"}}
    run_recipe(recipe(tmp_path, {"s": source}))
    assert sorted(one.origin.row for one in records(tmp_path / "out").values()) == rows


def test_the_label_of_a_refused_file_is_no_record_without_a_file(
    tmp_path: Path, run_recipe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_folder, "_LARGEST_BYTES", 20)
    write(tmp_path / "n" / "a.txt", "short")
    write(tmp_path / "n" / "b.txt", "much longer than twenty bytes")
    write(tmp_path / "t.csv", "file,kind\na,x\nb,y\n")
    labels = {"path": "t.csv", "match": "{file}"}
    source = {"type": "text_folder", "path": "n", "id": "{stem}", "labels": labels}
    result = run_recipe(recipe(tmp_path, {"s": {**source, "targets": ["kind"]}}))
    assert set(records(tmp_path / "out")) == {"a"}
    assert result.account.sources[0].reasons == {"text_too_large": 1}
    assert result.account.problems() == []


def test_a_damaged_note_is_told_as_a_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="not a whole Arrow file"):
        read_note(write(tmp_path / "a.arrow", b"ARROW1 and no more"))
    with pytest.raises(IntegrityError, match="not a whole Arrow file"):
        read_note(tmp_path / "none.arrow")


def test_a_bare_column_as_the_split_is_told(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "t.csv", "who,text\na,one\nb,two\n")
    source = {**CSV, "text": {"x": "text"}, "split": "who"}
    with pytest.raises(InputError, match=r"split: 'who' is the name of a column.*write '{who}'"):
        run_recipe(recipe(tmp_path, {"s": source}))


def test_a_time_that_is_none_leaves_the_row_uncut(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "a.wav", wav(seconds=1.0))
    write(tmp_path / "t.csv", "id,from,to\na,nan,0.5\nb,0.2,N/A\nc,,\n")
    media = {"voice": {"path": "a.wav", "unlisted": "ignore"}}
    source = {**CSV, "id": "{id}", "media": media, "start": "from", "end": "to"}
    run_recipe(recipe(tmp_path, {"s": source}))
    spans = {
        key: (one.parts["voice"].start_s, one.parts["voice"].end_s)
        for key, one in records(tmp_path / "out").items()
    }
    assert spans == {"a": (None, 0.5), "b": (0.2, None), "c": (None, None)}
