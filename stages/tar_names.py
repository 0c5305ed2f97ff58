"""What the names of members say in a tar that others wrote: which sample each belongs to, and which
part of it each is.

By default the first dot of the file name ends the key (``dir/a.seg.png`` is ``seg.png`` of
``dir/a``). Where that would give more different endings than parts can have (``scan.v2.0001.jpg``:
the key itself has dots), the last dot ends it.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from .media.tar_members import Member
from .modality import by_ending

KeyRule: TypeAlias = Literal["auto", "first_dot", "last_dot"]
CLASS_ENDINGS = ("cls", "cls2", "index")
_MOST_ENDINGS = 32


def split_names(tar_members: list[Member], rule: KeyRule) -> list[tuple[str, str]]:
    """Key and ending of each member."""
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


def part_names(samples: Iterable[Mapping[str, Member]]) -> dict[str, tuple[str, str]]:
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
            modality = "" if ending in CLASS_ENDINGS else _kind(suffix)
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
