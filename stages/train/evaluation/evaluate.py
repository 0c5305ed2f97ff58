"""Evaluation for every subset of the modalities: what the model still knows when some are missing.

Each part of each record is encoded once; the 2^M subsets are decided from the same encodings. A row
counts for a subset with the parts that the subset shows and the record has; a row that has none of
them is answered from the learned prior, and counts too.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np

from ....schemas.index import read_shard_set
from ....schemas.json_value import JsonValue
from ....schemas.plain_text import WITHOUT_TERMINAL, decimals, plain_table, render_text
from ...stream import Stream
from ..data.inputs import chosen_split, shards_of, targets_of
from ..data.subsets import largest_first, size_of, subset_name
from ..metrics.metric import metrics_of
from ..metrics.statistics import ECE_BINS, calibration_error, confidence_bins
from ..metrics.vqa_tables import VqaTables
from ..model import checkpoint
from ..model.objectives.objective import Scored, Targets
from .captions import CaptionReport, Sentences
from .draw_evaluation import draw_evaluation
from .views import Survey, survey_subsets
from .write import write_report

_SHOWN = 5
_MOST_CLASSES = 200
_WORST = 12


class Confusion(TypedDict):
    """``counts[right][answered]``, by the numbers of the classes."""

    classes: list[str]
    counts: list[list[int]]


class _WithConfusion(TypedDict, total=False):
    confusion: Confusion


class ReliabilityBin(TypedDict):
    """The records whose confidence lies in [low, high): how many, and the means of their confidence
    and score.
    """

    low: float
    high: float
    records: int
    confidence: float
    score: float


class Reliability(TypedDict):
    """Confidence against score, with all parts shown. metric: of the score of a record. ece: the
    expected calibration error. bins: those that hold records, from the least confident on.
    """

    metric: str
    ece: float
    bins: list[ReliabilityBin]


class _WithReliability(TypedDict, total=False):
    reliability: Reliability


class Worst(TypedDict):
    """A record that was answered badly: its loss, what is right and what was answered.
    confidence: None where answers are numbers.
    """

    key: str
    loss: float
    right: JsonValue
    answered: JsonValue
    confidence: float | None


class _WithUnknown(TypedDict, total=False):
    unknown_targets: int


class _WithUndefined(TypedDict, total=False):
    metric_undefined: str


class OfTraining(TypedDict, total=False):
    """What training adds: its run, the model's parameters, and whether the best epoch was chosen on
    the split that is evaluated, or the model even trained on it.
    """

    run: str
    parameters: int
    chosen_on_this_split: bool
    trained_on_this_split: bool


class Evaluation(
    CaptionReport,
    VqaTables,
    _WithConfusion,
    _WithReliability,
    _WithUndefined,
    _WithUnknown,
    OfTraining,
):
    """What ``evaluation.json`` says.

    metric: the one that heads the tables. metric_undefined: the one that was wanted, where the rows
        do not define it.
    unknown_targets: records whose target is none of the model's answers, where there are some.
    present: part -> records that have it. presence: pattern -> records. subsets: parts shown ->
        means over rows. all: of all parts. best_single: ``part``, and its metric by its name.
    worst: the records of the largest loss with all parts shown, the worst first.
    """

    split: str
    task: str
    target: str
    metric: str
    records: int
    records_with_target: int
    present: dict[str, int]
    presence: dict[str, int]
    subsets: dict[str, dict[str, float]]
    all: float
    best_single: dict[str, str | float]
    commonest_answer: float
    worst: list[Worst]
    shards: str


def evaluate(path: Path, shards: Path, split: str = "") -> Evaluation:
    """The report on a checkpoint and a folder of shards; see :func:`evaluate_saved`."""
    folder = shards_of(shards)
    return evaluate_saved(checkpoint.load(path), folder, chosen_split(folder, split))


def evaluate_saved(
    saved: checkpoint.Saved, shards: Path, split: str, of_training: OfTraining | None = None
) -> Evaluation:
    """Metric, loss, calibration and numbers of rows for every subset of the model's parts, the best
    single part, and the commonest answer.
    """
    options, objective = saved.options, saved.objective
    names = saved.inputs.names
    stream = saved.inputs.open(shards, split, rank=0, world=1)
    sentences = Sentences(saved)
    wanted = options.metric or objective.metric
    metrics = {
        name: definition
        for name, definition in metrics_of(options.task).items()
        if name == wanted or not definition.needs_probability
    }
    surveyed = survey_subsets(saved, sentences.through(stream), metrics=metrics)
    results = {name: surveyed.summary(name, objective.metric) for name in surveyed.views}
    # undefined for a single subset, it would leave a gap in the table
    metric = wanted if all(wanted in result for result in results.values()) else objective.metric
    singles = {name: results[name][metric] for name in names}
    best = max(singles, key=lambda name: singles[name])
    patterns = Counter(subset_name(names, row) for row in surveyed.there.tolist())
    everything = subset_name(names, (True,) * len(names))
    added: OfTraining = of_training or {}
    scored = _scored(saved, shards, stream, surveyed)
    count = int(((surveyed.weight > 0) & (surveyed.known <= 0)).sum())
    unknown: _WithUnknown = {"unknown_targets": count} if count else {}
    undefined: _WithUndefined = {"metric_undefined": wanted} if metric != wanted else {}
    return {
        "split": split,
        "task": options.task,
        "target": options.target,
        "metric": metric,
        **undefined,
        "records": len(surveyed.keys),
        "records_with_target": int(surveyed.weight.sum()),
        **unknown,
        "present": dict(zip(names, surveyed.there.sum(0).tolist(), strict=True)),
        "presence": dict(sorted(patterns.items(), key=lambda item: (-item[1], item[0]))),
        "subsets": results,
        "all": results[everything][metric],
        "best_single": {"part": best, metric: singles[best]},
        "commonest_answer": _commonest(saved, surveyed, metric),
        **_confusion(saved, surveyed, everything),
        **_reliability(saved, surveyed, everything),
        "worst": _worst(saved, surveyed, everything, scored),
        "shards": stream.index.fingerprint,
        **sentences.report(),
        **objective.breakdown(scored),
        **added,
    }


def _scored(saved: checkpoint.Saved, shards: Path, stream: Stream, surveyed: Survey) -> Scored:
    """The answers with every part shown, and where their targets are to be had."""

    @functools.cache
    def asked() -> dict[str, Mapping[str, JsonValue]]:
        keys = stream.index.keys(range(len(stream.index)))
        return dict(zip(keys, targets_of(stream), strict=True))

    def trained() -> Targets | None:
        split = saved.options.train_split
        if not read_shard_set(shards).records_of(split):
            return None
        return targets_of(saved.inputs.open(shards, split, rank=0, world=1))

    everything = surveyed.views[subset_name(saved.inputs.names, (True,) * len(saved.inputs.names))]
    return Scored(surveyed.keys, everything.score, surveyed.weight, asked, trained)


def _commonest(saved: checkpoint.Saved, surveyed: Survey, metric: str) -> float:
    """The metric of always answering what is likeliest without any input."""
    if metric not in surveyed.metrics or surveyed.truth is None:
        return float((surveyed.prior * surveyed.weight).sum() / max(surveyed.weight.sum(), 1e-9))
    prior = saved.objective.prior()[None]
    answer, probability = (
        saved.objective.chosen(prior).numpy(),
        saved.objective.meant(prior).numpy(),
    )
    rows = len(surveyed.keys)
    return surveyed.metrics[metric].of(
        surveyed.rows(answer.repeat(rows, axis=0), probability.repeat(rows, axis=0))
    )


def _confusion(saved: checkpoint.Saved, surveyed: Survey, view: str) -> _WithConfusion:
    """How often each class was answered for each, where they are few:
    ``counts[right][answered]``.
    """
    classes = saved.objective.classes or []
    if (
        surveyed.truth is None
        or not 2 <= len(classes) <= _MOST_CLASSES
        or saved.objective.link != "softmax"
    ):
        return {}
    rows = surveyed.rows(surveyed.views[view].answer)
    counts = np.zeros((len(classes), len(classes)), int)
    is_known = rows.truth >= 0
    np.add.at(counts, (rows.truth[is_known].astype(int), rows.answer[is_known].astype(int)), 1)
    return {"confusion": {"classes": list(classes), "counts": counts.tolist()}}


def _reliability(saved: checkpoint.Saved, surveyed: Survey, view: str) -> _WithReliability:
    """Confidence against score; nothing where answers are numbers, or no row has a target."""
    answers = surveyed.views[view]
    if np.isnan(answers.confidence).any() or not surveyed.weight.any():
        return {}
    asked = answers.confidence, answers.score, surveyed.weight
    records, confidence, score = confidence_bins(*asked)
    bins: list[ReliabilityBin] = [
        {
            "low": place / ECE_BINS,
            "high": (place + 1) / ECE_BINS,
            "records": round(float(records[place])),
            "confidence": float(confidence[place]),
            "score": float(score[place]),
        }
        for place in np.flatnonzero(records).tolist()
    ]
    metric = saved.objective.metric
    return {"reliability": {"metric": metric, "ece": calibration_error(*asked), "bins": bins}}


def _worst(saved: checkpoint.Saved, surveyed: Survey, view: str, scored: Scored) -> list[Worst]:
    """The records of the largest loss, of those whose target training knew."""
    answers, target = surveyed.views[view], saved.options.target
    known = np.flatnonzero((surveyed.weight > 0) & (surveyed.known > 0))
    order = sorted(known.tolist(), key=lambda row: (-answers.loss[row], surveyed.keys[row]))
    rows = order[:_WORST]
    targets = scored.asked() if rows else {}
    return [
        {
            "key": surveyed.keys[row],
            "loss": float(answers.loss[row]),
            "right": targets[surveyed.keys[row]].get(target),
            "answered": _in_words(saved, answers.answer[row]),
            "confidence": None
            if np.isnan(answers.confidence[row])
            else float(answers.confidence[row]),
        }
        for row in rows
    ]


def _in_words(saved: checkpoint.Saved, answer: np.ndarray) -> JsonValue:
    """An answer as its class, its labels, or its number."""
    classes = saved.objective.classes
    if classes is None:
        return float(answer)
    if answer.ndim:
        return [name for name, is_said in zip(classes, answer, strict=True) if is_said]
    return classes[int(answer)]


def _unknown_text(count: int) -> list[str]:
    """A line where targets were never trained on."""
    if not count:
        return []
    return [
        f"{count:,} of them have a target that is none of the model's answers, for training had no"
        " such one: they count as wrong, and losses leave them out"
    ]


def table_text(report: Evaluation, brief: bool = False, columns: int | None = None) -> str:
    """The report as a table, the most parts first, in so many columns of text or those of the
    terminal. ``brief``: all parts, all but one, each alone, and none.
    """
    metric = report["metric"]
    numbers = (metric, "loss", "ece", "rows")
    table = plain_table("parts shown", *numbers, right=numbers)
    lines: list[object] = [
        f"{report['target']} on split {report['split']}: {report['records_with_target']:,}"
        " records with a target",
        *_unknown_text(report.get("unknown_targets", 0)),
        table,
    ]
    most = max(map(size_of, report["subsets"]))
    for name in largest_first(report["subsets"]):
        value = report["subsets"][name]
        if not brief or size_of(name) >= most - 1 or size_of(name) <= 1:
            ece = decimals(value["ece"]) if "ece" in value else "-"
            shown = (decimals(value[metric]), decimals(value["loss"]), ece)
            table.add_row(name, *shown, f"{value['rows_with_any']:,}")
    for name, of_kind in (
        ("answer type", report.get("by_answer_type", {})),
        ("question type", report.get("by_question_type", {})),
    ):
        cells = list(of_kind.items())[: None if not brief else _SHOWN]
        if cells:
            kinds = plain_table(name, "accuracy", "questions", right=("accuracy", "questions"))
            lines += ["", f"by {name}, all parts shown", kinds]
            for kind, own in cells:
                kinds.add_row(kind or "(none)", decimals(own["accuracy"]), f"{own['questions']:,}")
    if "captions" in report:
        cell = report["captions"]
        lines += [
            "",
            f"sentences for {cell['target']}: BLEU-4 {decimals(cell['bleu4'])}, {cell['same']:.0%}"
            f" word for word, of {cell['records']:,}",
        ]
    if "metric_undefined" in report:
        lines.append(
            f"{report['metric_undefined']} is not defined by the rows of this split; {metric}"
            " stands in its place"
        )
    whole = report["subsets"][max(report["subsets"], key=size_of)]
    others = [name for name in metrics_of(report["task"]) if name in whole and name != metric]
    lines += (
        ["all parts shown: " + ", ".join(f"{name} {decimals(whole[name])}" for name in others)]
        if others
        else []
    )
    return render_text(*lines, summary_text(report), columns=columns)


def summary_text(report: Evaluation) -> str:
    """The report in one line."""
    single = report["best_single"]
    return (
        f"all parts {decimals(report['all'])}, best single part {single['part']}"
        f" {decimals(float(single[report['metric']]))},"
        f" always the commonest answer {decimals(report['commonest_answer'])}"
        + (
            " (the best epoch was chosen on this split)"
            if report.get("chosen_on_this_split")
            else ""
        )
        + (" (the model was trained on this split)" if report.get("trained_on_this_split") else "")
        + (
            f", by type of question alone {decimals(report['question_type_prior'])}"
            if "question_type_prior" in report
            else ""
        )
    )


def write_evaluation(report: Evaluation, out: Path, name: str = "evaluation") -> None:
    """Write ``evaluation.json``, ``evaluation.txt`` and, where matplotlib is installed,
    ``evaluation.png``, or files of another name.
    """
    text = table_text(report, columns=WITHOUT_TERMINAL)
    write_report(out, name, report, text, lambda: draw_evaluation(report))
