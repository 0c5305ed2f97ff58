"""Filling rows of a batch: from record numbers to arrays, the same code in this thread, in others,
and in other processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from ....schemas.errors import DamageError, IntegrityError, ModalmillError, TransformError
from ....schemas.fingerprint import hash_bytes
from ...spec import Draws, Spec
from ..order.draws import draws_of
from ..order.order import PAD
from ..parts.specs import FeatureSpec
from ..shards.index import Index
from .buffers import Arrays, Layout

OnDamage: TypeAlias = Literal["raise", "absent", "skip", "replace"]
Verify: TypeAlias = Literal["first", "always", "never"]
_REPLACEMENTS = 10


@dataclass(frozen=True, slots=True)
class FillTask:
    """Rows of one batch to fill: record numbers, their positions in the epoch, and the place of the
    first in the batch.

    key: what the epoch's random draws come from. bucket: class of length, which chooses the specs.
    """

    rows: np.ndarray
    positions: np.ndarray
    begin: int
    key: int
    bucket: int


@dataclass(slots=True)
class FilledRows:
    """What cannot stand in arrays: values of list specs, which record took the place of a damaged
    one in which row of the batch (``PAD``: none did), and the damage."""

    lists: dict[str, list[Any]] = field(default_factory=dict)
    instead: dict[int, int] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)


class Filler:
    """Fills rows. ``specs``: for each class of length, part -> spec."""

    def __init__(
        self, index: Index, specs: Sequence[Mapping[str, Spec]], on_damage: OnDamage, verify: Verify
    ) -> None:
        self.index = index
        self._names = tuple(specs[0])
        self._specs = [
            [
                (column, name, spec)
                for column, (name, spec) in enumerate(specs_of_class.items())
                if not isinstance(spec, FeatureSpec)
            ]
            for specs_of_class in specs
        ]
        self._lists = [name for name, spec in specs[0].items() if not spec.makes_tensors]
        self._on_damage, self._verify = on_damage, verify
        self._seen = (
            {} if verify == "never" else {name: np.zeros(len(index), bool) for name in index.spans}
        )

    def layout(self, count: int, bucket: int) -> Layout:
        """The arrays of a batch of so many rows: ``present``, ``parts/<name>``,
        ``lengths/<name>``.
        """
        layout: dict[str, tuple[tuple[int, ...], str]] = {
            "present": ((count, len(self._names)), "bool")
        }
        for _, name, spec in self._specs[bucket]:
            if spec.makes_tensors:
                shape, kind = spec.layout()
                layout[f"parts/{name}"] = ((count, *shape), kind)
                if spec.has_lengths:
                    layout[f"lengths/{name}"] = ((count,), "int64")
        return layout

    def fill(self, task: FillTask, arrays: Arrays) -> FilledRows:
        """Fill these rows of the batch's arrays."""
        filled = FilledRows({name: [None] * len(task.rows) for name in self._lists})
        arrays["present"][task.begin : task.begin + len(task.rows)] = False
        if not self._specs[task.bucket]:
            return filled
        for place, (row, draws) in enumerate(
            zip(task.rows.tolist(), draws_of(task.key, task.positions), strict=True)
        ):
            try:
                self._row(row, place, draws, task, arrays, filled)
            except DamageError as error:
                self._damaged(error, row, place, draws, task, arrays, filled)
        return filled

    def _damaged(
        self,
        error: DamageError,
        row: int,
        place: int,
        draws: Draws,
        task: FillTask,
        arrays: Arrays,
        filled: FilledRows,
    ) -> None:
        """Leave the row out, or put other records there until one is whole: which ones depends on
        the position alone.
        """
        filled.damage.append(error.message)
        if self._on_damage == "replace":
            random = draws.generator()
            # of the same set, so that a mixture keeps its shares
            chosen = self.index.chosen[np.searchsorted(self.index.set_ends, row, side="right")]
            for _ in range(_REPLACEMENTS):
                other = int(chosen[random.integers(len(chosen))])
                try:
                    self._row(other, place, draws, task, arrays, filled)
                except DamageError as again:
                    filled.damage.append(again.message)
                else:
                    filled.instead[task.begin + place] = other
                    return
        filled.instead[task.begin + place] = PAD
        # clears what the failed tries have left in the row
        self._row(PAD, place, draws, task, arrays, filled)

    def _row(
        self, row: int, place: int, draws: Draws, task: FillTask, arrays: Arrays, filled: FilledRows
    ) -> None:
        at = task.begin + place
        present = arrays["present"][at]
        for column, name, spec in self._specs[task.bucket]:
            length = (
                None
                if row == PAD
                else self._part(name, spec, row, place, at, draws, arrays, filled)
            )
            present[column] = length is not None
            if length is None:
                if name in filled.lists:
                    filled.lists[name][place] = None
                else:
                    arrays[f"parts/{name}"][at] = 0
            if f"lengths/{name}" in arrays:
                arrays[f"lengths/{name}"][at] = length or 0

    def _part(
        self,
        name: str,
        spec: Spec,
        row: int,
        place: int,
        at: int,
        draws: Draws,
        arrays: Arrays,
        filled: FilledRows,
    ) -> int | None:
        """The length of the part, put into its place; None where the record has none, or a damaged
        one that counts as absent.
        """
        try:
            source = self._source(name, row)
            if source is None:
                return None
            try:
                return self._decode(name, spec, source, place, at, draws, arrays, filled)
            except DamageError:
                raise
            except Exception as error:
                reason = (
                    str(error)
                    if isinstance(error, ModalmillError)
                    else f"{type(error).__name__}: {error}"
                )
                raise TransformError(f"{self._at(name, row)}: {reason}") from error
        except DamageError as error:
            message = f"{self._at(name, row)}: {error.message}"
            if self._on_damage == "raise":
                raise IntegrityError(message) from error
            if self._on_damage != "absent":
                raise DamageError(error.rule, message) from error
            filled.damage.append(message)
            return None

    def _at(self, name: str, row: int) -> str:
        return f"{self.index.tar_name(row)}: sample {self.index.keys([row])[0]}, part {name}"

    def _source(self, name: str, row: int) -> bytes | str | None:
        """The bytes of a medium, checked, or the value that stands in the index; None where the
        record has none.
        """
        if name not in self.index.spans:
            return self.index.text(name, row)
        if self.index.spans[name][row, 1] < 0:
            return None
        data = self.index.read(name, row)
        if self._verify != "never" and (self._verify == "always" or not self._seen[name][row]):
            wanted = self.index.checksum(name, row)
            if wanted is not None and hash_bytes(data) != wanted:
                raise DamageError(
                    "checksum",
                    "its bytes are not those that were written; check with 'modalmill verify'",
                )
            # each process has marks of its own: at worst a medium is checked in several
            self._seen[name][row] = True
        return data

    def _decode(
        self,
        name: str,
        spec: Spec,
        source: bytes | str | None,
        place: int,
        at: int,
        draws: Draws,
        arrays: Arrays,
        filled: FilledRows,
    ) -> int:
        if name in filled.lists:
            filled.lists[name][place] = spec.value(source, draws)
            return 0
        return spec.fill(source, arrays[f"parts/{name}"][at], draws)
