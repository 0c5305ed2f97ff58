"""What a run would do, told in seconds: what is kept of an earlier one and what runs again because
of what, how many records each source has, what joins find, and what the rest will cost.

Nothing is written into the output folder. Sources that an earlier run did not read are read for
some seconds each; a few records from all over them are carried through to shards in a temporary
folder, from which time and size are estimated.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from ..schemas.account import Count
from ..schemas.disk import read_table, write_table
from ..schemas.errors import DamageError, ModalmillError
from ..schemas.layout import RunFolder
from ..schemas.manifest import kept_manifest, rows_to_table, table_to_records, write_manifest
from ..schemas.plain_text import plain_table, render_text
from ..schemas.record import Part
from ..stages.base import Merged, Noted
from ..stages.measure.media import Medium
from ..stages.media.files import bytes_of
from .corpus import decide, read_columns
from .engine import Engine, cores, make_engine
from .ingesting import ingest_stem, read_ingested
from .limiting import joins_of, no_likeness, partners_of
from .measuring import Measuring
from .plan import Plan, identity
from .sharding import has_shards, write_shards
from .staging import Staging
from .texts import read_account

_NUMBERS = ("records", "left out")
_KEEP = "keep what there is"
_READ_S = 2.0  # of each source
_SHOWN = 2  # records of each source
_SAMPLE = 32  # records of each source, carried through
_SAMPLE_BYTES = 30_000_000  # of their media: films are long
_FEW = 3  # of them ahead, which say how many can be carried through in the time
_CARRY_S = 5.0
_DEADLINE_S = 5.0  # of one file of the sample
_TEXT_SHOWN = 60


@dataclass(slots=True)
class _Looked:
    """A source: its counts, the tables of its records, and whether these are all of them. why: what
    a run does with it, and because of what.
    """

    count: Count
    partitions: list[Path]
    is_whole: bool
    is_kept: bool
    why: str


def preview_text(plan: Plan, out: Path) -> str:
    """What a run of this plan into ``out`` would do."""
    plan = replace(plan, root=plan.root.absolute())
    before = _earlier_recipe(out)
    with tempfile.TemporaryDirectory(prefix="modalmill-plan-") as place:
        sources = [_look(plan, name, out, Path(place), before) for name in plan.sources]
        pending, new, acts = _acts(plan, out, sources, before)
        things = [*_limited(out), *_sources(sources), "", *acts]
        things += [*_joins(plan, sources), "", *_records(sources)]
        if pending:
            things += ["", *_estimate(plan, sources, len(new), Path(place))]
    return render_text(*things, "", "Nothing was written.")


def _earlier_recipe(out: Path) -> Mapping[str, object]:
    """The recipe of the run that ``out`` holds; empty where there is none."""
    try:
        value = yaml.safe_load(RunFolder(out).recipe.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return value if isinstance(value, dict) else {}


# Any: a recipe is as deep as its options
def _plain(plan: Plan) -> dict[str, Any]:
    """The recipe as its file in an output folder has it."""
    return plan.recipe.model_dump(mode="json")


def _look(plan: Plan, name: str, out: Path, place: Path, before: Mapping[str, object]) -> _Looked:
    """A source as an earlier run read it, or read now for some seconds."""
    source, folder = plan.sources[name], RunFolder(out).work.ingested
    stem = ingest_stem(source, name, plan.root, identity(source, plan), out)
    kept = read_ingested(folder, stem, name)
    if kept is not None:
        why = "keep it: nothing in it has changed"
        return _Looked(kept.count, kept.partitions, True, True, why)
    options = before.get("sources")
    if not any(folder.glob(f"{name}-*.json")):
        why = "read it: no run has read it into this folder"
    elif isinstance(options, dict) and options.get(name) != _plain(plan)["sources"][name]:
        why = "read it again: its options have changed"
    else:
        why = "read it again: its files have changed, or the versions of libraries"
    count, path, is_whole = _read(plan, name, place)
    return _Looked(count, [path], is_whole, False, why)


def _read(plan: Plan, name: str, place: Path) -> tuple[Count, Path, bool]:
    """What reading a source gives within the time; whether that was all of it."""
    count, tally, rows, is_whole = Count(name), Counter[str](), [], True
    end = time.monotonic() + _READ_S
    for item in plan.sources[name].preview(plan.root, name, tally, _no_beat):
        if time.monotonic() > end:
            is_whole = False
            break
        if isinstance(item, Merged):
            count.merged += item.count
        elif isinstance(item, Noted):
            count.notes[item.what] += item.count
        else:
            rows.append(item)
            if item.fault is None:
                count.written += 1
            else:
                count.rejected += 1
                count.reasons[item.fault.rule] += 1
    count.kinds = tally
    path = place / f"{name}.arrow"
    write_table(path, rows_to_table(rows))
    return count, path, is_whole


def _limited(out: Path) -> Iterator[object]:
    """That the folder holds a limited run, where it does."""
    limit = read_account(out).limit if RunFolder(out).account.is_file() else None
    if limit is not None:
        yield f"{out} holds a run with --limit {limit}; this is what one without it would do."
        yield ""


def _sources(sources: Sequence[_Looked]) -> list[object]:
    table = plain_table("source", "records", "left out", "a run would", right=_NUMBERS)
    for looked in sources:
        count, more = looked.count, "" if looked.is_whole else ">"
        left_out = f"{count.rejected:,}" if count.rejected else "-"
        table.add_row(count.name, f"{more}{count.written:,}", left_out, looked.why)
    notes: list[object] = [
        f"  {looked.count.name}: {number:,} {what}"
        for looked in sources
        for what, number in (*looked.count.reasons.items(), *looked.count.notes.items())
    ]
    if not all(looked.is_whole for looked in sources):
        notes.append(f">: as many were read in {_READ_S:g} s, and there are more")
    return [table, *notes]


def _acts(
    plan: Plan, out: Path, sources: Sequence[_Looked], before: Mapping[str, object]
) -> tuple[bool, set[Medium], list[object]]:
    """Whether a run has anything to do after the sources, the media that it would look at, and a
    table of what and why.
    """
    table, folder = plain_table("then", "a run would"), RunFolder(out)
    partitions = [path for looked in sources for path in looked.partitions]
    measuring = Measuring(plan, folder.work)
    facts = measuring.there(partitions) if all(looked.is_kept for looked in sources) else None
    new: set[Medium] = set()
    if facts is None:
        media, new = measuring.media(partitions)
        size = sum(_size(plan.root, medium.uri) for medium in new)
        read = "" if all(looked.is_whole for looked in sources) else " of what was read"
        told = f"look at {len(new):,} of {len(media):,} files{read} ({size / 1e6:,.1f} MB)"
        table.add_row("measure", told if media else "look at no file: no stage asks for one")
    else:
        table.add_row("measure", "look at no file: all that stages ask for are known")
    staging = Staging(plan, partitions, facts or {}, measuring, folder.work.records)
    first = plan.stages if facts is None else staging.pending()
    pending = facts is None or first is not None
    # before all stages lie the facts alone
    runs = pending and not first
    for number, placed in enumerate(plan.stages):
        runs = runs or (first is not None and placed in first)
        table.add_row(placed.address, _why(plan, number, before) if runs else _KEEP)
    if plan.runs("shard") and plan.recipe.shard is not None:
        note = folder.work.manifest_note
        manifest = None if pending else kept_manifest(folder.manifest, note, staging.partitions)
        pending = manifest is None or not has_shards(plan, manifest, out)
        table.add_row("shards", "write what is not there yet" if pending else _KEEP)
    if plan.runs("train") and plan.train is not None:
        table.add_row("training", "train" if pending else "go on where it stopped, or keep it")
    return pending, new, [table]


def _why(plan: Plan, number: int, before: Mapping[str, object]) -> str:
    """Why a stage runs: it or one before it is another than in the earlier run, or the records
    are.
    """
    earlier = before.get("stages")
    if not isinstance(earlier, list):
        return "run: no run has ended in this folder"
    stages = _plain(plan)["stages"]
    place = next(
        (at for at, stage in enumerate(stages) if at >= len(earlier) or earlier[at] != stage), None
    )
    if place is None or place > number:
        return "run again: the records have changed, or are carried through with a later stage"
    if place < number:
        return f"run again: it comes after {plan.stages[place].address}, which has changed"
    if place >= len(earlier):
        return "run: it is new in the recipe"
    return f"run again: the recipe had {_shown(_flow(earlier[place]))} in its place"


def _flow(entry: object) -> str:
    """An entry of a recipe in one line."""
    text: str = yaml.safe_dump(entry, default_flow_style=True, width=1 << 20)
    return text.removesuffix("...\n")


def _size(root: Path, uri: str) -> int:
    try:
        return bytes_of(root, uri)
    except DamageError:
        return 0


def _joins(plan: Plan, sources: Sequence[_Looked]) -> Iterator[object]:
    """What each join finds among the records as they were read."""
    partitions = [path for looked in sources for path in looked.partitions]
    for placed in joins_of(plan):
        if not all(looked.is_whole for looked in sources):
            yield f"{placed.address}: what it finds is known when the sources are read whole"
            continue
        decisions = decide(placed.stage, partitions, no_likeness)  # type: ignore[arg-type]  # a CorpusStage
        lacking = Counter(fault.rule for key in decisions for fault in decisions[key].unmatched)
        taking = sum(bool(decisions[key].absorb) for key in decisions)
        told = "".join(f"; {number:,} {rule}" for rule, number in sorted(lacking.items()))
        yield ""
        yield f"{placed.address}: {taking:,} records find a partner{told}"


def _records(sources: Sequence[_Looked]) -> Iterator[object]:
    """The first records of each source."""
    for looked in sources:
        records = (
            record for path in looked.partitions for record in table_to_records(read_table(path))
        )
        for record in itertools.islice(records, _SHOWN):
            yield f"{record.key}  ({record.origin})"
            yield from (f"  {name}: {_part(part)}" for name, part in sorted(record.parts.items()))
            if record.targets:
                yield f"  targets: {_shown(str(dict(record.targets)))}"


def _part(part: Part) -> str:
    return _shown(part.text) if part.text is not None else str(part.uri)


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT_SHOWN else f"{text[: _TEXT_SHOWN - 3]}..."


def _estimate(plan: Plan, sources: Sequence[_Looked], new: int, place: Path) -> Iterator[object]:
    """Time and size of the rest, from a few records that are carried through; ``new``: how many
    media are to be measured.
    """
    partitions = [path for looked in sources for path in looked.partitions]
    partners = partners_of(joins_of(plan), partitions)
    taken = set(itertools.chain.from_iterable(partners.values()))
    units, sample = 0, list[str]()
    for looked in sources:
        columns = read_columns(looked.partitions, ["key"])
        every = [] if columns is None else columns["key"].to_pylist()
        keys = [key for key in every if key not in taken]
        units += len(keys)
        sample += _spread(keys, _SAMPLE)
    if not sample:
        return
    records = _with_partners(partitions, sample, partners)
    size = sum(
        _size(plan.root, part.uri)
        for record in table_to_records(records)
        for part in record.parts.values()
        if part.uri is not None
    )
    if size > _SAMPLE_BYTES:
        sample = _spread(sample, max(1, int(len(sample) * _SAMPLE_BYTES / size)))
        records = _with_partners(partitions, sample, partners)
    few = _spread(sample, _FEW)
    engine = make_engine(
        "local", 1, None, min(_DEADLINE_S, plan.recipe.deadline_s), plan.recipe.memory_bytes
    )
    try:
        little = _with_partners(partitions, few, partners)
        # the first time a worker loads what it needs
        _cost(plan, place / "cold", little, engine)
        began = time.monotonic()
        low = _cost(plan, place / "few", little, engine)
        fitting = int(len(few) * _CARRY_S / (time.monotonic() - began))
        sample = _spread(sample, max(2 * len(few), fitting))
        records = _with_partners(partitions, sample, partners)
        high = _cost(plan, place / "sample", records, engine)
    except ModalmillError as error:
        yield f"No estimate: {len(sample):,} records did not get through: {error}"
        return
    finally:
        engine.close()
    workers, share = cores(), units / len(sample)
    measured = _line(low.media, low.measure_s, high.media, high.measure_s, new) / workers
    rest = _line(len(few), low.stages_s, len(sample), high.stages_s, units)
    rest += _line(len(few), low.shard_s, len(sample), high.shard_s, units) / workers
    of_all = "" if all(own.is_whole for own in sources) else " that were read; there are more"
    yield (
        f"Estimated from {len(sample):,} of {units:,} records{of_all}, carried through in a"
        f" temporary folder, for {workers} workers:"
    )
    yield f"  measure: {_seconds(measured)} for {new:,} files"
    shards = f", {high.bytes * share / 1e6:,.1f} MB of shards" if high.bytes else ""
    yield f"  stages and shards: {_seconds(rest)}, {high.records * share:,.0f} records{shards}"
    if plan.features or plan.train is not None:
        yield "  features and training are not in it"


def _spread(keys: Sequence[str], count: int) -> list[str]:
    """At most ``count`` of these from all over them, each from the middle of its stretch: the first
    rows of a table are often unlike the others.
    """
    step = max(1, -(-len(keys) // count))
    return list(keys[step // 2 :: step])


def _with_partners(
    partitions: Sequence[Path], keys: Sequence[str], partners: Mapping[str, Sequence[str]]
) -> pa.Table:
    """The records of these keys, and those that they take from."""
    whole = [*keys, *itertools.chain.from_iterable(partners.get(key, ()) for key in keys)]
    wanted = pa.array(whole, pa.string())
    tables = [read_table(path) for path in partitions]
    return pa.concat_tables(
        table.filter(pc.is_in(table["key"], value_set=wanted)) for table in tables
    )


@dataclass(slots=True)
class _Cost:
    """What carrying a sample through took, on one worker."""

    media: int
    measure_s: float
    stages_s: float
    shard_s: float = 0.0
    records: int = 0
    bytes: int = 0


def _line(few: int, few_s: float, many: int, many_s: float, all_of_them: int) -> float:
    """Seconds for all, on the line through what few and what many took: each act has a cost that
    does not grow.
    """
    slope = max(0.0, many_s - few_s) / max(1, many - few)
    return few_s + slope * max(0, all_of_them - few)


def _cost(plan: Plan, out: Path, table: pa.Table, engine: Engine) -> _Cost:
    """What these records take into a folder of their own."""
    folder, path = RunFolder(out), out / "records.arrow"
    write_table(path, table)
    measuring = Measuring(plan, folder.work)
    media = measuring.media([path])[0]
    cost = _Cost(len(media), _timed(lambda: measuring.measure([path], engine, _untold)), 0.0)
    staging = Staging(plan, [path], measuring.gathered([path]), measuring, folder.work.records)
    cost.stages_s = _timed(lambda: staging.carry_out(engine, _untold))
    manifest = write_manifest(folder.manifest, folder.work.manifest_note, staging.partitions)
    cost.records = sum(table.num_rows for table in manifest.tables())
    if cost.records and plan.runs("shard") and plan.recipe.shard is not None:
        cost.shard_s = _timed(lambda: write_shards(plan, manifest, out, engine, _untold))
        cost.bytes = sum(tar.stat().st_size for tar in folder.shards.glob("*.tar"))
    return cost


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _untold(done: int, total: int) -> None:
    """Nobody watches a sample."""


def _seconds(seconds: float) -> str:
    return f"about {seconds:,.0f} s" if seconds < 90 else f"about {seconds / 60:,.0f} min"


def _no_beat(item: str) -> None:
    """Nobody waits for it."""
