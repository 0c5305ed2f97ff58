"""What a sequence of features is worth: sentiment of MELD by vectors of its words, averaged or in
order, by encoder.

The vectors are made of the training texts alone: positive pointwise mutual information of words at
most four apart, along its 50 main axes. Macro F1 of the dev set, that was not trained on and chose
nothing, for each seed, and seconds of a run.

    python benchmarks/sequences.py --data FOLDER --seeds 2

FOLDER/meld/raw_2019-03/{train,dev}_sent_emo.csv are as their authors give them.
"""

from __future__ import annotations

import argparse
import csv
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import modalmill as mm
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from _common import print_table, print_versions, use_cores, work_folder

_WINDOW, _AXES, _FEWEST = 4, 50, 3
VARIANTS = (
    ("mean", "mlp"),
    ("none", "sequence_mean"),
    ("none", "sequence_linear"),
    ("none", "sequence_lstm"),
    ("none", "sequence_transformer"),
)


def word_vectors(texts: Sequence[str], path: Path) -> None:
    """Write vectors of the words of these texts, in the format of GloVe."""
    words = [re.findall(r"\w+(?:['\u2019]\w+)?", text.lower()) for text in texts]
    counts = Counter(word for text in words for word in text).most_common()
    number = {word: place for place, (word, count) in enumerate(counts) if count >= _FEWEST}
    pairs: Counter[tuple[int, int]] = Counter()
    for text in words:
        known = [number[word] for word in text if word in number]
        for place, one in enumerate(known):
            for other in known[max(0, place - _WINDOW) : place]:
                pairs.update([(one, other), (other, one)])
    rows, columns = np.array(list(pairs)).T
    together = np.array(list(pairs.values()), float)
    alone = np.bincount(rows, together, len(number))
    information = np.log(together * together.sum() / (alone[rows] * alone[columns]))
    kept = information > 0
    matrix = scipy.sparse.csr_matrix(
        (information[kept], (rows[kept], columns[kept])), shape=(len(number), len(number))
    )
    left, sizes, _ = scipy.sparse.linalg.svds(matrix, k=_AXES, random_state=0)
    vectors = left * np.sqrt(sizes)
    lines = (f"{word} {' '.join(f'{x:.4f}' for x in vectors[row])}" for word, row in number.items())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def recipe_of(data: Path, words: Path, pool: str, encoder: str, seed: int) -> dict[str, Any]:
    sources = {
        name: {
            "type": "csv",
            "path": f"meld/raw_2019-03/{name}_sent_emo.csv",
            "id": "{Dialogue_ID}-{Utterance_ID}",
            "text": {"utterance": "Utterance"},
            "targets": {"sentiment": "Sentiment"},
            "group": "{Dialogue_ID}",
            "split": split,
        }
        for name, split in (("train", "train"), ("dev", "test"))
    }
    return {
        "name": "meld",
        "data": str(data),
        "seed": seed,
        "sources": sources,
        "stages": [{"clean.text": {}}],
        "features": {"utterance": {"features.word_vectors": {"path": str(words), "pool": pool}}},
        "shard": {},
        "train": {
            "target": "sentiment",
            "inputs": {"utterance": {"feature": True, "encoder": encoder}},
            "metric": "macro_f1",
            "width": 64,
            "hidden": 64,
            "epochs": 6,
            "modality_dropout": 0.0,
            "device": "cpu",
            "checks": False,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    use_cores(given.cores)
    data = given.data.resolve()
    rows: list[list[str]] = []
    with work_folder(given.work) as work:
        with open(
            data / "meld/raw_2019-03/train_sent_emo.csv", encoding="utf-8", errors="replace"
        ) as file:
            word_vectors([row["Utterance"] for row in csv.DictReader(file)], work / "words.txt")
        for pool, encoder in VARIANTS:
            found, began = [], time.perf_counter()
            for seed in range(1, given.seeds + 1):
                value = recipe_of(data, work / "words.txt", pool, encoder, seed)
                result = mm.run(value, out=work / f"{pool}-{seed}", engine="serial", quiet=True)
                assert result.training is not None
                found.append(result.training["all"])
            seconds = (time.perf_counter() - began) / given.seeds
            scores = " ".join(f"{score:.3f}" for score in found)
            rows.append([pool, encoder, scores, f"{seconds:.0f}"])
    print_versions("torch", "numpy", "scipy")
    print_table(["pool", "encoder", "macro F1", "s"], rows)


if __name__ == "__main__":
    main()
