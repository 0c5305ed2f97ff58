"""Writing one piece of a shard: its members one after the other, and the index rows that say where
they are.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import xxhash

from ...schemas.errors import DamageError
from ...schemas.fingerprint import canonical, hash_bytes
from ...schemas.index import IndexMember, IndexRow, IndexText
from ...schemas.json_value import JsonValue
from ...schemas.recipe import ShardOptions
from ...schemas.record import Fault, Part, Record
from ..media.refusing import refusing
from ..modality import InRecord, is_in_record, is_rendered, modality, on_disk
from .plan import Naming, Sample
from .tar import header, padding


class PieceWriter:
    """Appends samples to an open file and collects their index rows; a sample that cannot be
    rendered leaves no trace in the file.

    place: where the next sample begins. parts: part -> modality of what was written. targets:
        target -> its kind. notes: what a person should know, counted.
    """

    def __init__(self, file: BinaryIO, root: Path, options: ShardOptions, naming: Naming) -> None:
        self._file = file
        self._root = root
        self._options = options
        self._naming = naming
        self._hasher = xxhash.xxh3_128()
        self.place = 0
        self.notes: Counter[str] = Counter()
        self.rows: list[IndexRow] = []
        self.parts: dict[str, str] = {}
        self.targets: dict[str, str] = {}

    @property
    def xxh3(self) -> str:
        """Checksum of all bytes written."""
        return self._hasher.hexdigest()

    def add(self, sample: Sample, check: Callable[[str], None]) -> Fault | None:
        """Write a sample whole, or give the fault of the first of its media that is damaged.
        ``check`` is called before each medium.
        """
        members: list[tuple[str, str, str, bytes]] = []
        noted: list[str] = []
        first = sample.records[0]
        try:
            single = self._naming.plain
            for name, part in sorted(first.parts.items()):
                if not is_rendered(part):
                    continue
                check(f"{part.modality}:{part.uri or name}")
                _refuse_damaged(part)
                kind = on_disk(part.modality)
                with refusing("decoder_failed", part.uri or name):
                    rendered = kind.rendered(self._root, part, self._options)
                noted += [rendered.note] if rendered.note else []
                if first.signals.get(f"{name}.streams", 1) > 1:
                    noted.append(
                        f"files with several streams of {kind.stream_of}, of which the largest"
                        " was taken"
                    )
                members.append(
                    (
                        name,
                        part.modality,
                        rendered.ending if name in single else f"{name}.{rendered.ending}",
                        rendered.data,
                    )
                )
            if not self._naming.texts_in_json:
                members += _own_members(first, single)
            members.append(("", "", "json", sample.annotation.encode()))
            members.sort(key=lambda member: member[2])
            self._write(sample, members)
            # not before: a sample that fails is told as a fault and as nothing else
            self.notes.update(noted)
        except DamageError as error:
            return Fault(error.rule, None, "decodable to its end", error.message)
        return None

    def _write(self, sample: Sample, members: list[tuple[str, str, str, bytes]]) -> None:
        # in memory first: what cannot have a header must leave no half of a sample in the file
        buffer = io.BytesIO()
        media: list[IndexMember] = []
        others: list[IndexMember] = []
        for part, kind, ending, data in members:
            name = f"{sample.key}.{ending}"
            buffer.write(header(name, len(data)))
            is_medium = kind != "" and not is_in_record(kind)
            (media if is_medium else others).append(
                {
                    "part": part,
                    "modality": kind or "text",
                    "name": name,
                    "offset": self.place + buffer.tell(),
                    "size": len(data),
                    "xxh3": hash_bytes(data),
                    "media": ending.rpartition(".")[2] if is_medium else None,
                }
            )
            buffer.write(data)
            buffer.write(padding(len(data)))
        self._hasher.update(buffer.getbuffer())
        self._file.write(buffer.getbuffer())
        self.place += buffer.tell()
        for record in sample.records:
            texts: list[IndexText] = [
                {
                    "part": name,
                    "text": part.text,
                    "cues": [
                        {"start_s": cue.start_s, "end_s": cue.end_s, "text": cue.text}
                        for cue in part.cues
                    ],
                }
                for name, part in sorted(record.parts.items())
                if not is_rendered(part)
            ]
            self.parts |= {name: part.modality for name, part in record.parts.items()}
            self.targets |= {name: _kind_of(value) for name, value in record.targets.items()}
            self.rows.append(
                {
                    "key": record.key,
                    "group": record.group,
                    "sample": sample.key,
                    "texts": texts,
                    "media": media,
                    "others": others,
                    "targets": canonical(dict(record.targets)),
                    "absent": sorted(record.absent.items()),
                    "signals": signals(record),
                }
            )


def _kind_of(target: object) -> str:
    if isinstance(target, (int, float)):
        return "number"
    return "list" if isinstance(target, (list, tuple)) else "text"


def _refuse_damaged(part: Part) -> None:
    """DamageError where measuring found the part damaged."""
    if part.damage:
        rule, _, message = part.damage.partition(": ")
        raise DamageError(rule, message)


def _own_members(record: Record, single: frozenset[str]) -> list[tuple[str, str, str, bytes]]:
    """The members of parts that stand in the record itself."""
    members = []
    for name, part in sorted(record.parts.items()):
        kind = modality(part.modality)
        if isinstance(kind, InRecord) and kind.has_member and part.text is not None:
            member = kind.member(name, part.text, name in single)
            members.append((name, part.modality, member.ending, member.data))
    return members


def signals(record: Record) -> list[tuple[str, float]]:
    """What is known of the record in numbers, by name: its measurements, and how long its sounds
    and videos are (``voice.duration_s``).
    """
    numbers = dict(record.signals)
    for name, part in record.parts.items():
        seconds = part.seconds() if modality(part.modality).timed else None
        if seconds is not None:
            numbers[f"{name}.duration_s"] = seconds
    return sorted(numbers.items())


def annotation(key: str, records: Sequence[Record], with_texts: bool) -> str:
    """The json member of a sample: key, targets and absences of its record; ``with_texts`` a list
    of its records, with their texts.
    """
    values = []
    for record in records:
        value: dict[str, JsonValue] = {
            "key": record.key,
            "group": record.group,
            "targets": dict(record.targets),
        }
        if record.absent:
            value["absent"] = dict(record.absent)
        by_kind: dict[str, dict[str, JsonValue]] = defaultdict(dict)
        for name, part in sorted(record.parts.items()):
            if part.cues:
                by_kind["cues"][name] = [
                    {"start_s": cue.start_s, "end_s": cue.end_s, "text": cue.text}
                    for cue in part.cues
                ]
            kind = modality(part.modality)
            if isinstance(kind, InRecord) and (with_texts or not kind.has_member):
                by_kind[kind.annotated_under][name] = kind.annotated(part.text or "")
        values.append(value | by_kind)
    return canonical({"key": key, "records": values} if with_texts else values[0])
