"""JSON lines: one object on each line, with the same mapping of columns as csv."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...schemas.contents import Kind
from ...schemas.errors import InputError
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from ..base import Beat, Merged
from ._columns import Columns, Mapper
from ._files import join
from ._table import LONGEST_LINE


@dataclass(frozen=True, kw_only=True)
class Jsonl(Columns):
    """Objects of a JSON-lines file; nested values are reached as ``a.b``.

    A target that is a list in the file is a list in the record: annotators' answers, or several labels.
    """

    target_kind: ClassVar[Kind | None] = None

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Row | Merged]:
        file = join(self.base, self.path)
        mapper = Mapper(self, root, name)
        try:
            with open(root / file, "rb") as lines:
                number = 0
                while line := lines.readline(LONGEST_LINE):
                    number += 1
                    if len(line) >= LONGEST_LINE:
                        raise InputError(f"{file}: line {number} has no end within {LONGEST_LINE:,} bytes; this is not JSON lines")
                    if not line.strip():
                        continue
                    tally["rows"] += 1
                    yield _row(line, mapper, name, file, number)
        except OSError as error:
            raise InputError(f"{root / file}: the file cannot be read: {error.strerror}; check 'data' and 'path' in the recipe") from None
        yield from mapper.unlisted(tally, beat)


def _row(line: bytes, mapper: Mapper, name: str, file: str, number: int) -> Row:
    key = make_key(name, f"row-{number}")
    record = Record(key, key, Origin(name, file, number))
    try:
        value = json.loads(line)
        if b"\\ud" in line.lower():
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        return Row(record, Fault("broken_json", line[:60].decode(errors="replace"), "a JSON object", f"not JSON: {error}"))
    if not isinstance(value, dict):
        return Row(record, Fault("broken_json", type(value).__name__, "a JSON object", "the line is no object"))
    return mapper.row(flatten(value), file, number)


def flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as ``a.b`` keys; lists stay as they are.

    >>> flatten({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            flat |= flatten(inner, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = "" if inner is None else inner
    return flat
