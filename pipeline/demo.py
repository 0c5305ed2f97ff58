"""The demo: a corpus with planted dirt, the whole way in one go, and what came of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from ..schemas.disk import write_bytes
from ..schemas.errors import StorageError
from ..schemas.recipe import load_recipe
from .demo_corpus import Planted, write_corpus
from .plan import make_plan
from .progress import Progress
from .report import account_text
from .run import Result, run

RECIPE = """\
# The demo's recipe: four raw corpora become one, and a model learns to answer questions that
# need more than one modality.
name: demo
data: raw
seed: 7
tolerance: 0.2

sources:
  vqa:
    type: coco_vqa
    questions: questions/v2_OpenEnded_mscoco_demo2014_questions.json
    annotations: questions/v2_mscoco_demo2014_annotations.json
    images: images
  sounds: {type: audio_folder, path: sounds, id: "{stem:d}"}
  clips: {type: video_folder, path: clips, id: "{stem:d}", sound: soundtrack}
  notes: {type: csv, path: notes.csv, id: "{scene}", text: {note: note}}

stages:
  - align.join: {sources: [vqa, sounds, clips, notes], match: {vqa: "{group}"}}
  - align.require: {parts: [question], targets: [answer]}
  - clean.image: {min_side: 32, max_dark: 0.95}
  - clean.audio: {max_silence: 0.9, on_fault: drop_part}
  - clean.video: {on_fault: drop_part}
  - clean.text: {}
  - clean.duplicates: {near_bits: 0}
  - align.split: {shares: {train: 0.75, val: 0.1, test: 0.15}}

features:
  note: {features.text: {size: 128}}

shard: {image_short_side: 64, video_short_side: 64, video_frames: 8}

train:
  task: classification
  target: answer
  inputs:
    question: {encoder: lstm, length: 8}
    image: {encoder: cnn, size: 48}
    audio: {encoder: spectrum_cnn, rate_hz: 8000, seconds: 0.5}
    video: {encoder: frames_cnn, size: 32, frames: 6}
    note: {feature: true}
  fusion: opinion_pool
  width: 64
  hidden: 128
  epochs: 24
  batch_size: 32
  learning_rate: 0.001
  modality_dropout: 0.2
"""


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
    write_bytes(recipe_path, RECIPE.encode())
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
