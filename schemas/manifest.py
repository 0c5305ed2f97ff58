"""Records as Arrow tables: the manifest's schema (version 1) and the way there and back.

A work table has one row for every record that went *into* a stage, with its fate: nothing can leave
a table silently. A written row with a rule is a record that goes on without its partner. A manifest
is the rows whose fate is ``written``, without the columns of fate and with each signal as a column
of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from .fingerprint import canonical
from .json_value import JsonValue
from .record import Cue, Fault, Origin, Part, Record, Step

VERSION = 1
MANIFEST = "manifest/part-00000.parquet"

_CUE = pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("text", pa.string())])
_STEP = pa.struct([("op", pa.string()), ("options", pa.string())])
_PART = pa.struct(
    [
        ("name", pa.string()),
        ("modality", pa.string()),
        ("text", pa.string()),
        ("uri", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("hash", pa.string()),
        ("bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("frames", pa.int64()),
        ("fps", pa.float64()),
        ("sample_rate_hz", pa.int32()),
        ("channels", pa.int32()),
        ("duration_s", pa.float64()),
        ("damage", pa.string()),
        ("cues", pa.list_(_CUE)),
        ("steps", pa.list_(_STEP)),
    ]
)
_RECORD_FIELDS: list[tuple[str, pa.DataType]] = [
    ("key", pa.string()),
    ("group", pa.string()),
    ("split", pa.string()),
    ("parts", pa.list_(_PART)),
    ("targets", pa.string()),
    ("absent", pa.map_(pa.string(), pa.string())),
    (
        "origin",
        pa.struct(
            [
                ("source", pa.string()),
                ("file", pa.string()),
                ("row", pa.int64()),
                ("id", pa.string()),
            ]
        ),
    ),
]
_SIGNALS = ("signals", pa.map_(pa.string(), pa.float64()))
_VERDICT = pa.struct([("part", pa.string()), ("rule", pa.string()), ("kept", pa.bool_())])
_VERDICTS = ("verdicts", pa.list_(_VERDICT))
_FATE_FIELDS: list[tuple[str, pa.DataType]] = [
    ("fate", pa.string()),
    ("stage", pa.string()),
    ("rule", pa.string()),
    ("value", pa.string()),
    ("threshold", pa.string()),
    ("message", pa.string()),
]
MANIFEST_SCHEMA = pa.schema(_RECORD_FIELDS, metadata={"modalmill.manifest": str(VERSION)})
FATE_NAMES = tuple(name for name, _ in _FATE_FIELDS)
WORK_SCHEMA = pa.schema(
    [*_RECORD_FIELDS, _SIGNALS, _VERDICTS, *_FATE_FIELDS], metadata={"modalmill.work": str(VERSION)}
)

_PART_NAMES = tuple(field.name for field in _PART)


class Row:
    """A record with its fate after a stage: ``fault is None`` means written. ``unmatched`` names
    the partners it goes on without.
    """

    __slots__ = ("fault", "record", "stage", "unmatched")

    def __init__(
        self,
        record: Record,
        fault: Fault | None = None,
        stage: str = "",
        unmatched: Sequence[Fault] = (),
    ) -> None:
        self.record = record
        self.fault = fault
        self.stage = stage
        self.unmatched = unmatched


def _part_to_dict(name: str, part: Part) -> dict[str, JsonValue]:
    value: dict[str, JsonValue] = {field: getattr(part, field) for field in _PART_NAMES[1:-2]}
    value["name"] = name
    value["cues"] = [
        {"start_s": cue.start_s, "end_s": cue.end_s, "text": cue.text} for cue in part.cues
    ]
    value["steps"] = [
        {"op": step.op, "options": canonical(dict(step.options))} for step in part.steps
    ]
    return value


def _part_from_dict(value: dict[str, Any]) -> tuple[str, Part]:
    name = value.pop("name")
    cues = value.pop("cues") or ()
    steps = value.pop("steps") or ()
    part = Part(
        **value,
        cues=tuple(Cue(**cue) for cue in cues),
        steps=tuple(Step(step["op"], json.loads(step["options"])) for step in steps),
    )
    return name, part


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _together(unmatched: Sequence[Fault]) -> Fault | None:
    """Several missing partners as one note."""
    if len(unmatched) < 2:
        return unmatched[0] if unmatched else None
    rules, values, messages = zip(
        *((fault.rule, str(fault.value), fault.message) for fault in unmatched), strict=True
    )
    return replace(
        unmatched[0], rule=", ".join(rules), value=", ".join(values), message="; ".join(messages)
    )


def verdict_dicts(record: Record) -> list[dict[str, Any]]:
    """The verdicts on a record as they stand in a work table."""
    return [
        {"part": part, "rule": rule, "kept": kept}
        for (part, rule), kept in sorted(record.verdicts.items())
    ]


def rows_to_table(rows: Iterable[Row]) -> pa.Table:
    """The work table of these rows, in their order."""
    columns: dict[str, list[object]] = {name: [] for name in WORK_SCHEMA.names}
    for row in rows:
        record, fault = row.record, row.fault or _together(row.unmatched)
        columns["key"].append(record.key)
        columns["group"].append(record.group)
        columns["split"].append(record.split)
        columns["parts"].append(
            [_part_to_dict(name, part) for name, part in sorted(record.parts.items())]
        )
        columns["targets"].append(canonical(dict(record.targets)))
        columns["absent"].append(sorted(record.absent.items()))
        origin = record.origin
        columns["origin"].append(
            {"source": origin.source, "file": origin.file, "row": origin.row, "id": origin.id}
        )
        columns["signals"].append(sorted(record.signals.items()))
        columns["verdicts"].append(verdict_dicts(record))
        columns["fate"].append("written" if row.fault is None else row.fault.fate)
        columns["stage"].append(row.stage or None)
        columns["rule"].append(fault.rule if fault else None)
        columns["value"].append(_text(fault.value) if fault else None)
        columns["threshold"].append(_text(fault.threshold) if fault else None)
        columns["message"].append(fault.message if fault else None)
    arrays = [pa.array(columns[field.name], field.type) for field in WORK_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=WORK_SCHEMA)


def record_from_dict(value: dict[str, Any]) -> Record:
    """The record of one row as ``to_pylist`` gives it; columns named ``part.signal`` are its
    signals.
    """
    signals = dict(value.get("signals") or ())
    for name, number in value.items():
        if "." in name and number is not None:
            signals[name] = number
    return Record(
        key=value["key"],
        group=value["group"],
        split=value["split"],
        parts=dict(_part_from_dict(part) for part in value["parts"]),
        targets=json.loads(value["targets"]),
        absent=dict(value["absent"] or ()),
        signals=signals,
        verdicts={
            (verdict["part"], verdict["rule"]): verdict["kept"]
            for verdict in value.get("verdicts") or ()
        },
        origin=Origin(**value["origin"]),
    )


def table_to_records(table: pa.Table) -> Iterator[Record]:
    """The records of a manifest or of the written rows of a work table, in order, a thousand rows
    in memory at a time.
    """
    if "fate" in table.column_names:
        table = written_only(table)
    for batch in table.to_batches(max_chunksize=1000):
        for value in batch.to_pylist():
            yield record_from_dict(value)


def written_only(table: pa.Table) -> pa.Table:
    """The rows whose fate is ``written``."""
    mask = pa.compute.equal(table["fate"], "written")
    return table if pa.compute.all(mask).as_py() is not False else table.filter(mask)


def to_manifest(tables: Sequence[pa.Table]) -> pa.Table:
    """One manifest of several work tables: written rows by key, each signal a column of its own,
    NaN-free.
    """
    table = pa.concat_tables(
        [written_only(table).select([*MANIFEST_SCHEMA.names, "signals"]) for table in tables]
    )
    # by key: the same records make the same file, however they were partitioned
    table = table.take(pa.compute.sort_indices(table["key"]))
    columns = number_columns(table["signals"].combine_chunks())
    table = table.drop_columns(["signals"])
    for name in sorted(columns):
        table = table.append_column(name, columns[name])
    return table.replace_schema_metadata(MANIFEST_SCHEMA.metadata).combine_chunks()


def number_columns(signals: pa.MapArray) -> dict[str, pa.Array]:
    """One column of numbers for each name in a column of maps from names to numbers; null where a
    row does not have it.
    """
    # of a slice the offsets do not begin at 0
    offsets = signals.offsets.to_numpy()
    owners = np.repeat(np.arange(len(signals)), np.diff(offsets))
    names = signals.keys.slice(offsets[0], offsets[-1] - offsets[0]).dictionary_encode()
    numbers = signals.items.slice(offsets[0], offsets[-1] - offsets[0]).to_numpy(
        zero_copy_only=False
    )
    codes = names.indices.to_numpy()
    columns = {}
    for code, name in enumerate(names.dictionary.to_pylist()):
        values, there = np.zeros(len(signals)), np.zeros(len(signals), bool)
        values[owners[codes == code]] = numbers[codes == code]
        there[owners[codes == code]] = True
        columns[name] = pa.array(values, pa.float64(), mask=~there)
    return columns


def read_manifest(folder: Path) -> pa.Table:
    """The manifest of an output folder."""
    return pq.read_table(folder / MANIFEST)
