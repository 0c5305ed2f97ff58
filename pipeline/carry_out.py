"""A recipe carried out, as the command line and Python ask for it: a file, or a dictionary of the
same form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..schemas import checks
from ..schemas.errors import InputError
from ..schemas.recipe import load_recipe, recipe_of
from .engine import EngineName
from .plan import make_plan
from .progress import Progress
from .result import Result
from .run import is_helper, run, wait_without_spinning


def run_recipe(
    recipe: Mapping[str, object] | str | Path,
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    until: str | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = True,
    quiet: bool = False,
    limit: int | None = None,
    looks: bool = False,
) -> Result:
    """Run a recipe, as ``modalmill run`` does: raw corpora to shards, features and a trained model.

    recipe: a YAML file, or a dictionary that says the same, whose paths are relative to the current
    folder.
    out: the output folder; ``out/NAME`` where it is not given. What an earlier run finished there
    is not done again.

    overrides: values laid over the recipe, as ``["stages.clean.image.max_dark=0.9"]``.
    until: the stage after which to stop.
    engine: ``serial``, ``local`` or ``dask``; scheduler: the address of a dask scheduler.
    workers: worker processes; all cores where it is None.
    resume: go on with training where it stopped, or train anew.
    quiet: no lines about the progress on stderr.
    limit: try the recipe on the first so many records of each source and their partners.
    looks: with ``until="measure"``, write what was measured and leave all that an earlier run
    wrote, as ``modalmill measure`` does.

    RecipeError lists every mistake of the recipe before a byte of data is read; the other errors
    are those of ``modalmill.schemas.errors``.
    """
    checks.choice("engine", engine, EngineName)
    if workers is not None:
        checks.whole("workers", workers, 1)
    if limit is not None:
        checks.whole("limit", limit, 1)
    wait_without_spinning()
    if isinstance(recipe, Mapping):
        where = "recipe"
        parsed, root = recipe_of(_plain(recipe), where, Path(), overrides)
    elif isinstance(recipe, (str, Path)):
        where = str(recipe)
        parsed, root = load_recipe(Path(recipe), overrides)
    else:
        raise InputError(
            f"recipe: wanted a YAML file or a dictionary, found {type(recipe).__name__}"
        )
    plan = make_plan(parsed, root, until, where)
    target = Path("out") / parsed.name if out is None else Path(out)
    progress = Progress(quiet or is_helper())
    return run(plan, target, engine, workers, scheduler, progress, resume, looks, limit)


def _plain(value: object) -> object:
    """A copy in what YAML has: paths are strings, tuples are lists."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
