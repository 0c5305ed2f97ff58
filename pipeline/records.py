"""Record stages carried out on work tables, fused over a partition.

The output table of a partition has a row for everything that went in and for every copy made, with
its fate; its counts by stage stand in the file's metadata. So the account is read from the very
files that the next stage reads.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..schemas.account import Count, presence_pattern
from ..schemas.disk import read_note, read_table, write_table
from ..schemas.errors import DamageError
from ..schemas.manifest import Row, rows_to_table, table_to_records
from ..schemas.record import Fault, Part, Record
from ..stages.base import Beat, RecordStage
from ..stages.measure.facts import Facts, has_other_spans, has_other_texts
from ..stages.modality import is_in_record
from .task import refuse_skipped

_LATE_S = 0.1  # as annotators round


@dataclass(frozen=True, slots=True)
class RecordsTask:
    """Runs record stages one after the other over a partition. ``facts`` are measurements to lay
    onto the records first; ``asked``, the signals that are wanted of each modality.
    """

    source: Path
    facts: Path | None
    asked: Mapping[str, frozenset[str]]
    stages: tuple[tuple[str, RecordStage], ...]
    seed: int
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> dict[str, float]:
        """Gives the seconds that were spent in each stage."""
        reads_values = any(map(is_in_record, self.asked))
        facts = Facts(self.facts, self.asked) if self.facts or reads_values else None
        counts = [Count(address) for address, _ in self.stages]
        spent = [0.0] * len(self.stages)
        out: list[Row] = []
        for record in table_to_records(read_table(self.source)):
            beat(record.key)
            if record.key in skip:
                out.append(self._refused(record, skip, counts))
                continue
            measured = facts.attach(record) if facts else record
            if facts and counts and any(map(_ends_late, measured.parts.values())):
                counts[0].notes["spans that end after their file does"] += 1
            out += self._through(measured, facts, counts, spent)
        failed = facts.failed if facts else Counter[str]()
        if counts:
            counts[0].notes.update(failed)
        write_table(
            self.path,
            rows_to_table(out),
            {
                "counts": [count.to_dict() | {"name": count.name} for count in counts],
                "failed": failed,
            },
        )
        return {address: own for (address, _), own in zip(self.stages, spent, strict=True)}

    def _through(
        self, record: Record, facts: Facts | None, counts: list[Count], spent: list[float]
    ) -> list[Row]:
        """The rows that a record leaves on its way through all stages, those that come out at the
        end last.
        """
        gone: list[Row] = []
        going = [record]
        for number, (address, stage) in enumerate(self.stages):
            began, count = time.perf_counter(), counts[number]
            ahead: list[Record] = []
            for current in going:
                rows = stage.process(
                    current, self.seed, address, facts.tracks_of if facts else None
                )
                if all(row.fault is not None and row.fault.fate == "dropped" for row in rows):
                    raise RuntimeError(
                        f"{address} returned nothing for {current.key}; a stage gives a record"
                        " or a fault"
                    )
                written = [row.record for row in rows if row.fault is None]
                gone += [row for row in rows if row.fault is not None]
                _count_rows(count, current, rows)
                if written and not any(_is_still(result, current) for result in written):
                    gone += _replaced(current, address)
                ahead += [_going_on(result, current, facts) for result in written]
            going = ahead
            spent[number] += time.perf_counter() - began
        for result in going:
            if counts:
                note_written(counts[-1], result)
        return gone + [Row(result) for result in going]

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
            count_fault(counts[0], row)
        return row


def _ends_late(part: Part) -> bool:
    """Whether the span of a part goes on after its file."""
    if part.end_s is None or part.duration_s is None:
        return False
    return part.end_s > part.duration_s + _LATE_S


def _is_still(result: Record, before: Record) -> bool:
    """Whether a result of a stage is the record that went in, and no copy or piece of it."""
    return result.key == before.key and not has_other_spans(result, before)


def _going_on(result: Record, before: Record, facts: Facts | None) -> Record:
    """A result of a stage, without what was measured over another span and said of another
    record.
    """
    if facts is not None and has_other_spans(result, before):
        result = facts.attach(result)
    elif facts is not None and facts.reads_values and has_other_texts(result, before):
        result = facts.attach_values(result)
    return result if _is_still(result, before) else replace(result, verdicts={})


def _replaced(record: Record, address: str) -> list[Row]:
    """A row for a record that was judged and goes on as others, so that what was found of it is
    not lost.
    """
    return [Row(record, Fault("replaced", fate="replaced"), address)] if record.verdicts else []


def _count_rows(count: Count, before: Record, rows: Sequence[Row]) -> None:
    """Count what a stage made of a record; rows of parts that it took away come beside it."""
    count.read += 1
    count.copies -= 1
    for row in rows:
        if row.note:
            count.notes[row.note] += 1
        if row.fault is None:
            count.written += 1
            _note_dropped(count, before, row.record)
        elif row.fault.fate == "dropped":
            count.notes[f"parts taken away: {row.fault.rule}"] += 1
            continue
        else:
            count_fault(count, row)
        count.copies += 1


def count_fault(count: Count, row: Row) -> None:
    """Count a record that goes no further, and why."""
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


def note_written(count: Count, record: Record) -> None:
    """Count a record by the parts that it has, and by split."""
    count.presence[presence_pattern(record.parts)] += 1
    if record.split is not None:
        count.splits[record.split] += 1


def read_counts(path: Path) -> list[Count]:
    """The counts kept in a work table's metadata."""
    return [Count.from_dict(value["name"], value) for value in read_note(path).get("counts", [])]
