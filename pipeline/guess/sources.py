"""Sources of a recipe, proposed for what was found: options, what they are owed to, and what the
records of each hold.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...schemas.errors import DamageError
from ...stages.media.container import opened
from ...stages.template import field_of, fill, folder_of
from .captions import CaptionSet
from .claims import Claim, as_name
from .columns import ColumnGuess, label_rank, target_column, target_columns
from .containers import ContainerFinding
from .looking import FolderFindings, TableFinding
from .media import CueFiles, MediaFolder, number_pattern
from .tables import is_unique
from .vqa import VqaSet

Aim = Literal["class", "number", "list", "answers"]

_SURE_TEXT = 0.9
_MANY_COLUMNS = 4
_SOUND_LOOKED_AT = 3
_ORPHANS = 0.3
_WHOLE = re.compile(r"\d+\.0+")
_SPLIT_FILE = re.compile(r"split[^/]*$", re.IGNORECASE)
_AIMS: Mapping[str, Aim] = {"category": "class", "list": "list", "number": "number"}
_GROUPS = (
    re.compile(r"patient|subject|participant|person", re.IGNORECASE),
    re.compile(r"dialog|conversation|session|recording|scene|source|src|series", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True)
class Aimed:
    """A target that training may be asked for.

    share: of the records that have it. label_rank: of its name, 0 for that of a label.
    are_numbers: its values are. values: how many there are, as far as is known.
    """

    kind: Aim
    share: float
    label_rank: int
    are_numbers: bool = False
    values: int = 0


@dataclass(kw_only=True, slots=True)
class ProposedSource:
    """A source of the recipe.

    told: why it is as it is, a line each. parts: name -> modality; sure_texts: those that are
    prose. groups: id of each record that was looked at -> its group, or nothing. keys: templates
    that can be its id, each with its values. splits: names that it gives; split_of: id -> split.
    number: template that reads a number out of the names of its files.
    """

    name: str
    options: dict[str, object]
    told: list[str]
    parts: dict[str, str] = field(default_factory=dict)
    sure_texts: list[str] = field(default_factory=list)
    targets: dict[str, Aimed] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    splits: tuple[str, ...] = ()
    split_of: dict[str, str] = field(default_factory=dict)
    every_record_has_split: bool = False
    records: int = 0
    number: str = ""

    @property
    def is_companion(self) -> bool:
        """Whether it holds nothing to learn from, and is of use beside another alone."""
        return not self.parts

    def know_by(self, template: str) -> None:
        """Make one of its keys its id."""
        groups = list(self.groups.values()) or [""] * len(self.keys[template])
        self.options["id"] = template
        self.groups = dict(zip(self.keys[template], groups, strict=True))

    def numbers(self) -> dict[str, str]:
        """Number in the name of a file, without zeros before it -> the name."""
        found = {name: re.findall(r"\d+", name) for name in self.groups if self.number}
        return {str(int(digits[-1])): name for name, digits in found.items() if digits}

    def know_by_number(self) -> None:
        """Make the number in the names of its files its id."""
        if self.options["id"] != "{number:d}":
            self.groups = {number: self.groups[name] for number, name in self.numbers().items()}
            self.options |= {"id": "{number:d}", "parse": self.number}

    def rename(self, name: str, new: str) -> None:
        """Give a part or a target another name."""
        for held in (self.parts, self.targets):
            if name in held:
                held[new] = held.pop(name)  # type: ignore[assignment]  # both are by name
        self.sure_texts = [new if text == name else text for text in self.sure_texts]
        for option in ("text", "media", "cues", "table", "targets", "numbers", "lists"):
            entry = self.options.get(option)
            if isinstance(entry, list) and name in entry:
                entry = {word: word for word in entry}
            if isinstance(entry, dict) and name in entry:
                self.options[option] = {
                    new if word == name else word: value for word, value in entry.items()
                }
        kind = str(self.options["type"]).removesuffix("_folder")
        if kind == name and kind != self.options["type"]:
            self.options["part"] = new
        elif kind == "video" and name == "audio":
            self.options["sound"] = new


def _named(table: TableFinding, claim: Claim) -> float:
    """How many files its rows name, as far as was looked."""
    return table.sample.rows * claim.found / max(1, claim.looked_at)


def from_table(
    finding: TableFinding,
    claims: Sequence[Claim],
    findings: FolderFindings,
    name: str,
    split: str,
    whole: TableFinding,
    beside: Sequence[tuple[TableFinding, Sequence[Claim]]] = (),
) -> ProposedSource:
    """The source that reads a table. split: of all of its rows, or nothing. whole: the table of the
    same set that has all columns. beside: the other tables that are read, with what they claim.
    """
    return _OfTable(finding, claims, findings, name, split, whole, beside).source()


class _OfTable:
    """Puts the options of a table's source together."""

    def __init__(
        self,
        finding: TableFinding,
        claims: Sequence[Claim],
        findings: FolderFindings,
        name: str,
        split: str,
        whole: TableFinding,
        beside: Sequence[tuple[TableFinding, Sequence[Claim]]],
    ) -> None:
        self._table, self._claims, self._findings = finding, claims, findings
        self._beside = beside
        self._whole = whole
        self._split = split
        sample = finding.sample
        self._told: list[str] = [_about(finding)]
        self._options: dict[str, object] = {"type": sample.kind, "path": sample.file}
        self._result = ProposedSource(
            name=name, options=self._options, told=self._told, records=sample.rows
        )
        self._names = {"audio", *(claim.part for claim in claims)}

    def source(self) -> ProposedSource:
        self._options |= self._table.sample.options
        if self._table.sample.stray:
            self._stray()
        if self._table.sample.sheets:
            others = ", ".join(map(repr, self._table.sample.sheets))
            self._told.append(f"of its sheets this one is read; not read: {others} (sheet: NAME)")
        if self._table.sample.absent:
            counts = self._table.sample.absent.items()
            where = ", ".join(f"{column} ({count:,})" for column, count in counts)
            self._told.append(f"cells that say NA or the like are empty (absent): {where}")
        self._id()
        self._texts()
        self._media()
        self._targets()
        self._splits()
        self._group()
        self._times()
        passed_over = [
            f"{guess.column} ({guess.reason})"
            for guess in self._table.of("passed over", "date", "position")
        ]
        if passed_over:
            self._told.append(f"columns passed over: {'; '.join(passed_over)}")
        return self._result

    def _stray(self) -> None:
        sample = self._table.sample
        self._options["stray"] = "join"
        self._told.append(
            f"{sample.stray:,} rows have cells beyond the named columns, which are joined back onto"
            " the last one"
        )

    def _id(self) -> None:
        """The template whose values are unique: an identifier, a file, or two columns together."""
        cells = self._table.sample.cells
        files = [guess.column for guess in self._table.of("path")]
        named = [guess.column for guess in self._table.of("identifier")]
        # a column of whole numbers of which one was missing once is written 1.0, 2.0, ...
        written = [
            column for column in named if all(map(_WHOLE.fullmatch, map(str, cells[column])))
        ]
        candidates = [field_of(column, "stem") for column in files if _has_ending(cells[column])]
        candidates += [
            field_of(column, "d" if column in written else "")
            for column in dict.fromkeys([*files, *named])
        ]
        candidates += [
            f"{field_of(group.column)}-{field_of(position.column)}"
            for group in self._table.of("group")
            for position in self._table.of("position")
        ]
        sample = self._table.sample
        for template in candidates:
            values = self._values(template)
            if len(set(values)) == sample.taken and (
                sample.rows == sample.taken or is_unique(self._findings.root, sample, template)
            ):
                self._result.keys[template] = values
        if self._result.keys:
            self._result.know_by(next(iter(self._result.keys)))
            return
        self._told.append("no column is an id: rows are known by their numbers")

    def _values(self, template: str) -> list[str]:
        return _filled(self._table.sample.cells, template)

    def _texts(self) -> None:
        texts = {}
        for guess in self._table.of("text"):
            part = self._name(guess.column, "text")
            texts[part] = guess.column
            if guess.confidence >= _SURE_TEXT:
                self._result.sure_texts.append(part)
            self._result.parts[part] = "text"
        if texts:
            self._options["text"] = texts

    def _name(self, column: str, otherwise: str) -> str:
        """A name for what a column gives, that nothing else of the source has."""
        name = as_name(column) or otherwise
        for number in itertools.count(2):
            if name not in self._names:
                break
            name = f"{as_name(column) or otherwise}_{number}"
        self._names.add(name)
        return name

    def _media(self) -> None:
        media: dict[str, object] = {}
        cues = {}
        for guess in self._table.of("path"):
            if not guess.places:
                self._told.append(f"{guess.column!r} names files, and none of them is here")
        for claim in self._claims:
            self._told.append(
                f"{claim.part}: {claim.found:,} of {claim.looked_at:,} values of {claim.column!r}"
                " lead to a file"
            )
            if claim.modality == "cues":
                cues[claim.part] = claim.path
                self._result.parts[claim.part] = "text"
                continue
            entry: dict[str, object] = {"path": claim.path}
            orphans, others = self._orphans(claim)
            if orphans:
                entry["unlisted"] = "ignore"
                of_others = f", {others:,} of them files of other tables," if others else ""
                self._told.append(
                    f"{claim.part}: {orphans:,} files that no row names{of_others} are left out"
                    " (unlisted: keep takes them)"
                )
            media[claim.part] = entry
            self._result.parts[claim.part] = claim.modality
            if claim.modality == "video" and self._has_sound(claim):
                sound = "audio" if claim.part == "video" else f"{claim.part}_audio"
                if sound not in self._result.parts:
                    media[sound] = {**entry, "modality": "audio"}
                    self._result.parts[sound] = "audio"
        if media:
            self._options["media"] = media
        if cues:
            self._options["cues"] = cues

    def _orphans(self, claim: Claim) -> tuple[int, int]:
        """Files that no row names, where other tables name some of them, or they are more than a
        run would take for a few strays; and those that other tables name.
        """
        folder = folder_of(claim.path)
        if folder is None:
            return 0, 0
        tail = claim.path.rpartition("}")[2].lower()
        files = [
            file
            for file in self._findings.listing.files
            if claim.takes(file) and file.lower().endswith(tail)
        ]
        spare = len(files) - round(_named(self._table, claim))
        others = sum(
            round(_named(table, other))
            for table, claims in self._beside
            for other in claims
            if other.modality == claim.modality and any(map(other.takes, files[:1]))
        )
        others = max(0, min(spare, others))
        return (spare, others) if others or spare > _ORPHANS * len(files) else (0, 0)

    def _has_sound(self, claim: Claim) -> bool:
        files = [file for file in self._findings.listing.files if claim.takes(file)]
        return has_sound(self._findings.root, files)

    def _targets(self) -> None:
        columns = self._table.of("category", "list", "number")
        if _SPLIT_FILE.search(self._table.file) and not self._table.of("split"):
            # 1 may mean train, or test
            names = ", ".join(guess.column for guess in columns)
            self._told.append(
                f"columns passed over: {names} (which value is a split's name is open)"
            )
            columns = []
        many = _many_alike(columns)
        if many:
            self._told.append(f"columns passed over: {', '.join(many)} (one for each of several)")
        columns = [guess for guess in columns if guess.column not in many]
        if set(self._result.parts.values()) <= {"text"}:
            columns = self._table_part(columns)
        words = {
            self._name(guess.column, "label"): guess for guess in columns if guess.role != "number"
        }
        numbers = {
            self._name(guess.column, "number"): guess for guess in columns if guess.role == "number"
        }
        if words:
            self._options["targets"] = _by_name(words)
        if lists := {name: guess.separator for name, guess in words.items() if guess.separator}:
            self._options["lists"] = lists
        if numbers:
            self._options["numbers"] = _by_name(numbers)
        for name, guess in {**words, **numbers}.items():
            self._result.targets[name] = Aimed(
                _AIMS[guess.role],
                guess.filled / max(1, guess.cells),
                label_rank(guess.column),
                guess.are_numbers,
                guess.values,
            )
        decimal, thousands = self._table.marks
        if numbers or "table" in self._options:
            self._options |= {"decimal": decimal} if decimal != "." else {}
            self._options |= {"thousands": thousands} if thousands else {}

    def _table_part(self, columns: list[ColumnGuess]) -> list[ColumnGuess]:
        """Without media the cells are what is learnt from, beside texts if there are any; targets
        are left of them.
        """
        guesses = {guess.column: guess for guess in self._whole.of("category", "list", "number")}
        likeliest = target_column(guesses)
        targets = [likeliest.column] if likeliest else []
        if self._result.parts:
            targets = target_columns(guesses)
        cells = [
            guess.column
            for guess in columns
            if guess.column not in targets and guess.role != "list"
        ]
        for column in list(cells):
            twin = next((target for target in targets if self._are_one(column, target)), None)
            if twin is not None:
                cells.remove(column)
                columns = [guess for guess in columns if guess.column != column]
                self._told.append(
                    f"column passed over: {column}, which says what {twin} says in other words"
                )
        if cells:
            part = self._name("cells", "cells")
            self._options["table"] = {part: cells}
            self._result.parts[part] = "table"
        return [guess for guess in columns if guess.column not in cells]

    def _are_one(self, column: str, other: str) -> bool:
        """Whether each value of a column stands beside one value of the other, and the other way
        round, several times.
        """
        cells = self._table.sample.cells
        if other not in cells:
            return False
        pairs = list(zip(map(str, cells[column]), map(str, cells[other]), strict=True))
        counts = {len({pair[side] for pair in pairs}) for side in (0, 1)}
        return counts == {len(set(pairs))} and 1 < len(set(pairs)) <= len(pairs) / 2

    def _group(self) -> None:
        groups = [guess.column for guess in self._table.of("group")]
        for claim in self._claims:
            guess = self._table.columns[claim.column]
            if guess.values < guess.filled and claim.modality != "cues":
                # several rows of one picture
                groups.insert(0, claim.column)
        for column in sorted(groups, key=_group_rank):
            if self._options.get("id") != field_of(column) and not self._tears(column):
                self._options["group"] = field_of(column)
                self._told.append(f"records of one {column!r} stay in one split")
                values = self._values(field_of(column))
                if len(values) == len(self._result.groups):
                    self._result.groups = dict(zip(self._result.groups, values, strict=True))
                return

    def _tears(self, column: str) -> bool:
        """Whether the splits that the table gives put records of one group into several."""
        split = self._options.get("split")
        if not isinstance(split, str) or "{" not in split:
            return False
        pairs = set(self._values(f"{field_of(column)}\n{split}"))
        is_torn = len(pairs) > len(set(self._values(field_of(column))))
        if is_torn:
            self._told.append(f"its splits share values of {column!r}, and are kept as they are")
        return is_torn

    def _splits(self) -> None:
        split, fold = self._table.of("split"), self._table.of("fold")
        if self._split:
            self._options["split"] = self._split
            self._result.splits = (self._split,)
        elif split:
            self._options["split"] = field_of(split[0].column)
            self._result.splits = tuple(sorted(set(self._values(field_of(split[0].column)))))
        elif fold:
            self._options["split"] = f"fold{field_of(fold[0].column)}"
            self._result.splits = tuple(
                sorted(set(self._values(f"fold{field_of(fold[0].column)}")))
            )
        column = (split or fold)[0] if split or fold else None
        if column is not None and column.filled == column.cells:
            words = self._values(str(self._options["split"]))
            self._result.split_of = dict(zip(self._result.groups, words, strict=False))
        self._result.every_record_has_split = bool(self._split) or (
            column is not None and column.filled == column.cells
        )

    def _times(self) -> None:
        start, end = self._table.of("start"), self._table.of("end")
        if start and end:
            self._options |= {"start": start[0].column, "end": end[0].column}


def from_media(
    folder: MediaFolder, cues: Sequence[CueFiles], findings: FolderFindings, name: str
) -> ProposedSource:
    """The source that reads a folder of media."""
    endings = ", ".join(f"{count:,} {ending}" for ending, count in folder.endings.items())
    told = [f"{len(folder.files):,} files: {endings}"]
    options: dict[str, object] = {"type": f"{folder.modality}_folder", "path": folder.path}
    result = ProposedSource(name=name, options=options, told=told, records=len(folder.files))
    options["id"] = "{stem}" if folder.has_unique_stems else "{path}{suffix}"
    if folder.has_unique_stems:
        result.groups = dict.fromkeys(folder.stems, "")
    if folder.parse:
        options["parse"] = folder.parse
    if folder.labels:
        options["targets"] = {"label": "{label}" if "{label}" in folder.parse else "{folder}"}
        told.append(
            f"{len(folder.labels):,} folders give the label: {', '.join(folder.labels[:5])}"
            + (", ..." if len(folder.labels) > 5 else "")
        )
        result.targets["label"] = Aimed("class", 1.0, 2, values=len(folder.labels))
    if folder.splits:
        options["split"] = "{split}"
        told.append(f"folders give the split: {', '.join(folder.splits)}")
        result.splits, result.every_record_has_split = folder.splits, True
    if folder.split:
        options["split"] = folder.split
        told.append(f"its folder gives the split: {folder.split}")
        result.splits, result.every_record_has_split = (folder.split,), True
    result.parts[folder.modality] = folder.modality
    if folder.modality == "video":
        if has_sound(findings.root, folder.files):
            result.parts["audio"] = "audio"
        else:
            options["sound"] = ""
            told.append("the films have no sound")
    if cues and "{stem}" in cues[0].path:
        options["cues"] = {"words": cues[0].path}
        told.append(f"words: {cues[0].found:,} of {cues[0].files:,} files of timed text")
        if others := [other.path for other in cues[1:]]:
            told.append(
                f"timed text that is not read: {', '.join(others)}; name them under cues beside"
                " words, or in its place"
            )
        result.parts["words"] = "text"
    if folder.modality == "text":
        result.sure_texts.append("text")
    if not folder.parse:
        result.number = number_pattern(folder)
    return result


def from_vqa(entry: VqaSet, name: str, split: str) -> ProposedSource:
    """The source that reads a set of COCO VQA."""
    options: dict[str, object] = {"type": "coco_vqa", "questions": entry.questions}
    if entry.annotations:
        options["annotations"] = entry.annotations
    options["images"] = entry.images
    if split:
        options["split"] = split
    told = [
        f"{entry.with_image:,} of {entry.looked_at:,} questions have their picture"
        + ("" if entry.annotations else "; no annotations: a set without answers")
    ]
    targets = {}
    if entry.annotations:
        targets = {"answers": Aimed("answers", 1.0, 0), "answer": Aimed("class", 1.0, 2)}
    return ProposedSource(
        name=name,
        options=options,
        told=told,
        parts={"image": "image", "question": "text"},
        sure_texts=["question"],
        targets=targets,
        groups=dict(entry.pictures),
        splits=(split,) if split else (),
        every_record_has_split=bool(split),
        records=entry.looked_at,
    )


def from_captions(entry: CaptionSet, name: str, split: str) -> ProposedSource:
    """The source that reads a set of COCO captions."""
    options: dict[str, object] = {
        "type": "coco_captions",
        "captions": entry.captions,
        "images": entry.images,
    }
    told = [f"{entry.with_image:,} of {entry.looked_at:,} images looked at are there"]
    split = "{split}" if entry.has_splits else split
    if split:
        options["split"] = split
    is_given = bool(split) and not entry.has_splits
    return ProposedSource(
        name=name,
        options=options,
        told=told,
        parts={"image": "image", "caption": "text"},
        sure_texts=["caption"],
        splits=(split,) if is_given else (),
        every_record_has_split=is_given,
        records=entry.looked_at,
    )


def from_container(entry: ContainerFinding, name: str) -> ProposedSource:
    """The source that reads tars or a dataset."""
    kinds: Mapping[str | None, Aim] = {"text": "class", "list": "list", "number": "number"}
    targets = {}
    for target, kind in entry.contents.targets.items():
        held = [record.targets[target] for record in entry.records if target in record.targets]
        if not held:
            continue
        first = kinds.get(kind) or ("list" if isinstance(held[0], list) else "class")
        targets[target] = Aimed(
            first,
            len(held) / len(entry.records),
            label_rank(target),
            isinstance(held[0], (int, float)),
            len(set(map(str, held))) if first == "class" else 0,
        )
    parts = {part: kind or "" for part, kind in entry.contents.parts.items()}
    texts = [part for part, kind in parts.items() if kind == "text"]
    splits = tuple(sorted(entry.contents.splits))
    identities = [record.origin.id for record in entry.records]
    template = "{__key__}" if entry.kind == "webdataset" and not entry.is_own else ""
    return ProposedSource(
        name=name,
        options={"type": entry.kind, **entry.options},
        told=list(entry.told),
        parts=parts,
        sure_texts=texts,
        targets=targets,
        groups=dict.fromkeys(identities, ""),
        keys={template: identities} if template else {},
        splits=splits,
        split_of={record.origin.id: record.split for record in entry.records if record.split},
        every_record_has_split=bool(splits),
        records=len(entry.records),
    )


def has_sound(root: Path, files: Sequence[str]) -> bool:
    """Whether one of the first films has sound."""
    for file in files[:_SOUND_LOOKED_AT]:
        try:
            with opened(root / file, "not_a_video", "film") as container:
                if container.streams.audio:
                    return True
        except (DamageError, OSError):
            continue
    return False


def _about(finding: TableFinding) -> str:
    """One line on a table: rows, columns, how it is written."""
    sample = finding.sample
    rows = f"{sample.rows:,} rows" if sample.is_whole else f"{sample.rows:,} rows looked at"
    words = [rows, f"{len(sample.cells)} columns"]
    dialect = sample.dialect
    if dialect is not None and dialect.encoding not in ("utf-8", "utf-8-sig", "ascii"):
        words.append(f"read as {dialect.encoding}")
    if finding.marks != (".", ""):
        words.append(f"numbers are written with {' and '.join(filter(None, finding.marks))}")
    if dialect is not None and not dialect.has_header:
        words.append("no header: columns are called column_1, column_2, ...")
    if sample.broken:
        words.append(f"broken rows, which will be rejects: {sample.broken:,}")
    return "; ".join(words)


def _filled(cells: Mapping[str, Sequence[object]], template: str) -> list[str]:
    """A template filled for every row; rows that it says nothing of are left out."""
    texts = []
    for row in zip(*cells.values(), strict=True):
        try:
            texts.append((fill(template, dict(zip(cells, row, strict=True))) or "").strip())
        except ValueError:
            continue
    return [text for text in texts if text]


def _has_ending(cells: Iterable[object]) -> bool:
    return any(
        posixpath.splitext(str(cell))[1] for cell in itertools.islice(filter(None, cells), 50)
    )


def _many_alike(columns: Sequence[ColumnGuess]) -> list[str]:
    """Columns of one nested object that holds one for each of several, like annotators."""
    objects: dict[str, list[str]] = {}
    for guess in columns:
        above, dot, _ = guess.column.rpartition(".")
        if dot:
            objects.setdefault(above, []).append(guess.column)
    return [name for names in objects.values() if len(names) >= _MANY_COLUMNS for name in names]


def _by_name(columns: Mapping[str, ColumnGuess]) -> list[str] | dict[str, str]:
    """Names alone where the columns are called so."""
    named = {name: guess.column for name, guess in columns.items()}
    return list(named) if all(name == column for name, column in named.items()) else named


def _group_rank(column: str) -> int:
    return next((rank for rank, word in enumerate(_GROUPS) if word.search(column)), len(_GROUPS))
