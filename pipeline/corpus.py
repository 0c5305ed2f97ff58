"""Corpus stages: decided on narrow columns of all records, carried out by column on each partition.

Python objects are made of those records alone for which columns do not say what to do.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.account import Count, presence_pattern
from ..schemas.columns import narrowed, one_array
from ..schemas.disk import read_table, write_table
from ..schemas.errors import InputError
from ..schemas.manifest import (
    WORK_SCHEMA,
    Row,
    as_text,
    one_fault,
    records_of,
    rows_to_table,
    written_only,
)
from ..schemas.record import Record
from ..stages.base import ByRow, CorpusStage, Decision, Likeness, decided_rows
from .absorbing import Fetching, absorbing
from .duplicates import edges_of, write_edges
from .records import note_written

_TABLES_AT_ONCE = 64
_ROWS_AT_ONCE = 1 << 17  # for which what they take from others is fetched together


def read_columns(
    partitions: Sequence[Path],
    columns: Sequence[str],
    kept: Callable[[pa.Table], pa.Table] = lambda piece: piece,
) -> pa.Table | None:
    """These columns of the written rows of all partitions, as ``narrowed`` takes their names, or
    what is ``kept`` of them; None where there is no partition.
    """
    tables = []
    for start in range(0, len(partitions), _TABLES_AT_ONCE):
        some = partitions[start : start + _TABLES_AT_ONCE]
        narrow = [
            written_only(narrowed(read_table(path), [*columns, "fate"])).drop_columns("fate")
            for path in some
        ]
        # a copy: views would hold the maps of all tables, with all columns, as long as they live
        tables.append(pa.concat_tables(map(kept, narrow)).combine_chunks())
    return pa.concat_tables(tables) if tables else None


def decide(
    stage: CorpusStage, partitions: Sequence[Path], likeness: Likeness
) -> Mapping[str, Decision]:
    """A corpus stage's decisions over all partitions, of which it sees only the columns it asked
    for, and likenesses if it takes them.
    """
    table = read_columns(partitions, stage.reads(), stage.kept)
    return {} if table is None else stage.decided(table, likeness)


def carry_out(
    address: str,
    decisions: Mapping[str, Decision],
    partitions: Sequence[Path],
    targets: Sequence[Path],
    edges: Path,
) -> None:
    """Write each partition anew with a corpus stage's decisions, and last of all ``edges``: what
    the stage found that records have in common.
    """
    remarks = decisions.remarks if isinstance(decisions, ByRow) else {}
    fetch = Fetching(partitions)
    common: list[dict[str, object]] = []
    start = 0
    for batch in _batches(list(zip(partitions, targets, strict=True))):
        tables = [written_only(read_table(source)).combine_chunks() for source, _ in batch]
        decided = []
        for table in tables:
            decided.append(decided_rows(decisions, table["key"], start))
            start += len(table)
        taken = {key for own in decided for decision in own if decision for key in decision.absorb}
        absorbed = _Absorbed(fetch(sorted(taken)) if taken else WORK_SCHEMA.empty_table())
        for (_, target), table, own in zip(batch, tables, decided, strict=True):
            count = Count(address, read=len(table))
            # of no record, and so of none of the partitions
            count.notes.update(remarks if target == targets[0] else {})
            _carry_out_one(count, table, own, absorbed, target)
            common += edges_of(address, table["key"], own)
    write_edges(edges, common)


def _batches(pairs: list[tuple[Path, Path]]) -> Iterator[list[tuple[Path, Path]]]:
    """Partitions of some rows together."""
    batch: list[tuple[Path, Path]] = []
    rows = 0
    for source, target in pairs:
        batch.append((source, target))
        rows += len(read_table(source))
        if rows >= _ROWS_AT_ONCE:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


class _Absorbed:
    """Records that others take from, and where each stands in their table, by key."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.places = {key: row for row, key in enumerate(table["key"].to_pylist())}
        self.splits = table["split"].to_pylist()

    def records(self, keys: Sequence[str]) -> list[Record]:
        """The records of these keys, in their order."""
        rows = pa.array([self.places[key] for key in keys], pa.int64())
        return list(records_of(self.table.take(rows))) if keys else []


def _carry_out_one(
    count: Count,
    table: pa.Table,
    decided: Sequence[Decision | None],
    absorbed: _Absorbed,
    target: Path,
) -> None:
    """Write one partition; ``absorbed`` has all records that its records take from."""
    address = count.name
    count.notes.update(decision.note for decision in decided if decision and decision.note)
    torn = _taking_from_other_splits(table, decided, absorbed)
    if torn:
        count.notes["took parts from a record of another split, and stay in their own"] = torn
    columns, by_hand = _as_columns(address, table, decided, absorbed)
    _count_faults(count, decided)
    _count_columns(count, columns.filter(pa.array(~by_hand)))
    if by_hand.any():
        rows = []
        records = records_of(table.filter(pa.array(by_hand)))
        for record, decision in zip(records, itertools.compress(decided, by_hand), strict=True):
            assert decision is not None
            changed = _changed(address, record, decision, absorbed.records(decision.absorb))
            count.written += 1
            note_written(count, changed)
            rows.append(Row(changed, None, address, decision.unmatched))
        # back to the order in which they came
        order = np.argsort(np.r_[np.flatnonzero(~by_hand), np.flatnonzero(by_hand)])
        both = pa.concat_tables([columns.filter(pa.array(~by_hand)), rows_to_table(rows)])
        columns = both.take(pa.array(order))
    write_table(target, columns, {"counts": [count.to_dict() | {"name": address}]})


def _taking_from_other_splits(
    table: pa.Table, decided: Sequence[Decision | None], absorbed: _Absorbed
) -> int:
    """How many records have a split, and take from a record that has another one."""
    splits = table["split"].to_pylist()
    return sum(
        any(
            absorbed.splits[absorbed.places[key]] not in (None, splits[row])
            for key in decision.absorb
        )
        for row, decision in enumerate(decided)
        if decision is not None and decision.absorb and splits[row] is not None
    )


def _as_columns(
    address: str,
    table: pa.Table,
    decided: Sequence[Decision | None],
    absorbed: _Absorbed,
) -> tuple[pa.Table, np.ndarray]:
    """The rows as they are after the stage, and which of them are to be made by hand
    ``bool [N]``.
    """
    faults = [None if decision is None else decision.fault for decision in decided]
    by_hand = np.array(
        [bool(own and (own.targets or own.signals) and not own.fault) for own in decided], bool
    )
    takers = [
        (row, absorbed.places[key])
        for row, decision in enumerate(decided)
        if decision is not None and decision.fault is None
        for key in decision.absorb
    ]
    if any(decision is not None for decision in decided):
        # before what others have, for what a stage decides comes first
        for name in ("split", "group"):
            own = [getattr(decision, name, None) or None for decision in decided]
            table = _with(table, name, pc.coalesce(pa.array(own, pa.string()), table[name]))
    if takers:
        owners, others = np.array(takers).T
        table, is_open = absorbing(table, owners, absorbed.table.take(pa.array(others)))
        by_hand |= is_open
    told = [
        fault or (one_fault(decision.unmatched) if decision else None)
        for fault, decision in zip(faults, decided, strict=True)
    ]
    fates = ["written" if fault is None else fault.fate for fault in faults]
    table = _with(table, "fate", pa.array(fates, pa.string()))
    table = _with(table, "stage", pa.array([address] * len(table), pa.string()))
    for name in ("rule", "value", "threshold", "message"):
        values = [None if fault is None else as_text(getattr(fault, name)) for fault in told]
        table = _with(table, name, pa.array(values, pa.string()))
    return table.cast(WORK_SCHEMA), by_hand


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def _count_faults(count: Count, decided: Sequence[Decision | None]) -> None:
    """Count the records that go no further, and partners that are missing."""
    for decision in decided:
        if decision is None:
            continue
        if decision.fault is None:
            count.unmatched.update(fault.rule for fault in decision.unmatched)
        else:
            fate = decision.fault.fate
            setattr(count, fate, getattr(count, fate) + 1)
            count.reasons[decision.fault.rule] += 1


def _count_columns(count: Count, table: pa.Table) -> None:
    """Count written rows by the parts that they have, and by split."""
    table = written_only(table)
    count.written += len(table)
    parts = one_array(table["parts"])
    names = pa.ListArray.from_arrays(parts.offsets, parts.values.field("name"))
    # the parts of a record stand in the order of their names
    for pattern in pc.value_counts(pc.binary_join(names, "+")).to_pylist():
        count.presence[pattern["values"] or presence_pattern(())] += pattern["counts"]
    for split in pc.value_counts(table["split"]).to_pylist():
        if split["values"] is not None:
            count.splits[split["values"]] += split["counts"]


def _changed(
    address: str, record: Record, decision: Decision, absorbed: Sequence[Record]
) -> Record:
    parts, targets, absent, signals = (
        dict(record.parts),
        dict(record.targets),
        dict(record.absent),
        dict(record.signals),
    )
    split, group = decision.split or record.split, decision.group or record.group
    for number, other in enumerate(absorbed):
        for before in (record, *absorbed[:number]):
            _refuse_clash(address, before, other)
        parts = {**other.parts, **parts}
        targets = {**other.targets, **targets}
        signals = {**other.signals, **signals}
        absent = {**other.absent, **absent}
        split = split or other.split
    targets |= decision.targets
    signals |= decision.signals
    absent = {name: why for name, why in absent.items() if name not in parts}
    return replace(
        record,
        parts=parts,
        targets=targets,
        absent=absent,
        signals=signals,
        split=split,
        group=group,
    )


def _refuse_clash(address: str, record: Record, other: Record) -> None:
    """InputError where a joined record has a part or target of the same name with another content:
    one of them would be lost.
    """
    for kind, mine, theirs in (
        ("part", record.parts, other.parts),
        ("target", record.targets, other.targets),
    ):
        for name in sorted(set(mine) & set(theirs)):
            if mine[name] != theirs[name]:
                raise InputError(
                    f"{address}: {record.key} ({record.origin}) and {other.key} ({other.origin})"
                    f" both have a {kind} called {name!r};"
                    f" give it another name in one of the sources {record.origin.source} and"
                    f" {other.origin.source}"
                )
