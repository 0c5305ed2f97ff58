"""Files and words that a person gives, as a batch of the model: decoded as it saw them in training,
or extracted as its cached features were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ....schemas.errors import DamageError, InputError, nearest
from ....schemas.record import Part
from ...base import Extractor, checked, make, stored
from ...modality import OnDisk, given_file
from ...stream import FusionBatch, Labels
from ..model import checkpoint


def _nothing(item: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class GivenNotes:
    """What is to be said of the parts of a record. damaged: part -> why it could not be read.
    remarks: part -> what its features leave out, or cut.
    """

    damaged: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


class _Read(NamedTuple):
    """A part as it was read. sequence: of features ``[T, dims]``."""

    length: int
    sequence: np.ndarray | None = None
    remark: str = ""


class Given:
    """What a checkpoint makes of files and words."""

    def __init__(self, saved: checkpoint.Saved) -> None:
        self.saved = saved
        self._extractors: dict[str, Extractor] = {}

    def assigned(self, given: Mapping[str, str]) -> dict[str, str]:
        """Part name -> value. Given by the name of a part, or by its modality: then as
        ``part=value``, or for the first part of it.
        """
        parts: dict[str, str] = {}
        for word, value in given.items():
            candidates = [
                name
                for name, kind in self.saved.inputs.modalities.items()
                if kind == word and name in self.saved.options.inputs
            ]
            name, equals, rest = value.partition("=")
            if equals and name in candidates:
                found, content = name, rest
            elif word in self.saved.options.inputs:
                found, content = word, value
            elif not candidates:
                raise InputError(
                    f"--{word}: this model has no {word} part; its parts are"
                    f" {', '.join(self.saved.options.inputs)}"
                )
            elif equals and name.isidentifier() and len(candidates) > 1:
                raise InputError(
                    f"--{word} {value}: no part is called {name!r}{nearest(name, candidates)}"
                )
            else:
                found, content = candidates[0], value
            if found in parts:
                raise InputError(f"--{word} {value}: the part {found!r} is given twice")
            parts[found] = content
        return parts

    def batch(
        self,
        given: Sequence[Mapping[str, str]],
        keys: list[str],
        check: Callable[[str], None] = _nothing,
    ) -> tuple[FusionBatch, list[GivenNotes]]:
        """Rows of files and words as a batch, and what is to be said of each.

        check: told which part of which row is read next; what it raises of damage is that part's.
        """
        inputs, rows = self.saved.inputs, len(given)
        parts: dict[str, torch.Tensor] = {}
        lengths: dict[str, torch.Tensor] = {}
        present = torch.zeros(rows, len(inputs.names), dtype=torch.bool)
        notes = [GivenNotes() for _ in given]
        for column, name in enumerate(inputs.names):
            parts[name], length = inputs.blank(name, rows)
            if length is not None:
                lengths[name] = length
            sequences: dict[int, np.ndarray] = {}
            for place, row in enumerate(given):
                if name not in row:
                    continue
                try:
                    check(f"{keys[place]}: {name}")
                    found = self._read(name, row[name], parts[name][place])
                except DamageError as error:
                    notes[place].damaged[name] = error.message
                    continue
                except OSError as error:
                    notes[place].damaged[name] = f"cannot be read: {error.strerror}"
                    continue
                if found is None:
                    continue
                present[place, column] = True
                if length is not None:
                    length[place] = found.length
                if found.sequence is not None:
                    sequences[place] = found.sequence
                if found.remark:
                    notes[place].remarks[name] = found.remark
            if sequences:
                parts[name] = _padded(sequences, rows)
        return FusionBatch(
            inputs.names, Labels(keys, ["{}"] * rows), parts, lengths, {}, present, torch.ones(rows)
        ), notes

    def _read(self, name: str, value: str, out: torch.Tensor) -> _Read | None:
        """What was given for a part, written to ``out`` unless it is a sequence; None where it
        holds nothing.
        """
        inputs, kind = self.saved.inputs, self.saved.inputs.modality(name)
        if not value and not isinstance(kind, OnDisk):
            return None
        if inputs.options.inputs[name].feature:
            vector, remark = self._vector(name, value)
            if inputs.is_sequence(name):
                return _Read(len(vector), vector, remark)
            out[:] = torch.from_numpy(vector.astype(np.float32))
            return _Read(len(vector), None, remark)
        data = kind.given(value, inputs.fitted.get(name, {}))
        return None if data is None else _Read(inputs.spec(name).fill(data, out.numpy()))

    def _vector(self, name: str, value: str) -> tuple[np.ndarray, str]:
        """The vector that the cache would hold ``[dims]``, or the sequence ``[T, dims]``, and what
        is to be said of it.
        """
        kind = self.saved.inputs.modality(name)
        extractor = self._extractors.get(name) or self._extractor(name)
        self._extractors[name] = extractor
        folder, part = Path(), Part(kind.name, text=value)
        if isinstance(kind, OnDisk):
            path = given_file(os.path.realpath(value))
            folder, part = path.parent, Part(kind.name, uri=path.name)
        data = kind.decoded(folder, part, extractor.reads_by)
        whole = extractor.extract(data)
        vector = checked(extractor, whole, value)
        weights = self.saved.inputs.caches[name].weights
        return stored(
            extractor, vector, np.array(weights, np.float32) if weights else None
        ), "; ".join(extractor.remarks([extractor.counts(data, whole)]))

    def make_ready(self) -> None:
        """Make what would be made at the first record; InputError where it cannot be had here."""
        for name in self.saved.inputs.caches:
            self._extractors[name] = self._extractor(name)

    def _extractor(self, name: str) -> Extractor:
        """The extractor of the features that the model was trained on; InputError where it cannot
        be had here, or is another one now.
        """
        cache = self.saved.inputs.caches[name]
        if cache.options is None or cache.address is None:
            raise InputError(
                f"{name}: the model was trained on features of an older version; run its recipe"
                " again, or predict from --shards"
            )
        where = f"{name}: the model reads features by {cache.address}, which cannot be made here"
        extractor, problems = make(cache.address, Extractor, cache.options, where)
        if extractor is None:
            raise InputError("\n".join(problems))
        if extractor.identity() != cache.identity:
            raise InputError(
                f"{where}: its version, or the network it loads, is not that of the training;"
                " predict from --shards"
            )
        return extractor


def _padded(sequences: Mapping[int, np.ndarray], rows: int) -> torch.Tensor:
    """Sequences by row as ``float32 [B, T, D]``, T being that of the longest; zeros behind the
    others.
    """
    whole = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(own.astype(np.float32)) for own in sequences.values()], batch_first=True
    )
    padded = torch.zeros(rows, *whole.shape[1:])
    padded[list(sequences)] = whole
    return padded
