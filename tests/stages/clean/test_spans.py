"""Rules judge the span of a part, not its file; signals of spans are those of the cut-out file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import measured, signals_within
from modalmill.pipeline.run import Result
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.stages.modalities.audio.signals.clipping import flat_tops
from PIL import Image
from tiny import png, recipe, write

Run = Callable[..., Result]
RATE_HZ = 8000
LOSES_MOST = {"tolerance": 0.9}


def bursts(seed: int, seconds: int = 8) -> np.ndarray:
    """Stretches of a fifth of a second: noise of some level, or digital silence."""
    random = np.random.default_rng(seed)
    levels = random.choice([0.0, 0.0, 0.001, 0.1, 0.5], 5 * seconds)
    noise = random.uniform(-1, 1, seconds * RATE_HZ)
    return np.clip(np.repeat(levels, RATE_HZ // 5) * noise * 2.2, -1, 1).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 5), st.floats(1, 3))
def test_signals_of_a_span_of_sound_are_those_of_the_cut_out_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, start_s: float, seconds: float
) -> None:
    folder, sound = tmp_path_factory.mktemp("cut"), bursts(seed)
    soundfile.write(folder / "all.wav", sound, RATE_HZ, subtype="FLOAT")
    first, last = round(start_s * RATE_HZ), round((start_s + seconds) * RATE_HZ)
    soundfile.write(folder / "cut.wav", sound[first:last], RATE_HZ, subtype="FLOAT")
    whole = measured(folder / "all.wav", "audio")
    span = (whole.facts["duration_s"], first / RATE_HZ, last / RATE_HZ)
    found = signals_within("audio", whole.tracks, *span)
    wanted = measured(folder / "cut.wav", "audio").signals
    # a frame of 20 ms may lie across an edge of a stretch, in the one file and not in the other
    edges = 0.02 * (5 * seconds + 2) / seconds
    assert found["silence"] == pytest.approx(wanted["silence"], abs=0.01 + edges)
    assert found["clipping"] == pytest.approx(wanted["clipping"], abs=0.01)
    if wanted["level_db"] > -60:
        assert found["level_db"] == pytest.approx(wanted["level_db"], abs=0.5)


def film(path: Path, frames: list[np.ndarray], fps: int = 25) -> Path:
    """Lossless, so that equal frames are equal."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    return path


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 40), st.integers(5, 35))
def test_signals_of_a_span_of_film_are_those_of_the_cut_out_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, first: int, count: int
) -> None:
    random, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("film")
    picture = np.zeros((48, 64, 3), np.uint8)
    frames = []
    for _ in range(75):
        if random.random() < 0.5:
            picture = np.full((48, 64, 3), random.choice([0, 0, 120, 200]), np.uint8)
        frames.append(picture)
    last = min(75, first + count)
    whole = measured(film(folder / "all.mkv", frames), "video")
    wanted = measured(film(folder / "cut.mkv", frames[first:last]), "video").signals
    found = signals_within("video", whole.tracks, 3.0, first / 25, last / 25)
    for name in found:
        assert found[name] == pytest.approx(wanted[name], abs=0.01), name


def kept(out: Path) -> set[str]:
    return {record.origin.id for record in table_to_records(read_manifest(out))}


def two_halves(root: Path, **more: Any) -> dict[str, Any]:
    """One wav of three seconds of noise and three of silence, a row for each, and one for all."""
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE_HZ)
    sound = np.concatenate([noise, np.zeros(3 * RATE_HZ)])
    root.mkdir(exist_ok=True)
    soundfile.write(root / "a.wav", sound, RATE_HZ)
    write(
        root / "t.csv",
        "id,file,from,to\nspeech,a.wav,0,2.8\nsilence,a.wav,3.1,5.9\nboth,a.wav,1,5\n",
    )
    return {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "media": {"voice": {"path": "{file}"}},
        "start": "from",
        "end": "to",
        **more,
    }


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ({"max_silence": 0.9}, {"speech", "both"}),
        ({"max_silence": 0.4}, {"speech"}),
        ({"max_silence": 0.4, "on_fault": "drop_part"}, {"speech", "both", "silence"}),
        ({"min_seconds": 2.9}, {"both"}),
    ],
)
def test_a_rule_on_sound_judges_each_row_by_its_span(
    tmp_path: Path, run_recipe: Run, rules: dict[str, Any], wanted: set[str]
) -> None:
    sources = {"s": two_halves(tmp_path)}
    run_recipe(recipe(tmp_path, sources, [{"clean.audio": rules}], **LOSES_MOST))
    assert kept(tmp_path / "out") == wanted


@pytest.mark.parametrize("before", [[], ["clean.duplicates"]])
def test_a_piece_that_a_stage_cut_is_judged_by_its_own_span(
    tmp_path: Path, run_recipe: Run, before: list[Any]
) -> None:
    two_halves(tmp_path / "raw")
    cues = "1\n00:00:00,100 --> 00:00:02,700\nspeech\n\n2\n00:00:03,200 --> 00:00:05,800\nnothing\n"
    write(tmp_path / "raw" / "a.srt", cues)
    source = {"type": "audio_folder", "path": "raw", "cues": {"words": "raw/{stem}.srt"}}
    stages = [*before, {"align.cut": {"by": "words"}}, {"clean.audio": {"max_silence": 0.5}}]
    run_recipe(recipe(tmp_path, {"s": source}, stages))
    records = list(table_to_records(read_manifest(tmp_path / "out")))
    assert [record.parts["words"].text for record in records] == ["speech"]
    assert records[0].signals["audio.silence"] < 0.01


def test_a_rule_on_film_judges_each_row_by_its_span(tmp_path: Path, run_recipe: Run) -> None:
    random = np.random.default_rng(0)
    moving = [random.integers(60, 200, (48, 64, 3), np.uint8) for _ in range(50)]
    film(tmp_path / "a.mkv", [*moving, *[np.zeros((48, 64, 3), np.uint8)] * 50])
    write(
        tmp_path / "t.csv",
        "id,file,from,to\nmoving,a.mkv,0,2\nblack,a.mkv,2,4\nshort,a.mkv,0,0.5\n",
    )
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "media": {"film": {"path": "{file}"}},
        "start": "from",
        "end": "to",
    }
    for name, rules, wanted in (
        ("black", {"max_black": 0.5}, {"moving", "short"}),
        ("frozen", {"max_frozen": 0.5}, {"moving", "short"}),
        ("long", {"min_seconds": 1.0}, {"moving", "black"}),
    ):
        run_recipe(recipe(tmp_path, {"s": source}, [{"clean.video": rules}]), tmp_path / name)
        assert kept(tmp_path / name) == wanted, name


def signals_of(tmp_path: Path, samples: np.ndarray, rate_hz: int = 16_000) -> dict[str, float]:
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="PCM_16")
    return measured(tmp_path / "a.wav", "audio").signals


@pytest.mark.parametrize("gain_db", [0.0, -0.26, -6.0])
def test_clipping_is_found_after_the_gain_was_turned_down_and_in_one_channel(
    tmp_path: Path, gain_db: float
) -> None:
    voice = np.random.default_rng(0).normal(0, 1, 16_000)
    voice = np.convolve(voice, np.ones(8) / 3, "same")  # slow enough to stay at the top for a while
    clipped = np.clip(voice, -1, 1) * 10 ** (gain_db / 20)
    share = float((np.abs(voice) >= 1).mean())
    assert share > 0.05
    assert signals_of(tmp_path, clipped)["clipping"] == pytest.approx(share, rel=0.5)
    both = np.stack([0.3 * voice / np.abs(voice).max(), clipped], 1)
    assert signals_of(tmp_path, both)["clipping"] == pytest.approx(share, rel=0.5)
    assert signals_of(tmp_path, 0.9 * voice / np.abs(voice).max())["clipping"] == 0


@given(st.floats(20, 3000), st.floats(0.01, 0.99))
def test_the_round_top_of_a_wave_is_no_clipping(hertz: float, level: float) -> None:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(8000) / 16_000)
    assert not flat_tops((np.round(wave * 32767) / 32768).astype(np.float32)).any()


def test_silence_is_without_its_offset_and_quiet_is_against_the_loud(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    assert signals_of(tmp_path, np.full(16_000, 0.1))["silence"] == 1
    room = 10 ** (-55 / 20) * random.normal(size=16_000)
    talk = np.concatenate([room, 0.2 * random.normal(size=16_000)])
    signals = signals_of(tmp_path, talk)
    assert (signals["silence"], signals["quiet"]) == (0, pytest.approx(0.5, abs=0.02))


def test_writing_on_black_is_not_black_and_bars_and_small_things_are_seen_to_move(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    card = np.zeros((240, 320, 3), np.uint8)
    card[100:140, 20:160] = 255
    assert measured(film(tmp_path / "card.mkv", [card] * 10), "video").signals["black"] == 0
    assert measured(film(tmp_path / "none.mkv", [card * 0] * 10), "video").signals["black"] == 1
    frames = []
    for step in range(50):
        frame = np.full((240, 320, 3), 90, np.uint8)
        frame[100:110, 10 + 5 * step : 20 + 5 * step] = 220
        frames.append(frame)
    assert measured(film(tmp_path / "small.mkv", frames), "video").signals["frozen"] == 0
    scene = [
        random.integers(60, 200, (12, 16, 3), np.uint8).repeat(20, 0).repeat(20, 1)
        for _ in range(25)
    ]
    twice = [np.pad(frame, ((80, 80), (0, 0), (0, 0))) for frame in scene for _ in (0, 1)]
    frozen = measured(film(tmp_path / "twice.mkv", twice), "video").signals["frozen"]
    assert frozen == pytest.approx(0.5, abs=0.02)


def test_a_dark_picture_is_told_as_dark(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "day.png", png(64, 64))
    Image.new("RGB", (64, 64), (2, 2, 2)).save(tmp_path / "night.png")
    source = {"type": "image_folder", "path": "."}
    rules = {"max_dark": 0.9, "min_sharpness": 5}
    result = run_recipe(recipe(tmp_path, {"s": source}, [{"clean.image": rules}]))
    assert result.account.stages[0].reasons == {"image_dark": 1}


def test_a_span_that_ends_after_its_file_is_counted(tmp_path: Path, run_recipe: Run) -> None:
    source = two_halves(tmp_path)
    rows = ["id,file,from,to", "in,a.wav,0,2.8", "rounded,a.wav,3,6.05", "beyond,a.wav,3,9"]
    write(tmp_path / "t.csv", "\n".join(rows))
    result = run_recipe(recipe(tmp_path, {"s": source}, [{"clean.audio": {}}]))
    assert result.account.stages[0].notes == {"spans that end after their file does": 1}


def test_of_a_span_behind_the_end_of_its_file_nothing_was_heard(
    tmp_path: Path, run_recipe: Run
) -> None:
    """It has no number for a rule to keep, where it had those of the whole file."""
    source = two_halves(tmp_path)
    write(tmp_path / "t.csv", "id,file,from,to\nin,a.wav,0,2.8\nbehind,a.wav,50,60")
    part = next(iter(source["media"]))
    run_recipe(recipe(tmp_path, {"s": source}, [{"clean.rules": {f"{part}.level_db": "> -200"}}]))
    rows = pq.read_table(tmp_path / "out" / "signals.parquet").to_pylist()
    heard = {row["key"]: (row["level_db"], row["silence"], row["late_s"]) for row in rows}
    assert heard["s-behind"] == (None, None, 0.0)
    assert None not in heard["s-in"]
