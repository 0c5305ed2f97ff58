"""Finding what is one: texts that share most of their words, pictures that look the same among many
frames of a clip, and recordings after compression, resampling, noise and cutting.

Texts: captions of 8 to 40 words that are as frequent as words are (Zipf), a quarter of them copies
of another one with a word or two changed; and texts of one template, no two near. rensa and
datasketch, where they are installed, find candidates by MinHash in 26 bands of 8 rows, and do not
confirm them.

Pictures: a moving scene with the noise of a sensor, 32 x 32 pixels as they are compared, all of
them one clip; and charts whose hashes are alike though no two look alike. Sounds: the wavs below
``--sounds`` (or noise that changes like speech), each beside a copy; a pair of others is false.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import resource
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import soundfile
import soxr
from _common import print_table, print_versions
from modalmill.schemas.record import Part
from modalmill.stages.media import audio
from modalmill.stages.media.fingerprint import fingerprint_of, sound_alikes
from modalmill.stages.media.lookalikes import look_alikes
from modalmill.stages.modalities.image.measure import hash_bits
from modalmill.stages.modalities.text.near import SIMILARITY, jaccard, near_texts
from modalmill.stages.modality import Depth, on_disk

Sound = tuple[np.ndarray, int]


BANDS, ROWS = 26, 8  # find 0.992 of the pairs that are just near enough

# candidates of all texts: text -> others
Candidates = Callable[[list[str]], Callable[[int], "list[int]"]]


def captions(count: int) -> tuple[list[str], list[tuple[int, int]]]:
    """Texts, and which of them are a copy of which; of a copy's words a stretch is other ones."""
    random = np.random.default_rng(0)
    chance = 1 / (np.arange(50_000) + 2.7)
    lengths = random.integers(8, 41, count)
    drawn = random.choice(len(chance), lengths.sum(), p=chance / chance.sum())
    texts = [[f"w{word}" for word in words] for words in np.split(drawn, lengths.cumsum()[:-1])]
    copies = []
    for number in range(0, count - 1, 4):
        words = list(texts[number])
        start, end = np.sort(random.integers(0, len(words) + 1, 2))
        end = min(end, start + 2)
        words[start:end] = [f"w{word}" for word in random.integers(0, 50_000, end - start)]
        texts[number + 1] = words
        copies.append((number, number + 1))
    return [" ".join(words) for words in texts], copies


def of_one_template(count: int) -> list[str]:
    words = [f"w{number}" for number in range(42)]
    texts = []
    for number in range(count):
        words[10:15] = [f"n{number}p{place}" for place in range(5)]
        texts.append(" ".join(words))
    return texts


def shingles(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[start : start + 3]) for start in range(max(1, len(words) - 2))]


def by_rensa(texts: list[str]) -> Callable[[int], list[int]]:
    import rensa

    hashes = rensa.RMinHash.from_token_sets(map(shingles, texts), num_perm=BANDS * ROWS, seed=1)
    index = rensa.RMinHashLSH(SIMILARITY, BANDS * ROWS, BANDS)
    index.insert_pairs(list(enumerate(hashes)))
    found = index.query_all(hashes)
    return found.__getitem__


def by_datasketch(texts: list[str]) -> Callable[[int], list[int]]:
    import datasketch

    index = datasketch.MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    found = []
    for number, text in enumerate(texts):
        minhash = datasketch.MinHash(BANDS * ROWS)
        minhash.update_batch([shingle.encode() for shingle in shingles(text)])
        found.append(index.query(minhash))
        index.insert(number, minhash)
    return found.__getitem__


def by_ours(texts: list[str]) -> Callable[[int], list[int]]:
    first = near_texts(texts).first()
    return lambda number: np.flatnonzero(first == first[number]).tolist()


FINDERS: dict[str, Candidates] = {
    "modalmill": by_ours,
    "rensa": by_rensa,
    "datasketch": by_datasketch,
}


def texts(counts: list[int]) -> None:
    rows = []
    for count in counts:
        some, copies = captions(count)
        near = [pair for pair in copies if jaccard(some[pair[0]], some[pair[1]]) >= SIMILARITY]
        edge = [pair for pair in near if jaccard(some[pair[0]], some[pair[1]]) <= 0.85]
        template = of_one_template(count)
        for name, find in FINDERS.items():
            # the slowest one has shown what it does
            if importlib.util.find_spec(name) is None or (name == "datasketch" and count > 20_000):
                continue
            began = time.process_time()
            others = find(some)
            seconds = time.process_time() - began
            share = {
                what: np.mean([one in others(other) for one, other in pairs])
                for what, pairs in (("all", near), ("edge", edge))
            }
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            took = "-"
            if name == "modalmill":
                began = time.process_time()
                assert len(np.unique(near_texts(template).first())) == count
                took = f"{count / (time.process_time() - began):,.0f}"
            rows.append(
                [
                    f"{name}, {count:,}",
                    f"{count / seconds:,.0f}",
                    f"{share['all']:.4f} of {len(near):,}",
                    f"{share['edge']:.4f} of {len(edge):,}",
                    f"{most:,.0f} MB",
                    took,
                ]
            )
    print_table(
        [
            "texts",
            "texts a CPU second",
            "recall at 0.8 and more",
            "at 0.80 to 0.85",
            "largest memory so far",
            "of one template, a CPU second",
        ],
        rows,
    )
    print()


def hash_of(pixels: np.ndarray) -> int:
    return int.from_bytes(hash_bits(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)).tobytes(), "big")


def clip(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames of one clip: a face-like blob that moves before a still background."""
    random = np.random.default_rng(0)
    background = cv2.GaussianBlur(random.uniform(0, 255, (32, 32, 3)), (0, 0), 4)
    background = (background - background.min()) / np.ptp(background) * 200 + 20
    rows, columns = np.mgrid[:32, :32]
    frames = np.empty((count, 32, 32, 3), np.uint8)
    for number in range(count):
        x, y = 16 + 2 * np.sin(number / 9), 16 + 1.5 * np.cos(number / 7)
        blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 40)[..., None]
        noisy = background * (1 - blob) + 180 * blob + random.normal(0, 1, (32, 32, 3))
        frames[number] = noisy.clip(0, 255)
    return frames, np.array([hash_of(frame) for frame in frames], np.uint64)


def charts(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat graphics, no two alike, whose hashes differ in at most six bits."""
    random = np.random.default_rng(0)
    pixels = np.full((count, 32, 32, 3), 255, np.uint8)
    hashes = np.full(count, random.integers(2**63), np.uint64)
    for number in range(count):
        for _ in range(4):
            x, y = random.integers(0, 24, 2)
            pixels[number, y : y + 6, x : x + 6] = random.integers(0, 255, 3)
        for bit in random.integers(0, 64, random.integers(0, 4)):
            hashes[number] ^= np.uint64(1) << np.uint64(bit)
    return pixels, hashes


def pictures(count: int) -> None:
    rows = []
    for name, (pixels, hashes) in (("frames of one clip", clip(count)), ("charts", charts(1748))):
        began = time.process_time()
        first = look_alikes(hashes, 8, lambda number, own=pixels: own[number]).first()
        seconds = time.process_time() - began
        groups = len(np.unique(first))
        rows.append([name, f"{len(hashes):,}", f"{groups:,}", f"{seconds:.1f}"])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print_table(["pictures", "how many", "sets found", "CPU s"], rows)
    print(f"\nlargest resident memory {most:,.0f} MB, the pictures themselves among it\n")


def voice(seed: int) -> Sound:
    random = np.random.default_rng(seed)
    pieces = [
        np.convolve(random.normal(0, 0.05, 1600), random.normal(0, 1, 64), "same")
        for _ in range(50)
    ]
    return np.concatenate(pieces).clip(-1, 1).astype(np.float32), 16_000


def encoded(form: str, subtype: str | None = None) -> Callable[[np.ndarray, int], Sound]:
    def copy(samples: np.ndarray, rate_hz: int) -> Sound:
        buffer = io.BytesIO()
        if subtype == "OPUS":
            samples, rate_hz = soxr.resample(samples, rate_hz, 16_000), 16_000
        soundfile.write(buffer, samples, rate_hz, format=form, subtype=subtype)
        buffer.seek(0)
        return soundfile.read(buffer, dtype="float32")

    return copy


def noisy(ratio_db: float) -> Callable[[np.ndarray, int], Sound]:
    def copy(samples: np.ndarray, rate_hz: int) -> Sound:
        # each sound has noise of its own, for noise that two of them share is alike
        seed = int(np.abs(samples).sum(dtype=np.float64) * 1e6)
        noise = np.random.default_rng(seed).standard_normal(len(samples), np.float32)
        level = float(np.square(samples).mean()) ** 0.5 * 10 ** (-ratio_db / 20)
        return samples + np.float32(level) * noise, rate_hz

    return copy


COPIES: dict[str, Callable[[np.ndarray, int], Sound]] = {
    "mp3": encoded("MP3"),
    "vorbis": encoded("OGG", "VORBIS"),
    "opus": encoded("OGG", "OPUS"),
    "8 kHz": lambda samples, rate_hz: (soxr.resample(samples, rate_hz, 8000), 8000),
    "12 dB quieter": lambda samples, rate_hz: (0.25 * samples, rate_hz),
    "noise at 20 dB": noisy(20),
    "noise at 10 dB": noisy(10),
    "the middle 60 %": lambda samples, rate_hz: (
        samples[len(samples) // 5 : 4 * len(samples) // 5],
        rate_hz,
    ),
}


def sounds(folder: Path | None) -> None:
    measuring = 0.0
    if folder is None:
        own = [voice(seed) for seed in range(60)]
    else:
        began = time.process_time()
        for path in sorted(folder.rglob("*.wav")):
            on_disk("audio").measured(
                folder, Part("audio", uri=str(path.relative_to(folder))), Depth.LIKENESS
            )
        measuring = time.process_time() - began
        decoded = [audio.decode(path) for path in sorted(folder.rglob("*.wav"))]
        own = [(sound.mono(), sound.rate_hz) for sound in decoded]
    began = time.process_time()
    prints = [fingerprint_of(*sound) for sound in own]
    seconds = time.process_time() - began
    length = sum(len(samples) / rate_hz for samples, rate_hz in own)
    rows = []
    for name, copy in COPIES.items():
        copies = [fingerprint_of(*copy(*sound)) for sound in own]
        pairs = sound_alikes([*prints, *copies])
        right = [errors for one, other, errors in pairs if other == one + len(own)]
        wrong = len(pairs) - len(right)
        mean = f"{np.mean(right):.3f}" if right else "-"
        rows.append([name, f"{len(right)} of {len(own)}", str(wrong), mean])
    print_table(["copy", "found", "false pairs", "bits that differ"], rows)
    share = f", {seconds / measuring:.0%} of measuring them" if measuring else ""
    print(
        f"\nfingerprints of {length:,.0f} s of sound: {length / seconds:,.0f} s a CPU second{share}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=50_000, help="frames of the clip")
    parser.add_argument("--texts", type=int, nargs="*", default=[10_000, 100_000], help="how many")
    parser.add_argument("--sounds", type=Path, help="a folder of wavs of your own")
    options = parser.parse_args()
    texts(options.texts)
    pictures(options.size)
    sounds(options.sounds)
    print_versions("numpy", "scipy", "opencv-python-headless", "soundfile", "soxr")


if __name__ == "__main__":
    main()
