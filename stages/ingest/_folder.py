"""A folder of media with labels from a table, from folder names, or from the file names: the base
of the folder sources.
"""

from __future__ import annotations

import functools
import posixpath
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from ...schemas.contents import Contents, Kind
from ...schemas.errors import DamageError, InputError
from ...schemas.json_value import JsonValue
from ...schemas.manifest import Row
from ...schemas.record import Absence, Fault, Origin, Part, Record, make_key
from .. import template
from ..base import Beat, Merged, Noted, Read, Source
from ..modality import suffixes
from ._cues import cue_parts
from ._files import Listing, join, media_part
from ._table import TableRow, find_dialect, read_rows
from ._values import (
    check_lists,
    check_parts,
    check_tables,
    check_templates,
    given_splits,
    listed,
    number_or_note,
    split_name,
    table_parts,
    text_parts,
)

_FIELDS = ("stem", "suffix", "name", "path", "folder")


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table beside the media. ``match`` is a template over the table's columns that gives the id
    of the file a row speaks of.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    path: str
    match: str
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | list[str] | None = None
    quoted: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Folder(Source):
    """Files of one modality in a folder and its folders.

    path: the folder, below ``base``.
    base: a folder below the data root that all paths of this source begin with.
    id: template of a unique id over ``stem``, ``suffix``, ``name`` (both of them), ``path`` (below
        the folder, without its ending), ``folder`` and what ``parse`` finds.
    parse: template that reads fields out of each ``path``, for example
        ``"{label}/{speaker}-{take}"``. Where nothing stands between two fields one of them needs a
        width, or characters with a bound: ``"{speaker:2}{text:3}{emotion:[A-Z]}{take}"``.
    labels: a table with more columns for each file; rows without a file become records without this
        part.
    text: part name -> template, for texts in the table or the name.
    table: part name -> columns of the table (or fields) whose cells, numbers and categories, are
        one part that a model can read.
    targets, numbers: columns and fields, or target name -> template. ``folder`` is the name of the
        folder a file lies in.
    lists: targets whose cells hold several values -> what stands between them (``{genres: "|"}``).
    cues: part name -> path template of timed text beside the file (.srt, .vtt, .align).
    group, split: templates; records of a group stay in one split.
    group_kind: a word for what ``group`` names: groups of the same name in sources of the same kind
    are one. The source's own name where it is not given.
    part: the name of the part; the modality's own name where it is not given.
    """

    modality: ClassVar[str] = "image"

    path: str
    base: str = ""
    id: str = "{path}"
    parse: str | None = None
    labels: LabelTable | None = None
    text: dict[str, str] = field(default_factory=dict)
    table: dict[str, list[str]] = field(default_factory=dict)
    targets: list[str] | dict[str, str] = field(default_factory=dict)
    numbers: list[str] | dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    cues: dict[str, str] = field(default_factory=dict)
    group: str | None = None
    group_kind: str | None = None
    split: str | None = None
    part: str | None = None

    def __post_init__(self) -> None:
        media = [self.part_name(), *self.more_parts("", 0)]
        check_parts(part=media, text=self.text, table=self.table, cues=self.cues)
        check_tables(self.table)
        check_lists(self.lists, _templates(self.targets))
        check_templates({"parse": self.parse}, template.parse_problems)
        check_templates(
            self._templates(),
            functools.partial(
                template.problems, known=self._fields(()) if self.labels is None else None
            ),
        )

    def _templates(self) -> dict[str, str | None]:
        """Every template that is filled, by the option it stands in."""
        named = {f"text.{name}": text for name, text in self.text.items()} | {
            f"cues.{name}": text for name, text in self.cues.items()
        }
        named |= {
            f"table.{name}.{column}": template.as_template(column)
            for name, columns in self.table.items()
            for column in columns
        }
        named |= {f"targets.{name}": text for name, text in _templates(self.targets).items()}
        named |= {f"numbers.{name}": text for name, text in _templates(self.numbers).items()}
        return {"id": self.id, "group": self.group, "split": self.split, **named}

    def _fields(self, columns: Iterable[str]) -> list[str]:
        """The fields that its templates can name."""
        return [*_FIELDS, *(template.fields(self.parse) if self.parse else ()), *columns]

    def paths(self) -> list[str]:
        paths = [join(self.base, self.path)]
        if self.labels:
            paths.append(join(self.base, self.labels.path))
        folders = (template.folder_of(path) or "" for path in self.cues.values())
        return list(
            dict.fromkeys([*paths, *(join(self.base, folder) or "." for folder in folders)])
        )

    def contents(self) -> Contents:
        parts: dict[str, str | None] = {self.part_name(): self.modality}
        parts |= {
            name: part.modality for name, part in self.more_parts("", 0).items()
        } | dict.fromkeys([*self.text, *self.cues], "text")
        parts |= dict.fromkeys(self.table, "table")
        targets: dict[str, Kind | None] = {
            **dict.fromkeys(_templates(self.targets), "text"),
            **dict.fromkeys(self.lists, "list"),
            **dict.fromkeys(_templates(self.numbers), "number"),
        }
        return Contents(parts, targets, **given_splits(self.split))

    def part_name(self) -> str:
        """The name of the media part."""
        return self.part or self.modality

    def more_parts(self, uri: str, size: int) -> dict[str, Part]:
        """Parts that come out of the same file beside the first; none here."""
        return {}

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        labels = yield from self._labels(root, name, tally)
        used: set[str] = set()
        seen: set[str] = set()
        folder = join(self.base, self.path)
        parser = template.pattern(self.parse) if self.parse else None
        listing = Listing(root, folder, self.suffixes())
        for uri in listing:
            if not self.takes(root, uri):
                yield Noted(
                    f"passed over in {folder or 'the data root'}: files of"
                    f" {posixpath.splitext(uri)[1].lower()} that hold no {self.modality} alone"
                )
                continue
            tally["files"] += 1
            values = _path_values(uri, folder)
            key = make_key(name, uri)
            record = Record(key, key, Origin(name, uri, None, values["path"]))
            try:
                beat(uri)
                match = (
                    # a template may speak of the name alone, or of the folders above it too
                    (parser.fullmatch(values["path"]) or parser.fullmatch(values["stem"]))
                    if parser
                    else None
                )
            except DamageError as error:
                yield Row(record, Fault(error.rule, message=error.message))
                continue
            if parser and match is None:
                yield Row(
                    record,
                    Fault(
                        "name_mismatch",
                        values["path"],
                        self.parse,
                        "the file's name does not fit 'parse'",
                    ),
                )
                continue
            if match:
                values |= match.groupdict()
            before = len(used)
            yield self._record(root, record, name, values, labels, used, seen, uri)
            if len(used) > before:
                yield Merged("label rows")
        yield from listing.rejects(name, tally)
        for identity, (row_number, cells) in labels.items():
            if identity not in used:
                yield self._unmatched(name, identity, row_number, cells)

    def suffixes(self) -> tuple[str, ...]:
        """Endings of the files to list."""
        return suffixes([self.modality])

    def takes(self, root: Path, uri: str) -> bool:
        """Whether a listed file is one of this source's."""
        return True

    def part_of(self, root: Path, uri: str, told: Counter[str]) -> Part | None:
        """The part that a file is; None for one that holds nothing. ``told`` counts what the
        account is to say of how it was read.
        """
        return media_part(root, uri, self.modality)

    def _labels(
        self, root: Path, name: str, tally: Counter[str]
    ) -> Generator[Read, None, dict[str, tuple[int, dict[str, str]]]]:
        """The rows of the label table by file id, as the generator's result; rejects are
        yielded.
        """
        rows: dict[str, tuple[int, dict[str, str]]] = {}
        if self.labels is None:
            return rows
        file = join(self.base, self.labels.path)
        own = self.labels
        dialect = find_dialect(root / file, own.encoding, own.delimiter, own.header, own.quoted)
        if dialect.encoding not in ("utf-8", "utf-8-sig", "ascii") and not own.encoding:
            yield Noted(
                f"labels read as {dialect.encoding}, found from the bytes of {file}; set"
                " labels.encoding to say otherwise"
            )
        columns = [word for word in dialect.header if word]
        for word in self._hidden(columns):
            yield Noted(
                f"column {word!r} of {file} not read: {{{word}}} is the file's own; give the column"
                " another name"
            )
        self._check_columns(file, columns)
        for row in read_rows(root / file, dialect):
            tally["label rows"] += 1
            key = make_key(name, "label", row.number)
            record = Record(key, key, Origin(name, file, row.number))
            identity, fault = _identity(row, own.match)
            if fault is None and identity in rows:
                number = rows[identity][0]
                told = f"row {number} speaks of the same file"
                fault = Fault("duplicate_id", identity, "unique", told)
            if fault is not None:
                yield Row(record, fault)
            else:
                rows[identity] = (row.number, row.cells)
        return rows

    def _hidden(self, columns: Collection[str]) -> list[str]:
        """Columns of the label table that a template means and does not get, for the file itself
        has something of that name.
        """
        meant = {
            word
            for option, text in self._templates().items()
            if text and option != "id"
            for word in template.fields(text)
        }
        return sorted(set(self._fields(())) & set(columns) & meant)

    def _check_columns(self, file: str, columns: Sequence[str]) -> None:
        """InputError where a template names what neither the label table nor the file has."""
        assert self.labels is not None
        names = self._fields(columns)
        problems = [
            f"labels.match: {line}" for line in template.problems(self.labels.match, columns)
        ]
        problems += [
            f"{option}: {line}"
            for option, text in self._templates().items()
            if text
            for line in template.problems(text, names)
        ]
        if problems:
            raise InputError(f"{file}: {'; '.join(problems)}; the table has {', '.join(columns)}")

    def _record(
        self,
        root: Path,
        record: Record,
        name: str,
        values: dict[str, str],
        labels: Mapping[str, tuple[int, dict[str, str]]],
        used: set[str],
        seen: set[str],
        uri: str,
    ) -> Row:
        told: Counter[str] = Counter()
        try:
            identity = template.fill(self.id, values)
            if not identity:
                return Row(record, Fault("empty_id", "", self.id, "the file's id is empty"))
            if identity in seen:
                return Row(
                    record,
                    Fault(
                        "duplicate_id",
                        identity,
                        "unique",
                        "another file has this id; set id: '{path}{suffix}', or make it exact in"
                        " another way",
                    ),
                )
            seen.add(identity)
            part = self.part_of(root, uri, told)
        except ValueError as error:
            return Row(
                record,
                Fault(
                    "bad_id",
                    str(error),
                    self.id,
                    f"the id cannot be made of this file's name: {error}",
                ),
            )
        except DamageError as error:
            if identity and identity in labels:
                used.add(identity)  # its file is there, and told for what it is
            return Row(record, Fault(error.rule, message=error.message))
        if identity in labels:
            used.add(identity)
            values = {**labels[identity][1], **values}
        unmatched: list[Fault] = []
        if self.labels is not None and identity not in labels:
            unmatched.append(
                Fault.unmatched(
                    "label_row", identity, f"no row of {self.labels.path} is of {identity!r}"
                )
            )
        absent: dict[str, Absence] = {} if part else {self.part_name(): "absent"}
        parts = {self.part_name(): part, **self.more_parts(uri, part.bytes or 0)} if part else {}
        try:
            parts |= cue_parts(root, self.base, self.cues, values, absent, unmatched, told)
        except DamageError as error:
            return Row(record, Fault(error.rule, message=error.message))
        key = make_key(name, identity)
        record = replace(
            record,
            key=key,
            group=key,
            origin=replace(record.origin, id=identity),
            parts=parts,
            absent=absent,
        )
        row = self._filled(record, name, values, unmatched)
        row.note = ", ".join(sorted(told))
        return row

    def _filled(
        self, record: Record, name: str, values: Mapping[str, str], unmatched: list[Fault]
    ) -> Row:
        """The record with texts, targets, group and split from the fields at hand; fields that a
        row lacks leave them out.
        """
        parts, absent = dict(record.parts), dict(record.absent)
        targets: dict[str, JsonValue] = {}
        try:
            parts |= text_parts(self.text, values, absent) | table_parts(self.table, values, absent)
            for target, text in _templates(self.targets).items():
                value: str | list[str] = (template.fill(text, values) or "").strip()
                if isinstance(value, str) and target in self.lists:
                    value = listed(value, self.lists[target])
                if value:
                    targets[target] = value
            for target, text in _templates(self.numbers).items():
                number = number_or_note(target, template.fill(text, values), unmatched)
                if number is not None:
                    targets[target] = number
            split = split_name(template.fill(self.split, values)) if self.split else None
            group = template.fill(self.group, values) if self.group else None
        except ValueError as error:
            return Row(
                record, Fault("bad_value", str(error), None, f"a value cannot be read: {error}")
            )
        return Row(
            replace(
                record,
                parts=parts,
                absent=absent,
                targets=targets,
                group=make_key(self.group_kind or name, group) if group else record.key,
                split=split,
            ),
            unmatched=unmatched,
        )

    def _unmatched(self, name: str, identity: str, number: int, cells: Mapping[str, str]) -> Row:
        assert self.labels is not None
        key = make_key(name, identity)
        names: list[str] = [self.part_name(), *self.more_parts("", 0), *self.cues]
        absent: dict[str, Absence] = dict.fromkeys(names, "missing")
        record = Record(
            key,
            key,
            Origin(name, join(self.base, self.labels.path), number, identity),
            absent=absent,
        )
        unmatched = [
            Fault.unmatched(
                f"{self.part_name()}_file",
                identity,
                f"no file of the folder has the id {identity!r}",
            )
        ]
        own = set(self._fields(()))
        cells = {word: cell for word, cell in cells.items() if word not in own}
        return self._filled(record, name, cells, unmatched)


def _identity(row: TableRow, match: str) -> tuple[str, Fault | None]:
    """The file that a row of the label table speaks of, and why it speaks of none."""
    if row.fault:
        told = f"the row is not whole: {row.found}"
        return "", Fault(row.fault, row.found, "a whole row of text", told)
    try:
        identity = (template.fill(match, row.cells) or "").strip()
    except ValueError as error:
        told = f"labels.match cannot be made of this row: {error}"
        return "", Fault("bad_id", str(error), match, told)
    return identity, None if identity else Fault("empty_id", "", match, "the row names no file")


def _path_values(uri: str, folder: str) -> dict[str, str]:
    inner = uri[len(folder) + 1 :] if folder else uri
    path, suffix = posixpath.splitext(inner)
    above, _, stem = path.rpartition("/")
    return {
        "stem": stem,
        "suffix": suffix,
        "name": stem + suffix,
        "path": path,
        "folder": above.rpartition("/")[2] or folder.rpartition("/")[2],
    }


def _templates(value: list[str] | dict[str, str]) -> dict[str, str]:
    pairs = {name: name for name in value} if isinstance(value, list) else value
    return {name: template.as_template(text) for name, text in pairs.items()}
