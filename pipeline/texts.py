"""Texts for people: the account, the rejects, what shards hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.account import Account
from ..schemas.disk import read_parquet, read_table
from ..schemas.errors import InputError, nearest
from ..schemas.index import SET_FILE, checked_index, read_shard_set
from ..schemas.layout import RunFolder
from ..schemas.plain_text import plain_table, render_text
from ..schemas.quantity import FACTS, Quantity
from ..schemas.rejects import FaultRow
from ..stages.modality import Modality, modality

_MOST_WORDS = 8  # of a signal that is one are shown


def account_text(account: Account) -> str:
    """The account as a table, with what is present together and why things were left out."""
    numbers = ("in", "copies", "written", "rejected", "merged", "missing")
    table = plain_table("source or stage", *numbers, right=numbers)
    for count in [*account.sources, *account.stages]:
        out = (count.written, count.rejected, count.merged, count.missing)
        values = (count.read, count.copies, *out)
        table.add_row(count.name, *(f"{value:,}" if value else "-" for value in values))
    lines: list[object] = [table]
    if account.limit is not None:
        lines = [f"A LIMITED RUN, {limit_text(account.limit)}", *lines]
    for count in account.sources:
        if len(count.kinds) > 1:
            lines.append(
                f"  {count.name} read: "
                + ", ".join(f"{number:,} {kind}" for kind, number in sorted(count.kinds.items()))
            )
    after, presence = _last_presence(account)
    if presence:
        lines.append(f"present together after {after}:")
        lines += [
            f"  {number:>9,}  {pattern}"
            for pattern, number in sorted(presence.items(), key=lambda item: (-item[1], item[0]))[
                :12
            ]
        ]
    last = next(
        (count for count in reversed([*account.sources, *account.stages]) if count.splits), None
    )
    if last is not None:
        lines.append(
            f"splits after {last.name}: "
            + ", ".join(f"{number:,} {name}" for name, number in sorted(last.splits.items()))
        )
    whole = account.to_dict()
    for title, counts in (
        ("left out or merged, by reason:", whole["rejects_by_reason"]),
        ("gone on without a partner:", whole["unmatched"]),
    ):
        if counts:
            lines.append(title)
            lines += [
                f"  {number:>9,}  {reason}"
                for reason, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            ]
    noted = [
        (number, f"{count.name}: {what}")
        for count in [*account.sources, *account.stages]
        for what, number in count.notes.items()
    ]
    if noted:
        lines.append("passed over, taken otherwise, or lacking:")
        lines += [f"  {number:>9,}  {what}" for number, what in noted]
    problems = account.problems()
    lines.append(
        "The account adds up: in + copies = written + rejected + merged + missing, at every line."
        if not problems
        else "THE ACCOUNT DOES NOT ADD UP:"
    )
    lines += [f"  {problem}" for problem in problems]
    return render_text(*lines)


def limit_text(limit: int) -> str:
    """What a run with this limit took."""
    return (
        f"of the first {limit:,} records of each source and their partners; without --limit all"
        " are taken"
    )


def _last_presence(account: Account) -> tuple[str, Counter[str]]:
    """The last stage that counted what is present together, or all sources, and what it counted."""
    stages = [count for count in account.stages if count.presence]
    if stages:
        return stages[-1].name, stages[-1].presence
    return "ingest", sum((count.presence for count in account.sources), Counter())


def read_account(out: Path) -> Account:
    """The account of a run's output folder."""
    try:
        return Account.from_dict(json.loads(RunFolder(out).account.read_text()))
    except FileNotFoundError:
        raise InputError(
            f"{out}: no account.json here; wanted the output folder of 'modalmill run'"
        ) from None
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise InputError(
            f"{RunFolder(out).account}: not an account ({error}); run the recipe again"
        ) from error


def read_rejects(out: Path, stage: str | None = None) -> list[FaultRow]:
    """The rows that a run left out or that go on without a partner, of one stage or of all."""
    return rejects_table(out, stage).to_pylist()  # type: ignore[no-any-return]  # pyarrow has none


def rejects_table(out: Path, stage: str | None = None) -> pa.Table:
    """The same as a table."""
    path = RunFolder(out).rejects
    if not path.is_file():
        raise InputError(
            f"{out}: no rejects.parquet here; wanted the output folder of 'modalmill run'"
        )
    table = read_parquet(path)
    if stage is not None:
        with_rejects = sorted(set(table["stage"].to_pylist()))
        account = read_account(out)
        every = {
            *with_rejects,
            *(count.name for count in account.stages),
            *(f"ingest:{count.name}" for count in account.sources),
        }
        if stage not in every:
            raise InputError(f"--stage {stage}: this run had no such stage{nearest(stage, every)}")
        table = table.filter(pc.equal(table["stage"], stage))
    return table


def rejects_text(rows: list[FaultRow], count: int) -> str:
    """Rejects as a table: the first ``count`` of each rule, and how many there are beside."""
    if not rows:
        return "nothing was left out"
    table = plain_table("stage", "key", "fate", "rule", "where", "what")
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        found[row["stage"], row["rule"]] += 1
        if found[row["stage"], row["rule"]] > count:
            continue
        origin = row["origin"]
        where = (
            f"{origin['file']}, row {origin['row']}"
            if origin["row"] is not None
            else origin["file"]
        )
        table.add_row(row["stage"], row["key"], row["fate"], row["rule"], where, row["message"])
    more = [
        f"and {number - count:,} more of {stage}: {rule}"
        for (stage, rule), number in found.items()
        if number > count
    ]
    return render_text(table, *more, *["-n shows more, --json lists all"] * bool(more))


def measured_text(out: Path) -> str:
    """How the numbers of all parts are distributed, by part: facts, then signals."""
    path = RunFolder(out).measured
    if not path.is_file():
        return "nothing was measured: no record has a part"
    table = read_parquet(path)
    columns = ("part", "number", "unit", "known", "least", "p1", "median", "p99", "largest")
    shown = plain_table(*columns, right=columns[3:])
    lines: list[object] = [shown]
    for part in sorted(pc.unique(table["part"]).to_pylist()):
        own = table.filter(pc.equal(table["part"], part))
        damaged = Counter(own["damage"].drop_null().to_pylist())
        if damaged:
            rules = ", ".join(f"{count:,} {rule}" for rule, count in damaged.most_common())
            lines.append(f"{part}: of {len(own):,} cannot be used {damaged.total():,} ({rules})")
        kind = modality(own["modality"][0].as_py())
        for name, quantity in quantities(kind).items():
            if name not in own.column_names:
                continue
            if quantity.words:
                lines.append(_words_text(part, name, own[name].drop_null().to_pylist()))
            if quantity.is_code:
                continue
            values = own[name].drop_null().to_numpy()
            values = values[np.isfinite(values)]
            if len(values):
                numbers = np.quantile(values, [0, 0.01, 0.5, 0.99, 1])
                shown.add_row(
                    part, name, quantity.unit, f"{len(values):,}", *map(shown_number, numbers)
                )
    return render_text(*lines)


def _words_text(part: str, name: str, words: Sequence[str]) -> str:
    """The commonest words of a signal that is one, with their shares."""
    counts = Counter(words).most_common()
    shown = ", ".join(f"{word} {count / len(words):.1%}" for word, count in counts[:_MOST_WORDS])
    more = f", and {len(counts) - _MOST_WORDS} more" if len(counts) > _MOST_WORDS else ""
    return f"{part}.{name}: {len(words):,} known: {shown or 'none'}{more}"


def shown_number(value: float) -> str:
    """A number to be looked at: four digits, or whole where it is large."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def quantities(kind: Modality) -> dict[str, Quantity]:
    """What can be known of parts of a modality, by name."""
    return {name: FACTS[name] for name in kind.facts} | dict(kind.signals)


def inspect_text(folder: Path, count: int) -> str:
    """What a set of shards holds, or tars that others wrote."""
    if folder.suffix == ".tar" or (
        folder.is_dir()
        and not any((place / SET_FILE).is_file() for place in (folder, RunFolder(folder).shards))
    ):
        return _foreign_text(folder, count)
    shards = read_shard_set(folder)
    if not (folder / f"{shards.shards[0].name}.arrow").is_file() if shards.shards else False:
        folder = RunFolder(folder).shards
    records = sum(shard.records for shard in shards.shards)
    lines: list[object] = [
        f"{shards.name}: {records:,} records in {sum(shard.samples for shard in shards.shards):,}"
        f" samples, {len(shards.shards)} shards, "
        f"{sum(shard.bytes for shard in shards.shards) / 1e6:,.1f} MB, fingerprint"
        f" {shards.fingerprint}",
        "",
        "parts:    " + ", ".join(f"{name} ({modality})" for name, modality in shards.parts.items()),
        "targets:  "
        + (", ".join(f"{name} ({kind})" for name, kind in shards.targets.items()) or "none"),
        "",
    ]
    patterns = sorted({pattern for counts in shards.presence.values() for pattern in counts})
    table = plain_table("present together", *shards.presence, right=tuple(shards.presence))
    for pattern in patterns:
        table.add_row(
            pattern, *(f"{counts.get(pattern, 0):,}" for counts in shards.presence.values())
        )
    lines += [table, ""]
    left = count
    for shard in shards.shards:
        if left <= 0:
            break
        for row in (
            read_table(checked_index(folder / f"{shard.name}.arrow", shard))
            .slice(0, left)
            .to_pylist()
        ):
            left -= 1
            lines.append(f"{row['key']}  ({shard.name}.tar, sample {row['sample']})")
            lines += [f"  {text['part']}: {_short(text['text'])}" for text in row["texts"]]
            lines += [
                f"  {member['part']}: {member['name']}, {member['size']:,} bytes at"
                f" {member['offset']:,}"
                for member in row["media"]
            ]
            lines += [f"  {name}: {why}" for name, why in row["absent"]]
            lines += [f"  targets: {_short(row['targets'])}"]
    return render_text(*lines)


def _foreign_text(path: Path, count: int) -> str:
    """What tars hold that were written by others: one tar, or those of a folder."""
    from ..stages.stream.shards.files import LocalFile
    from ..stages.stream.shards.foreign_tars import scan

    tars = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not tars or not tars[0].is_file():
        raise InputError(
            f"{path}: no {SET_FILE} here and no tar; wanted a folder that 'modalmill run' wrote"
            " shards into, or WebDataset tars"
        )
    lines: list[object] = []
    for tar in tars:
        contents = scan(LocalFile(str(tar)))
        parts = ", ".join(f"{name} ({kind})" for name, kind in contents.parts.items()) or "none"
        lines.append(f"{tar.name}: {contents.table.num_rows:,} samples; parts: {parts}")
        for row in contents.table.slice(0, max(0, count)).to_pylist():
            count -= 1
            lines.append(f"  {row['key']}")
            lines += [f"    {text['part']}: {_short(text['text'])}" for text in row["texts"]]
            lines += [
                f"    {member['part']}: {member['name']}, {member['size']:,} bytes at"
                f" {member['offset']:,}"
                for member in row["media"]
            ]
            lines += [f"    targets: {_short(row['targets'])}"]
    return render_text(*lines)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 90 else text[:87] + "..."
