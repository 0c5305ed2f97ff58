"""Writing one piece of a shard: its members one after the other, and the index rows that say where they are."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import xxhash

from ...schemas.errors import DamageError
from ...schemas.fingerprint import canonical, hash_bytes
from ...schemas.recipe import ShardOptions
from ...schemas.record import Fault, Modality, Record
from ..media.refusing import refusing
from .media import render
from .plan import Naming, Sample
from .tar import header, padding

IndexRow = dict[str, Any]
_STREAM_OF = {"audio": "sound", "video": "pictures"}


class PieceWriter:
    """Appends samples to an open file and collects their index rows; a sample that cannot be rendered leaves no trace in the file."""

    def __init__(self, file: BinaryIO, root: Path, options: ShardOptions, naming: Naming) -> None:
        self._file = file
        self._root = root
        self._options = options
        self._naming = naming
        self._hasher = xxhash.xxh3_128()
        self.place = 0
        self.notes: Counter[str] = Counter()
        self.rows: list[IndexRow] = []

    @property
    def xxh3(self) -> str:
        """Checksum of all bytes written."""
        return self._hasher.hexdigest()

    def add(self, sample: Sample, check: Callable[[str], None]) -> Fault | None:
        """Write a sample whole, or give the fault of the first of its media that is damaged. ``check`` is called before each medium."""
        members: list[tuple[str, Modality, str, bytes]] = []
        noted: list[str] = []
        first = sample.records[0]
        try:
            single = self._naming.plain
            for name, part in sorted(first.parts.items()):
                if part.uri is None:
                    continue
                check(f"{part.modality}:{part.uri}")
                with refusing("decoder_failed", part.uri):
                    ending, data, note = render(self._root, part, self._options)
                noted += [note] if note else []
                if first.signals.get(f"{name}.streams", 1) > 1:
                    noted.append(f"files with several streams of {_STREAM_OF[part.modality]}, of which the largest was taken")
                members.append((name, part.modality, ending if name in single else f"{name}.{ending}", data))
            if not self._naming.texts_in_json:
                for name, part in sorted(first.parts.items()):
                    if part.modality == "text" and part.text is not None:
                        members.append((name, "text", "txt" if name in single else f"{name}.txt", part.text.encode()))
            members.append(("", "text", "json", annotation(sample, self._naming.texts_in_json).encode()))
            members.sort(key=lambda member: member[2])
            self._write(sample, members)
            self.notes.update(noted)
        except DamageError as error:
            return Fault(error.rule, None, "decodable to its end", error.message)
        return None

    def _write(self, sample: Sample, members: list[tuple[str, Modality, str, bytes]]) -> None:
        buffer = io.BytesIO()
        media, others = [], []
        for part, modality, ending, data in members:
            name = f"{sample.key}.{ending}"
            buffer.write(header(name, len(data)))
            entry = {
                "part": part,
                "modality": modality,
                "name": name,
                "offset": self.place + buffer.tell(),
                "size": len(data),
                "xxh3": hash_bytes(data),
            }
            if modality == "text":
                others.append(entry | {"media": None})
            else:
                media.append(entry | {"media": ending.rpartition(".")[2]})
            buffer.write(data)
            buffer.write(padding(len(data)))
        self._hasher.update(buffer.getbuffer())
        self._file.write(buffer.getbuffer())
        self.place += buffer.tell()
        for record in sample.records:
            texts = [
                {"part": name, "text": part.text, "cues": [{"start_s": cue.start_s, "end_s": cue.end_s, "text": cue.text} for cue in part.cues]}
                for name, part in sorted(record.parts.items())
                if part.modality == "text"
            ]
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


def signals(record: Record) -> list[tuple[str, float]]:
    """What is known of the record in numbers, by name: its measurements, and how long its sounds and videos are (``voice.duration_s``)."""
    found = dict(record.signals)
    for name, part in record.parts.items():
        if part.modality in ("audio", "video"):
            end = part.end_s if part.end_s is not None else part.duration_s
            if end is not None:
                found[f"{name}.duration_s"] = end - (part.start_s or 0.0)
    return sorted(found.items())


def annotation(sample: Sample, with_texts: bool) -> str:
    """The sample's json member: key, targets and absences of its record; ``with_texts`` a list of its records, with their texts."""
    values = []
    for record in sample.records:
        value: dict[str, Any] = {"key": record.key, "group": record.group, "targets": dict(record.targets)}
        if record.absent:
            value["absent"] = dict(record.absent)
        for name, part in sorted(record.parts.items()):
            if part.cues:
                value.setdefault("cues", {})[name] = [{"start_s": cue.start_s, "end_s": cue.end_s, "text": cue.text} for cue in part.cues]
            if part.modality == "text" and with_texts:
                value.setdefault("texts", {})[name] = part.text
        values.append(value)
    return canonical({"key": sample.key, "records": values} if with_texts else values[0])
