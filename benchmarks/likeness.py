"""Finding what is one: texts that share most of their words, pictures that look the same among many
frames of a clip, and recordings and films after compression, scaling, noise and cutting.

Texts: captions of 8 to 40 words that are as frequent as words are (Zipf), a quarter of them copies
of another one with a word or two changed; and texts of one template, no two near. rensa and
datasketch, where they are installed, find candidates by MinHash in 26 bands of 8 rows, and do not
confirm them.

Pictures: a moving scene with the noise of a sensor, 32 x 32 pixels as they are compared, all of
them one clip; and charts whose hashes are alike though no two look alike. Sounds: the wavs below
``--sounds`` (or noise that changes like speech), each beside a copy; a pair of others is false.

Films: those below ``--films``, each beside a copy, whole and as a shard stores it; and sketches of
speakers before one wall, no two of them one.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile
import soxr
from _common import print_table, print_versions
from modalmill.schemas.recipe import ShardOptions
from modalmill.schemas.record import Part
from modalmill.schemas.united import United
from modalmill.stages.measure.measurements import units_wanted
from modalmill.stages.media import audio
from modalmill.stages.media.film_alikes import film_alikes
from modalmill.stages.media.fingerprint import fingerprint_of, sound_alikes
from modalmill.stages.media.lookalikes import look_alikes
from modalmill.stages.media.sketch import Sketch, Sketcher
from modalmill.stages.modalities.image.signals.phash import hash_bits
from modalmill.stages.modalities.text.near import SIMILARITY, jaccard, near_texts
from modalmill.stages.modalities.video.film import sketch_video
from modalmill.stages.modality import Measured, on_disk
from modalmill.stages.signal import LIKENESS, measured_anyway

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


def measured(path: Path, kind: str, compared: bool) -> Measured:
    """What a run measures of a medium."""
    names = measured_anyway(kind) | ({LIKENESS} if compared else set())
    wanted = frozenset(units_wanted(on_disk(kind), names, {}))
    return on_disk(kind).measured(path.parent, Part(kind, uri=path.name), wanted)


def sounds(folder: Path | None) -> None:
    measuring = 0.0
    if folder is None:
        own = [voice(seed) for seed in range(60)]
    else:
        began = time.process_time()
        for path in sorted(folder.rglob("*.wav")):
            measured(path, "audio", True)
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


Frames = list[np.ndarray]


def as_film(path: Path, frames: Frames, rate: Fraction, codec: str = "libx264", **how: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = (side // 2 * 2 for side in frames[0].shape[:2])
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        stream.options = {"preset": "ultrafast"} | how if codec == "libx264" else how
        for pixels in frames:
            even = np.ascontiguousarray(pixels[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def each(change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Path]:
    return lambda path, frames, rate: as_film(path, [change(one) for one in frames], rate, crf="23")


def resized(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def cropped(frame: np.ndarray, share: float) -> np.ndarray:
    high, wide = (round(side * share / 2) for side in frame.shape[:2])
    return frame[high : len(frame) - high, wide : frame.shape[1] - wide]


def captioned(frame: np.ndarray) -> np.ndarray:
    frame = frame.copy()
    frame[int(0.85 * len(frame)) :] = 0
    return frame


VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "40", "b": "0"}
FILMS: dict[str, Callable[[Path, Frames, Fraction], Path]] = {
    "h264, crf 18": lambda path, own, rate: as_film(path, own, rate, crf="18"),
    "h264, crf 35": lambda path, own, rate: as_film(path, own, rate, crf="35"),
    "h264, crf 45": lambda path, own, rate: as_film(path, own, rate, crf="45"),
    "mpeg4": lambda path, own, rate: as_film(path, own, rate, "mpeg4", qmin="8", qmax="8"),
    "vp9": lambda path, own, rate: as_film(
        path.with_suffix(".webm"), own, rate, "libvpx-vp9", **VP9
    ),
    "half the size": each(resized),
    "half the frame rate": lambda path, own, rate: as_film(path, own[::2], rate / 2, crf="23"),
    "the middle 60 %": lambda path, own, rate: as_film(
        path, own[len(own) // 5 : 4 * len(own) // 5], rate, crf="23"
    ),
    "bars of 14 %": each(lambda frame: np.pad(frame, ((len(frame) // 7,) * 2, (0, 0), (0, 0)))),
    "brighter": each(lambda frame: (1.1 * frame + 8.0).clip(0, 255).astype(np.uint8)),
    "a black bar over 15 %": each(captioned),
    "cropped by 5 %": each(lambda frame: cropped(frame, 0.05)),
    "cropped by 20 %": each(lambda frame: cropped(frame, 0.2)),
    "4 % faster": lambda path, own, rate: as_film(path, own, rate * Fraction(26, 25), crf="23"),
    "mirrored": each(lambda frame: frame[:, ::-1]),
}


def speakers(count: int, seconds: float = 12.0, fps: int = 10) -> list[Sketch]:
    """Of a mouth that opens and a head that nods before one wall, each in its own way."""
    random = np.random.default_rng(0)
    still = cv2.GaussianBlur(random.uniform(0, 255, (48, 64)).astype(np.float32), (0, 0), 4)
    still = (still - still.min()) / np.ptp(still) * 180 + 30
    rows, columns = np.mgrid[:48, :64]
    frames, smooth = round(seconds * fps), np.hanning(6)
    found = []
    for _ in range(count):
        moves = random.normal(0, 1, (4, frames + 5))
        opens, level, nods, sways = (np.convolve(own, smooth, "valid") for own in moves)
        sketcher = Sketcher()
        for place in range(frames):
            mouth = np.exp(-((columns - 32) ** 2) / 30 - (rows - 30) ** 2 / 8)
            across, down = columns - 32 - 2 * sways[place], rows - 20 - nods[place]
            head = np.exp(-(across**2 + down**2) / 80)
            frame = still + 10 * opens[place] * mouth + 5 * level[place] * head
            sketcher.add(place / fps, frame.clip(0, 255).astype(np.uint8))
        found.append(sketcher.finished(seconds))
    return found


def found_again(own: list[Sketch], copies: list[Sketch]) -> tuple[int, int, list[float]]:
    """How many copies are in one set with their originals, pairs of others, and how far the found
    ones are apart.
    """
    every, count = [*own, *copies], len(own)
    # what is one among the originals is no mistake of a copy
    known, united = United(count), United(len(every))
    for one, other, _ in film_alikes(count, own.__getitem__):
        known.unite(one, other)
    pairs = film_alikes(len(every), every.__getitem__)
    for one, other, _ in pairs:
        united.unite(one, other)
    wrong = sum(not known.are(one % count, other % count) for one, other, _ in pairs)
    right = sum(united.are(number, number + count) for number in range(count))
    return right, wrong, [apart for one, other, apart in pairs if other == one + count]


def stored(paths: Iterable[Path]) -> list[Sketch]:
    kind = on_disk("video")
    found = []
    for path in paths:
        part = Part("video", uri=path.name, frames=1)  # damage is no error
        data = kind.rendered(path.parent, part, ShardOptions()).data
        found.append(Sketch.from_array(kind.likeness_of(data)))
    return found


def films(folder: Path | None, count: int) -> None:
    own = speakers(count)
    began = time.process_time()
    pairs = film_alikes(len(own), own.__getitem__)
    seconds_taken = time.process_time() - began
    print(
        f"{count:,} speakers of 12 s before one wall: {count / seconds_taken:,.0f} a CPU second,"
        f" {len(pairs)} false pairs"
    )
    again = [Sketch(one.doubled, one.thumbnails[20:80]) for one in own]
    right, wrong, _ = found_again(own, again)
    print(
        f"of each 7.5 s as a film of its own: {right:,} of {count:,} found, {wrong} false pairs\n"
    )
    if folder is None:
        return
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in on_disk("video").suffixes]
    seconds = {}
    for sketched in (False, True):
        began = time.process_time()
        lengths = [measured(path, "video", sketched)["duration_s"] for path in paths]
        seconds[sketched] = time.process_time() - began
    own, own_stored = [sketch_video(path) for path in paths], stored(paths)
    rows = []
    for name, copy in FILMS.items():
        with tempfile.TemporaryDirectory() as made:
            copies = []
            for number, path in enumerate(paths):
                with av.open(str(path)) as container:
                    rate = container.streams.video[0].average_rate or Fraction(25)
                    frames = [
                        frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)
                    ]
                copies.append(copy(Path(made) / f"{number}.mp4", frames, rate))
            right, wrong, apart = found_again(own, [sketch_video(path) for path in copies])
            in_shards = found_again(own_stored, stored(copies))
        mean = f"{np.mean(apart):.3f}" if apart else "-"
        told = [f"{right} of {len(own)}", f"{in_shards[0]} of {len(own)}"]
        rows.append([name, *told, str(wrong + in_shards[1]), mean])
    print_table(["copy", "found", "found in shards", "false pairs", "apart"], rows)
    length = sum(each or 0.0 for each in lengths)
    print(
        f"\n{len(paths)} films of {length:,.0f} s: {len(paths) / seconds[False]:.1f} measured a"
        f" CPU second, {len(paths) / seconds[True]:.1f} with sketches\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=50_000, help="frames of the clip")
    parser.add_argument("--texts", type=int, nargs="*", default=[10_000, 100_000], help="how many")
    parser.add_argument("--sounds", type=Path, help="a folder of wavs of your own")
    parser.add_argument("--films", type=Path, help="a folder of films of your own")
    parser.add_argument("--speakers", type=int, default=1000, help="how many films of them")
    parser.add_argument(
        "--only", nargs="*", default=["texts", "pictures", "sounds", "films"], help="what"
    )
    options = parser.parse_args()
    if "texts" in options.only:
        texts(options.texts)
    if "pictures" in options.only:
        pictures(options.size)
    if "sounds" in options.only:
        sounds(options.sounds)
    if "films" in options.only:
        films(options.films, options.speakers)
    print_versions("numpy", "scipy", "opencv-python-headless", "soundfile", "soxr", "av")


if __name__ == "__main__":
    main()
