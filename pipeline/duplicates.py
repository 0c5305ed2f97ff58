"""``OUT/duplicates.parquet``: what records were found to have in common, pair by pair.

    set                  the smallest key of all that are connected, directly or through others
    key, other           a pair; as many as it takes to connect a set, and each was compared
    kind, distance       what they have in common, and how far apart they are in it
    merged               whether the record of ``key`` lives on in the other
    stage                which stage found it

Pairs within one group, which nothing has to unite, are told only where one was merged.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import pyarrow as pa

from ..schemas.disk import (
    is_made_from,
    note_made_from,
    read_parquet,
    read_table,
    write_parquet,
    write_table,
)
from ..schemas.errors import InputError, nearest
from ..schemas.layout import RunFolder
from ..schemas.plain_text import plain_table, render_text
from ..schemas.united import United
from ..stages.base import Decision
from .texts import read_account, shown_number

_VERSION = 1
_FINDS = "clean.duplicates"
_SHOWN_KEYS = 3
_EDGES = pa.schema(
    [
        ("key", pa.string()),
        ("other", pa.string()),
        ("kind", pa.string()),
        ("distance", pa.float64()),
        ("merged", pa.bool_()),
        ("stage", pa.string()),
    ]
)
_ORDER = ("set", "key", "other", "kind", "stage")


class PairRow(TypedDict):
    """A row of ``duplicates.parquet``."""

    set: str
    key: str
    other: str
    kind: str
    distance: float
    merged: bool
    stage: str


def edges_of(
    address: str, keys: pa.ChunkedArray, decided: Sequence[Decision | None]
) -> list[dict[str, object]]:
    """What a corpus stage found that the records of these keys have in common with others."""
    return [
        {
            "key": keys[row].as_py(),
            "other": edge.other,
            "kind": edge.kind,
            "distance": edge.distance,
            "merged": edge.merged,
            "stage": address,
        }
        for row, decision in enumerate(decided)
        if decision is not None
        for edge in decision.edges
    ]


def write_edges(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Keep what a corpus stage found; a table without rows where it found nothing."""
    write_table(path, pa.Table.from_pylist(list(rows), schema=_EDGES))


def write_duplicates(path: Path, note: Path, tables: Sequence[Path]) -> None:
    """Write the table of all stages' edges unless it is there already; none where there is no
    edge.
    """
    made_from = [f"version {_VERSION}", *(table.name for table in tables)]
    if is_made_from(path, note, made_from):
        return
    edges = pa.concat_tables([_EDGES.empty_table(), *(read_table(table) for table in tables)])
    if len(edges):
        edges = edges.add_column(0, "set", _sets_of(edges))
        write_parquet(path, iter([edges.sort_by([(name, "ascending") for name in _ORDER])]))
    else:
        path.unlink(missing_ok=True)
    note_made_from(path, note, made_from)


def _sets_of(edges: pa.Table) -> pa.Array:
    """The smallest key of all that are connected with each pair."""
    pairs = [edges[name].to_pylist() for name in ("key", "other")]
    keys = sorted({*pairs[0], *pairs[1]})
    numbers = {key: number for number, key in enumerate(keys)}
    united = United(len(keys))
    for key, other in zip(*pairs, strict=True):
        united.unite(numbers[key], numbers[other])
    first = united.first().tolist()
    return pa.array([keys[first[numbers[key]]] for key in pairs[0]], pa.string())


def read_duplicates(out: Path, kind: str = "", key: str = "") -> list[PairRow]:
    """The pairs of a run; of one kind, or of the set that a record is in."""
    rows = _rows(out)
    kinds = sorted({row["kind"] for row in rows})
    if kind and kind not in kinds:
        raise InputError(f"--kind {kind}: no pair is of this kind{nearest(kind, kinds)}")
    if key:
        sets = {name: row["set"] for row in rows for name in (row["key"], row["other"])}
        if key not in sets:
            like = " or ".join([f"'{name}'" for name in sorted(sets) if key in name][:_SHOWN_KEYS])
            raise InputError(
                f"--of {key}: no other record was found to have anything in common with a record"
                f" of this key{like and f'; did you mean {like}?'};"
                " 'modalmill look' shows keys"
            )
        rows = [row for row in rows if row["set"] == sets[key]]
    return [row for row in rows if kind in ("", row["kind"])]


def _rows(out: Path) -> list[PairRow]:
    """All pairs; InputError where it is not known whether there are any."""
    folder = RunFolder(out)
    path, note = folder.duplicates, folder.work.duplicates_note
    stages = [count.name for count in read_account(out).stages]
    if path.is_file():
        rows: list[PairRow] = read_parquet(path).to_pylist()
        return rows
    if note.is_file() and json.loads(note.read_text()).get("file") is not None:
        raise InputError(f"{path}: this run wrote it, and it is gone; run the recipe again")
    if not any(name.partition("#")[0] == _FINDS for name in stages):
        raise InputError(
            f"{out}: this run had no {_FINDS}, so nothing was compared; give the recipe that stage"
        )
    return []


def duplicates_text(rows: Sequence[PairRow], count: int) -> str:
    """How many pairs of each kind there are, and the largest sets."""
    if not rows:
        return "no records were found to have anything in common"
    by_kind = plain_table("kind", "pairs", "merged", "up to", right=("pairs", "merged", "up to"))
    kinds = Counter(row["kind"] for row in rows)
    for kind, number in kinds.most_common():
        own = [row for row in rows if row["kind"] == kind]
        merged = sum(row["merged"] for row in own)
        furthest = max(row["distance"] for row in own)
        by_kind.add_row(kind, f"{number:,}", f"{merged:,}", shown_number(furthest))
    sets: dict[str, list[PairRow]] = defaultdict(list)
    for row in rows:
        sets[row["set"]].append(row)
    members = {
        name: {key for row in own for key in (row["key"], row["other"])}
        for name, own in sets.items()
    }
    lines: list[object] = [
        f"{_many(sum(map(len, members.values())), 'record')} in {_many(len(sets), 'set')}, by"
        f" {_many(len(rows), 'pair')}",
        "",
        by_kind,
    ]
    largest = sorted(sets, key=lambda name: (-len(members[name]), name))
    for name in largest[:count]:
        lines += ["", f"{len(members[name]):,} records with {name}:"]
        shown = plain_table("key", "other", "kind", "distance", "", right=("distance",))
        for row in sets[name][:count]:
            shown.add_row(
                row["key"],
                row["other"],
                row["kind"],
                shown_number(row["distance"]),
                "merged" if row["merged"] else "",
            )
        lines.append(shown)
        if len(sets[name]) > count:
            lines.append(f"and {_many(len(sets[name]) - count, 'pair')} more; --json lists all")
    if len(largest) > count:
        more = _many(len(largest) - count, "set")
        lines += ["", f"and {more} more; -n shows more, --json lists all"]
    return render_text(*lines)


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
