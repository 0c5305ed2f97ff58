"""Cross-validation: a recipe trained once for each fold of its shards, on the other ones, and
tested on that one.

Folds are the splits whose names begin with ``fold``: those of ``align.split: {folds: 5}``, of
``align.split: {by: speaker}``, or of a source's ``split: "fold{column}"``. Other splits take no
part, but for ``train.val_split``, which chooses the epoch where it is there and no fold. Where it
is not, the last epoch is tested, for the best one on the tested fold would flatter; what cannot do
without (a fusion that is fitted, ``patience``) is trained without the next fold as well, and chosen
on that.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from ..schemas.contents import names_of
from ..schemas.disk import read_table
from ..schemas.errors import InputError
from ..schemas.fingerprint import canonical
from ..schemas.index import ShardSet, read_shard_set
from ..schemas.plain_text import Table, decimals, plain_table
from ..stages.align.split import FOLD
from .progress import Progress

if TYPE_CHECKING:
    from ..stages.train.evaluation.evaluate import Evaluation, OfTraining
    from ..stages.train.options import TrainOptions


class MethodRow(TypedDict):
    """What a method makes of a recipe, over its seeds. deviation: of ``all``, None for one seed.
    worst: of the subsets, which is ``worst_subset``. ece: None where there is none.

    Of variants of a recipe also: how many records were ``tested``; ``test_records``, equal where
    they are the same; and the metric ``on_first`` on the test records of the first variant, where
    they are others. Over folds also: how many ``records`` were tested, the metric of all of them
    ``pooled``, and each fold's metric and records.
    """

    method: str
    metric: str
    all: float
    deviation: float | None
    mean_of_subsets: float
    worst: float
    worst_subset: str
    loss: float
    ece: float | None
    subsets: dict[str, float]
    commonest_answer: float
    parameters: int
    seconds: float
    tested: NotRequired[int]
    test_records: NotRequired[str]
    on_first: NotRequired[float | None]
    records: NotRequired[int]
    pooled: NotRequired[float]
    folds: NotRequired[dict[str, dict[str, float]]]


ADVICE = "give the recipe align.split: {folds: 5}, or {by: TARGET} for a fold of each value"
_ANY = f"{FOLD}1"
_NO_SPLIT = "none"
_DIGITS = re.compile(r"(\d+)")
_SHOWN = 5


def folds_of(shards: Path, options: TrainOptions, progress: Progress) -> list[str]:
    """The folds of a set of shards, all of which can be tested on and trained without."""
    splits = read_shard_set(shards).splits()
    folds = sorted((name for name in splits if name.startswith(FOLD)), key=_by_number)
    if len(folds) < 2:
        found = ", ".join(f"{name} ({splits[name]:,} records)" for name in splits)
        raise InputError(
            f"--folds: {shards}: wanted two or more splits called {FOLD}..., found {found};"
            f" {ADVICE}"
        )
    counts = _answers(shards, folds, options.target)
    for fold in folds:
        if not counts[fold]:
            raise InputError(
                f"--folds: {fold}: none of its {splits[fold]:,} records has the target"
                f" {options.target!r}, so nothing can be tested on it; fill it (clean.fill), or"
                " make fewer folds"
            )
    if options.task in ("classification", "multilabel"):
        _check_classes(counts, progress)
    return folds


def _by_number(name: str) -> list[tuple[bool, int, str]]:
    """fold2 before fold10."""
    return [
        (not piece.isdigit(), int(piece) if piece.isdigit() else 0, piece)
        for piece in _DIGITS.split(name)
        if piece
    ]


def _answers(shards: Path, folds: Sequence[str], target: str) -> dict[str, Counter[str]]:
    """Fold -> how many of its records have each value of the target; each of a list."""
    counts: dict[str, Counter[str]] = {fold: Counter() for fold in folds}
    for shard in read_shard_set(shards).shards:
        if shard.split not in counts:
            continue
        table = read_table(shards / f"{shard.name}.arrow")
        for text in table["targets"].to_pylist():
            value = json.loads(text).get(target)
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    counts[shard.split][one if isinstance(one, str) else canonical(one)] += 1
    return counts


def _check_classes(counts: Mapping[str, Counter[str]], progress: Progress) -> None:
    """Refuse classes that one fold alone has, and tell of folds that lack some."""
    held = Counter(name for own in counts.values() for name in own)
    for fold, own in counts.items():
        alone = sorted(name for name in own if held[name] == 1)
        if alone:
            raise InputError(
                f"--folds: {fold}: no other fold has {_some(alone)}"
                f" ({sum(own[name] for name in alone):,} records), so none of them can be answered"
                " there; make fewer folds, or leave such records out"
            )
    lacking = {fold: sorted(held.keys() - own.keys()) for fold, own in counts.items()}
    told = [f"{fold} ({_some(names)})" for fold, names in lacking.items() if names]
    if told:
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        progress.line(f"compare: folds without a class: {', '.join(told[:_SHOWN])}{more}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(names[:_SHOWN])}{more}"


def planned(section: Mapping[str, object]) -> dict[str, object]:
    """The ``train`` section as a recipe is planned with: its splits are those of any fold."""
    own = section.get("val_split")
    is_kept = isinstance(own, str) and not own.startswith(FOLD)
    return {**section, "train_split": _ANY, "val_split": own if is_kept else _ANY}


def plan_mistakes(problems: Sequence[str]) -> list[str]:
    """The mistakes of a recipe planned so, in which the lack of folds is said as such."""
    others = [line for line in problems if repr(_ANY) not in line]
    if len(others) == len(problems):
        return others
    return [*others, f"--folds: nothing gives splits called fold1, fold2, ...; {ADVICE}"]


def without(
    fold: str, folds: Sequence[str], options: TrainOptions, shards: ShardSet
) -> TrainOptions:
    """The training options with which a fold is left out."""
    others = [name for name in folds if name != fold]
    own = options.val_split
    if set(names_of(own)) & set(folds) or not shards.records_of(own):
        own = _NO_SPLIT
        if _needs_validation(options):
            own = folds[(folds.index(fold) + 1) % len(folds)]
            others.remove(own)
    if not others:
        raise InputError(
            f"--folds: wants a fold to choose the epoch by and one to train on beside {fold}, and"
            f" there are {len(folds)} folds; make three or more, or a split {options.val_split!r}"
        )
    return options.model_copy(update={"train_split": "+".join(others), "val_split": own})


def _needs_validation(options: TrainOptions) -> bool:
    from ..stages.train.methods.card import split_choice
    from ..stages.train.methods.fusions import FUSIONS

    word, own = split_choice(options.fusion)
    return bool(FUSIONS[word].is_fitted or own.get("grid") or options.patience)


def tested_on(fold: str, report: Evaluation, folder: Path, shards: Path) -> Evaluation:
    """The evaluation on the fold of the model that a run folder holds, in the place of the one that
    training ended with.
    """
    if report["split"] == fold:
        return report
    from ..stages.train.evaluation.evaluate import evaluate_saved, write_evaluation
    from ..stages.train.model import checkpoint

    of_training: OfTraining = {
        "run": report["run"],
        "parameters": report["parameters"],
        "chosen_on_this_split": False,
    }
    tested = evaluate_saved(checkpoint.load(folder / "best.pt"), shards, fold, of_training)
    write_evaluation(tested, folder)
    return tested


def over_folds(folds: Sequence[str], row: MethodRow, reports: Sequence[Evaluation]) -> MethodRow:
    """A method's row with mean and standard deviation (of a sample: N - 1) over folds, each the
    mean of its seeds; and how many records were tested, each in its own fold.
    """
    for report in reports:
        if report["metric"] != row["metric"] or "metric_undefined" in report:
            wanted = report.get("metric_undefined", row["metric"])
            raise InputError(
                f"{report['split']}: {wanted} is not defined there, for a class is missing; choose"
                " another train.metric, or make fewer folds"
            )
    scores: dict[str, float] = {}
    records: dict[str, int] = {}
    for fold in folds:
        own = [report for report in reports if report["split"] == fold]
        scores[fold] = statistics.fmean(report["all"] for report in own)
        records[fold] = own[0]["records_with_target"]
    tested = sum(records.values())
    pooled = sum(scores[fold] * records[fold] for fold in folds) / tested
    over: MethodRow = {
        **row,
        "all": statistics.fmean(scores.values()),
        "deviation": statistics.stdev(scores.values()),
        "commonest_answer": statistics.fmean(report["commonest_answer"] for report in reports),
        "records": tested,
    }
    # of other metrics the one of all records is no mean of those of folds
    if row["metric"] == "accuracy":
        over["pooled"] = pooled
    over["folds"] = {
        fold: {row["metric"]: scores[fold], "records": records[fold]} for fold in folds
    }
    return over


def folds_table(methods: Sequence[MethodRow]) -> Table:
    """Each fold with what each method makes of it, then all of their records together."""
    words = [row["method"] for row in methods]
    table = plain_table("fold", "records", *words, right=("records", *words))
    for fold, own in methods[0]["folds"].items():
        scores = (decimals(row["folds"][fold][row["metric"]]) for row in methods)
        table.add_row(fold, f"{own['records']:,}", *scores)
    pooled = (decimals(row["pooled"]) if "pooled" in row else "-" for row in methods)
    table.add_row("all records", f"{methods[0]['records']:,}", *pooled)
    return table
