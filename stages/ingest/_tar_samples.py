"""Samples in WebDataset tars that others wrote: members grouped by the key in their names, found by
their headers alone.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from braceexpand import braceexpand

from ...schemas.errors import DamageError, InputError, IntegrityError
from ..media.files import bytes_of
from ..media.refusing import one_line
from ..media.tar_members import Member, followed, members
from ..tar_names import KeyRule, split_names
from ._encoding import BROKEN, decode_text
from ._files import Listing
from .jsonl import flatten

LARGEST_TEXT_BYTES = 16 << 20
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_WILD = re.compile(r"[*?\[{]")


@dataclass(frozen=True, slots=True)
class TarSample:
    """The members of one key in a tar, by their endings. number: counted from 1 in the tar. fault:
    rule and message of what is wrong with all of it.
    """

    key: str
    number: int
    members: Mapping[str, Member]
    fault: tuple[str, str] | None = None


@dataclass(slots=True)
class TarFile:
    """A tar below the data root, of which stretches are read."""

    path: Path
    name: str
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = os.stat(self.path).st_size

    def read(self, offset: int, size: int) -> bytes:
        """The bytes ``[offset, offset + size)``; fewer where the tar ends before."""
        with open(self.path, "rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)


def fixed_folder(path: str) -> str:
    """The folder of a pattern that lies above its first wildcard; the path itself without one.

    >>> fixed_folder("data/train-*.tar"), fixed_folder("data/a.tar")
    ('data', 'data/a.tar')
    """
    if not _WILD.search(path):
        return path
    words = path.split("/")
    first = next(number for number, word in enumerate(words) if _WILD.search(word))
    return "/".join(words[:first])


def list_tars(root: Path, path: str) -> tuple[list[str], Listing | None]:
    """The tars that a folder, a pattern or a name means, in order; and the listing of the folder,
    which is to be asked for what was passed over. InputError where there is none.
    """
    path = "" if path == "." else path
    if path.endswith(PACKED):
        raise InputError(
            f"{root / path}: is packed, and samples cannot be found inside of packed data; unpack"
            " it first (gunzip, bunzip2, unxz, unzstd) and name the .tar"
        )
    if (root / path).is_file():
        return [path], None
    if (root / path).is_dir():
        listing = Listing(root, path, (".tar",))
        tars = list(listing)
        if not tars:
            packed = list(Listing(root, path, PACKED))
            hint = f"; {packed[0]} is packed, unpack such files first" if packed else ""
            raise InputError(f"{root / path}: wanted a folder with .tar files, found none{hint}")
        return tars, listing
    if not _WILD.search(path):
        raise InputError(
            f"{root / path}: there is no such tar or folder; check 'data' and 'path' in the recipe"
        )
    found: list[str] = []
    try:
        patterns = list(braceexpand(path)) if "{" in path else [path]
    except ValueError:
        raise InputError(
            f"{path}: its braces do not match; wanted for example {{000..099}}.tar"
        ) from None
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, root_dir=root, recursive=True))
        matches = [match for match in matches if (root / match).is_file()]
        if not matches:
            raise InputError(f"{root / pattern}: no tar fits this")
        found += matches
    return list(dict.fromkeys(found)), None


def open_tar(root: Path, uri: str) -> TarFile:
    """A tar below the root; DamageError where it is none of its files."""
    bytes_of(root, uri)
    return TarFile(root / uri, uri)


def samples(file: TarFile, rule: KeyRule) -> Iterator[TarSample]:
    """The samples of a tar in the order of their first members. Of a tar that is damaged those
    before the damage; the last one of these, which may go on behind it, is its fault.
    """
    found: list[Member] = []
    damage = ""
    try:
        for member in members(file):
            found.append(member)
    except IntegrityError as error:
        damage = str(error)
    by_key: dict[str, dict[str, Member]] = {}
    twice: dict[str, str] = {}
    whole = followed(file, [_named(member) for member in found])
    kept = [one for one in whole if not one.name.rpartition("/")[2].startswith((".", "__"))]
    last = ""
    for member, (key, ending) in zip(kept, split_names(kept, rule), strict=True):
        own = by_key.setdefault(key, {})
        last = key
        if ending in own:
            twice[key] = member.name
        own.setdefault(ending, member)
    for number, (key, own) in enumerate(by_key.items(), 1):
        fault = None
        if key in twice:
            fault = ("member_twice", f"{file.name}: two members are called {twice[key]!r}")
        if damage and key == last:
            fault = ("tar_damaged", damage)
        yield TarSample(key, number, own, fault)
    if damage and not by_key:
        yield TarSample(file.name, 1, {}, ("tar_damaged", damage))


def _named(member: Member) -> Member:
    """The member without what only says that its name counts from the top of the tar."""
    name = member.name.lstrip("/")
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return Member(name, member.offset, member.size, member.link)


def read_text(file: TarFile, member: Member, told: Counter[str]) -> str:
    """The text of a member; DamageError where it is none."""
    where = f"{file.name}: {member.name}"
    if member.size > LARGEST_TEXT_BYTES:
        raise DamageError(
            "text_too_large",
            f"{where} has {member.size:,} bytes; at most {LARGEST_TEXT_BYTES:,} are taken as text",
        )
    text = decode_text(file.read(member.offset, member.size), told).removeprefix("\ufeff")
    if BROKEN in text:
        raise DamageError("invalid_utf8", f"{where}: some of its bytes are no text")
    return text


def read_fields(file: TarFile, member: Member, told: Counter[str]) -> dict[str, object]:
    """The fields of a member of json, those of objects inside as ``a.b``; DamageError where it is
    none, or no object.
    """
    text = read_text(file, member, told)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamageError(
            "broken_json", f"{file.name}: {member.name} is no JSON: {one_line(error)}"
        ) from None
    return flatten(value) if isinstance(value, dict) else {}
