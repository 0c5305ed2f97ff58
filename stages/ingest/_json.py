"""JSON too large to hold: the items of a list, one by one."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import ijson

from ...schemas.errors import InputError
from ._table import UNPACKING_ERRORS, refuse_other_files, unpacked


# Any: of the others' JSON, read by who says what of it is wrong
def listed_objects(path: Path, key: str) -> Iterator[Any]:
    """The objects of one top-level list of a JSON file, streamed; InputError where the file is not
    such JSON.
    """
    refuse_other_files(path)
    any_yet = False
    try:
        with unpacked(path) as file:
            if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise InputError(
                    f"{path}: is UTF-16, and JSON is exchanged in UTF-8 (RFC 8259); save it as"
                    " UTF-8"
                )
            for value in items(file, f"{key}.item"):
                any_yet = True
                yield value
    except ijson.JSONError as error:
        raise InputError(
            f"{path}: the JSON is broken: {' '.join(str(error).split())[:160]}; fetch the file"
            " again"
        ) from None
    except UNPACKING_ERRORS as error:
        raise InputError(
            f"{path}: the file cannot be read: {error}; check 'data' and 'base' in the recipe"
        ) from None
    if not any_yet:
        raise InputError(
            f"{path}: wanted a JSON object with a list {key!r}, found none in it; check which"
            " file is which"
        )


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
