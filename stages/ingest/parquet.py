"""A Parquet file, a folder of them, or an Arrow (Feather) file, with the same mapping of columns as
csv.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.dataset

from ...schemas.contents import Kind
from ...schemas.errors import InputError
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from ..base import Beat, Read
from ._columns import Columns, Mapper
from ._files import join
from .jsonl import flatten

_ROWS = 1024
_ARROW = b"ARROW1"


@dataclass(frozen=True, kw_only=True)
class Parquet(Columns):
    """Rows of Parquet or Arrow files; nested values are reached as ``a.b``.

    A target that is a list in the file is a list in the record. ``path`` may be a folder: all files
    in it are one table, in order of their names.
    """

    target_kind: ClassVar[Kind | None] = None

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        file = join(self.base, self.path)
        path = root / file
        if not path.exists():
            raise InputError(
                f"{path}: there is no such table; check 'data' and 'path' in the recipe"
            )
        try:
            table = pa.dataset.dataset(path, format=arrow_form(path))
            self.check(nested_names(table.schema), file)
            mapper = Mapper(self, root, name, beat, checked=True)
            columns = set(table.schema.names)
            wanted = sorted(
                {word if word in columns else word.split(".")[0] for word in self.fields()}
                & columns
            )
            number = 0
            for batch in table.to_batches(columns=wanted, batch_size=_ROWS):
                for value in batch.to_pylist():
                    number += 1
                    tally["rows"] += 1
                    yield self._row(value, mapper, name, file, number)
        # a date beyond the year 9999, for one
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, OverflowError) as error:
            raise InputError(
                f"{path}: the table cannot be read: {' '.join(str(error).split())[:200]}"
            ) from None
        yield from mapper.rest(file, tally)

    def _row(
        self, value: dict[str, object], mapper: Mapper, name: str, file: str, number: int
    ) -> Row:
        flat = flatten(value)
        wrong = next(
            (word for word in sorted(self.fields()) if isinstance(flat.get(word), bytes)), None
        )
        if wrong is not None:
            key = make_key(name, f"row-{number}")
            return Row(
                Record(key, key, Origin(name, file, number)),
                Fault("bytes_in_table", wrong, "text or numbers", f"{wrong!r} holds bytes"),
            )
        return mapper.row(flat, file, number)


def arrow_form(path: Path) -> str:
    """How an Arrow dataset is told what a file is, or a folder of Parquet files."""
    if path.is_dir():
        return "parquet"
    with open(path, "rb") as file:
        return "ipc" if file.read(6) == _ARROW else "parquet"


def nested_names(schema: pa.Schema, prefix: str = "") -> list[str]:
    """The names that a mapping can use: columns, and fields of nested ones."""
    names = []
    for field in schema:
        names.append(f"{prefix}{field.name}")
        if pa.types.is_struct(field.type):
            names += nested_names(field.type, f"{prefix}{field.name}.")
    return names
