"""A limited run: the first records of each source, with those that a join gives them.

The sources are read as always, and their tables serve a whole run as well; what costs, measuring,
stages and shards, sees the chosen records alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.account import Count
from ..schemas.disk import read_table, write_table
from ..schemas.errors import InputError
from ..schemas.fingerprint import fingerprint
from ..schemas.layout import RunFolder
from ..schemas.manifest import table_to_records
from ..stages.base import CorpusStage, decided_rows
from .corpus import decide, read_columns
from .ingesting import Ingested
from .plan import Placed, Plan, identity
from .records import note_written
from .texts import read_account

_LIMIT_VERSION = 1
_ROWS_AT_ONCE = 1 << 16


def refuse_whole(out: Path) -> None:
    """InputError where a folder holds a run of all records: a limited one would take the place of
    its shards.
    """
    if RunFolder(out).account.is_file() and read_account(out).limit is None:
        raise InputError(
            f"{out}: holds a run of all records, whose shards a run with --limit would replace;"
            " choose another --out"
        )


def limited(plan: Plan, sources: Sequence[Ingested], limit: int) -> list[Ingested]:
    """The sources with the first ``limit`` records of each that no other takes from, and with what
    these take from others by the joins of the plan. Rejects of ingest stay.

    Partners are found on the records as they were read: a stage before a join may change them.
    """
    partitions = [path for source in sources for path in source.partitions]
    joins = joins_of(plan)
    partners = partners_of(joins, partitions)
    chosen = pa.array(_chosen(sources, limit, partners), pa.string())
    config = fingerprint(
        _LIMIT_VERSION,
        limit,
        [path.name for path in partitions],
        [identity(placed.stage, plan) for placed in joins],
    )
    return [_only(source, chosen, config, limit) for source in sources]


def joins_of(plan: Plan) -> list[Placed]:
    """The stages that join records of several sources."""
    return [
        placed
        for placed in plan.stages
        if isinstance(placed.stage, CorpusStage) and placed.stage.joins
    ]


def partners_of(joins: Sequence[Placed], partitions: Sequence[Path]) -> dict[str, list[str]]:
    """Key of a record -> keys of those that it takes parts and targets from."""
    partners: dict[str, list[str]] = {}
    keys = read_columns(partitions, ["key"])
    if keys is None:
        return partners
    for placed in joins:
        assert isinstance(placed.stage, CorpusStage)
        decisions = decide(placed.stage, partitions, no_likeness)
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            some = keys["key"].slice(start, _ROWS_AT_ONCE)
            decided = decided_rows(decisions, some, start)
            for key, decision in zip(some.to_pylist(), decided, strict=True):
                if decision is not None and decision.absorb:
                    partners.setdefault(key, []).extend(decision.absorb)
    return partners


def no_likeness(content: str, modality: str = "") -> None:
    """Nothing is measured yet."""


def _chosen(
    sources: Sequence[Ingested], limit: int, partners: Mapping[str, Sequence[str]]
) -> list[str]:
    taken = set(itertools.chain.from_iterable(partners.values()))
    waiting: list[str] = []
    for source in sources:
        own = (key for key in _keys(source.partitions) if key not in taken)
        waiting += itertools.islice(own, limit)
    chosen = dict.fromkeys(waiting)
    for key in waiting:  # it grows
        new = [other for other in partners.get(key, ()) if other not in chosen]
        chosen |= dict.fromkeys(new)
        waiting += new
    return list(chosen)


def _keys(partitions: Sequence[Path]) -> Iterator[str]:
    """The keys of the written records, in order."""
    for path in partitions:
        columns = read_columns([path], ["key"])
        assert columns is not None
        yield from columns["key"].to_pylist()


def _only(source: Ingested, chosen: pa.Array, config: str, limit: int) -> Ingested:
    """A source with the chosen records alone, and its rejects."""
    count = Count.from_dict(source.count.name, source.count.to_dict())
    before = count.written
    count.written = 0
    for counter in (count.presence, count.splits, count.unmatched):
        counter.clear()
    partitions = []
    for path in source.partitions:
        table = read_table(path)
        is_chosen = pc.is_in(table["key"], value_set=chosen)
        table = table.filter(pc.or_(pc.not_equal(table["fate"], "written"), is_chosen))
        if not len(table):
            continue
        target = path.with_name(f"{fingerprint(config, path.name)}.arrow")
        if not target.is_file():
            write_table(target, table)
        partitions.append(target)
        written = table.filter(pc.equal(table["fate"], "written"))
        count.written += len(written)
        for rules in written["rule"].drop_null().to_pylist():
            count.unmatched.update(rules.split(", "))
        for record in table_to_records(written):
            note_written(count, record)
    left = before - count.written
    count.read -= left
    if left:
        count.notes[f"left for a run without --limit {limit}"] = left
    return Ingested(source.note, partitions, count)
