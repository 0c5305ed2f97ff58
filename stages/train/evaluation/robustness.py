"""How a model stands without some of its parts: every subset, absence by lot, by a field and by the
answer itself, and what each part is worth.

Simulated absence is that of ``data.hiding``: a function of seed, key and part. The report is one
JSON file with a table and a picture beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import nn

from ....schemas.errors import InputError, nearest
from ....schemas.index import read_shard_set
from ....schemas.plain_text import WITHOUT_TERMINAL, decimals, plain_table, render_text
from ...stream import FusionBatch, Stream
from ..data import hiding
from ..data.inputs import chosen_split, shards_of, targets_of
from ..data.presence import MaskProbe
from ..data.subsets import largest_first, subset_name, subsets_of
from ..metrics.statistics import area, bootstrap_means, interval, shapley
from ..model import checkpoint
from ..model.fusion._pool import pooled
from ..model.missing.fill import Mean, Zero
from .draw_robustness import draw_robustness
from .views import Survey, View, survey, survey_subsets
from .watch import Watch, unwatched, watched
from .write import write_report

RATES = (0.0, 0.3, 0.5, 0.7, 0.9)
SEEDS = (0, 1, 2)
_TRAINING_ROWS = 4096


class Difference(TypedDict):
    """The difference of two models' scores, and the middle 95 % of its resampled values."""

    difference: float
    low: float
    high: float


class Against(TypedDict):
    """Another checkpoint, and by view how far this one is above it."""

    checkpoint: str
    views: dict[str, Difference]


class Robustness(TypedDict):
    """What ``robustness.json`` says.

    present: part -> records that have it. subsets: parts shown -> means over rows and the interval
        of the metric, ``low`` to ``high``. none: with nothing shown. worth: part -> Shapley value.
    curves: mechanism -> rate -> metric. areas: under these. mask_only: what presence alone answers.
    worst_subset, complete_rows: with the metric by its name.
    """

    split: str
    target: str
    metric: str
    records: int
    records_with_target: int
    present: dict[str, int]
    subsets: dict[str, dict[str, float]]
    all: float
    none: float
    mean_of_subsets: float
    worst_subset: dict[str, str | float]
    worth: dict[str, float]
    curves: dict[str, dict[float, float]]
    areas: dict[str, float]
    commonest_answer: float
    mask_only: float | None
    best_single: tuple[str, float]
    complete_rows: dict[str, float | None]
    surer_without: dict[str, float] | None
    checkpoint: NotRequired[str]
    against: NotRequired[Against]


def robustness(
    path: Path,
    shards: Path,
    split: str = "",
    field: str = "",
    against: Path | None = None,
    watch: Watch | None = None,
) -> Robustness:
    """The report on a checkpoint and a folder of shards.

    field: a target on whose value absence depends in the mechanism ``field`` (MAR). against:
        another checkpoint, compared by paired bootstrap.
    watch: is given the name of what is done and its unit, and gives a context that takes (done,
        total) meanwhile.
    """
    watch = watch or unwatched
    saved = checkpoint.load(path)
    folder = shards_of(shards)
    split = chosen_split(folder, split)
    report, surveyed = _report(saved, folder, split, field, watch)
    report["checkpoint"] = str(path)
    if against is not None:
        rival = checkpoint.load(against)
        if (rival.options.target, rival.objective.metric) != (
            saved.options.target,
            saved.objective.metric,
        ):
            raise InputError(
                f"--against {against}: answers {rival.options.target!r} and is scored by"
                f" {rival.objective.metric}; {path} is another task"
            )
        with watched(
            rival.inputs.open(folder, split, rank=0, world=1),
            "robustness: the other checkpoint",
            watch,
        ) as batches:
            other = survey_subsets(rival, batches)
        report["against"] = {"checkpoint": str(against), "views": _paired(surveyed, other)}
    return report


def _report(
    saved: checkpoint.Saved, shards: Path, split: str, field: str, watch: Watch
) -> tuple[Robustness, Survey]:
    options, metric = saved.options, saved.objective.metric
    names = saved.inputs.names
    subsets = subsets_of(names)
    stream = saved.inputs.open(shards, split, rank=0, world=1)
    values = {"by answer": _values(stream, options.target)} | (
        {f"by {field}": _values(stream, field)} if field else {}
    )
    fills: dict[str, nn.Module] = {}
    # only a model that leaves gaps empty can be compared with filling them
    if options.missing == "masked":
        fills = {
            "by lot, zeros": Zero(len(names), options.width).eval(),
            "by lot, means": _mean_tokens(saved, shards),
        }
    views = _Views(names, subsets, values, fills)
    with watched(stream, "robustness", watch) as batches:
        surveyed = survey(saved, batches, views)
    results = {name: surveyed.summary(name, metric) for name in surveyed.views}
    means = bootstrap_means(
        np.stack([answers.score for answers in surveyed.views.values()], 1), surveyed.weight
    )
    spans = {name: interval(means[:, place]) for place, name in enumerate(surveyed.views)}
    for name, result in results.items():
        result["low"], result["high"] = spans[name]
    scores = {subsets[name]: results[name][metric] for name in subsets}
    shown = {name: results[name][metric] for name, subset in subsets.items() if any(subset)}
    everything, nothing = (
        subset_name(names, (True,) * len(names)),
        subset_name(names, (False,) * len(names)),
    )
    worst = min(shown, key=lambda name: shown[name])
    curves = {mechanism: _curve(results, mechanism, metric) for mechanism in views.mechanisms}
    whole = surveyed.there.all(1) & (surveyed.weight > 0)
    report: Robustness = {
        "split": split,
        "target": options.target,
        "metric": metric,
        "records": len(surveyed.keys),
        "records_with_target": int(surveyed.weight.sum()),
        "present": dict(zip(names, surveyed.there.sum(0).tolist(), strict=True)),
        "subsets": {name: results[name] for name in subsets},
        "all": results[everything][metric],
        "none": results[nothing][metric],
        "mean_of_subsets": float(np.mean(list(shown.values()))),
        "worst_subset": {"parts": worst, metric: shown[worst]},
        "worth": dict(zip(names, shapley(len(names), lambda subset: scores[subset]), strict=True)),
        "curves": curves,
        "areas": {mechanism: area(curve) for mechanism, curve in curves.items()},
        "commonest_answer": _mean(surveyed.prior, surveyed.weight),
        "mask_only": _from_presence(saved, shards, surveyed),
        "best_single": max(
            ((name, results[name][metric]) for name in names), key=lambda item: item[1]
        ),
        "complete_rows": {
            "rows": int(whole.sum()),
            metric: _mean(surveyed.views[everything].score, whole.astype(float))
            if whole.any()
            else None,
        },
        "surer_without": _surer_without(surveyed, names, subsets),
    }
    return report, surveyed


class _Views:
    """The views of a batch: subsets; absence at every rate by lot, by the answer and by a field;
    and by lot with gaps filled as baselines do.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        subsets: Mapping[str, tuple[bool, ...]],
        values: Mapping[str, Mapping[str, str]],
        fills: Mapping[str, nn.Module],
    ) -> None:
        self.names, self.values = names, values
        self.subsets = {name: torch.tensor(mask) for name, mask in subsets.items()}
        self.high = {
            mechanism: hiding.high_half(0, by_key.values()) for mechanism, by_key in values.items()
        }
        self.fills: dict[str, nn.Module | None] = {"by lot": None, **fills}
        self.mechanisms = [*self.fills, *self.values]

    def __call__(self, batch: FusionBatch) -> list[View]:
        views: list[View] = [(name, shown_M, None) for name, shown_M in self.subsets.items()]
        there_BM = batch.present_BM.numpy()
        for seed in SEEDS:
            # one table for all rates: what is hidden at a lower one stays hidden at a higher one
            table_BM = hiding.table(seed, batch.keys, self.names)
            for rate in RATES:
                shown_BM = torch.from_numpy(hiding.shown(table_BM, there_BM, rate))
                views += [
                    (_name(mechanism, rate, seed), shown_BM, fill)
                    for mechanism, fill in self.fills.items()
                ]
                for mechanism, values in self.values.items():
                    rate_B = hiding.rates_by(
                        [values.get(key, "") for key in batch.keys], self.high[mechanism], rate
                    )
                    views.append(
                        (
                            _name(mechanism, rate, seed),
                            torch.from_numpy(hiding.shown(table_BM, there_BM, rate_B)),
                            None,
                        )
                    )
        return views


@torch.no_grad()
def _mean_tokens(saved: checkpoint.Saved, shards: Path) -> Mean:
    """The mean token of each part over the first rows of the training split; zeros where there is
    no such split.
    """
    options, model = saved.options, saved.model
    mean = Mean(len(options.inputs), options.width)
    if not read_shard_set(shards).records_of(options.train_split):
        return mean.eval()
    total, count, rows = torch.zeros_like(mean.mean_MD), torch.zeros(len(options.inputs)), 0
    with saved.inputs.open(shards, options.train_split, rank=0, world=1) as stream:
        for raw in stream:
            batch = saved.inputs.completed(raw)
            tokens, masks = model.encode(batch)
            here_BM = batch.present_BM & (batch.weight_B > 0)[:, None]
            total += (
                pooled(
                    tokens,
                    [mask_BT & here_BM[:, place, None] for place, mask_BT in enumerate(masks)],
                )
                .float()
                .sum(0)
            )
            count += here_BM.sum(0)
            rows += len(batch)
            if rows >= _TRAINING_ROWS:
                break
    mean.mean_MD.copy_(total / count.clamp(min=1)[:, None])
    return mean.eval()


def _from_presence(saved: checkpoint.Saved, shards: Path, surveyed: Survey) -> float | None:
    """The share of rows that presence alone answers rightly; None for tasks whose answers are no
    classes, and without a training split.
    """
    options = saved.options
    if saved.objective.link != "softmax" or not read_shard_set(shards).records_of(
        options.train_split
    ):
        return None
    with saved.inputs.open(shards, options.train_split, rank=0, world=1) as stream:
        probe = MaskProbe.fitted(stream, options.target)
        # the shards may lack inputs of the model: only the columns that the probe has seen
        columns = [saved.inputs.names.index(name) for name in stream.names]
    classes = saved.objective.classes or []
    numbers = {name: number for number, name in enumerate(classes)}
    # -2 is no class, not even the -1 of one that training did not know
    said = np.array(
        [
            numbers.get(answer or "", -2)
            for answer in probe.answer(surveyed.there[:, columns].tolist())
        ]
    )
    return _mean((said == surveyed.answer).astype(float), surveyed.weight)


def _values(stream: Stream, target: str) -> dict[str, str]:
    """The target of each record by key, as a word; InputError where no record has it."""
    targets = targets_of(stream)
    if not any(target in record for record in targets):
        raise InputError(
            f"--field {target}: no record of this split has"
            f" it{nearest(target, sorted({name for record in targets for name in record}))}"
        )
    keys = stream.index.keys(range(len(targets)))
    return {
        key: json.dumps(record.get(target), sort_keys=True)
        for key, record in zip(keys, targets, strict=True)
    }


def _name(mechanism: str, rate: float, seed: int) -> str:
    return f"{mechanism} {rate} seed {seed}"


def _curve(
    results: Mapping[str, Mapping[str, float]], mechanism: str, metric: str
) -> dict[float, float]:
    return {
        rate: float(np.mean([results[_name(mechanism, rate, seed)][metric] for seed in SEEDS]))
        for rate in RATES
    }


def _mean(values: np.ndarray, weight: np.ndarray) -> float:
    return float((values * weight).sum() / max(weight.sum(), 1e-9))


def _surer_without(
    surveyed: Survey, names: tuple[str, ...], subsets: Mapping[str, tuple[bool, ...]]
) -> dict[str, float] | None:
    """For each part, the share of the rows that have it whose confidence rises when it goes, and by
    how much confidence falls in the mean.

    The share is no fault by itself: a posterior may sharpen when evidence against it goes. The mean
    is to fall.
    """
    by_subset = {subset: name for name, subset in subsets.items()}
    whole = surveyed.views[by_subset[(True,) * len(names)]].confidence
    if np.isnan(whole).any():
        return None
    shares = {}
    for place, name in enumerate(names):
        without = surveyed.views[
            by_subset[tuple(other != place for other in range(len(names)))]
        ].confidence
        has = surveyed.there[:, place] & (surveyed.weight > 0)
        if has.any():
            shares[name] = float((without > whole)[has].mean())
            shares[f"{name}, mean fall"] = float((whole - without)[has].mean())
    return shares


def _paired(own: Survey, other: Survey) -> dict[str, Difference]:
    """For each view both models have: the difference of their scores and the middle 95 % of its
    resampled values.
    """
    if own.keys != other.keys:
        raise InputError(
            "the two models do not answer the same records; compare them on the same shards and"
            " split"
        )
    both = [name for name in own.views if name in other.views and " seed " not in name]
    apart = np.stack([own.views[name].score - other.views[name].score for name in both], 1)
    means = bootstrap_means(apart, own.weight)
    differences: dict[str, Difference] = {}
    for place, name in enumerate(both):
        low, high = interval(means[:, place])
        differences[name] = {
            "difference": _mean(apart[:, place], own.weight),
            "low": low,
            "high": high,
        }
    return differences


def robustness_text(report: Robustness, columns: int | None = None) -> str:
    """The report as tables, in so many columns of text or those of the terminal."""
    metric = report["metric"]
    numbers = (metric, "from", "to", "loss", "brier", "ece", "rows")
    shown = plain_table("parts shown", *numbers, right=numbers)
    lines: list[object] = [
        f"{report['target']} on split {report['split']}: {report['records_with_target']:,}"
        " records with a target; 95 % intervals by bootstrap",
        "",
        shown,
    ]
    for name in largest_first(report["subsets"]):
        cell = report["subsets"][name]
        quality = (decimals(cell["brier"]), decimals(cell["ece"])) if "ece" in cell else ("-", "-")
        values = (cell[metric], cell["low"], cell["high"], cell["loss"])
        told = [decimals(value) for value in values]
        shown.add_row(name, *told, *quality, f"{cell['rows_with_any']:,}")
    rates = [str(rate) for rate in next(iter(report["curves"].values()))]
    hidden = plain_table("share of parts hidden", *rates, "area", right=(*rates, "area"))
    lines += ["", hidden]
    for mechanism, curve in report["curves"].items():
        points = (*curve.values(), report["areas"][mechanism])
        hidden.add_row(mechanism, *(decimals(point) for point in points))
    lines += ["", "what each part is worth (Shapley value; all add up to all parts minus none)"]
    lines += [
        f"  {name:<30}{value:>+8.3f}"
        for name, value in sorted(report["worth"].items(), key=lambda item: -item[1])
    ]
    worst, single, complete = report["worst_subset"], report["best_single"], report["complete_rows"]
    on_complete = complete[metric]
    probe = "-" if report["mask_only"] is None else decimals(report["mask_only"])
    lines += [
        "",
        f"all parts {decimals(report['all'])};"
        f" mean of subsets {decimals(report['mean_of_subsets'])};"
        f" worst {worst['parts']} {decimals(float(worst[metric]))};"
        f" none {decimals(report['none'])}",
        f"best single part {single[0]} {decimals(float(single[1]))}; always the commonest answer"
        f" {decimals(report['commonest_answer'])}; from presence alone {probe}",
        f"rows with every part: {complete['rows']:,}"
        + ("" if on_complete is None else f", {decimals(on_complete)} on them"),
    ]
    if report["surer_without"]:
        shares = {
            name: value
            for name, value in report["surer_without"].items()
            if not name.endswith("mean fall")
        }
        lines.append(
            "surer without: "
            + ", ".join(f"{name} {share:.0%} of rows" for name, share in shares.items())
        )
    if "against" in report:
        apart_by = ("difference", "from", "to")
        compared = plain_table("parts shown", *apart_by, "", right=apart_by)
        lines += ["", f"against {report['against']['checkpoint']} (paired bootstrap)", compared]
        for name, apart in report["against"]["views"].items():
            low, high = apart["low"], apart["high"]
            told = [f"{value:+.3f}" for value in (apart["difference"], low, high)]
            compared.add_row(name, *told, "" if low <= 0 <= high else "*")
    return render_text(*lines, columns=columns)


def write_robustness(report: Robustness, out: Path) -> None:
    """Write ``robustness.json``, ``robustness.txt`` and, where matplotlib is installed,
    ``robustness.png`` into a folder.
    """
    text = robustness_text(report, WITHOUT_TERMINAL)
    write_report(out, "robustness", report, text, lambda: draw_robustness(report))
