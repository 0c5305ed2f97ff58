"""Tars that others wrote: read once from header to header, and kept as an index like that of our
own.

Members are samples by name, as WebDataset has it: the key is the name up to a dot, the rest says
what the member is. Members of a sample may lie anywhere in the tar; two of the same name are an
error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from ....schemas.errors import IntegrityError
from ....schemas.fingerprint import canonical
from ....schemas.index import INDEX_SCHEMA, IndexMember, IndexRow, IndexText
from ....schemas.json_value import JsonValue
from ...media.tar_members import Member, followed, members
from ...tar_names import CLASS_ENDINGS, KeyRule, part_names, split_names
from .files import File

FOREIGN_VERSION = 3
LARGEST_MEMBER_BYTES = 1 << 31
_LARGEST_TEXT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a foreign tar holds: its index, and how many of its samples have members of others
    between theirs.
    """

    table: pa.Table
    parts: Mapping[str, str]
    interleaved: int


def scan(file: File, rule: KeyRule = "auto") -> Scanned:
    """Index a tar: one record for each key, in the order of first members. Text, json and class
    members are read, media are only found.
    """
    every = followed(file, list(members(file)))
    kept = [
        member for member in every if not member.name.rpartition("/")[2].startswith((".", "__"))
    ]
    samples: dict[str, dict[str, Member]] = {}
    apart, last = set(), ""
    for member, (key, ending) in zip(kept, split_names(kept, rule), strict=True):
        mine = samples.setdefault(key, {})
        if ending in mine:
            raise IntegrityError(
                f"{file.name}: two members are called {member.name!r}; a key can have each ending"
                " once (keys='last_dot' takes all but the last"
                " word of a name as the key)"
            )
        if mine and last != key:
            apart.add(key)
        mine[ending] = member
        last = key
    names = part_names(samples.values())
    rows = [_row(file, key, endings, names) for key, endings in samples.items()]
    parts = {name: modality for name, modality in names.values() if modality}
    return Scanned(
        pa.Table.from_pylist(rows, schema=INDEX_SCHEMA), dict(sorted(parts.items())), len(apart)
    )


def _row(
    file: File, key: str, endings: Mapping[str, Member], names: Mapping[str, tuple[str, str]]
) -> IndexRow:
    """The row of the index for one sample, which is one record."""
    texts: list[IndexText] = []
    media: list[IndexMember] = []
    targets: dict[str, JsonValue] = {}
    for ending, member in sorted(endings.items()):
        name, modality = names[ending]
        if member.size > LARGEST_MEMBER_BYTES:
            raise IntegrityError(
                f"{file.name}: {member.name} has {member.size:,} bytes; at most"
                f" {LARGEST_MEMBER_BYTES:,} are read"
            )
        if modality == "text":
            texts.append({"part": name, "text": _read_text(file, member), "cues": []})
            continue
        if ending == "json" or ending in CLASS_ENDINGS:
            targets |= _targets(ending, _read_text(file, member))
        # a class is a target and nothing else; json is a part as well
        if ending not in CLASS_ENDINGS:
            media.append(_medium(name, modality, ending, member))
    return {
        "key": key,
        "group": key,
        "sample": key,
        "texts": texts,
        "media": media,
        "others": [],
        "targets": _text_of(targets),
        "absent": [],
        "signals": [],
    }


def _medium(name: str, modality: str, ending: str, member: Member) -> IndexMember:
    return {
        "part": name,
        "modality": modality,
        "name": member.name,
        "offset": member.offset,
        "size": member.size,
        "xxh3": None,
        "media": ending.rpartition(".")[2],
    }


def _read_text(file: File, member: Member) -> str:
    if member.size > _LARGEST_TEXT_BYTES:
        raise IntegrityError(
            f"{file.name}: the text {member.name} has {member.size:,} bytes; at most"
            f" {_LARGEST_TEXT_BYTES:,} are taken"
        )
    return file.read(member.offset, member.size).decode("utf-8", "replace")


def _text_of(targets: dict[str, JsonValue]) -> str:
    """The targets as json; none of them where half a surrogate pair makes them no text."""
    text = canonical(targets)
    try:
        text.encode()
    except UnicodeEncodeError:
        return "{}"
    return text


def _targets(ending: str, text: str) -> dict[str, JsonValue]:
    """A json object's plain values, or the number (or word) of a class."""
    if ending == "json":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        plain = value.items() if isinstance(value, dict) else ()
        return {
            str(name): entry
            for name, entry in plain
            if isinstance(entry, (str, int, float, bool, list))
        }
    text = text.strip()
    return {ending: int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text}
