"""Copies made while streaming: those that augmenting stages would have written, another one in each
pass over the records.

Of ``copies + 1`` passes a stage leaves the record as it is in one, and changes it in the others, as
often as the record and its copies would come up if they had been written. What a copy looks like is
a function of seed, key and number of the copy, and so of the place in the stream alone: the same
for any number of ranks and workers, and after a resume.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ....schemas.errors import InputError
from ....schemas.fingerprint import canonical, random_for, uniform_for
from ....schemas.record import NO_SPLIT, Origin, Part, Record
from ...copies import PlacedCopies, seed_of
from ...modality import is_in_record
from ...spec import Spec
from ..order.order import PAD
from ..parts.feature import FeatureSpec
from ..shards.index import Index
from .task import FilledRows, FillTask

_FACTS = ("duration_s", "fps")


class Copy(NamedTuple):
    """What a record is in one turn: the parts that are changed, its targets as JSON where these
    are, and why stages that would have changed it did not.
    """

    parts: Mapping[str, Part]
    targets: str | None
    remarks: tuple[str, ...]


class Augmenter:
    """Changes records as the stages say, one stage after the other.

    epoch_length: how many places an epoch has. pass_lengths: how many places it takes until all
    records of the set of a record came up, for each record ``float64 [N]``.
    """

    def __init__(
        self,
        index: Index,
        specs: Mapping[str, Spec],
        stages: Sequence[PlacedCopies],
        seed: int,
        epoch_length: int,
        pass_lengths: np.ndarray,
    ) -> None:
        self._index, self._stages, self._seed = index, stages, seed
        self._epoch_length, self._pass_lengths = epoch_length, pass_lengths
        self._unchangeable = {
            name: type(spec).__name__
            for name, spec in specs.items()
            if isinstance(spec, FeatureSpec)
            or not (spec.makes_copies or is_in_record(index.parts.get(name, "")))
        }
        self._facts = {
            (name, fact): index.numbers(f"{name}.{fact}")
            for name, kind in index.parts.items()
            for fact in _FACTS
            if not is_in_record(kind) and index.has_numbers(f"{name}.{fact}")
        }

    def copy(self, number: int, epoch: int, position: int) -> Copy:
        """What this record is at this place of this epoch."""
        turn = self._turn(number, epoch, position)
        stored = record = self._record(number)
        remarks = []
        for address, stage in self._stages:
            copy_number = self._copy_number(address, stage.count, record.key, turn)
            if not copy_number or not stage.takes(record) or not stage.applies(record):
                continue
            if why_not := stage.why_not(record):
                remarks.append(f"{address}: {why_not}")
                continue
            seed = seed_of(random_for(self._seed, address, record.key))
            record = stage.copy(record, copy_number, seed, address)
        changed = {
            name: part for name, part in record.parts.items() if part is not stored.parts[name]
        }
        for name in changed:
            if name in self._unchangeable:
                raise InputError(
                    f"augment: {name} is read by {self._unchangeable[name]}, as it is stored, and"
                    " would not be changed with the others; leave out the stage, or read the"
                    " medium"
                )
        targets = None
        if record.targets is not stored.targets and record.targets != stored.targets:
            targets = canonical(dict(record.targets))
        return Copy(changed, targets, tuple(remarks))

    def check(self, numbers: Sequence[int]) -> None:
        """InputError where a stage would change a part of these records that cannot be changed."""
        for number in numbers:
            # of two passes in a row a stage leaves a record as it is in one at most
            for position in (0, math.ceil(self._pass_lengths[number])):
                self.copy(number, 0, position)

    def _turn(self, number: int, epoch: int, position: int) -> int:
        """How often this record came up before, about: exactly, where its set is gone through pass
        by pass.
        """
        return int((epoch * self._epoch_length + position) // self._pass_lengths[number])

    def _copy_number(self, address: str, count: int, key: str, turn: int) -> int:
        """Which of its copies a record is in a turn, counted from 1; 0 for the record as it is."""
        # each record begins elsewhere, so that a pass has changed records and unchanged ones
        begin = int(uniform_for(self._seed, address, key, "turn") * (count + 1))
        rounds, place = divmod(turn + begin, count + 1)
        return rounds * count + place if place else 0

    def _record(self, number: int) -> Record:
        """A record as the stages take one, of what the index has of it."""
        index, parts = self._index, {}
        for name, kind in index.parts.items():
            if is_in_record(kind):
                text = index.text(name, number)
                if text is not None:
                    parts[name] = Part(kind, text, cues=index.cues(name, number))
            elif index.spans[name][number, 1] >= 0:
                seconds, fps = (self._fact(name, fact, number) for fact in _FACTS)
                parts[name] = Part(kind, uri=name, duration_s=seconds, fps=fps)
        key = index.keys([number])[0]
        split = index.tars[index.tar[number]].split
        return Record(
            key=key,
            group=key,
            origin=Origin("", index.tar_name(number)),
            parts=parts,
            targets=json.loads(index.targets([number])[0]),
            # what has no split is in tars called so
            split=None if split == NO_SPLIT else split,
        )

    def _fact(self, name: str, fact: str, number: int) -> float | None:
        """What the index says of a medium; None where it says nothing."""
        column = self._facts.get((name, fact))
        return None if column is None or np.isnan(column[number]) else float(column[number])


class CopiesOfTask:
    """The copies that stand in the rows of one task, their targets and remarks put into what became
    of it.
    """

    def __init__(self, augmenter: Augmenter, task: FillTask, filled: FilledRows) -> None:
        self._augmenter, self._task, self._filled = augmenter, task, filled

    def changed(self, row: int, number: int) -> Mapping[str, Part]:
        """The parts that are to be changed of a record in this row of the batch."""
        # of a damaged record, in whose place this one stands
        self._filled.targets.pop(row, None)
        if number == PAD:
            return {}
        position = int(self._task.positions[row - self._task.begin])
        copy = self._augmenter.copy(number, self._task.epoch, position)
        if copy.targets is not None:
            self._filled.targets[row] = copy.targets
        self._filled.uncopied += copy.remarks
        return copy.parts
