"""How well ``align.warp`` moves words onto another reading, and how often it refuses what does not
belong together.

Planted: six sentences of LJ Speech and 36 clips of GRID, in stretches of about 1.2 s each at 0.7 to
1.4 of its pace (FFmpeg's atempo), as they are, under white noise at 20 dB, through a telephone (300
to 3,400 Hz) under noise at 10 dB, and 10 % higher in pitch. Words are those of GRID's authors, and
of LJ Speech every third of a second. Strangers: all ordered pairs of different sentences, a quarter
of those of different clips (of which most have words in common), and sentences against clips.
``DATA`` is the folder that holds ``grid_s1`` and ``ljspeech_sample``.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
import soxr
from _common import print_table, print_versions
from modalmill.schemas.record import Part
from modalmill.stages.align.warp import TimeMap, Warp
from modalmill.stages.media import audio
from modalmill.stages.modality import on_disk

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # where its sounds are made
from paces import RATE_HZ, warped  # after the path is set

Change = Callable[[np.ndarray], np.ndarray]
Sound = tuple[np.ndarray, np.ndarray]  # samples, and when its words end


def read_again(sound: Sound, chance: np.random.Generator) -> Sound:
    samples, ends = sound
    count = max(2, int(len(samples) / RATE_HZ / 1.2))
    cuts = np.sort(chance.uniform(0.1, 0.9, count - 1)) * len(samples)
    edges = np.array([0, *cuts.astype(int), len(samples)])
    other, before_s, after_s = warped(samples, edges, chance)
    return other, np.interp(ends, before_s, after_s)


def changes(chance: np.random.Generator) -> dict[str, Change]:
    band = scipy.signal.butter(2, [300, 3400], "band", fs=RATE_HZ, output="sos")

    def noisy(samples: np.ndarray, decibels: float) -> np.ndarray:
        noise = chance.standard_normal(len(samples)) * samples.std() * 10 ** (-decibels / 20)
        return samples + noise

    return {
        "as it is": lambda samples: samples,
        "noise at 20 dB": lambda samples: noisy(samples, 20),
        "telephone, noise at 10 dB": lambda samples: noisy(scipy.signal.sosfilt(band, samples), 10),
        "10 % higher": lambda samples: soxr.resample(samples, RATE_HZ, RATE_HZ * 1.1),
    }


def sentences(data: Path) -> Iterator[Sound]:
    for path in sorted((data / "ljspeech_sample" / "wavs").glob("*.wav")):
        samples = audio.decode(path).mono(RATE_HZ)
        yield samples, np.arange(0.5, len(samples) / RATE_HZ - 0.2, 0.33)


def clips(data: Path) -> Iterator[Sound]:
    for path in sorted((data / "grid_s1" / "s1").glob("*.mpg")):
        lines = (data / "grid_s1" / "alignments" / "s1" / f"{path.stem}.align").read_text().split()
        words = zip(lines[1::3], lines[2::3], strict=True)
        ends = np.array([int(end) / 25_000 for end, word in words if word not in ("sil", "sp")])
        yield audio.decode(path).mono(RATE_HZ), ends


class Mapper:
    """The stage's map of two sounds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kind = on_disk("audio")
        self._known: dict[int, tuple[Part, Mapping[str, np.ndarray]]] = {}
        self._stage = Warp(of="one", onto="other", cues={"moved": "words"})

    def _part(self, samples: np.ndarray) -> Part:
        if id(samples) not in self._known:
            name = f"{len(self._known)}.wav"
            soundfile.write(self._folder / name, np.clip(samples, -1, 1), RATE_HZ)
            part = Part("audio", uri=name, duration_s=len(samples) / RATE_HZ)
            wanted = frozenset({"track levels", "track mfcc"})
            found = self._kind.measured(self._folder, part, wanted)["found"]
            tracks = {**found.tracks["levels"], **found.tracks["mfcc"]}
            # the samples are kept, so that no other has their id
            self._known[id(samples)] = part, {**tracks, "samples": samples}
        return self._known[id(samples)][0]

    def __call__(self, one: np.ndarray, other: np.ndarray) -> TimeMap:
        parts = [self._part(one), self._part(other)]
        tracks = {part.uri: own for part, own in self._known.values()}
        found = self._stage._map(parts[0], parts[1], lambda part: tracks[part.uri])
        assert found is not None
        return found

    def is_sure(self, found: TimeMap) -> bool:
        return found.cost <= self._stage.max_cost


def planted(mapper: Mapper, sounds: Sequence[Sound], seed: int) -> Iterator[list[str]]:
    chance = np.random.default_rng(seed)
    for name, change in changes(chance).items():
        errors: list[float] = []
        sure = 0
        for sound in sounds:
            other, ends = read_again(sound, chance)
            changed = change(other)
            found = mapper(sound[0], changed)
            if mapper.is_sure(found):
                sure += 1
                truth = ends * len(changed) / len(other)
                errors += np.abs(found(sound[1]) - truth).tolist()
        within = [float(np.mean(np.array(errors) <= close)) for close in (0.04, 0.05)]
        yield [
            name,
            str(len(sounds)),
            f"{sure / len(sounds):.3f}",
            *(f"{one:.3f}" for one in within),
        ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    print_versions("av", "numpy", "scipy", "soxr")
    readings, spoken = list(sentences(given.data)), list(clips(given.data))
    with tempfile.TemporaryDirectory() as folder:
        mapper = Mapper(Path(folder))
        head = ["another reading", "pairs", "moved", "within 40 ms", "50 ms"]
        for name, sounds in (("LJ Speech", readings), ("GRID", spoken)):
            rows = [[f"{name}, {row[0]}", *row[1:]] for row in planted(mapper, sounds, given.seed)]
            print_table(head, rows)
        rows = []
        for name, pairs in (
            ("LJ Speech", list(itertools.permutations(readings, 2))),
            ("GRID", list(itertools.permutations(spoken, 2))[::4]),
            ("LJ Speech onto GRID", list(itertools.product(readings, spoken))),
        ):
            refused = [not mapper.is_sure(mapper(one[0], other[0])) for one, other in pairs]
            rows.append([name, str(len(pairs)), f"{np.mean(refused):.3f}"])
        print_table(["strangers", "pairs", "refused"], rows)


if __name__ == "__main__":
    main()
