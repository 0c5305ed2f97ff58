"""What a person should look at first: the three to five things that weigh most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from ...schemas.account import Account
from ..before import Before
from ..duplicates import PairRow
from .flow import noted
from .markup import Markup, count_of, element, shortened
from .output import Output, read_json
from .rejected import reasons_of
from .splits import Kept

_MOST = 5
_SHARE = 0.01  # of the records, from which a reason is worth a look
_ABSENT = 0.05
_OFF = 0.1  # of confidence


class _Matter(NamedTuple):
    """weight: what comes first, from 1 for what makes the rest void. anchor: where it is told."""

    weight: float
    text: str
    anchor: str


def attention(
    output: Output,
    kept: Kept | None,
    pairs: list[PairRow],
    leaks: Counter[tuple[str, str]],
    doubts: pa.Table | None,
    before: Before | None,
) -> Markup | None:
    """A box with what weighs most; None where nothing does."""
    matters = sorted(
        [
            *_of_account(output),
            *_of_before(output, before),
            *_of_rejects(output),
            *_of_kept(kept),
            *_of_pairs(output, pairs),
            *_of_leaks(leaks),
            *_of_doubts(doubts, kept),
            *_of_training(output),
        ],
        key=lambda matter: -matter.weight,
    )
    if not matters:
        return None
    return element(
        "div",
        element("h2", "To look at first"),
        element(
            "ol",
            *(
                element("li", element("a", matter.text, href=f"#{matter.anchor}"))
                for matter in matters[:_MOST]
            ),
        ),
        class_="attention",
    )


def _read(output: Output) -> int:
    return sum(count.read for count in output.account.sources) or 1


def _of_account(output: Output) -> Iterator[_Matter]:
    for problem in output.account.problems():
        yield _Matter(9.0, f"The account does not add up: {problem}", "flow")
    notes = sorted(noted(output.account), key=lambda note: -note[0])
    for number, count, what in notes[:2]:
        weight = min(0.5, 0.1 + 0.4 * number / max(1, count.read))
        yield _Matter(weight, f"{count.name}: {number:,} × {shortened(what, 160)}", "flow")


def _of_before(output: Output, before: Before | None) -> Iterator[_Matter]:
    if before is None:
        return
    was, is_now = (_left(each) for each in (Account.from_dict(before["account"]), output.account))
    if was != is_now:
        word = "more" if is_now > was else "fewer"
        text = f"{count_of(abs(is_now - was), 'record')} {word} left than by the run before"
        weight = 0.4 + 0.4 * min(1.0, abs(is_now - was) / max(1, was))
        yield _Matter(weight, text, "changed")


def _left(account: Account) -> int:
    return sum(count.written for count in account.stages[-1:] or account.sources)


def _of_rejects(output: Output) -> Iterator[_Matter]:
    whole = _read(output)
    for reason in reasons_of(output.rejects)[:3]:
        share = reason.records / whole
        if share >= _SHARE and reason.fate != "merged":
            said = {"unmatched": "goes on without a partner", "dropped": "loses a part"}
            what = said.get(reason.fate, "is left out")
            text = (
                f"{share:.1%} {what}: {count_of(reason.records, 'record')} by {reason.stage},"
                f" {shortened(reason.rule, 80)}"
            )
            yield _Matter(min(0.95, 0.3 + share), text, "rejects")


def _of_kept(kept: Kept | None) -> Iterator[_Matter]:
    if kept is None:
        return
    whole = sum(kept.splits.values()) or 1
    for part in sorted({part for pattern in kept.presence for part in pattern}):
        absent = sum(own.total() for names, own in kept.presence.items() if part not in names)
        if absent / whole >= _ABSENT:
            text = f"{part} is absent from {absent / whole:.0%} of what is left ({absent:,})"
            yield _Matter(0.2 + 0.5 * absent / whole, text, "splits")
    if "train" in kept.splits:
        for name, values in sorted(kept.targets.items()):
            classes = values.classes or {}
            unseen = [value for value, own in classes.items() if not own["train"]]
            if unseen and not values.is_numeric():
                few = ", ".join(shortened(str(value), 30) for value in unseen[:3])
                text = f"{name}: {len(unseen):,} of {len(classes):,} values not in train ({few})"
                yield _Matter(0.6, text, "splits")


def _of_pairs(output: Output, pairs: list[PairRow]) -> Iterator[_Matter]:
    merged = sum(pair["merged"] for pair in pairs)
    share = len(pairs) / _read(output)
    if share >= _SHARE:
        sets = len({pair["set"] for pair in pairs})
        text = f"{count_of(sets, 'set')} of records that are alike; {merged:,} merged"
        yield _Matter(min(0.9, 0.3 + share), text, "alike")


def _of_leaks(leaks: Counter[tuple[str, str]]) -> Iterator[_Matter]:
    if leaks:
        text = f"{count_of(leaks.total(), 'set')} of records that are alike in several splits"
        yield _Matter(0.9, text, "alike")


def _of_doubts(doubts: pa.Table | None, kept: Kept | None) -> Iterator[_Matter]:
    if doubts is not None and len(doubts):
        whole = sum(kept.splits.values()) if kept else len(doubts)
        text = f"{count_of(len(doubts), 'label')} likely wrong ({len(doubts) / max(1, whole):.1%})"
        yield _Matter(0.7, text, "doubts")


def _of_training(output: Output) -> Iterator[_Matter]:
    report = read_json(output.folder.training / "evaluation.json")
    if report is None:
        return
    score, metric = report["all"], report["metric"]
    if score <= report["commonest_answer"]:
        text = (
            f"The model knows no more than the commonest answer: {metric} {score:.3f}, and"
            f" {report['commonest_answer']:.3f}"
        )
        yield _Matter(0.9, text, "training")
    single = report["best_single"].get(metric)
    if isinstance(single, float) and single >= score:
        text = f"{report['best_single']['part']} alone scores {single:.3f}, all parts {score:.3f}"
        yield _Matter(0.8, text, "training")
    error = (report.get("reliability") or {}).get("ece", 0.0)
    if error >= _OFF:
        text = f"Confidence is {error:.2f} off in the mean (expected calibration error)"
        yield _Matter(0.35 + min(0.4, error), text, "training")
