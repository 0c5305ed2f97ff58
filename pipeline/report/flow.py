"""The flow: what went into each source and stage, what became of it, and what was written."""

from __future__ import annotations

from collections.abc import Sequence

from ...schemas.account import Account, Count
from .charts import bar
from .markup import Markup, count_of, data_table, element, joined, section, shortened
from .output import Output

_NOTES = 60


def flow_section(output: Output) -> Markup | None:
    """Sources, stages and shards with their numbers, and the notes of the account; None where there
    is no account.
    """
    account = output.account
    if not account.sources:
        return None
    most = max([1, *(count.read + count.copies for count in _all(account))])
    rows = [_row(count, most) for count in _all(account)]
    numbers = ["in", "copies", "written", "rejected", "merged", "missing"]
    problems = account.problems()
    return section(
        "flow",
        "From sources to shards",
        element(
            "p",
            "At every line in + copies = written + rejected + merged + missing, and what is written"
            " goes into the next stage; all sources together go into the first."
            if not problems
            else "The account does not add up: " + "; ".join(problems),
        ),
        data_table(
            "Records by source and stage. Bar: written, then what went no further.",
            ["source or stage", *numbers, "records"],
            rows,
            " nnnnnn",
        ),
        _shards(output),
        _notes(account),
    )


def _all(account: Account) -> list[Count]:
    return [*account.sources, *account.stages]


def _row(count: Count, most: int) -> list[object]:
    gone = count.rejected + count.merged + count.missing
    values = (count.read, count.copies, count.written, count.rejected, count.merged, count.missing)
    shown = bar([("kept", count.written / most), ("refused", gone / most)])
    return [count.name, *(f"{value:,}" if value else "–" for value in values), shown]


def _shards(output: Output) -> Markup | None:
    if output.shards is None:
        return None
    rows: list[list[object]] = []
    for split in output.shards.splits():
        own = [shard for shard in output.shards.shards if shard.split == split]
        samples, size = sum(shard.samples for shard in own), sum(shard.bytes for shard in own)
        rows.append(
            [
                split,
                f"{sum(shard.records for shard in own):,}",
                f"{samples:,}",
                f"{len(own):,}",
                f"{size / 1e6:,.1f}",
            ]
        )
    columns = ["split", "records", "samples", "shards", "MB"]
    return data_table("What was written into shards", columns, rows, " nnnn")


def _notes(account: Account) -> Markup | None:
    """What the account says in words: passed over, taken otherwise, lacking; the most first."""
    rows: list[list[object]] = [
        [shortened(what, 400), count.name, f"{number:,}"]
        for number, count, what in sorted(noted(account), key=lambda note: -note[0])
    ]
    unmatched: list[list[object]] = [
        [f"goes on without a partner: {partner}", count.name, f"{number:,}"]
        for count in _all(account)
        for partner, number in sorted(count.unmatched.items())
    ]
    rows = unmatched + rows
    if not rows:
        return None
    columns = ["what", "where", "times"]
    shown = data_table("Passed over, taken otherwise, or lacking", columns, rows[:_NOTES], "  n")
    more = len(rows) - _NOTES
    return joined(
        shown,
        element("p", f"and {count_of(more, 'note')} more in account.json") if more > 0 else None,
    )


def noted(account: Account) -> Sequence[tuple[int, Count, str]]:
    """How often, of which source or stage, and what a person should know."""
    return [
        (number, count, what) for count in _all(account) for what, number in count.notes.items()
    ]
