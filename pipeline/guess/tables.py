"""Some rows of a table of any kind, as the source that would read it has them."""

from __future__ import annotations

import importlib.util
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset

from ...schemas.errors import InputError
from ...stages.ingest._encoding import find_encoding
from ...stages.ingest._table import Dialect, find_dialect, read_rows, unpacked
from ...stages.ingest.jsonl import flatten, json_documents
from ...stages.ingest.parquet import arrow_form
from ...stages.ingest.xlsx import named_cells, sheet_names, sheet_rows
from ...stages.template import SAID_ABSENT, fill

_MOST_ROWS = 4000
_MOST_READ = 200_000
_WHOLE_BYTES = 64 << 20
_FEW_BROKEN = 0.02
_MOST_BROKEN = 20
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
    the named columns. dialect: of delimited text. options: what the source has to be told beside
    the file. sheets: of a workbook, those that are not read. absent: column -> how many of its
    cells say NA or the like, and are taken for empty.
    """

    file: str
    kind: str
    cells: Mapping[str, list[object]]
    rows: int
    is_whole: bool
    broken: int = 0
    stray: int = 0
    dialect: Dialect | None = None
    options: dict[str, object] = field(default_factory=dict)
    absent: Mapping[str, int] = field(default_factory=dict)
    sheets: tuple[str, ...] = ()

    @property
    def taken(self) -> int:
        """How many rows there are cells of."""
        return len(next(iter(self.cells.values()), ()))


def table_kind(file: str) -> str:
    """The source that reads files of this ending as tables; empty for none."""
    path = Path(file.lower())
    ending = Path(path.stem).suffix if path.suffix in _PACKED else path.suffix
    return _KINDS.get(ending, "")


def read_sample(root: Path, file: str) -> TableSample:
    """Some rows of a table, taken evenly from the first 200,000; InputError where the source would
    read none.
    """
    path = root / file
    kind = "parquet" if path.is_dir() else table_kind(file)
    try:
        if kind == "xlsx":
            return _without_absent(_of_workbook(path, file))
        if kind != "csv":
            return _without_absent(_sample(path, file, kind, None))
        dialect = _dialect(path)
        if len(dialect.header) < 2 and ".txt" in path.name.lower():
            spaced = _sample(
                path, file, kind, find_dialect(path, dialect.encoding, " ", header=False)
            )
            if len(spaced.cells) > 1 and spaced.broken <= _FEW_BROKEN * spaced.rows:
                return _without_absent(replace(spaced, options={"delimiter": " "}))
        return _without_absent(_sample(path, file, kind, dialect))
    except InputError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{file}: cannot be read: {' '.join(str(error).split())[:160]}") from error


def _of_workbook(path: Path, file: str) -> TableSample:
    """Some rows of the first sheet that is a table: with rows, and columns rather than lines."""
    if importlib.util.find_spec("openpyxl") is None:
        raise InputError(f"{file}: needs openpyxl: pip install 'modalmill[xlsx]'")
    sheets = sheet_names(path)
    if len(sheets) < 2:
        return _sample(path, file, "xlsx", None)
    samples = {name: _sample(path, file, "xlsx", None, name) for name in sheets}
    name = max(sheets, key=lambda one: (samples[one].rows > 0) + (len(samples[one].cells) > 1))
    others = tuple(other for other in sheets if other != name)
    return replace(samples[name], options={"sheet": name}, sheets=others)


def _without_absent(sample: TableSample) -> TableSample:
    """The sample with empty cells in the place of those that say NA or the like."""
    said: Counter[str] = Counter()
    cells: dict[str, list[object]] = {}
    counts: Counter[str] = Counter()
    for name, column in sample.cells.items():
        words = [_absent_word(cell) for cell in column]
        said.update(word for word in words if word)
        counts[name] = sum(bool(word) for word in words)
        cells[name] = [None if word else cell for cell, word in zip(column, words, strict=True)]
    if not said:
        return sample
    options = {**sample.options, "absent": [word for word in SAID_ABSENT if said[word]]}
    return replace(sample, cells=cells, options=options, absent=+counts)


def _absent_word(cell: object) -> str:
    word = cell.strip() if isinstance(cell, str) else ""
    return word if word in SAID_ABSENT else ""


def is_unique(root: Path, sample: TableSample, template: str) -> bool:
    """Whether no two of the first 200,000 rows make the same of a template, and all make
    something.
    """
    seen: set[str] = set()
    rows: Iterable[Mapping[str, object]] = _rows(
        root / sample.file,
        sample.file,
        sample.kind,
        sample.dialect,
        Counter(),
        sample.options.get("sheet"),
    )
    for row in itertools.islice(rows, _MOST_READ):
        try:
            value = (fill(template, row) or "").strip()
        except ValueError:
            return False
        if not value or value in seen:
            return False
        seen.add(value)
    return bool(seen)


def _dialect(path: Path) -> Dialect:
    encoding = None
    if path.stat().st_size > _WHOLE_BYTES:
        with unpacked(path) as data:
            encoding = find_encoding(io.BytesIO(data.read(_WHOLE_BYTES)))
    return find_dialect(path, encoding)


def _sample(
    path: Path, file: str, kind: str, dialect: Dialect | None, sheet: object = None
) -> TableSample:
    """At most 4000 rows, as far from each other as it takes."""
    found: Counter[str] = Counter()
    taken: list[Mapping[str, object]] = []
    step, count = 1, 0
    rows = _rows(path, file, kind, dialect, found, sheet)
    for count, row in enumerate(itertools.islice(rows, _MOST_READ), 1):
        if (count - 1) % step == 0:
            taken.append(row)
            if len(taken) > _MOST_ROWS:
                taken, step = taken[::2], step * 2
    names = dict.fromkeys(name for row in taken for name in row if name)
    return TableSample(
        file=file,
        kind=kind,
        cells={name: [row.get(name) for row in taken] for name in names},
        rows=count,
        is_whole=next(rows, None) is None,
        broken=found["broken"],
        stray=found["stray"],
        dialect=dialect,
    )


def _rows(
    path: Path,
    file: str,
    kind: str,
    dialect: Dialect | None,
    found: Counter[str],
    sheet: object = None,
) -> Iterator[Mapping[str, object]]:
    """The rows of a table, cells by column; those that the source rejects are counted in
    ``found``.
    """
    if dialect is not None:
        for row in read_rows(path, dialect):
            if row.fault:
                found["broken"] += 1
            else:
                found["stray"] += any(row.extra)
                yield row.cells
    elif kind == "jsonl":
        with unpacked(path) as data:
            yield from _objects(json_documents(data, file), file, found)
    elif kind == "xlsx":
        names, rows, _ = sheet_rows(path, file, None if sheet is None else str(sheet))
        for _, cells in rows:
            if any(cell is not None for cell in cells):
                yield named_cells(names, cells)
    else:
        for batch in pa.dataset.dataset(path, format=arrow_form(path)).to_batches(batch_size=1024):
            yield from map(flatten, batch.to_pylist())


def _objects(
    documents: Iterable[tuple[int, object]], file: str, found: Counter[str]
) -> Iterator[Mapping[str, object]]:
    for _, line in documents:
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
            found["good"] += 1
        else:
            found["broken"] += 1
            if found["broken"] > _MOST_BROKEN and not found["good"]:
                raise InputError(f"{file}: is neither lines of JSON objects nor an array of them")
