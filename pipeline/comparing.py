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

from ..schemas.disk import read_table, write_bytes
from ..schemas.errors import InputError, RecipeError, nearest
from ..schemas.fingerprint import fingerprint
from ..schemas.index import read_shard_set
from ..schemas.layout import RunFolder
from ..schemas.plain_text import WITHOUT_TERMINAL, decimals, plain_table, render_text
from ..schemas.recipe import Recipe, load_recipe
from ..schemas.record import make_key
from . import folds
from .folds import MethodRow
from .plan import Plan, make_plan
from .progress import Progress
from .run import run
from .variants import PreparedData, Variant, data_of, variants_of

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
    sweeps: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Comparison:
    """Train a recipe with each of these methods and seeds; what an earlier comparison finished is
    not done again.

    methods: names of ``modalmill methods``, ``recipe`` for the recipe as it is, ``all`` for all of
    them. Writes ``compare.json`` and ``compare.txt`` into the recipe's output folder. over_folds:
    train once for each fold, on the other ones, and test on it; ``folds.json`` and ``folds.txt``.
    sweeps, without: the same for each variant of the recipe (``variants_of``). Variants of other
    data are prepared below ``compare/data``; those of the same share them.
    """
    recipe, root = load_recipe(recipe_path, overrides)
    if recipe.train is None:
        raise InputError(f"{recipe_path}: has no train section; there is nothing to compare")
    target = out or Path("out") / recipe.name
    prepared = PreparedData(target, data_of(recipe, root))
    tried, left_out = _tried(
        recipe_path, variants_of(sweeps, without), overrides, methods, over_folds, prepared
    )
    rows: list[MethodRow] = []
    found: list[str] = []
    done: set[Path] = set()
    for own in tried:
        if own.folder not in done:
            if own.folder != target:
                progress.line(f"compare: the data of {own.variant}")
                prepared.lend(own.folder)
            run(own.plan, own.folder, progress=progress)
            done.add(own.folder)
        shards = RunFolder(own.folder).shards
        try:
            found = folds.folds_of(shards, own.options, progress) if over_folds else [""]
            row = _trained(
                own, RunFolder(target), found, seeds, over_folds, progress, bool(sweeps or without)
            )
            rows.append(row)
            if own.variant and own.folder != tried[0].folder and not over_folds:
                first = RunFolder(tried[0].folder).shards
                rows[-1]["on_first"] = _on_first(own, RunFolder(target), first, seeds, rows[0])
        # torch has RuntimeErrors for all that goes wrong on a device
        except (InputError, RuntimeError) as error:
            if over_folds and not found:
                raise
            left_out[own.word] = str(error).splitlines()[0] if str(error) else type(error).__name__
            progress.line(f"compare: {own.word}: {left_out[own.word]}")
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Tried:
    """A method on a variant of the recipe. word: what its row is called. folder: where its data
    are.
    """

    word: str
    variant: str
    recipe: Recipe
    plan: Plan
    folder: Path
    options: TrainOptions


def _tried(
    path: Path,
    variants: Sequence[Variant],
    overrides: Sequence[str],
    methods: Sequence[str],
    over_folds: bool,
    prepared: PreparedData,
) -> tuple[list[_Tried], dict[str, str]]:
    """All that is to be trained, checked before anything is done, and why others of ``all`` cannot
    be tried.
    """
    tried: list[_Tried] = []
    left_out: dict[str, str] = {}
    plan_of = make_plan if not over_folds else _plan_of_folds
    for variant in variants:
        recipe, root = variant.load(path, overrides)
        if recipe.train is None:
            raise InputError(f"{path}: {variant.name}: leaves no train section to compare")
        plan = plan_of(recipe, root, "shard", where=str(path))
        folder = prepared.folder(data_of(recipe, root), variant.name)
        chosen, others = _options(recipe.train, methods)
        for method, options in chosen.items():
            named = [method] if method != AS_IT_IS or not variant.name else []
            word = ", ".join([*named, *([variant.name] if variant.name else [])])
            tried.append(_Tried(word, variant.name, recipe, plan, folder, options))
        for method, why in others.items():
            left_out[", ".join([method, *([variant.name] if variant.name else [])])] = why
    return tried, left_out


def _trained(
    tried: _Tried,
    target: RunFolder,
    found: Sequence[str],
    seeds: int,
    over_folds: bool,
    progress: Progress,
    is_varied: bool,
) -> MethodRow:
    """One method on one variant, trained with each seed on each fold, and its row."""
    from ..stages.train.loop.log import seconds_trained
    from ..stages.train.loop.loop import train

    shards = RunFolder(tried.folder).shards
    reports: list[Evaluation] = []
    seconds: list[float] = []
    first = tried.recipe.seed
    for fold, seed in itertools.product(found, range(first, first + seeds)):
        name = f"{fold}-seed{seed}" if fold else f"seed{seed}"
        folder = _folder_of(tried, target) / name
        progress.line(f"compare: {tried.word}, {fold + ', ' if fold else ''}seed {seed}")
        own = tried.options
        if fold:
            own = folds.without(fold, found, own, read_shard_set(shards))
        report = train(own, shards, folder, seed, progress.line, progress.watch)
        if fold:
            report = folds.tested_on(fold, report, folder, shards)
            told = f"{report['metric']} {decimals(report['all'])}"
            progress.line(f"compare: {tried.word}, on {fold}: {told}")
        reports.append(report)
        seconds.append(seconds_trained(folder))
    row = _row(tried.word, reports, seconds)
    if is_varied:
        row["tested"] = reports[0]["records_with_target"]
        row["test_records"] = _keys_of(shards, reports[0]["split"])
    return folds.over_folds(found, row, reports) if over_folds else row


def _on_first(
    tried: _Tried, target: RunFolder, shards: Path, seeds: int, first: MethodRow
) -> float | None:
    """The mean score on the test records of the first variant: models of other data are compared
    there. None where the model cannot read them, or was trained on one of them.
    """
    from ..stages.train.data.inputs import chosen_split
    from ..stages.train.evaluation.evaluate import evaluate_saved
    from ..stages.train.model import checkpoint

    split = chosen_split(shards)
    own = RunFolder(tried.folder).shards
    if set(_keys_in(shards, split)) & set(_keys_in(own, tried.options.train_split)):
        return None
    scores = []
    for seed in range(tried.recipe.seed, tried.recipe.seed + seeds):
        best = _folder_of(tried, target) / f"seed{seed}" / "best.pt"
        try:
            report = evaluate_saved(checkpoint.load(best), shards, split)
        except InputError:
            return None
        if report["metric"] != first["metric"]:
            return None
        scores.append(report["all"])
    return statistics.fmean(scores)


def _folder_of(tried: _Tried, target: RunFolder) -> Path:
    """Where the trainings of a method on a variant lie."""
    return target.compare / (make_key(tried.word) if tried.variant else tried.word)


def _keys_of(shards: Path, split: str) -> str:
    """A fingerprint of the records of a split: whether two models were tested on the same."""
    return fingerprint(sorted(_keys_in(shards, split)))


def _keys_in(shards: Path, split: str) -> list[str]:
    return [
        key
        for shard in read_shard_set(shards).shards
        if shard.split in split.split("+")
        for key in read_table(shards / f"{shard.name}.arrow")["key"].to_pylist()
    ]


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


def _of_variants(rows: Sequence[MethodRow]) -> list[object]:
    """What to hold of the first of several variants: whether the others are clearly below it, and
    whether all were tested on the same records.
    """
    if len(rows) < 2 or not any("tested" in row for row in rows):
        return []
    best, *others = rows
    line = f"best: {best['method']}, {decimals(best['all'])}"
    if best["deviation"] is None:
        line += "; with one seed nobody knows what chance did (--seeds 3)"
    else:
        near = [
            row["method"]
            for row in others
            if best["all"] - row["all"] <= best["deviation"] + (row["deviation"] or 0.0)
        ]
        line += f"; within the deviations of it: {'; '.join(near)}" if near else "; clearly"
    lines: list[object] = [line]
    if len({row.get("test_records") for row in rows}) > 1:
        table = plain_table(
            "variant", "tested", "on the first's", right=("tested", "on the first's")
        )
        lines += [
            "",
            "Not all were tested on the same records, for their data are others; so scores say as"
            " much of the records as of the models. On the test records of the first that was tried"
            " (-: the model was trained on some of them, or cannot read them):",
            "",
            table,
        ]
        for row in rows:
            own = row.get("on_first", row["all"])
            told = "-" if own is None else decimals(own)
            table.add_row(row["method"], f"{row.get('tested', 0):,}", told)
    return lines


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
        spread = "" if row["deviation"] is None else f" +-{decimals(row['deviation'])}"
        score = decimals(row["all"])
        ece = "-" if row["ece"] is None else decimals(row["ece"])
        means = [
            decimals(row["mean_of_subsets"]),
            decimals(row["worst"]),
            decimals(row["loss"]),
            ece,
        ]
        costs = [f"{row['parameters']:,}", f"{row['seconds']:.1f}"]
        table.add_row(row["method"], score + spread, *means, *costs)
    if rows:
        lines += ["", f"always the commonest answer: {decimals(rows[0]['commonest_answer'])}"]
        lines += _of_variants(rows)
    if of_folds and rows:
        lines += ["", folds.folds_table(rows)]
    lines += [f"not tried: {word}: {why}" for word, why in found["left_out"].items()]
    return render_text(*lines, columns=columns)
