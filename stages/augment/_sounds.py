"""Copies of records whose sounds are changed by drawn steps: the base of the stages that change
sounds alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...schemas.errors import nearest
from ...schemas.fingerprint import hash_file
from ...schemas.record import Record, Step
from ..copies import DrawnCopies
from ..modality import on_disk
from ._drawing import with_steps

AUDIO = "audio"


@dataclass(frozen=True, kw_only=True)
class SoundCopies(DrawnCopies):
    """A stage that adds copies of each record that has sound, all of its sounds changed alike.

    It writes ``drawn(rng)``.
    """

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        """The steps of one copy."""
        raise NotImplementedError

    def takes_kind(self, kind: str) -> bool:
        return kind == AUDIO

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        return self.with_drawn(record, self.drawn(rng))

    def with_drawn(self, record: Record, steps: Sequence[Step]) -> Record:
        """The record with these steps on all of its sounds."""
        return with_steps(record, record.parts_of(AUDIO), steps)


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
