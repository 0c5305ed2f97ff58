"""Pictures, sound, cues and cuts of one container are on one clock, whatever its streams begin
with.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from films import FLASH_S, beep_of, flash_of, write_film
from measured import measured
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import DamageError
from modalmill.stages.media import audio, video
from tiny import recipe, write

STARTS = [
    (0.0, 0.0),
    (0.53, 0.53),
    (1.0, 1.0),
    (1.4, 1.4),
    (0.4, 0.0),
    (0.0, 0.4),
    (1.4, 1.0),
    (0.0, 1.0),
]
CLOSE_S = 0.02
ENCODER_S = 0.03  # what an encoder of sound puts before its first sample


@pytest.mark.parametrize(("pictures_at", "sound_at"), STARTS)
@pytest.mark.parametrize("form", ["mp4", "mov", "mkv", "ts", "mpg"])
def test_flash_and_beep_come_together(
    tmp_path: Path, form: str, pictures_at: float, sound_at: float
) -> None:
    path = write_film(tmp_path / f"a.{form}", pictures_at, sound_at)
    zero = min(pictures_at, sound_at)
    sound = audio.decode(path)
    assert abs(beep_of(sound.mono()) - (FLASH_S - zero)) < CLOSE_S + ENCODER_S * (sound_at == zero)
    whole = video.sampled(path, 200, 64)
    assert abs(flash_of(whole.frames, whole.times_s) - beep_of(sound.mono())) < CLOSE_S + 1 / 25
    assert same_by_decord(path, whole, 200, 64)
    begin = FLASH_S - zero - 0.3
    cut = video.sampled(path, 60, 64, begin, begin + 0.8)
    assert same_by_decord(path, cut, 60, 64, begin, begin + 0.8)
    piece = audio.decode(path, begin, begin + 0.8)
    assert abs(flash_of(cut.frames, cut.times_s) - 0.3) < CLOSE_S + ENCODER_S
    assert abs(flash_of(cut.frames, cut.times_s) - beep_of(piece.mono())) < CLOSE_S + ENCODER_S
    assert measured(path, "audio").signals["late_s"] == pytest.approx(
        sound_at - zero, abs=ENCODER_S
    )
    signals = measured(path, "video").signals
    assert signals["late_s"] == pytest.approx(pictures_at - zero, abs=ENCODER_S)
    assert signals["sound_late_s"] == pytest.approx(sound_at - pictures_at, abs=ENCODER_S)
    assert signals["claim"] > 0.95


@pytest.mark.parametrize(
    ("pictures_at", "sound_at"), [(0.0, 0.0), (1.4, 1.4), (0.4, 0.0), (0.0, 0.4)]
)
@pytest.mark.parametrize("form", ["mp4", "mkv", "ts"])
def test_they_do_so_in_shards_whole_cut_by_cues_and_cropped_in_time(
    tmp_path: Path,
    run_recipe: Callable[..., Result],
    form: str,
    pictures_at: float,
    sound_at: float,
) -> None:
    (tmp_path / "clips").mkdir()
    write_film(tmp_path / "clips" / f"a.{form}", pictures_at, sound_at)
    at = FLASH_S - min(pictures_at, sound_at)
    write(
        tmp_path / "clips" / "a.srt",
        f"1\n00:00:0{at - 0.2:.3f} --> 00:00:0{at + 0.6:.3f}\nflash\n".replace(".", ","),
    )
    source = {
        "type": "video_folder",
        "path": "clips",
        "id": "{stem}",
        "sound": "voice",
        "cues": {"words": "clips/{stem}.srt"},
        "split": "train",
    }
    whole = [{"clean.video": {}}, {"augment.crop_time": {"share": 0.9, "copies": 2}}]
    for name, stages in (("whole", whole), ("cut", [{"align.cut": {"by": "words"}}])):
        run_recipe(
            recipe(
                tmp_path, {"s": source}, stages, shard={"video_frames": 100, "video_short_side": 64}
            ),
            tmp_path / name,
        )
        samples = members(tmp_path / name)
        assert len(samples) == (3 if name == "whole" else 1)
        for sample in samples.values():
            beep, rate = soundfile.read(io.BytesIO(sample["flac"]))
            frames, times = stored_frames(sample["mp4"])
            assert abs(flash_of(frames, times) - beep_of(beep, rate)) < CLOSE_S + 1 / 25
            if name == "cut":
                assert flash_of(frames, times) == pytest.approx(0.2, abs=CLOSE_S + ENCODER_S)


def same_by_decord(path: Path, wanted: video.Sampled, *asked: Any) -> bool:
    """Whether decord gives the same frames, or counts others, for it knows no edit list, and is
    refused.
    """
    try:
        found = video.sampled(path, *asked, reader="decord")
    except DamageError as error:
        return error.rule == "video_frames_differ" and path.suffix not in (".mkv", ".ts", ".avi")
    return bool(
        found.frames.shape == wanted.frames.shape
        and np.abs(found.frames.astype(int) - wanted.frames).mean() < 4
        and np.array_equal(found.times_s, wanted.times_s)
    )


def members(out: Path) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for path in (out / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                found.setdefault(key, {})[ending] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


def stored_frames(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The frames of a stored clip and the times that the container gives them, by FFmpeg alone."""
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), np.array(
            [float(frame.time) for frame in frames]
        )


@pytest.mark.parametrize("turns", [0, 90, 180, 270])
@pytest.mark.parametrize("form", ["mp4", "mov"])
def test_a_film_is_turned_and_stretched_as_players_show_it(
    tmp_path: Path, form: str, turns: int
) -> None:
    path = tmp_path / f"a.{form}"
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = (255, 0, 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        stream.set_display_rotation(turns)
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    wide = np.repeat(picture, 2, axis=1)
    wanted = np.rot90(wide, turns // 90)  # the matrix turns counter-clockwise
    shown = video.sample(path, 1, 1000)[0]
    by_decord = video.sample(path, 1, 1000, reader="decord")[0]
    assert by_decord.shape == shown.shape
    assert np.abs(by_decord.astype(int) - shown).mean() < 4
    facts = video.probe(path)
    assert (facts.height, facts.width) == wanted.shape[:2] == shown.shape[:2]
    assert np.abs(shown.astype(int) - wanted).mean() < 12


def test_the_largest_of_several_streams_is_taken(tmp_path: Path) -> None:
    sources = [write_film(tmp_path / f"{width}.mkv", size=(width, 64)) for width in (64, 128)]
    path = tmp_path / "both.mkv"
    with (
        av.open(str(path), "w") as target,
        av.open(str(sources[0])) as small,
        av.open(str(sources[1])) as large,
    ):
        copies = {
            (source, stream.index): target.add_stream_from_template(stream)
            for source in (small, large)
            for stream in source.streams
        }
        packets = [
            (source, packet)
            for source in (small, large)
            for packet in source.demux()
            if packet.dts is not None
        ]
        for source, packet in sorted(
            packets, key=lambda pair: float(pair[1].dts * pair[1].time_base)
        ):
            packet.stream = copies[source, packet.stream.index]
            target.mux(packet)
    assert (video.probe(path).width, video.probe(path).streams) == (128, 2)
    assert video.sample(path, 1, 1000).shape[2] == 128
    with pytest.raises(DamageError, match="several streams of pictures"):
        video.sample(path, 1, 1000, reader="decord")
    assert audio.decode(path).streams == 2


def test_frames_of_a_variable_rate_are_even_in_time(tmp_path: Path) -> None:
    """A second at 40 frames, then a frame a second: what is on the screen at 1, 3, 5, 7, 9 s."""
    path = tmp_path / "a.mp4"
    times = [number / 40 for number in range(40)] + [1.0 + number for number in range(10)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.time_base, stream.codec_context.max_b_frames = Fraction(1, 1000), 0
        for time in times:
            frame = av.VideoFrame.from_ndarray(
                np.full((64, 64, 3), round(20 + 20 * time), np.uint8), "rgb24"
            )
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = video.sampled(path, 5, 64)
    end = found.seconds
    wanted = [
        max(time for time in times if time <= (place + 0.5) * end / 5 + 1e-6) for place in range(5)
    ]
    assert [(frame.mean() - 20) / 20 for frame in found.frames] == pytest.approx(wanted, abs=0.15)
    assert found.times_s == pytest.approx(wanted, abs=0.002)


def test_silence_stands_where_the_stream_of_sound_has_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        voice = container.add_stream("flac", rate=16_000)
        voice.layout = "mono"
        for start in (0, 32_000):  # one second, a second of nothing, one second
            for place in range(0, 16_000, 4000):
                frame = av.AudioFrame.from_ndarray(
                    np.full((1, 4000), 8000, np.int16), "s16", "mono"
                )
                frame.sample_rate, frame.time_base, frame.pts = (
                    16_000,
                    Fraction(1, 16_000),
                    start + place,
                )
                container.mux(voice.encode(frame))
        container.mux(voice.encode(None))
    sound = audio.decode(path).mono()
    assert len(sound) / 16_000 == pytest.approx(3.0, abs=0.1)
    assert [float(np.abs(sound[at : at + 8000]).max()) > 0.1 for at in (4000, 20_000, 36_000)] == [
        True,
        False,
        True,
    ]
