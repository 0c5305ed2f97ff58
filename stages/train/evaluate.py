"""Evaluation for every subset of the modalities: what the model still knows when some are missing.

Each part of each record is encoded once; the 2^M subsets are decided from the same encodings. A row counts for a subset with the parts that
the subset shows and the record has; a row that has none of them is answered from the learned prior, and counts too.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import torch

from ...schemas.errors import InputError, nearest
from ...schemas.index import read_shard_set
from . import checkpoint
from .data import completed, describe_subset, open_split

MOST_PARTS = 8


def evaluate(path: Path, shards: Path, split: str = "") -> dict[str, Any]:
    """The report on a checkpoint and a folder of shards; see :func:`evaluate_saved`."""
    saved = checkpoint.load(path)
    splits = read_shard_set(shards).splits()
    if split and split not in splits:
        raise InputError(f"--split {split}: no such split{nearest(split, splits)}")
    chosen = split or next((name for name in ("test", "val", "train") if name in splits), next(iter(splits)))
    folder = shards if (shards / "shards.json").is_file() else shards / "shards"
    return evaluate_saved(saved, folder, folder.parent / "features", chosen)


@torch.no_grad()
def evaluate_saved(saved: checkpoint.Saved, shards: Path, features: Path, split: str) -> dict[str, Any]:
    """Metric, loss and numbers of rows for every subset of the model's parts, the best single part, and the commonest answer."""
    options, objective, model = saved.options, saved.objective, saved.model
    names = tuple(options.inputs)
    if len(names) > MOST_PARTS:
        raise InputError(f"{len(names)} inputs make {2 ** len(names)} subsets; at most {MOST_PARTS} inputs are evaluated in full")
    subsets = [
        tuple(subset) for subset in sorted(itertools.product((False, True), repeat=len(names)), key=lambda some: (sum(some), [not x for x in some]))
    ]
    stream = open_split(options, shards, features, split, 0, saved.modalities, saved.vocabularies, training=False)
    sums = {subset: [0.0, 0.0, 0.0] for subset in subsets}
    prior = [0.0, 0.0]
    counts = torch.zeros(len(names), dtype=torch.int64)
    patterns: dict[str, int] = {}
    for raw in stream:
        batch = completed(raw, options, saved.modalities, saved.about["dims"])
        targets = batch.targets()
        encoded, has_class = objective.encode(targets)
        tokens, masks = model.encode(batch)
        counts += (batch.present_BM & (batch.weight_B > 0)[:, None]).sum(0)
        for row in batch.present_BM[batch.weight_B > 0].tolist():
            patterns[describe_subset(names, row)] = patterns.get(describe_subset(names, row), 0) + 1
        for subset in subsets:
            shown_BM = batch.present_BM & torch.tensor(subset)
            logits = model.decide(tokens, masks, shown_BM)
            score, weight = objective.score(logits, targets)
            weight = weight * batch.weight_B
            sums[subset][0] += float((score * weight).sum())
            sums[subset][1] += float((objective.loss(logits, encoded) * has_class * weight).sum())
            sums[subset][2] += float((shown_BM.any(1) * weight).sum())
        common = objective.prior()[None].expand(len(batch), -1)
        score, weight = objective.score(common, targets)
        prior[0] += float((score * weight * batch.weight_B).sum())
        prior[1] += float((weight * batch.weight_B).sum())
    rows = max(prior[1], 1e-9)
    results = {
        describe_subset(names, subset): {objective.metric: value[0] / rows, "loss": value[1] / rows, "rows_with_any": int(value[2])}
        for subset, value in sums.items()
    }
    if not all(math.isfinite(number) for value in results.values() for number in value.values()):
        raise InputError("the model's outputs are no finite numbers; train again with a lower learning_rate")
    singles = {name: results[name][objective.metric] for name in names}
    best = max(singles, key=lambda name: singles[name])
    return {
        "split": split,
        "task": options.task,
        "target": options.target,
        "metric": objective.metric,
        "records": len(stream.index),
        "records_with_target": int(prior[1]),
        "present": dict(zip(names, counts.tolist(), strict=True)),
        "presence": dict(sorted(patterns.items(), key=lambda item: (-item[1], item[0]))),
        "subsets": results,
        "all": results[describe_subset(names, (True,) * len(names))][objective.metric],
        "best_single": {"part": best, objective.metric: singles[best]},
        "commonest_answer": prior[0] / rows,
        "shards": stream.index.fingerprint,
    }


def table_text(report: dict[str, Any], brief: bool = False) -> str:
    """The report as a table, the most parts first. ``brief``: all parts, all but one, each alone, and none."""
    metric = report["metric"]
    lines = [
        f"{report['target']} on split {report['split']}: {report['records_with_target']:,} records with a target",
        f"{'parts shown':<44}{metric:>14}{'loss':>10}{'rows':>8}",
    ]
    sizes = {name: name.count("+") + (name != "(nothing)") for name in report["subsets"]}
    most = max(sizes.values())
    for name, value in sorted(report["subsets"].items(), key=lambda item: (-sizes[item[0]], item[0])):
        if not brief or sizes[name] >= most - 1 or sizes[name] <= 1:
            lines.append(f"{name:<44}{value[metric]:>14.3f}{value['loss']:>10.3f}{value['rows_with_any']:>8,}")
    return "\n".join([*lines, summary_text(report)])


def summary_text(report: dict[str, Any]) -> str:
    """The report in one line."""
    single = report["best_single"]
    return (
        f"all parts {report['all']:.3f}, best single part {single['part']} {single[report['metric']]:.3f},"
        f" always the commonest answer {report['commonest_answer']:.3f}"
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
