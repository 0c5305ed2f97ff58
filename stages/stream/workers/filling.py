"""Filling rows of a batch: from record numbers to arrays, the same code in this thread, in others,
and in other processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ....schemas.errors import DamageError, IntegrityError, ModalmillError, TransformError
from ....schemas.record import Part
from ...spec import Draws, Spec
from ..order.draws import draws_of
from ..order.order import PAD
from ..parts.feature import FeatureSpec
from ..shards.index import Index
from .augmenting import Augmenter, CopiesOfTask
from .buffers import Arrays, Layout
from .reading import PartReader, Verify
from .task import FilledRows, FillTask

OnDamage: TypeAlias = Literal["raise", "absent", "skip", "replace"]
_REPLACEMENTS = 10
_UNCHANGED: Mapping[str, Part] = {}


class Filler:
    """Fills rows. ``specs``: for each class of length, part -> spec. ``sets``: the records of
    each set that is mixed, in order ``int [N]``.

    Cached vectors are not its business: whole batches of them are taken out of their memory map.
    """

    def __init__(
        self,
        index: Index,
        sets: Sequence[np.ndarray],
        specs: Sequence[Mapping[str, Spec]],
        on_damage: OnDamage,
        verify: Verify,
        augmenter: Augmenter | None = None,
    ) -> None:
        self._sets, self._on_damage, self._augmenter = sets, on_damage, augmenter
        self._reader = PartReader(index, verify)
        self._names = tuple(specs[0])
        self._specs = [
            [
                (number, name, spec)
                for number, (name, spec) in enumerate(specs_of_class.items())
                if not isinstance(spec, FeatureSpec)
            ]
            for specs_of_class in specs
        ]
        self._lists = [name for name, spec in specs[0].items() if not spec.makes_tensors]

    @property
    def is_cheap(self) -> bool:
        """Whether handing rows to a worker would cost more than filling them here."""
        return all(spec.is_cheap for _, _, spec in self._specs[0])

    def layout(self, count: int, length_class: int) -> Layout:
        """The arrays of a batch of so many rows: ``present``, ``parts/<name>``,
        ``lengths/<name>``.
        """
        layout: dict[str, tuple[tuple[int, ...], str]] = {
            "present": ((count, len(self._names)), "bool")
        }
        for _, name, spec in self._specs[length_class]:
            if spec.makes_tensors:
                shape, kind = spec.layout()
                layout[f"parts/{name}"] = ((count, *shape), kind)
                if spec.has_lengths:
                    layout[f"lengths/{name}"] = ((count,), "int64")
        return layout

    def fill(self, task: FillTask, arrays: Arrays) -> FilledRows:
        """Fill these rows of the batch's arrays."""
        filled = FilledRows({name: [None] * len(task.records) for name in self._lists})
        stop = task.begin + len(task.records)
        arrays["present"][task.begin : stop] = False
        specs = self._specs[task.length_class]
        if not specs and self._augmenter is None:
            return filled
        copies = None
        if self._augmenter is not None:
            copies = CopiesOfTask(self._augmenter, task, filled)
        rows = _Rows(specs, self._reader, self._on_damage, arrays, filled, task.begin, copies)
        for row, record, draws in zip(
            range(task.begin, stop),
            task.records.tolist(),
            draws_of(task.key, task.positions),
            strict=True,
        ):
            try:
                rows.fill(row, record, draws)
            except DamageError as error:
                filled.damage.append(error.message)
                filled.instead[row] = self._put_another(rows, row, record, draws, filled)
        return filled

    def _put_another(
        self, rows: _Rows, row: int, damaged: int, draws: Draws, filled: FilledRows
    ) -> int:
        """The record that takes the place of a damaged one; ``PAD`` where the row is left out, as
        was asked or because others are damaged too.
        """
        if self._on_damage == "replace":
            # which ones are tried depends on the position alone: the same for any worker
            random = draws.generator()
            # of the same set, so that a mixture keeps its shares
            chosen = next(records for records in self._sets if _has(records, damaged))
            for _ in range(_REPLACEMENTS):
                other = int(chosen[random.integers(len(chosen))])
                try:
                    rows.fill(row, other, draws)
                except DamageError as again:
                    filled.damage.append(again.message)
                else:
                    return other
        # clears what the failed tries have left in the row
        rows.fill(row, PAD, draws)
        return PAD


def _has(records: np.ndarray, number: int) -> bool:
    """Whether a record is among these, which are in order."""
    place = int(np.searchsorted(records, number))
    return place < len(records) and int(records[place]) == number


class _Column(NamedTuple):
    """Where a part goes: into the batch's arrays, or a value a row of the task into a list."""

    number: int
    name: str
    spec: Spec
    out: np.ndarray | None
    lengths: np.ndarray | None
    values: list[object] | None


class _Rows:
    """Rows of one batch that begin with ``begin``, filled one at a time."""

    def __init__(
        self,
        specs: Sequence[tuple[int, str, Spec]],
        reader: PartReader,
        on_damage: OnDamage,
        arrays: Arrays,
        filled: FilledRows,
        begin: int,
        copies: CopiesOfTask | None,
    ) -> None:
        self._reader, self._on_damage, self._begin = reader, on_damage, begin
        self._copies = copies
        self._present, self._damage = arrays["present"], filled.damage
        # looked up once a task: there may be thousands of rows a second
        self._columns = [
            _Column(
                number,
                name,
                spec,
                arrays.get(f"parts/{name}"),
                arrays.get(f"lengths/{name}"),
                filled.lists.get(name),
            )
            for number, name, spec in specs
        ]

    def fill(self, row: int, record: int, draws: Draws) -> None:
        """Write every part of a record into its row; zeros (None in lists) for what it has not, and
        for ``PAD``. DamageError where a part cannot be decoded and that is neither an error nor as
        if it were absent.
        """
        present = self._present[row]
        changed = self._copies.changed(row, record) if self._copies is not None else _UNCHANGED
        for column in self._columns:
            copy = changed.get(column.name)
            length = None if record == PAD else self._part(column, row, record, draws, copy)
            present[column.number] = length is not None
            if length is None:
                if column.values is not None:
                    column.values[row - self._begin] = None
                elif column.out is not None:
                    column.out[row] = 0
            if column.lengths is not None:
                column.lengths[row] = length or 0

    def _part(
        self, column: _Column, row: int, record: int, draws: Draws, copy: Part | None
    ) -> int | None:
        """The length of the part, put into its place; None where the record has none, or a damaged
        one that counts as absent. copy: the part as it is to be changed, if it is.
        """
        try:
            if copy is not None and copy.uri is None:
                source: bytes | str | None = copy.text
            else:
                source = self._reader.read(column.name, record)
                draws = draws if copy is None else draws.of_copy(copy)
            return None if source is None else self._decode(column, row, record, source, draws)
        except DamageError as error:
            message = f"{self._reader.at(column.name, record)}: {error.message}"
            if self._on_damage == "raise":
                raise IntegrityError(message) from error
            if self._on_damage != "absent":
                raise DamageError(error.rule, message) from error
            self._damage.append(message)
            return None

    def _decode(
        self, column: _Column, row: int, record: int, source: bytes | str, draws: Draws
    ) -> int:
        try:
            if column.values is not None:
                column.values[row - self._begin] = column.spec.value(source, draws)
                return 0
            assert column.out is not None, "a part without a list has an array"
            return column.spec.fill(source, column.out[row], draws)
        except DamageError:
            raise
        # anything else is a mistake of a transform: told with its record, never counted as damage
        except Exception as error:
            reason = (
                str(error)
                if isinstance(error, ModalmillError)
                else f"{type(error).__name__}: {error}"
            )
            raise TransformError(f"{self._reader.at(column.name, record)}: {reason}") from error
