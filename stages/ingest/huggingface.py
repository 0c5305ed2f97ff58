"""A Hugging Face dataset on disk: Parquet files of the Hub, or what ``save_to_disk`` wrote. Media
in its cells are read where they lie.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import pyarrow as pa

from ...schemas.contents import Contents, Kind
from ...schemas.errors import DamageError, InputError
from ...schemas.record import is_part_name
from ..base import Beat, Noted, Read
from ..media.inside import BytesTable, CellPlace, holds_bytes
from ..media.refusing import one_line
from ..modality import by_ending
from ._columns import Columns, Mapper, Media
from ._endings import HEAD_BYTES, ending_of
from ._files import join
from ._hub_files import (
    HubColumn,
    HubFile,
    hub_columns,
    is_media_struct,
    list_hub_files,
    open_hub_file,
    same_columns,
)
from .jsonl import flatten
from .parquet import nested_names

T = TypeVar("T")

_ROWS = 1024
_LOOKED_AT = 1000
_GROUPS_LOOKED_AT = 8
_ROW, _SPLIT = "__row__", "__split__"
_WORDS_OF_A_TEXT = 3


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Columns):
    """Rows of a dataset as ``datasets`` has them, with the same mapping as csv; nested values are
    reached as ``a.b``. ``__row__`` is the number of a row in its split, from 0, and ``__split__``
    the split of its file.

    path: the folder of the dataset, or one of its files.
    media: part name -> path, of which ``{column}`` is the content of a cell: ``{picture: {path:
        "{image}"}}``. All columns of images, sounds and films where neither these nor ``text`` and
        ``table`` are given.
    text: columns of words, three or more a row, where nothing is given.
    id: the split and the row's number in it where it is not given.
    targets, numbers: classes, and columns of few values, where neither they nor ``table`` are
        given. A number of a class is its name; -1, of no class, is absent.
    split: that of the file, where each of them says one and it is not given.

    Cells are not unpacked: a group of rows is read whenever one of its media is wanted, so that
    Parquet files with large groups are slow, and above 0.5 GB of media in a group refused.
    """

    target_kind: ClassVar[Kind | None] = None

    def paths(self) -> list[str]:
        return [join(self.base, self.path) or ".", *super().paths()[1:]]

    def media_folder(self, root: Path, entry: Media) -> str | None:
        # of {image} anything may come, a cell first of all
        return None if entry.path.startswith("{") else super().media_folder(root, entry)

    def contents_in(self, root: Path) -> Contents:
        settled, _, files = self.settled(root)
        told = settled.contents()
        if settled.split == "{" + _SPLIT + "}":
            return replace(told, splits=frozenset(file.split for file in files), open_splits=False)
        return told

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        path = join(self.base, self.path)
        settled, told, files = self.settled(root)
        yield from map(Noted, told)
        tables = [open_hub_file(root, file) for file in files]
        same_columns((file, table.schema) for file, table in zip(files, tables, strict=True))
        schema = tables[0].schema
        settled.check([*nested_names(schema), _ROW, _SPLIT], path)
        columns = hub_columns(root, path, files[0], schema)
        mapper = Mapper(settled, root, name, beat, checked=True)
        before: Counter[str] = Counter()
        notes: Counter[str] = Counter()
        for file, table in zip(files, tables, strict=True):
            reading = _Reading(settled, file, table, columns, notes)
            try:
                for number, values in enumerate(reading.rows(before[file.split]), 1):
                    tally["rows"] += 1
                    yield mapper.row(values, file.uri, number)
            except (pa.ArrowException, OSError, DamageError) as error:
                raise InputError(f"{root / file.uri}: cannot be read: {one_line(error)}") from None
            before[file.split] += table.starts[-1]
        named = {word.split(".")[0] for word in settled.fields()} | settled.fields()
        unread = [word for word in schema.names if word not in named]
        if unread:
            yield Noted(f"columns not read, for nothing names them: {', '.join(unread)}")
        yield from (Noted(what, count) for what, count in sorted(notes.items()))
        yield from mapper.rest(path, tally)

    def settled(self, root: Path) -> tuple[HuggingFace, list[str], list[HubFile]]:
        """The source with all that its options leave open, what the account is to say of it, and
        the files of the dataset.
        """
        told: list[str] = []
        path = join(self.base, self.path)
        files = list_hub_files(root, path)
        table = open_hub_file(root, files[0])
        columns = hub_columns(root, path, files[0], table.schema)
        looked_at = [open_hub_file(root, file) for file in _spread(files, _GROUPS_LOOKED_AT)]
        guess = _Guess(_some_rows(looked_at, columns), columns)
        settled = self
        if not (self.media or self.text or self.table):
            media, texts = guess.media(), guess.texts()
            settled = replace(settled, media=media, text=texts)
            told.append(f"parts guessed from columns: {', '.join([*media, *texts]) or 'none'}")
        if not (self.targets or self.numbers or self.table):
            targets, numbers = guess.targets()
            settled = replace(settled, targets=targets, numbers=numbers)
            if targets or numbers:
                told.append(f"targets guessed from columns: {', '.join([*targets, *numbers])}")
        has_splits = all(file.split for file in files)
        if self.split is None and has_splits:
            settled = replace(settled, split="{" + _SPLIT + "}")
            told.append("splits are those that the names of files say")
        if self.id is None:
            words = (_SPLIT, _ROW) if has_splits else (_ROW,)
            settled = replace(settled, id="-".join("{" + word + "}" for word in words))
        return settled, told, files


@dataclass(frozen=True, slots=True)
class _Reading:
    """The rows of one file as the mapping takes them."""

    columns: HuggingFace
    file: HubFile
    table: BytesTable
    told: Mapping[str, HubColumn]
    notes: Counter[str]

    def rows(self, before: int) -> Iterator[dict[str, object]]:
        """The values of each row. before: how many rows of the split lie in other files."""
        wanted = {word.split(".")[0] for word in self.columns.fields()} | self.columns.fields()
        named = [word for word in self.table.schema.names if word in wanted]
        media = [word for word in named if _bytes_column(self.table.schema, word)]
        plain = [word for word in named if word not in media]
        for number, first in enumerate(self.table.starts[:-1]):
            cells = {word: list(self._cells(number, first, word)) for word in media}
            size = self.table.starts[number + 1] - first
            group = pa.table(
                {word: self.table.group(number, word) for word in plain} or {"": pa.nulls(size)}
            )
            place = 0
            for batch in group.to_batches(max_chunksize=_ROWS):
                for value in batch.to_pylist():
                    values = {word: self._plain(word, own) for word, own in value.items()}
                    for word in media:
                        values[word] = cells[word][place]
                    values[_ROW] = before + first + place
                    values[_SPLIT] = self.file.split
                    place += 1
                    yield {**flatten(values), **values}

    def _plain(self, word: str, value: object) -> object:
        """A value with the names of its classes in the place of their numbers."""
        names = self.told[word].names if word in self.told else ()
        if not names or value is None:
            return value
        if isinstance(value, list):
            return [self._class(word, names, one) for one in value]
        return self._class(word, names, value)

    def _class(self, word: str, names: tuple[str, ...], value: object) -> object:
        if not isinstance(value, int):
            return value
        if 0 <= value < len(names):
            return names[value]
        what = "no class (-1)" if value == -1 else f"the class {value}, which has no name"
        self.notes[f"{word}: rows of {what}; absent"] += 1
        return None

    def _cells(self, number: int, first: int, word: str) -> Iterator[str | None]:
        """Where the content of each cell of a group lies, below ``base``; None for an empty one."""
        column = _bytes_column(self.table.schema, word)
        assert column
        data = self.table.group(number, column)
        is_struct = column != word
        paths = (
            self.table.group(number, f"{word}.path").to_pylist()
            if is_struct
            else [None] * len(data)
        )
        base = self.columns.base
        below = posixpath.relpath(self.file.uri, base) if base else self.file.uri
        for place, (cell, path) in enumerate(zip(data, paths, strict=True)):
            if not cell.is_valid:
                # a dataset that was made of local files may name them alone
                yield path if not path or path.startswith("/") else join(self.columns.path, path)
                continue
            row = first + place
            head = bytes(cell.as_buffer()[:HEAD_BYTES]) if len(cell.as_buffer()) else b""
            yield CellPlace(below, row, column).uri(_file_name(path, row, head))


def _file_name(path: str | None, row: int, head: bytes) -> str:
    """What the content of a cell is called: as its path says where that has an ending of media,
    else by its first bytes.
    """
    name = posixpath.basename(path or "")
    if name and by_ending(name):
        return name
    stem = re.sub(r"[^\w-]+", "-", posixpath.splitext(name)[0]) or str(row)
    return stem + ending_of(head)


def _bytes_column(schema: pa.Schema, word: str) -> str | None:
    """The column, or field of it, that holds the bytes of media; None where none does."""
    kind = schema.field(word).type
    if is_media_struct(kind):
        return f"{word}.bytes"
    return word if holds_bytes(kind) else None


def _some_rows(
    tables: Sequence[BytesTable], columns: Mapping[str, HubColumn]
) -> dict[str, list[object]]:
    """Values of rows from all over these files, for they may be sorted by class, one after the
    other; of media the endings of the first, and their types.
    """
    groups = [
        (table, group)
        for table in tables
        for group in _spread(range(len(table.starts) - 1), -(-_GROUPS_LOOKED_AT // len(tables)))
    ]
    found: dict[str, list[object]] = {}
    for word in tables[0].schema.names:
        found[word] = []
        # what lacks a column is told where all of them are read
        own = [(table, group) for table, group in groups if word in table.schema.names]
        column = _bytes_column(tables[0].schema, word)
        if column is None:
            each = -(-_LOOKED_AT // max(1, len(own)))
            for table, group in own:
                found[word] += table.group(group, word).slice(0, each).to_pylist()
        elif own and columns[word].modality in ("", "any"):
            table, group = own[0]
            cells = table.group(group, column).slice(0, _LOOKED_AT)
            whole = (cell.as_buffer()[:HEAD_BYTES] for cell in cells if cell.is_valid)
            found[word] = [ending_of(bytes(head)) for head in whole]
    return found


def _spread(items: Sequence[T], count: int) -> list[T]:
    """At most so many of the items, evenly from the first to the last."""
    if not items:
        return []
    places = np.unique(np.linspace(0, len(items) - 1, count).astype(int))
    return [items[place] for place in places.tolist()]


@dataclass(frozen=True, slots=True)
class _Guess:
    """What columns are, by what the dataset says of them and by some of their values."""

    values: Mapping[str, list[object]]
    columns: Mapping[str, HubColumn]

    def media(self) -> dict[str, Media]:
        """Media by the column that they lie in."""
        found = {}
        for word, column in self.columns.items():
            modality: str | None = column.modality
            if column.modality in ("", "any"):
                endings = [value for value in self.values[word] if isinstance(value, str)]
                is_text = column.modality == "" and not all(map(_is_ending, endings))
                modality = None if is_text or not endings else by_ending(endings[0])
            if modality and not column.is_list and is_part_name(word):
                found[word] = Media(path="{" + word + "}", modality=modality, unlisted="ignore")
        return found

    def texts(self) -> dict[str, str]:
        """Columns of words."""
        return {word: word for word in self.columns if self._is_text(word) and is_part_name(word)}

    def targets(self) -> tuple[dict[str, str], dict[str, str]]:
        """Classes and numbers to learn."""
        targets, numbers = {}, {}
        for word, column in self.columns.items():
            values = [value for value in self.values[word] if value is not None]
            distinct = len(set(map(str, values)))
            are_few = 1 < distinct <= max(2, len(values) // 4)
            are_words = all(isinstance(value, (str, bool)) for value in values)
            are_numbers = all(isinstance(value, (int, float)) for value in values)
            has_fractions = any(isinstance(value, float) for value in values)
            if column.names or (are_few and are_words and not self._is_text(word)):
                targets[word] = word
            elif values and are_numbers and not are_words and (are_few or has_fractions):
                numbers[word] = word
        return targets, numbers

    def _is_text(self, word: str) -> bool:
        values = [value for value in self.values[word] if isinstance(value, str)]
        words = sum(len(value.split()) for value in values)
        return bool(values) and words >= _WORDS_OF_A_TEXT * len(values)


def _is_ending(value: str) -> bool:
    return value.startswith(".") or not value
