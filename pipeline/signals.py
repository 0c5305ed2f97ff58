"""``OUT/signals.parquet``: a row for each part of every record, kept or not, with what is known and
measured of it and the verdict of every rule.

    key part modality source file row uri start_s end_s   which part of which record
    fate stage rule damage                                 what became of it, where, and why
    width, sharpness, ...                                  facts and signals, null where not known
    label_confidence, ...                                  those of the record, on each of its parts
    clean.image.max_dark, ...                              whether it keeps the rule

A part that was judged and then cut stands there with the span that was judged (fate ``replaced``),
its pieces beside it. The rules of stages that a record did not come to are asked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.columns import in_memory, one_array, rows_in_order
from ..schemas.disk import is_made_from, note_made_from, read_table, write_parquet
from ..schemas.manifest import number_columns, records_of, verdict_dicts
from ..schemas.quantity import FACTS, fact_column
from ..schemas.record import Record
from ..stages.base import Verdicts, judged
from ..stages.modality import names
from ..stages.signal import words_of

_VERSION = 1
# what marks the column of a signal of the record
OF_RECORD = {b"of": b"record"}
_ROWS_PER_GROUP = 65_536  # of the Parquet file
_OF_FEW_WORDS = ("part", "modality", "source", "file", "fate", "stage", "rule", "damage")
_FIRST = (
    *("key", "part", "modality", "source", "file", "row", "uri", "start_s", "end_s"),
    *("fate", "stage", "rule", "damage"),
)


class Judging(NamedTuple):
    """A stage at its place, and what its rules say of a record."""

    address: str
    verdicts: Callable[[Record], Verdicts]


def write_signals(
    path: Path, note: Path, tables: Sequence[Path], last: Sequence[Path], judges: Sequence[Judging]
) -> None:
    """Write the table unless it is there already; none where no record has a part.

    note: where it is said what it was made from. tables: the work tables of all steps, of which
    ``last`` hold what was kept. judges: all stages in their order.
    """
    made_from = [f"version {_VERSION}", *(table.name for table in tables)]
    if is_made_from(path, note, made_from):
        return
    rows: list[pa.Table] = []
    kept_last, of_record = set(last), set[str]()
    for name in dict.fromkeys(tables):
        table = read_table(name)
        if name not in kept_last:
            table = table.filter(pc.not_equal(table["fate"], "written"))
        if table.num_rows:
            of_record |= _of_record(table)
            parts = _parts_of(_with_all_verdicts(table.combine_chunks(), judges))
            if len(parts):
                rows.append(in_memory(_with_dictionaries(parts)))
    if rows:
        pieces = (_marked(piece, of_record) for piece in _in_order(rows))
        write_parquet(path, pieces)
    else:
        path.unlink(missing_ok=True)
    note_made_from(path, note, made_from)


def _with_all_verdicts(table: pa.Table, judges: Sequence[Judging]) -> pa.Table:
    """The table with the verdicts of the stages that its rejects did not come to."""
    places = {judge.address: place for place, judge in enumerate(judges)}
    ended = pc.and_(
        pc.is_in(table["fate"], pa.array(["rejected", "missing"])),
        # what a source rejects was not measured
        pc.is_in(table["stage"], pa.array(list(places), pa.string())),
    )
    rows = np.flatnonzero(ended.to_numpy())
    if not len(rows):
        return table
    verdicts = table["verdicts"].to_pylist()
    rejects = table.take(rows)
    stages = rejects["stage"].to_pylist()
    for row, stage, reject in zip(rows, stages, records_of(rejects), strict=True):
        record = reject
        for judge in judges[places[stage] + 1 :]:
            record = judged(record, judge.address, judge.verdicts(record))
        verdicts[row] = verdict_dicts(record)
    place = table.schema.get_field_index("verdicts")
    return table.set_column(place, "verdicts", pa.array(verdicts, table.schema.types[place]))


def _parts_of(table: pa.Table) -> pa.Table:
    """One row for each part of each record."""
    lists = one_array(table["parts"])
    parts, owners = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
    origin = one_array(table["origin"])
    columns: dict[str, pa.Array] = {"key": table["key"].take(owners)}
    columns["part"] = parts.field("name")
    columns["modality"] = parts.field("modality")
    for name in ("source", "file", "row"):
        columns[name] = origin.field(name).take(owners)
    for name in ("uri", "start_s", "end_s"):
        columns[name] = parts.field(name)
    for name in ("fate", "stage", "rule"):
        columns[name] = table[name].take(owners)
    columns["damage"] = pc.replace_substring_regex(parts.field("damage"), ":(.|\n)*", "")
    for name in FACTS:
        numbers = fact_column(parts, name)
        if not np.isnan(numbers).all():
            columns[name] = pa.array(numbers, from_pandas=True)
    # where each part of a name lies among all parts, by record; -1 where the record has none
    places = {}
    for name in pc.unique(parts.field("name")).to_pylist():
        here = np.flatnonzero(pc.equal(parts.field("name"), name).to_numpy(zero_copy_only=False))
        places[name] = np.full(len(table), -1)
        places[name][owners[here]] = here
    columns |= _signals_of(table, places, owners)
    return pa.table(columns | _verdicts_of(table, places, len(parts)))


def _of_record(table: pa.Table) -> set[str]:
    """The signals of records, which name no part."""
    names = pc.unique(one_array(table["signals"]).keys).to_pylist()
    return {name for name in names if "." not in name}


def _marked(table: pa.Table, of_record: Collection[str]) -> pa.Table:
    """The table with the columns marked that hold signals of records."""
    return table.cast(
        pa.schema(
            field.with_metadata(OF_RECORD) if field.name in of_record else field
            for field in table.schema
        )
    )


def _signals_of(
    table: pa.Table, places: Mapping[str, np.ndarray], owners: np.ndarray
) -> dict[str, pa.Array]:
    """Each signal of the parts, and of the records that own them, a column ``[len(owners)]``;
    one that is NaN stays so, and one that stands for words is the word.
    """
    count = len(owners)
    columns: dict[str, pa.Array] = {}
    values: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    for name, column in number_columns(one_array(table["signals"])).items():
        part, _, word = name.rpartition(".")
        if not part:
            columns[name] = column.take(owners)
        if part not in places:
            continue
        there = column.is_valid().to_numpy(zero_copy_only=False) & (places[part] >= 0)
        numbers = column.fill_null(0.0).to_numpy()
        values.setdefault(word, np.zeros(count))[places[part][there]] = numbers[there]
        known.setdefault(word, np.zeros(count, bool))[places[part][there]] = True
    every = _every_word()
    for word in sorted(values):
        column = pa.array(values[word], mask=~known[word])
        if word in every:
            column = pa.array(every[word], pa.string()).take(column.cast(pa.int32()))
        columns[word] = column
    return columns


def _every_word() -> dict[str, tuple[str, ...]]:
    """The signals of any modality that are words."""
    return {name: words for kind in names() for name, words in words_of(kind).items()}


def _verdicts_of(
    table: pa.Table, places: Mapping[str, np.ndarray], count: int
) -> dict[str, pa.Array]:
    """Whether the parts keep each rule, as a column ``[count]``, null where it was not asked."""
    lists = one_array(table["verdicts"])
    owners = pc.list_parent_indices(lists).to_numpy()
    verdicts = lists.flatten()
    parts, rules = (verdicts.field(name).dictionary_encode() for name in ("part", "rule"))
    at_part, at_rule = parts.indices.to_numpy(), rules.indices.to_numpy()
    kept = verdicts.field("kept").to_numpy(zero_copy_only=False)
    none = np.full(table.num_rows, -1)
    rows = np.full(len(verdicts), -1)
    for number, part in enumerate(parts.dictionary.to_pylist()):
        own = at_part == number
        rows[own] = places.get(part, none)[owners[own]]
    columns = {}
    for number, rule in enumerate(rules.dictionary.to_pylist()):
        own = (at_rule == number) & (rows >= 0)
        values, asked = np.zeros(count, bool), np.zeros(count, bool)
        values[rows[own]], asked[rows[own]] = kept[own], True
        columns[rule] = pa.array(values, mask=~asked)
    return columns


def _in_order(tables: Sequence[pa.Table]) -> Iterator[pa.Table]:
    """All rows by key, part and span, so many at a time; nothing where there is none."""
    whole = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    found = [name for name in whole.column_names if name not in (*_FIRST, *FACTS)]
    by = ("key", "part", "start_s", "end_s", "fate")
    order = pc.sort_indices(
        _without_dictionaries(whole.select(by)), [(name, "ascending") for name in by]
    ).to_numpy()
    facts = [name for name in FACTS if name in whole.column_names]
    signals = sorted(name for name in found if "." not in name)
    rules = sorted(name for name in found if "." in name)
    chosen = whole.select([*_FIRST, *facts, *signals, *rules])
    batches = [pa.Table.from_batches([batch]) for batch in chosen.to_batches()]
    lengths = list(map(len, batches))
    for piece in rows_in_order(lengths, batches.__getitem__, order, _ROWS_PER_GROUP):
        yield _without_dictionaries(piece)


def _with_dictionaries(table: pa.Table) -> pa.Table:
    """The columns whose few words come again and again, by number: all rows are in memory at
    once.
    """
    for name in _OF_FEW_WORDS:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table


def _without_dictionaries(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(
                place, field.name, table[field.name].cast(field.type.value_type)
            )
    return table
