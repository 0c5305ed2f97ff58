"""JSON too large to hold: the items of a list, one by one."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import ijson


def items(file: BinaryIO, path: str) -> Iterator[object]:
    """The items at a path (``item``, ``questions.item``); ijson.JSONError where the file is not
    JSON. A byte order mark is passed over.

    Numbers of more than 64 bits (hashes, 1e999) are beyond the fast parser; from the first of them
    on the one in Python goes on, at a tenth of the speed.
    """
    count = 0
    try:
        for value in _parsed(file, path, ijson):
            count += 1
            yield value
    except ijson.JSONError as error:
        if "overflow" not in str(error):
            raise
        yield from itertools.islice(_parsed(file, path, ijson.get_backend("python")), count, None)


class _Parser(Protocol):
    """One of the parsers of ijson."""

    def items(self, file: BinaryIO, prefix: str, *, use_float: bool) -> Iterator[object]: ...


def _parsed(file: BinaryIO, path: str, parser: _Parser) -> Iterator[object]:
    file.seek(0)
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    yield from parser.items(file, path, use_float=True)
