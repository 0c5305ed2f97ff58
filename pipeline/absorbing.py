"""Records that take the parts, targets and signals of others, by column: Python objects for each
would cost ten times as much.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from ..schemas.columns import one_array
from ..schemas.disk import read_table
from ..schemas.fingerprint import canonical
from ..schemas.manifest import written_only


class Fetching:
    """Written rows of work tables by key, from wherever they lie."""

    def __init__(self, partitions: Sequence[Path]) -> None:
        self._partitions = partitions

    @functools.cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The hash of every key ``uint64 [N]``, ascending, its partition and its row there."""
        hashes, partitions, rows = [], [], []
        for number, path in enumerate(self._partitions):
            table = read_table(path).select(["key", "fate"])
            written = np.flatnonzero(pc.equal(table["fate"], "written").to_numpy())
            keys = table["key"].take(written).to_pylist()
            hashes.append(_hashes(keys))
            partitions.append(np.full(len(written), number, np.int32))
            rows.append(written.astype(np.int32))
        whole = np.concatenate(hashes)
        order = np.argsort(whole)
        return whole[order], np.concatenate(partitions)[order], np.concatenate(rows)[order]

    def __call__(self, keys: Sequence[str]) -> pa.Table:
        """The rows of these keys, in any order."""
        hashes, partitions, rows = self._places
        places = np.searchsorted(hashes, _hashes(keys)).clip(max=len(hashes) - 1)
        tables = []
        for number in np.unique(partitions[places]).tolist():
            own = np.sort(rows[places[partitions[places] == number]])
            tables.append(read_table(self._partitions[number]).take(own))
        table = pa.concat_tables(tables).combine_chunks()
        if set(table["key"].to_pylist()) == set(keys):
            return table
        # two keys of one hash, once in 10^7 corpora of a million records
        wanted = pa.array(keys, pa.string())
        found = [written_only(read_table(path)) for path in self._partitions]
        return pa.concat_tables(
            [table.filter(pc.is_in(table["key"], value_set=wanted)) for table in found]
        ).combine_chunks()


def _hashes(keys: Sequence[str]) -> np.ndarray:
    return np.array([xxhash.xxh3_64_intdigest(key.encode()) for key in keys], np.uint64)


def absorbing(table: pa.Table, owners: np.ndarray, others: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """The table with what its rows take from ``others``, and where that is not for columns to
    decide ``bool [N]``: both have a part, a target or a signal of one name, or one lacks a part for
    a reason.

    owners: the row that takes each of the others ``int64 [M]``, in the order in which they are
        taken.
    """
    open_ = np.zeros(len(table), bool)
    open_[owners] = _has_any(table["absent"])[owners]
    open_[owners[_has_any(others["absent"])]] = True
    columns = {
        "parts": _with_lists(one_array(table["parts"]), owners, one_array(others["parts"]), open_),
        "signals": _with_maps(
            one_array(table["signals"]), owners, one_array(others["signals"]), open_
        ),
        "targets": _with_targets(
            table["targets"].to_pylist(), owners, others["targets"].to_pylist(), open_
        ),
        "split": _with_first(table["split"].to_pylist(), owners, others["split"].to_pylist()),
    }
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        kind = table.schema.field(place).type
        values = column if isinstance(column, pa.Array) else pa.array(column, kind)
        table = table.set_column(place, table.schema.field(place), values)
    return table, open_


def _has_any(maps: pa.ChunkedArray) -> np.ndarray:
    """Which of these maps are not empty ``bool [N]``."""
    return np.asarray(np.diff(one_array(maps).offsets.to_numpy()) > 0)


def _merged(
    own: np.ndarray, owners: np.ndarray, others: np.ndarray, names: pa.Array, open_: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The order in which the entries of lists, and then of others, make lists by owner and name,
    and where each list begins. own: the row of each entry of the lists. others: the place in
    ``owners`` of each entry of the others. ``open_`` becomes true where a name comes twice.
    """
    rows = np.concatenate([own, owners[others]])
    encoded = names.dictionary_encode()
    rank = np.empty(len(encoded.dictionary), np.int64)
    rank[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank))
    codes = rank[encoded.indices.to_numpy()]
    order = np.lexsort((codes, rows))
    again = (rows[order][1:] == rows[order][:-1]) & (codes[order][1:] == codes[order][:-1])
    open_[rows[order][1:][again]] = True
    return order, np.r_[0, np.cumsum(np.bincount(rows, minlength=len(open_)))].astype(np.int32)


def _with_lists(
    lists: pa.ListArray, owners: np.ndarray, others: pa.ListArray, open_: np.ndarray
) -> pa.ListArray:
    """Lists of structs with a name."""
    entries = pa.concat_arrays([lists.flatten(), others.flatten()])
    own, taken = (pc.list_parent_indices(each).to_numpy() for each in (lists, others))
    order, offsets = _merged(own, owners, taken, entries.field("name"), open_)
    return pa.ListArray.from_arrays(pa.array(offsets), entries.take(pa.array(order)))


def _with_maps(
    maps: pa.MapArray, owners: np.ndarray, others: pa.MapArray, open_: np.ndarray
) -> pa.MapArray:
    parents, keys, items = [], [], []
    for each in (maps, others):
        offsets = each.offsets.to_numpy()
        parents.append(np.repeat(np.arange(len(each)), np.diff(offsets)))
        # of a slice the offsets do not begin at 0
        keys.append(each.keys.slice(offsets[0], offsets[-1] - offsets[0]))
        items.append(each.items.slice(offsets[0], offsets[-1] - offsets[0]))
    names, numbers = pa.concat_arrays(keys), pa.concat_arrays(items)
    order, offsets = _merged(parents[0], owners, parents[1], names, open_)
    places = pa.array(order)
    return pa.MapArray.from_arrays(pa.array(offsets), names.take(places), numbers.take(places))


def _with_targets(
    targets: list[str], owners: np.ndarray, others: Sequence[str], open_: np.ndarray
) -> list[str]:
    """Targets as JSON objects."""
    for row, taken in zip(owners.tolist(), others, strict=True):
        if taken == "{}":
            continue
        if targets[row] == "{}":
            targets[row] = taken
            continue
        mine, theirs = json.loads(targets[row]), json.loads(taken)
        if mine.keys() & theirs.keys():
            open_[row] = True
        targets[row] = canonical({**theirs, **mine})
    return targets


def _with_first(
    values: list[str | None], owners: np.ndarray, others: Sequence[str | None]
) -> list[str | None]:
    """The first that is there."""
    for row, taken in zip(owners.tolist(), others, strict=True):
        values[row] = values[row] or taken
    return values
