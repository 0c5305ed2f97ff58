"""A file of sound that is not whole is noticed, though decoders read it; one that is whole but says
the wrong length is read to its end.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from modalmill.schemas.errors import DamageError
from modalmill.stages.media import audio
from modalmill.stages.media.sound_files import Doubt, check_sound
from tiny import tone, write


def sound(form: str, seconds: float = 2.0, subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    rng = np.random.default_rng(0)
    samples = tone(440.0, seconds, 16_000) + 0.05 * rng.standard_normal(
        round(seconds * 16_000)
    ).astype(np.float32)
    soundfile.write(buffer, samples, 16_000, format=form, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["MP3", "OGG", "WAV", "FLAC"])
def test_a_whole_file_is_whole(tmp_path: Path, form: str) -> None:
    assert check_sound(write(tmp_path / "a", sound(form))) is Doubt.NOTHING
    assert audio.decode(tmp_path / "a").duration_s == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("form", ["MP3", "OGG", "WAV", "FLAC"])
@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.9, 0.99])
def test_a_cut_file_is_refused(tmp_path: Path, form: str, share: float) -> None:
    data = sound(form)
    with pytest.raises(DamageError):
        audio.decode(write(tmp_path / "a", data[: int(len(data) * share)]))


def test_a_cut_mp3_is_refused_behind_a_large_tag_and_padding(tmp_path: Path) -> None:
    # such as a cover; the size is written in four times seven bits
    tag = b"ID3\x04\0\0\0\1\x1c\x20" + b"x" * 20_000
    data = sound("MP3")
    assert check_sound(write(tmp_path / "a", tag + b"\0" * 500 + data)) is Doubt.NOTHING
    with pytest.raises(DamageError):
        check_sound(write(tmp_path / "a", tag + b"\0" * 500 + data[: len(data) // 2]))


def test_flipped_bits_of_an_ogg_are_always_noticed(tmp_path: Path) -> None:
    data = sound("OGG")
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(data)
        damaged[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        with pytest.raises(DamageError):
            audio.decode(write(tmp_path / "a.ogg", bytes(damaged)))


def test_overwritten_stretches_of_an_mp3_are_noticed(tmp_path: Path) -> None:
    data = sound("MP3")
    rng = np.random.default_rng(1)
    for _ in range(20):
        damaged = bytearray(data)
        start = int(rng.integers(1000, len(data) - 1200))
        damaged[start : start + 1000] = rng.bytes(1000)
        with pytest.raises(DamageError):
            audio.decode(write(tmp_path / "a.mp3", bytes(damaged)))


def test_mp3s_put_together_are_read_to_the_end(tmp_path: Path) -> None:
    data = sound("MP3", 1.0)
    assert audio.decode(write(tmp_path / "a.mp3", data + data + data)).duration_s == pytest.approx(
        3.0, abs=0.25
    )
    tagged = b"ID3\x03\x00\x00\x00\x00\x00\x0a" + b"\0" * 10 + data + b"TAG" + b"\0" * 125
    assert audio.decode(write(tmp_path / "b.mp3", tagged)).duration_s == pytest.approx(1.0, abs=0.1)


def test_a_wav_that_was_left_open_is_read_to_its_end(tmp_path: Path) -> None:
    for claim in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        data = bytearray(sound("WAV"))
        place = data.index(b"data")
        data[place + 4 : place + 8] = claim
        assert audio.decode(write(tmp_path / "a.wav", bytes(data))).duration_s == pytest.approx(
            2.0, abs=0.01
        )


def test_a_flac_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    data = bytearray(sound("FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert audio.decode(write(tmp_path / "a.flac", bytes(data))).duration_s == pytest.approx(
        2.0, abs=0.01
    )


@pytest.mark.parametrize("subtype", ["GSM610", "ULAW", "IMA_ADPCM", "FLOAT", "PCM_24"])
def test_wavs_of_every_coding_are_read_whole_and_in_spans(tmp_path: Path, subtype: str) -> None:
    path = write(tmp_path / "a.wav", sound("WAV", subtype=subtype))
    assert audio.decode(path).duration_s == pytest.approx(2.0, abs=0.05)
    assert audio.decode(path, 0.5, 1.0).duration_s == pytest.approx(0.5, abs=0.05)


ID3 = b"ID3\x03\0\0\0\0\0\x35" + b"\0" * 53


@pytest.mark.parametrize(
    ("form", "made", "seconds"),
    [
        ("MP3", lambda data: data + b"\n", 1.0),
        ("MP3", lambda data: data + b"LYRICSBEGINxxxx000013LYRICS200" + b"TAG" + b"\0" * 125, 1.0),
        ("MP3", lambda data: data + b"TAG+" + b"\0" * 223 + b"TAG" + b"\0" * 125, 1.0),
        (
            "MP3",
            lambda data: (
                data
                + b"x" * 40
                + b"APETAGEX"
                + bytes([208, 7, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
                + b"\0" * 8
            ),
            1.0,
        ),
        ("MP3", lambda data: data + ID3 + data, 2.0),
        ("MP3", lambda data: ID3 + data + ID3 + data, 2.0),
        ("FLAC", lambda data: ID3 + data, 1.0),
        ("OGG", lambda data: data + b"TAG" + b"\0" * 125, 1.0),
        ("OGG", lambda data: data + b"\0" * 99, 1.0),
        ("OGG", lambda data: data + sound("OGG", 0.5), 1.5),
        *(
            ("WAV", lambda data, claim=claim: with_length(data, claim), 1.0)
            for claim in (0x7FFFFFFF, 0x7FFFF000, 0x80000000)
        ),
    ],
)
def test_healthy_files_with_what_taggers_joiners_and_pipes_leave_are_read_whole(
    tmp_path: Path, form: str, made: Callable[[bytes], bytes], seconds: float
) -> None:
    assert audio.decode(write(tmp_path / "a", made(sound(form, 1.0)))).duration_s == pytest.approx(
        seconds, abs=0.2
    )


def with_length(data: bytes, claim: int) -> bytes:
    place = data.index(b"data")
    return data[: place + 4] + claim.to_bytes(4, "little") + data[place + 8 :]


def test_an_empty_wav_holds_no_sound_whatever_follows(tmp_path: Path) -> None:
    data = sound("WAV", 0.0) + b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf58.29.100\0"
    with pytest.raises(DamageError, match="audio_empty"):
        audio.decode(write(tmp_path / "a.wav", data))
