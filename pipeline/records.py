"""Stages carried out on work tables: record stages fused over a partition, corpus stages decided on
narrow columns.

The output table of a partition has a row for everything that went in and for every copy made, with
its fate; its counts by stage stand in the file's metadata. So the account is read from the very
files that the next stage reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.account import Count, presence_pattern
from ..schemas.disk import read_note, read_table, write_table
from ..schemas.errors import DamageError, InputError
from ..schemas.manifest import Row, record_from_dict, rows_to_table, table_to_records, written_only
from ..schemas.record import Fault, Part, Record
from ..stages.base import Beat, CorpusStage, Decision, RecordStage
from .measuring import Facts, Likenesses, has_other_spans
from .task import refuse_skipped

_LATE_S = 0.1  # as annotators round


@dataclass(frozen=True, slots=True)
class RecordsTask:
    """Runs record stages one after the other over a partition. ``facts`` are measurements to lay
    onto the records first.
    """

    source: Path
    facts: Path | None
    stages: tuple[tuple[str, RecordStage], ...]
    seed: int
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        facts = Facts(self.facts) if self.facts else None
        counts = [Count(address) for address, _ in self.stages]
        out: list[Row] = []
        for record in table_to_records(read_table(self.source)):
            beat(record.key)
            if record.key in skip:
                out.append(self._refused(record, skip, counts))
                continue
            rows = [facts.attach(record) if facts else record]
            if facts and counts and any(map(_ends_late, rows[0].parts.values())):
                counts[0].notes["spans that end after their file does"] += 1
            for (address, stage), count in zip(self.stages, counts, strict=True):
                going: list[Record] = []
                for current in rows:
                    results = stage.process(current, self.seed, address)
                    dropped = [
                        row
                        for row in results
                        if row.fault is not None and row.fault.fate == "dropped"
                    ]
                    # their rows come first, and tell of parts, not of records
                    results = results[len(dropped) :]
                    if not results:
                        raise RuntimeError(
                            f"{address} returned nothing for {current.key}; a stage gives a record"
                            " or a fault"
                        )
                    count.notes.update(
                        f"parts taken away: {row.fault.rule}"
                        for row in dropped
                        if row.fault is not None
                    )
                    out += dropped
                    remark = stage.remark(current)
                    if remark:
                        count.notes[remark] += 1
                    count.read += 1
                    count.copies += len(results) - 1
                    for row in results:
                        if row.fault is None:
                            count.written += 1
                            _note_dropped(count, current, row.record)
                            # the signals it came with were measured over another span
                            cut = facts is not None and has_other_spans(row.record, current)
                            going.append(facts.attach(row.record) if facts and cut else row.record)
                        else:
                            _count_fault(count, row)
                            out.append(row)
                rows = going
            for current in rows:
                if counts:
                    _note_written(counts[-1], current)
                out.append(Row(current))
        write_table(
            self.path,
            rows_to_table(out),
            {"counts": [count.to_dict() | {"name": count.name} for count in counts]},
        )
        return len(out)

    def _refused(self, record: Record, skip: Mapping[str, str], counts: Sequence[Count]) -> Row:
        """The reject of a record that no stage could be got through; it counts as one of
        the first.
        """
        try:
            refuse_skipped(record.key, skip)
        except DamageError as error:
            row = Row(
                record,
                Fault(error.rule, message=error.message),
                self.stages[0][0] if self.stages else "measure",
            )
        if counts:
            counts[0].read += 1
            _count_fault(counts[0], row)
        return row


def _ends_late(part: Part) -> bool:
    """Whether the span of a part goes on after its file."""
    if part.end_s is None or part.duration_s is None:
        return False
    return part.end_s > part.duration_s + _LATE_S


def _count_fault(count: Count, row: Row) -> None:
    assert row.fault is not None
    setattr(count, row.fault.fate, getattr(count, row.fault.fate) + 1)
    count.reasons[row.fault.rule] += 1


def _note_dropped(count: Count, before: Record, after: Record) -> None:
    """Parts that a stage took from a record which goes on are counted by name and cause."""
    # a stage that takes nothing away hands on the very same mapping
    if before.absent is not after.absent:
        for name, why in after.absent.items():
            if name not in before.absent and name in before.parts:
                count.kinds[f"{name} dropped: {why}"] += 1


def _note_written(count: Count, record: Record) -> None:
    count.presence[presence_pattern(record.parts)] += 1
    if record.split is not None:
        count.splits[record.split] += 1


def read_counts(path: Path) -> list[Count]:
    """The counts kept in a work table's metadata."""
    return [Count.from_dict(value["name"], value) for value in read_note(path).get("counts", [])]


def decide(stage: CorpusStage, partitions: Sequence[Path], measured: Path) -> dict[str, Decision]:
    """A corpus stage's decisions over all partitions, of which it sees only the columns it asked
    for, and likenesses if it takes them.
    """
    columns = [*stage.columns, "fate"]
    tables = [
        written_only(read_table(path).select(columns)).drop_columns(["fate"]) for path in partitions
    ]
    if not tables:
        return {}
    return stage.decided(pa.concat_tables(tables), Likenesses(measured))


def carry_out(
    address: str,
    decisions: Mapping[str, Decision],
    partitions: Sequence[Path],
    targets: Sequence[Path],
) -> None:
    """Write each partition anew with a corpus stage's decisions; records to be absorbed are fetched
    by key from any of them.
    """
    wanted = sorted({key for decision in decisions.values() for key in decision.absorb})
    absorbed = dict(_fetch(wanted, partitions))
    for source, target in zip(partitions, targets, strict=True):
        count = Count(address)
        out: list[Row] = []
        for record in table_to_records(read_table(source)):
            count.read += 1
            decision = decisions.get(record.key)
            if decision is not None and decision.fault is not None:
                row = Row(record, decision.fault, address)
                _count_fault(count, row)
                out.append(row)
                continue
            going = (
                _changed(address, record, decision, absorbed) if decision is not None else record
            )
            count.written += 1
            _note_written(count, going)
            unmatched = decision.unmatched if decision is not None else ()
            count.unmatched.update(fault.rule for fault in unmatched)
            out.append(Row(going, None, address, unmatched))
        write_table(target, rows_to_table(out), {"counts": [count.to_dict() | {"name": address}]})


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
        for row in table.filter(pc.is_in(table["key"], value_set=values)).to_pylist():
            yield row["key"], record_from_dict(row)


def faulted_rows(partitions: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Every row of the partitions that was not written or goes on without a partner, with where it
    came from and why.
    """
    columns = ["key", "origin", "fate", "stage", "rule", "value", "threshold", "message"]
    for path in partitions:
        table = read_table(path).select(columns)
        for row in table.filter(pc.is_valid(table["rule"])).to_pylist():
            yield row | {"fate": "unmatched" if row["fate"] == "written" else row["fate"]}
