"""Some rows of a table of any kind, as the source that would read it has them."""

from __future__ import annotations

import importlib.util
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset

from ...schemas.errors import InputError
from ...stages.ingest._encoding import find_encoding
from ...stages.ingest._table import Dialect, find_dialect, read_rows, unpacked
from ...stages.ingest.jsonl import flatten, json_documents
from ...stages.ingest.xlsx import named_cells, sheet_rows

_MOST_ROWS = 4000
_MOST_READ = 200_000
_WHOLE_BYTES = 64 << 20
_FEW_BROKEN = 0.02
_PACKED = (".gz", ".bz2", ".xz")
_KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
    ".arrow": "parquet",
    ".feather": "parquet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSample:
    """Some rows of a table.

    file: below the folder that was looked at. kind: the source that reads it. cells: column ->
    cells of the rows. rows: how many were gone through, evenly, to take these; ``is_whole`` where
    those are all. broken: rows beside them that the source rejects. stray: rows with cells beyond
    the named columns. options: what the source has to be told beside the file.
    """

    file: str
    kind: str
    cells: Mapping[str, list[object]]
    rows: int
    is_whole: bool
    broken: int = 0
    stray: int = 0
    has_header: bool = True
    encoding: str = ""
    options: dict[str, object] = field(default_factory=dict)


def table_kind(file: str) -> str:
    """The source that reads files of this ending as tables; empty for none."""
    path = Path(file.lower())
    ending = Path(path.stem).suffix if path.suffix in _PACKED else path.suffix
    return _KINDS.get(ending, "")


def read_sample(root: Path, file: str) -> TableSample:
    """Some rows of a table, taken evenly from the first 200,000; InputError where the source would
    read none.
    """
    kind = "parquet" if (root / file).is_dir() else table_kind(file)
    readers = {"csv": _csv, "jsonl": _jsonl, "xlsx": _xlsx, "parquet": _parquet}
    try:
        return readers[kind](root / file, file)
    except InputError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{file}: cannot be read: {' '.join(str(error).split())[:160]}") from error


def _csv(path: Path, file: str) -> TableSample:
    is_small = path.stat().st_size <= _WHOLE_BYTES
    encoding = None
    if not is_small:
        with unpacked(path) as data:
            encoding = find_encoding(io.BytesIO(data.read(_WHOLE_BYTES)))
    dialect = find_dialect(path, encoding)
    if len(dialect.header) < 2 and ".txt" in path.name.lower():
        spaced = find_dialect(path, dialect.encoding, " ", header=False)
        sample = _rows_of(path, file, spaced)
        if len(spaced.header) > 1 and sample.broken <= _FEW_BROKEN * sample.rows:
            return replace(sample, options={"delimiter": " ", **sample.options})
    return _rows_of(path, file, dialect)


def _rows_of(path: Path, file: str, dialect: Dialect) -> TableSample:
    broken = stray = 0

    def rows() -> Iterator[dict[str, object]]:
        nonlocal broken, stray
        for row in read_rows(path, dialect):
            if row.fault:
                broken += 1
            else:
                stray += any(row.extra)
                yield {**row.cells}

    taken, count, is_whole = _evenly(rows())
    return TableSample(
        file=file,
        kind="csv",
        cells=_by_column([name for name in dialect.header if name], taken),
        rows=count,
        is_whole=is_whole,
        broken=broken + (stray if len(dialect.header) < 2 else 0),
        stray=stray,
        has_header=dialect.has_header,
        encoding=dialect.encoding,
    )


def _jsonl(path: Path, file: str) -> TableSample:
    broken = 0

    def rows(data: Iterable[tuple[int, object]]) -> Iterator[dict[str, object]]:
        nonlocal broken
        for _, line in data:
            value = line
            if isinstance(line, bytes):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError):
                    value = None
            if isinstance(value, dict):
                yield flatten(value)
            else:
                broken += 1
                if broken > 20:
                    raise InputError(
                        f"{file}: is neither lines of JSON objects nor an array of them"
                    )

    with unpacked(path) as data:
        taken, count, is_whole = _evenly(rows(json_documents(data, file)))
    names = dict.fromkeys(name for row in taken for name in row)
    return TableSample(
        file=file,
        kind="jsonl",
        cells=_by_column(names, taken),
        rows=count,
        is_whole=is_whole,
        broken=broken,
    )


def _xlsx(path: Path, file: str) -> TableSample:
    if importlib.util.find_spec("openpyxl") is None:
        raise InputError(f"{file}: needs openpyxl: pip install 'modalmill[xlsx]'")
    names, rows, _ = sheet_rows(path, file)
    taken, count, is_whole = _evenly(
        named_cells(names, cells) for _, cells in rows if any(cell is not None for cell in cells)
    )
    return TableSample(
        file=file,
        kind="xlsx",
        cells=_by_column([name for name in names if name], taken),
        rows=count,
        is_whole=is_whole,
    )


def _parquet(path: Path, file: str) -> TableSample:
    form = "parquet"
    if path.is_file():
        with open(path, "rb") as data:
            form = "ipc" if data.read(6) == b"ARROW1" else "parquet"
    table = pa.dataset.dataset(path, format=form)
    taken = [flatten(row) for row in table.head(_MOST_ROWS).to_pylist()]
    rows = table.count_rows()
    names = dict.fromkeys(name for row in taken for name in row)
    return TableSample(
        file=file,
        kind="parquet",
        cells=_by_column(names, taken),
        rows=len(taken),
        is_whole=rows == len(taken),
    )


def _evenly(
    rows: Iterator[dict[str, object]],
) -> tuple[list[dict[str, object]], int, bool]:
    """At most 4000 rows, as far from each other as it takes; of how many, and whether of all."""
    taken: list[dict[str, object]] = []
    step, count = 1, 0
    for count, row in enumerate(itertools.islice(rows, _MOST_READ), 1):
        if (count - 1) % step == 0:
            taken.append(row)
            if len(taken) > _MOST_ROWS:
                taken, step = taken[::2], step * 2
    return taken, count, next(rows, None) is None


def _by_column(names: Iterable[str], rows: list[dict[str, object]]) -> dict[str, list[object]]:
    return {name: [row.get(name) for row in rows] for name in names}
