"""JSON lines with the same mapping as csv."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from modalmill.schemas.manifest import Row
from modalmill.stages.ingest._columns import Media
from modalmill.stages.ingest.jsonl import Jsonl
from tiny import png, write


def test_rows_nested_values_and_broken_lines(tmp_path: Path) -> None:
    write(tmp_path / "img" / "7-0.png", png())
    write(
        tmp_path / "d.json",
        '{"id": "7", "s": "A box.", "meta": {"label": "true"}}\n\n{"id": "8", broken\n[1]\n'
        '{"id": "9", "s": null, "meta": {}}\n',
    )
    source = Jsonl(
        path="d.json",
        id="{id}",
        text={"statement": "s"},
        media={"image": Media(path="img/{id}-0.png")},
        targets={"label": "{meta.label}"},
    )
    tally: Counter[str] = Counter()
    rows = [
        item
        for item in source.read(tmp_path, "n", tally, lambda item: None)
        if isinstance(item, Row)
    ]
    assert [row.fault.rule if row.fault else "" for row in rows] == [
        "",
        "broken_json",
        "broken_json",
        "",
    ]
    # null, and no such file; the label is not in the row at all
    assert rows[3].record.absent == {"statement": "absent", "image": "missing"}
    assert rows[0].record.targets == {"label": "true"}
    assert rows[0].record.origin.row == 1
    assert sorted(rows[0].record.parts) == ["image", "statement"]


def test_a_list_is_a_target_of_several_values_and_no_text(tmp_path: Path) -> None:
    write(
        tmp_path / "d.json",
        '{"id": 1, "s": "Why?", "answers": ["so", "thus", 3]}\n'
        '{"id": 2, "s": ["a", "b"], "answers": []}\n',
    )
    source = Jsonl(path="d.json", id="{id}", text={"question": "s"}, targets=["answers"])
    rows = [
        item
        for item in source.read(tmp_path, "n", Counter(), lambda item: None)
        if isinstance(item, Row)
    ]
    assert rows[0].record.targets == {"answers": ["so", "thus", "3"]}
    assert [(row.fault.rule, row.fault.value) for row in rows if row.fault] == [
        ("bad_value", "'s' is a list, wanted a text or a number")
    ]


def test_a_list_is_no_id_and_no_group(tmp_path: Path) -> None:
    write(
        tmp_path / "d.json",
        '{"id": [1], "s": "a", "g": "x"}\n{"id": 2, "s": "b", "g": ["x"]}\n'
        '{"id": 3, "s": "c", "g": "x"}\n',
    )
    source = Jsonl(path="d.json", id="{id}", text={"question": "s"}, group="{g}")
    rows = [
        item
        for item in source.read(tmp_path, "n", Counter(), lambda item: None)
        if isinstance(item, Row)
    ]
    assert [row.fault.rule if row.fault else "" for row in rows] == ["bad_id", "bad_value", ""]
