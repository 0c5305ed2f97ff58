"""Texts of records by key and part: of those that are left from the manifest, of others from the
work tables, as long as these are there.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas.columns import one_array
from ...schemas.disk import read_table
from ...schemas.layout import RunFolder

Texts = dict[tuple[str, str], str]


def texts_of(folder: RunFolder, keys: Collection[str]) -> Texts:
    """(key, part) -> text."""
    wanted = pa.array(sorted(keys), pa.string())
    found: Texts = {}
    if folder.work.records.is_dir():
        for path in sorted(folder.work.records.rglob("*.arrow")):
            _add(found, read_table(path), wanted)
    if folder.manifest.is_file():
        with pq.ParquetFile(folder.manifest) as file:
            for number in range(file.num_row_groups):
                group = file.read_row_group(
                    number, ["key", "parts.list.element.name", "parts.list.element.text"]
                )
                _add(found, group, wanted)
    return found


def _add(found: Texts, table: pa.Table, wanted: pa.Array) -> None:
    if not {"key", "parts"} <= set(table.column_names):
        return
    chosen = table.select(["key", "parts"]).filter(pc.is_in(table["key"], value_set=wanted))
    if not len(chosen):
        return
    lists = one_array(chosen["parts"])
    flat, owners = lists.flatten(), pc.list_parent_indices(lists)
    keys = chosen["key"].take(owners).to_pylist()
    names, texts = (flat.field(name).to_pylist() for name in ("name", "text"))
    for key, name, text in zip(keys, names, texts, strict=True):
        if text is not None:
            found[key, name] = text
