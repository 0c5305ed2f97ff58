"""Measuring: the media of all partitions looked at by the workers, each once, and what was found
gathered beside each partition.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..schemas.disk import read_table
from ..schemas.fingerprint import fingerprint
from ..schemas.layout import WorkFolder
from ..stages.base import Beat
from ..stages.measure.measurements import (
    Likenesses,
    Measurements,
    measured_row,
    measurement_folders,
    write_measurements,
)
from ..stages.measure.media import Medium, media_of
from ..stages.modality import Depth, every_on_disk, on_disk
from .engine import Engine
from .plan import Plan
from .task import refuse_skipped


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """Measures some media into one Arrow file. ``depths``: how far those of a modality are looked
    into, where it is further than to their facts.
    """

    root: Path
    media: tuple[Medium, ...]
    depths: Mapping[str, Depth]
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        def check(item: str) -> None:
            beat(item)
            refuse_skipped(item, skip)

        rows = []
        for medium in self.media:
            depth = self.depths.get(medium.modality, Depth.FACTS)
            rows.append(measured_row(self.root, medium, depth, check))
        write_measurements(self.path, rows)
        return len(rows)


class Measuring:
    """The measuring of a run. kept: the gathered files that the run stands on."""

    def __init__(self, plan: Plan, work: WorkFolder) -> None:
        self._plan = plan
        self._measured = work.measured
        # before the stages, in depth or for their facts
        always = {kind.name for kind in every_on_disk() if kind.always_measured or plan.features}
        self._modalities = frozenset(plan.depths.keys() | always)
        self._folders = measurement_folders(work.media, plan.depths, plan.versions)
        self.kept: set[Path] = set()

    def measure(
        self, partitions: Sequence[Path], engine: Engine, advance: Callable[[int, int], None]
    ) -> None:
        """Measure what no earlier run has; ``advance(done, total)`` counts media."""
        # a table beside a partition says that its media are measured; only the others are read
        pending = [path for path, target in self._files(partitions) if not target.is_file()]
        if not pending:
            return
        media = set[Medium]().union(*self._media_of(pending))
        measured = Measurements(itertools.chain(*self._folders.values())).media()
        tasks = self._tasks(media - measured)
        done = len(media) - sum(len(task.media) for task in tasks)
        advance(done, len(media))
        for number, _ in engine.map(tasks):
            done += len(tasks[number].media)
            advance(done, len(media))

    def gathered(self, partitions: Sequence[Path]) -> dict[Path, Path]:
        """The measurements of each partition's media beside it; only of partitions that have
        any.
        """
        files = self._files(partitions)
        pending = {path: target for path, target in files if not target.is_file()}
        if pending:
            measurements = Measurements(itertools.chain(*self._folders.values()))
            for target, media in zip(pending.values(), self._media_of(pending), strict=True):
                measurements.gather(target, media)
        self.kept |= {target for _, target in files}
        # an empty table stands for "nothing to measure", so that it is not looked into again
        return {path: target for path, target in files if read_table(target).num_rows}

    def there(self, partitions: Sequence[Path]) -> dict[Path, Path] | None:
        """What ``gathered`` gives, where all of it lies there; else None."""
        files = self._files(partitions)
        if not all(target.is_file() for _, target in files):
            return None
        return {path: target for path, target in files if read_table(target).num_rows}

    def media(self, partitions: Sequence[Path]) -> tuple[set[Medium], set[Medium]]:
        """The media of partitions, and those of them that no earlier run measured."""
        media = set[Medium]().union(*self._media_of(partitions))
        measured = Measurements(itertools.chain(*self._folders.values())).media()
        return media, media - measured

    def likenesses(self) -> Likenesses:
        """What the measured media are compared by."""
        return Likenesses(itertools.chain(*self._folders.values()))

    def _files(self, partitions: Sequence[Path]) -> list[tuple[Path, Path]]:
        """Each partition, and where the measurements of its media lie."""
        made_by = [self._folders[name][0].name for name in sorted(self._modalities)]
        return [
            (path, self._measured / f"{fingerprint(path.name, made_by)}.arrow")
            for path in partitions
        ]

    def _media_of(self, partitions: Iterable[Path]) -> list[set[Medium]]:
        return media_of(map(read_table, partitions), self._plan.root, self._modalities)

    def _tasks(self, media: Iterable[Medium]) -> list[MeasureTask]:
        """Tasks of some seconds each."""
        tasks = []
        by_modality: dict[str, list[Medium]] = {}
        # in order, so that the tasks of a stopped run are found again by their names
        for medium in sorted(media):
            by_modality.setdefault(medium.modality, []).append(medium)
        for modality, of_kind in by_modality.items():
            size, folder = on_disk(modality).media_per_task, self._folders[modality][0]
            for start in range(0, len(of_kind), size):
                chunk = tuple(of_kind[start : start + size])
                path = folder / f"{fingerprint(chunk)}.arrow"
                tasks.append(MeasureTask(self._plan.root, chunk, self._plan.depths, path))
        return tasks
