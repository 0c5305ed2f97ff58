"""How many planted label errors ``modalmill labels`` finds in real corpora, by each part and by all
of them.

A share of the labels is exchanged by chance for another class; the run's own extractors give the
features. Of the n records with the smallest margins (n: as many as were planted) how many are
planted ones; of those that are called errors how many are, and how many of the planted are among
them; and the share of wrong labels that is estimated. Unplanted errors of the corpus count as wrong
answers here. Where cleanlab is installed, its verdicts from the same probabilities stand beside.

    python benchmarks/label_errors.py --data FOLDER --sets sms grid --seeds 3

FOLDER/sms_spam/spam.csv, FOLDER/meld/raw_2019-03/train_sent_emo.csv, FOLDER/grid_s1 and
FOLDER/emodb/*.wav are as their authors give them.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from _common import print_table, print_versions, use_cores, work_folder
from modalmill.pipeline.labels import LabelReport, find_labels
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.features import FeatureCache
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.labels.confident import Confidence, confidence
from modalmill.stages.labels.out_of_fold import PartVectors, assign_folds, predicted

_FEWEST = 7  # records of a class
_EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
Rows = list[dict[str, str]]


def sms(data: Path) -> tuple[Rows, dict[str, Any]]:
    with open(data / "sms_spam" / "spam.csv", encoding="cp1252", newline="") as file:
        rows = [{"text": row[1], "label": row[0]} for row in list(csv.reader(file))[1:]]
    return rows, {"text": {"message": "text"}, "features": {"message": "features.text"}}


def meld(data: Path, column: str = "Emotion") -> tuple[Rows, dict[str, Any]]:
    path = data / "meld" / "raw_2019-03" / "train_sent_emo.csv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = [
            {"text": row["Utterance"], "label": row[column], "group": row["Dialogue_ID"]}
            for row in csv.DictReader(file)
        ]
    return rows, {"text": {"line": "text"}, "features": {"line": "features.text"}}


def grid(data: Path) -> tuple[Rows, dict[str, Any]]:
    """The words of the clips, sound and picture of each cut to its time; without letters and
    digits, which are too rare.
    """
    rows = []
    for path in sorted((data / "grid_s1" / "alignments" / "s1").glob("*.align")):
        words = [line.split() for line in path.read_text().splitlines()]
        words = [word for word in words if word[2] not in ("sil", "sp")]
        for place in (0, 1, 2, 5):
            start, end, word = words[place]
            row = {"file": f"grid_s1/s1/{path.stem}.mpg", "label": word, "group": path.stem}
            rows.append(row | {"start": str(int(start) / 25e3), "end": str(int(end) / 25e3)})
    media = {
        "video": {"path": "{file}", "modality": "video", "unlisted": "ignore"},
        "voice": {"path": "{file}", "modality": "audio", "unlisted": "ignore"},
    }
    features = {"video": "features.video", "voice": "features.audio"}
    return rows, {"media": media, "start": "start", "end": "end", "features": features}


def emodb(data: Path) -> tuple[Rows, dict[str, Any]]:
    rows = [
        {
            "file": f"emodb/{path.name}",
            "label": _EMOTIONS[path.stem[5]],
            "group": path.stem[:2],
        }
        for path in sorted((data / "emodb").glob("*.wav"))
    ]
    media = {"voice": {"path": "{file}", "unlisted": "ignore"}}
    return rows, {"media": media, "features": {"voice": "features.audio"}}


SETS = {"sms": sms, "meld": meld, "grid": grid, "emodb": emodb}


def plant(rows: Rows, share: float, seed: int) -> tuple[Rows, set[str]]:
    """The rows with another label for a share of them, and the ids of those."""
    random = np.random.default_rng(seed)
    classes = sorted({row["label"] for row in rows})
    wrong = set(random.choice(len(rows), round(len(rows) * share), replace=False).tolist())
    planted = []
    for number, row in enumerate(rows):
        others = [name for name in classes if name != row["label"]]
        label = str(random.choice(others)) if number in wrong else row["label"]
        planted.append(row | {"id": f"{number:06d}", "label": label})
    return planted, {f"s-{number:06d}" for number in wrong}


def run_on(rows: Rows, more: dict[str, Any], data: Path, folder: Path) -> Path:
    """The output folder of a run on the rows; media lie in ``data``."""
    root = folder / "data"
    media = rows[0].get("file", "").partition("/")[0]
    if media and not (root / media).exists():
        # media lie below the data root, and links do not lead out of it
        shutil.copytree(data / media, root / media)
    root.mkdir(exist_ok=True)
    with open(root / "rows.csv", "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    more = dict(more)
    features = more.pop("features")
    source = {"type": "csv", "path": "rows.csv", "id": "{id}", "targets": ["label"], **more}
    if "group" in rows[0]:
        source["group"] = "{group}"
    recipe = {"name": "bench", "data": str(root), "sources": {"s": source}, "features": features}
    out = folder / "out"
    plan = make_plan(parse_recipe({**recipe, "stages": [], "shard": None}), root)
    run(plan, out, "serial")
    return out


def figures(says: Confidence, wrong: np.ndarray) -> list[float]:
    """Of the n smallest margins the share that is planted; precision and recall of errors, and how
    many there are of all; the estimated share of wrong labels.
    """
    noise = 1 - np.trace(says.joint_CC) / says.joint_CC.sum()
    return [*found_of(says.margin_N, says.is_error_N, wrong), noise]


def found_of(margin: np.ndarray, is_error: np.ndarray, wrong: np.ndarray) -> list[float]:
    count, hits = int(wrong.sum()), int((is_error & wrong).sum())
    if not count:
        return [np.nan, np.nan, np.nan, is_error.mean()]
    worst = np.argsort(margin, kind="stable")[:count]
    return [wrong[worst].mean(), hits / max(1, is_error.sum()), hits / count, is_error.mean()]


def by_cleanlab(probability: np.ndarray, given: np.ndarray, wrong: np.ndarray) -> list[float]:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    margin = get_label_quality_scores(given, probability, method="normalized_margin")
    found = find_label_issues(given, probability, n_jobs=1)
    return [*found_of(margin, found, wrong), np.nan]


def side_by_side(report: LabelReport) -> np.ndarray:
    """The probabilities by one regression on the vectors of all parts in a row, each part of about
    unit length; all records have all parts.
    """
    keys = pa.chunked_array([[report.records[row].key for row in report.judged]])
    blocks = []
    for name in report.by_part:
        cache = FeatureCache(report.out / "features", name)
        block = cache.vectors[cache.rows(keys)].astype(np.float32)
        deviation = np.maximum(block.std(0), 1e-6)
        blocks.append((block - block.mean(0)) / deviation / np.sqrt(block.shape[1]))
    whole = PartVectors(np.concatenate(blocks, 1), np.arange(len(keys)), True)
    groups = [report.records[row].group for row in report.judged]
    unit = np.unique(groups, return_inverse=True)[1]
    says = predicted(whole, report.given, assign_folds(unit, report.given, 5), "benchmark")
    assert says is not None
    return says


def measured(
    rows: Rows, more: dict[str, Any], data: Path, folder: Path, share: float, seed: int
) -> Iterator[tuple[str, list[float]]]:
    """The figures of each part, of all together, and of cleanlab."""
    planted, wrong_keys = plant(rows, share, seed)
    out = run_on(planted, more, data, folder)
    report = find_labels(out, "label", [], 5, lambda done, total: None)
    assert report.says is not None
    keys = [report.records[row].key for row in report.judged]
    wrong = np.array([key in wrong_keys for key in keys])
    for name, probability in report.by_part.items():
        there = ~np.isnan(probability[:, 0])
        own = confidence(probability[there], report.given[there])
        yield name, figures(own, wrong[there])
    yield "all together", figures(report.says, wrong)
    if len(report.by_part) > 1:
        yield "  side by side", figures(confidence(side_by_side(report), report.given), wrong)
    if importlib.util.find_spec("cleanlab"):
        yield "  by cleanlab", by_cleanlab(report.together, report.given, wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["sms", "grid"])
    parser.add_argument("--share", type=float, default=0.1, help="of labels that are exchanged")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=None)
    arguments = parser.parse_args()
    use_cores(1)
    print_versions("scikit-learn", "cleanlab")
    table = []
    for name in arguments.sets:
        rows, more = SETS[name](arguments.data)
        counts = Counter(row["label"] for row in rows)
        rows = [row for row in rows if counts[row["label"]] >= _FEWEST]
        found: dict[str, list[list[float]]] = {}
        with work_folder(arguments.work) as folder:
            own = folder / name
            own.mkdir(parents=True, exist_ok=True)
            for seed in range(arguments.seeds):
                for what, line in measured(rows, more, arguments.data, own, arguments.share, seed):
                    found.setdefault(what, []).append(line)
        for what, lines in found.items():
            mean, low, high = np.mean(lines, 0), np.min(lines, 0), np.max(lines, 0)
            table.append(
                [
                    name,
                    f"{len(rows):,}",
                    what,
                    f"{mean[0]:.2f} ({low[0]:.2f} to {high[0]:.2f})",
                    *(f"{value:.2f}" for value in mean[1:3]),
                    *("-" if np.isnan(value) else f"{value:.3f}" for value in mean[3:]),
                ]
            )
    header = [
        "set",
        "records",
        "part",
        "top n (range)",
        "precision",
        "recall",
        "errors",
        "estimate",
    ]
    print_table(header, table)


if __name__ == "__main__":
    main()
