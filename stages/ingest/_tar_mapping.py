"""The mapping from the members of a sample in a tar to a record: what members and fields of json
are called, and what is guessed where nobody says.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...schemas.errors import DamageError
from ..media.inside import MemberPlace
from ..modality import by_ending
from ..tar_names import CLASS_ENDINGS
from ._columns import Media
from ._places import Places, own_medium
from ._tar_samples import TarFile, TarSample, read_fields, read_text

MEMBER = "__member__."  # before the name of a part: its member
KEY, TAR, SPLIT = "__key__", "__tar__", "__split__"
_TEXTS = ("txt", "text")
_SPLITS = ("train", "val", "valid", "validation", "dev", "test")
_MOST_TARGETS = 20


@dataclass(frozen=True, kw_only=True)
class Members(Places):
    """The mapping of a source of tars when nothing of it is open any more. endings: of each part
    that is a member.
    """

    endings: dict[str, list[str]] = field(default_factory=dict)

    def values(self, file: TarFile, sample: TarSample, notes: Counter[str]) -> dict[str, object]:
        """What the mapping can name of a sample; DamageError where a text of it cannot be read.
        ``notes`` counts members that nothing names, and guessed encodings.
        """
        wanted, read = self.fields(), set[str]()
        values: dict[str, object] = {}
        for ending, member in sample.members.items():
            if ending.rpartition(".")[2] == "json":
                own = fields_of(ending, read_fields(file, member, notes))
                read |= {ending} if own.keys() & wanted else set()
                values |= own
        for ending, member in sample.members.items():
            if ending in wanted and ending not in read:
                values[ending] = read_text(file, member, notes).strip()
                read.add(ending)
        for part, endings in self.endings.items():
            here = next((ending for ending in endings if ending in sample.members), None)
            if here is None:
                continue
            member = sample.members[here]
            read.add(here)
            if kind_of(here) == "text":
                values[MEMBER + part] = read_text(file, member, notes)
            else:
                below = posixpath.relpath(file.name, self.base) if self.base else file.name
                values[MEMBER + part] = MemberPlace(below, member.offset, member.size).uri(
                    member.name
                )
        if not read:
            raise DamageError(
                "nothing_named",
                f"{file.name}: of {sample.key!r} there is .{', .'.join(sorted(sample.members))}"
                " alone, which nothing names; name it under 'parts' or 'text', or leave it",
            )
        for ending in sorted(sample.members.keys() - read):
            notes[f"members not read, for nothing names them: .{ending}"] += 1
        own_names = {
            KEY: sample.key,
            TAR: posixpath.splitext(posixpath.basename(file.name))[0],
            SPLIT: split_of(file.name),
        }
        return values | own_names


def member_parts(parts: Mapping[str, list[str]]) -> tuple[dict[str, Media], dict[str, str]]:
    """The media and the texts that parts of these endings are, as a mapping has them."""
    media: dict[str, Media] = {}
    texts: dict[str, str] = {}
    for part, endings in parts.items():
        kind, place = kind_of(endings[0]), "{" + MEMBER + part + "}"
        if kind == "text":
            texts[part] = place
        else:
            media[part] = own_medium(MEMBER + part, kind)
    return media, texts


def kind_of(ending: str) -> str | None:
    """The modality of a member with this ending; None where the ending does not tell."""
    suffix = ending.rpartition(".")[2]
    return "text" if suffix in _TEXTS else by_ending(f".{suffix}")


def fields_of(ending: str, values: Mapping[str, object]) -> dict[str, object]:
    """The fields of a member of json by the names that a mapping uses: ``label`` of ``json``,
    ``meta.label`` of ``meta.json``.
    """
    words = ending.rpartition(".")[0]
    return {f"{words}.{name}": value for name, value in values.items()} if words else dict(values)


def guessed_parts(names: Mapping[str, tuple[str, str]]) -> dict[str, list[str]]:
    """The parts that endings name, each with its endings; of media and texts alone."""
    parts: dict[str, list[str]] = {}
    for ending, (name, modality) in names.items():
        if modality not in ("", "json", "bytes"):
            parts.setdefault(name, []).append(ending)
    return parts


def guessed_targets(
    first: Sequence[tuple[TarFile, TarSample]],
) -> tuple[dict[str, str], dict[str, str]]:
    """What can be learned from the first samples: classes and words, and numbers, each by its name
    as a target and in the mapping. A field that holds the same everywhere is none.
    """
    seen: dict[str, list[object]] = {}
    classes: dict[str, str] = {}
    for file, sample in first:
        for ending, member in sample.members.items():
            if ending in CLASS_ENDINGS:
                classes[ending] = ending
            elif ending == "json":
                try:
                    values = read_fields(file, member, Counter())
                except DamageError:
                    continue
                for name, value in values.items():
                    seen.setdefault(name, []).append(value)
    words: dict[str, str] = {}
    numbers: dict[str, str] = {}
    for name, found in seen.items():
        if not _is_plain(found) or (len(first) > 1 and len(set(map(str, found))) == 1):
            continue
        target = re.sub(r"[^A-Za-z0-9_]+", "_", name)
        is_number = all(_is_number(value) for value in found if value is not None)
        (numbers if is_number else words)[target] = name
    if len(words) + len(numbers) > _MOST_TARGETS:
        words, numbers = {}, {}
    return classes | words, numbers


def _is_plain(values: Iterable[object]) -> bool:
    some = [value for value in values if value is not None]
    return bool(some) and all(isinstance(value, (str, int, float)) for value in some)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def split_of(uri: str) -> str:
    """The split that the name of a tar says by whole words, or that of its folder; empty where
    neither does.

    >>> split_of("data/train-000000.tar"), split_of("val/0.tar"), split_of("contest.tar")
    ('train', 'val', '')
    """
    for text in (posixpath.basename(uri), posixpath.basename(posixpath.dirname(uri))):
        for word in re.split(r"[^a-z]+", text.lower()):
            if word in _SPLITS:
                return word
    return ""
