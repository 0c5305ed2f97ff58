"""Tars that others wrote: read once from header to header, and kept as an index like that of our
own.

Members are samples by name, as WebDataset has it: the key is the name up to a dot, the rest says
what the member is. By default the first dot of the file name ends the key (``dir/a.seg.png`` is
``seg.png`` of ``dir/a``). Where that would give more different endings than parts can have
(``scan.v2.0001.jpg``: the key itself has dots), the last dot ends it.

Members of a sample may lie anywhere in the tar. What is damaged is an error, never half a sample: a
header whose checksum is wrong, data beyond the end of the file, an end without the mark that a
finished tar has, two members of the same name.
"""

from __future__ import annotations

import functools
import json
import posixpath
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pyarrow as pa

from ....schemas.errors import IntegrityError
from ....schemas.fingerprint import canonical
from ....schemas.index import INDEX_SCHEMA, IndexMember, IndexRow, IndexText
from ....schemas.json_value import JsonValue
from ...modality import by_ending
from .files import File

KeyRule: TypeAlias = Literal["auto", "first_dot", "last_dot"]
FOREIGN_VERSION = 3
LARGEST_MEMBER_BYTES = 1 << 31
_LARGEST_INLINE_BYTES = 1 << 20
_LARGEST_TEXT_BYTES = 16 << 20
_CLASSES = ("cls", "cls2", "index")
_MOST_ENDINGS = 32
_BLOCK = 512
_MOST_DIGITS = 20
_LINKS = (b"1", b"2")  # hard and symbolic
_LONGEST_CHAIN = 16
_AHEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Member:
    """One file in a tar: its name, and where its data lie; or a link to another member, by its
    name.
    """

    name: str
    offset: int
    size: int
    link: str | None = None


_NOWHERE = Member("", -1, -1)


class _Ahead:
    """Reads a file in larger pieces: headers of small members lie close together."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._start, self._data = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        place = offset - self._start
        if not 0 <= place <= len(self._data) - size:
            self._start, self._data = offset, self._file.read(offset, max(size, _AHEAD_BYTES))
            place = 0
        return self._data[place : place + size]


def members(file: File) -> Iterator[Member]:
    """The files of a tar (ustar, GNU and PAX names), and links to them; IntegrityError where it is
    damaged. Devices and folders are passed over.

    Tars put together with ``cat`` are read to the end of the last one.
    """
    ahead = _Ahead(file)
    offset, long_name, long_link = 0, None, None
    pax: dict[str, str] = {}
    ended = False
    while True:
        header = ahead.read(offset, _BLOCK)
        if header and not header.strip(b"\0"):
            ended = True
            offset += _BLOCK
            continue
        # asked first: a short gzip file would be taken for a tar that is cut
        if offset == 0 and header[:2] == b"\x1f\x8b":
            raise IntegrityError(
                f"{file.name}: is gzip data; unpack it first: samples cannot be found inside of it"
            )
        if len(header) < _BLOCK and ended:
            return
        if len(header) < _BLOCK:
            raise IntegrityError(
                f"{file.name}: ends at byte {file.size:,} without the mark of a finished tar; its"
                " writer was stopped or the copy is cut"
            )
        kind, size = _checked(file, header, offset)
        data = offset + _BLOCK
        # octal digits end at 8 GiB, then PAX tells the size: of the file, not of headers before it
        if "size" in pax and kind not in (b"x", b"g", b"L", b"K"):
            size = _number(pax["size"])
        if size < 0 or data + size > file.size:
            left = file.size - data
            raise IntegrityError(
                f"{file.name}: the member at byte {offset:,} claims {size:,} bytes, the file ends"
                f" after {left:,}; it is cut"
            )
        if kind == b"S" or any(word.startswith("GNU.sparse") for word in pax):
            raise IntegrityError(
                f"{file.name}: the member at byte {offset:,} is sparse, its holes left out; pack"
                " it again without --sparse"
            )
        if kind in (b"L", b"K", b"x"):
            if size > _LARGEST_INLINE_BYTES:
                raise IntegrityError(
                    f"{file.name}: a name of {size:,} bytes at byte {offset:,}; this is no tar of"
                    " samples"
                )
            text = ahead.read(data, size)
            if kind == b"x":
                pax = _pax(text)
            elif kind == b"L":
                long_name = text.rstrip(b"\0").decode("utf-8", "replace")
            else:
                long_link = text.rstrip(b"\0").decode("utf-8", "replace")
        elif kind in (b"0", b"\0", b"7"):
            yield Member(pax.get("path") or long_name or _name(header), data, size)
            long_name, long_link, pax = None, None, {}
        elif kind in _LINKS:
            name, to = (
                pax.get("path") or long_name or _name(header),
                pax.get("linkpath") or long_link or _text(header[157:257]),
            )
            # a hard link counts from the top of the tar, a symbolic one from its own folder
            yield Member(
                name,
                data,
                0,
                to
                if kind == b"1"
                else posixpath.normpath(posixpath.join(posixpath.dirname(name), to)),
            )
            long_name, long_link, pax = None, None, {}
            size = 0  # some writers note the size of what is linked
        elif kind != b"g":
            long_name, long_link, pax = None, None, {}
            size = size if kind not in (b"3", b"4", b"5", b"6") else 0
        offset = data + -(-size // _BLOCK) * _BLOCK


def _followed(file: File, tar_members: list[Member]) -> list[Member]:
    """The members, each link to another one in the place of what it leads to; a link that leads to
    none of them is told and left out.
    """
    by_name = {
        member.name.removeprefix("./"): member for member in tar_members if member.link is None
    }
    whole: list[Member] = []
    lost: list[str] = []
    for member in tar_members:
        to, steps = member, 0
        while to.link is not None and steps < _LONGEST_CHAIN:
            to = by_name.get(to.link.removeprefix("./"), _NOWHERE)
            steps += 1
        if to.link is None and to is not _NOWHERE:
            whole.append(Member(member.name, to.offset, to.size))
        else:
            lost.append(member.name)
    if lost:
        warnings.warn(
            f"{file.name}: {len(lost):,} links lead to nothing in it and are left out; the first"
            f" is {lost[0]!r}",
            stacklevel=2,
        )
    return whole


def _checked(file: File, header: bytes, offset: int) -> tuple[bytes, int]:
    """Type and size of a header whose checksum is right."""
    wanted = _octal(header[148:156])
    # the sum takes its own eight bytes for spaces
    if wanted != sum(header) - sum(header[148:156]) + 8 * 32:
        what = (
            "gzip data; unpack it first: samples cannot be found inside of it"
            if header[:2] == b"\x1f\x8b"
            else "no tar header; the file is damaged"
        )
        raise IntegrityError(f"{file.name}: at byte {offset:,} is {what}")
    raw = header[124:136]
    # sizes beyond the octal digits: GNU sets the top bit and writes them in binary
    size = int.from_bytes(raw[1:], "big") if raw[0] & 0x80 else _octal(raw)
    return header[156:157], size


def _octal(raw: bytes) -> int:
    text = raw.strip(b"\0 ")
    return int(text, 8) if text and not text.strip(b"01234567") else -1 if text else 0


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else -1


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    # GNU keeps times where POSIX has the prefix of a name
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _pax(data: bytes) -> dict[str, str]:
    """The records ``<length> <key>=<value>\\n`` of an extended header."""
    fields = {}
    place = 0
    while place < len(data):
        space = data.find(b" ", place, place + _MOST_DIGITS)
        digits = data[place : max(space, place)]
        # a length that does not cover its own digits would never lead on
        if not digits.isdigit() or int(digits) <= len(digits):
            break
        key, _, value = data[space + 1 : place + int(digits) - 1].partition(b"=")
        fields[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        place += int(digits)
    return fields


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
    every = _followed(file, list(members(file)))
    kept = [
        member for member in every if not member.name.rpartition("/")[2].startswith((".", "__"))
    ]
    samples: dict[str, dict[str, Member]] = {}
    apart, last = set(), ""
    for member, (key, ending) in zip(kept, _split_names(kept, rule), strict=True):
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
    names = _part_names(samples.values())
    rows = [_row(file, key, endings, names) for key, endings in samples.items()]
    parts = {name: modality for name, modality in names.values() if modality}
    return Scanned(
        pa.Table.from_pylist(rows, schema=INDEX_SCHEMA), dict(sorted(parts.items())), len(apart)
    )


def _split_names(tar_members: list[Member], rule: KeyRule) -> list[tuple[str, str]]:
    first = [_cut(member.name, first=True) for member in tar_members]
    if rule == "first_dot":
        return first
    last = [_cut(member.name, first=False) for member in tar_members]
    if rule == "last_dot":
        return last
    counts = [len({ending for _, ending in names}) for names in (first, last)]
    return (
        last
        if counts[0] > _MOST_ENDINGS >= counts[1] or len(set(first)) < len(first) == len(set(last))
        else first
    )


def _cut(name: str, first: bool) -> tuple[str, str]:
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".") if first else base.rpartition(".")
    return folder + slash + (stem or ending), ending.lower() if stem else ""


def _part_names(samples: Iterable[Mapping[str, Member]]) -> dict[str, tuple[str, str]]:
    """Ending -> name and modality of the part, for all samples of a tar. ``jpg`` is the image,
    ``left.jpg`` is ``left``; the modality is empty for what is no part.

    Several endings share a name (``png`` in one sample, ``jpg`` in another: both the image) unless
    any sample has two of them or they differ in
    modality: then the first by the alphabet keeps the name and the others are called by their
        endings (``png``, ``left_txt``).
    """
    plain: dict[str, tuple[str, str]] = {}
    together: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        seen: dict[str, str] = {}
        for ending in sorted(sample):
            words, _, suffix = ending.rpartition(".")
            modality = "" if ending in _CLASSES else _kind(suffix)
            name = (
                _word(words or (modality if modality not in ("", "json", "bytes") else suffix))
                or "data"
            )
            plain[ending] = (name, modality)
            if name in seen:
                together[name] |= {seen[name], ending}
            seen.setdefault(name, ending)
    by_name: dict[str, list[str]] = defaultdict(list)
    for ending in sorted(plain):
        by_name[plain[ending][0]].append(ending)
    for name, endings in by_name.items():
        if together[name] or len({plain[ending][1] for ending in endings}) > 1:
            for ending in endings[1:]:
                plain[ending] = (_word(ending), plain[ending][1])
    return plain


@functools.cache
def _kind(suffix: str) -> str:
    """The modality of members that end so, or ``json`` or ``bytes``."""
    if suffix in ("txt", "text"):
        return "text"
    return by_ending(f".{suffix}") or ("json" if suffix == "json" else "bytes")


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text)


def _row(
    file: File, key: str, endings: Mapping[str, Member], names: Mapping[str, tuple[str, str]]
) -> IndexRow:
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
        if modality == "text" or ending == "json" or ending in _CLASSES:
            if member.size > _LARGEST_TEXT_BYTES:
                raise IntegrityError(
                    f"{file.name}: the text {member.name} has {member.size:,} bytes; at most"
                    f" {_LARGEST_TEXT_BYTES:,} are taken"
                )
            text = file.read(member.offset, member.size).decode("utf-8", "replace")
            if modality == "text":
                texts.append({"part": name, "text": text, "cues": []})
                continue
            targets |= _targets(ending, text)
            if ending != "json":
                continue
        media.append(
            {
                "part": name,
                "modality": modality,
                "name": member.name,
                "offset": member.offset,
                "size": member.size,
                "xxh3": None,
                "media": ending.rpartition(".")[2],
            }
        )
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
