"""A large table is read by several tasks, and nothing tells it from one that a single task read."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from modalmill.pipeline import reading
from modalmill.pipeline.engine import Serial
from modalmill.pipeline.reading import IngestTask, RangesTask, Reading, read_sources
from modalmill.schemas.disk import read_table
from modalmill.schemas.errors import InputError
from modalmill.stages.base import Source
from modalmill.stages.ingest._columns import Media
from modalmill.stages.ingest.csv import Csv
from modalmill.stages.ingest.jsonl import Jsonl
from tiny import write

FILES = ("a.jpg", "B.jpg", "é.jpg", "nobody.jpg", "other.txt", "s.srt")
ids = st.sampled_from(["a", "b", "é", "1", "2", "", "x y", "s"])
# letters of which UTF-16 makes bytes that are line breaks elsewhere, and half a letter of cp932
pieces = st.sampled_from(
    ["a", " ", ",", ";", '"', "\n", "\r\n", "\r", "ü", "Ċ", "ਊ", "ഊ", "表", "日本", "1", "\x85", "\u2028"]
)
cells = st.lists(pieces, max_size=6).map("".join)
rows = st.lists(st.tuples(ids, cells, cells), min_size=1, max_size=12)
encodings = st.sampled_from(
    [
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-be",
        "utf-32",
        "cp1252",
        "cp932",
        "euc_jp",
        "gb18030",
        "big5",
        "iso2022_jp",
        "utf-7",
    ]
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files that rows can name, in their own spelling or another."""
    root = tmp_path_factory.mktemp("ranges")
    for name in FILES:
        write(root / "m" / name, "1\n00:00:01,000 --> 00:00:02,000\nso\n")
    return root


def in_ranges(source: Source, root: Path, rows_each: int, per_range: int) -> int:
    """Read it by one task and by several, compare, and count the ranges."""
    whole, parts = (
        Reading(source, "s", root, root / name, "stem", rows_each) for name in ("whole", "parts")
    )
    for old in [*whole.folder.glob("*"), *parts.folder.glob("*")]:
        old.unlink()
    with pytest.MonkeyPatch.context() as patch:
        # the machine does not go down in here, and hundreds of files are slow to sync
        patch.setattr(os, "fsync", lambda number: None)
        patch.setattr(reading, "LARGE_BYTES", 0)
        patch.setattr(reading, "PARTITIONS_PER_RANGE", per_range)
        try:
            IngestTask(whole).run(lambda item: None, {})
        except InputError as error:
            with pytest.raises(InputError) as found:
                list(read_sources([parts], Serial()))
            assert str(found.value) == str(error)
            return 0
        assert list(read_sources([parts], Serial())) == [parts]
        count = len(RangesTask(parts, rows_each * per_range).run(lambda item: None, {}))
    assert json.loads(parts.note.read_text()) == json.loads(whole.note.read_text())
    names = sorted(path.name for path in whole.folder.glob("*.arrow"))
    assert sorted(path.name for path in parts.folder.glob("*.arrow")) == names
    for name in names:
        assert read_table(parts.folder / name).equals(read_table(whole.folder / name)), name
    return count


def as_csv(table: list[tuple[str, str, str]], mark: str, end: str, by_pandas: bool) -> str:
    buffer = io.StringIO()
    if by_pandas:
        frame = pd.DataFrame(table, columns=["id", "text", "label"])
        frame.to_csv(buffer, sep=mark, lineterminator=end, index=False)
    else:
        writer = csv.writer(buffer, delimiter=mark, lineterminator=end)
        writer.writerows([("id", "text", "label"), *table])
    return buffer.getvalue()


def source_of(kind: type[Source], **options: Any) -> Any:
    """A source with all that remembers rows: ids, files that rows name, and what is told."""
    return kind(
        path="t",
        id="{id}",
        text="text",
        targets=["label"],
        media={"image": Media(path="m/{id}.jpg")},
        cues={"said": "m/{id}.srt"},
        **options,
    )


@settings(max_examples=int(os.environ.get('N', '60')), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    table=rows,
    mark=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    by_pandas=st.booleans(),
    # more than the decoder reads at once
    times=st.sampled_from([1, 1, 60]),
    stray=st.lists(st.tuples(st.floats(0, 1), st.sampled_from([b'"', b"\n\n", b"\xff", b",,"]))),
    encoding=encodings,
    given_encoding=st.booleans(),
    rows_each=st.integers(1, 3),
    per_range=st.integers(1, 2),
)
def test_ranges_of_a_csv_give_what_the_whole_gives(
    root: Path,
    table: list[tuple[str, str, str]],
    mark: str,
    end: str,
    by_pandas: bool,
    times: int,
    stray: list[tuple[float, bytes]],
    encoding: str,
    given_encoding: bool,
    rows_each: int,
    per_range: int,
) -> None:
    data = as_csv(table * times, mark, end, by_pandas).encode(encoding, "replace")
    for place, piece in stray:
        at = int(place * len(data))
        data = data[:at] + piece + data[at:]
    write(root / "t", data)
    options = {"encoding": encoding} if given_encoding else {}
    source = source_of(Csv, delimiter=mark, header=True, **options)
    in_ranges(source, root, rows_each * (20 if times > 1 else 1), per_range)


# of a line of JSON: objects that lack columns, rows of values, what is no JSON, blank lines
values = st.one_of(st.none(), ids, cells, st.integers(0, 3), st.lists(cells, max_size=2))
lines = st.one_of(
    st.dictionaries(st.sampled_from(["id", "text", "label", "more"]), values).map(json.dumps),
    st.lists(values, max_size=4).map(lambda row: json.dumps(row, ensure_ascii=False)),
    st.sampled_from(["", "  ", "{", "7", '{"id": "a", "text": "\\ud800"}', '{"id": "b"} x']),
)


@settings(max_examples=int(os.environ.get("N", "60")), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    found=st.lists(lines, max_size=12),
    head=st.sampled_from(["", "\ufeff", "\n\n", '["id", "text", "label"]\n', "["]),
    end=st.sampled_from(["\n", "\r\n"]),
    rows_each=st.integers(1, 3),
    per_range=st.integers(1, 2),
)
def test_ranges_of_json_lines_give_what_the_whole_gives(
    root: Path, found: list[str], head: str, end: str, rows_each: int, per_range: int
) -> None:
    write(root / "t", head + end.join(found))
    in_ranges(source_of(Jsonl), root, rows_each, per_range)
