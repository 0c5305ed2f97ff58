"""Copies of records whose sounds are changed by drawn steps: the base of the stages that change
sounds alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...schemas.errors import nearest
from ...schemas.fingerprint import hash_file
from ...schemas.record import Record, Step
from ..modality import on_disk
from ._copies import DrawnCopies, copy_of

AUDIO = "audio"
_TRIES = 50


@dataclass(frozen=True, kw_only=True)
class SoundCopies(DrawnCopies):
    """A stage that adds copies of each record that has sound, all of its sounds changed alike.

    It writes ``drawn(rng)``. word: what stands in the keys of its copies.
    """

    word: ClassVar[str]

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        """The steps of one copy."""
        raise NotImplementedError

    def copies_of(self, record: Record, rng: np.random.Generator) -> Iterable[Record]:
        sounds = record.parts_of(AUDIO)
        if not sounds or self.remark(record):
            return ()
        chosen: list[Sequence[Step]] = []
        for _ in range(self.copies):
            chosen.append(self._another(rng, chosen))
        return [
            self.copy(copy_of(record, self.word, number), steps)
            for number, steps in enumerate(chosen, 1)
        ]

    def _another(
        self, rng: np.random.Generator, chosen: Sequence[Sequence[Step]]
    ) -> Sequence[Step]:
        """Steps that no copy of the record has yet, where there are such."""
        steps = self.drawn(rng)
        for _ in range(_TRIES):
            if steps not in chosen:
                break
            steps = self.drawn(rng)
        return steps

    def copy(self, record: Record, steps: Sequence[Step]) -> Record:
        """The copy with these steps on all of its sounds."""
        changed = {
            name: replace(part, steps=(*part.steps, *steps))
            for name, part in record.parts_of(AUDIO).items()
        }
        return replace(record, parts={**record.parts, **changed})


def sounds_at(path: Path) -> list[Path]:
    """The sound files that a path means, itself or those below it, in order."""
    if path.is_file():
        return [path]
    suffixes = on_disk(AUDIO).suffixes
    return sorted(each for each in path.rglob("*") if each.name.lower().endswith(suffixes))


def hashes_of_files(files: Iterable[Path]) -> Mapping[str, str]:
    """The hash of each file, by its path."""
    return {file.as_posix(): hash_file(file) for file in files}


def mistakes_at(option: str, path: Path) -> list[str]:
    """A line where a path leads to no sound."""
    if not path.exists():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside)
        return [f"{option}: {path} is not there{hint}; it is looked for from where you are"]
    if not sounds_at(path):
        return [f"{option}: no file below {path} has the ending of a sound"]
    return []
