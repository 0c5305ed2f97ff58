"""The mapping from a row's columns to a record: shared by every source that has rows (csv, JSON lines, labels beside media)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from ...schemas.contents import Contents, Kind
from ...schemas.errors import DamageError, InputError, nearest
from ...schemas.manifest import Row
from ...schemas.record import Fault, Modality, Origin, Part, Record, make_key
from ..base import Beat, Merged, Source
from ..media.files import SUFFIXES, bytes_of, locate
from . import _template as template
from ._cues import read_cues
from ._files import join, list_files, media_part, modality_of
from ._values import check_templates, given_splits, number, seconds, split_name


@dataclass(frozen=True, kw_only=True)
class Media:
    """Media that a row refers to.

    path: template of the file's path, below the source's base.
    modality: image, audio or video; left out, it follows from the ending.
    unlisted: ``keep`` makes a record of each file in the folder that no row names; ``ignore`` leaves them out.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    path: str
    modality: Modality | None = None
    unlisted: Literal["keep", "ignore"] = "keep"


@dataclass(frozen=True, kw_only=True)
class Columns(Source):
    """A source that has rows. Templates like ``"audio/{clip}.wav"`` take columns by name.

    path: the file, below ``base``.
    base: a folder below the data root that all paths of this source begin with.
    id: template of a unique id; the row's number where it is not given.
    text: column, or part name -> column or template. An empty cell is an absent part.
    media: part name -> path template (and modality); files of the folder that no row names become records of their own.
    cues: part name -> path template of timed text (.srt, .vtt, .align).
    targets, numbers: columns, or target name -> column or template; ``numbers`` are read as floats. An empty cell is no target.
    group, split: templates; records of a group stay in one split.
    start, end: columns with seconds or hh:mm:ss,mmm that cut the row's sound and video.
    """

    target_kind: ClassVar[Kind | None] = "text"

    path: str
    base: str = ""
    id: str | None = None
    text: str | dict[str, str] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    cues: dict[str, str] = field(default_factory=dict)
    targets: list[str] | dict[str, str] = field(default_factory=dict)
    numbers: list[str] | dict[str, str] = field(default_factory=dict)
    group: str | None = None
    split: str | None = None
    start: str | None = None
    end: str | None = None

    def __post_init__(self) -> None:
        check_templates({"id": self.id, "group": self.group, "split": self.split, **self.texts(), **self.cues}, template.problems)
        check_templates({name: entry.path for name, entry in self.media.items()}, template.problems)

    def paths(self) -> list[str]:
        folders = [template.folder_of(path) for path in (*(entry.path for entry in self.media.values()), *self.cues.values())]
        return [join(self.base, self.path), *(join(self.base, folder) for folder in folders if folder is not None)]

    def contents(self) -> Contents:
        parts: dict[str, Modality | None] = dict.fromkeys([*self.texts(), *self.cues], "text")
        parts |= {name: entry.modality or modality_of(entry.path) for name, entry in self.media.items()}
        targets: dict[str, Kind | None] = {**dict.fromkeys(_named(self.targets), self.target_kind), **dict.fromkeys(_named(self.numbers), "number")}
        if not self.media:
            targets |= {word: "number" for word, column in (("start_s", self.start), ("end_s", self.end)) if column}
        return Contents(parts, targets, **given_splits(self.split))

    def texts(self) -> dict[str, str]:
        """Part name -> template for every text part."""
        return {"text": _as_template(self.text)} if isinstance(self.text, str) else {name: _as_template(value) for name, value in self.text.items()}

    def check(self, known: list[str], where: str, hint: str = "") -> None:
        """InputError naming every column that the mapping wants and the table does not have."""
        wanted = [self.id or "", self.group or "", self.split or "", *self.texts().values(), *(entry.path for entry in self.media.values())]
        wanted += [*self.cues.values(), *_named(self.targets).values(), *_named(self.numbers).values()]
        wanted += [_as_template(word) for word in (self.start, self.end) if word]
        lost = sorted({name for text in wanted for name in template.fields(text)} - set(known))
        if lost:
            names = ", ".join(f"{name!r}{nearest(name, known)}" for name in lost)
            raise InputError(f"{where}: the table has no column {names}{hint}")


def _as_template(text: str) -> str:
    return text if "{" in text else "{" + text + "}"


def _named(value: list[str] | dict[str, str]) -> dict[str, str]:
    if isinstance(value, list):
        return {name: _as_template(name) for name in value}
    return {name: _as_template(text) for name, text in value.items()}


class Mapper:
    """Makes records of rows and remembers which files they named, so that the files nobody named can be given too."""

    def __init__(self, columns: Columns, root: Path, source: str) -> None:
        self._columns = columns
        self._root = root
        self._source = source
        self._seen: set[str] = set()
        self._named: set[str] = set()
        self._texts = columns.texts()
        self._targets = _named(columns.targets)
        self._numbers = _named(columns.numbers)

    def row(self, values: Mapping[str, Any], file: str, number: int) -> Row:
        """The record of one row, or a counted reject with the row's place."""
        columns = self._columns
        try:
            identity = template.fill(columns.id, values).strip() if columns.id else str(number)
            record = Record(make_key(self._source, identity or f"row-{number}"), "", Origin(self._source, file, number, identity))
        except (template.MissingField, ValueError) as error:
            record = Record(make_key(self._source, f"row-{number}"), "", Origin(self._source, file, number))
            return Row(
                replace(record, group=record.key), Fault("bad_id", str(error), columns.id, f"the id {columns.id!r} cannot be made of this row")
            )
        record = replace(record, group=record.key)
        if not identity:
            return Row(replace(record, key=make_key(self._source, f"row-{number}")), Fault("empty_id", "", "a value", "the row's id is empty"))
        if identity in self._seen:
            return Row(
                replace(record, key=make_key(self._source, f"row-{number}", identity)),
                Fault("duplicate_id", identity, "unique", "an earlier row has this id"),
            )
        self._seen.add(identity)
        try:
            unmatched: list[Fault] = []
            return Row(self._fill(record, values, unmatched), unmatched=unmatched)
        except DamageError as error:
            return Row(record, Fault(error.rule, message=error.message))
        except (template.MissingField, ValueError) as error:
            return Row(record, Fault("bad_value", str(error), message=f"a value of this row cannot be read: {error}"))

    def _fill(self, record: Record, values: Mapping[str, Any], unmatched: list[Fault]) -> Record:
        columns = self._columns
        parts: dict[str, Part] = {}
        absent: dict[str, Any] = {}
        for name, text in self._texts.items():
            value = self._text(text, values)
            if value.strip():
                parts[name] = Part("text", text=value)
            else:
                absent[name] = "absent"
        start = self._seconds(columns.start, values)
        end = self._seconds(columns.end, values)
        if start is not None and end is not None and end <= start:
            raise ValueError(f"the span ends at {end} s, not after its start at {start} s")
        for name, entry in columns.media.items():
            part = self._media(name, entry, values, unmatched)
            if part is None:
                absent[name] = "absent"
            else:
                parts[name] = replace(part, start_s=start, end_s=end) if part.modality in ("audio", "video") else part
        for name, text in columns.cues.items():
            uri = join(columns.base, template.fill(text, values))
            if (self._root / uri).is_file():
                cues = read_cues(locate(self._root, uri))
                parts[name] = Part("text", text=" ".join(cue.text for cue in cues), uri=None, cues=cues)
            else:
                absent[name] = "absent"
                unmatched.append(Fault.unmatched(f"{name}_file", uri, f"{uri} is not there"))
        targets: dict[str, Any] = {}
        for name, text in self._targets.items():
            alone = values.get(text[1:-1])  # of a template that is one column and nothing else
            found = [str(item) for item in alone] if isinstance(alone, list) else self._text(text, values).strip()
            if found:
                targets[name] = found
        for name, text in self._numbers.items():
            value = template.fill(text, values).strip()
            if value:
                targets[name] = number(value)
        if not columns.media:
            for word, time in (("start_s", start), ("end_s", end)):
                if time is not None:
                    targets[word] = time
        group = make_key(self._source, template.fill(columns.group, values)) if columns.group else record.key
        split = split_name(template.fill(columns.split, values)) if columns.split else None
        return replace(record, parts=parts, absent=absent, targets=targets, group=group, split=split)

    def _text(self, text: str, values: Mapping[str, Any]) -> str:
        """The template filled; ValueError for a list, whose text would be Python's way of writing it."""
        lists = [name for name in template.fields(text) if isinstance(values.get(name), list)]
        if lists:
            raise ValueError(f"{lists[0]!r} is a list, wanted a text or a number")
        return template.fill(text, values)

    def _seconds(self, column: str | None, values: Mapping[str, Any]) -> float | None:
        text = template.fill(_as_template(column), values).strip() if column else ""
        return seconds(text) if text else None

    def _media(self, name: str, entry: Media, values: Mapping[str, Any], unmatched: list[Fault]) -> Part | None:
        relative = template.fill(entry.path, values)
        if not relative.strip():
            return None
        uri = join(self._columns.base, relative) if not relative.startswith("/") else relative
        self._named.add(uri)
        try:
            size = bytes_of(self._root, uri)
        except DamageError as error:
            if error.rule != "file_missing":
                raise
            unmatched.append(Fault.unmatched(f"{name}_file", uri, f"{uri} is not there"))
            return None
        modality = entry.modality or modality_of(uri)
        if modality is None:
            raise DamageError("unknown_media", f"{uri}: the ending says neither image, audio nor video; set modality for {name}")
        return Part(modality, uri=uri, bytes=size)

    def unlisted(self, tally: Counter[str], beat: Beat) -> Iterator[Row | Merged]:
        """Records of the files that no row named; files that rows named are merged into those."""
        for name, entry in self._columns.media.items():
            folder = template.folder_of(entry.path)
            if folder is None:
                continue
            suffixes = SUFFIXES[entry.modality] if entry.modality else tuple(ending for endings in SUFFIXES.values() for ending in endings)
            tail = entry.path.rpartition("}")[2]
            for uri in list_files(self._root, join(self._columns.base, folder), suffixes):
                beat(uri)
                if uri in self._named:
                    tally["media files"] += 1
                    yield Merged("media files")
                elif entry.unlisted == "keep" and uri.endswith(tail):
                    tally["media files"] += 1
                    yield self._orphan(name, entry, uri)

    def _orphan(self, name: str, entry: Media, uri: str) -> Row:
        key = make_key(self._source, uri)
        record = Record(key, key, Origin(self._source, uri, None, uri))
        try:
            part = media_part(self._root, uri, entry.modality or modality_of(uri) or "image")
        except DamageError as error:
            return Row(record, Fault(error.rule, message=error.message))
        others = {other for other in (*self._texts, *self._columns.media, *self._columns.cues) if other != name}
        record = replace(record, parts={name: part}, absent=dict.fromkeys(sorted(others), "absent"))
        return Row(record, unmatched=[Fault.unmatched("row", uri, "no row names this file")])
