"""What every operator does in a CPU second of one core, beside the same operation of the tools that
are used for it: signals, stages that clean and augment, and features without learned weights.

Media are decoded before the time begins. ``--data`` is the folder of the data sets that the inputs
are made of: ``vqa_coco``, ``esc50_sample``, ``ljspeech_sample``, ``grid_s1``, ``sms_spam`` and
``resumes``. Operators are found by their registries, so that a new one is measured without being
named here. Each tool runs in an environment of its own, which ``benchmarks/operating/setup.sh
FOLDER`` makes, and they take turns; the median of each figure is shown.

    python benchmarks/operators.py --data DATA --peers FOLDER
"""

from __future__ import annotations

import csv
import functools
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import soundfile
import soxr
from _common import (
    arguments,
    made_once,
    print_table,
    print_versions,
    use_cores,
    work_folder,
)
from modalmill.stages.media import video

HERE = Path(__file__).parent / "operating"
OWN = "modalmill"
PEERS = (
    "albumentations",
    "audiomentations",
    "cleanvision",
    "datatrove",
    "data_juicer",
    "libraries",
)
# one thread each
ALONE = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
HEIGHT, WIDTH, TILE = 480, 640, 256
RATE_HZ, SECONDS, LEAST_LEVEL = 16_000, 5, 0.01
FRAMES = 8
TITLES = {
    "pictures": ("Pictures, 640 x 480", "pictures/s"),
    "sounds": ("Sounds, 5 s at 16 kHz, one channel", "s of sound/s"),
    "films": ("Films, 360 x 288", "frames/s"),
    "messages": ("Texts, messages of 80 characters", "texts/s"),
    "pages": ("Texts, résumés of 3,000 characters", "texts/s"),
    "records": ("Records with a picture, a sound and a film", "records/s"),
}


class Anchor(NamedTuple):
    """The nearest operation of another tool. called: what the tool calls it."""

    tool: str
    called: str
    rate: float


def write_inputs(count: int, data: Path, folder: Path) -> None:
    """The inputs as ``operating/_rates.py`` says."""
    write_pictures(sorted((data / "vqa_coco").rglob("*.jpg")), count, folder)
    sounds = [*(data / "ljspeech_sample").rglob("*.wav"), *(data / "esc50_sample").rglob("*.wav")]
    write_sounds(sorted(sounds), count, folder)
    write_films(sorted((data / "grid_s1").rglob("*.mpg"))[: max(1, count // 2)], folder)
    with (data / "sms_spam" / "spam.csv").open(encoding="latin-1", newline="") as file:
        messages = [row[1] for row in csv.reader(file)][1:]
    (folder / "messages.json").write_text(json.dumps(messages))
    with (data / "resumes" / "resumes.csv").open(encoding="utf-8", newline="") as file:
        pages = sorted({row["Resume_str"] for row in csv.DictReader(file)})
    (folder / "pages.json").write_text(json.dumps(pages))


def write_pictures(paths: list[Path], count: int, folder: Path) -> None:
    """Photographs beside each other, three by two, so that each pixel is one that a camera took."""
    (folder / "pictures").mkdir()
    pictures = []
    for number in range(count):
        tiles = [cv2.imread(str(path)) for path in paths[6 * number : 6 * number + 6]]
        tiles = [
            cv2.resize(tile, (TILE, TILE)) if tile.shape[0] != TILE else tile for tile in tiles
        ]
        whole = cv2.vconcat([cv2.hconcat(tiles[:3]), cv2.hconcat(tiles[3:])])
        top, left = (whole.shape[0] - HEIGHT) // 2, (whole.shape[1] - WIDTH) // 2
        path = folder / "pictures" / f"{number:02}.jpg"
        shown = whole[top : top + HEIGHT, left : left + WIDTH]
        cv2.imwrite(str(path), shown, [cv2.IMWRITE_JPEG_QUALITY, 90])
        pictures.append(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
    np.save(folder / "pictures.npy", np.stack(pictures))


def write_sounds(paths: list[Path], count: int, folder: Path) -> None:
    """The first seconds of recordings that are neither shorter nor nearly silent, half of them
    speech where there is so much.
    """
    (folder / "sounds").mkdir()
    speech: list[np.ndarray] = []
    other: list[np.ndarray] = []
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        sound = soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ)[: SECONDS * RATE_HZ]
        if len(sound) == SECONDS * RATE_HZ and np.sqrt(np.mean(np.square(sound))) > LEAST_LEVEL:
            (speech if "ljspeech_sample" in path.parts else other).append(sound)
    chosen = speech[: count // 2]
    chosen += other[: count - len(chosen)]
    np.save(folder / "sounds.npy", np.stack(chosen))
    for number, sound in enumerate(chosen):
        soundfile.write(folder / "sounds" / f"{number:02}.wav", sound, RATE_HZ)
    # a room of half a second: noise that decays, for who takes impulse responses
    times = np.arange(RATE_HZ // 2) / RATE_HZ
    response = np.random.default_rng(7).standard_normal(len(times)) * 10 ** (-6 * times) / 10
    response[0] = 1.0
    soundfile.write(folder / "response.wav", response / 2, RATE_HZ)


def write_films(paths: list[Path], folder: Path) -> None:
    (folder / "films").mkdir()
    for path in paths:
        (folder / "films" / path.name).write_bytes(path.read_bytes())
    frames = [video.sample(path, FRAMES, 100_000) for path in paths]
    np.save(folder / "films.npy", np.stack(frames))


def told_by(command: list[str]) -> dict[str, Any]:
    """What a tool says of itself in a process of its own."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, **ALONE, "PYTHONWARNINGS": "ignore"},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def commands(inputs: Path, peers: Path | None, only: str) -> dict[str, list[str]]:
    """What each tool is started with; those whose environment is there."""
    told = {OWN: [sys.executable, str(HERE / "with_modalmill.py"), str(inputs), only]}
    for name in PEERS if peers else ():
        python = peers / name / "bin" / "python"
        if python.is_file():
            told[name] = [str(python), str(HERE / f"with_{name}.py"), str(inputs), only]
        else:
            print(f"{name}: {python} is not there, and is not measured", file=sys.stderr)
    return told


Figures = dict[tuple[str, str, str], list[float]]


def measured(
    tools: dict[str, list[str]], repeats: int
) -> tuple[Figures, dict[str, str], dict[str, str]]:
    """(tool, row, what the tool calls it) -> its rates; what modalmill did not measure, with why;
    the versions of the others' packages.
    """
    figures: Figures = {}
    left: dict[str, str] = {}
    versions: dict[str, str] = {}
    for turn in range(repeats):
        for name, command in tools.items():
            print(f"{turn + 1}/{repeats} {name}", file=sys.stderr, flush=True)
            told = told_by(command)
            left |= told["left"]
            versions |= told["versions"]
            for row, rates in told["rates"].items():
                for called, rate in rates:
                    figures.setdefault((name, row, called), []).append(rate)
    return figures, left, versions


def print_rows(figures: Figures) -> None:
    """A table for each medium: an operator in each row, with each tool that has it."""
    medians = {key: statistics.median(rates) for key, rates in figures.items()}
    own = {row: (called, rate) for (tool, row, called), rate in medians.items() if tool == OWN}
    for medium, (title, unit) in TITLES.items():
        rows = []
        for row, (remark, rate) in own.items():
            if not row.startswith(f"{medium}|"):
                continue
            name = row.partition("|")[2]
            anchors = [
                Anchor(tool, called, theirs)
                for (tool, theirs_row, called), theirs in medians.items()
                if theirs_row == row and tool != OWN
            ]
            shown = f"{shown_as(name)} ({remark})" if remark else shown_as(name)
            rows += [line(shown, rate, anchor) for anchor in anchors or [None]]
        if rows:
            print(f"\n### {title}\n")
            print_table(["operator", unit, "anchor", f"its {unit}", "modalmill / anchor"], rows)
    strays = {row for tool, row, _ in medians if tool != OWN and row not in own}
    if strays:
        print(f"\nno operator of modalmill is called: {', '.join(sorted(strays))}")


def shown_as(name: str) -> str:
    """The address or the signal as code, and the words behind it."""
    operator, _, words = name.partition(" ")
    return f"`{operator}` {words}".strip() if "." in operator else name


def line(name: str, rate: float, anchor: Anchor | None) -> list[str]:
    first = [name, f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"]
    if anchor is None:
        return [*first, "-", "-", "-"]
    theirs = f"{anchor.rate:,.0f}" if anchor.rate >= 10 else f"{anchor.rate:.1f}"
    return [*first, f"{anchor.tool}: {anchor.called}", theirs, f"{rate / anchor.rate:.2f}"]


def main() -> None:
    """Make the inputs, let all tools take turns and print the tables."""
    parser = arguments(__doc__, "number of pictures and of sounds; half as many films", 12)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments")
    parser.add_argument("--only", default="", help="rows with this in their names")
    parser.set_defaults(cores=1)
    options = parser.parse_args()
    use_cores(options.cores)
    with work_folder(options.work) as work:
        make = functools.partial(write_inputs, options.size, options.data)
        inputs = made_once(work / f"inputs-{options.size}", make)
        tools = commands(inputs, options.peers, options.only)
        figures, left, versions = measured(tools, options.repeats)
    print_rows(figures)
    print("\nNot measured:")
    for name, why in left.items():
        print(f"- {name}: {why}")
    print("\nOthers: " + ", ".join(f"{name} {own}" for name, own in sorted(versions.items())))
    print_versions("numpy", "opencv-python-headless", "scipy", "soxr", "librosa", "av")


if __name__ == "__main__":
    main()
