"""The demo: a corpus with planted dirt, the whole way in one go, and what came of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from ..pipeline.plan import make_plan
from ..pipeline.progress import Progress
from ..pipeline.result import Result
from ..pipeline.run import run
from ..pipeline.texts import account_text
from ..schemas.disk import write_bytes
from ..schemas.errors import StorageError
from ..schemas.recipe import load_recipe
from .corpus import Planted, write_corpus


def recipe_bytes() -> bytes:
    """The demo's recipe, as it is written beside the corpus."""
    return files(__package__).joinpath("recipe.yaml").read_bytes()


def demo(out: Path, progress: Progress, scenes: int = 700) -> str:
    """Make the corpus below ``out``, run the recipe on it and give the text that a person sees at
    the end.
    """
    began = time.monotonic()
    planted, result = make_and_run(out, progress, scenes)
    return _text(out, planted, result, time.monotonic() - began)


def make_and_run(
    out: Path, progress: Progress, scenes: int = 700, until: str | None = None
) -> tuple[Planted, Result]:
    """The corpus and the run on it; a folder that holds something else is refused."""
    recipe_path = out / "demo.yaml"
    if out.exists() and not recipe_path.exists() and any(out.iterdir()):
        raise StorageError(f"{out}: the folder holds other things; choose another --out")
    write_bytes(recipe_path, recipe_bytes())
    progress.line(f"making a raw corpus of {scenes} scenes in {out / 'raw'}")
    shutil.rmtree(out / "raw", ignore_errors=True)
    planted = write_corpus(out / "raw", scenes)
    recipe, root = load_recipe(recipe_path)
    return planted, run(
        make_plan(recipe, root, until, where=str(recipe_path)), out / "run", progress=progress
    )


def surprises(planted: Planted, result: Result) -> list[str]:
    """Where the account differs from what was planted; nothing when all of it was found, and
    nothing else.
    """
    account = result.account.to_dict()
    left_out = {
        reason: number
        for reason, number in account["rejects_by_reason"].items()
        if reason != "align.join: joined"
    }
    lines = _differences(left_out, planted.reasons) + _differences(
        account["unmatched"], planted.unmatched
    )
    for name, number in planted.read.items():
        if account["sources"][name]["in"] != number:
            lines.append(f"{name}: {account['sources'][name]['in']} read, {number} written")
    dropped = {
        f"{stage}: {kind}": number
        for stage, count in account["stages"].items()
        for kind, number in count.get("kinds", {}).items()
        if " dropped: " in kind
    }
    return lines + _differences(dropped, planted.dropped)


def _differences(found: Mapping[str, int], planted: Mapping[str, int]) -> list[str]:
    names = sorted({*found, *planted})
    return [
        f"{name}: {found.get(name, 0)} found, {planted.get(name, 0)} planted"
        for name in names
        if found.get(name, 0) != planted.get(name, 0)
    ]


def _text(out: Path, planted: Planted, result: Result, seconds: float) -> str:
    from ..stages.train.evaluation.evaluate import table_text

    assert result.training is not None
    report = result.training
    differences = surprises(planted, result)
    total = sum(planted.reasons.values()) + sum(planted.dropped.values())
    truth = (
        f"All {total} planted faults and {sum(planted.unmatched.values()):,} missing partners"
        " were found, and nothing else."
        if not differences
        else "The account differs from what was planted:\n  " + "\n  ".join(differences)
    )
    run_folder = out / "run"
    return "\n".join(
        [
            account_text(result.account),
            truth,
            "",
            table_text(report, brief=True),
            f"All {len(report['subsets'])} subsets are in {out}/run/training/evaluation.txt.",
            "",
            f"Done in {seconds:.0f} s. What is where:",
            f"  {out}/raw                    the raw corpus, dirt and all",
            f"  {out}/demo.yaml              the recipe",
            f"  {run_folder}/manifest           every record, as Parquet",
            f"  {run_folder}/rejects.parquet    every record that was left out, and why",
            f"  {run_folder}/shards             WebDataset tars with their index",
            f"  {run_folder}/features           cached features, as Arrow",
            f"  {run_folder}/training           checkpoints, log, TensorBoard, evaluation as JSON"
            " and picture",
            "What to type next:",
            f"  modalmill rejects {run_folder}",
            f"  modalmill inspect {run_folder}/shards",
            f"  modalmill predict {run_folder}/training/best.pt \\",
            f"      --image {out}/raw/images/COCO_demo2014_000000000050.jpg --text 'What colour"
            " is the shape?'",
            f"  modalmill run {out}/demo.yaml --out {run_folder}        (again: nothing is left"
            " to do)",
        ]
    )
