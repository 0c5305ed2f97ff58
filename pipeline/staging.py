"""The stages of a recipe, carried out over all partitions.

Record stages in a row are one segment, for which each partition is read and written once; a stage
that must see all records begins one. What a segment makes of a partition lies in a file that is
named by all that decides it, so that it is not made twice.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..schemas.account import Count
from ..schemas.disk import read_note
from ..schemas.fingerprint import fingerprint
from ..schemas.record import Record
from ..stages.base import CorpusStage, RecordStage, Verdicts
from ..stages.measure.facts import AllTracks
from ..stages.modality import is_in_record, timed
from ..stages.signal import Signal, identity_of, signals_of
from .corpus import carry_out, decide, read_columns
from .engine import Engine
from .measuring import Measuring
from .plan import Placed, Plan, identity
from .records import RecordsTask, read_counts
from .signals import Judging

RECORDS_VERSION = 5


class Staging:
    """The stages of a run on their way.

    partitions: the work tables as they are now. passed: every table that a stage wrote; a fault
        stands in that of the stage that found it, and in none after it. judges: the stages that
        judge, in order. counts: of each stage. edges: what corpus stages found records to have in
        common. failed: signals that could not be computed, where no stage is there to tell of it.
    seconds: those that workers spent in each stage that was carried out now. sizes: bytes of the
        tables after it.
    """

    def __init__(
        self,
        plan: Plan,
        partitions: Sequence[Path],
        facts: dict[Path, Path],
        measuring: Measuring,
        folder: Path,
    ) -> None:
        self._plan = plan
        self._facts = facts
        self._measuring = measuring
        self._folder = folder
        self.partitions = list(partitions)
        self.passed: list[Path] = []
        self.judges: list[Judging] = []
        self.counts: list[Count] = []
        self._reads_values = any(map(is_in_record, plan.asked))
        self.edges: list[Path] = []
        self.failed: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self.sizes: dict[str, int] = {}

    def pending(self) -> list[Placed] | None:
        """The first stages whose tables are not there, those that are carried out together; None
        where all are. Nothing is carried out or written.
        """
        for place, segment in enumerate(self._all_segments()):
            facts: dict[Path, Path] | None = self._facts
            if place and self._cuts(segment):
                facts = self._measuring.there(self.partitions)
            if facts is None:
                return segment
            self._facts = facts
            if segment and isinstance(segment[0].stage, CorpusStage):
                targets, edges = self._corpus_targets(segment[0], segment[0].stage)
                wanted = [*targets, edges]
            else:
                targets = wanted = self._record_targets(segment)
            if not all(path.is_file() for path in wanted):
                return segment
            self.partitions = targets
        return None

    def _all_segments(self) -> list[list[Placed]]:
        segments = _segments(self._plan.stages)
        if (self._facts or self._reads_values) and (not segments or _sees_all(segments[0][0])):
            # facts come onto records with record stages, of which there are none at the start
            segments.insert(0, [])
        return segments

    def _cuts(self, segment: Sequence[Placed]) -> bool:
        """Whether a segment after others needs signals of spans that these may have made."""
        is_corpus = bool(segment) and isinstance(segment[0].stage, CorpusStage)
        return not is_corpus and not self._plan.asked.keys().isdisjoint(timed())

    def carry_out(self, engine: Engine, advance: Callable[[int, int], None]) -> None:
        """All stages, one after the other; ``advance(done, total)`` counts them."""
        segments = self._all_segments()
        total = sum(max(1, len(segment)) for segment in segments)
        done = 0
        advance(0, total)
        for segment in segments:
            if segment and isinstance(segment[0].stage, CorpusStage):
                self._corpus_stage(segment[0], segment[0].stage)
            else:
                if done and self._cuts(segment):
                    self._facts = self._measuring.gathered(self.partitions)
                self._record_stages(segment, engine)
            self.passed += self.partitions
            if segment:
                # stages of a segment write one table, that of the last of them
                self.sizes[segment[-1].address] = sum(
                    path.stat().st_size for path in self.partitions
                )
            self.counts += self._counts_of(segment)
            done += max(1, len(segment))
            advance(done, total)

    def _counts_of(self, segment: Sequence[Placed]) -> list[Count]:
        counts = {placed.address: Count(placed.address) for placed in segment}
        for path in self.partitions:
            for count in read_counts(path):
                counts[count.name].add(count)
            if not segment:
                self.failed.update(read_note(path).get("failed", {}))
        return list(counts.values())

    def _record_stages(self, segment: Sequence[Placed], engine: Engine) -> None:
        partitions, facts, seed = self.partitions, self._facts, self._plan.recipe.seed
        fitted = functools.cache(functools.partial(_fitted, segment, partitions, facts))
        self.judges += [
            Judging(placed.address, functools.partial(_verdicts, fitted, number))
            for number, placed in enumerate(segment)
        ]
        tasks = []
        self.partitions = self._record_targets(segment)
        for path, target in zip(partitions, self.partitions, strict=True):
            if not target.is_file():
                addresses = [placed.address for placed in segment]
                stages = tuple(zip(addresses, fitted(), strict=True))
                asked = self._plan.asked
                tasks.append(RecordsTask(path, facts.get(path), asked, stages, seed, target))
        for _, spent in engine.map(tasks):
            assert isinstance(spent, dict)
            for address, seconds in spent.items():
                self.seconds[address] = self.seconds.get(address, 0.0) + seconds

    def _laid(self) -> list[Signal]:
        """The signals that are made as they are laid onto records, and not with the media."""
        return [
            signals_of(kind)[name]
            for kind, own in sorted(self._plan.asked.items())
            for name in sorted(own & signals_of(kind).keys())
            if is_in_record(kind) or signals_of(kind)[name].tracks
        ]

    def _record_targets(self, segment: Sequence[Placed]) -> list[Path]:
        """Where the tables of a segment of record stages lie, or will."""
        partitions, facts = self.partitions, self._facts
        config = fingerprint(
            RECORDS_VERSION,
            self._plan.recipe.seed,
            [(placed.address, identity(placed.stage, self._plan)) for placed in segment],
            [identity_of(signal) for signal in self._laid()],
            # it is fitted to all of them
            [path.name for path in partitions] if segment and _sees_all(segment[0]) else [],
        )
        # a partition is named by what it was made from, so its name stands for its contents
        measured = [facts[path].name if path in facts else "" for path in partitions]
        return [
            self._folder / f"{fingerprint(config, path.name, name)}.arrow"
            for path, name in zip(partitions, measured, strict=True)
        ]

    def _corpus_stage(self, placed: Placed, stage: CorpusStage) -> None:
        partitions = self.partitions
        self.judges.append(Judging(placed.address, lambda _: {}))
        self.partitions, edges = self._corpus_targets(placed, stage)
        if not all(path.is_file() for path in (*self.partitions, edges)):
            began = time.monotonic()
            decisions = decide(stage, partitions, self._measuring.likenesses())
            carry_out(placed.address, decisions, partitions, self.partitions, edges)
            self.seconds[placed.address] = time.monotonic() - began
        self.edges.append(edges)

    def _corpus_targets(self, placed: Placed, stage: CorpusStage) -> tuple[list[Path], Path]:
        """Where the tables of a corpus stage lie, or will, and what it finds in common."""
        config = fingerprint(
            RECORDS_VERSION,
            placed.address,
            identity(stage, self._plan),
            [path.name for path in self.partitions],
        )
        targets = [
            self._folder / f"{fingerprint(config, path.name)}.arrow" for path in self.partitions
        ]
        return targets, self._folder / f"{fingerprint(config, 'edges')}.arrow"


def _sees_all(placed: Placed) -> bool:
    """Whether a stage needs all records as they are before it."""
    return isinstance(placed.stage, CorpusStage) or placed.stage.needs_fit()


def _fitted(
    segment: Sequence[Placed], partitions: Sequence[Path], facts: Mapping[Path, Path]
) -> tuple[RecordStage, ...]:
    """The stages of a segment, of which the first may have to see all records."""
    stages = [placed.stage for placed in segment if isinstance(placed.stage, RecordStage)]
    if stages and stages[0].needs_fit():
        table = read_columns(partitions, stages[0].fitted_on)
        if table is not None:
            tracks = AllTracks(facts[path] for path in partitions if path in facts)
            stages[0] = stages[0].fitted_to(table, tracks.of)
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
