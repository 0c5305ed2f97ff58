"""Texts of 60 to 120 words, cleaned, freed of equal and of near ones, and written: modalmill beside
those who prepare texts.

Planted: every 50th is too short (4 words), every 25th equals the one before, every 25th is near it
(one word changed at its end). Each tool drops the short ones, the equal ones and the near ones
(runs of three words, Jaccard 0.8), and writes what is left: modalmill as shards with account,
rejects and pairs, the others as JSONL or Parquet. Peers run by interpreters of environments of
their own, which ``benchmarks/preparing/setup.sh FOLDER`` makes:

    python benchmarks/prepare_texts.py --size 100000 --peers FOLDER
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import yaml
from _common import (
    Figures,
    arguments,
    fresh,
    in_turn,
    made_once,
    print_table,
    print_versions,
    pss_mib,
    use_cores,
    work_folder,
)

HERE = Path(__file__).parent / "preparing"
_FILES = 2  # for peers, of whose processes each reads a file


def write_corpus(folder: Path, count: int) -> None:
    """The texts in one file, and once more in two."""
    chance = random.Random(7)
    # letters alone: DataTrove takes all numbers for one
    vocabulary = ["".join(chance.choices("abcdefghijklmnop", k=7)) for _ in range(20_000)]
    (folder / "parts").mkdir()
    words: list[str] = []
    with ExitStack() as stack:
        whole = stack.enter_context(open(folder / "texts.jsonl", "w"))
        parts = [
            stack.enter_context(open(folder / "parts" / f"{number}.jsonl", "w"))
            for number in range(_FILES)
        ]
        for number in range(count):
            if number % 50 == 10:
                text = " ".join(chance.choices(vocabulary, k=4))
            elif number % 25 == 1:
                text = " ".join(words)
            elif number % 25 == 3:
                text = " ".join([*words[:-1], "changed"])
            else:
                words = chance.choices(vocabulary, k=chance.randrange(60, 121))
                text = " ".join(words)
            line = json.dumps({"id": f"{number:07d}", "text": text}) + "\n"
            whole.write(line)
            parts[number * _FILES // count].write(line)


def planted(count: int) -> int:
    """How many are neither short nor equal or near to the one before."""
    return sum(number % 50 != 10 and number % 25 not in (1, 3) for number in range(count))


def write_recipe(folder: Path) -> Path:
    """The recipe for modalmill."""
    recipe = {
        "name": "bench",
        "data": str(folder),
        "sources": {
            "texts": {"type": "jsonl", "path": "texts.jsonl", "id": "{id}", "text": "text"}
        },
        "stages": [
            {"clean.text": {"min_words": 5}},
            {"clean.duplicates": {"near_texts": "merge"}},
        ],
        "shard": {},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def commands(corpus: Path, work: Path, peers: Path | None) -> dict[str, list[str]]:
    """What each tool is started with."""
    recipe = write_recipe(corpus)
    out = work / "modalmill"
    told = {
        "modalmill": [
            *(sys.executable, "-m", "modalmill", "run", str(recipe)),
            *("--out", str(out), "--quiet"),
        ]
    }
    if peers is None:
        return told
    for name in ("datatrove", "datasets"):
        script = str(HERE / f"with_{name}.py")
        told[name] = [str(peers / name / "bin/python"), script, str(corpus), str(work / name)]
    told["data-juicer"] = [
        *(str(peers / "data-juicer/bin/dj-process"), "--config", str(HERE / "data_juicer.yaml")),
        *("--dataset_path", str(corpus / "texts.jsonl")),
        *("--export_path", str(work / "data-juicer/kept.jsonl")),
    ]
    return told


def kept(name: str, out: Path) -> int:
    """How many texts a tool left."""
    import pyarrow.parquet as pq

    if name == "modalmill":
        account = json.loads((out / "account.json").read_text())
        return int(account["stages"]["clean.duplicates"]["written"])
    if name == "datasets":
        return int(pq.read_metadata(out / "kept.parquet").num_rows)
    files = (out / "kept").glob("*.jsonl") if name == "datatrove" else [out / "kept.jsonl"]
    return sum(1 for file in files for _ in open(file))


def main() -> None:
    """Run all tools in turn and print the table."""
    parser = arguments(__doc__, "number of texts", 100_000)
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments")
    options = parser.parse_args()
    use_cores(options.cores)
    with work_folder(options.work) as work:
        corpus = work / f"texts-{options.size}"
        made_once(corpus, lambda aside: write_corpus(aside, options.size))
        tools = commands(corpus, work, options.peers)

        def measured(name: str) -> Callable[[], Figures]:
            def run() -> Figures:
                shutil.rmtree(work / name, ignore_errors=True)
                (work / name).mkdir()
                figures = fresh(tools[name], HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1")
                return {"wall_s": figures["wall_s"], "kept": float(kept(name, work / name))}

            return run

        figures = in_turn({name: measured(name) for name in tools}, options.repeats)
        memory = {}
        for name, command in tools.items():
            shutil.rmtree(work / name, ignore_errors=True)
            (work / name).mkdir()
            memory[name] = pss_mib(command)
    own = figures["modalmill"]["wall_s"]
    print_table(
        ["tool", "s", "texts/s", "times modalmill's s", "peak MiB (PSS)", "texts left"],
        [
            [
                name,
                f"{own_figures['wall_s']:.1f}",
                f"{options.size / own_figures['wall_s']:,.0f}",
                f"{own_figures['wall_s'] / own:.2f}",
                f"{memory[name]:,.0f}",
                f"{own_figures['kept']:,.0f}",
            ]
            for name, own_figures in figures.items()
        ],
    )
    print(f"\n{planted(options.size):,} of {options.size:,} texts are neither short nor copies")
    print_versions("pyarrow")


if __name__ == "__main__":
    main()
