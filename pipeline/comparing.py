"""Methods of training side by side: one recipe, one stream of records, and one table of what each
method makes of them, on its test split or over folds.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from ..schemas.disk import write_bytes
from ..schemas.errors import InputError, RecipeError, nearest
from ..schemas.index import read_shard_set
from ..schemas.layout import RunFolder
from ..schemas.plain_text import WITHOUT_TERMINAL, plain_table, render_text
from ..schemas.recipe import Recipe, load_recipe
from . import folds
from .folds import MethodRow
from .plan import Plan, make_plan
from .progress import Progress
from .run import run

if TYPE_CHECKING:
    from ..stages.train.evaluation.evaluate import Evaluation
    from ..stages.train.options import TrainOptions

AS_IT_IS = "recipe"


class Comparison(TypedDict):
    """``compare.json``, or ``folds.json``, which names its folds. methods: in the order in which
    they were asked for. left_out: method -> why it was not tried.
    """

    recipe: str
    seeds: int
    folds: NotRequired[list[str]]
    metric: str
    methods: list[MethodRow]
    left_out: dict[str, str]


def compare(
    recipe_path: Path,
    methods: Sequence[str],
    seeds: int,
    out: Path | None,
    overrides: Sequence[str],
    progress: Progress,
    over_folds: bool = False,
) -> Comparison:
    """Train a recipe with each of these methods and seeds; what an earlier comparison finished is
    not done again.

    methods: names of ``modalmill methods``, ``recipe`` for the recipe as it is, ``all`` for all of
    them. Writes ``compare.json`` and ``compare.txt`` into the recipe's output folder. over_folds:
    train once for each fold, on the other ones, and test on it; ``folds.json`` and ``folds.txt``.
    """
    from ..stages.train.loop.log import seconds_trained
    from ..stages.train.loop.loop import train

    recipe, root = load_recipe(recipe_path, overrides)
    if recipe.train is None:
        raise InputError(f"{recipe_path}: has no train section; there is nothing to compare")
    target = out or Path("out") / recipe.name
    chosen, left_out = _options(recipe.train, methods)
    plan = make_plan if not over_folds else _plan_of_folds
    run(plan(recipe, root, "shard", where=str(recipe_path)), target, progress=progress)
    shards = RunFolder(target).shards
    found = folds.folds_of(shards, next(iter(chosen.values())), progress) if over_folds else [""]
    rows = []
    for word, options in chosen.items():
        reports: list[Evaluation] = []
        seconds: list[float] = []
        try:
            for fold, seed in itertools.product(found, range(recipe.seed, recipe.seed + seeds)):
                name = f"{fold}-seed{seed}" if fold else f"seed{seed}"
                folder = RunFolder(target).compare / word / name
                progress.line(f"compare: {word}, {fold + ', ' if fold else ''}seed {seed}")
                own = options
                if fold:
                    own = folds.without(fold, found, options, read_shard_set(shards))
                report = train(own, shards, folder, seed, progress.line, progress.watch)
                if fold:
                    report = folds.tested_on(fold, report, folder, shards)
                    told = f"{report['metric']} {report['all']:.3f}"
                    progress.line(f"compare: {word}, on {fold}: {told}")
                reports.append(report)
                seconds.append(seconds_trained(folder))
            row = _row(word, reports, seconds)
            rows.append(folds.over_folds(found, row, reports) if over_folds else row)
        # torch has RuntimeErrors for all that goes wrong on a device
        except (InputError, RuntimeError) as error:
            left_out[word] = str(error).splitlines()[0] if str(error) else type(error).__name__
            progress.line(f"compare: {word}: {left_out[word]}")
    comparison: Comparison = {
        "recipe": str(recipe_path),
        "seeds": seeds,
        "folds": found,
        "metric": rows[0]["metric"] if rows else "",
        "methods": rows,
        "left_out": left_out,
    }
    if not over_folds:
        del comparison["folds"]
    name = "folds" if over_folds else "compare"
    write_bytes(
        target / f"{name}.json",
        (json.dumps(comparison, indent=1, ensure_ascii=False) + "\n").encode(),
    )
    write_bytes(
        target / f"{name}.txt", (compare_text(comparison, WITHOUT_TERMINAL) + "\n").encode()
    )
    return comparison


def _plan_of_folds(recipe: Recipe, root: Path, until: str, where: str) -> Plan:
    """The plan of a recipe whose splits are folds, whatever it trains on when it is run."""
    assert recipe.train is not None
    changed = recipe.model_copy(update={"train": folds.planned(recipe.train)})
    try:
        plan = make_plan(changed, root, until, where=where)
    except RecipeError as error:
        raise RecipeError(folds.plan_mistakes(error.problems), where=where) from error
    return dataclasses.replace(plan, recipe=recipe)


def _options(
    section: Mapping[str, object], methods: Sequence[str]
) -> tuple[dict[str, TrainOptions], dict[str, str]]:
    """The options of each method over those of the recipe, and why the others of ``all`` cannot be
    tried.
    """
    from ..stages.train.methods.presets import METHODS
    from ..stages.train.options import parse_options, with_method

    everything = [AS_IT_IS, *METHODS]
    words = everything if "all" in methods else list(dict.fromkeys(methods))
    if not words:
        raise RecipeError(["--methods: wanted names by commas, found none"], where="compare")
    wrong = [
        f"--methods: no such method {word!r}{nearest(word, everything)}"
        for word in words
        if word not in everything
    ]
    chosen: dict[str, TrainOptions] = {}
    left_out: dict[str, str] = {}
    for word in words if not wrong else ():
        options, problems = parse_options(
            section if word == AS_IT_IS else with_method(section, word)
        )
        if options is not None:
            chosen[word] = options
        elif "all" in methods and word != AS_IT_IS:
            left_out[word] = "; ".join(problems)
        else:
            wrong += [f"{word}: {problem}" for problem in problems]
    if wrong:
        raise RecipeError(wrong, where="compare")
    return chosen, left_out


def _row(word: str, reports: Sequence[Evaluation], seconds: Sequence[float]) -> MethodRow:
    """One method over its seeds, with the seconds that each was trained. Means, and the standard
    deviation of the metric with everything shown.
    """
    metric = reports[0]["metric"]
    everything = max(
        reports[0]["subsets"], key=lambda name: name.count("+") + (name != "(nothing)")
    )
    subsets = [name for name in reports[0]["subsets"] if name != "(nothing)"]
    by_subset = {
        name: statistics.fmean(report["subsets"][name][metric] for report in reports)
        for name in reports[0]["subsets"]
    }
    worst = min(subsets, key=lambda name: by_subset[name])
    calibration = [
        report["subsets"][everything]["ece"]
        for report in reports
        if "ece" in report["subsets"][everything]
    ]
    scores = [report["all"] for report in reports]
    return {
        "method": word,
        "metric": metric,
        "all": statistics.fmean(scores),
        "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
        "mean_of_subsets": statistics.fmean(by_subset[name] for name in subsets),
        "worst": by_subset[worst],
        "worst_subset": worst,
        "loss": statistics.fmean(report["subsets"][everything]["loss"] for report in reports),
        "ece": statistics.fmean(calibration) if len(calibration) == len(reports) else None,
        "subsets": by_subset,
        "commonest_answer": reports[0]["commonest_answer"],
        "parameters": reports[0]["parameters"],
        "seconds": statistics.fmean(seconds),
    }


def compare_text(found: Comparison, columns: int | None = None) -> str:
    """The comparison as a table, the best first, in so many columns of text or those of the
    terminal.
    """
    rows = sorted(found["methods"], key=lambda row: -row["all"])
    numbers = (found["metric"], "subsets", "worst", "loss", "ece", "parameters", "seconds")
    table = plain_table("method", *numbers, right=numbers)
    of_folds = f"{len(found['folds'])} folds, " if "folds" in found else ""
    over = "; +-: standard deviation over folds" if of_folds else ""
    lines: list[object] = [
        f"{of_folds}{found['seeds']} seed{'s' if found['seeds'] > 1 else ''}; subsets: mean over"
        f" all of them; worst: the worst of them{over}",
        "",
        table,
    ]
    for row in rows:
        spread = "" if row["deviation"] is None else f" +-{row['deviation']:.3f}"
        score = f"{row['all']:.3f}"
        ece = "-" if row["ece"] is None else f"{row['ece']:.3f}"
        means = [f"{row['mean_of_subsets']:.3f}", f"{row['worst']:.3f}", f"{row['loss']:.3f}", ece]
        costs = [f"{row['parameters']:,}", f"{row['seconds']:.1f}"]
        table.add_row(row["method"], score + spread, *means, *costs)
    if rows:
        lines += ["", f"always the commonest answer: {rows[0]['commonest_answer']:.3f}"]
    if of_folds and rows:
        lines += ["", folds.folds_table(rows)]
    lines += [f"not tried: {word}: {why}" for word, why in found["left_out"].items()]
    return render_text(*lines, columns=columns)
