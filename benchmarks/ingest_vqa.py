"""COCO VQA v2 at its full size: 440,000 questions, 4.4 million answers, 80,000 images, ``modalmill
run --until ingest``.

The two json files are made like the real ones, all on one line; the images are links to a few small
JPEGs, as ingest only lists them. Beside it ``json.load`` of both files, which joins nothing and
writes nothing. Memory: the largest sum of resident memory of a process and its children, sampled
twenty times a second.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from _common import (
    Figures,
    arguments,
    in_turn,
    made_once,
    print_table,
    print_versions,
    read_all,
    use_cores,
    work_folder,
    write_jpegs,
    write_recipe,
)

QUESTIONS_PER_IMAGE = 5.5
LINKS_TO_ONE_FILE = 30_000
QUESTIONS, ANNOTATIONS, IMAGES = (
    "v2_OpenEnded_mscoco_train2014_questions.json",
    "v2_mscoco_train2014_annotations.json",
    "train2014",
)
WORDS = (
    "what is the man holding in his left hand how many people are there does she wear a red hat"
    " which color sport animal table"
)
ANSWERS = [
    "yes",
    "no",
    "2",
    "white",
    "red",
    "on the table",
    "tennis",
    "a black and white cat",
    "right",
    "baseball bat",
]


def make(folder: Path, questions: int) -> None:
    """Both json files and the images."""
    rng, words = random.Random(7), WORDS.split()
    images = [9 + 7 * number for number in range(max(1, round(questions / QUESTIONS_PER_IMAGE)))]
    numbers = [image * 1000 + place for image in images for place in range(6)][:questions]
    head = (
        '{"info": {"description": "synthetic", "version": "2.0", "year": 2017}, "data_type":'
        ' "mscoco", "data_subtype": "train2014", '
        '"license": {"url": "", "name": ""}, '
    )
    with open(folder / QUESTIONS, "w") as file:
        file.write(head + '"task_type": "Open-Ended", "questions": [')
        for place, number in enumerate(numbers):
            text = " ".join(rng.choices(words, k=rng.randint(4, 9))).capitalize() + "?"
            file.write(
                (", " if place else "")
                + json.dumps({"image_id": number // 1000, "question": text, "question_id": number})
            )
        file.write("]}")
    with open(folder / ANNOTATIONS, "w") as file:
        file.write(head + '"annotations": [')
        for place, number in enumerate(numbers):
            best = rng.choice(ANSWERS)
            given = [best if rng.random() < 0.7 else rng.choice(ANSWERS) for _ in range(10)]
            answers = [
                {"answer": answer, "answer_confidence": "yes", "answer_id": turn}
                for turn, answer in enumerate(given, 1)
            ]
            value = {
                "question_type": "what is the",
                "multiple_choice_answer": best,
                "answers": answers,
                "image_id": number // 1000,
            }
            file.write(
                (", " if place else "")
                + json.dumps(value | {"answer_type": "other", "question_id": number})
            )
        file.write("]}")
    (folder / "small").mkdir()
    (folder / IMAGES).mkdir()
    write_jpegs(folder / "small", len(images) // LINKS_TO_ONE_FILE + 1, 32, 32, 90, 1)
    for place, image in enumerate(images):
        os.link(
            folder / "small" / f"{place // LINKS_TO_ONE_FILE:06d}.jpg",
            folder / IMAGES / f"COCO_train2014_{image:012d}.jpg",
        )


def watched(command: Sequence[str | Path]) -> Figures:
    """Run a command: its seconds and the largest resident memory of it and its children together,
    in MiB.
    """
    began = time.perf_counter()
    peak = 0
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, resident(root))
            time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{command}: exit {process.returncode}")
    return {"wall_s": time.perf_counter() - began, "peak_mib": peak / 2**20}


def resident(root: psutil.Process) -> int:
    total = 0
    try:
        for process in [root, *root.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total


def run_modalmill(recipe: Path, out: Path) -> Figures:
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    figures = watched(
        [
            sys.executable,
            "-m",
            "modalmill",
            "run",
            recipe,
            "--out",
            out,
            "--until",
            "ingest",
            "--quiet",
        ]
    )
    count = json.loads((out / "account.json").read_text())["sources"]
    print(f"  account: {json.dumps(count)[:300]}", file=sys.stderr)
    return figures


def main() -> None:
    parser = arguments(__doc__, "questions", 440_000)
    options = parser.parse_args()
    use_cores(options.cores)
    with work_folder(options.work) as work:
        data = made_once(
            work / f"vqa-{options.size}", functools.partial(make, questions=options.size)
        )
        megabytes = sum((data / name).stat().st_size for name in (QUESTIONS, ANNOTATIONS)) / 1e6
        read_all(data)
        recipe = write_recipe(
            work / "vqa.yaml",
            data,
            {
                "vqa": {
                    "type": "coco_vqa",
                    "questions": QUESTIONS,
                    "annotations": ANNOTATIONS,
                    "images": IMAGES,
                }
            },
        )
        load = "import json, sys; found = [json.load(open(path)) for path in sys.argv[1:]]"
        variants: dict[str, Callable[[], Figures]] = {
            "modalmill run --until ingest": lambda: run_modalmill(recipe, work / "out-vqa"),
            "json.load of both files": lambda: watched(
                [sys.executable, "-c", load, data / QUESTIONS, data / ANNOTATIONS]
            ),
        }
        found = in_turn(variants, options.repeats)
    base = found["json.load of both files"]
    rows = [
        [
            name,
            f"{figures['wall_s']:.1f}",
            f"{options.size / figures['wall_s']:,.0f}",
            f"{figures['peak_mib']:,.0f}",
            f"{figures['wall_s'] / base['wall_s']:.2f}",
            f"{figures['peak_mib'] / base['peak_mib']:.2f}",
        ]
        for name, figures in found.items()
    ]
    print_table(
        [
            f"{options.size:,} questions, {megabytes:.0f} MB",
            "seconds",
            "questions/s",
            "peak MiB",
            "seconds, ratio",
            "memory, ratio",
        ],
        rows,
    )
    print_versions("ijson", "pyarrow")


if __name__ == "__main__":
    sys.exit(main())
