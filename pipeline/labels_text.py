"""What ``modalmill labels`` found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schemas.layout import RunFolder
from ..schemas.record import Record
from ..stages.labels.file_names import NameTable
from .labels import Findings, LabelReport, some_of
from .report import plain_table, render_text

_SHOWN = 10
_ALIGN = "align.signals: {{path: {path}, signals: {{label_confidence: self_confidence}}}}"
_RULE = 'clean.rules: {label_confidence: ">= .1"}'


def labels_dict(report: LabelReport, top: int) -> dict[str, Any]:
    """All of it as plain JSON values; of the records the ``top`` worst."""
    whole: dict[str, Any] = {"target": report.target or None, "notes": report.notes}
    if report.says is not None:
        whole |= {
            "judged": len(report.judged),
            "classes": report.classes,
            "noise": report.noise(),
            "errors": int(report.says.is_error_N.sum()),
            "pairs": [
                {
                    "given": pair.given,
                    "likely": pair.likely,
                    "records": pair.records,
                    "share": pair.share,
                }
                for pair in report.pairs()
            ],
            "parts": {
                name: {"records": part.records, "agree": part.agree, "weight": part.weight}
                for name, part in report.parts().items()
            },
            "worst": [_worst(report, int(place)) for place in report.worst()[:top]],
        }
    return whole | {"targets": {own.target: _found(report, own) for own in report.findings}}


def _worst(report: LabelReport, place: int) -> dict[str, Any]:
    assert report.says is not None
    record = report.records[report.judged[place]]
    against, asked = report.against(place)
    return {
        "key": record.key,
        "file": record.origin.file,
        "row": record.origin.row,
        "given": report.classes[report.given[place]],
        "suggested": report.classes[report.says.likeliest_N[place]],
        "self_confidence": float(report.says.self_N[place]),
        "margin": float(report.says.margin_N[place]),
        "is_error": bool(report.says.is_error_N[place]),
        "against": against,
        "asked": asked,
    }


def _found(report: LabelReport, found: Findings) -> dict[str, Any]:
    labels = report.labels[found.target]
    return {
        "names": [
            {
                "part": part,
                "place": table.place,
                "kind": _kind(table),
                "counts": {word: dict(own) for word, own in table.counts.items()},
                "exceptions": [report.records[row].key for row in table.exceptions],
            }
            for part, table in found.tables
        ],
        "spellings": [{"labels": own.labels, "why": own.why} for own in found.spellings],
        "same_content": [
            {report.records[row].key: labels[row] for row in same} for same in found.contents
        ],
    }


def _kind(table: NameTable) -> str:
    if table.is_exchanged:
        return "exchanged"
    return "same" if table.is_same else "renamed" if table.is_one_to_one else "determined"


def labels_text(report: LabelReport, top: int) -> str:
    """For people: what is likely wrong, the ``top`` worst, and what to do next."""
    things: list[object] = []
    if report.says is not None:
        things += _judged(report, top)
    things += [f"note: {note}" for note in report.notes]
    for found in report.findings:
        things += _findings(report, found)
    things.append(_next(report))
    return render_text(*things)


def _judged(report: LabelReport, top: int) -> list[object]:
    says = report.says
    assert says is not None
    errors = int(says.is_error_N.sum())
    head = (
        f"{report.target}: {len(report.judged):,} labels of {len(report.classes)} classes judged out"
        f" of fold; {errors:,} are likely wrong, and an estimated {report.noise():.1%} of all"
    )
    pairs = plain_table("given", "likely", "records", "of the given", right=("records", "of the given"))
    for pair in report.pairs()[:_SHOWN]:
        pairs.add_row(pair.given, pair.likely, f"{pair.records:.1f}", f"{pair.share:.1%}")
    more = len(report.pairs()) - _SHOWN
    parts = plain_table("part", "records", "agree", "weight", right=("records", "agree", "weight"))
    for name, part in report.parts().items():
        agree = f"{part.agree / part.records:.1%}"
        parts.add_row(name, f"{part.records:,}", agree, f"{part.weight:.2f}")
    things: list[object] = [head, "", "how much of each class is likely another:", pairs]
    things += [f"and {more:,} smaller pairs"] if more > 0 else []
    things += ["", "how often the likeliest class of each part is the given one:", parts, ""]
    worst = plain_table("where", "given", "likely", "confidence", "against", right=("confidence",))
    for place in report.worst()[: min(top, errors)].tolist():
        against, asked = report.against(place)
        worst.add_row(
            _where(report.records[report.judged[place]]),
            report.classes[report.given[place]],
            report.classes[says.likeliest_N[place]],
            f"{says.self_N[place]:.3f}",
            "all parts" if against == asked else ", ".join(against) or "together",
        )
    if errors:
        shown = "the worst of them" if top < errors else "all of them"
        return [*things, f"{shown}, by the probability of the given label:", worst, ""]
    return things


def _where(record: Record) -> str:
    """The record as people find it: the file and row that it comes from, and its first medium."""
    media = [part.uri for _, part in sorted(record.parts.items()) if part.uri]
    place = str(record.origin)
    return place if not media or media[0] == place else f"{place} ({media[0]})"


def _findings(report: LabelReport, found: Findings) -> list[object]:
    things: list[object] = []
    for part, table in found.tables:
        things += _table(report, found.target, part, table)
    if found.spellings:
        things.append(f"{found.target}: labels that may be one:")
        things += [
            f"  {', '.join(map(repr, own.labels))} ({own.why})" for own in found.spellings[:_SHOWN]
        ]
        things += _more(len(found.spellings))
    if found.contents:
        labels = report.labels[found.target]
        count = sum(map(len, found.contents))
        things.append(
            f"{found.target}: {len(found.contents):,} contents have several labels ({count:,}"
            " records):"
        )
        for same in found.contents[:_SHOWN]:
            shown = [f"{_where(report.records[row])}: {labels[row]}" for row in same]
            things.append(f"  {'; '.join(shown[:4])}{'; ...' if len(shown) > 4 else ''}")
        things += _more(len(found.contents))
    return things


def _table(report: LabelReport, target: str, part: str, table: NameTable) -> list[object]:
    """A table of names, unless names and labels say the same."""
    exceptions = len(table.exceptions)
    if table.is_same and not exceptions:
        return []
    where = f"{target}: {table.place} ({part}) "
    if table.is_exchanged:
        head = "holds words that are labels, and stands for others than it names; are they exchanged?"
    elif table.is_same:
        head = "says the label"
    elif table.is_one_to_one:
        head = "stands one to one for the label, in other words; are they meant so?"
    else:
        head = "determines the label"
    but = f", but for {exceptions:,} records" if exceptions else ""
    things: list[object] = [f"{where}{head.replace(';', f'{but};') if ';' in head else head + but}"]
    if not table.is_same:
        things += [
            f"  {word} = {table.usual[word]}{_others(table.counts[word], table.usual[word])}"
            for word in list(table.usual)[: 3 * _SHOWN]
        ]
        things += [f"  and {len(table.usual) - 3 * _SHOWN:,} more"] * (
            len(table.usual) > 3 * _SHOWN
        )
    labels = report.labels[target]
    told = [f"{_where(report.records[row])}: {labels[row]}" for row in table.exceptions[:_SHOWN]]
    things += [f"  except {line}" for line in told]
    things += _more(exceptions)
    return things


def _others(counts: Mapping[str, int], usual: str) -> str:
    others = [f"{count:,} {label}" for label, count in counts.items() if label != usual]
    return f" ({counts[usual]:,}; {some_of(sorted(others))})" if others else f" ({counts[usual]:,})"


def _more(count: int) -> list[object]:
    return [f"  and {count - _SHOWN:,} more; --json lists all"] if count > _SHOWN else []


def _next(report: LabelReport) -> str:
    """What to do with what was found."""
    path = RunFolder(report.out).labels
    if report.says is None:
        stale = f"; {path} is of an earlier call" if path.is_file() else ""
        return f"No label was judged by a model{stale}."
    lines = [
        f"Each record with its confidence: {path}. Look at the worst before you trust it. To leave"
        " them out, in stages:",
        f"  - {_ALIGN.format(path=path)}",
        f"  - {_RULE}",
    ]
    if any(found.contents for found in report.findings):
        lines.append(
            "Equal contents with other labels become one record by clean.duplicates: {same_targets:"
            " false}."
        )
    return "\n".join(lines)
