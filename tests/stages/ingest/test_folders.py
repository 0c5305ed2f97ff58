"""Folders of media with labels from a table, from folder names or from file names; timed text beside them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.errors import DamageError
from modalmill.schemas.manifest import Row
from modalmill.schemas.record import Cue
from modalmill.stages.base import Merged, Source, make
from modalmill.stages.ingest import _template as template
from modalmill.stages.ingest._cues import read_align, read_cues, read_subtitles
from tiny import mp4, wav, write


def read(root: Path, kind: str, **options: Any) -> list[Row]:
    source, problems = make(f"ingest.{kind}", Source, options, "here")  # type: ignore[type-abstract]
    assert source is not None, problems
    tally: Counter[str] = Counter()
    items = list(source.read(root, "s", tally, lambda item: None))
    merged = sum(item.count for item in items if isinstance(item, Merged))
    rows = [item for item in items if isinstance(item, Row)]
    assert sum(tally.values()) == len(rows) + merged
    return rows


def test_labels_come_from_a_table_and_both_sides_are_kept(tmp_path: Path) -> None:
    for name in ("a", "b", "nobody"):
        write(tmp_path / "wavs" / f"{name}.wav", wav())
    write(tmp_path / "labels.csv", "file,label\na.wav,dog\nb.wav,cat\nlost.wav,cow\na.wav,again\n")
    rows = read(tmp_path, "audio_folder", path="wavs", labels={"path": "labels.csv", "match": "{file:stem}"}, targets=["label"])
    found = {row.record.origin.id: (sorted(row.record.parts), dict(row.record.targets)) for row in rows if row.fault is None}
    assert found == {
        "a": (["audio"], {"label": "dog"}),
        "b": (["audio"], {"label": "cat"}),
        "nobody": (["audio"], {}),
        "lost": ([], {"label": "cow"}),
    }
    assert [row.fault.rule for row in rows if row.fault] == ["duplicate_id"]
    alone = {row.record.origin.id: [fault.rule for fault in row.unmatched] for row in rows if row.unmatched}
    assert alone == {"nobody": ["no_label_row"], "lost": ["no_audio_file"]}


def test_files_that_differ_in_their_ending_alone_need_it_in_their_id(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        write(tmp_path / "all" / name, wav(form=name[2:].upper()))
    clash = [row.fault for row in read(tmp_path, "audio_folder", path="all") if row.fault]
    assert [(fault.rule, "{path}{suffix}" in fault.message) for fault in clash] == [("duplicate_id", True)]
    rows = read(tmp_path, "audio_folder", path="all", id="{path}{suffix}")
    assert [row.record.origin.id for row in rows] == ["a.flac", "a.wav"]


def test_labels_come_from_folder_and_file_names(tmp_path: Path) -> None:
    for name in ("dog/1-rex", "dog/2-rex", "cat/1-tom"):
        write(tmp_path / "all" / f"{name}.wav", wav())
    write(tmp_path / "all" / "loose.wav", wav())
    rows = read(tmp_path, "audio_folder", path="all", parse="{label}/{take}-{who}", targets=["label", "take"], group="{who}")
    good = [row.record for row in rows if row.fault is None]
    assert [(record.targets["label"], record.targets["take"], record.group) for record in good] == [
        ("cat", "1", "s-tom"),
        ("dog", "1", "s-rex"),
        ("dog", "2", "s-rex"),
    ]
    assert [row.fault.rule for row in rows if row.fault] == ["name_mismatch"]


def test_the_sound_inside_a_video_is_a_part_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "v" / "a.mp4", mp4())
    row = read(tmp_path, "video_folder", path="v", sound="voice")[0]
    assert {name: part.modality for name, part in row.record.parts.items()} == {"video": "video", "voice": "audio"}


def test_timed_text_beside_the_media_is_attached(tmp_path: Path) -> None:
    write(tmp_path / "v" / "a.mp4", mp4())
    write(tmp_path / "v" / "b.mp4", mp4())
    write(tmp_path / "v" / "a.align", "0 25000 one\n25000 37500 two\n")
    rows = read(tmp_path, "video_folder", path="v", cues={"words": "v/{stem}.align"})
    assert rows[0].record.parts["words"].cues == (Cue(0, 1, "one"), Cue(1, 1.5, "two"))
    assert rows[1].record.absent == {"words": "missing"}
    assert [(fault.rule, fault.value) for fault in rows[1].unmatched] == [("no_words_file", "v/b.align")]


@given(
    st.lists(st.tuples(st.integers(0, 3_599_999), st.integers(0, 100_000), st.text("abc xyz", min_size=1, max_size=10).filter(str.strip)), max_size=5)
)
def test_subtitles_of_both_kinds_are_read_back(cues: list[tuple[int, int, str]]) -> None:
    def clock(millis: int, mark: str) -> str:
        return f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:{millis // 1000 % 60:02d}{mark}{millis % 1000:03d}"

    srt = "".join(f"{n}\n{clock(a, ',')} --> {clock(a + b, ',')}\n<i>{text}</i>\n\n" for n, (a, b, text) in enumerate(cues, 1))
    vtt = "WEBVTT\n\n" + "".join(f"{clock(a, '.')} --> {clock(a + b, '.')} align:start\r\n{text}\r\n\r\n" for a, b, text in cues)
    wanted = [(a / 1000, (a + b) / 1000, text.strip()) for a, b, text in cues]
    for text in (srt, vtt):
        assert [(cue.start_s, cue.end_s, cue.text) for cue in read_subtitles(text, "x")] == wanted


@pytest.mark.parametrize(
    ("name", "text", "rule"), [("x.align", "0 one\n", "cues_damaged"), ("x.align", "50 10 one\n", "cues_damaged"), ("x.srt", "no cues", "cues_empty")]
)
def test_damaged_timed_text_is_a_reject(tmp_path: Path, name: str, text: str, rule: str) -> None:
    with pytest.raises(DamageError) as caught:
        read_cues(write(tmp_path / name, text))
    assert caught.value.rule == rule


def test_grid_units_are_a_twenty_five_thousandth_of_a_second() -> None:
    assert read_align("23750 29500 bin", "x") == [Cue(0.95, 1.18, "bin")]


@given(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.from_regex(r"[0-9]{1,5}", fullmatch=True))
def test_a_template_reads_back_what_it_filled(word: str, number: str) -> None:
    filled = template.fill("{word}_{number}.wav", {"word": word, "number": number})
    match = template.pattern("{word}_{number}.wav").fullmatch(filled)
    assert match is not None
    assert match.groupdict() == {"word": word, "number": number}
