"""Tables are read as they really lie on disk; every row is a record or a counted reject."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import Row, read_manifest, table_to_records
from modalmill.stages.base import Merged
from modalmill.stages.ingest._columns import Media
from modalmill.stages.ingest._encoding import find_encoding
from modalmill.stages.ingest._table import find_dialect, read_rows
from modalmill.stages.ingest.csv import Csv
from tiny import csv_source, jpeg, recipe, write


def read(root: Path, **options: Any) -> tuple[list[Row], Counter[str], int]:
    tally: Counter[str] = Counter()
    rows, merged = [], 0
    for item in Csv(**options).read(root, "t", tally, lambda item: None):
        if isinstance(item, Merged):
            merged += item.count
        elif isinstance(item, Row):
            rows.append(item)
    assert sum(tally.values()) == len(rows) + merged
    return rows, tally, merged


cells = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r\ufeff\ufffd"), max_size=12
)


@settings(max_examples=200)
@given(
    st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_the_standard_writer_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[list[str]],
    mark: str,
    end: str,
    encoding: str,
) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=mark, lineterminator=end)
    writer.writerows([["first", "second", "third"], *table])
    path = write(tmp_path_factory.mktemp("csv") / "t.csv", buffer.getvalue().encode(encoding))
    rows = [
        row
        for row in read_rows(path, find_dialect(path, delimiter=mark, header=True, quoted=True))
        if row.fault != "empty_row"
    ]
    assert [list(row.cells.values()) for row in rows] == [row for row in table if any(row)]
    assert not any(row.fault for row in rows)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiter_and_header_are_found(tmp_path: Path, mark: str) -> None:
    lines = [
        ["id", "text", "label"],
        *([str(number), f"a text, number {number}; quite plain", "x"] for number in range(20)),
    ]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=mark).writerows(lines)
    dialect = find_dialect(write(tmp_path / "t.csv", buffer.getvalue()))
    assert (dialect.delimiter, dialect.header, dialect.has_header) == (
        mark,
        ("id", "text", "label"),
        True,
    )


def test_unquoted_bars_with_loose_quotes_are_found(tmp_path: Path) -> None:
    text = "".join(f'LJ-{number}|"Yes, he said|"Yes\n' for number in range(5))
    dialect = find_dialect(write(tmp_path / "t.csv", text), header=["id", "a", "b"])
    assert (dialect.delimiter, dialect.quoted) == ("|", False)
    assert [row.cells["b"] for row in read_rows(tmp_path / "t.csv", dialect)] == ['"Yes'] * 5


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"caf\xe9,\x93x\x94\n", "cp1252"),
        ("café".encode(), "utf-8"),
        ("\ufeffa".encode(), "utf-8-sig"),
        ("a".encode("utf-16"), "utf-16"),
    ],
)
def test_encoding_is_found(data: bytes, wanted: str) -> None:
    assert find_encoding(io.BytesIO(data)) == wanted


def test_one_broken_row_in_a_utf8_table_is_one_reject(tmp_path: Path) -> None:
    good = "".join(f"{number},naïve café número {number}\n" for number in range(30)).encode()
    write(tmp_path / "t.csv", b"id,text\n" + good + b"99,broken \xff here\n")
    rows, _, _ = read(tmp_path, path="t.csv", id="{id}", text="text")
    assert Counter(row.fault.rule if row.fault else "good" for row in rows) == {
        "good": 30,
        "invalid_utf8": 1,
    }


def test_a_next_line_character_inside_a_field_ends_no_row(tmp_path: Path) -> None:
    write(
        tmp_path / "t.csv", 'id,text\r\n1,one\x85still one\r\n2,two\n3,"quoted\nthree"\n'.encode()
    )
    rows, tally, _ = read(tmp_path, path="t.csv", id="{id}", text="text")
    assert tally["rows"] == 3
    assert [row.record.parts["text"].text for row in rows] == [
        "one\x85still one",
        "two",
        "quoted\nthree",
    ]


def test_every_bad_row_is_a_reject_with_its_place(tmp_path: Path) -> None:
    write(
        tmp_path / "t.csv",
        "id,text,label\na,one,x\n,two,x\na,three,x\nb,four,x,more,cells\nc\nd,,x\n",
    )
    rows, _, _ = read(tmp_path, path="t.csv", id="{id}", text={"words": "text"}, targets=["label"])
    found = [(row.record.origin.row, row.fault.rule if row.fault else "") for row in rows]
    assert found == [
        (2, ""),
        (3, "empty_id"),
        (4, "duplicate_id"),
        (5, "stray_columns"),
        (6, "missing_columns"),
        (7, ""),
    ]
    assert "words" not in rows[-1].record.parts
    assert rows[-1].record.absent == {"words": "absent"}


def test_stray_cells_can_be_joined_back(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "v1,v2,,\nham,hello, you, there\nspam,free,,\n")
    rows, _, _ = read(tmp_path, path="t.csv", text="v2", targets={"label": "v1"}, stray="join")
    assert [row.record.parts["text"].text for row in rows] == ["hello, you, there", "free"]


def test_media_are_matched_on_both_sides(tmp_path: Path) -> None:
    for name in ("a", "b", "orphan"):
        write(tmp_path / "img" / f"{name}.jpg", jpeg())
    write(tmp_path / "t.csv", "file,label\na,1\nb,2\nlost,3\n")
    rows, tally, merged = read(
        tmp_path,
        path="t.csv",
        id="{file}",
        media={"image": Media(path="img/{file}.jpg")},
        targets=["label"],
    )
    assert [sorted(row.record.parts) for row in rows] == [["image"], ["image"], [], ["image"]]
    assert rows[2].record.absent == {"image": "missing"}
    assert rows[3].record.targets == {}
    assert (tally["media files"], merged) == (3, 2)
    assert [[(fault.rule, fault.value) for fault in row.unmatched] for row in rows] == [
        [],
        [],
        [("no_image_file", "img/lost.jpg")],
        [("no_row", "img/orphan.jpg")],
    ]


def test_a_name_that_stands_twice_in_a_header_gets_a_number(tmp_path: Path) -> None:
    write(tmp_path / "v.csv", "a,a,b,a\nwords,and,more,words\n")
    with pytest.raises(InputError, match="not taken for a header.*set header: true"):
        read(tmp_path, path="v.csv", text="a")
    write(tmp_path / "t.csv", "a,a,b,a\n1,2,3,4\n")
    write(tmp_path / "u.csv", "id,id_type,id,id_3,id\n1,2,3,4,5\n")
    rows, _, _ = read(tmp_path, path="u.csv", header=True, targets=["id_2", "id_3", "id_4"])
    assert [row.record.targets for row in rows] == [{"id_2": "3", "id_3": "4", "id_4": "5"}]
    rows, _, _ = read(tmp_path, path="t.csv", header=True, targets=["a", "a_2", "b", "a_3"])
    assert [row.record.targets for row in rows] == [{"a": "1", "a_2": "2", "b": "3", "a_3": "4"}]


@pytest.mark.parametrize("cell", ["../secret.jpg", "/etc/hostname", "link.jpg"])
def test_a_path_that_leaves_the_root_is_a_reject(tmp_path: Path, cell: str) -> None:
    root = tmp_path / "data"
    write(tmp_path / "secret.jpg", jpeg())
    write(root / "t.csv", f"file\n{cell}\n")
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    rows, _, _ = read(root, path="t.csv", media={"image": Media(path="{file}", modality="image")})
    assert rows[0].fault is not None
    assert rows[0].fault.rule == "path_outside_root"


def test_times_numbers_and_groups_are_read(tmp_path: Path) -> None:
    write(
        tmp_path / "t.csv",
        'who,from,to,year\nann,"00:20:57,256",00:21:00.5,1912\nann,1.5,2.5,\nbob,x,2,7\n',
    )
    rows, _, _ = read(
        tmp_path,
        path="t.csv",
        group="{who}",
        start="from",
        end="to",
        numbers=["year"],
        targets=["who"],
    )
    assert rows[0].record.targets == {
        "who": "ann",
        "year": 1912.0,
        "start_s": 1257.256,
        "end_s": 1260.5,
    }
    assert "year" not in rows[1].record.targets
    assert rows[0].record.group == rows[1].record.group == "t-ann"
    assert rows[2].fault is not None
    assert rows[2].fault.rule == "bad_value"


def test_an_endless_line_is_one_clear_error(tmp_path: Path) -> None:
    with open(tmp_path / "t.csv", "wb") as file:
        file.truncate(20 << 20)
    with pytest.raises(InputError, match="no end within"):
        read(tmp_path, path="t.csv")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("none.csv", None, "there is no such table"),
        ("empty.csv", "", "the table is empty"),
        ("t.csv", "a,b\n1,2\n", "no column 'txt'"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_error(
    tmp_path: Path, name: str, data: str | None, words: str
) -> None:
    if data is not None:
        write(tmp_path / name, data)
    with pytest.raises(InputError, match=words):
        read(tmp_path, path=name, text="txt")


def test_cells_that_run_over_hundreds_of_lines_are_one_cell(tmp_path: Path) -> None:
    cells = [
        "\n".join(f"line {number}, of {row}; | and more" for number in range(400))
        for row in range(12)
    ]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["resume", "job"], *([cell, "cook"] for cell in cells)])
    write(tmp_path / "t.csv", buffer.getvalue())
    rows, _, _ = read(tmp_path, path="t.csv", text="resume", targets=["job"])
    assert [row.record.parts["text"].text for row in rows if row.fault is None] == cells


def test_paths_of_another_system_lead_to_the_file_that_they_end_in(tmp_path: Path) -> None:
    write(tmp_path / "img" / "one.jpg", jpeg())
    write(tmp_path / "t.csv", "file,n\nC:\\Users\\me\\one.jpg,1\n")
    rows, _, _ = read(
        tmp_path,
        path="t.csv",
        media={"a": Media(path="img/{file:name}"), "b": Media(path="img/{file:stem}.jpg")},
    )
    assert [part.uri for part in rows[0].record.parts.values()] == ["img/one.jpg"] * 2


def test_a_whole_path_is_taken_where_it_lies_below_the_data_root(tmp_path: Path) -> None:
    inside = write(tmp_path / "raw" / "img" / "a.jpg", jpeg())
    outside = write(tmp_path / "b.jpg", jpeg())
    write(tmp_path / "raw" / "t.csv", f"id,file\n1,{inside}\n2,{outside}\n3,img/a.jpg\n")
    media = {"image": Media(path="{file}")}
    rows, _, _ = read(tmp_path / "raw", path="t.csv", id="{id}", media=media)
    uris = [row.record.parts["image"].uri for row in rows if row.fault is None]
    assert uris == ["img/a.jpg", "img/a.jpg"]
    assert [row.fault.rule for row in rows if row.fault] == ["path_outside_root"]


def test_a_name_that_stands_twice_in_a_header_leaves_it_a_header(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    rows = [f"words {number},{'ab'[number % 2]},{'cd'[number % 2]}" for number in range(20)]
    write(tmp_path / "t.csv", "\n".join(["text,label,label", *rows]))
    source = {"type": "csv", "path": "t.csv", "text": "text", "targets": ["label", "label_2"]}
    result = run_recipe(recipe(tmp_path, {"t": source}, shard=None))
    assert result.account.sources[0].written == 20
    # values that come again in their columns are no names
    write(tmp_path / "u.csv", "\n".join(["yes,yes,no", *["yes,no,no", "no,yes,yes"] * 10]))
    assert not find_dialect(tmp_path / "u.csv").has_header


def test_cells_that_say_that_there_is_nothing_are_told_or_empty(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "t.csv", "id,text,y\n1,one,NA\n2,NA,a\n3,three,NULL\n4,four,a\n")
    source = csv_source("text", targets=["y"])
    count = run_recipe(recipe(tmp_path, {"t": source}, shard=None)).account.sources[0]
    told = {note: times for note, times in count.notes.items() if "cells that say" in note}
    assert sorted(told.values()) == [1, 2]
    assert any("absent: ['NA'] makes them empty" in note for note in told)
    source["absent"] = ["NA", "NULL"]
    run_recipe(recipe(tmp_path, {"t": source}, shard=None))
    records = {
        record.origin.id: record for record in table_to_records(read_manifest(tmp_path / "out"))
    }
    assert [dict(records[name].targets) for name in "134"] == [{}, {}, {"y": "a"}]
    assert "text" not in records["2"].parts


def test_quotes_that_are_letters_are_found_to_be_and_marks_stay_marks(tmp_path: Path) -> None:
    """As Common Voice writes its tables: tabs, and sentences with quotes of their own."""
    said = ['"No", said he', '"All of it"', "plain", 'a "half', '"Is it?" she asked']
    lines = ["path\tsentence\tlocale", *(f"{n}.mp3\t{said[n % 5]} {n}\tde" for n in range(60))]
    write(tmp_path / "t.tsv", "\n".join(lines) + "\n")
    dialect = find_dialect(tmp_path / "t.tsv")
    assert not dialect.quoted
    found = [row.cells["sentence"] for row in read_rows(tmp_path / "t.tsv", dialect)]
    assert found == [f"{said[n % 5]} {n}" for n in range(60)]
    marked = [f'{n}.mp3\t"say ""{n}"" and\ttab"\tde' for n in range(50)] + [
        'x\t"No", said he\tde'
    ] * 3
    write(tmp_path / "u.tsv", "\n".join([lines[0], *marked]) + "\n")
    dialect = find_dialect(tmp_path / "u.tsv")
    assert dialect.quoted
    rows = list(read_rows(tmp_path / "u.tsv", dialect))
    assert rows[0].cells["sentence"] == 'say "0" and\ttab'
    assert [row.fault for row in rows[50:]] == ["broken_quotes"] * 3
    assert "where quotes are letters, set quoted: false" in rows[50].found
    assert "'\\t' expected" in rows[50].found


def test_a_first_row_that_names_a_file_is_no_header(tmp_path: Path) -> None:
    write(tmp_path / "t.txt", "".join(f"a{n}.jpg#{n % 5}\tA girl in a dress .\n" for n in range(9)))
    dialect = find_dialect(tmp_path / "t.txt")
    assert not dialect.has_header
    assert len(list(read_rows(tmp_path / "t.txt", dialect))) == 9


def test_a_file_that_is_called_like_the_id_of_a_row_has_a_key_of_its_own(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "p" / "a.jpg", jpeg(seed=1))
    write(tmp_path / "p" / "b.jpg", jpeg(seed=2))
    write(tmp_path / "t.csv", "id,file\np/a.jpg,b\n")
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "media": {"image": {"path": "p/{file}.jpg"}},
    }
    run_recipe(recipe(tmp_path, {"t": source}))
    keys = [record.key for record in table_to_records(read_manifest(tmp_path / "out"))]
    assert len(set(keys)) == 2
