"""The run: one recipe carried out from raw files to shards, features and a trained model, each step
resumed where it stopped.
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from ..schemas.account import Account, Count
from ..schemas.disk import read_table, replacing, stamp_of, storage_error, write_bytes, write_json
from ..schemas.errors import InputError, StorageError, ToleranceError
from ..schemas.fingerprint import fingerprint, hash_file
from ..schemas.index import ShardSet
from ..schemas.layout import RunFolder, WorkFolder
from ..schemas.manifest import table_to_records, to_manifest
from ..schemas.record import Record
from ..stages.base import CorpusStage, Likeness, RecordStage, Verdicts
from ..stages.modality import every_on_disk, timed
from .corpus import carry_out, decide, read_columns, remarks
from .engine import Engine, EngineName, few_collections, make_engine
from .ingesting import Ingested, IngestTask, ingest_stem, read_ingested
from .measuring import Likenesses, Measurements, measure_tasks, media_folders, media_of
from .plan import Placed, Plan, identity
from .progress import Progress
from .records import RecordsTask, faulted_rows, read_counts
from .sharding import Sharded, write_shards
from .signals import Judging, write_signals
from .verify import stale

if TYPE_CHECKING:
    from ..stages.train.evaluation.evaluate import Evaluation

RECORDS_VERSION = 4

REJECTS_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
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
        ("fate", pa.string()),
        ("stage", pa.string()),
        ("rule", pa.string()),
        ("value", pa.string()),
        ("threshold", pa.string()),
        ("message", pa.string()),
    ]
)


@dataclass(slots=True)
class Result:
    """What a run left: its account, its shards, and what training reported."""

    account: Account
    shards: ShardSet | None = None
    training: Evaluation | None = None
    kept: set[Path] = field(default_factory=set)


def run(
    plan: Plan,
    out: Path,
    engine: EngineName = "local",
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    looks: bool = False,
) -> Result:
    """Carry out a plan below ``out``. What an earlier run finished is not done again; without
    ``resume`` the model is trained anew all the same. ``looks``: write ``measured.parquet`` alone,
    and leave what an earlier run wrote.
    """
    progress = progress or Progress(quiet=True)
    # a dask worker has a current folder of its own
    plan, out = replace(plan, root=plan.root.absolute()), out.absolute()
    if is_helper():
        return Result(
            Account(),
            training=_train(plan, out, progress)
            if plan.runs("train") and plan.train is not None
            else None,
        )
    with _locked(out), few_collections():
        own_engine = make_engine(
            engine, workers, scheduler, plan.recipe.deadline_s, plan.recipe.memory_bytes
        )
        try:
            return _run(plan, out, own_engine, progress, resume, looks)
        except OSError as error:
            # what lies elsewhere was only read
            if error.filename is not None and not Path(
                os.fsdecode(error.filename)
            ).resolve().is_relative_to(out.resolve()):
                raise InputError(
                    f"{os.fsdecode(error.filename)}: cannot be read: {error.strerror}"
                ) from error
            raise storage_error(error, out) from error
        finally:
            own_engine.close()


def _run(
    plan: Plan, out: Path, engine: Engine, progress: Progress, resume: bool, looks: bool
) -> Result:
    work = RunFolder(out).work
    result = Result(Account())
    partitions = _ingest(plan, work, engine, progress, result)
    facts = (
        _measure(plan, partitions, work, engine, progress, result) if plan.until != "ingest" else {}
    )
    # a fault stands in the table of the stage that found it, and in none after it
    lost: list[Path] = list(partitions)
    judges: list[Judging] = []
    partitions, more = _stages(plan, partitions, facts, work, engine, progress, result, judges)
    lost += more
    if looks:
        write_signals(RunFolder(out).measured, work.measured_note, lost, partitions, judges)
        return result
    faults = list(faulted_rows(lost))
    last = (result.account.stages or result.account.sources)[-1]
    last.notes.update(
        f"no record is in the split {name!r}"
        for name in plan.splits - last.splits.keys()
        if result.account.stages
    )
    # whoever is told that a rule left nothing wants to see what it read
    write_signals(RunFolder(out).signals, work.signals_note, lost, partitions, judges)
    # ahead of features and shards: a run that lost too much stops before the costly part
    _write_account(plan, out, result.account, faults)
    made_from, records_xxh3 = _write_manifest(out, partitions)
    if plan.runs("features") and plan.features:
        from .featuring import write_features

        with progress.step("features", "parts") as advance:
            lacking = write_features(plan, made_from, lambda: _records(out), out, engine, advance)
        for line in lacking:
            progress.line(line)
    if plan.runs("shard") and plan.recipe.shard is not None:
        with progress.step("shard", "samples") as advance:
            recipe, options = plan.recipe, plan.recipe.shard
            sharded = write_shards(
                recipe.name,
                made_from,
                records_xxh3,
                lambda: _records(out),
                plan.root,
                out,
                options,
                recipe.seed,
                plan.versions,
                engine,
                advance,
            )
        result.shards = sharded.shards
        _note_absent(sharded)
        result.account.stages.append(sharded.count)
        faults += sharded.faults
        _write_account(plan, out, result.account, faults)
    elif stale(out, records_xxh3):
        progress.line(
            f"shard: the shards in {out} are of an earlier run with other records; run the recipe"
            " to its end to renew them"
        )
    shown = plan.recipe.model_dump(mode="json") | {"data": str(plan.root.resolve())}
    write_bytes(
        RunFolder(out).recipe, yaml.safe_dump(shown, sort_keys=False, allow_unicode=True).encode()
    )
    _tidy(work, result.kept)
    if plan.runs("train") and plan.train is not None and plan.recipe.shard is not None:
        # training has use for the cores and the memory of the workers
        engine.close()
        if not resume:
            shutil.rmtree(RunFolder(out).training, ignore_errors=True)
        result.training = _train(plan, out, progress)
    return result


def _note_absent(sharded: Sharded) -> None:
    """Tell where a split has not one record with a part that others have."""
    by_split = {
        split: {name for pattern in patterns for name in pattern.split("+")}
        for split, patterns in sharded.shards.presence.items()
    }
    for split, names in by_split.items():
        for name in sorted(sharded.shards.parts.keys() - names):
            sharded.count.notes[f"no record of the split {split!r} has the part {name!r}"] = 1


def is_helper() -> bool:
    """Whether this is one of several processes that ``torchrun`` started, and not the first: it
    takes part in training alone.
    """
    return os.environ.get("RANK", "0") != "0" and os.environ.get("WORLD_SIZE", "1") != "1"


def _train(plan: Plan, out: Path, progress: Progress) -> Evaluation:
    from ..stages.train.loop.loop import train

    assert plan.train is not None
    return train(
        plan.train,
        RunFolder(out).shards,
        RunFolder(out).training,
        plan.recipe.seed,
        progress.line,
        progress.watch,
    )


def _ingest(
    plan: Plan, work: WorkFolder, engine: Engine, progress: Progress, result: Result
) -> list[Path]:
    folder = work.ingested
    stems = {
        name: ingest_stem(source, name, plan.root, identity(source, plan), work.root.parent)
        for name, source in plan.sources.items()
    }
    tasks = [
        IngestTask(source, name, plan.root, folder, stems[name])
        for name, source in plan.sources.items()
        if read_ingested(folder, stems[name], name) is None
    ]
    with progress.step("ingest", "sources") as advance:
        done = len(stems) - len(tasks)
        advance(done, len(stems))
        for _ in engine.map(tasks):
            done += 1
            advance(done, len(stems))
    partitions: list[Path] = []
    for name, stem in stems.items():
        ingested = read_ingested(folder, stem, name)
        if ingested is None:
            raise InputError(
                f"{folder}: the partitions of source {name} have gone while the run was at work;"
                " run it again"
            )
        partitions += ingested.partitions
        if not ingested.count.read:
            ingested.count.notes["nothing at all was read; check its path"] = 1
        result.account.sources.append(ingested.count)
        result.kept |= {*ingested.partitions, folder / f"{stem}.json"}
    _note_like_groups(
        result.account.sources,
        {name: read_ingested(folder, stem, name) for name, stem in stems.items()},
    )
    if not partitions:
        raise InputError(
            f"{', '.join(stems)}: the sources are empty; check 'path' and 'data' in the recipe"
        )
    _check_keys(partitions)
    return partitions


def _note_like_groups(counts: Sequence[Count], ingested: Mapping[str, Ingested | None]) -> None:
    """Tell where groups of two sources have the same names: the same image under two splits would
    be in both.
    """
    if len(counts) < 2:
        return
    names: dict[str, set[str]] = {}
    for count in counts:
        from_source = ingested[count.name]
        names[count.name] = set()
        for path in from_source.partitions if from_source is not None else ():
            table = read_table(path).select(["key", "group"])
            # a record without a group is called like its key
            grouped = table.filter(pc.not_equal(table["key"], table["group"]))
            prefix = f"{count.name}-"
            names[count.name].update(
                group.removeprefix(prefix)
                for group in grouped["group"].unique().to_pylist()
                if group.startswith(prefix)
            )
    for count, other in itertools.combinations(counts, 2):
        alike = len(names[count.name] & names[other.name])
        if alike:
            other.notes[
                f"groups that are called like groups of {count.name}, and are others; give both"
                " sources one group_kind if they are the same"
            ] = alike


def _check_keys(partitions: Sequence[Path]) -> None:
    """Keys of written records are unique; a source that breaks this is a fault in the program."""
    keys: set[str] = set()
    for path in partitions:
        table = read_table(path)
        for key, fate in zip(table["key"].to_pylist(), table["fate"].to_pylist(), strict=True):
            if fate == "written":
                if key in keys:
                    raise RuntimeError(f"{path.name}: the key {key} is given twice")
                keys.add(key)


def _measure(
    plan: Plan,
    partitions: Sequence[Path],
    work: WorkFolder,
    engine: Engine,
    progress: Progress,
    result: Result,
) -> dict[Path, Path]:
    """The file of measurements of each partition that has media to measure."""
    wanted, folders = _measured_modalities(plan), _media_folders(plan, work)
    with progress.step("measure", "files") as advance:
        pending = [
            path for path, target in _measured_files(plan, partitions, work) if not target.is_file()
        ]
        # a table beside a partition says that its media are measured; only the others are read
        if pending:
            media = set().union(
                *media_of((read_table(path) for path in pending), plan.root, wanted)
            )
            measured = Measurements(itertools.chain(*folders.values())).media()
            tasks = measure_tasks(plan.root, media - measured, plan.depths, folders)
            done = len(media) - sum(len(task.media) for task in tasks)
            advance(done, len(media))
            for place, _ in engine.map(tasks):
                done += len(tasks[place].media)
                advance(done, len(media))
    return _gathered(plan, partitions, work, result)


def _gathered(
    plan: Plan, partitions: Sequence[Path], work: WorkFolder, result: Result
) -> dict[Path, Path]:
    """The measurements of each partition's media beside it, from those that are there."""
    files = _measured_files(plan, partitions, work)
    pending = [(path, target) for path, target in files if not target.is_file()]
    if pending:
        measurements = Measurements(itertools.chain(*_media_folders(plan, work).values()))
        tables = (read_table(path) for path, _ in pending)
        wanted = media_of(tables, plan.root, _measured_modalities(plan))
        for (_, target), media in zip(pending, wanted, strict=True):
            measurements.gather(target, media)
    result.kept |= {target for _, target in files}
    # an empty table stands for "nothing to measure", so that it is not looked into again
    return {path: target for path, target in files if read_table(target).num_rows}


def _measured_files(
    plan: Plan, partitions: Sequence[Path], work: WorkFolder
) -> list[tuple[Path, Path]]:
    """Each partition, and where the measurements of its media lie."""
    folders = _media_folders(plan, work)
    config = [folders[name][0].name for name in sorted(_measured_modalities(plan))]
    folder = work.measured
    return [(path, folder / f"{fingerprint(path.name, config)}.arrow") for path in partitions]


def _measured_modalities(plan: Plan) -> frozenset[str]:
    """Those whose media are looked at before the stages, in depth or for their facts."""
    always = {kind.name for kind in every_on_disk() if kind.always_measured or plan.features}
    return frozenset(plan.depths.keys() | always)


def _media_folders(plan: Plan, work: WorkFolder) -> dict[str, tuple[Path, ...]]:
    return media_folders(work.media, plan.depths, plan.versions)


def _stages(
    plan: Plan,
    partitions: list[Path],
    facts: dict[Path, Path],
    work: WorkFolder,
    engine: Engine,
    progress: Progress,
    result: Result,
    judges: list[Judging],
) -> tuple[list[Path], list[Path]]:
    """The partitions after all stages, and every table on the way, for its faults. ``judges`` gets
    the stages that judge, in order.
    """
    folder = work.records
    passed: list[Path] = []
    segments = _segments(plan.stages)
    if facts and (not segments or _sees_all(segments[0][0])):
        # facts come onto records together with record stages, of which there are none at the start
        segments.insert(0, [])
    total = sum(max(1, len(segment)) for segment in segments)
    with progress.step("stages", "stages") as advance:
        done, is_later = 0, False
        advance(0, total)
        for segment in segments:
            if segment and isinstance(segment[0].stage, CorpusStage):
                judges.append(Judging(segment[0].address, lambda _: {}))
                likeness = Likenesses(itertools.chain(*_media_folders(plan, work).values()))
                partitions = _corpus_stage(plan, segment[0], partitions, folder, likeness)
            else:
                if is_later and not plan.depths.keys().isdisjoint(timed()):
                    # a stage that cuts makes signals of other spans
                    facts = _gathered(plan, partitions, work, result)
                fitted = functools.cache(functools.partial(_fitted, segment, partitions))
                judges += [
                    Judging(placed.address, functools.partial(_verdicts, fitted, number))
                    for number, placed in enumerate(segment)
                ]
                partitions = _record_stages(
                    plan, segment, fitted, partitions, facts, folder, engine
                )
            is_later = True
            passed += partitions
            result.kept |= set(partitions)
            counts: dict[str, Count] = {placed.address: Count(placed.address) for placed in segment}
            for path in partitions:
                for count in read_counts(path):
                    counts[count.name].add(count)
            result.account.stages += counts.values()
            done += max(1, len(segment))
            advance(done, total)
    return partitions, passed


def _sees_all(placed: Placed) -> bool:
    """Whether a stage needs all records as they are before it."""
    return isinstance(placed.stage, CorpusStage) or placed.stage.needs_fit()


def _fitted(segment: Sequence[Placed], partitions: Sequence[Path]) -> tuple[RecordStage, ...]:
    """The stages of a segment, of which the first may have to see all records."""
    stages = [placed.stage for placed in segment if isinstance(placed.stage, RecordStage)]
    if stages and stages[0].needs_fit():
        table = read_columns(partitions, stages[0].fitted_on)
        stages[0] = stages[0] if table is None else stages[0].fitted(table)
    return tuple(stages)


def _verdicts(
    fitted: Callable[[], tuple[RecordStage, ...]], number: int, record: Record
) -> Verdicts:
    """What one of the stages of a segment says of a record."""
    return fitted()[number].judge(record).verdicts


def _segments(stages: Sequence[Placed]) -> list[list[Placed]]:
    """Record stages in a row belong to one segment, each corpus stage is one of its own; a record
    stage that must see all records first begins one.
    """
    segments: list[list[Placed]] = []
    for placed in stages:
        if not _sees_all(placed) and segments and isinstance(segments[-1][0].stage, RecordStage):
            segments[-1].append(placed)
        else:
            segments.append([placed])
    return segments


def _record_stages(
    plan: Plan,
    segment: Sequence[Placed],
    fitted: Callable[[], tuple[RecordStage, ...]],
    partitions: Sequence[Path],
    facts: dict[Path, Path],
    folder: Path,
    engine: Engine,
) -> list[Path]:
    seed = plan.recipe.seed
    config = fingerprint(
        RECORDS_VERSION,
        seed,
        [(placed.address, identity(placed.stage, plan)) for placed in segment],
        # it is fitted to all of them
        [path.name for path in partitions] if segment and _sees_all(segment[0]) else [],
    )
    targets, tasks = [], []
    for path in partitions:
        # a partition is named by what it was made from, so its name stands for its contents
        target = (
            folder
            / f"{fingerprint(config, path.name, facts[path].name if path in facts else '')}.arrow"
        )
        targets.append(target)
        if not target.is_file():
            addresses = [placed.address for placed in segment]
            stages = tuple(zip(addresses, fitted(), strict=True))
            tasks.append(RecordsTask(path, facts.get(path), stages, seed, target))
    for _ in engine.map(tasks):
        pass
    return targets


def _corpus_stage(
    plan: Plan, placed: Placed, partitions: Sequence[Path], folder: Path, likeness: Likeness
) -> list[Path]:
    assert isinstance(placed.stage, CorpusStage)
    config = fingerprint(
        RECORDS_VERSION,
        placed.address,
        identity(placed.stage, plan),
        [path.name for path in partitions],
    )
    targets = [folder / f"{fingerprint(config, path.name)}.arrow" for path in partitions]
    if not all(target.is_file() for target in targets):
        decisions = decide(placed.stage, partitions, likeness)
        told = remarks(placed.stage, partitions)
        carry_out(placed.address, decisions, partitions, targets, told)
    return targets


def _write_manifest(out: Path, partitions: Sequence[Path]) -> tuple[str, str]:
    """Write the manifest unless it is there already; a fingerprint of what it was made from, and
    its checksum.
    """
    path, note = RunFolder(out).manifest, RunFolder(out).work.manifest_note
    names = [partition.name for partition in partitions]
    kept = json.loads(note.read_text()) if path.is_file() and note.is_file() else {}
    if kept.get("made_from") == names and kept.get("file") == stamp_of(path) and "xxh3" in kept:
        return fingerprint(names), kept["xxh3"]
    table = to_manifest([read_table(partition) for partition in partitions])
    with replacing(path) as aside:
        pq.write_table(table, aside, compression="zstd", row_group_size=16_384)
    checksum = hash_file(path)
    write_json(note, {"made_from": names, "file": stamp_of(path), "xxh3": checksum})
    return fingerprint(names), checksum


def _records(out: Path) -> Iterator[Any]:
    with pq.ParquetFile(RunFolder(out).manifest) as file:
        for batch in file.iter_batches(batch_size=4096):
            yield from table_to_records(pa.Table.from_batches([batch]))


def _write_rejects(out: Path, faults: Sequence[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(
        [{name: fault.get(name) for name in REJECTS_SCHEMA.names} for fault in faults],
        schema=REJECTS_SCHEMA,
    )
    with replacing(RunFolder(out).rejects) as aside:
        pq.write_table(table, aside, compression="zstd")


def _write_account(
    plan: Plan, out: Path, account: Account, faults: Sequence[dict[str, Any]]
) -> None:
    """Write account and rejects, then stop the run if a stage lost more than is tolerated,
    or all.
    """
    # first of all: whoever is told that the run stopped has to find out why
    _write_rejects(out, faults)
    write_json(RunFolder(out).account, account.to_dict())
    none_left = not any(count.written for count in account.sources)
    for count in [*account.sources, *account.stages]:
        lost, going_in = count.rejected + count.missing, count.read + count.copies
        # one empty source among others is no reason to stop, a stage that lets nothing through is
        is_empty = not count.written and (none_left or count not in account.sources)
        if not going_in or (not is_empty and lost / going_in <= plan.recipe.tolerance):
            continue
        reasons = ", ".join(f"{number:,} {rule}" for rule, number in count.reasons.most_common(3))
        first = _first_cause(count, faults)
        look = f"look at them with 'modalmill rejects {out}'"
        if is_empty:
            raise InputError(
                f"{count.name}: nothing is left of {going_in:,} ({reasons}){first}; {look}"
            )
        raise ToleranceError(
            f"{count.name}: {lost:,} of {going_in:,} were left out ({reasons}), more than the"
            f" tolerance of {plan.recipe.tolerance:.0%}{first};"
            f" {look}, mend the data or raise 'tolerance' in the recipe"
        )


def _first_cause(count: Count, faults: Sequence[dict[str, Any]]) -> str:
    """The first of a stage's rejects in words; where it lacked a part, why that part was not there
    from the start.
    """
    mine = [
        fault
        for fault in faults
        if fault["stage"] in (count.name, f"ingest:{count.name}")
        and fault["fate"] in ("rejected", "missing")
    ]
    parts = [fault["rule"].removeprefix("no ") for fault in mine if fault["fate"] == "missing"]
    roots = [
        fault
        for fault in faults
        if fault["fate"] == "unmatched" and parts and f"no_{parts[0]}_file" in fault["rule"]
    ] or mine
    if not roots:
        return ""
    origin = roots[0]["origin"]
    where = (
        f"{origin['file']}, row {origin['row']}" if origin["row"] is not None else origin["file"]
    )
    return f"; the first: {where}: {roots[0]['message']}"


def _tidy(work: WorkFolder, kept: set[Path]) -> None:
    """Remove work tables that no step of this run reads, and what killed workers left half-written;
    other files have their own rules.
    """
    for aside in work.root.rglob(".*.tmp"):
        aside.unlink(missing_ok=True)
    for folder in (work.ingested, work.records, work.measured):
        for path in folder.glob("*"):
            if path not in kept:
                path.unlink(missing_ok=True)
    shutil.rmtree(work.building, ignore_errors=True)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """The output folder held by this run alone; another run at work in it is one clear error."""
    try:
        work = RunFolder(out).work
        work.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(work.lock, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise storage_error(error, out) from error
    try:
        try:
            # the system gives the lock back with its process, however that ends
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"{out}: another run is at work here; wait for it or choose another --out"
            ) from None
        except OSError as error:  # some network file systems have no locks
            raise StorageError(
                f"{out}: the folder cannot be held by one run alone ({error.strerror}); choose an"
                " --out on a file system with locks"
            ) from error
        # whoever holds the lock writes alone, so these are of a run that was killed
        for stale in out.rglob(".*.tmp"):
            stale.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
