"""Sharding: pieces written by the workers, put together into tars in planned order, and not written
again where nothing in them changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..schemas.fingerprint import fingerprint
from ..schemas.index import read_shard_set
from ..schemas.layout import RunFolder
from ..schemas.manifest import Manifest
from ..schemas.recipe import ShardOptions
from ..stages.base import Beat
from ..stages.modality import modality, names
from ..stages.shard.assembly import Assembly, Sharded
from ..stages.shard.ledger import Ledger, PlaceInTar, read_ledger, states_of
from ..stages.shard.pieces import WrittenPiece, piece_stem, write_piece, written_pieces
from ..stages.shard.plan import (
    Naming,
    Piece,
    group_samples,
    naming_of,
    plan_pieces,
    plan_shards,
)
from .engine import Engine
from .plan import Plan
from .task import refuse_skipped

SHARD_VERSION = 6


@dataclass(frozen=True, slots=True)
class PieceTask:
    """Writes one piece."""

    piece: Piece
    root: Path
    options: ShardOptions
    naming: Naming
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        def check(item: str) -> None:
            beat(item)
            refuse_skipped(item, skip)

        write_piece(self.piece, self.root, self.options, self.naming, self.path, check)
        return len(self.piece.samples)


def write_shards(
    plan: Plan,
    manifest: Manifest,
    out: Path,
    engine: Engine,
    advance: Callable[[int, int], None],
) -> Sharded:
    """Write the shards of a manifest's records below ``out``; ``advance(done, total)`` counts
    samples.
    """
    recipe, options = plan.recipe, plan.recipe.shard
    assert options is not None
    work, folder = RunFolder(out).work.pieces, RunFolder(out).shards
    config, request = _asked_for(plan, options, manifest)
    ledger = read_ledger(work, folder)
    # neither records nor media have to be looked at
    if ledger.request == request:
        advance(ledger.samples, ledger.samples)
        return Sharded(read_shard_set(folder), ledger.count, ledger.faults)
    samples = group_samples(manifest.records())
    naming = naming_of(samples)
    pieces = plan_pieces(samples, recipe.seed)
    planned = plan_shards(pieces, options)
    work.mkdir(parents=True, exist_ok=True)
    # one record can change how members are called in the whole set
    config = fingerprint(config, sorted(naming.plain), naming.texts_in_json)

    def stem_of(piece: Piece) -> str:
        return piece_stem(piece, plan.root, config, naming)

    def task_of(piece: Piece, path: Path) -> PieceTask:
        return PieceTask(piece, plan.root, options, naming, path)

    written = written_pieces(ledger, work, folder)
    progress = _Pieces(pieces, work, written, stem_of, task_of, advance)
    waiting = deque(planned)
    with Assembly(RunFolder(out).work.building) as assembly:

        def assemble() -> None:
            while waiting and progress.has(waiting[0][1]):
                name, own = waiting.popleft()
                assembly.add(name, own, [progress.written_as(piece) for piece in own])

        for number, _ in engine.map(progress.tasks()):
            progress.finished(number)
            assemble()
        # no task comes back for tars of which nothing was to be written
        assemble()
        result = assembly.finish(recipe.name, manifest.xxh3, folder, naming.texts_in_json)
    # after the tars have moved: written before, a crash between the two would make it a lie
    Ledger(
        request=request,
        samples=progress.total,
        count=result.count,
        faults=result.faults,
        tars=states_of(result.shards, folder),
        places=progress.places(planned),
    ).write(work)
    progress.clear()
    return result


def has_shards(plan: Plan, manifest: Manifest, out: Path) -> bool:
    """Whether the shards of these records are there already."""
    folder, options = RunFolder(out), plan.recipe.shard
    assert options is not None
    ledger = read_ledger(folder.work.pieces, folder.shards)
    return ledger.request == _asked_for(plan, options, manifest)[1]


def _asked_for(plan: Plan, options: ShardOptions, manifest: Manifest) -> tuple[str, str]:
    """What decides how pieces are written, and what decides all of a set."""
    kinds = {name: modality(name).identity for name in names()}
    config = fingerprint(SHARD_VERSION, dict(plan.versions), options.model_dump(), kinds)
    recipe = plan.recipe
    return config, fingerprint(recipe.name, manifest.made_from, manifest.xxh3, config, recipe.seed)


class _Pieces:
    """The pieces of a set on their way: each is looked up, and written by a task where it is not
    there.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        work: Path,
        written: dict[str, WrittenPiece],
        stem_of: Callable[[Piece], str],
        task_of: Callable[[Piece, Path], PieceTask],
        advance: Callable[[int, int], None],
    ) -> None:
        self._pieces = pieces
        self._work = work
        self._written = written
        self._stem_of = stem_of
        self._task_of = task_of
        self._advance = advance
        # by id(): the pieces live as long as this does, and are long to hash
        self._stems: dict[int, str] = {}
        self._missing: list[Piece] = []
        self._done = 0
        self.total = sum(len(piece.samples) for piece in pieces)
        advance(0, self.total)

    def tasks(self) -> Iterator[PieceTask]:
        """A task for each piece that is not there; the workers begin with the first while the
        others are still looked up.
        """
        for piece in self._pieces:
            stem = self._stems[id(piece)] = self._stem_of(piece)
            if stem in self._written and self._written[stem].is_whole():
                self._count(piece)
            else:
                self._written.pop(stem, None)
                self._missing.append(piece)
                yield self._task_of(piece, self._work / stem)

    def finished(self, number: int) -> None:
        """The task of this number, as they were given out, has been done."""
        piece = self._missing[number]
        stem = self._stems[id(piece)]
        self._written[stem] = WrittenPiece.alone(self._work, stem)
        self._count(piece)

    def _count(self, piece: Piece) -> None:
        self._done += len(piece.samples)
        self._advance(self._done, self.total)

    def has(self, pieces: Sequence[Piece]) -> bool:
        """Whether all of these are written; one that was not looked up yet is not."""
        return all(self._stems.get(id(piece)) in self._written for piece in pieces)

    def written_as(self, piece: Piece) -> WrittenPiece:
        """Where the bytes of a piece lie."""
        return self._written[self._stems[id(piece)]]

    def places(self, planned: Sequence[tuple[str, list[Piece]]]) -> dict[str, PlaceInTar]:
        """Where in the planned tars the pieces lie."""
        places = {}
        for name, pieces in planned:
            offset = 0
            for piece in pieces:
                length = self.written_as(piece).length
                places[self._stems[id(piece)]] = PlaceInTar(f"{name}.tar", offset, length)
                offset += length
        return places

    def clear(self) -> None:
        """Remove the files of pieces that lie in tars now. Their indexes stay: with its stretch of
        the tar, each is a finished piece for the next run.
        """
        keep = set(self._stems.values())
        for stem in keep:
            (self._work / f"{stem}.tar").unlink(missing_ok=True)
        for path in self._work.glob("*.arrow"):
            if path.stem not in keep:
                path.unlink()
