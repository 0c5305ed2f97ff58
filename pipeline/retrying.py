"""Records that were rejected for a reason, tried again: what an earlier run noted of them is
forgotten, and the next run looks at them anew.

A run notices files and options that have changed by itself. It does not notice what lies outside of
them: a deadline or a memory bound that was raised, a machine that is less busy, a decoder that was
mended, a file put back with its old times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from ..schemas.disk import read_table, write_table
from ..schemas.errors import InputError, nearest
from ..schemas.layout import RunFolder, WorkFolder
from ..schemas.manifest import read_manifest
from ..schemas.plain_text import plain_table, render_text
from ..schemas.rejects import FaultRow, OriginRow
from ..stages.shard.ledger import read_ledger
from ..stages.shard.pieces import PieceNote
from .lock import locked
from .texts import read_rejects

_NOT_LOST = ("unmatched", "merged")


def reasons_text(out: Path) -> str:
    """The reasons for which records were left out, and how many there are of each."""
    reasons = Counter(row["rule"] for row in _lost(out))
    if not reasons:
        return "nothing was rejected"
    table = plain_table("reason", "records", right=("records",))
    for rule, number in reasons.most_common():
        table.add_row(rule, f"{number:,}")
    return render_text(table, "", f"To try some again: modalmill retry {out} --reason REASON")


def forget(out: Path, reason: str) -> list[FaultRow]:
    """Let the next run into ``out`` try again what was rejected for this reason; the rows of those
    records. InputError where there are none.
    """
    rows = [row for row in _lost(out) if row["rule"] == reason]
    if not rows:
        known = Counter(row["rule"] for row in _lost(out))
        counts = ", ".join(f"{rule} ({number:,})" for rule, number in known.most_common())
        hint = nearest(reason, known)
        raise InputError(
            f"--reason {reason}: no record was rejected for it{hint if '?' in hint else '.'} This"
            f" run rejected: {counts or 'nothing'}"
        )
    folder = RunFolder(out)
    with locked(out):
        _forget_sources(folder.work, rows)
        _forget_media(folder.work, reason)
        _forget_pieces(folder, reason)
        # named by what they were made from, and not by what was made
        notes = (
            folder.work.manifest_note,
            folder.work.rejects_note,
            folder.work.signals_note,
            folder.work.duplicates_note,
            folder.work.measured_note,
        )
        tables = (*folder.work.measured.glob("*"), *folder.work.records.glob("*"))
        for path in (*notes, *tables):
            path.unlink(missing_ok=True)
    return rows


def _lost(out: Path) -> list[FaultRow]:
    """Those that did not go on, and parts that were taken from others."""
    return [row for row in read_rejects(out) if row["fate"] not in _NOT_LOST]


def _forget_sources(work: WorkFolder, rows: Iterable[FaultRow]) -> None:
    """Have the sources read again that gave these rows."""
    for name in {row["origin"]["source"] for row in rows if row["stage"].startswith("ingest:")}:
        for note in work.ingested.glob(f"{name}-*.json"):
            note.unlink()


def _forget_media(work: WorkFolder, reason: str) -> None:
    """Have the media measured again that could not be used for this reason."""
    for path in work.media.rglob("*.arrow"):
        table = read_table(path)
        # the rule, and what was said of it
        rules = [str(damage).partition(":")[0] for damage in table["damage"].to_pylist()]
        kept = table.filter(pa.array([rule != reason for rule in rules]))
        if not len(kept):
            path.unlink()
        elif len(kept) < len(table):
            write_table(path, kept)


def _forget_pieces(folder: RunFolder, reason: str) -> None:
    """Have the pieces of shards written again in which samples were refused for this reason."""
    for index in folder.work.pieces.glob("*.arrow"):
        if any(fault["rule"] == reason for fault in PieceNote.read(index).faults):
            index.unlink()
    if folder.work.pieces.is_dir():
        ledger = read_ledger(folder.work.pieces, folder.shards)
        replace(ledger, request=None).write(folder.work.pieces)


def retried_text(out: Path, before: Sequence[FaultRow], reason: str) -> str:
    """What became of these records in the run after."""
    now = {_name(row): row["rule"] for row in _lost(out) if row["rule"] != reason}
    again = {_name(row) for row in _lost(out) if row["rule"] == reason}
    manifest = read_manifest(out).select(["key", "origin"])
    written = set(manifest["key"].to_pylist()) | set(map(_place, manifest["origin"].to_pylist()))
    fates = Counter[str]()
    for name in {_name(row) for row in before}:
        if name in again:
            fates[f"rejected again: {reason}"] += 1
        elif name in written:
            fates["written now"] += 1
        else:
            fates[f"rejected: {now[name]}" if name in now else "no longer there"] += 1
    told = ", ".join(f"{number:,} {fate}" for fate, number in fates.most_common())
    return f"{reason}: of {fates.total():,} records tried again {told}"


def _name(row: FaultRow) -> str | tuple[str, str, int | None]:
    """What a record is found by again: its key, which what a source refuses does not have yet."""
    return _place(row["origin"]) if row["stage"].startswith("ingest:") else row["key"]


def _place(origin: OriginRow) -> tuple[str, str, int | None]:
    return origin["source"], origin["file"], origin["row"]


def recipe_in(out: Path) -> Path:
    """The recipe that a folder was made with; InputError where none lies there."""
    path = RunFolder(out).recipe
    if not path.is_file():
        raise InputError(
            f"{out}: no {path.name} here, for the run stopped before its end; give --recipe"
        )
    return path
