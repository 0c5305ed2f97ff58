"""Sharding: pieces written by the workers, put together into tars in planned order, and not written
again where nothing in them changed.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
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
from ..stages.shard.pieces import (
    WrittenPiece,
    is_written,
    piece_stem,
    pieces_in_tars,
    write_piece,
)
from ..stages.shard.plan import Naming, Piece, PiecePlan, Planning, plan_shards
from ..stages.shard.planned import PieceRows, write_planned
from .engine import Engine
from .plan import Plan
from .task import refuse_skipped

SHARD_VERSION = 6


@dataclass(frozen=True, slots=True)
class PieceTask:
    """Writes one piece, unless it is there already; gives its stem."""

    split: str
    rows: PieceRows
    root: Path
    options: ShardOptions
    config: str
    naming: Naming
    work: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> str:
        def check(item: str) -> None:
            beat(item)
            refuse_skipped(item, skip)

        samples = self.rows.samples(self.naming.texts_in_json)
        stem = piece_stem(self.split, samples, self.root, self.config)
        if not is_written(self.work, stem):
            write_piece(samples, self.root, self.options, self.naming, self.work / stem, check)
        return stem


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
    planned = _planned(manifest, options, recipe.seed)
    naming, pieces = planned.naming, planned.pieces
    work.mkdir(parents=True, exist_ok=True)
    # one record can change how members are called in the whole set
    config = fingerprint(config, sorted(naming.plain), naming.texts_in_json)
    rows = write_planned(planned, manifest.tables(), RunFolder(out).work.planned)
    tasks = (
        PieceTask(piece.split, own, plan.root, options, config, naming, work)
        for piece, own in zip(pieces, rows, strict=True)
    )
    progress = _Progress(pieces, work, pieces_in_tars(ledger, work, folder), advance)
    shards = plan_shards(pieces, options)
    waiting = deque(shards)
    first = 0
    with Assembly(RunFolder(out).work.building) as assembly:
        for number, stem in engine.map(tasks):
            progress.finished(number, str(stem))
            while waiting and (written := progress.written(first, len(waiting[0][1]))):
                name, own = waiting.popleft()
                assembly.add(name, own, written)
                first += len(own)
        result = assembly.finish(recipe.name, manifest.xxh3, folder, naming.texts_in_json)
    # after the tars have moved: written before, a crash between the two would make it a lie
    Ledger(
        request=request,
        samples=progress.total,
        count=result.count,
        faults=result.faults,
        tars=states_of(result.shards, folder),
        places=progress.places(shards),
    ).write(work)
    progress.clear()
    shutil.rmtree(RunFolder(out).work.planned)
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


def _planned(manifest: Manifest, options: ShardOptions, seed: int) -> PiecePlan:
    planning = Planning(options)
    for table in manifest.tables():
        planning.add(table)
    return planning.planned(seed)


class _Progress:
    """The pieces of a set, by number, as they come from the workers."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        work: Path,
        in_tars: Mapping[str, WrittenPiece],
        advance: Callable[[int, int], None],
    ) -> None:
        self._pieces = pieces
        self._work = work
        self._in_tars = in_tars
        self._advance = advance
        self._written: dict[int, WrittenPiece] = {}
        self._done = 0
        self.total = sum(piece.samples for piece in pieces)
        advance(0, self.total)

    def finished(self, number: int, stem: str) -> None:
        """The piece of this number is there, under this stem."""
        self._written[number] = self._in_tars.get(stem) or WrittenPiece.alone(self._work, stem)
        self._done += self._pieces[number].samples
        self._advance(self._done, self.total)

    def written(self, first: int, count: int) -> list[WrittenPiece]:
        """Where the bytes of so many pieces lie; nothing where one of them is not written yet."""
        numbers = range(first, first + count)
        there = all(number in self._written for number in numbers)
        return [self._written[number] for number in numbers] if there else []

    def places(self, shards: Sequence[tuple[str, list[Piece]]]) -> dict[str, PlaceInTar]:
        """Where in these tars the pieces lie."""
        places = {}
        number = 0
        for name, pieces in shards:
            offset = 0
            for _ in pieces:
                piece = self._written[number]
                places[piece.index.stem] = PlaceInTar(f"{name}.tar", offset, piece.length)
                offset += piece.length
                number += 1
        return places

    def clear(self) -> None:
        """Remove the files of pieces that lie in tars now. Their indexes stay: with its stretch of
        the tar, each is a finished piece for the next run.
        """
        keep = {piece.index.stem for piece in self._written.values()}
        for stem in keep:
            (self._work / f"{stem}.tar").unlink(missing_ok=True)
        for path in self._work.glob("*.arrow"):
            if path.stem not in keep:
                path.unlink()
