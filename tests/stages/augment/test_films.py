"""Films at another speed and with frames dropped: what FFmpeg says of the same film."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from by_ffmpeg import frames_after
from films import FLASH_S, beep_of, flash_of, write_film, write_pictures
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.quantity import fact, fact_column
from modalmill.schemas.recipe import ShardOptions
from modalmill.schemas.record import Cue, Origin, Part, Record, Step
from modalmill.stages import stream
from modalmill.stages.augment.crop_time import CropTime
from modalmill.stages.augment.drop_frames import DropFrames
from modalmill.stages.augment.speed import Speed
from modalmill.stages.copies import DrawnCopies
from modalmill.stages.media.steps import apply_to_pixels
from modalmill.stages.modalities.video.spec import VideoSpec
from modalmill.stages.modality import on_disk
from modalmill.stages.spec import MIDDLE
from tiny import recipe, write
from written import annotations, members, sounds

FPS, COUNT, SIDE, BITS = 25, 50, 64, 8
VIDEO = on_disk("video")


def numbered(path: Path) -> Path:
    """A film of two seconds whose frames show their number in bits, as bars of black and white."""
    bits = (np.arange(COUNT)[:, None] >> np.arange(BITS)) & 1
    bars = np.repeat(bits, SIDE // BITS, axis=1).astype(np.uint8) * 255
    pictures = np.broadcast_to(bars[:, None, :, None], (COUNT, SIDE, SIDE, 3))
    return write_pictures(path, np.ascontiguousarray(pictures), FPS)


def numbers_of(frames: np.ndarray) -> list[int]:
    """The numbers that frames ``[T, H, W, 3]`` show."""
    columns = frames[..., :].mean(axis=(1, 3))
    bars = columns.reshape(len(frames), BITS, -1).mean(axis=2) > 128
    return [int(number) for number in bars @ (1 << np.arange(BITS))]


def stored(data: bytes) -> tuple[list[int], list[float], float]:
    """Of a stored clip the numbers of its frames, their times and its end, by FFmpeg alone."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
        end = float(((stream.start_time or 0) + (stream.duration or 0)) * stream.time_base)
    return numbers_of(pictures), [float(frame.time) for frame in frames], end


def film(path: Path, **more: object) -> Part:
    seconds = COUNT / FPS
    known = {"duration_s": seconds, "fps": float(FPS), "frames": COUNT, **more}
    return Part("video", uri=path.name, **known)  # type: ignore[arg-type]


def copy_of(stage: DrawnCopies, record: Record) -> Record:
    _, copy = (row.record for row in stage.process(record, 0, stage.address))
    return copy


def record_of(**parts: Part) -> Record:
    return Record("k", "k", Origin("s", "f"), parts)


def twice(only_split: str = "") -> Speed:
    return Speed(factor=(2.0, 2.0), only_split=only_split)


# --- speed ---


@pytest.mark.parametrize(("count", "span"), [(50, None), (10, None), (12, (0.4, 1.36))])
def test_a_stored_clip_has_the_frames_of_ffmpegs_setpts(
    tmp_path: Path, count: int, span: tuple[float, float] | None
) -> None:
    path = numbered(tmp_path / "a.mkv")
    begin, end = span or (None, None)
    copy = copy_of(twice(), record_of(film=film(path, start_s=begin, end_s=end)))
    options = ShardOptions(video_frames=count, video_short_side=SIDE)
    found, times, end_s = stored(VIDEO.rendered(tmp_path, copy.parts["film"], options).data)
    faster = frames_after(path, [("setpts", "PTS/2")])
    by_ffmpeg = [(time, *numbers_of(frame[None])) for time, frame in faster]
    first_s, whole_s = (begin or 0.0) / 2, ((end or 2.0) - (begin or 0.0)) / 2
    assert len(found) == count
    assert end_s == pytest.approx(whole_s, abs=0.001)
    assert copy.parts["film"].seconds() == pytest.approx(whole_s)
    # what is on the screen in the middle of each stretch
    moments = first_s + (np.arange(count) + 0.5) * whole_s / count
    wanted = [max(each for each in by_ffmpeg if each[0] <= moment + 1e-6) for moment in moments]
    assert found == [number for _, number in wanted]
    assert times == pytest.approx([time - first_s for time, _ in wanted], abs=0.001)


def test_a_stream_takes_a_clip_of_the_faster_film(tmp_path: Path) -> None:
    """Half a second of what FFmpeg makes of it are 25 of its frames, of which every fifth."""
    path = numbered(tmp_path / "a.mkv")
    faster = frames_after(path, [("setpts", "PTS/2")])
    on_screen = [numbers_of(frame[None])[0] for time, frame in faster if time < 0.5 - 1e-6]
    assert on_screen == [*range(25)]
    spec = VideoSpec(frames=5, size=SIDE, seconds=0.5)
    copy = copy_of(twice(), record_of(film=film(path))).parts["film"]
    out = np.empty((5, SIDE, SIDE, 3), np.uint8)
    spec.fill(path.read_bytes(), out, MIDDLE.of_copy(copy))
    assert numbers_of(out) == on_screen[2::5]


def test_flash_beep_and_word_of_a_film_stay_together(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    (tmp_path / "clips").mkdir()
    write_film(tmp_path / "clips" / "a.mkv")
    write(tmp_path / "clips" / "a.srt", "1\n00:00:02,000 --> 00:00:02,120\nflash\n")
    source = {
        "type": "video_folder",
        "path": "clips",
        "id": "{stem}",
        "sound": "voice",
        "cues": {"words": "clips/{stem}.srt"},
    }
    for then in ([], [{"augment.crop_time": {"share": 0.9}}]):
        out = tmp_path / f"out{len(then)}"
        stages = [{"augment.speed": {"factor": [1.25, 1.25]}}, *then]
        shard = {"video_frames": 100, "video_short_side": 64}
        run_recipe(recipe(tmp_path, {"s": source}, stages, shard=shard), out)
        clips = {
            name.partition(".")[0]: data
            for name, data in members(out).items()
            if name.endswith(".mp4")
        }
        assert len(clips) == 2 * (1 + len(then))
        for key, data in clips.items():
            with av.open(io.BytesIO(data)) as container:
                frames = list(container.decode(video=0))
            pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
            flash = flash_of(pictures, np.array([float(frame.time) for frame in frames]))
            sound, rate_hz = sounds(out)[key]
            (cue,) = annotations(out)[key]["cues"]["words"]
            assert beep_of(sound[:, 0], rate_hz) == pytest.approx(flash, abs=0.06)
            assert cue["start_s"] == pytest.approx(flash, abs=0.04)
            if "speed" in key and "time" not in key:
                assert cue["start_s"] == pytest.approx(FLASH_S / 1.25)
                assert len(sound) / rate_hz == pytest.approx(4.0 / 1.25, abs=0.05)


def test_a_faster_film_has_more_frames_a_second_and_its_cues_earlier() -> None:
    words = Part("text", text="one", cues=(Cue(0.5, 1.0, "one"),))
    voice = Part("audio", uri="a.wav", duration_s=2.0)
    record = record_of(film=film(Path("a.mp4")), voice=voice, words=words)
    copy = copy_of(Speed(factor=(1.6, 1.6), only_split=""), record)
    assert {name: [step.op for step in part.steps] for name, part in copy.parts.items()} == {
        "film": ["speed"], "voice": ["speed"], "words": []
    }  # fmt: skip
    assert copy.parts["film"].seconds() == copy.parts["voice"].seconds() == pytest.approx(1.25)
    assert copy.parts["words"].cues == (Cue(0.3125, 0.625, "one"),)
    assert fact(copy.parts["film"], "fps") == pytest.approx(40.0)
    column = rows_to_table([Row(record), Row(copy)])["parts"].combine_chunks().flatten()
    films = [name == "film" for name in column.field("name").to_pylist()]
    assert fact_column(column, "fps")[films] == pytest.approx([25.0, 40.0])


def test_a_time_crop_of_a_faster_film_knows_how_long_its_frames_are() -> None:
    # of 2 s at twice the speed 0.03 are 30 ms, in which 1.5 of its frames are shown
    faster = copy_of(twice(), record_of(film=film(Path("a.mp4"))))
    assert CropTime(share=0.03).why_not(faster) == ""
    assert "shorter than a frame" in CropTime(share=0.015).why_not(faster)


@pytest.mark.parametrize(
    ("stage", "spec"),
    [
        ({"augment.speed": {"factor": [1.6, 1.9]}}, {"frames": 12, "seconds": 0.5}),
        ({"augment.drop_frames": {"share": [0.3, 0.6]}}, {"frames": COUNT}),
    ],
)
def test_a_stream_makes_the_copy_that_the_stage_writes(
    tmp_path: Path, run_recipe: Callable[..., Result], stage: dict[str, Any], spec: dict[str, Any]
) -> None:
    (tmp_path / "clips").mkdir()
    numbered(tmp_path / "clips" / "a.mkv")
    source = {"type": "video_folder", "path": "clips", "id": "{stem}", "split": "train"}
    shard = {"video_frames": COUNT, "video_short_side": SIDE}
    parts = {"video": VideoSpec(size=SIDE, **spec)}
    found = {}
    for name, stages, augment in (("written", [stage], []), ("drawn", [], [stage])):
        run_recipe(recipe(tmp_path, {"s": source}, stages, shard=shard), tmp_path / name)
        with stream.open(
            tmp_path / name / "shards", parts=parts, batch_size=1, augment=augment, drop_last=False
        ) as opened:
            rows = [batch.parts["video"][0].numpy() for _ in range(2) for batch in opened]
        found[name] = {tuple(numbers_of(frames)) for frames in rows}
    assert len(found["written"]) == 2
    assert found["drawn"] == found["written"]


# --- dropped frames ---


def test_dropped_frames_are_stood_in_for_by_the_one_before(tmp_path: Path) -> None:
    path = numbered(tmp_path / "a.mkv")
    stage = DropFrames(share=(0.2, 0.2), only_split="")
    voice = Part("audio", uri="a.wav", duration_s=2.0)
    picture = Part("image", uri="a.png")
    record = record_of(film=film(path), voice=voice, picture=picture)
    copy = copy_of(stage, record)
    assert (copy.parts["voice"], copy.parts["picture"]) == (voice, picture)
    assert copy.parts["film"].seconds() == 2.0
    options = ShardOptions(video_frames=COUNT, video_short_side=SIDE)
    before, after = (
        stored(VIDEO.rendered(tmp_path, each.parts["film"], options).data)
        for each in (record, copy)
    )
    assert before[0] == list(range(COUNT))
    assert after[1:] == before[1:]
    # the draw itself, by numpy: the first ten of a permutation of all but the first frame
    (step,) = copy.parts["film"].steps
    order = np.random.Generator(np.random.Philox(key=step.options["seed"])).permutation(COUNT - 1)
    dropped = {int(number) + 1 for number in order[:10]}
    wanted = [
        max(other for other in range(number + 1) if other not in dropped) for number in range(COUNT)
    ]
    assert after[0] == wanted


@given(count=st.integers(1, 40), share=st.floats(0, 0.9), seed=st.integers(0, 2**63 - 1))
def test_a_share_of_the_frames_is_dropped_and_never_the_first(
    count: int, share: float, seed: int
) -> None:
    frames = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    step = Step("drop_frames", {"share": share, "seed": seed})
    shown = apply_to_pixels(frames, [step])[:, 0, 0, 0]
    assert shown[0] == 0
    # a frame that is not dropped is where it was, and the others repeat
    kept = shown == np.arange(count)
    assert count - kept.sum() == min(count - 1, int(np.ceil(share * count)))
    assert all(shown[place] == shown[place - 1] for place in range(count) if not kept[place])
    assert np.array_equal(apply_to_pixels(frames, [step])[:, 0, 0, 0], shown)
    # a picture has no frames
    assert np.array_equal(apply_to_pixels(frames[0], [step]), frames[0])


def test_copies_lose_other_frames_and_records_without_films_none() -> None:
    stage = DropFrames(copies=3, only_split="")
    record = record_of(one=film(Path("a.mp4")), other=film(Path("b.mp4")))
    copies = [row.record for row in stage.process(record, 3, stage.address)][1:]
    steps = [copy.parts["one"].steps for copy in copies]
    assert len({str(each) for each in steps}) == 3
    assert [copy.parts["other"].steps for copy in copies] == steps
    alone = record_of(picture=Part("image", uri="a.png"))
    assert [row.record for row in stage.process(alone, 3, stage.address)] == [alone]
    with pytest.raises(ValueError, match="share: wanted the lowest"):
        DropFrames(share=(0.5, 1.0))
