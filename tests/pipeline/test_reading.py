"""A large table is read by several tasks, and nothing tells it from one that a single task read."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mixture import products
from modalmill.pipeline import ingesting, reading
from modalmill.pipeline.engine import Serial
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.reading import Ingestion, IngestTask, RangesTask, read_sources
from modalmill.pipeline.run import Result, run
from modalmill.schemas.disk import read_table
from modalmill.schemas.errors import InputError
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.base import Source
from modalmill.stages.ingest._columns import Media
from modalmill.stages.ingest.csv import Csv
from modalmill.stages.ingest.jsonl import Jsonl
from tiny import jpeg, recipe, write

FILES = ("a.jpg", "B.jpg", "é.jpg", "nobody.jpg", "other.txt", "s.srt")
HEADER = ("id", "text", "label")
ids = st.sampled_from(["a", "b", "é", "1", "2", "", "\ufeffx", "s"])
# letters of which UTF-16 makes bytes that are line breaks elsewhere, and half a letter of cp932
pieces = st.sampled_from(
    [
        "a",
        " ",
        ",",
        ";",
        '"',
        "\n",
        "\r\n",
        "\r",
        "ü",
        "Ċ",
        "ਊ",
        "ഊ",
        "表",
        "日本",
        "1",
        "\x85",
        "\u2028",
    ]
)
cells = st.lists(pieces, max_size=6).map("".join)
rows = st.lists(st.one_of(st.tuples(ids, cells, cells), st.just(HEADER)), min_size=1, max_size=12)
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


def mistake_of(read: Callable[[], object]) -> str:
    """What a user is told who reads this, or nothing."""
    try:
        read()
    except InputError as error:
        return str(error)
    return ""


def in_ranges(source: Source, root: Path, rows_each: int, per_range: int) -> int:
    """Read it by one task and by several, compare, and count the ranges."""
    whole, parts = (
        Ingestion(source, "s", root, root / name, "stem", rows_each) for name in ("whole", "parts")
    )
    for old in [*whole.folder.glob("*"), *parts.folder.glob("*")]:
        old.unlink()
    with pytest.MonkeyPatch.context() as patch:
        # the machine does not go down in here, and hundreds of files are slow to sync
        patch.setattr(os, "fsync", lambda number: None)
        patch.setattr(reading, "LARGE_BYTES", 0)
        patch.setattr(reading, "PARTITIONS_PER_RANGE", per_range)
        mistake = mistake_of(lambda: IngestTask(whole).run(lambda item: None, {}))
        assert mistake_of(lambda: list(read_sources([parts], Serial()))) == mistake
        if mistake:
            return 0
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
        frame = pd.DataFrame(table, columns=HEADER)
        frame.to_csv(buffer, sep=mark, lineterminator=end, index=False)
    else:
        writer = csv.writer(buffer, delimiter=mark, lineterminator=end)
        writer.writerows([HEADER, *table])
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


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)
@given(
    table=rows,
    mark=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    by_pandas=st.booleans(),
    # more than the decoder reads at once
    times=st.sampled_from([1, 1, 1, 40]),
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
    in_ranges(source, root, rows_each * times, per_range)


# of a line of JSON: objects that lack columns, rows of values, what is no JSON, blank lines
values = st.one_of(st.none(), ids, cells, st.integers(0, 3), st.lists(cells, max_size=2))
lines = st.one_of(
    st.dictionaries(st.sampled_from(["id", "text", "label", "more"]), values).map(json.dumps),
    st.lists(values, max_size=4).map(lambda row: json.dumps(row, ensure_ascii=False)),
    st.sampled_from(["", "  ", "{", "7", '{"id": "a", "text": "\\ud800"}', '{"id": "b"} x']),
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
def test_a_table_of_many_rows_is_many_ranges_in_any_encoding(root: Path, encoding: str) -> None:
    # U+FEFF is a mark at the beginning of a file, and a letter anywhere else
    rows = [(f"\ufeff{number}", 'a "cell"\nĊ日本' * 40, "x") for number in range(60)]
    write(root / "t", as_csv(rows, ",", "\r\n", False).encode(encoding, "replace"))
    assert in_ranges(source_of(Csv, encoding=encoding), root, 5, 2) == 7


def test_what_has_no_certain_place_is_read_by_one_task(root: Path) -> None:
    text = "id,text,label\n" + "".join(f"{number},a,x\n" for number in range(30))
    for pack in (gzip.compress, bz2.compress):
        write(root / "t", pack(text.encode()))
        assert in_ranges(source_of(Csv), root, 5, 1) == 0
    array = json.dumps([{"id": number, "text": "a", "label": "x"} for number in range(30)])
    write(root / "t", array)
    assert in_ranges(source_of(Jsonl), root, 5, 1) == 0
    # what was read to find the end of a quote is read again from memory: 5, 5, 5, 15 and no rows
    write(root / "t", text.replace("17,a,", '17,"a,'))
    assert in_ranges(source_of(Csv, quoted=True), root, 5, 1) == 5


def test_rows_whose_ids_an_earlier_range_has_are_rejected_with_their_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_recipe: Callable[..., Result]
) -> None:
    monkeypatch.setattr(reading, "LARGE_BYTES", 0)
    monkeypatch.setattr(reading, "PARTITIONS_PER_RANGE", 1)
    monkeypatch.setattr(ingesting, "ROWS_PER_PARTITION", 2)
    write(tmp_path / "t.csv", "sep=,\nid,text\na,1\nb,2\nc,3\na,4\nd,5\nd,6\nb,7\n")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": "text", "start": "text"}
    result = run_recipe(recipe(tmp_path, {"t": source}, shard=None, tolerance=1.0))
    rejects = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert {(row["origin"]["row"], row["rule"], row["value"]) for row in rejects} == {
        (6, "duplicate_id", "a"),
        (8, "duplicate_id", "d"),
        (9, "duplicate_id", "b"),
    }
    (count,) = result.account.sources
    assert (count.read, count.written, count.rejected) == (7, 4, 3)
    # the line above the header is told once, and of all rows that start has no sound to cut
    assert sorted(count.notes.values()) == [1, 7]


def corpus(root: Path) -> dict[str, Any]:
    """A table with ids that come again, texts over several lines, and files that no row names."""
    rows = [(f"{number * 7 % 110}", f'a "text"\n{number}', "x") for number in range(120)]
    write(root / "t.csv", as_csv(rows, ",", "\n", False))
    for number in range(105, 115):
        write(root / "img" / f"{number}.jpg", jpeg(8, 8, number))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": "text",
        "targets": ["label"],
        "media": {"image": {"path": "img/{id}.jpg"}},
    }
    return recipe(root, {"t": source}, shard=None, tolerance=1.0)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run makes of the corpus by one task."""
    folder = tmp_path_factory.mktemp("wanted")
    parsed = parse_recipe(corpus(folder / "raw"))
    run(make_plan(parsed, folder / "raw", "ingest"), folder / "out", "serial")
    return products(folder / "out")


@pytest.mark.parametrize("engine", ["serial", "local", "dask"])
def test_ranges_give_the_bytes_of_one_task_by_every_engine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_recipe: Callable[..., Result],
    wanted: dict[str, str],
    engine: str,
) -> None:
    monkeypatch.setattr(ingesting, "ROWS_PER_PARTITION", 10)
    monkeypatch.setattr(reading, "LARGE_BYTES", 0)
    monkeypatch.setattr(reading, "PARTITIONS_PER_RANGE", 2)
    run_recipe(corpus(tmp_path / "raw"), tmp_path / "out", engine, "ingest", workers=2)
    assert len(list((tmp_path / "out" / "work" / "ingest").glob("*.arrow"))) == 13
    assert products(tmp_path / "out") == wanted


def test_what_ranges_were_read_before_a_kill_is_not_read_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_recipe: Callable[..., Result],
    wanted: dict[str, str],
) -> None:
    value = corpus(tmp_path / "raw")
    left = _killed_between_ranges(value, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in left}
    monkeypatch.setattr(ingesting, "ROWS_PER_PARTITION", 10)
    monkeypatch.setattr(reading, "LARGE_BYTES", 0)
    monkeypatch.setattr(reading, "PARTITIONS_PER_RANGE", 2)
    run_recipe(value, tmp_path / "out", until="ingest")
    assert products(tmp_path / "out") == wanted
    assert {path: path.stat().st_mtime_ns for path in left} == stamps


DYING = """
import os
from modalmill.pipeline import ingesting, reading

def die_after_the_first(tasks, engine):
    for _ in engine.map(tasks):
        os.killpg(0, 9)

ingesting.ROWS_PER_PARTITION, reading.LARGE_BYTES, reading.PARTITIONS_PER_RANGE = 10, 0, 2
reading._carry_out = die_after_the_first
from modalmill.cli import main
main()
"""


def _killed_between_ranges(value: dict[str, Any], folder: Path) -> list[Path]:
    """Run the recipe until a range is read, and give the first partitions of those that are."""
    write(folder / "r.yaml", yaml.safe_dump(value))
    words = ["run", folder / "r.yaml", "--out", folder / "out", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, *map(str, words)], start_new_session=True
    )
    assert process.wait() == -signal.SIGKILL
    notes = list((folder / "out" / "work" / "ingest").glob("*.json"))
    # six ranges and the last one
    assert 1 <= len(notes) < 6
    return [note.with_suffix(".arrow") for note in notes]
