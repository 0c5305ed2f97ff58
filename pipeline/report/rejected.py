"""What was left out, by stage and reason, with examples."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from .charts import bar
from .examples import Gallery
from .markup import Markup, count_of, data_table, element, folded, section, shortened
from .output import Output

_REASONS = 40
_EXAMPLES = 5
_MEDIA = 3
_BY = ("stage", "rule", "fate")


class Reason(NamedTuple):
    """Why records were left out, and how many."""

    stage: str
    rule: str
    fate: str
    records: int


def reasons_of(rejects: pa.Table | None) -> list[Reason]:
    """All reasons, those of the most records first."""
    if rejects is None or not len(rejects):
        return []
    counts = rejects.select(_BY).group_by(list(_BY)).aggregate([([], "count_all")])
    found = [
        Reason(row["stage"], row["rule"], row["fate"], row["count_all"])
        for row in counts.to_pylist()
    ]
    return sorted(found, key=lambda reason: (-reason.records, reason))


def rejects_section(output: Output, gallery: Gallery) -> Markup | None:
    """The reasons with their examples; None where nothing was left out."""
    reasons = reasons_of(output.rejects)
    if not reasons:
        return None
    most = reasons[0].records
    rows: list[list[object]] = [
        [
            shortened(reason.rule, 120),
            f"{reason.records:,}",
            bar([("refused", reason.records / most)]),
            reason.stage,
            reason.fate,
        ]
        for reason in reasons[:_REASONS]
    ]
    more = len(reasons) - _REASONS
    return section(
        "rejects",
        "Left out, and why",
        data_table("By reason", ["reason", "records", "", "stage", "fate"], rows, " n"),
        element("p", f"Not shown: {count_of(more, 'reason')} of fewer records.")
        if more > 0
        else None,
        *(_examples(output, reason, gallery) for reason in reasons[:_REASONS]),
    )


def _examples(output: Output, reason: Reason, gallery: Gallery) -> Markup:
    own = output.rejects
    for name in _BY:
        own = own.filter(pc.equal(own[name], getattr(reason, name)))
    own = own.slice(0, _EXAMPLES).to_pylist()
    rows: list[list[object]] = [
        [
            shortened(row["key"], 80),
            shortened(_where(row["origin"]), 120),
            shortened(row["message"] or "", 300),
        ]
        for row in own
    ]
    title = f"{reason.stage}: {shortened(reason.rule, 120)} ({reason.records:,} {reason.fate})"
    shown = data_table(f"The first {len(rows)} by stage and key", ["key", "from", "what"], rows)
    return folded(title, shown, _media(output, [row["key"] for row in own[:_MEDIA]], gallery))


def _where(origin: dict[str, object]) -> str:
    return (
        str(origin["file"]) if origin["row"] is None else f"{origin['file']}, row {origin['row']}"
    )


def _media(output: Output, keys: list[str], gallery: Gallery) -> Markup | None:
    if output.parts is None:
        return None
    found = output.parts.of_keys(keys)
    rows = [row for key in keys for row in found.get(key, []) if row["fate"] != "written"][
        : 2 * _MEDIA
    ]
    if not rows:
        return None
    return gallery.figures(rows, lambda row: row["part"], lambda row: True)
