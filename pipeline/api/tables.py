"""Tables as a person has them in Python, as a file that a source reads."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from datetime import date, time
from numbers import Number
from pathlib import Path, PurePath
from typing import TypeAlias

import pyarrow as pa

from ...schemas.disk import write_parquet
from ...schemas.errors import InputError
from ...stages.template import is_absent, plain
from ..guess.tables import TableSample, read_sample, table_kind

# a data frame, pyarrow.Table, dictionary of columns, or path; pandas is no dependency
AnyTable: TypeAlias = object
# what is written as a text when a column has several of them
_PLAIN = (str, Number, date, time, PurePath)
_NO_TEMPLATE = str.maketrans("{}:", "___")
_SPELLED = (
    (pa.int64(), re.compile(r"0|-?[1-9]\d{0,17}")),
    (pa.float64(), re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")),
    (pa.bool_(), re.compile(r"true|false", re.IGNORECASE)),
)


def is_path(table: AnyTable) -> bool:
    """Whether a table is given as a file."""
    return isinstance(table, (str, Path))


def sample_of(path: Path) -> TableSample:
    """Some rows of a file; InputError where no source reads it."""
    if not path.exists():
        raise InputError(f"{path}: there is no such table")
    if not table_kind(path.name) and not path.is_dir():
        raise InputError(
            f"{path}: no source reads files of this ending; wanted .csv, .tsv, .jsonl, .xlsx,"
            " .parquet or .feather, a data frame or a pyarrow.Table"
        )
    return read_sample(path.parent, path.name)


def arrow_table(
    table: AnyTable, passed_over: Container[str] = ()
) -> tuple[pa.Table, dict[str, str]]:
    """A data frame, pyarrow.Table, or dictionary of columns as an Arrow table with distinct names;
    and the columns whose cells are of several types, which become texts, with these types.

    passed_over: columns that nobody will read: what their cells are is no obstacle.
    """
    if isinstance(table, pa.Table):
        _check_distinct(table.column_names)
        return table, {}
    if is_frame(table):
        # Arrow has other words for it
        _check_distinct([str(name) for name in table.columns])  # type: ignore[attr-defined]
        try:
            found = pa.Table.from_pandas(table, preserve_index=False)
            return found.replace_schema_metadata(None), {}
        except (pa.ArrowException, TypeError, ValueError):
            return _by_column(dict(table.items()), passed_over)  # type: ignore[attr-defined]
    if isinstance(table, Mapping):
        return _by_column(table, passed_over)
    # polars, duckdb and others; a column alone has it too, and is refused
    if hasattr(table, "__arrow_c_stream__") and hasattr(table, "columns"):
        found = pa.table(table)
        _check_distinct(found.column_names)
        return found, {}
    raise InputError(
        "table: wanted a data frame, a pyarrow.Table, a dictionary of columns or the path of a"
        f" table, found {type(table).__name__}"
    )


def _by_column(
    table: Mapping[object, object], passed_over: Container[str]
) -> tuple[pa.Table, dict[str, str]]:
    """The table that columns by their names make, and which of them became texts."""
    columns = {str(name): _cells(str(name), values) for name, values in table.items()}
    _check_distinct(list(map(str, table)))
    first = next(iter(columns), "")
    for name, cells in columns.items():
        if len(cells) != len(columns[first]):
            raise InputError(
                f"table: column {first!r} has {len(columns[first]):,} cells, and {name!r}"
                f" {len(cells):,}; give all columns as many"
            )
    made, mixed = {}, {}
    for name, cells in columns.items():
        try:
            chunked = isinstance(cells, pa.ChunkedArray)
            made[name] = cells if chunked else pa.array(cells, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            mixed[name] = ", ".join(dict.fromkeys(type(cell).__name__ for cell in _filled(cells)))
            if name not in passed_over and not all(isinstance(c, _PLAIN) for c in _filled(cells)):
                raise InputError(
                    f"table: column {name!r} has cells of {mixed[name]}; bring them to one type, or"
                    f" pass it over: columns={{{name!r}: None}}"
                ) from error
            texts = [None if _is_nothing(cell) else plain(cell) for cell in cells]
            made[name] = pa.array(texts, pa.string())
    return pa.table(made), mixed


def _cells(name: str, values: object) -> Sequence[object]:
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise InputError(
            f"table: column {name!r} is {str(values)[:40]!r}; wanted a list or array of cells"
        )
    return values  # type: ignore[return-value]  # lists, arrays and series


def _filled(cells: Sequence[object]) -> list[object]:
    return [cell for cell in cells if not _is_nothing(cell)]


def _is_nothing(cell: object) -> bool:
    """Whether a cell is empty; pandas has words of its own for it."""
    return is_absent(cell) or type(cell).__name__ in ("NAType", "NaTType")


def _check_distinct(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"table: several columns are called {twice[0]!r}; give each its own name")


def is_frame(table: AnyTable) -> bool:
    """Whether it is a data frame of pandas, known without importing it."""
    return type(table).__module__.partition(".")[0] == "pandas" and hasattr(table, "columns")


def names_for_recipes(names: Sequence[str]) -> dict[str, str]:
    """Column -> a name that a template can say, of those whose own has a brace or a colon.

    >>> names_for_recipes(["Q1: income", "age"])
    {'Q1: income': 'Q1_ income'}
    """
    taken = set(names)
    made: dict[str, str] = {}
    for name in names:
        if set(name) & set("{}:"):
            made[name] = word = free_name(name.translate(_NO_TEMPLATE), taken)
            taken.add(word)
    return made


def free_name(word: str, taken: Container[str]) -> str:
    """The word, with a number where it is taken."""
    numbered = (f"{word}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([word], numbered) if name not in taken)


def type_of(cells: Sequence[object], are_written: bool) -> pa.DataType | None:
    """The type of the values of a column; None where they are words, or of several types.

    are_written: they are texts, as in a csv, and their type is the one that all of them spell:
    whole numbers, numbers, or true and false. ``007`` spells none: it would come back as 7.
    """
    filled = [cell for cell in cells if not is_absent(cell)]
    if are_written:
        texts = [str(cell).strip() for cell in filled]
        spelled = (kind for kind, form in _SPELLED if all(map(form.fullmatch, texts)))
        return next(spelled, None)
    try:
        return pa.array(filled).type
    except (pa.ArrowException, TypeError, ValueError):
        return None


def with_whole_paths(table: pa.Table, columns: Sequence[str], folder: Path) -> pa.Table:
    """The table with the names of files in these columns as whole paths; ``folder`` is what they
    are relative to.
    """
    for column in columns:
        cells = [
            None if is_absent(cell) else os.path.abspath(folder / str(cell))
            for cell in table[column].to_pylist()
        ]
        place = table.column_names.index(column)
        table = table.set_column(place, column, pa.array(cells, pa.string()))
    return table


def write_file(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet; one that stands there already is left as it is, so that whoever
    read it need not read it again.
    """
    aside = path.with_name(f".{path.name}")
    write_parquet(aside, iter([table]))
    if path.is_file() and path.read_bytes() == aside.read_bytes():
        aside.unlink()
    else:
        aside.replace(path)
