"""Corpus stages: decided on narrow columns of all records, carried out on each partition.

Rows that a decision leaves as they are, or gives no more than a split and a group, stay columns;
Python objects are made of the others alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.account import Count, presence_pattern
from ..schemas.columns import one_array
from ..schemas.disk import read_table, write_table
from ..schemas.errors import InputError
from ..schemas.manifest import (
    FATE_NAMES,
    WORK_SCHEMA,
    Row,
    records_of,
    rows_to_table,
    table_to_records,
    written_only,
)
from ..schemas.record import Record
from ..stages.base import CorpusStage, Decision, Likeness
from .records import count_fault, note_written


def read_columns(partitions: Sequence[Path], columns: Sequence[str]) -> pa.Table | None:
    """These columns of the written rows of all partitions; None where there is no partition."""
    names = list(dict.fromkeys([*columns, "fate"]))
    tables = [
        written_only(read_table(path).select(names)).select(list(columns)) for path in partitions
    ]
    return pa.concat_tables(tables) if tables else None


def decide(
    stage: CorpusStage, partitions: Sequence[Path], likeness: Likeness
) -> dict[str, Decision]:
    """A corpus stage's decisions over all partitions, of which it sees only the columns it asked
    for, and likenesses if it takes them.
    """
    table = read_columns(partitions, stage.columns)
    return {} if table is None else stage.decided(table, likeness)


def remarks(stage: CorpusStage, partitions: Sequence[Path]) -> Mapping[str, int]:
    """What a corpus stage has to say that is of no record."""
    if type(stage).remarks is CorpusStage.remarks:
        return {}
    table = read_columns(partitions, stage.columns)
    return {} if table is None else stage.remarks(table)


def carry_out(
    address: str,
    decisions: Mapping[str, Decision],
    partitions: Sequence[Path],
    targets: Sequence[Path],
    told: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Write each partition anew with a corpus stage's decisions; records to be absorbed are fetched
    by key from any of them. ``told``: what the account is to say that is of no record.
    """
    wanted = sorted({key for decision in decisions.values() for key in decision.absorb})
    absorbed = dict(_fetch(wanted, partitions))
    for source, target in zip(partitions, targets, strict=True):
        count = Count(address)
        count.notes.update(told if source == partitions[0] else {})
        table = written_only(read_table(source)).combine_chunks()
        own = [decisions.get(key) for key in table["key"].to_pylist()]
        count.read += len(own)
        count.notes.update(decision.note for decision in own if decision and decision.note)
        in_full = np.array([decision is not None and _is_deep(decision) for decision in own], bool)
        columns = _as_columns(address, table.filter(pa.array(~in_full)), _of(own, ~in_full))
        _count_columns(count, columns)
        rows = [
            _carried_out(address, count, record, decision, absorbed)
            for record, decision in zip(
                table_to_records(table.filter(pa.array(in_full))), _of(own, in_full), strict=True
            )
            if decision is not None
        ]
        both = pa.concat_tables([columns, rows_to_table(rows)])
        # back to the order in which they came
        order = np.argsort(np.concatenate([np.flatnonzero(~in_full), np.flatnonzero(in_full)]))
        note = {"counts": [count.to_dict() | {"name": address}]}
        write_table(target, both.take(order) if rows else columns, note)


def _is_deep(decision: Decision) -> bool:
    """Whether it changes more of a record than its split and its group."""
    return bool(
        decision.fault
        or decision.absorb
        or decision.unmatched
        or decision.targets
        or decision.signals
    )


def _of(decisions: Sequence[Decision | None], chosen: np.ndarray) -> list[Decision | None]:
    return list(itertools.compress(decisions, chosen))


def _as_columns(address: str, table: pa.Table, decisions: Sequence[Decision | None]) -> pa.Table:
    """The rows as they are after the stage: written, with the split and the group that it set."""
    values = {name: pa.nulls(len(table), pa.string()) for name in FATE_NAMES}
    values["fate"] = pa.array(["written"] * len(table), pa.string())
    values["stage"] = pa.array([address] * len(table), pa.string())
    if any(decision is not None for decision in decisions):
        for name in ("split", "group"):
            own = [getattr(decision, name, None) or None for decision in decisions]
            values[name] = pc.coalesce(pa.array(own, pa.string()), table[name])
    for name, column in values.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table.cast(WORK_SCHEMA)


def _count_columns(count: Count, table: pa.Table) -> None:
    """Count written rows by the parts that they have, and by split."""
    count.written += len(table)
    parts = one_array(table["parts"])
    names = pa.ListArray.from_arrays(parts.offsets, parts.values.field("name"))
    # the parts of a record stand in the order of their names
    for pattern in pc.value_counts(pc.binary_join(names, "+")).to_pylist():
        count.presence[pattern["values"] or presence_pattern(())] += pattern["counts"]
    for split in pc.value_counts(table["split"]).to_pylist():
        if split["values"] is not None:
            count.splits[split["values"]] += split["counts"]


def _carried_out(
    address: str,
    count: Count,
    record: Record,
    decision: Decision,
    absorbed: Mapping[str, Record],
) -> Row:
    """What becomes of one record."""
    if decision.fault is not None:
        row = Row(record, decision.fault, address)
        count_fault(count, row)
        return row
    going = _changed(address, record, decision, absorbed)
    count.written += 1
    note_written(count, going)
    count.unmatched.update(fault.rule for fault in decision.unmatched)
    return Row(going, None, address, decision.unmatched)


def _changed(
    address: str, record: Record, decision: Decision, absorbed: Mapping[str, Record]
) -> Record:
    parts, targets, absent, signals = (
        dict(record.parts),
        dict(record.targets),
        dict(record.absent),
        dict(record.signals),
    )
    split, group = decision.split or record.split, decision.group or record.group
    for key in decision.absorb:
        other = absorbed[key]
        _refuse_clash(address, record, other)
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


def _fetch(keys: Sequence[str], partitions: Sequence[Path]) -> Iterator[tuple[str, Record]]:
    if not keys:
        return
    values = pa.array(keys)
    for path in partitions:
        table = written_only(read_table(path))
        for record in records_of(table.filter(pc.is_in(table["key"], value_set=values))):
            yield record.key, record
