"""What a model answers with each subset of its parts, and what each part is worth."""

from __future__ import annotations

from collections.abc import Mapping

from ...schemas.plain_text import decimals
from ...stages.train.metrics.statistics import shapley
from .charts import Axis, bar, interval_bar
from .markup import Markup, count_of, data_table, element, joined

_SUBSETS = 40
_NOTHING = "(nothing)"


def subsets_table(caption: str, metric: str, subsets: Mapping[str, Mapping[str, float]]) -> Markup:
    """Subsets of the parts as a matrix of dots, the best first."""
    parts = sorted(_parts_of(subsets))
    order = sorted(subsets, key=lambda name: (-subsets[name][metric], name))
    has_interval = all("low" in own for own in subsets.values())
    scores = [own[key] for own in subsets.values() for key in _scores(metric, has_interval)]
    axis = Axis(min(0.0, *scores), max(1e-9, *scores), False)
    columns = [metric, *(["low", "high"] if has_interval else []), ""]
    more = [
        name for name in ("loss", "ece", "brier") if all(name in own for own in subsets.values())
    ]
    rows: list[list[object]] = []
    for name in order[:_SUBSETS]:
        own, there = subsets[name], _parts(name)
        score = own[metric]
        drawn = (
            interval_bar(own["low"], score, own["high"], axis)
            if has_interval
            else bar([("kept", float(axis.place(score)))])
        )
        rows.append(
            [
                decimals(score),
                *(decimals(own[end]) for end in ("low", "high") if has_interval),
                drawn,
                *("●" if part in there else "–" for part in parts),
                *(decimals(own[word]) for word in more),
            ]
        )
    kinds = "n" * (len(columns) - 1) + " " + "." * len(parts) + "n" * len(more)
    left = len(order) - _SUBSETS
    return joined(
        data_table(
            f"{caption}. ece: expected calibration error.", [*columns, *parts, *more], rows, kinds
        ),
        element("p", f"Not shown: {count_of(left, 'subset')} that score less.")
        if left > 0
        else None,
    )


def _scores(metric: str, has_interval: bool) -> tuple[str, ...]:
    return (metric, "low", "high") if has_interval else (metric,)


def worth_table(metric: str, subsets: Mapping[str, Mapping[str, float]]) -> Markup | None:
    """The exact Shapley value (1953) of each part for the metric, from that of all subsets; None
    where one of them is not there.
    """
    parts = sorted(_parts_of(subsets))
    scores = {frozenset(_parts(name)): own[metric] for name, own in subsets.items()}
    if not parts or len(scores) != 2 ** len(parts):
        return None
    worth = shapley(
        len(parts),
        lambda shown: scores[
            frozenset(part for part, is_in in zip(parts, shown, strict=True) if is_in)
        ],
    )
    most = max(map(abs, worth)) or 1.0
    order = sorted(zip(worth, parts, strict=True), key=lambda pair: (-pair[0], pair[1]))
    rows: list[list[object]] = [
        [part, f"{value:+.3f}", bar([("kept" if value >= 0 else "refused", abs(value) / most)])]
        for value, part in order
    ]
    whole = scores[frozenset(parts)] - scores[frozenset()]
    return data_table(
        f"What each part is worth: its Shapley value in {metric}. Together {whole:+.3f}, all parts"
        " less none.",
        ["part", "worth", ""],
        rows,
        " n",
    )


def _parts(name: str) -> list[str]:
    return [] if name == _NOTHING else name.split("+")


def _parts_of(subsets: Mapping[str, object]) -> set[str]:
    return {part for name in subsets for part in _parts(name)}
