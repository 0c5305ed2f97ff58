"""Folders of media with labels from a table, from folder names or from file names; timed text
beside them.
"""

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
from modalmill.stages import template
from modalmill.stages.base import Merged, Source, make
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
    rows = read(
        tmp_path,
        "audio_folder",
        path="wavs",
        labels={"path": "labels.csv", "match": "{file:stem}"},
        targets=["label"],
    )
    found = {
        row.record.origin.id: (sorted(row.record.parts), dict(row.record.targets))
        for row in rows
        if row.fault is None
    }
    assert found == {
        "a": (["audio"], {"label": "dog"}),
        "b": (["audio"], {"label": "cat"}),
        "nobody": (["audio"], {}),
        "lost": ([], {"label": "cow"}),
    }
    assert [row.fault.rule for row in rows if row.fault] == ["duplicate_id"]
    alone = {
        row.record.origin.id: [fault.rule for fault in row.unmatched]
        for row in rows
        if row.unmatched
    }
    assert alone == {"nobody": ["no_label_row"], "lost": ["no_audio_file"]}


def test_files_that_differ_in_their_ending_alone_need_it_in_their_id(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        write(tmp_path / "all" / name, wav(form=name[2:].upper()))
    clash = [row.fault for row in read(tmp_path, "audio_folder", path="all") if row.fault]
    assert [(fault.rule, "{path}{suffix}" in fault.message) for fault in clash] == [
        ("duplicate_id", True)
    ]
    rows = read(tmp_path, "audio_folder", path="all", id="{path}{suffix}")
    assert [row.record.origin.id for row in rows] == ["a.flac", "a.wav"]


def test_labels_come_from_folder_and_file_names(tmp_path: Path) -> None:
    for name in ("dog/1-rex", "dog/2-rex", "cat/1-tom"):
        write(tmp_path / "all" / f"{name}.wav", wav())
    write(tmp_path / "all" / "loose.wav", wav())
    rows = read(
        tmp_path,
        "audio_folder",
        path="all",
        parse="{label}/{take}-{who}",
        targets=["label", "take"],
        group="{who}",
    )
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
    assert {name: part.modality for name, part in row.record.parts.items()} == {
        "video": "video",
        "voice": "audio",
    }


def test_timed_text_beside_the_media_is_attached(tmp_path: Path) -> None:
    write(tmp_path / "v" / "a.mp4", mp4())
    write(tmp_path / "v" / "b.mp4", mp4())
    write(tmp_path / "v" / "a.align", "0 25000 one\n25000 37500 two\n")
    rows = read(tmp_path, "video_folder", path="v", cues={"words": "v/{stem}.align"})
    assert rows[0].record.parts["words"].cues == (Cue(0, 1, "one"), Cue(1, 1.5, "two"))
    assert rows[1].record.absent == {"words": "missing"}
    assert [(fault.rule, fault.value) for fault in rows[1].unmatched] == [
        ("no_words_file", "v/b.align")
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3_599_999),
            st.integers(0, 100_000),
            st.text("abc xyz", min_size=1, max_size=10).filter(str.strip),
        ),
        max_size=5,
    )
)
def test_subtitles_of_both_kinds_are_read_back(cues: list[tuple[int, int, str]]) -> None:
    def clock(millis: int, mark: str) -> str:
        return (
            f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:"
            f"{millis // 1000 % 60:02d}{mark}{millis % 1000:03d}"
        )

    srt = "".join(
        f"{n}\n{clock(a, ',')} --> {clock(a + b, ',')}\n<i>{text}</i>\n\n"
        for n, (a, b, text) in enumerate(cues, 1)
    )
    vtt = "WEBVTT\n\n" + "".join(
        f"{clock(a, '.')} --> {clock(a + b, '.')} align:start\r\n{text}\r\n\r\n"
        for a, b, text in cues
    )
    wanted = [(a / 1000, (a + b) / 1000, text.strip()) for a, b, text in cues]
    for text in (srt, vtt):
        assert [(cue.start_s, cue.end_s, cue.text) for cue in read_subtitles(text, "x")] == wanted


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("x.align", "0 one\n", "cues_damaged"),
        ("x.align", "50 10 one\n", "cues_damaged"),
        ("x.srt", "no cues", "cues_empty"),
    ],
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


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (
            "x.srt",
            "1\n00:00:01,000 --> 00:00:02,000\nhi\n2\n00:00:03,000 --> 00:00:04,000\nyou\n",
            [(1.0, 2.0, "hi"), (3.0, 4.0, "you")],
        ),
        (
            "x.srt",
            "1\n00:00:01,5 --> 00:00:02\n<i>if</i> a < b\n\nstill\n\n2\n"
            "0:00:03.000 --> 0:00:04.000\n42\n",
            [(1.5, 2.0, "if a < b still"), (3.0, 4.0, "42")],
        ),
        (
            "x.vtt",
            "WEBVTT\n\nNOTE no cue\n\n00:01.000 --> 00:02.000\n3\n\n00:03.000 --> 00:04.000\nis\n"
            "42\n\nNOTE end\nof it\n",
            [(1.0, 2.0, "3"), (3.0, 4.0, "is 42")],
        ),
        (
            "x.vtt",
            "WEBVTT\n\nid\n00:01.000 --> 00:02.000 align:start\n<v Ann>Tom &amp; <b>I</b>\n",
            [(1.0, 2.0, "Tom & I")],
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_subtitles_as_people_have_them(
    tmp_path: Path, name: str, text: str, wanted: list[tuple[float, float, str]], encoding: str
) -> None:
    found = read_cues(write(tmp_path / name, text.encode(encoding)))
    assert [(cue.start_s, cue.end_s, cue.text) for cue in found] == wanted


@pytest.mark.parametrize(
    ("parse", "told"),
    [
        ("{speaker}{text}", "nothing tells where 'speaker' ends and 'text' begins"),
        ("{take:.*}", "wanted a width"),
        ("{take:(a+)+}", "wanted a width"),
        ("{a b}-{c}", "the name of a field is letters"),
    ],
)
def test_a_pattern_that_guesses_or_blows_up_is_a_mistake(parse: str, told: str) -> None:
    source, problems = make("ingest.audio_folder", Source, {"path": "x", "parse": parse}, "here")  # type: ignore[type-abstract]
    assert source is None
    assert told in problems[0]


def test_names_without_separators_are_read_by_widths_and_bounded_patterns() -> None:
    found = template.pattern("{speaker:2}{text:3}{emotion:[A-Z]}{take}").fullmatch("03a01Fa")
    assert found is not None
    assert found.groupdict() == {"speaker": "03", "text": "a01", "emotion": "F", "take": "a"}


def test_a_misspelt_field_is_told_before_anything_is_read() -> None:
    source, problems = make("ingest.image_folder", Source, {"path": "x", "id": "{stemm}"}, "here")  # type: ignore[type-abstract]
    assert source is None
    assert "there is no field 'stemm'; did you mean 'stem'" in problems[0]


def test_sounds_in_the_containers_of_films_are_sounds(tmp_path: Path) -> None:
    from films import write_film

    (tmp_path / "a").mkdir()
    write_film(tmp_path / "a" / "film.mp4", seconds=0.5, flash_at=0.1)
    write(tmp_path / "a" / "sound.wav", wav())
    import av

    with (
        av.open(str(tmp_path / "a" / "film.mp4")) as source,
        av.open(str(tmp_path / "a" / "voice.mp4"), "w") as target,
    ):
        copy = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    rows = read(tmp_path, "audio_folder", path="a", id="{stem}")
    assert sorted(row.record.origin.id for row in rows) == ["sound", "voice"]


def test_a_folder_of_captions(tmp_path: Path) -> None:
    write(tmp_path / "c" / "one.txt", "déjà vu\n".encode("cp1252"))
    write(tmp_path / "c" / "two.caption", "plain")
    write(tmp_path / "c" / "none.txt", "")
    rows = read(tmp_path, "text_folder", path="c", id="{stem}")
    texts = {
        row.record.origin.id: getattr(row.record.parts.get("text"), "text", None) for row in rows
    }
    assert texts == {"one": "déjà vu\n", "two": "plain", "none": None}
