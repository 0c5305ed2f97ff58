"""The ``modalmill`` command: parse, call, print. No logic lives here, and nothing heavy is imported
before it is needed.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Protocol, TextIO, runtime_checkable

import typer

from . import __version__

if TYPE_CHECKING:
    from .pipeline.result import Result

app = typer.Typer(
    name="modalmill",
    help="From raw multimodal corpora on disk to a trained fusion model, with nothing lost on the"
    " way.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_INTERRUPTED = 130
_STOP_AGAIN_S = 5.0


@runtime_checkable
class _Shown(Protocol):
    """A mistake on the command line, whichever package parses that for typer."""

    exit_code: int

    def show(self) -> None: ...


OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Output folder; out/<recipe's name> where it is not given."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
CheckpointArgument = Annotated[Path, typer.Argument(help="A checkpoint that training wrote.")]
ShardsArgument = Annotated[Path, typer.Argument(help="A folder of shards, or of a run.")]
SplitOption = Annotated[
    str, typer.Option("--split", help="The split; the last of test, val and train that there is.")
]
ImageOption = Annotated[str | None, typer.Option("--image", help="An image file, or part=file.")]
TextOption = Annotated[str | None, typer.Option("--text", help="A text, or part=text.")]
AudioOption = Annotated[str | None, typer.Option("--audio", help="A sound file, or part=file.")]
VideoOption = Annotated[str | None, typer.Option("--video", help="A video file, or part=file.")]
PartOption = Annotated[
    list[str] | None,
    typer.Option(
        "--part", metavar="NAME=VALUE", help="A part of any modality by its name; may be repeated."
    ),
]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    use: Annotated[
        list[Path] | None,
        typer.Option(
            "--use",
            metavar="FILE",
            help="A file of your own stages, modalities, ...; may be repeated. Recipes say use:",
        ),
    ] = None,
) -> None:
    if version:
        _say(f"modalmill {__version__}")
        raise typer.Exit
    if use:
        from .stages import outside

        outside.use(use, keep=True)


RecipeArgument = Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Override a value of the recipe; may be repeated."),
]
EngineOption = Annotated[str, typer.Option("--engine", help="serial, local or dask.")]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Worker processes; all cores where it is not given."),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Address of a dask scheduler, for example tcp://host:8786.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder where your data lie, or one table.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="The recipe to write; FOLDER.yaml in the current folder if not given."
        ),
    ] = None,
) -> None:
    """Look at your data and write a commented recipe for them that runs as it is: sources, joins,
    targets, splits and the task are guessed, and each guess is told.
    """
    from .pipeline.guess.init import init as write_recipe

    _say(write_recipe(folder, out))


@app.command()
def run(
    recipe: RecipeArgument,
    out: OutOption = None,
    set_: SetOption = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")
    ] = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Go on with training where it stopped, or train anew."
        ),
    ] = True,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="Try the recipe on the first N records of each source and their partners.",
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Run a recipe: raw corpora to shards, features and a trained model."""
    target, result = _run(
        recipe, out, set_, until, engine, workers, scheduler, resume, quiet, limit=limit
    )
    from .pipeline.run import is_helper
    from .pipeline.texts import account_text

    if not quiet and not is_helper():
        _say(account_text(result.account))
        if result.training is not None:
            from .stages.train.evaluation.evaluate import table_text

            _say("\n" + table_text(result.training, brief=True) + "\n")
        _say(_next_steps(target, result))


@app.command()
def plan(
    recipe: RecipeArgument,
    out: OutOption = None,
    set_: SetOption = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="STAGE", help="Plan no further than this.")
    ] = None,
) -> None:
    """Tell in seconds what 'run' would do and why, what the sources hold, and what it will cost;
    nothing is written.
    """
    from .pipeline.plan import make_plan
    from .pipeline.preview import preview_text
    from .schemas.recipe import load_recipe

    parsed, root = load_recipe(recipe, set_ or ())
    made = make_plan(parsed, root, until, where=str(recipe))
    _say(preview_text(made, out or Path("out") / parsed.name))


@app.command()
def measure(
    recipe: RecipeArgument,
    out: OutOption = None,
    set_: SetOption = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    quiet: QuietOption = False,
) -> None:
    """Look before deciding: measure all media of a recipe's sources, without its stages, and show
    how their numbers are distributed. A run whose stages read them does not measure them again.
    """
    target, result = _run(
        recipe, out, set_, "measure", engine, workers, scheduler, True, quiet, looks=True
    )
    from .pipeline.texts import account_text, measured_text
    from .schemas.layout import RunFolder

    if not quiet:
        _say(account_text(result.account) + "\n")
        _say(measured_text(target))
        _say(
            f"Each part with its numbers: {RunFolder(target).measured}. What they mean: modalmill"
            " signals. Rules on them: clean.rules in the recipe."
        )


def _run(
    recipe: Path,
    out: Path | None,
    overrides: list[str] | None,
    until: str | None,
    engine: str,
    workers: int | None,
    scheduler: str | None,
    resume: bool,
    quiet: bool,
    looks: bool = False,
    limit: int | None = None,
) -> tuple[Path, Result]:
    """Carry out a recipe; where, as the user says it, and what came of it."""
    # ahead of the imports: whoever sits before a terminal sees at once that something happens
    if not quiet and sys.stderr.isatty():
        _say(f"{recipe}: starting", sys.stderr)
    from .pipeline.engine import early
    from .pipeline.guard import start_early

    if engine == "local" and scheduler is None and os.environ.get("RANK", "0") == "0":
        start_early(early(workers))
    from .pipeline.carry_out import run_recipe
    from .schemas.errors import RecipeError, nearest

    if engine not in ("serial", "local", "dask"):
        raise RecipeError(
            [f"--engine {engine}: no such engine{nearest(engine, ['serial', 'local', 'dask'])}"],
            where="command line",
        )
    result = run_recipe(
        recipe,
        out,
        overrides=overrides or (),
        until=until,
        engine=engine,  # type: ignore[arg-type]  # checked above
        workers=workers,
        scheduler=scheduler,
        resume=resume,
        quiet=quiet,
        limit=limit,
        looks=looks,
    )
    return out or Path(os.path.relpath(result.out)), result


def _given(named: list[str] | None, **parts: str | None) -> dict[str, str]:
    """Modality or part -> what was given for it on the command line."""
    from .schemas.errors import RecipeError

    wrong = [text for text in named or () if "=" not in text]
    if wrong:
        raise RecipeError(
            [f"--part {text}: wanted name=value" for text in wrong], where="command line"
        )
    return {name: value for name, value in parts.items() if value is not None} | dict(
        text.split("=", 1) for text in named or ()
    )


def _next_steps(target: Path, result: Result) -> str:
    from .pipeline.texts import limit_text

    lines = [f"Everything lies in {target}. Next:", f"  modalmill report {target}"]
    if result.account.limit is not None:
        lines.insert(0, f"This was a limited run, {limit_text(result.account.limit)}.")
    whole = result.account.to_dict()
    if whole["rejects_by_reason"] or whole["unmatched"]:
        lines.append(f"  modalmill rejects {target}")
    if result.shards is not None:
        lines.append(f"  modalmill inspect {target}/shards")
    if result.training is not None:
        lines.append(f"  modalmill evaluate {target}/training/best.pt {target}/shards")
    return "\n".join(lines)


@app.command()
def account(
    out: Annotated[Path, typer.Argument(help="Output folder of a run.")], json_: JsonOption = False
) -> None:
    """Print the account of a run; exit 1 when it does not add up."""
    from .pipeline.texts import account_text, read_account

    run_account = read_account(out)
    _say(
        json.dumps(run_account.to_dict(), ensure_ascii=False)
        if json_
        else account_text(run_account)
    )
    if run_account.problems():
        raise typer.Exit(1)


@app.command()
def rejects(
    out: Annotated[Path, typer.Argument(help="Output folder of a run.")],
    stage: Annotated[str | None, typer.Option("--stage", help="Only those of this stage.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Records of each rule to show.")] = 200,
    json_: JsonOption = False,
) -> None:
    """List every record that was rejected, merged or missing, or goes on without its partner: the
    stage, the rule, where it came from.
    """
    from .pipeline.texts import read_rejects, rejects_text

    rows = read_rejects(out, stage)
    _say(json.dumps(rows, ensure_ascii=False) if json_ else rejects_text(rows, n))


@app.command()
def retry(
    out: Annotated[Path, typer.Argument(help="Output folder of a run.")],
    reason: Annotated[
        str, typer.Option("--reason", help="The rule; without it all reasons are listed.")
    ] = "",
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="The recipe; that of OUT where it is not given."),
    ] = None,
    set_: SetOption = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")
    ] = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run again with the records that were rejected for a reason, after you mended files or raised
    a limit: decoder_timeout, file_empty, ...
    """
    from .pipeline.retrying import forget, reasons_text, recipe_in, retried_text
    from .pipeline.texts import account_text, read_account

    if not reason:
        _say(reasons_text(out))
        return
    path, limit = recipe or recipe_in(out), read_account(out).limit
    before = forget(out, reason)
    _, result = _run(path, out, set_, until, engine, workers, None, True, quiet, limit=limit)
    if not quiet:
        _say(account_text(result.account))
        _say(retried_text(out, before, reason))


@app.command()
def verify(
    out: Annotated[Path, typer.Argument(help="Output folder of a run, or its folder of shards.")],
) -> None:
    """Check every shard and index against its checksum; exit 1 when one differs."""
    from .pipeline.verify import verify as check

    files, problems = check(out)
    for problem in problems:
        _say(problem, sys.stderr)
    if problems:
        _say(
            f"{len(problems)} problem{'' if len(problems) == 1 else 's'} in {files} files",
            sys.stderr,
        )
        raise typer.Exit(1)
    _say(f"{files} files are what their checksums say")


@app.command()
def leaks(
    shards: ShardsArgument,
    other: Annotated[
        Path | None,
        typer.Argument(help="Another set: leaks between the two, in place of those among splits."),
    ] = None,
    words: Annotated[
        int, typer.Option(min=1, help="Texts of fewer words are no leak where they are alike.")
    ] = 5,
    similarity: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Texts are near from this share of common runs of three words on (Jaccard), 0.5"
            " to 1; 0 looks for the same words alone.",
        ),
    ] = 0.8,
    json_: JsonOption = False,
) -> None:
    """Look for what splits, or two sets, have in common: media, pictures, recordings, texts,
    groups; exit 1 where there is anything.
    """
    from .pipeline.leaks import find_leaks, leaks_text
    from .pipeline.progress import Progress

    sets = [shards] if other is None else [shards, other]
    with Progress(quiet=json_).step("leaks", "records") as advance:
        shared = find_leaks(sets, words, advance, similarity)
    _say(json.dumps(shared.to_dict(), ensure_ascii=False) if json_ else leaks_text(shared))
    if shared:
        raise typer.Exit(1)


@app.command()
def labels(
    out: Annotated[Path, typer.Argument(help="Output folder of a run.")],
    target: Annotated[
        str,
        typer.Option(
            "--target", help="The label; that of training, or the only one, where none is given."
        ),
    ] = "",
    parts: Annotated[
        str,
        typer.Option("--parts", help="Parts whose features are read, by commas; all there are."),
    ] = "",
    folds: Annotated[int, typer.Option("--folds", min=2, help="Folds of groups.")] = 5,
    top: Annotated[int, typer.Option("--top", min=0, help="Records to show.")] = 20,
    json_: JsonOption = False,
) -> None:
    """Look for labels that are likely wrong: by models of the cached features that never saw the
    record, by names of files, spelling and equal contents; OUT/labels.parquet has each record.
    """
    from .pipeline.labels import find_labels, write_labels
    from .pipeline.labels_text import labels_dict, labels_text
    from .pipeline.progress import Progress

    named = [name.strip() for name in parts.split(",") if name.strip()]
    with Progress(quiet=json_).step("labels", "parts") as advance:
        report = find_labels(out, target, named, folds, advance)
    write_labels(report)
    _say(
        json.dumps(labels_dict(report, top), ensure_ascii=False)
        if json_
        else labels_text(report, top)
    )


@app.command()
def similarity(
    out: Annotated[Path, typer.Argument(help="Output folder of a run.")],
    parts: Annotated[
        str, typer.Option("--parts", help="The two parts, by a comma: image,caption.")
    ],
    top: Annotated[int, typer.Option("--top", min=0, help="Records to show.")] = 10,
    json_: JsonOption = False,
) -> None:
    """How alike two parts of each record are, by the cosine of their cached vectors in one space
    (CLIP, SigLIP, CLAP); OUT/similarity.parquet has each record.
    """
    from .pipeline.similarity import (
        find_similarity,
        similarity_dict,
        similarity_text,
        write_similarity,
    )

    found = find_similarity(out, [name.strip() for name in parts.split(",") if name.strip()])
    write_similarity(found)
    _say(
        json.dumps(similarity_dict(found, top), ensure_ascii=False)
        if json_
        else similarity_text(found, top)
    )


@app.command()
def inspect(
    shards: ShardsArgument,
    n: Annotated[int, typer.Option("-n", min=0, help="Samples to show.")] = 3,
) -> None:
    """Show what a set of shards holds: schema, presence of the modalities, some samples."""
    from .pipeline.texts import inspect_text

    _say(inspect_text(shards, n))


@app.command()
def stages(
    name: Annotated[
        str | None, typer.Argument(help="One of them: what it does and what its options mean.")
    ] = None,
) -> None:
    """List every source, stage and extractor that a recipe can name, or tell all about one."""
    from .pipeline.catalogue import stage_text, stages_text

    _say(stages_text() if name is None else stage_text(name))


@app.command()
def look(
    out: Annotated[Path, typer.Argument(help="Output folder of 'run' or 'measure'.")],
    where: Annotated[
        str, typer.Option("--where", help="A condition: image.dark > 0.5 and fate == 'written'.")
    ] = "",
    by: Annotated[
        str, typer.Option("--by", help="Sort by this number; -image.dark: the largest first.")
    ] = "",
    n: Annotated[int, typer.Option("-n", min=1, help="Records to show.")] = 20,
) -> None:
    """Show records by what was measured of them, kept or not: signals, facts, fate, rule."""
    from .pipeline.looking import look_text

    _say(look_text(out, where, by, n))


@app.command()
def yields(
    out: Annotated[Path, typer.Argument(help="Output folder of 'run' or 'measure'.")],
    if_: Annotated[
        list[str] | None,
        typer.Option("--if", metavar="CONDITION", help="A rule that might be; may be repeated."),
    ] = None,
) -> None:
    """Show what each rule takes, alone and beside others, and what one that you think of would
    take: nothing is run, and nothing decoded.
    """
    from .pipeline.looking import yields_text

    _say(yields_text(out, if_ or ()))


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="Output folder of 'run' or 'measure'.")],
) -> None:
    """Write OUT/report.html: what became of the data, rule by rule, with examples to look at, on
    one page that needs no network.
    """
    from .pipeline.report.page import write_page

    _say(f"report: {write_page(out)}")


@app.command()
def duplicates(
    out: Annotated[Path, typer.Argument(help="Output folder of a run.")],
    of: Annotated[str, typer.Option("--of", help="The set that this record is in.")] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="Pairs of one kind: content, bytes, look-alike, ...")
    ] = "",
    n: Annotated[int, typer.Option("-n", min=1, help="Sets, and pairs of each, to show.")] = 5,
    json_: JsonOption = False,
) -> None:
    """Show what clean.duplicates found records to have in common, pair by pair, kept or merged."""
    from .pipeline.duplicates import duplicates_text, read_duplicates

    pairs = read_duplicates(out, kind, of)
    _say(json.dumps(pairs, ensure_ascii=False) if json_ else duplicates_text(pairs, n))


@app.command()
def signals(
    modality: Annotated[str | None, typer.Argument(help="Those of one modality.")] = None,
) -> None:
    """List what is known and measured of parts, which rules and filters ask for by name."""
    from .pipeline.catalogue import signals_text

    _say(signals_text(modality))


rules = typer.Typer(
    name="rules",
    help="Rules on what was measured.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(rules)


@rules.command()
def suggest(
    out: Annotated[Path, typer.Argument(help="Output folder of 'run' or 'measure'.")],
    deviations: Annotated[
        float,
        typer.Option(
            "--deviations", help="Robust standard deviations from the median that are far."
        ),
    ] = 5.0,
    most: Annotated[
        float,
        typer.Option("--most", help="The largest share of the records that a limit may take."),
    ] = 0.05,
) -> None:
    """Propose limits for all that was measured, where a few records lie far outside of the rest, as
    clean.rules to paste into a recipe, with what each would take: nothing is run or decoded.
    """
    from .pipeline.suggesting import suggestions_text

    _say(suggestions_text(out, deviations, most))


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="A file of your own stages, sources, extractors or modalities.")
    ],
) -> None:
    """Hold the operators of a file to the contract that all others keep; exit 1 where one breaks
    it.
    """
    from .pipeline.checking import check_text

    text, is_kept = check_text(file)
    _say(text)
    if not is_kept:
        raise typer.Exit(1)


@app.command()
def methods(
    name: Annotated[
        str | None,
        typer.Argument(help="One of them: how it works, its options, and how a recipe says it."),
    ] = None,
) -> None:
    """List every method of the training stage, with what it is, where it comes from, and what it
    costs, or tell all about one.
    """
    from .stages.train.methods.texts import method_text, methods_text

    _say(methods_text() if name is None else method_text(name))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the demo writes.")] = Path("demo-out"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the result.")] = False,
) -> None:
    """Make a small raw corpus with planted dirt, run the whole way on it, and show what
    came of it.
    """
    from .demo.demo import demo as run_demo
    from .pipeline.progress import Progress

    _say(run_demo(out, Progress(quiet)))


@app.command()
def evaluate(
    checkpoint: CheckpointArgument,
    shards: ShardsArgument,
    split: SplitOption = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Write evaluation-SPLIT.json, .txt and .png there; OUT/training, for the report.",
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Evaluate a model for every subset of its modalities."""
    from .stages.train.evaluation.evaluate import evaluate as run_evaluation
    from .stages.train.evaluation.evaluate import table_text, write_evaluation

    scores = run_evaluation(checkpoint, shards, split)
    if out is not None:
        write_evaluation(scores, out, f"evaluation-{scores['split']}")
    _say(json.dumps(scores, ensure_ascii=False) if json_ else table_text(scores))


@app.command()
def retrieve(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint whose fusion is common_space or matching.")
    ],
    shards: ShardsArgument,
    split: SplitOption = "",
    json_: JsonOption = False,
) -> None:
    """Find one modality of each record by another: R@1, R@5 and R@10 for every pair."""
    from .stages.train.evaluation.retrieval import retrieval_text
    from .stages.train.evaluation.retrieval import retrieve as run_retrieval

    scores = run_retrieval(checkpoint, shards, split)
    _say(json.dumps(scores, ensure_ascii=False) if json_ else retrieval_text(scores))


@app.command()
def compare(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file with a train section.")],
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Names that 'modalmill methods' lists, by commas; recipe for it as it is (all that"
            " --folds, --sweep and --without train where none is given); or all.",
        ),
    ] = "",
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", min=1, help="Runs of each method, with seeds that follow the recipe's."
        ),
    ] = 1,
    folds: Annotated[
        bool,
        typer.Option(
            "--folds",
            help="Train once for each fold of align.split, on the others, and test on it: mean and"
            " deviation over folds.",
        ),
    ] = False,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="A.B=C,D",
            help="Train with each of these values of an option; several are combined.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="STAGE.OPTION",
            help="Train with a rule and without it (clean.image.max_dark), or a whole stage; may be"
            " repeated, each is left out alone.",
        ),
    ] = None,
    out: OutOption = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="A.B=C", help="Override a value of the recipe; may be repeated."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the table.")] = False,
    json_: JsonOption = False,
) -> None:
    """Train a recipe with several methods on the same records, or over folds of them, and print one
    table of what each makes of them.
    """
    from .pipeline.comparing import compare as run_comparison
    from .pipeline.comparing import compare_text
    from .pipeline.progress import Progress

    words = [word.strip() for word in methods.split(",") if word.strip()]
    varied = bool(sweep or without)
    words = words or ["recipe"] * (folds or varied)
    comparison = run_comparison(
        recipe, words, seeds, out, set_ or (), Progress(quiet), folds, sweep or (), without or ()
    )
    _say(json.dumps(comparison, ensure_ascii=False) if json_ else compare_text(comparison))


@app.command()
def robustness(
    checkpoint: CheckpointArgument,
    shards: ShardsArgument,
    split: SplitOption = "",
    field: Annotated[
        str, typer.Option("--field", help="A target on whose value absence is to depend as well.")
    ] = "",
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Another checkpoint, compared by paired bootstrap."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where the report goes; beside the checkpoint where it is not given."
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Report how a model stands without some of its modalities: every subset, rates and kinds of
    absence, what each is worth.
    """
    from .pipeline.progress import Progress
    from .stages.train.evaluation.robustness import robustness as report_of
    from .stages.train.evaluation.robustness import robustness_text, write_robustness

    report = report_of(checkpoint, shards, split, field, against, Progress(quiet=False).watch)
    write_robustness(report, out or checkpoint.parent)
    _say(json.dumps(report, ensure_ascii=False) if json_ else robustness_text(report))


@app.command()
def predict(
    checkpoint: CheckpointArgument,
    image: ImageOption = None,
    text: TextOption = None,
    audio: AudioOption = None,
    video: VideoOption = None,
    part: PartOption = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="A CSV with a column for each part: files and words. One line of JSON a row.",
        ),
    ] = None,
    shards: Annotated[
        Path | None, typer.Option("--shards", help="A folder of shards. One line of JSON a record.")
    ] = None,
    split: SplitOption = "",
    vqa_results: Annotated[
        bool,
        typer.Option(
            "--vqa-results", help="With --shards: one list in the official format of VQA results."
        ),
    ] = False,
    top: Annotated[int, typer.Option("--top", min=1, help="Answers to show.")] = 5,
    json_: JsonOption = False,
) -> None:
    """Predict from one record, a CSV of records, or shards; any modality may be left out."""
    from .schemas.errors import RecipeError
    from .stages.train.use.predict import Predictor, prediction_text
    from .stages.train.use.predict import vqa_results as as_vqa_results

    parts = _given(part, image=image, text=text, audio=audio, video=video)
    if bool(parts) + (csv is not None) + (shards is not None) > 1:
        raise RecipeError(
            ["wanted one record, --csv or --shards, found more than one of them"],
            where="command line",
        )
    predictor = Predictor(checkpoint, top)
    if csv is None and shards is None:
        prediction = predictor.one(parts)
        _say(json.dumps(prediction, ensure_ascii=False) if json_ else prediction_text(prediction))
        return
    rows = (
        predictor.rows(csv)
        if csv is not None
        else predictor.shards(shards, split)
        if shards is not None
        else iter(())
    )
    if vqa_results:
        _say(json.dumps(as_vqa_results(rows), ensure_ascii=False))
    else:
        for row in rows:
            _say(json.dumps(row, ensure_ascii=False))
    _say(predictor.speed_text(), sys.stderr)


@app.command()
def serve(
    checkpoint: CheckpointArgument,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; 0.0.0.0 lets others in.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Its port; 0 takes a free one.")
    ] = 8000,
    top: Annotated[int, typer.Option("--top", min=1, help="Answers to show.")] = 5,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that answer, each with the model.")
    ] = 1,
    body_mb: Annotated[
        int, typer.Option("--body-mb", min=1, help="Largest body of a request, in MiB.")
    ] = 64,
    most_records: Annotated[
        int, typer.Option("--most-records", min=1, help="Most records of a request.")
    ] = 64,
    deadline_s: Annotated[
        float,
        typer.Option("--deadline-s", min=0.1, help="Seconds that reading one part may take."),
    ] = 20.0,
    memory_mb: Annotated[
        int,
        typer.Option("--memory-mb", min=256, help="What a process may take to answer, in MiB."),
    ] = 4096,
) -> None:
    """Answer over HTTP: POST /predict takes records as JSON, or as a form with files; GET / says
    what the model takes.
    """
    from .pipeline.serving.serve import serve as run_server

    run_server(
        checkpoint,
        host,
        port,
        top=top,
        workers=workers,
        body_mb=body_mb,
        most_records=most_records,
        deadline_s=deadline_s,
        memory_mb=memory_mb,
        say=lambda line: _say(line, sys.stderr),
    )


@app.command()
def explain(
    checkpoint: CheckpointArgument,
    image: ImageOption = None,
    text: TextOption = None,
    audio: AudioOption = None,
    video: VideoOption = None,
    part: PartOption = None,
    answer: Annotated[
        str, typer.Option("--answer", help="Explain this answer rather than the likeliest.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", help="Where the picture goes.")] = Path(
        "explanation.png"
    ),
    json_: JsonOption = False,
) -> None:
    """Show what an answer rests on: what each modality adds, which words, moments and places
    carried it; as text and as a picture.
    """
    from .stages.train.use.explain import explain as run_explanation
    from .stages.train.use.explain import explain_text

    explanation = run_explanation(
        checkpoint, _given(part, image=image, text=text, audio=audio, video=video), answer
    )
    _say(
        json.dumps(explanation.report, ensure_ascii=False)
        if json_
        else explain_text(explanation.report)
    )
    explanation.draw(out)
    _say(f"picture: {out}", sys.stderr)


@app.command()
def export(
    checkpoint: CheckpointArgument,
    out: Annotated[
        Path, typer.Argument(help="The file to write: its ending .onnx or .pt2 says which format.")
    ],
    sparsity: Annotated[
        float,
        typer.Option("--sparsity", help="Share of the weights that become 0 before, the smallest."),
    ] = 0.0,
    int8: Annotated[bool, typer.Option("--int8", help="Weights as 8-bit integers (ONNX).")] = False,
    shards: Annotated[
        Path | None,
        typer.Option(
            "--shards", help="Score the file on these for every subset, beside the model as it was."
        ),
    ] = None,
    split: SplitOption = "",
    json_: JsonOption = False,
) -> None:
    """Write a model as one graph that takes presence as an input, and compare it with the model for
    every subset.
    """
    from .stages.train.use.export import export as run_export
    from .stages.train.use.export import export_text

    report = run_export(checkpoint, out, sparsity, int8, shards, split)
    _say(json.dumps(report, ensure_ascii=False) if json_ else export_text(report))


@app.command("score-vqa")
def score_vqa(
    results: Annotated[
        Path,
        typer.Argument(help="Results in the official format: a list of question_id and answer."),
    ],
    annotations: Annotated[Path, typer.Argument(help="The official annotations.")],
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Score the questions that are answered where others are not."
        ),
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Score VQA results as the official tool does: over all questions, by type of answer and by
    type of question.
    """
    from .stages.train.metrics.vqa_score import score_files, score_text

    scores = score_files(results, annotations, partial)
    _say(json.dumps(scores, ensure_ascii=False) if json_ else score_text(scores))


def main() -> NoReturn:
    """Run the command; a user's mistake is one message and exit code 1 or 2, never a traceback
    unless --debug.
    """
    from .schemas.errors import ModalmillError, RecipeError

    debug = "--debug" in sys.argv[1:2]
    if debug:
        os.environ["MODALMILL_DEBUG"] = "1"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _stop)
    try:
        # the name by which shells complete it, however it was started
        code = app(prog_name="modalmill", standalone_mode=False)
        if code == _INTERRUPTED:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
    except RecipeError as error:
        _fail(error, debug, 2)
    except ModalmillError as error:
        _fail(error, debug, 1)
    except (KeyboardInterrupt, typer.Abort):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        print(
            "\nstopped; finished work is kept, the same command goes on from here",
            file=sys.stderr,
            flush=True,
        )
        # an interrupt inside an import makes Python end by the signal, whatever sys.exit is given
        os._exit(_INTERRUPTED)
    except ModuleNotFoundError as error:
        if debug or error.name is None or error.name.startswith(__package__ or "modalmill"):
            raise
        print(
            f"modalmill: needs the package {error.name}, which is not installed: pip install"
            " 'modalmill[train]'",
            file=sys.stderr,
        )
        sys.exit(1)
    except BrokenPipeError:
        # Python flushes stdout once more when it ends, and would fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if debug:
            raise
        _say(f"modalmill: {error.filename or ''}: {error.strerror or error}", sys.stderr)
        sys.exit(1)
    except Exception as error:
        # a command line that cannot be parsed
        if isinstance(error, _Shown):
            error.show()
            sys.exit(error.exit_code)
        if debug:
            raise
        last = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        _say(
            f"modalmill: a fault in the program, not in your data: {last}\n"
            f"Please report it with the traceback of: modalmill --debug {shlex.join(sys.argv[1:])}",
            sys.stderr,
        )
        sys.exit(70)
    sys.exit(code if isinstance(code, int) else 0)


def _stop(number: int, frame: object) -> None:
    """Stop the run; once more some seconds later where Python dropped the exception, as it does in
    a destructor.
    """
    signal.setitimer(signal.ITIMER_REAL, _STOP_AGAIN_S)
    raise KeyboardInterrupt


def _fail(error: Exception, debug: bool, code: int) -> NoReturn:
    if debug:
        raise error
    _say(f"modalmill: {error}", sys.stderr)
    sys.exit(code)


def _say(text: str, stream: TextIO | None = None) -> None:
    from .pipeline.terminal import say

    say(text, stream)
