"""``modalmill init``: a recipe for what lies in a folder, written only where it can be planned."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shlex
import tempfile
from collections import Counter
from pathlib import Path

from ...schemas.errors import InputError, RecipeError, StorageError, nearest
from ...schemas.recipe import load_recipe
from ...stages.ingest._columns import Columns
from ..plan import make_plan
from .claims import as_name
from .looking import FolderFindings, look_at
from .proposal import Proposal
from .proposing import propose
from .tables import table_kind
from .writing import recipe_text

_NO_LETTER = re.compile(r"^[^A-Za-z]+")
_FARTHEST = 2
_MOST_SHOWN = 12
_NAMING = ("path", "questions", "captions")  # options that name what a source reads
_ROWS_TRIED = 50


def init(folder: Path, out: Path | None = None) -> str:
    """Write a recipe for what lies in a folder, and say what was found, guessed and passed over.

    folder: or one table, which is then read with the files around it. out: the recipe; the folder's
    name with .yaml in the current folder where it is not given. Nothing is overwritten.
    """
    only = ""
    if folder.is_file():
        only, folder, named = folder.name, folder.parent, folder.stem
        if not table_kind(only):
            raise InputError(
                f"{folder / only}: wanted a folder or a table (csv, tsv, txt, jsonl, xlsx,"
                " parquet); give the folder that the file lies in"
            )
    else:
        named = folder.resolve().name
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder{_similar(folder)}")
    name = _NO_LETTER.sub("", as_name(named)) or "corpus"
    target = out or Path(f"{name}.yaml")
    if target.exists():
        raise StorageError(
            f"{target}: is there already, and is not overwritten; give --out another"
        )
    if not target.parent.is_dir():
        raise StorageError(f"{target.parent}: there is no such folder to write a recipe to")
    findings = look_at(folder, only)
    proposal = propose(findings)
    if not proposal.sources:
        raise InputError(_nothing(folder, findings, proposal))
    _write(proposal, findings, name, target)
    return summary(proposal, findings, target)


def _write(proposal: Proposal, findings: FolderFindings, name: str, target: Path) -> None:
    """Write the recipe once it can be planned; what cannot be is taken out of it and told."""
    data = _data(findings.root, target)
    title = f"What lies in {findings.root.resolve().name}."
    text = recipe_text(proposal, name, data, title)
    problems = _problems(text, findings.root)
    if problems and proposal.train is not None:
        proposal.passed_over.append(f"training, which does not fit: {problems[0]}")
        proposal.train, proposal.features, proposal.task = None, {}, "none"
        text = recipe_text(proposal, name, data, title)
        problems = _problems(text, findings.root)
    if problems:
        raise InputError(
            f"{findings.root}: no recipe was written, for none that was found can be run:"
            f" {problems[0]}; write one by hand (docs/recipes.md)"
        )
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StorageError(
            f"{target}: cannot be written: {error.strerror}; give --out a file in a folder of yours"
        ) from None


def _problems(text: str, root: Path) -> list[str]:
    """Why a recipe cannot be run, as far as it can be known without running it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            recipe, data = load_recipe(path, [f"data={root.resolve()}"])
            has_torch = importlib.util.find_spec("torch") is not None
            plan = make_plan(recipe, data, None if has_torch else "shard", where="recipe")
            for name, source in plan.sources.items():
                if isinstance(source, Columns):
                    rows = source.preview(data, name, Counter(), lambda item: None)
                    list(itertools.islice(rows, _ROWS_TRIED))
        except RecipeError as error:
            return list(error.problems)
        except InputError as error:
            return [str(error)]
    return []


def _data(root: Path, target: Path) -> str:
    """The folder as a recipe names it: from where the recipe lies, if that is near."""
    near = os.path.relpath(root.resolve(), target.parent.resolve())
    return near if near.split(os.sep).count("..") <= _FARTHEST else str(root.resolve())


def _similar(folder: Path) -> str:
    if not folder.parent.is_dir():
        return ""
    return nearest(folder.name, [entry.name for entry in folder.parent.iterdir()])


def _nothing(folder: Path, findings: FolderFindings, proposal: Proposal) -> str:
    """Why there is nothing to write a recipe for."""
    if not findings.listing.files and not findings.listing.runs:
        return f"{folder}: the folder is empty; give one with tables (csv, jsonl, ...) or media"
    found = "; ".join(proposal.passed_over[:_MOST_SHOWN])
    return (
        f"{folder}: wanted tables (csv, tsv, jsonl, xlsx, parquet), images, sounds, films or"
        f" texts, found none to learn from among {findings.listing.count:,} files: {found}"
    )


def summary(proposal: Proposal, findings: FolderFindings, target: Path) -> str:
    """What was found, guessed and passed over, and what to type next."""
    listing = findings.listing
    seen = f"{listing.count:,} files"
    if listing.is_sample:
        seen = f"a sample: {len(listing.files):,} of at least {listing.count:,} files"
    lines = [f"{findings.root}: looked at {seen}", "found"]
    for source in proposal.sources:
        where = next((source.options[key] for key in _NAMING if source.options.get(key)), "")
        lines.append(f"  {source.name}: {source.options['type']} {where or '.'}, {source.told[0]}")
    lines.append("guessed")
    for source in proposal.sources:
        lines += [f"  {source.name}: {told}" for told in source.told[1:]]
    for join in proposal.joins:
        lines += [f"  {' and '.join(join.sources)} are joined: {words}" for words in join.shares]
    lines.append(f"  task {proposal.task}: {proposal.why_task}")
    if proposal.passed_over:
        lines.append("passed over")
        lines += [f"  {line}" for line in proposal.passed_over[:_MOST_SHOWN]]
        more = len(proposal.passed_over) - _MOST_SHOWN
        lines += [f"  and {more} more, all of them in the recipe"] if more > 0 else []
    lines += [
        f"wrote {target}: look it over, every line has its reason. Next:",
        f"  modalmill plan {shlex.quote(str(target))}",
        f"  modalmill run {shlex.quote(str(target))}"
        + ("" if proposal.train is None else "    (--until shard: without training)"),
    ]
    return "\n".join(lines)
