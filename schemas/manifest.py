"""Records as Arrow tables: the manifest's schema (version 1) and the way there and back.

A work table has one row for every record that went *into* a stage, with its fate: nothing can leave
a table silently. A written row with a rule is a record that goes on without its partner. A manifest
is the rows whose fate is ``written``, without the columns of fate and with each signal as a column
of its own.
"""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from .columns import in_memory, one_array, rows_in_order
from .disk import read_parquet, read_table, stamp_of, write_json, write_parquet
from .errors import InputError
from .fingerprint import canonical, fingerprint, hash_file
from .layout import RunFolder
from .record import Cue, Fault, Origin, Part, Record, Step

VERSION = 1
_ROWS_PER_GROUP = 16_384  # of the Parquet file

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

# those of a part's fields that are plain values: the name comes before them, cues and steps after
_PLAIN = tuple(field.name for field in _PART)[1:-2]
_plain_values = operator.attrgetter(*_PLAIN)


class Row:
    """A record with its fate after a stage: ``fault is None`` means written. ``unmatched`` names
    the partners it goes on without, ``note`` is what the account is to say beside it.
    """

    __slots__ = ("fault", "note", "record", "stage", "unmatched")

    def __init__(
        self,
        record: Record,
        fault: Fault | None = None,
        stage: str = "",
        unmatched: Sequence[Fault] = (),
        note: str = "",
    ) -> None:
        self.note = note
        self.record = record
        self.fault = fault
        self.stage = stage
        self.unmatched = unmatched


def as_text(value: object) -> str | None:
    """A value as it stands in a column of texts."""
    if value is None or isinstance(value, str):
        return value
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def one_fault(unmatched: Sequence[Fault]) -> Fault | None:
    """Several missing partners as one note."""
    if len(unmatched) < 2:
        return unmatched[0] if unmatched else None
    rules, values, messages = zip(
        *((fault.rule, str(fault.value), fault.message) for fault in unmatched), strict=True
    )
    return replace(
        unmatched[0], rule=", ".join(rules), value=", ".join(values), message="; ".join(messages)
    )


class VerdictRow(TypedDict):
    """A verdict as a table has it."""

    part: str
    rule: str
    kept: bool


def verdict_dicts(record: Record) -> list[VerdictRow]:
    """The verdicts on a record as they stand in a work table."""
    return [
        {"part": part, "rule": rule, "kept": kept}
        for (part, rule), kept in sorted(record.verdicts.items())
    ]


def rows_to_table(rows: Iterable[Row]) -> pa.Table:
    """The work table of these rows, in their order."""
    rows = list(rows)
    records = [row.record for row in rows]
    faults = [row.fault or one_fault(row.unmatched) for row in rows]
    origins = [record.origin for record in records]
    columns: dict[str, object] = {
        "key": [record.key for record in records],
        "group": [record.group for record in records],
        "split": [record.split for record in records],
        "parts": _part_lists([sorted(record.parts.items()) for record in records]),
        "targets": [canonical(dict(record.targets)) for record in records],
        "absent": [sorted(record.absent.items()) for record in records],
        "origin": _structs(
            WORK_SCHEMA.field("origin").type,
            [(origin.source, origin.file, origin.row, origin.id) for origin in origins],
        ),
        "signals": [sorted(record.signals.items()) for record in records],
        "verdicts": [verdict_dicts(record) for record in records],
        "fate": ["written" if row.fault is None else row.fault.fate for row in rows],
        "stage": [row.stage or None for row in rows],
        "rule": [fault.rule if fault else None for fault in faults],
        "value": [as_text(fault.value) if fault else None for fault in faults],
        "threshold": [as_text(fault.threshold) if fault else None for fault in faults],
        "message": [fault.message if fault else None for fault in faults],
    }
    arrays = [_as_array(columns[field.name], field.type) for field in WORK_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=WORK_SCHEMA)


def _part_lists(parts: Sequence[Sequence[tuple[str, Part]]]) -> pa.ListArray:
    """The parts of each record, by column: a dictionary for each part costs several times as
    much.
    """
    flat = [entry for own in parts for entry in own]
    plain = list(zip(*(_plain_values(part) for _, part in flat), strict=True))
    cues = [[(cue.start_s, cue.end_s, cue.text) for cue in part.cues] for _, part in flat]
    steps = [[(step.op, canonical(dict(step.options))) for step in part.steps] for _, part in flat]
    children = [
        [name for name, _ in flat],
        *(plain or [()] * len(_PLAIN)),
        _lists(_CUE, cues),
        _lists(_STEP, steps),
    ]
    arrays = [_as_array(values, field.type) for values, field in zip(children, _PART, strict=True)]
    structs = pa.StructArray.from_arrays(arrays, fields=list(_PART))
    return pa.ListArray.from_arrays(_offsets(parts), structs)


def _lists(kind: pa.StructType, values: Sequence[Sequence[tuple[object, ...]]]) -> pa.ListArray:
    """Lists of structs, from lists of their values."""
    structs = _structs(kind, [entry for own in values for entry in own])
    return pa.ListArray.from_arrays(_offsets(values), structs)


def _structs(kind: pa.StructType, values: Sequence[tuple[object, ...]]) -> pa.StructArray:
    columns: Sequence[Sequence[object]] = list(zip(*values, strict=True)) or [()] * len(kind)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, kind, strict=True)]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _offsets(lists: Sequence[Sequence[object]]) -> pa.Array:
    """Where each of several lists begins when they lie one after the other, and where all end."""
    return pa.array(list(itertools.accumulate(map(len, lists), initial=0)), pa.int32())


def _as_array(values: object, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def table_to_records(table: pa.Table) -> Iterator[Record]:
    """The records of a manifest or of the written rows of a work table, in order, a thousand rows
    in memory at a time.
    """
    yield from records_of(written_only(table) if "fate" in table.column_names else table)


def records_of(table: pa.Table) -> Iterator[Record]:
    """The records of all rows, whatever became of them; columns that no work table has are their
    signals.
    """
    for batch in table.to_batches(max_chunksize=1000):
        columns = {name: batch.column(name) for name in batch.schema.names}
        named = {
            name: column.to_pylist()
            for name, column in columns.items()
            if name not in WORK_SCHEMA.names
        }
        nothing = [()] * len(batch)
        pairs = columns["signals"].to_pylist() if "signals" in columns else nothing
        verdicts = columns["verdicts"].to_pylist() if "verdicts" in columns else nothing
        origins = zip(
            *(
                columns["origin"].field(name).to_pylist()
                for name in ("source", "file", "row", "id")
            ),
            strict=True,
        )
        values = zip(
            *(columns[name].to_pylist() for name in ("key", "group", "split", "targets", "absent")),
            origins,
            parts_of(columns["parts"]),
            pairs,
            verdicts,
            strict=True,
        )
        for row, (key, group, split, targets, absent, origin, parts, own, judged) in enumerate(
            values
        ):
            signals = dict(own or ())
            for name, numbers in named.items():
                if numbers[row] is not None:
                    signals[name] = numbers[row]
            yield Record(
                key,
                group,
                Origin(*origin),
                parts,
                json.loads(targets) if targets != "{}" else {},
                split,
                dict(absent or ()),
                signals,
                {(verdict["part"], verdict["rule"]): verdict["kept"] for verdict in judged or ()},
            )


def parts_of(lists: pa.ListArray) -> Iterator[dict[str, Part]]:
    """The parts of each record by name, from the column of a manifest or of a work table."""
    structs = lists.flatten()
    names = structs.field("name").to_pylist()
    plain = zip(*(structs.field(name).to_pylist() for name in _PLAIN), strict=True)
    cues, steps = structs.field("cues"), structs.field("steps")
    # most have neither, and nothing has to be looked at
    timed = cues.to_pylist() if len(cues.flatten()) else [()] * len(names)
    changed = steps.to_pylist() if len(steps.flatten()) else [()] * len(names)
    parts = zip(
        names,
        (
            Part(  # type: ignore[call-arg]  # in the order of its fields
                *values,
                tuple(Cue(**cue) for cue in own or ()),
                tuple(Step(step["op"], json.loads(step["options"])) for step in own_steps or ()),
            )
            for values, own, own_steps in zip(plain, timed, changed, strict=True)
        ),
        strict=True,
    )
    for count in np.diff(lists.offsets.to_numpy()).tolist():
        yield dict(itertools.islice(parts, count))


def written_only(table: pa.Table) -> pa.Table:
    """The rows whose fate is ``written``."""
    mask = pa.compute.equal(table["fate"], "written")
    return table if pa.compute.all(mask).as_py() is not False else table.filter(mask)


def manifest_pieces(count: int, read: Callable[[int], pa.Table]) -> Iterator[pa.Table]:
    """One manifest of so many work tables, of which ``read`` gives the one of a number: written
    rows by key, each signal a column of its own, NaN-free; some rows at a time, one piece without
    rows where there are none. InputError where two records have one key.
    """
    keys: list[pa.Table] = []
    names: set[str] = set()
    for number in range(count):
        written = written_only(read(number).select(["key", "fate", "signals"]))
        names.update(_names_in(one_array(written["signals"])))
        keys.append(in_memory(written.select(["key"])))
    # by key: the same records make the same file, however they were partitioned
    order = pyarrow.compute.sort_indices(pa.concat_tables(keys)["key"]).to_numpy()

    def rows_of(number: int) -> pa.Table:
        return written_only(read(number)).select([*MANIFEST_SCHEMA.names, "signals"])

    last = None
    for rows in rows_in_order(list(map(len, keys)), rows_of, order, _ROWS_PER_GROUP):
        last = _checked_keys(last, rows.select(["key", "origin"]))
        columns = number_columns(one_array(rows["signals"]))
        piece = rows.drop_columns(["signals"])
        for name in sorted(names):
            column = columns.get(name)
            none = pa.nulls(len(piece), pa.float64())
            piece = piece.append_column(name, none if column is None else column)
        yield piece.replace_schema_metadata(MANIFEST_SCHEMA.metadata)


def _checked_keys(last: pa.Table | None, rows: pa.Table) -> pa.Table:
    """The last of these rows (``key``, ``origin``), which stand in order and come after ``last``;
    InputError where a key comes twice.
    """
    every = rows if last is None else pa.concat_tables([last, rows])
    keys = one_array(every["key"])
    again = pyarrow.compute.equal(keys.slice(1), keys.slice(0, max(0, len(keys) - 1)))
    if pyarrow.compute.any(again).as_py():
        first = pyarrow.compute.index(again, True).as_py()
        twins = [Origin(**origin) for origin in every["origin"].slice(first, 2).to_pylist()]
        raise InputError(
            f"two records have the key {keys[first].as_py()!r}, made of {twins[0]} and of"
            f" {twins[1]}: in the shards one would stand for both. Give them other ids; a stage of"
            " your own that makes several records of one gives each a key of its own (make_key)"
        )
    return every.slice(max(0, len(every) - 1))


def _names_in(maps: pa.MapArray) -> set[str]:
    """The keys of all of these maps."""
    begin, end = (maps.offsets[place].as_py() for place in (0, -1))
    return set(pyarrow.compute.unique(maps.keys.slice(begin, end - begin)).to_pylist())


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
    """The manifest of an output folder; InputError where there is none, or none that can be
    read.
    """
    path = RunFolder(folder).manifest
    if not path.is_file():
        raise InputError(
            f"{folder}: no {path.relative_to(folder)} here; wanted the output folder of"
            " 'modalmill run'"
        )
    return read_parquet(path)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A written manifest. made_from: changes when the records do. xxh3: checksum of the file."""

    path: Path
    made_from: str
    xxh3: str

    def tables(self) -> Iterator[pa.Table]:
        """All rows, by key, some thousand in memory at a time."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_PER_GROUP):
                yield pa.Table.from_batches([batch])

    def records(self) -> Iterator[Record]:
        """All records, by key."""
        for table in self.tables():
            yield from table_to_records(table)


def write_manifest(path: Path, note: Path, partitions: Sequence[Path]) -> Manifest:
    """Write the manifest of these work tables, unless ``note`` says that it is there already."""
    kept = kept_manifest(path, note, partitions)
    if kept is not None:
        return kept
    names = [partition.name for partition in partitions]
    pieces = manifest_pieces(len(partitions), lambda number: read_table(partitions[number]))
    write_parquet(path, pieces)
    checksum = hash_file(path)
    write_json(note, {"made_from": names, "file": stamp_of(path), "xxh3": checksum})
    return Manifest(path, fingerprint(names), checksum)


def kept_manifest(path: Path, note: Path, partitions: Sequence[Path]) -> Manifest | None:
    """The manifest of these work tables that an earlier run wrote; None where there is none."""
    # a partition is named by what it was made from
    names = [partition.name for partition in partitions]
    kept = json.loads(note.read_text()) if path.is_file() and note.is_file() else {}
    if kept.get("made_from") == names and kept.get("file") == stamp_of(path) and "xxh3" in kept:
        return Manifest(path, fingerprint(names), kept["xxh3"])
    return None
