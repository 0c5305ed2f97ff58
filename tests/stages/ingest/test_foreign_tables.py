"""Tables as people have them: dialects, encodings, forms and containers that the code's author did
not choose.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import Row
from modalmill.stages.base import Merged, Noted, Source, make
from modalmill.stages.ingest._encoding import find_encoding
from modalmill.stages.ingest._table import find_dialect, read_rows
from tiny import jpeg, write

WORDS = st.text(st.sampled_from("abcdefgh ,;'.-é\n\"|"), max_size=14)


def read(root: Path, kind: str, **options: Any) -> tuple[list[Row], Counter[str]]:
    """The rows of a source and what it notes; every raw item is accounted for."""
    source, problems = make(f"ingest.{kind}", Source, options, "here")  # type: ignore[type-abstract]
    assert source is not None, problems
    tally: Counter[str] = Counter()
    items = list(source.read(root, "s", tally, lambda item: None))
    rows = [item for item in items if isinstance(item, Row)]
    assert sum(tally.values()) == len(rows) + sum(
        item.count for item in items if isinstance(item, Merged)
    )
    notes = Counter({item.what: item.count for item in items if isinstance(item, Noted)})
    return rows, notes + Counter(row.note for row in rows if row.note)


def contents(rows: list[Row]) -> list[tuple[str, str | None, dict[str, Any]]]:
    return [
        (
            row.record.origin.id,
            getattr(row.record.parts.get("t"), "text", None),
            dict(row.record.targets),
        )
        for row in rows
        if row.fault is None
    ]


SOURCE: dict[str, Any] = {"id": "{id}", "text": {"t": "text"}, "targets": ["label"]}
WANTED = [("1", "a, b", {"label": "x"}), ("2", "c", {"label": "y"})]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6),
    st.sampled_from([1, 40, 400]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(0, 3),
)
def test_a_well_formed_table_is_read_as_the_standard_reader_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    some: list[tuple[str, str]],
    times: int,
    mark: str,
    quoting: Any,
    more: int,
) -> None:
    """However long it is, whatever its cells hold, one or all of them in quotes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=mark, quoting=quoting)
    writer.writerow(["number", "text", "label", *(f"more{place}" for place in range(more))])
    table = [
        [str(number), *some[number % len(some)], *["7"] * more]
        for number in range(max(times, len(some)))
    ]
    writer.writerows(table)
    path = write(tmp_path_factory.mktemp("t") / "t.csv", buffer.getvalue())
    assert [list(row.cells.values()) for row in read_rows(path, find_dialect(path))] == table


def test_one_quoted_cell_with_commas_in_each_row_of_a_long_table(tmp_path: Path) -> None:
    """Without its quotes the table is wider by a column, in every row but the header."""
    lines = ["file,words,label"] + [
        f'{number:04}.wav,"one, two",{number % 7}' for number in range(535)
    ]
    rows, _ = read(
        tmp_path,
        "csv",
        path=write(tmp_path / "t.csv", "\n".join(lines)).name,
        id="{file}",
        text={"t": "words"},
        targets=["label"],
    )
    assert [row.fault for row in rows] == [None] * 535
    assert rows[0].record.parts["t"].text == "one, two"


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ("sep=;\nid;text;label\n1;a, b;x\n2;c;y\n", "lines above the header passed over"),
        (
            'My table of 2026\n\nid,text,label\n1,"a, b",x\n2,c,y\n',
            "lines above the header passed over",
        ),
        (
            ',id,text,label\n0,1,"a, b",x\n1,2,c,y\n',
            "the first column has no name and is passed over",
        ),
        ('id,text,label\n1,"a, b",x\nid,text,label\n2,c,y\n', None),
    ],
)
def test_what_excel_pandas_and_cat_add_to_a_table(
    tmp_path: Path, text: str, noted: str | None
) -> None:
    rows, notes = read(tmp_path, "csv", path=write(tmp_path / "t.csv", text).name, **SOURCE)
    assert contents(rows) == WANTED
    assert (
        noted in notes
        if noted
        else [row.fault.rule for row in rows if row.fault] == ["repeated_header"]
    )


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_tables(tmp_path: Path, pack: Any) -> None:
    write(tmp_path / "t.csv.x", pack(b'id,text,label\n1,"a, b",x\n2,c,y\n'))
    write(
        tmp_path / "t.jsonl.x",
        pack(b'{"id": 1, "text": "a, b", "label": "x"}\n{"id": 2, "text": "c", "label": "y"}\n'),
    )
    assert contents(read(tmp_path, "csv", path="t.csv.x", **SOURCE)[0]) == WANTED
    assert contents(read(tmp_path, "jsonl", path="t.jsonl.x", **SOURCE)[0]) == WANTED


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": 1, "text": "a, b", "label": "x"},{"id": 2, "text": "c", "label": "y"}]',
        '[\n {"id": 1, "text": "a, b", "label": "x"},\n {"id": 2.0, "text": "c", "label": "y"}\n'
        "]\n",
        '[["id", "text", "label"], [1, "a, b", "x"], [2, "c", "y"]]',
        '["id", "text", "label"]\n[1, "a, b", "x"]\n[2, "c", "y"]\n',
        '\ufeff{"id": 1, "text": "a, b", "label": "x"}\n\n{"id": 2, "text": "c", "label": "y"}\n',
    ],
)
def test_json_lines_and_arrays(tmp_path: Path, text: str) -> None:
    assert (
        contents(read(tmp_path, "jsonl", path=write(tmp_path / "t.json", text).name, **SOURCE)[0])
        == WANTED
    )


def test_parquet_arrow_and_folders_of_them(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "text": ["a, b", "c"],
            "label": ["x", "y"],
            "meta": [{"n": 1.0}, {"n": None}],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "t.feather")
    (tmp_path / "parts").mkdir()
    for number in range(2):
        pq.write_table(table.slice(number, 1), tmp_path / "parts" / f"{number}.parquet")
    for path in ("t.parquet", "t.feather", "parts"):
        rows, _ = read(tmp_path, "parquet", path=path, **SOURCE, numbers={"n": "{meta.n}"})
        assert contents(rows) == [
            ("1", "a, b", {"label": "x", "n": 1.0}),
            ("2", "c", {"label": "y"}),
        ]
    with pytest.raises(
        InputError, match=r"no column 'texxt' \(did you mean 'text'\?\); it has id, text, label"
    ):
        read(tmp_path, "parquet", path="t.parquet", id="{id}", text={"t": "texxt"})


def test_an_excel_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a title"])
    for row in (["id", "text", "label"], [1, "a, b", "x"], [None, None, None], [2.0, "c", "y"]):
        book.active.append(row)
    book.create_sheet("other").append(["id", "text", "label"])
    book.save(tmp_path / "t.xlsx")
    rows, notes = read(tmp_path, "xlsx", path="t.xlsx", **SOURCE)
    assert contents(rows) == WANTED
    assert sorted(notes) == [
        "lines above the header passed over",
        "the first of 2 sheets is read, 'Sheet'; set sheet to say otherwise",
    ]
    with pytest.raises(InputError, match="there is no sheet 'othr'; did you mean 'other'"):
        read(tmp_path, "xlsx", path="t.xlsx", sheet="othr", **SOURCE)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PAR1xxxx", "is Parquet, not text; use type: parquet"),
        (b"PK\x03\x04xxxx", "use type: xlsx"),
        (b"SQLite format 3", "SQLite"),
    ],
)
def test_a_file_that_is_no_text_is_called_what_it_is(
    tmp_path: Path, data: bytes, told: str
) -> None:
    write(tmp_path / "t.csv", data)
    for kind in ("csv", "jsonl"):
        with pytest.raises(InputError, match=told):
            read(tmp_path, kind, path="t.csv", **SOURCE)


ENCODED = {
    "iso2022_jp": "猫が座っている",
    "cp932": "猫が座っている",
    "euc_jp": "猫が座っている マットの上",
    "gb18030": "一只猫坐在垫子上",
    "big5": "一隻貓坐在墊子上面看書",
    "cp949": "고양이가 매트 위에 앉아 있다",
    "koi8_r": "кошка сидит на коврике",
    "cp1251": "кошка сидит на коврике",
    "iso8859_2": "żółta łódź płynie",
    "cp1250": "Příliš žluťoučký kůň",
    "cp1252": "un café à Paris – “déjà vu”",
    "cp1253": "η γάτα κάθεται στο χαλί",
    "cp1254": "kedi halının üstünde şöyle",
    "cp1255": "החתול יושב על המחצלת",
    "cp1256": "القط يجلس على السجادة",
    "cp874": "แมวนั่งอยู่บนเสื่อ",
    "utf-16": "naïve ❖",
    "utf-16-le": "a plain text",
    "utf-8": "naïve ❖",
    "utf-8-sig": "naïve ❖",
}


@pytest.mark.parametrize("rows", [1, 60])
@pytest.mark.parametrize("encoding", ENCODED)
def test_a_table_is_read_in_its_own_encoding_and_that_is_told(
    tmp_path: Path, encoding: str, rows: int
) -> None:
    lines = [
        "id,text,label",
        *(f"{number},{ENCODED[encoding]} {number},x" for number in range(rows)),
    ]
    write(tmp_path / "t.csv", "\n".join(lines).encode(encoding))
    found, notes = read(tmp_path, "csv", path="t.csv", **SOURCE)
    assert [text for _, text, _ in contents(found)] == [
        f"{ENCODED[encoding]} {number}" for number in range(rows)
    ]
    assert any("found from its bytes; set encoding" in note for note in notes) == (
        not encoding.startswith("utf-8")
    )


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "Jó reggelt, hol a kabátom? Őszi eső esik az erdőben."),
        ("iso8859_2", "Árvíztűrő tükörfúrógép, köszönöm szépen."),
        ("cp1252", "La città è bella ma c'è molto traffico, così tornerò lunedì."),
        ("cp1252", "Það er gott veður í dag og maðurinn er með hest."),
        ("cp1252", "Ele pagou dois milhões de dólares à vista."),
        ("cp1252", "Vajza është në shtëpi dhe çanta është e kuqe."),
        ("cp1257", "Meitene ēd ābolu parkā, paldies par vakariņām."),
        ("cp1257", "Tüdruk sööb õuna, šokolaad ja žurnaal on laual, tere õhtust."),
        ("cp1250", "Djevojčica čeka vlak na mostu."),
        ("cp1250", "Auto stojí před domem číslo sedm."),
        ("cp1250", "Pociąg do Łodzi odjeżdża o piątej."),
        ("cp1250", "Fata mănâncă un măr în parc, bună dimineaţa."),
        ("koi8_u", "Дівчинка їсть яблуко, моє пальто у шафі."),
        ("koi8_r", "Цена: 100 руб."),
        ("euc_jp", "女の子が公園でりんごを食べている。"),
        ("gb18030", "谢谢你的晚餐。"),
        ("cp1256", "شكرا على العشاء."),
        # some of it decoded wrongly before it was written
        ("cp1252", "Das MÃ¤dchen lÃ¤uft ins cafÃ©, déjà vu"),
    ],
)
def test_one_sentence_is_enough_for_most_languages(encoding: str, text: str) -> None:
    """What is read counts: cp1250 and iso8859_2 differ in few letters, and in none of some."""
    data = f'id,text,label\n1,"{text}",x\n'.encode(encoding)
    assert text in data.decode(find_encoding(io.BytesIO(data)))


def test_what_encodings_a_folder_of_texts_was_read_in_is_told(tmp_path: Path) -> None:
    for name, encoding in (("a", "koi8_r"), ("b", "koi8_r"), ("c", "cp932"), ("d", "utf-8")):
        write(tmp_path / "texts" / f"{name}.txt", ENCODED[encoding].encode(encoding))
    write(tmp_path / "texts" / "e.txt", "plain")
    _, notes = read(tmp_path, "text_folder", path="texts")
    assert notes == {
        "files read as cp932, found from their bytes": 1,
        "files read as koi8_r, found from their bytes": 2,
    }


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1), st.integers(0, 3))
def test_what_decodes_as_utf_8_is_utf_8(text: str, replaced: int) -> None:
    """Also where somebody damaged texts before and left U+FFFD in them."""
    data = (text + "\ufffd" * replaced + "é").encode("utf-8", "ignore")
    assert find_encoding(io.BytesIO(data)) in ("utf-8", "utf-8-sig")


def test_bytes_that_are_no_text_cost_their_row(tmp_path: Path) -> None:
    write(
        tmp_path / "t.csv",
        "id,text,label\n".encode("cp932")
        + "1,猫,x\n".encode("cp932")
        + b"2,\x81,y\n"
        + b"3,dog,z\n",
    )
    rows, _ = read(tmp_path, "csv", path="t.csv", encoding="cp932", **SOURCE)
    assert [row.fault.rule if row.fault else "" for row in rows] == ["", "invalid_bytes", ""]


ABSENT: list[Any] = [None, float("nan"), "", "  ", "no such key"]


@pytest.mark.parametrize("value", ABSENT)
def test_absent_is_absent_in_every_spelling(tmp_path: Path, value: Any) -> None:
    """A missing key, null, NaN, an empty cell; alone, behind a prefix, in a list, as a number, a
    group or a split.
    """
    write(tmp_path / "img" / "0.jpg", jpeg())
    whole = {
        "id": 0,
        "file": "0.jpg",
        "place": "Rome",
        "n": 3,
        "answers": ["a", "b"],
        "group": "g",
        "split": "train",
    }
    lacking = (
        {"id": 1}
        if value == "no such key"
        else dict.fromkeys(whole, value) | {"id": 1, "answers": [value, "b"]}
    )
    write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in (whole, lacking)))
    options: dict[str, Any] = {
        "id": "{id}",
        "text": {"t": "a photo of {place}"},
        "media": {"image": {"path": "img/{file}"}},
        "numbers": {"n": "{n}"},
        "targets": {"kind": "class-{place}", "answers": "{answers}"},
        "group": "{group}",
        "split": "{split}",
    }
    rows, _ = read(tmp_path, "jsonl", path="t.jsonl", **options)
    assert [row.fault for row in rows] == [None, None]
    first, second = (row.record for row in rows)
    assert (sorted(first.parts), first.targets) == (
        ["image", "t"],
        {"kind": "class-Rome", "answers": ["a", "b"], "n": 3.0},
    )
    assert (sorted(second.parts), dict(second.absent)) == ([], {"image": "absent", "t": "absent"})
    assert second.targets == ({} if value == "no such key" else {"answers": ["b"]})
    assert (second.group, second.split) == (second.key, None)
    if value in ("", "  "):
        del options["targets"]["answers"]
        write(
            tmp_path / "t.csv",
            "id,file,place,n,group,split\n0,0.jpg,Rome,3,g,train\n"
            + f"1,{value},{value},{value},{value},{value}\n",
        )
        rows, _ = read(tmp_path, "csv", path="t.csv", **options)
        assert [sorted(row.record.parts) for row in rows] == [["image", "t"], []]
        assert rows[1].record.targets == {}


def test_a_cell_that_holds_no_number_costs_itself_and_is_told(tmp_path: Path) -> None:
    write(
        tmp_path / "t.jsonl",
        "".join(
            json.dumps({"id": n, "n": value}) + "\n"
            for n, value in enumerate([1, True, "NaN", "1,5", 2.5])
        ),
    )
    rows, _ = read(tmp_path, "jsonl", path="t.jsonl", id="{id}", numbers=["n"])
    assert [row.record.targets.get("n") for row in rows] == [1.0, None, None, None, 2.5]
    assert [bool(row.unmatched) for row in rows] == [False, True, False, True, False]


def test_one_number_is_one_class_however_json_writes_it(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", '{"c": 1}\n{"c": 1.0}\n{"c": 1e0}\n{"c": 1.5}\n')
    rows, _ = read(tmp_path, "jsonl", path="t.jsonl", targets=["c"])
    assert [row.record.targets["c"] for row in rows] == ["1", "1", "1", "1.5"]


def test_a_name_that_no_row_has_is_a_mistake(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", '{"id": 1, "text": "a"}\n')
    with pytest.raises(InputError, match="no row has 'texxt'"):
        read(tmp_path, "jsonl", path="t.jsonl", id="{id}", text={"t": "texxt"})


@pytest.mark.parametrize(
    ("on_disk", "written"),
    [
        (unicodedata.normalize("NFD", "café.jpg"), unicodedata.normalize("NFC", "café.jpg")),
        ("UP.JPG", "up.jpg"),
        ("sub/b.jpg", "sub\\b.jpg"),
        ("Sub/B.jpg", "SUB\\b.JPG"),
    ],
)
def test_a_file_whose_name_is_written_in_another_form_is_taken_and_told(
    tmp_path: Path, on_disk: str, written: str
) -> None:
    write(tmp_path / "img" / on_disk, jpeg())
    write(tmp_path / "t.jsonl", json.dumps({"file": written}) + "\n")
    rows, notes = read(tmp_path, "jsonl", path="t.jsonl", media={"image": {"path": "img/{file}"}})
    assert [row.record.parts["image"].uri for row in rows] == [f"img/{on_disk}"]
    assert any("another form" in note for note in notes)


def test_of_two_files_that_could_be_meant_none_is_taken(tmp_path: Path) -> None:
    for name in ("A.jpg", "a.JPG"):
        write(tmp_path / "img" / name, jpeg())
    write(tmp_path / "t.jsonl", '{"file": "a.jpg"}\n')
    rows, _ = read(tmp_path, "jsonl", path="t.jsonl", media={"image": {"path": "img/{file}"}})
    assert "image" not in rows[0].record.parts
    assert len(rows) == 3


def test_parts_of_one_folder_share_its_files_and_count_each_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "stray"):
        write(tmp_path / "img" / f"{name}.jpg", jpeg())
    write(tmp_path / "img" / "notes.txt", "x")
    write(tmp_path / "t.csv", "id,left,right\n1,a,b\n2,b,c\n")
    media = {"left": {"path": "img/{left}.jpg"}, "right": {"path": "img/{right}.jpg"}}
    rows, notes = read(tmp_path, "csv", path="t.csv", id="{id}", media=media)
    assert [
        (sorted(row.record.parts), [fault.rule for fault in row.unmatched]) for row in rows
    ] == [
        (["left", "right"], []),
        (["left", "right"], []),
        (["left"], ["no_row"]),
    ]
    assert notes == {"passed over in img: files of .txt": 1}


def test_times_of_rows_without_media_cost_nothing_and_are_told(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "id,text,from,to\n1,a,2.0,2.0\n2,b,1.0,3.0\n")
    rows, notes = read(
        tmp_path, "csv", path="t.csv", id="{id}", text={"t": "text"}, start="from", end="to"
    )
    assert [row.record.targets for row in rows] == [
        {"start_s": 2.0, "end_s": 2.0},
        {"start_s": 1.0, "end_s": 3.0},
    ]
    assert sum(notes.values()) == 2


@pytest.mark.parametrize("columns", [20_000, 60_000])
def test_a_table_may_have_very_many_columns(tmp_path: Path, columns: int) -> None:
    write(
        tmp_path / "t.csv",
        ",".join(f"gene{number % (columns - 5)}" for number in range(columns))
        + "\n"
        + (",".join(["1"] * columns) + "\n") * 3,
    )
    header = find_dialect(tmp_path / "t.csv").header
    assert len(set(header)) == columns


@pytest.mark.parametrize(
    "text",
    [
        *("20 °C", "¿Qué es?", "20° north", "§ 5", "5 × 3 ± 1", "SÃO PAULO", "l’été", "½ l"),
        # decoded wrongly before, as much of the web is: that's all, £1.50, you'll
        "thatåÕs all å£1.50 you‰Û÷ll",
    ],
)
def test_signs_among_plain_letters_are_windows_1252(tmp_path: Path, text: str) -> None:
    write(tmp_path / "t.csv", f"id,text,label\n1,{text},x\n2,plain,y\n".encode("cp1252"))
    assert contents(read(tmp_path, "csv", path="t.csv", **SOURCE)[0])[0][1] == text


def test_a_file_that_ends_inside_of_a_letter_is_not_utf_8() -> None:
    assert find_encoding(io.BytesIO("Ä".encode("cp1252"))) == "cp1252"


def test_excel_sheets_of_a_wrong_size_with_stray_cells_or_damaged(tmp_path: Path) -> None:
    import zipfile

    book = openpyxl.Workbook()
    for row in (["id", "text", "label"], [1, "a, b", "x"], [2, "c", "y"], [3, "d", "z", "lost"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as source,
        zipfile.ZipFile(tmp_path / "t.xlsx", "w") as target,
        zipfile.ZipFile(tmp_path / "cut.xlsx", "w") as cut,
    ):
        for name in source.namelist():
            data = source.read(name)
            is_sheet = name.endswith("sheet1.xml")
            target.writestr(name, data.replace(b'ref="A1:D4"', b'ref="A1"') if is_sheet else data)
            cut.writestr(name, data[: len(data) // 2] if is_sheet else data)
    rows, _ = read(tmp_path, "xlsx", path="t.xlsx", **SOURCE)
    assert contents(rows) == WANTED
    assert [row.fault.rule for row in rows if row.fault] == ["stray_columns"]
    with pytest.raises(InputError, match="no Excel workbook that can be read"):
        read(tmp_path, "xlsx", path="cut.xlsx", **SOURCE)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_packed_table_that_is_cut_or_damaged_is_one_clear_error(
    tmp_path: Path, share: float
) -> None:
    import random

    rng = random.Random(0)
    data = gzip.compress(
        (
            "id,text,label\n" + "".join(f"{number},{rng.random()},x\n" for number in range(5000))
        ).encode()
    )
    damaged = data[: len(data) // 2] + bytes(50) + data[len(data) // 2 + 50 :]
    for name, some in (("cut", data[: int(len(data) * share)]), ("damaged", damaged)):
        for kind, options in (("csv", {}), ("csv", {"encoding": "utf-8"}), ("jsonl", {})):
            write(tmp_path / name, some)
            with pytest.raises(InputError, match="cannot be (read|unpacked)|no row has"):
                read(tmp_path, kind, path=name, **SOURCE, **options)


def test_half_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    write(
        tmp_path / "t.jsonl",
        '["id", "text", "label"]\n[1, "a, b", "x"]\n[5, "a\\ud800", "x"]\n[2, "c", "y"]\n',
    )
    rows, _ = read(tmp_path, "jsonl", path="t.jsonl", **SOURCE)
    assert contents(rows) == WANTED
    assert [row.fault.rule for row in rows if row.fault] == ["broken_json"]


def test_numbers_beyond_64_bits_in_a_json_array(tmp_path: Path) -> None:
    write(
        tmp_path / "t.json",
        '\n[{"id": 1, "text": "a, b", "label": "x"}, {"id": 12345678901234567890, "text": "c",'
        ' "label": "y"}]',
    )
    rows, _ = read(tmp_path, "jsonl", path="t.json", **SOURCE)
    assert [row[0] for row in contents(rows)] == ["1", "12345678901234567890"]


def test_parquet_of_dotted_names_and_of_bytes_that_nobody_asks_for(tmp_path: Path) -> None:
    table = pa.table(
        {
            "a.b": [1, 2],
            "image": [{"bytes": b"x", "path": "p.jpg"}] * 2,
            "none": pa.array([None, None], pa.struct([("t", pa.string())])),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    rows, _ = read(
        tmp_path,
        "parquet",
        path="t.parquet",
        id="{a.b}",
        text={"t": "none.t"},
        targets={"file": "{image.path}"},
    )
    assert [
        (row.record.origin.id, row.record.targets, dict(row.record.absent)) for row in rows
    ] == [
        ("1", {"file": "p.jpg"}, {"t": "absent"}),
        ("2", {"file": "p.jpg"}, {"t": "absent"}),
    ]
    pq.write_table(
        pa.table({"id": [1], "text": pa.array([10**7], pa.date32())}), tmp_path / "d.parquet"
    )
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, "parquet", path="d.parquet", id="{id}", text={"t": "text"})


def test_of_two_paths_that_fit_the_longer_one_names_the_file(tmp_path: Path) -> None:
    for name in ("a", "a_small", "b", "b_small"):
        write(tmp_path / "img" / f"{name}.jpg", jpeg())
    write(tmp_path / "t.csv", "id\na\n")
    media = {"large": {"path": "img/{id}.jpg"}, "small": {"path": "img/{id}_small.jpg"}}
    rows, _ = read(tmp_path, "csv", path="t.csv", id="{id}", media=media)
    assert {row.record.origin.id: sorted(row.record.parts) for row in rows} == {
        "a": ["large", "small"],
        "img/b.jpg": ["large"],
        "img/b_small.jpg": ["small"],
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_byte_order_mark_under_a_given_encoding_is_no_letter(
    tmp_path: Path, encoding: str
) -> None:
    write(tmp_path / "t.csv", ('\ufeffid,text,label\n1,"a, b",x\n2,c,y\n').encode(encoding))
    assert contents(read(tmp_path, "csv", path="t.csv", encoding=encoding, **SOURCE)[0]) == WANTED


def test_encodings_of_subtitles_and_label_tables_are_told_too(tmp_path: Path) -> None:
    """Beside a table, beside the files of a folder, in a folder of their own."""
    text = "кошка сидит на коврике и никто её не видит"
    cues = f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode("cp1251")
    for name in ("a", "b"):
        write(tmp_path / "subs" / f"{name}.srt", cues)
        write(tmp_path / "img" / f"{name}.jpg", jpeg())
    write(tmp_path / "subs" / "c.srt", b"1\n00:00:01,000 --> 00:00:02,000\nplain\n")
    told = "files read as cp1251, found from their bytes"
    _, notes = read(tmp_path, "timed_text", path="subs")
    assert notes[told] == 2
    write(tmp_path / "t.csv", "id,text\na,x\nb,y\nc,z\n")
    beside = {"cues": {"said": "subs/{id}.srt"}}
    _, notes = read(tmp_path, "csv", path="t.csv", id="{id}", text={"t": "text"}, **beside)
    assert notes[told] == 2
    write(tmp_path / "l.csv", f"name,label\na,{text}\nb,{text}\n".encode("cp1251"))
    rows, notes = read(
        tmp_path,
        "image_folder",
        path="img",
        labels={"path": "l.csv", "match": "{name}"},
        targets=["label"],
        cues={"said": "subs/{stem}.srt"},
    )
    assert [row.note for row in rows if row.fault is None and row.record.parts] == [told] * 2
    assert sum("labels read as cp1251" in note for note in notes) == 1
    assert {row.record.targets["label"] for row in rows if row.record.targets} == {text}
