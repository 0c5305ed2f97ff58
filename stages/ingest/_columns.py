"""The mapping from a row's columns to a record: shared by every source that has rows (csv, JSON
lines, labels beside media).
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, model_validator

from ...schemas.contents import Contents, Kind
from ...schemas.errors import DamageError, InputError, nearest
from ...schemas.json_value import JsonValue
from ...schemas.manifest import Row
from ...schemas.record import Absence, Fault, Origin, Part, Record, Step, make_key
from .. import template
from ..base import Beat, Merged, Noted, Read, Seen, Source
from ..media.files import bytes_of
from ..modality import by_ending, every_on_disk, on_disk, suffixes, timed
from ._cues import cue_parts
from ._files import Listing, Loose, join, media_part
from ._values import (
    check_lists,
    check_parts,
    check_tables,
    check_templates,
    given_splits,
    is_no_number,
    listed,
    number_or_note,
    seconds,
    split_name,
    table_parts,
    text_parts,
)

_MOST_SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class Media:
    """Media that a row refers to.

    path: template of the file's path, below the source's base.
    modality: image, audio, video or series; left out, it follows from the ending.
    unlisted: ``keep`` makes a record of each file in the folder that no row names; ``ignore``
        leaves them out.
    options: what the modality takes beside these, written beside them. A series: ``columns``,
        ``rate_hz``, ``time``, ``unit``.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    path: str
    modality: str | None = None
    unlisted: Literal["keep", "ignore"] = "keep"
    options: dict[str, object] = field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, given: object) -> object:
        """Options of the modality, which stand beside the others in a recipe, put together."""
        if not isinstance(given, dict) or not isinstance(given.get("modality"), str):
            return given
        own = {item.name for item in fields(cls)}
        options = {name: value for name, value in given.items() if name not in own}
        return {
            **{name: value for name, value in given.items() if name in own},
            **({"options": options} if options else {}),
        }

    def __post_init__(self) -> None:
        if self.modality is None:
            return
        modalities = [kind.name for kind in every_on_disk()]
        if self.modality not in modalities:
            raise ValueError(
                f"modality: no files are called {self.modality!r}"
                f"{nearest(self.modality, modalities)}"
            )
        self.steps()

    def steps(self) -> tuple[Step, ...]:
        """What the options say of each file, as steps on its part."""
        return on_disk(self.modality).steps(self.options) if self.modality is not None else ()


@dataclass(frozen=True, kw_only=True)
class Columns(Source):
    """A source that has rows. Templates like ``"audio/{clip}.wav"`` take columns by name.

    path: the file, below ``base``.
    base: a folder below the data root that all paths of this source begin with.
    id: template of a unique id; the row's number where it is not given.
    text: column, or part name -> column or template. An empty cell is an absent part.
    table: part name -> columns whose cells, numbers and categories, are one part that a model can
        read.
    media: part name -> path template (and modality); files of the folder that no row names become
        records of their own.
    cues: part name -> path template of timed text (.srt, .vtt, .align).
    targets, numbers: columns, or target name -> column or template; ``numbers`` are read as floats.
        An empty cell is no target.
    lists: targets whose cells hold several values -> what stands between them (``{genres: "|"}``).
    group, split: templates; records of a group stay in one split.
    group_kind: a word for what ``group`` names (coco_image): groups of the same name in sources of
        the same kind are one group. The source's own name where it is not given.
    start, end: columns with seconds or hh:mm:ss,mmm that cut the row's sound and video.
    decimal, thousands: how ``numbers`` are written: ``decimal: ","`` with ``thousands: "."`` reads
        1.275,20.
    absent: what cells say that are meant to be empty: ``[NA, "N/A"]``.

    A cell is absent where it is empty, null, NaN or not in the row at all, and so is what is made
    of it: ``img/{file}`` without a file is no part.
    """

    target_kind: ClassVar[Kind | None] = "text"

    path: str
    base: str = ""
    id: str | None = None
    text: str | dict[str, str] = field(default_factory=dict)
    table: dict[str, list[str]] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    cues: dict[str, str] = field(default_factory=dict)
    targets: list[str] | dict[str, str] = field(default_factory=dict)
    numbers: list[str] | dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    group: str | None = None
    group_kind: str | None = None
    split: str | None = None
    start: str | None = None
    end: str | None = None
    absent: list[str] = field(default_factory=list)
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""

    def __post_init__(self) -> None:
        if self.decimal == self.thousands:
            raise ValueError(f"thousands: {self.thousands!r} is the decimal mark already")
        check_parts(media=self.media, text=self.texts(), table=self.table, cues=self.cues)
        check_tables(self.table)
        check_lists(self.lists, _named(self.targets))
        check_templates(
            {"id": self.id, "group": self.group, "split": self.split, **self.texts(), **self.cues},
            template.problems,
        )
        check_templates({name: entry.path for name, entry in self.media.items()}, template.problems)

    def paths(self) -> list[str]:
        # A path that begins with a field can lead anywhere below the base.
        folders = [
            template.folder_of(path) or ""
            for path in (*(entry.path for entry in self.media.values()), *self.cues.values())
        ]
        return list(
            dict.fromkeys(
                [
                    join(self.base, self.path),
                    *(join(self.base, folder) or "." for folder in folders),
                ]
            )
        )

    def contents(self) -> Contents:
        parts: dict[str, str | None] = dict.fromkeys([*self.texts(), *self.cues], "text")
        parts |= dict.fromkeys(self.table, "table")
        parts |= {
            name: entry.modality or by_ending(entry.path) for name, entry in self.media.items()
        }
        targets: dict[str, Kind | None] = {
            **dict.fromkeys(_named(self.targets), self.target_kind),
            **dict.fromkeys(self.lists, "list"),
            **dict.fromkeys(_named(self.numbers), "number"),
        }
        if not self.media:
            targets |= {
                word: "number"
                for word, column in (("start_s", self.start), ("end_s", self.end))
                if column
            }
        return Contents(parts, targets, **given_splits(self.split))

    def table_file(self) -> str:
        """The file of the rows, below the data root."""
        return join(self.base, self.path)

    def media_folder(self, root: Path, entry: Media) -> str | None:
        """The folder below ``base`` whose files this entry means; None where nothing tells it."""
        return template.folder_of(entry.path)

    def texts(self) -> dict[str, str]:
        """Part name -> template for every text part."""
        return (
            {"text": template.as_template(self.text)}
            if isinstance(self.text, str)
            else {name: template.as_template(value) for name, value in self.text.items()}
        )

    def words(self) -> set[str]:
        """The columns of texts, of labels, and of what decides where a record belongs."""
        templates = [*self.texts().values(), *_named(self.targets).values()]
        templates += [self.group or "", self.split or ""]
        templates += [
            template.as_template(column) for columns in self.table.values() for column in columns
        ]
        return {name for text in templates for name in template.fields(text)}

    def fields(self) -> set[str]:
        """Every column that the mapping names."""
        wanted = [
            self.id or "",
            self.group or "",
            self.split or "",
            *self.texts().values(),
            *(entry.path for entry in self.media.values()),
        ]
        wanted += [
            *self.cues.values(),
            *_named(self.targets).values(),
            *_named(self.numbers).values(),
        ]
        wanted += [
            template.as_template(column) for columns in self.table.values() for column in columns
        ]
        wanted += [template.as_template(word) for word in (self.start, self.end) if word]
        return {name for text in wanted for name in template.fields(text)}

    def check(self, known: list[str], where: str, hint: str = "") -> None:
        """InputError naming every column that the mapping wants and the table does not have."""
        if self.split in known:
            raise InputError(
                f"{where}: split: {self.split!r} is the name of a column, and would be the split of"
                f" every row; write {template.field_of(self.split)!r}"
            )
        lost = sorted(self.fields() - set(known))
        if lost:
            close = [
                (name, difflib.get_close_matches(name, known, n=1, cutoff=0.5)) for name in lost
            ]
            names = ", ".join(
                f"{name!r}" + (f" (did you mean {matches[0]!r}?)" if matches else "")
                for name, matches in close
            )
            columns = ", ".join(known[:_MOST_SHOWN]) + (", ..." if len(known) > _MOST_SHOWN else "")
            raise InputError(f"{where}: the table has no column {names}; it has {columns}{hint}")


def _named(value: list[str] | dict[str, str]) -> dict[str, str]:
    if isinstance(value, list):
        return {name: template.as_template(name) for name in value}
    return {name: template.as_template(text) for name, text in value.items()}


class Mapper:
    """Makes records of rows and remembers which files they named, so that the files nobody named
    can be given too.

    checked: the table names its columns, and all that the mapping wants are among them. seen: what
        it remembers of rows; that of earlier ones where this is one range of several.
    """

    def __init__(
        self,
        columns: Columns,
        root: Path,
        source: str,
        beat: Beat,
        checked: bool = False,
        seen: Seen | None = None,
    ) -> None:
        self._columns = columns
        self._root = root
        self._top = f"{os.path.abspath(root).rstrip('/')}/"
        self._source = source
        self._beat = beat
        self._seen = Seen() if seen is None else seen
        self._texts = columns.texts()
        self._timed = timed()
        self._steps = {name: entry.steps() for name, entry in columns.media.items()}
        self._targets = _named(columns.targets)
        self._numbers = _named(columns.numbers)
        self._wanted = set() if checked else columns.fields()
        self._absent = frozenset(columns.absent)
        self._words = columns.words()
        self._loose = Loose(root)

    def row(self, values: Mapping[str, object], file: str, number: int) -> Row:
        """The record of one row, or a counted reject with the row's place."""
        columns = self._columns
        seen = self._seen
        seen.rows += 1
        # an object of JSON may lack any column; one that none of them has is misspelt
        if len(seen.columns) < len(self._wanted):
            seen.columns |= self._wanted & values.keys()
        if self._absent:
            values = {
                name: None if isinstance(value, str) and value.strip() in self._absent else value
                for name, value in values.items()
            }
        self._tell_of_nothing(values)

        def refused(fault: Fault, *words: str) -> Row:
            """A reject; ``words`` make its key."""
            key = make_key(self._source, *(words or (f"row-{number}",)))
            return Row(Record(key, key, Origin(self._source, file, number, *words[-1:])), fault)

        try:
            self._beat(f"{file}, row {number}")
            identity = (
                (template.fill(columns.id, values) or "").strip() if columns.id else str(number)
            )
        except DamageError as error:
            return refused(Fault(error.rule, message=error.message))
        except ValueError as error:
            message = f"the id {columns.id!r} cannot be made of this row"
            return refused(Fault("bad_id", str(error), columns.id, message))
        if not identity:
            return refused(Fault("empty_id", "", "a value", "the row's id is empty"))
        if identity in seen.ids:
            fault = Fault("duplicate_id", identity, "unique", "an earlier row has this id")
            return refused(fault, f"row-{number}", identity)
        seen.ids.add(identity)
        try:
            unmatched: list[Fault] = []
            origin = Origin(self._source, file, number, identity)
            return Row(self._filled(origin, values, unmatched), unmatched=unmatched)
        except DamageError as error:
            return refused(Fault(error.rule, message=error.message), identity)
        except ValueError as error:
            message = f"a value of this row cannot be read: {error}"
            return refused(Fault("bad_value", str(error), message=message), identity)

    def _tell_of_nothing(self, values: Mapping[str, object]) -> None:
        """Count the cells of words and labels that say NA or the like, and are read as it."""
        for name in self._words:
            value = values.get(name)
            if isinstance(value, str) and value in template.SAID_ABSENT:
                self._seen.notes[
                    f"cells that say {value}, read as a word; absent: [{value!r}] makes them empty"
                ] += 1

    def _filled(
        self, origin: Origin, values: Mapping[str, object], unmatched: list[Fault]
    ) -> Record:
        """The record of a row that has an id."""
        columns = self._columns
        absent: dict[str, Absence] = {}
        parts = text_parts(self._texts, values, absent)
        parts |= table_parts(columns.table, values, absent, columns.decimal, columns.thousands)
        for name, entry in columns.media.items():
            part = self._media(name, entry, values, unmatched)
            if part is None:
                absent[name] = _why_absent(entry.path, values)
            else:
                parts[name] = part
        start, end = self._seconds(columns.start, values), self._seconds(columns.end, values)
        with_time = [name for name, part in parts.items() if part.modality in self._timed]
        if with_time and start is not None and end is not None and end <= start:
            raise ValueError(f"the span ends at {end} s, not after its start at {start} s")
        for name in with_time:
            parts[name] = replace(parts[name], start_s=start, end_s=end)
        cues = cue_parts(
            self._root, columns.base, columns.cues, values, absent, unmatched, self._seen.notes
        )
        parts.update(cues)
        targets: dict[str, JsonValue] = {}
        for name, text in self._targets.items():
            alone = values.get(text[1:-1])  # of a template that is one column and nothing else
            value = (
                _listed(alone)
                if isinstance(alone, list)
                else (template.fill(text, values) or "").strip()
            )
            if isinstance(value, str) and name in columns.lists:
                value = listed(value, columns.lists[name])
            if value:
                targets[name] = value
        for name, text in self._numbers.items():
            value_of = number_or_note(
                name, template.fill(text, values), unmatched, columns.decimal, columns.thousands
            )
            if value_of is not None:
                targets[name] = value_of
        if not columns.media:
            for word, time in (("start_s", start), ("end_s", end)):
                if time is not None:
                    targets[word] = time
        group = template.fill(columns.group, values) if columns.group else None
        split = split_name(template.fill(columns.split, values)) if columns.split else None
        key = make_key(self._source, origin.id)
        return Record(
            key,
            make_key(columns.group_kind or self._source, group) if group else key,
            origin,
            parts,
            targets,
            split,
            absent,
        )

    def _seconds(self, column: str | None, values: Mapping[str, object]) -> float | None:
        text = template.fill(template.as_template(column), values) if column else None
        return None if text is None or is_no_number(text) else seconds(text)

    def _media(
        self, name: str, entry: Media, values: Mapping[str, object], unmatched: list[Fault]
    ) -> Part | None:
        relative = template.fill(entry.path, values)
        if relative is None:
            return None
        # a whole path is taken where it lies below the data root
        uri = (
            relative.removeprefix(self._top)
            if relative.startswith("/")
            else join(self._columns.base, relative)
        )
        try:
            uri, size = self._on_disk(uri)
        except DamageError as error:
            if error.rule != "file_missing":
                raise
            unmatched.append(Fault.unmatched(f"{name}_file", uri, f"{uri} is not there"))
            return None
        # named it is, whatever becomes of the row
        self._seen.files.add(uri)
        modality = entry.modality or by_ending(uri)
        if modality is None:
            modalities = ", ".join(kind.name for kind in every_on_disk())
            raise DamageError(
                "unknown_media",
                f"{uri}: the ending does not say what it is; set modality for {name}"
                f" ({modalities})",
            )
        return Part(modality, uri=uri, bytes=size, steps=self._steps[name])

    def _on_disk(self, uri: str) -> tuple[str, int]:
        """The file that is meant and its size; one whose name is written in another form is taken,
        and told.
        """
        try:
            return uri, bytes_of(self._root, uri)
        except DamageError as error:
            other = self._loose.find(uri) if error.rule == "file_missing" else None
            if other is None:
                raise
            self._seen.notes[
                "taken, though the table writes the name in another form (capitals, \\ for /, or"
                " accents)"
            ] += 1
            return other, bytes_of(self._root, other)

    def rest(self, where: str, tally: Counter[str]) -> Iterator[Read]:
        """What comes after the last row: records of the files that no row named, and what is to be
        told.

        InputError where a column that the mapping names was in no row at all: it is misspelt.
        """
        seen = self._seen
        lacking = self._wanted - seen.columns
        if seen.rows and lacking:
            lost = ", ".join(repr(name) for name in sorted(lacking))
            raise InputError(
                f"{where}: no row has {lost}; check the names in the recipe (rows do have"
                f" {', '.join(map(repr, sorted(seen.columns))) or 'none of them'})"
            )
        if not self._columns.media and (self._columns.start or self._columns.end):
            yield Noted(
                "start and end have no sound or film to cut here; they are the targets start_s"
                " and end_s",
                seen.rows,
            )
        yield from (Noted(what, count) for what, count in sorted(seen.notes.items()))
        yield from self._unlisted(tally)

    def _unlisted(self, tally: Counter[str]) -> Iterator[Read]:
        """Records of the files that no row named; files that rows named are merged into those. Each
        file counts once, whatever names it.
        """
        by_folder: dict[str, list[tuple[str, Media]]] = {}
        for name, entry in self._columns.media.items():
            folder = self._columns.media_folder(self._root, entry)
            if folder is not None:
                by_folder.setdefault(join(self._columns.base, folder), []).append((name, entry))
        listed: set[str] = set()
        for folder, entries in sorted(by_folder.items()):
            listing = Listing(self._root, folder, _endings(entries))
            for uri in listing:
                if uri in listed:
                    continue
                listed.add(uri)
                if uri in self._seen.files:
                    tally["media files"] += 1
                    yield Merged("media files")
                    continue
                fitting = [
                    (name, entry)
                    for name, entry in entries
                    if uri.endswith(_tail(entry)) and _takes(entry, uri)
                ]
                # of {f}.jpg and {f}_small.jpg the one that says more
                fitting.sort(key=lambda pair: -len(_tail(pair[1])))
                if not fitting:
                    yield Noted(
                        f"passed over in {folder or 'the data root'}: files that no row names and"
                        " that fit no 'path'"
                    )
                elif fitting[0][1].unlisted == "keep":
                    tally["media files"] += 1
                    yield self._orphan(*fitting[0], uri)
                else:
                    yield Noted(
                        f"passed over in {folder or 'the data root'}: files that no row names"
                        " (unlisted: ignore)"
                    )
            yield from listing.rejects(self._source, tally)

    def _orphan(self, name: str, entry: Media, uri: str) -> Row:
        # a row may have the path of another file for its id
        words = ("file", uri) if uri in self._seen.ids else (uri,)
        key = make_key(self._source, *words)
        record = Record(key, key, Origin(self._source, uri, None, uri))
        try:
            self._beat(uri)
            part = replace(
                media_part(self._root, uri, _modality(entry, uri)), steps=self._steps[name]
            )
        except DamageError as error:
            return Row(record, Fault(error.rule, message=error.message))
        others = {
            other
            for other in (
                *self._texts,
                *self._columns.table,
                *self._columns.media,
                *self._columns.cues,
            )
            if other != name
        }
        record = replace(record, parts={name: part}, absent=dict.fromkeys(sorted(others), "absent"))
        return Row(record, unmatched=[Fault.unmatched("row", uri, "no row names this file")])


def _why_absent(path: str, values: Mapping[str, object]) -> Absence:
    """``missing`` where the row names a file that is not there, ``absent`` where it names none."""
    return "absent" if template.fill(path, values) is None else "missing"


def _listed(values: list[object]) -> list[str]:
    return [template.plain(value) for value in values if not template.is_absent(value)]


def _tail(entry: Media) -> str:
    return entry.path.rpartition("}")[2]


def _takes(entry: Media, uri: str) -> bool:
    """Whether a file can be what the entry means."""
    if entry.modality is None:
        return by_ending(uri) is not None
    return uri.lower().endswith(suffixes([entry.modality]))


def _modality(entry: Media, uri: str) -> str:
    """The modality of a file that the entry takes."""
    modality = entry.modality or by_ending(uri)
    assert modality is not None
    return modality


def _endings(entries: list[tuple[str, Media]]) -> tuple[str, ...]:
    return suffixes(entry.modality for _, entry in entries)
