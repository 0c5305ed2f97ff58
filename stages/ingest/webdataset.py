"""WebDataset tars, of modalmill or of others: members of one key are one record, and media are read
where they lie in the tar.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from ...schemas.contents import Contents, Kind
from ...schemas.errors import DamageError, InputError
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from ..base import Beat, Noted, Read
from ..tar_names import KeyRule, part_names
from ._columns import Columns, Mapper
from ._files import join
from ._own_shards import contents_of, own_shards, read_own
from ._places import options_with
from ._tar_mapping import (
    KEY,
    SPLIT,
    Members,
    guessed_parts,
    guessed_targets,
    kind_of,
    member_parts,
    split_of,
)
from ._tar_samples import TarFile, TarSample, fixed_folder, list_tars, open_tar, samples
from ._values import check_parts

_LOOKED_AT = 100  # samples, for what is guessed


@dataclass(frozen=True, kw_only=True)
class WebDataset(Columns):
    """Samples of tars, with the same mapping as csv: where that names a column, here a member of
    text is named by its ending (``txt``, ``cls``), a field of the member ``json`` by its name
    (``label``, ``a.b``), and one of ``meta.json`` as ``meta.label``. ``__key__``, ``__tar__`` and
    ``__split__`` are the sample's key, its tar without the ending, and the split that the name of
    the tar or of its folder says.

    path: a folder, a tar, or a pattern (``train-*.tar``, ``{000..099}.tar``). Of a folder of shards
        that modalmill wrote nothing else is needed: their records are what they were.
    parts: part -> endings of its members, of which a sample has one: ``{image: [jpg, png]}``.
        Where neither these nor ``text`` are given, they are guessed from the endings in the first
        tar, and told.
    keys: where a key ends: at the ``first_dot`` of a member's name, at the ``last_dot``, or where
        it fits the names (``auto``).
    id: the key; ``{__tar__}-{__key__}`` where keys of several tars are the same.
    targets, numbers: where neither they nor ``table`` are given, members of classes (``cls``) and
        plain fields of ``json`` are guessed and told.
    split: where it is not given and the name of each tar says one, that.

    Members are not unpacked: they are read where they lie. Of a tar that is cut the samples before
    the cut are read.
    """

    target_kind: ClassVar[Kind | None] = "text"

    id: str | None = "{" + KEY + "}"
    parts: dict[str, str | list[str]] = field(default_factory=dict)
    keys: KeyRule = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(
            parts=self.parts,
            media=self.media,
            text=self.texts(),
            table=self.table,
            cues=self.cues,
        )
        for part, endings in self._endings().items():
            kinds = {kind_of(ending) for ending in endings}
            if len(kinds) != 1 or None in kinds:
                raise ValueError(
                    f"parts.{part}: wanted endings of members of one modality (jpg, png), found"
                    f" {', '.join(endings) or 'none'}"
                )

    def paths(self) -> list[str]:
        own = fixed_folder(join(self.base, self.path)) or "."
        return list(dict.fromkeys([own, *super().paths()[1:]]))

    def contents_in(self, root: Path) -> Contents:
        folder = self._own_folder(root)
        if folder is not None:
            return contents_of(root, folder)
        mapping, _, tars = self.settled(root)
        told = mapping.contents()
        if mapping.split == "{" + SPLIT + "}":
            return replace(told, splits=frozenset(map(split_of, tars)) - {""}, open_splits=False)
        return told

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        folder = self._own_folder(root)
        if folder is not None:
            yield from read_own(root, folder, name, self.group_kind or name, tally, beat)
            return
        mapping, told, tars = self.settled(root)
        listing = list_tars(root, join(self.base, self.path))[1]
        yield from map(Noted, told)
        mapper = Mapper(mapping, root, name, beat, checked=True)
        notes: Counter[str] = Counter()
        for uri in tars:
            try:
                beat(uri)
                file = open_tar(root, uri)
            except DamageError as error:
                tally["tars"] += 1
                yield _reject(name, uri, Fault(error.rule, message=error.message))
                continue
            sample = None
            for sample in samples(file, self.keys):
                tally["samples"] += 1
                yield _row(mapping, file, sample, mapper, name, notes)
            if sample is None:
                notes["tars that hold no sample"] += 1
        yield from (Noted(what, count) for what, count in sorted(notes.items()))
        yield from mapper.rest(join(self.base, self.path), tally)
        if listing is not None:
            yield from listing.rejects(name, tally)

    def _own_folder(self, root: Path) -> str | None:
        """The folder of shards that modalmill wrote, where nothing else is asked of them."""
        asked = (self.parts, self.text, self.table, self.targets, self.numbers, self.media)
        if any(asked) or self.split or self.group:
            return None
        return own_shards(root, join(self.base, self.path))

    def _endings(self) -> dict[str, list[str]]:
        return {
            part: [endings] if isinstance(endings, str) else endings
            for part, endings in self.parts.items()
        }

    def settled(self, root: Path) -> tuple[Members, list[str], list[str]]:
        """The mapping with all that the options leave open, what the account is to say of it, and
        the tars; not of shards that modalmill wrote.
        """
        tars, _ = list_tars(root, join(self.base, self.path))
        told: list[str] = []
        parts, targets, numbers, split = self._endings(), self.targets, self.numbers, self.split
        guesses_parts = not (self.parts or self.text)
        guesses_targets = not (self.targets or self.numbers or self.table)
        first = self._first(root, tars) if guesses_parts or guesses_targets else []
        if guesses_parts:
            parts = guessed_parts(part_names([sample.members for _, sample in first]))
            said = (f"{part} (.{', .'.join(endings)})" for part, endings in parts.items())
            told.append(f"parts guessed from the endings of members: {', '.join(said) or 'none'}")
        if guesses_targets:
            targets, numbers = guessed_targets(first)
            if targets or numbers:
                told.append(f"targets guessed: {', '.join([*targets, *numbers])}")
        if split is None and all(map(split_of, tars)):
            split = "{" + SPLIT + "}"
            told.append("splits are those that the names of tars say")
        media, texts = member_parts(parts)
        changes = {
            "media": self.media | media,
            "text": self.texts() | texts,
            "targets": targets,
            "numbers": numbers,
            "split": split,
        }
        given = options_with(self, changes)
        # as the dataclass has it: these are its own options
        return Members(**given, endings=parts), told, tars  # type: ignore[arg-type]

    def _first(self, root: Path, tars: list[str]) -> list[tuple[TarFile, TarSample]]:
        """Some samples of the first tar that has any."""
        why = f"{tars[0]} holds no member"
        for uri in tars:
            try:
                file = open_tar(root, uri)
            except DamageError as error:
                why = str(error)
                continue
            first = list(itertools.islice(samples(file, self.keys), _LOOKED_AT))
            if found := [(file, sample) for sample in first if sample.fault is None]:
                return found
            why = next((sample.fault[1] for sample in first if sample.fault), why)
        raise InputError(
            f"{root / join(self.base, self.path)}: wanted WebDataset tars, found no sample that can"
            f" be read in {len(tars):,} of them: {why}"
        )


def _row(
    mapping: Members,
    file: TarFile,
    sample: TarSample,
    mapper: Mapper,
    name: str,
    notes: Counter[str],
) -> Row:
    """The record of a sample, or why it is none."""
    fault = Fault(sample.fault[0], message=sample.fault[1]) if sample.fault else None
    values: dict[str, object] = {}
    if fault is None:
        try:
            values = mapping.values(file, sample, notes)
        except DamageError as error:
            fault = Fault(error.rule, message=error.message)
    if fault is not None:
        return _reject(name, file.name, fault, sample)
    return mapper.row(values, file.name, sample.number)


def _reject(name: str, uri: str, fault: Fault, sample: TarSample | None = None) -> Row:
    words = (uri,) if sample is None else (uri, sample.key)
    key = make_key(name, *words)
    number, identity = (None, "") if sample is None else (sample.number, sample.key)
    return Row(Record(key, key, Origin(name, uri, number, identity)), fault)
