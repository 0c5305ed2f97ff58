"""The members of a tar, read from header to header: ustar, GNU and PAX names, links.

| header | data | header | data | ... | zeros        blocks of 512 bytes; data end with a whole one

A long name, or another property that a header has no room for, stands in a header of its own before
that of the member. What is damaged is an error, never half a member: a header whose checksum is
wrong, data beyond the end of the file, an end without the mark that a finished tar has.
"""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from ...schemas.errors import IntegrityError

_LARGEST_INLINE_BYTES = 1 << 20
_BLOCK = 512
_MOST_DIGITS = 20
_LONGEST_CHAIN = 16
_AHEAD_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_UNPACK = "gzip data; unpack it first: samples cannot be found inside of it"

# what a header is of, by its type
_FILES = (b"0", b"\0", b"7")
_HARD, _SYMBOLIC = b"1", b"2"
_LINKS = (_HARD, _SYMBOLIC)
_WITHOUT_DATA = (*_LINKS, b"3", b"4", b"5", b"6")  # devices, folders, pipes
_SPARSE = b"S"
_LONG_NAME, _LONG_LINK, _PAX, _GLOBAL_PAX = b"L", b"K", b"x", b"g"
_OF_THE_NEXT = (_LONG_NAME, _LONG_LINK, _PAX)


class Stretches(Protocol):
    """A file of which stretches can be read: its name for messages, its size in bytes."""

    name: str
    size: int

    def read(self, offset: int, size: int) -> bytes:
        """The bytes ``[offset, offset + size)``; fewer where the file ends before."""


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


def members(file: Stretches) -> Iterator[Member]:
    """The files of a tar, and links to them; IntegrityError where it is damaged. Devices and
    folders are passed over.

    Tars put together with ``cat`` are read to the end of the last one.
    """
    ahead, said = _Ahead(file), _NOTHING
    offset, ended = 0, False
    while True:
        header = ahead.read(offset, _BLOCK)
        if header and not header.strip(b"\0"):
            ended = True
            offset += _BLOCK
            continue
        # asked first: a short gzip file would be taken for a tar that is cut
        if offset == 0 and header[:2] == _GZIP:
            raise IntegrityError(f"{file.name}: is {_UNPACK}")
        if len(header) < _BLOCK:
            if ended:
                return
            raise IntegrityError(
                f"{file.name}: ends at byte {file.size:,} without the mark of a finished tar; its"
                " writer was stopped or the copy is cut"
            )
        kind, size = _checked(file, header, offset)
        data = offset + _BLOCK
        # octal digits end at 8 GiB, then PAX tells the size: of the file, not of headers before it
        if "size" in said.pax and kind not in (*_OF_THE_NEXT, _GLOBAL_PAX):
            size = _number(said.pax["size"])
        if not 0 <= size <= file.size - data or kind == _SPARSE or said.is_sparse:
            raise _unreadable(file, offset, size)
        if kind in _OF_THE_NEXT:
            said = said.noted(kind, _inline(file, ahead, offset, size))
        elif kind != _GLOBAL_PAX:
            if kind in _FILES:
                yield Member(said.name_of(header), data, size)
            elif kind in _LINKS:
                yield Member(said.name_of(header), data, 0, said.target_of(header, kind))
            # some writers note the size of what is linked
            size = 0 if kind in _WITHOUT_DATA else size
            said = _NOTHING
        offset = data + -(-size // _BLOCK) * _BLOCK


def followed(file: Stretches, tar_members: list[Member]) -> list[Member]:
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


@dataclass(frozen=True, slots=True)
class _Said:
    """What the headers before say of the next member."""

    name: str | None = None
    link: str | None = None
    pax: Mapping[str, str] = field(default_factory=dict)
    is_sparse: bool = False

    def noted(self, kind: bytes, text: bytes) -> _Said:
        """The same, and what one more header says."""
        if kind == _PAX:
            pax = _pax(text)
            is_sparse = any(word.startswith("GNU.sparse") for word in pax)
            return replace(self, pax=pax, is_sparse=is_sparse)
        name = text.rstrip(b"\0").decode("utf-8", "replace")
        return replace(self, name=name) if kind == _LONG_NAME else replace(self, link=name)

    def name_of(self, header: bytes) -> str:
        """The member's name: the longest that is said of it."""
        return self.pax.get("path") or self.name or _name(header)

    def target_of(self, header: bytes, kind: bytes) -> str:
        """The name that a link leads to: a hard one counts from the top of the tar, a symbolic one
        from its own folder.
        """
        to = self.pax.get("linkpath") or self.link or _text(header[157:257])
        if kind == _HARD:
            return to
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.name_of(header)), to))


_NOTHING = _Said()


class _Ahead:
    """Reads a file in larger pieces: headers of small members lie close together."""

    def __init__(self, file: Stretches) -> None:
        self._file = file
        self._start, self._data = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        place = offset - self._start
        if not 0 <= place <= len(self._data) - size:
            self._start, self._data = offset, self._file.read(offset, max(size, _AHEAD_BYTES))
            place = 0
        return self._data[place : place + size]


def _unreadable(file: Stretches, offset: int, size: int) -> IntegrityError:
    """Why the data behind a header cannot be read as they are."""
    left = file.size - offset - _BLOCK
    if not 0 <= size <= left:
        return IntegrityError(
            f"{file.name}: the member at byte {offset:,} claims {size:,} bytes, the file ends"
            f" after {left:,}; it is cut"
        )
    return IntegrityError(
        f"{file.name}: the member at byte {offset:,} is sparse, its holes left out; pack"
        " it again without --sparse"
    )


def _inline(file: Stretches, ahead: _Ahead, offset: int, size: int) -> bytes:
    """The text of a header that speaks of the next member."""
    if size > _LARGEST_INLINE_BYTES:
        raise IntegrityError(
            f"{file.name}: a name of {size:,} bytes at byte {offset:,}; this is no tar of samples"
        )
    return ahead.read(offset + _BLOCK, size)


def _checked(file: Stretches, header: bytes, offset: int) -> tuple[bytes, int]:
    """Type and size of a header whose checksum is right."""
    wanted = _octal(header[148:156])
    # the sum takes its own eight bytes for spaces
    if wanted != sum(header) - sum(header[148:156]) + 8 * 32:
        what = _UNPACK if header[:2] == _GZIP else "no tar header; the file is damaged"
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
