"""Sound and video: spans by time, and damage that decoders conceal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import measured
from modalmill.schemas.errors import DamageError
from modalmill.stages.media import audio, spectrum, video
from tiny import mp4, tone, wav, write


@pytest.mark.parametrize(
    ("name", "form", "subtype"),
    [
        ("a.wav", "WAV", "PCM_16"),
        ("a.flac", "FLAC", None),
        ("a.ogg", "OGG", "VORBIS"),
        ("a.mp3", "MP3", None),
    ],
)
def test_every_usual_format_of_sound_is_read(
    tmp_path: Path, name: str, form: str, subtype: str | None
) -> None:
    sound = audio.decode(write(tmp_path / name, wav(form=form, subtype=subtype, rate_hz=16_000)))
    assert sound.rate_hz == 16_000
    assert abs(sound.duration_s - 0.5) < 0.1
    spectrum_of = np.abs(np.fft.rfft(sound.mono()[:8000]))
    assert abs(spectrum_of.argmax() * 16_000 / min(8000, len(sound.samples)) - 440) < 20


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.4), st.floats(0.02, 0.1))
def test_a_span_holds_the_samples_of_its_time(
    tmp_path_factory: pytest.TempPathFactory, start: float, length: float
) -> None:
    ramp = np.arange(4000, dtype=np.float32) / 4000
    path = tmp_path_factory.mktemp("ramp") / "r.wav"
    soundfile.write(path, ramp, 8000, subtype="FLOAT")
    span = audio.decode(path, start, start + length).mono()
    first = round(start * 8000)
    assert (span == ramp[first : first + len(span)]).all()
    assert abs(len(span) - length * 8000) <= 1


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_truncated_wav_is_noticed_though_decoders_read_it(tmp_path: Path, share: float) -> None:
    data = wav()
    path = write(tmp_path / "a.wav", data[: int(len(data) * share)])
    soundfile.read(path)
    with pytest.raises(DamageError, match="audio_truncated"):
        audio.decode(path)


@pytest.mark.parametrize(
    "data",
    [
        b"hello there, this is text",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"fLaC" + b"\0" * 50,
        b"\xff\xfb" + b"\0" * 80,
    ],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DamageError):
        audio.decode(write(tmp_path / "a.wav", data))


def test_sound_signals_tell_silence_and_clipping(tmp_path: Path) -> None:
    half = np.concatenate([np.zeros(8000, np.float32), tone(level=0.5, seconds=1.0)])
    soundfile.write(tmp_path / "half.wav", half, 8000)
    facts, signals, _ = measured(tmp_path / "half.wav", "audio")
    assert facts.items() >= {"duration_s": 2.0, "sample_rate_hz": 8000, "channels": 1}.items()
    assert abs(signals["silence"] - 0.5) < 0.01
    assert abs(signals["level_db"] - 10 * np.log10(0.5**2 / 2 / 2)) < 0.05
    soundfile.write(tmp_path / "loud.wav", np.clip(tone(level=2.0), -1, 1), 8000, subtype="FLOAT")
    # |sin| > 1/2 for two thirds of the time
    assert abs(measured(tmp_path / "loud.wav", "audio").signals["clipping"] - 2 / 3) < 0.02


@pytest.mark.parametrize(
    ("form", "codec"),
    [
        ("mp4", "mpeg4"),
        ("matroska", "mpeg4"),
        ("mov", "mpeg4"),
        ("avi", "mpeg4"),
        ("webm", "libvpx"),
        ("mpeg", "mpeg1video"),
    ],
)
def test_every_usual_container_is_measured_whole(tmp_path: Path, form: str, codec: str) -> None:
    path = write(tmp_path / "a.bin", mp4(frames=25, fps=25, form=form, codec=codec, sound=False))
    facts, signals, _ = measured(path, "video")
    assert facts["frames"] == 25
    assert abs(facts["duration_s"] - 1.0) < 0.05
    assert signals["black"] == pytest.approx(2 / 25)  # luma 20 is below a tenth
    assert signals["frozen"] < 0.2


def test_frames_are_the_middles_of_equal_stretches(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", mp4(frames=10, fps=10))
    levels = video.sample(path, 5, 64)[:, 32, 32, 0].astype(int)
    assert [round((level - 20) / 20) for level in levels] == [1, 3, 5, 7, 9]
    span = video.sample(path, 2, 64, 0.4, 0.8)[:, 32, 32, 0].astype(int)
    assert [round((level - 20) / 20) for level in span] == [5, 7]


@pytest.mark.parametrize(
    ("form", "codec"), [("mp4", "h264"), ("matroska", "h264"), ("mp4", "mpeg4")]
)
@pytest.mark.parametrize("more", [{}, {"start_s": 0.3, "end_s": 0.8}, {"clip": (0.4, 0.5)}])
def test_decord_gives_the_same_frames(
    tmp_path: Path, form: str, codec: str, more: dict[str, Any]
) -> None:
    data = mp4(frames=10, fps=10, form=form, codec=codec)
    path = write(tmp_path / "a.bin", data)
    ours = video.sample(path, 5, 64, **more)
    for source in (path, io.BytesIO(data)):
        theirs = video.sample(source, 5, 64, **more, reader="decord")
        assert theirs.shape == ours.shape
        assert np.abs(ours.astype(int) - theirs).mean() < 2


def test_key_frame_clips_are_read_without_a_video_decoder_and_look_the_same() -> None:
    rng = np.random.default_rng(0)
    import cv2

    frames = np.stack(
        [cv2.resize(rng.integers(0, 255, (4, 4, 3)).astype(np.uint8), (64, 64)) for _ in range(6)]
    )
    times = [0.1, 0.3, 0.5, 0.6, 0.8, 0.9]
    data = video.encode_mjpeg(frames, times, 1.0)
    assert data == video.encode_mjpeg(frames, times, 1.0)
    assert video.sampled(io.BytesIO(data), 6, 64).times_s == pytest.approx(times, abs=0.02)
    back = video.sample(io.BytesIO(data), 6, 64)
    assert np.abs(back.astype(int) - frames).mean() < 6


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_truncated_video_is_refused(tmp_path: Path, cut: float) -> None:
    data = mp4(frames=30, fps=10)
    with pytest.raises(DamageError):
        measured(write(tmp_path / "a.mp4", data[: int(len(data) * cut)]), "video")


def test_one_damaged_packet_is_counted_and_the_rest_is_decoded(tmp_path: Path) -> None:
    import av

    path = write(tmp_path / "a.mp4", mp4(frames=30, fps=10, size=128, sound=False))
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    data[places[12][0] + 2 : places[12][0] + places[12][1]] = b"\xff" * (places[12][1] - 2)
    facts, signals, _ = measured(write(tmp_path / "b.mp4", bytes(data)), "video")
    assert 1 / 30 <= signals["damaged"] <= 2 / 30
    assert facts["frames"] >= 29


def test_flipped_bytes_in_a_video_are_noticed_or_change_little(tmp_path: Path) -> None:
    data = mp4(frames=30, fps=10, size=128, sound=False)
    start = data.index(b"mdat") + 100
    refused = 0
    for trial in range(12):
        rng = np.random.default_rng(trial)
        damaged = bytearray(data)
        for _ in range(40):
            damaged[int(rng.integers(start, start + 2500))] ^= int(rng.integers(1, 255))
        try:
            path = write(tmp_path / "a.mp4", bytes(damaged))
            refused += measured(path, "video").signals["damaged"] > 0
        except DamageError:
            refused += 1
    assert refused >= 10


def test_a_video_without_sound_and_a_sound_without_video_say_so(tmp_path: Path) -> None:
    silent = write(tmp_path / "a.mp4", mp4(sound=False))
    with pytest.raises(DamageError, match="no_audio_stream"):
        audio.decode(silent)
    with pytest.raises(DamageError, match="no_video_stream"):
        video.probe(write(tmp_path / "a.flac", wav(form="FLAC", subtype=None)))


def test_the_mel_and_mfcc_spectra_are_those_of_librosa() -> None:
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(16_000)).astype(np.float32)
    ours = spectrum.log_mel(samples, 16_000, 64)
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=16_000,
        n_fft=1024,
        hop_length=256,
        n_mels=64,
        center=True,
        pad_mode="constant",
    )
    # decibels; both in float32
    assert np.abs(ours - 10 * np.log10(np.maximum(1e-10, power))).max() < 2e-3
    theirs = librosa.feature.mfcc(S=10 * np.log10(np.maximum(1e-10, power)), n_mfcc=20)
    assert np.abs(spectrum.mfcc(ours, 20) - theirs).max() < 5e-3


def test_a_tone_of_known_pitch_peaks_in_its_bark_band() -> None:
    samples = tone(1000.0, 1.0, 16_000)
    bands = spectrum.log_bark(samples, 16_000, 24).mean(1)
    edges = np.linspace(
        float(spectrum.hz_to_bark(np.array(0.0))), float(spectrum.hz_to_bark(np.array(8000.0))), 26
    )
    assert bands.argmax() == np.abs(edges[1:-1] - spectrum.hz_to_bark(np.array(1000.0))).argmin()
    assert abs(float(spectrum.bark_to_hz(spectrum.hz_to_bark(np.array(440.0)))) - 440) < 1e-6


@pytest.mark.parametrize("name", ["x.flac", "x.wav", "x.mp3", "x.ogg", "x.m4a"])
def test_a_text_named_like_a_sound_is_no_sound(tmp_path: Path, name: str) -> None:
    with pytest.raises(DamageError) as caught:
        audio.decode(write(tmp_path / name, "just some words, and no sound at all\n" * 9))
    assert caught.value.rule == "not_audio"
