"""What ``modalmill labels`` found, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..schemas.layout import RunFolder
from ..schemas.record import Record
from ..stages.labels.file_names import NameTable
from .labels import Findings, LabelReport, some_of
from .texts import plain_table, render_text

_TEXT_SHOWN = 44  # characters
_SHOWN = 10
_WEAK = 0.8
_ALIGN = "align.signals: {{path: {path}, signals: {{label_error: is_error}}}}"
_RULE = "clean.rules: {label_error: 0}"


def labels_dict(report: LabelReport, top: int) -> dict[str, Any]:
    """All of it as plain JSON values; of the records the ``top`` worst."""
    whole: dict[str, Any] = {"target": report.target or None, "notes": report.notes}
    if report.says is not None:
        whole |= {
            "judged": len(report.judged),
            "classes": report.classes,
            "noise": report.noise(),
            "agree": report.agree(),
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
        f"{report.target}: {len(report.judged):,} labels of {len(report.classes)} classes judged"
        f" out of fold; {errors:,} are likely wrong, and an estimated {report.noise():.1%} of all"
    )
    return [head, "", *_noise(report), *_parts(report), *(_worst_first(report, top, errors))]


def _noise(report: LabelReport) -> list[object]:
    numbers = ("records", "of the given")
    table, pairs = plain_table("given", "likely", *numbers, right=numbers), report.pairs()
    for pair in pairs[:_SHOWN]:
        table.add_row(pair.given, pair.likely, f"{pair.records:.1f}", f"{pair.share:.1%}")
    rest = len(pairs) - _SHOWN
    more: list[object] = [f"and {rest:,} smaller pairs"] if rest > 0 else []
    return ["how much of each class is likely another:", table, *more, ""] if pairs else []


def _parts(report: LabelReport) -> list[object]:
    numbers = ("records", "agree", "weight")
    table, together = plain_table("part", *numbers, right=numbers), report.agree()
    for name, part in report.parts().items():
        agree = part.agree / part.records
        table.add_row(name, f"{part.records:,}", f"{agree:.1%}", f"{part.weight:.2f}")
    table.add_row("all together", f"{len(report.judged):,}", f"{together:.1%}", "")
    things: list[object] = ["how often the likeliest class is the given one:", table, ""]
    if together < _WEAK:
        things += [
            "What the features cannot tell apart is counted as noise as well: trust the order, and"
            " not the number. Features of a trained network (features.onnx, features.transformers)"
            " may tell more.",
            "",
        ]
    return things


def _worst_first(report: LabelReport, top: int, errors: int) -> list[object]:
    if not errors or not top:
        return []
    assert report.says is not None
    # of one part alone it is plain which one it is
    several = ["against"] * (len(report.by_part) > 1)
    worst = report.worst()[: min(top, errors)].tolist()
    texts = [_first_words(report.records[report.judged[place]]) for place in worst]
    read = ["text"] * any(texts)
    columns = ("where", "given", "likely", "confidence", *several, *read)
    table = plain_table(*columns, right=("confidence",))
    for place, text in zip(worst, texts, strict=True):
        against, asked = report.against(place)
        parts = "all parts" if against == asked else ", ".join(against) or "together"
        table.add_row(
            _where(report.records[report.judged[place]]),
            report.classes[report.given[place]],
            report.classes[report.says.likeliest_N[place]],
            f"{report.says.self_N[place]:.3f}",
            *[parts] * len(several),
            *[text] * len(read),
        )
    shown = f"the {top:,} first" if top < errors else "all"
    return [f"likely wrong ({shown}), by how far the likely class is ahead:", table, ""]


def _where(record: Record) -> str:
    """The record as people find it: the file and row that it comes from, and its first medium."""
    media = [part.uri for _, part in sorted(record.parts.items()) if part.uri]
    place = str(record.origin)
    return place if not media or media[0] == place else f"{place} ({media[0]})"


def _first_words(record: Record) -> str:
    """How its first text begins; empty where it has none."""
    texts = [part.text for _, part in sorted(record.parts.items()) if part.modality == "text"]
    words = " ".join((texts[0] or "").split()) if texts else ""
    return words if len(words) <= _TEXT_SHOWN else f"{words[: _TEXT_SHOWN - 3]}..."


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
            counts = Counter(str(labels[row]) for row in same)
            firsts = {str(labels[row]): row for row in reversed(same)}
            shown = [
                f"{count:,} {label} ({_where(report.records[firsts[label]])})"
                for label, count in counts.most_common()
            ]
            things.append(f"  {some_of(shown)}")
        things += _more(len(found.contents))
    return things


def _table(report: LabelReport, target: str, part: str, table: NameTable) -> list[object]:
    """A table of names, unless names and labels say the same."""
    exceptions = len(table.exceptions)
    if table.is_same and not exceptions:
        return []
    where = f"{target}: {table.place} ({part}) "
    if table.is_exchanged:
        head = "holds labels that stand for others than they name; are they exchanged?"
    elif table.is_same:
        head = "says the label"
    elif table.is_one_to_one:
        head = "stands one to one for the label, in other words; are they meant so?"
    else:
        head = "determines the label"
    but = f", but for {exceptions:,} record{'s' * (exceptions > 1)}" if exceptions else ""
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
        f"Each record with its confidence: {path}. Look at the worst before you trust it. To leave",
        "them out, in the stages of a recipe that runs into another folder:",
        f"  - {_ALIGN.format(path=path)}",
        f"  - {_RULE}",
    ]
    if any(found.contents for found in report.findings):
        lines.append(
            "Equal contents with other labels become one record by clean.duplicates: {same_targets:"
            " false}."
        )
    return "\n".join(lines)
