"""Measuring: the media of all partitions looked at by the workers, each once, and what was found
gathered beside each partition.
"""

from __future__ import annotations

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
    likenesses_in,
    measured_row,
    units_wanted,
    write_measurements,
)
from ..stages.measure.media import Medium, media_of
from ..stages.modality import every_on_disk, on_disk
from .engine import Engine
from .plan import Plan
from .task import refuse_skipped


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """Measures some media of a modality into one Arrow file. ``units``: what of them, and what
    makes it.
    """

    root: Path
    media: tuple[Medium, ...]
    units: Mapping[str, str]
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        def check(item: str) -> None:
            beat(item)
            refuse_skipped(item, skip)

        wanted = frozenset(self.units)
        rows = [measured_row(self.root, medium, wanted, check) for medium in self.media]
        write_measurements(self.path, rows, self.units)
        return len(rows)


class Measuring:
    """The measuring of a run. kept: the gathered files that the run stands on."""

    def __init__(self, plan: Plan, work: WorkFolder) -> None:
        self._plan = plan
        self._media = work.media
        self._measured = work.measured
        # of which there is something to measure before the stages, if only their facts
        self._wanted = {
            kind.name: units_wanted(kind, plan.asked.get(kind.name), plan.versions)
            for kind in every_on_disk()
            if kind.always_measured or plan.features or kind.name in plan.asked
        }
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
        tasks = self._tasks(media, Measurements(self._media, self._wanted))
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
            measurements = Measurements(self._media, self._wanted)
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
        measurements = Measurements(self._media, self._wanted)
        return media, {medium for medium in media if measurements.lacking(medium)}

    def likenesses(self) -> Likenesses:
        """What the measured media are compared by."""
        return likenesses_in(self._media, self._wanted)

    def _files(self, partitions: Sequence[Path]) -> list[tuple[Path, Path]]:
        """Each partition, and where the measurements of its media lie."""
        made_by = [sorted(units.items()) for _, units in sorted(self._wanted.items())]
        return [
            (path, self._measured / f"{fingerprint(path.name, made_by)}.arrow")
            for path in partitions
        ]

    def _media_of(self, partitions: Iterable[Path]) -> list[set[Medium]]:
        return media_of(map(read_table, partitions), self._plan.root, frozenset(self._wanted))

    def _tasks(self, media: Iterable[Medium], measured: Measurements) -> list[MeasureTask]:
        """Tasks of some seconds each, for what is not known of the media yet."""
        lacking: dict[tuple[str, frozenset[str]], list[Medium]] = {}
        # in order, so that the tasks of a stopped run are found again by their names
        for medium in sorted(media):
            if names := measured.lacking(medium):
                lacking.setdefault((medium.modality, names), []).append(medium)
        tasks = []
        for (modality, names), of_kind in lacking.items():
            size = on_disk(modality).media_per_task
            units = {unit: self._wanted[modality][unit] for unit in sorted(names)}
            folder = self._media / fingerprint(units)
            for start in range(0, len(of_kind), size):
                chunk = tuple(of_kind[start : start + size])
                path = folder / f"{fingerprint(chunk)}.arrow"
                tasks.append(MeasureTask(self._plan.root, chunk, units, path))
        return tasks
