"""The run: one recipe carried out from raw files to shards, features and a trained model, each step
resumed where it stopped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..schemas.account import Account, Count
from ..schemas.disk import storage_error, write_bytes, write_json
from ..schemas.errors import InputError, ToleranceError
from ..schemas.layout import RunFolder, WorkFolder
from ..schemas.manifest import Manifest, write_manifest
from ..schemas.rejects import Faults, write_rejects
from ..stages.shard.assembly import Sharded
from .before import KeptBefore
from .costs import Costs
from .duplicates import write_duplicates
from .engine import Engine, EngineName, few_collections, make_engine
from .ingesting import ingest
from .limiting import limited, refuse_whole
from .lock import locked
from .measuring import Measuring
from .plan import Plan
from .progress import Progress
from .result import Result
from .sharding import write_shards
from .signals import write_signals
from .staging import Staging
from .tolerance import refuse_losses
from .verify import stale

if TYPE_CHECKING:
    from ..stages.train.evaluation.evaluate import Evaluation


def wait_without_spinning() -> None:
    """Let threads that compute together sleep while they wait for each other, where nobody says
    otherwise: spinning, they take the core from the one they wait for. OpenMP reads this once, as
    torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run(
    plan: Plan,
    out: Path,
    engine: EngineName = "local",
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    looks: bool = False,
    limit: int | None = None,
) -> Result:
    """Carry out a plan below ``out``. What an earlier run finished is not done again; without
    ``resume`` the model is trained anew all the same. ``looks``: write ``measured.parquet`` alone,
    and leave what an earlier run wrote. ``limit``: take so many records of each source and their
    partners, and call the set by another name.
    """
    wait_without_spinning()
    progress = progress or Progress(quiet=True)
    # a dask worker has a current folder of its own
    plan, out = replace(plan, root=plan.root.absolute()), out.absolute()
    if limit is not None:
        refuse_whole(out)
        # that of an output folder is called so already
        name = plan.recipe.name.removesuffix(f"-limit-{limit}") + f"-limit-{limit}"
        plan = replace(plan, recipe=plan.recipe.model_copy(update={"name": name}))
    if is_helper():
        helping = Result(Account(), out)
        if plan.runs("train") and plan.train is not None:
            helping.training = _train(plan, out, progress)
        return helping
    with locked(out), few_collections():
        own_engine = make_engine(
            engine, workers, scheduler, plan.recipe.deadline_s, plan.recipe.memory_bytes
        )
        try:
            running = _Running(plan, out, own_engine, progress, limit)
            return running.looks() if looks else running.runs(resume)
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


class _Running:
    """One run at work: the acts of a recipe in their order, what they hand on, and what they
    report.
    """

    def __init__(
        self, plan: Plan, out: Path, engine: Engine, progress: Progress, limit: int | None
    ) -> None:
        self._plan = plan
        self._out = out
        self._folder = RunFolder(out)
        self._engine = engine
        self._progress = progress
        self._limit = limit
        self._costs = Costs(self._folder.work.costs)
        self._before = KeptBefore(self._folder)
        # the counts of sources, before any limit
        self._read: list[Count] = []
        # what was told of losses that do not stop it
        self._lost = ""
        self._result = Result(Account(limit=limit), out)
        # work tables that this run stands on
        self._kept: set[Path] = set()

    def looks(self) -> Result:
        """Ingest, measure and stages, for the table of what was measured alone."""
        work = self._folder.work
        ingested = self._ingest(work)
        staging = self._stages(work, ingested)
        tables = [*ingested, *staging.passed]
        write_signals(
            self._folder.measured, work.measured_note, tables, staging.partitions, staging.judges
        )
        return self._result

    def runs(self, resume: bool) -> Result:
        """All acts that the plan has."""
        plan, folder, work = self._plan, self._folder, self._folder.work
        ingested = self._ingest(work)
        staging = self._stages(work, ingested)
        tables = [*ingested, *staging.passed]
        faults = Faults(tables)
        self._note_empty_splits()
        # whoever is told that a rule left nothing wants to see what it read
        write_signals(folder.signals, work.signals_note, tables, staging.partitions, staging.judges)
        write_duplicates(folder.duplicates, work.duplicates_note, staging.edges)
        # ahead of features and shards: a run that lost too much stops before the costly part
        self._account_for(faults)
        manifest = write_manifest(folder.manifest, work.manifest_note, staging.partitions)
        if plan.runs("features") and plan.features:
            self._features(manifest)
        if plan.runs("shard") and plan.recipe.shard is not None:
            self._account_for(Faults(tables, self._shard(manifest).faults))
        elif stale(self._out, manifest.xxh3):
            self._progress.line(
                f"shard: the shards in {self._out} are of an earlier run with other records; run"
                " the recipe to its end to renew them"
            )
        carried_out = plan.recipe.model_copy(update={"data": str(plan.root.resolve())})
        write_bytes(folder.recipe, carried_out.to_yaml().encode())
        _tidy(work, self._kept)
        if plan.runs("train") and plan.train is not None and plan.recipe.shard is not None:
            # training has use for the cores and the memory of the workers
            self._engine.close()
            if not resume:
                shutil.rmtree(folder.training, ignore_errors=True)
            self._result.training = _train(plan, self._out, self._progress)
        return self._result

    def _ingest(self, work: WorkFolder) -> list[Path]:
        """The partitions of all sources."""
        with self._costs.step(self._progress, "ingest", "sources") as advance:
            sources = ingest(self._plan, work, self._engine, advance)
        self._kept |= {ingested.note for ingested in sources}
        self._read = [ingested.count for ingested in sources]
        if self._limit is not None:
            # a run without the limit goes on from the tables of all records
            self._kept |= {path for ingested in sources for path in ingested.partitions}
            sources = limited(self._plan, sources, self._limit)
        self._result.account.sources += [ingested.count for ingested in sources]
        return [path for ingested in sources for path in ingested.partitions]

    def _stages(self, work: WorkFolder, ingested: Sequence[Path]) -> Staging:
        """Measuring and all stages, done."""
        plan, measuring = self._plan, Measuring(self._plan, work)
        facts: dict[Path, Path] = {}
        if plan.until != "ingest":
            with self._costs.step(self._progress, "measure", "files") as advance:
                measuring.measure(ingested, self._engine, advance)
            facts = measuring.gathered(ingested)
        staging = Staging(plan, ingested, facts, measuring, work.records)
        with self._progress.step("stages", "stages") as advance:
            staging.carry_out(self._engine, advance)
        for stage in staging.counts:
            if stage.name in staging.seconds:
                size = staging.sizes.get(stage.name, 0)
                spent = staging.seconds[stage.name]
                self._costs.add(stage.name, spent, stage.read, "records", size)
        for line, count in staging.failed.items():
            self._progress.line(f"measure: {line} ({count:,} times)")
        self._result.account.stages += staging.counts
        self._kept |= {*ingested, *staging.passed, *staging.edges, *measuring.kept}
        return staging

    def _note_empty_splits(self) -> None:
        """Tell of splits that the recipe asks for and no record is in: under the stage that took
        the last of its records, or the source or stage that was to put some there.
        """
        sources, stages = self._result.account.sources, self._result.account.stages
        read = {name for source in sources for name in source.splits}
        counts = {count.name: count for count in [*sources, *stages]}
        for name in sorted(self._plan.splits.keys() - (stages[-1].splits if stages else read)):
            had = [number for number, stage in enumerate(stages, 1) if name in stage.splits]
            is_lost = had or name in read
            place = stages[max(had, default=0)] if is_lost else counts[self._plan.splits[name]]
            place.notes[f"no record is in the split {name!r}"] += 1

    def _features(self, manifest: Manifest) -> None:
        from .featuring import write_features

        with self._costs.step(self._progress, "features", "parts") as advance:
            lacking = write_features(self._plan, manifest, self._out, self._engine, advance)
        for line in lacking:
            self._progress.line(line)

    def _shard(self, manifest: Manifest) -> Sharded:
        with self._costs.step(self._progress, "shard", "samples") as advance:
            sharded = write_shards(self._plan, manifest, self._out, self._engine, advance)
        self._result.shards = sharded.shards
        _note_absent(sharded)
        self._result.account.stages.append(sharded.count)
        return sharded

    def _account_for(self, faults: Faults) -> None:
        """Write rejects and account, then stop the run if too much was lost."""
        # first of all: whoever is told that the run stopped has to find out why
        write_rejects(self._folder.rejects, self._folder.work.rejects_note, faults)
        account = self._result.account
        told = account.to_dict()
        self._before.compare(told)
        write_json(self._folder.account, told)
        # of sources the losses of all that was read, for a limit takes few records and all rejects
        whole = replace(account, sources=self._read)
        try:
            refuse_losses(whole, faults, self._plan.recipe.tolerance, self._out)
        except ToleranceError as error:
            if self._limit is None:
                raise
            # a few records from the front say little of the share among all
            if str(error) != self._lost:
                self._progress.line(f"{error}. A limited run goes on.")
            self._lost = str(error)


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
    shutil.rmtree(work.planned, ignore_errors=True)
