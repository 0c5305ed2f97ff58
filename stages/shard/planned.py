"""The records of a plan where workers find them: the rows of the manifest in files, those of a
piece in one of them.
"""

from __future__ import annotations

import itertools
import operator
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...schemas.disk import read_table, replacing
from ...schemas.manifest import records_of
from .plan import PiecePlan, Sample
from .write import annotation

# a worker maps one whole and takes the rows of one piece
ROWS_PER_FILE = 65_536
_MOST_FILES = 256  # open at once
_SAMPLE, _PLACE = "modalmill.sample", "modalmill.place"


@dataclass(frozen=True, slots=True)
class PieceRows:
    """Where the records of a piece lie: in this file, the rows whose samples have the places
    [start, end) in the order of the set.
    """

    file: Path
    start: int
    end: int

    def samples(self, texts_in_json: bool) -> list[Sample]:
        """The samples of the piece in order."""
        table = read_table(self.file)
        place = table[_PLACE].to_numpy()
        rows = np.flatnonzero((place >= self.start) & (place < self.end))
        # stable: records of one sample stay as the manifest has them, by key
        rows = rows[np.argsort(place[rows], kind="stable")]
        own = table.take(pa.array(rows))
        records = records_of(own.drop_columns([_SAMPLE, _PLACE]))
        pairs = zip(own[_SAMPLE].to_pylist(), records, strict=True)
        samples = []
        for key, entries in itertools.groupby(pairs, operator.itemgetter(0)):
            sharing = tuple(record for _, record in entries)
            samples.append(Sample(key, sharing, annotation(key, sharing, texts_in_json)))
        return samples


def write_planned(plan: PiecePlan, tables: Iterable[pa.Table], folder: Path) -> list[PieceRows]:
    """Write the rows of a manifest, which come in its order, into files of ``folder``; where those
    of each piece lie.
    """
    shutil.rmtree(folder, ignore_errors=True)
    pieces = _pieces_in_files(plan, folder)
    begins: dict[Path, int] = {}
    for piece in pieces:
        begins.setdefault(piece.file, piece.start)
    with ExitStack() as stack:
        writers: list[pa.RecordBatchWriter] = []
        for table in _placed(plan, tables):
            writers = writers or [_writer(stack, file, table.schema) for file in begins]
            place = table[_PLACE].to_numpy()
            number = np.searchsorted(list(begins.values()), place, side="right") - 1
            order = np.argsort(number, kind="stable")
            sorted_by_file = table.take(pa.array(order))
            bounds = np.searchsorted(number[order], np.arange(len(begins) + 1)).tolist()
            for writer, (start, end) in zip(writers, itertools.pairwise(bounds), strict=True):
                if start < end:
                    writer.write_table(sorted_by_file.slice(start, end - start))
    return pieces


def _placed(plan: PiecePlan, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows, with the key of their sample and its place."""
    row = 0
    for table in tables:
        sample = plan.sample[row : row + len(table)]
        row += len(table)
        keys = plan.keys.take(pa.array(sample))
        yield table.append_column(_SAMPLE, keys).append_column(_PLACE, pa.array(plan.place[sample]))


def _pieces_in_files(plan: PiecePlan, folder: Path) -> list[PieceRows]:
    per_file = max(ROWS_PER_FILE, len(plan.sample) // _MOST_FILES)
    places: list[PieceRows] = []
    samples = records = 0
    for piece in plan.pieces:
        file = folder / f"{records // per_file:03d}.arrow"
        places.append(PieceRows(file, samples, samples + piece.samples))
        samples += piece.samples
        records += piece.records
    return places


def _writer(stack: ExitStack, file: Path, schema: pa.Schema) -> pa.RecordBatchWriter:
    # not synced: it is gone when the shards are there
    aside = stack.enter_context(replacing(file, synced=False))
    return stack.enter_context(pa.ipc.new_file(str(aside), schema))
