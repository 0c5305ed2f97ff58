"""Evaluation for every subset of the modalities: what the model still knows when some are missing.

Each part of each record is encoded once; the 2^M subsets are decided from the same encodings. A row counts for a subset with the parts that
the subset shows and the record has; a row that has none of them is answered from the learned prior, and counts too.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...schemas.errors import InputError, nearest
from ...schemas.index import read_shard_set
from . import checkpoint
from .data import describe_subset, open_split
from .options import MOST_PARTS
from .survey import survey
from .vqa_tables import targets_of, vqa_tables

_SHOWN = 5


def evaluate(path: Path, shards: Path, split: str = "") -> dict[str, Any]:
    """The report on a checkpoint and a folder of shards; see :func:`evaluate_saved`."""
    saved = checkpoint.load(path)
    folder = shards if (shards / "shards.json").is_file() else shards / "shards"
    return evaluate_saved(saved, folder, folder.parent / "features", chosen_split(folder, split))


def chosen_split(shards: Path, split: str) -> str:
    """The split that was asked for, or the last of test, val and train that there is."""
    splits = read_shard_set(shards).splits()
    if split and split not in splits:
        raise InputError(f"--split {split}: no such split{nearest(split, splits)}")
    return split or next((name for name in ("test", "val", "train") if name in splits), next(iter(splits)))


def evaluate_saved(saved: checkpoint.Saved, shards: Path, features: Path, split: str) -> dict[str, Any]:
    """Metric, loss, calibration and numbers of rows for every subset of the model's parts, the best single part, and the commonest answer."""
    options, objective = saved.options, saved.objective
    names = tuple(options.inputs)
    subsets = {describe_subset(names, subset): torch.tensor(subset) for subset in subsets_of(names)}
    stream = open_split(options, shards, features, split, 0, saved.modalities, saved.vocabularies, training=False, rank=0, world=1)
    found = survey(saved, stream, lambda batch: [(name, shown_M, None) for name, shown_M in subsets.items()])
    results = {name: found.summary(name, objective.metric) for name in subsets}
    singles = {name: results[name][objective.metric] for name in names}
    best = max(singles, key=lambda name: singles[name])
    patterns = Counter(describe_subset(names, row) for row in found.there.tolist())
    everything = describe_subset(names, (True,) * len(names))
    more: dict[str, Any] = {}
    if options.task == "vqa" and options.train_split in read_shard_set(shards).splits():
        trained = open_split(options, shards, features, options.train_split, 0, saved.modalities, saved.vocabularies, training=False)
        more = vqa_tables(found, everything, options.target, targets_of(stream), targets_of(trained))
    return {
        "split": split,
        "task": options.task,
        "target": options.target,
        "metric": objective.metric,
        "records": len(found.keys),
        "records_with_target": int(found.weight.sum()),
        "present": dict(zip(names, found.there.sum(0).tolist(), strict=True)),
        "presence": dict(sorted(patterns.items(), key=lambda item: (-item[1], item[0]))),
        "subsets": results,
        "all": results[everything][objective.metric],
        "best_single": {"part": best, objective.metric: singles[best]},
        "commonest_answer": float((found.prior * found.weight).sum() / max(found.weight.sum(), 1e-9)),
        "shards": stream.index.fingerprint,
        **more,
    }


def subsets_of(names: Sequence[str]) -> list[tuple[bool, ...]]:
    """Every subset of the parts, the smallest first; InputError where they are too many to be asked about."""
    if len(names) > MOST_PARTS:
        raise InputError(f"{len(names)} inputs make {2 ** len(names)} subsets; at most {MOST_PARTS} inputs are evaluated in full")
    return sorted(itertools.product((False, True), repeat=len(names)), key=lambda some: (sum(some), [not x for x in some]))


def table_text(report: dict[str, Any], brief: bool = False) -> str:
    """The report as a table, the most parts first. ``brief``: all parts, all but one, each alone, and none."""
    metric = report["metric"]
    lines = [
        f"{report['target']} on split {report['split']}: {report['records_with_target']:,} records with a target",
        f"{'parts shown':<44}{metric:>14}{'loss':>10}{'ece':>8}{'rows':>8}",
    ]
    sizes = {name: name.count("+") + (name != "(nothing)") for name in report["subsets"]}
    most = max(sizes.values())
    for name, value in sorted(report["subsets"].items(), key=lambda item: (-sizes[item[0]], item[0])):
        if not brief or sizes[name] >= most - 1 or sizes[name] <= 1:
            ece = f"{value['ece']:.3f}" if "ece" in value else "-"
            lines.append(f"{name:<44}{value[metric]:>14.3f}{value['loss']:>10.3f}{ece:>8}{value['rows_with_any']:>8,}")
    for name in ("answer_type", "question_type"):
        cells = list(report.get(f"by_{name}", {}).items())[: None if not brief else _SHOWN]
        lines += ["", f"by {name.replace('_', ' ')}, all parts shown"] if cells else []
        lines += [f"  {kind or '(none)':<42}{cell['accuracy']:>14.3f}{cell['questions']:>26,}" for kind, cell in cells]
    return "\n".join([*lines, summary_text(report)])


def summary_text(report: dict[str, Any]) -> str:
    """The report in one line."""
    single = report["best_single"]
    return (
        f"all parts {report['all']:.3f}, best single part {single['part']} {single[report['metric']]:.3f},"
        f" always the commonest answer {report['commonest_answer']:.3f}"
        + (" (the best epoch was chosen on this split)" if report.get("chosen_on_this_split") else "")
        + (f", by type of question alone {report['question_type_prior']:.3f}" if "question_type_prior" in report else "")
    )


def write_report(report: dict[str, Any], out: Path) -> None:
    """Write ``evaluation.json``, ``evaluation.txt`` and, where matplotlib is installed, ``evaluation.png``."""
    (out / "evaluation.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "evaluation.txt").write_text(table_text(report) + "\n", encoding="utf-8")
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return
    names = sorted(report["subsets"], key=lambda name: report["subsets"][name][report["metric"]])
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.28 * len(names)))
    axes.barh(names, [report["subsets"][name][report["metric"]] for name in names], color="#4878a8")
    axes.axvline(report["commonest_answer"], color="#b04040", linestyle="--", label="always the commonest answer")
    axes.set_xlabel(f"{report['metric']} on {report['split']}")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(out / "evaluation.png", dpi=120)
    pyplot.close(figure)
