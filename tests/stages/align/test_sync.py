"""Sound and film in step: planted offsets are found, and where nothing belongs together nothing is
said.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from films import FLASH_S, write_film
from hypothesis import example, given, settings
from hypothesis import strategies as st
from measured import measured
from modalmill.pipeline import ingesting
from modalmill.pipeline.run import Result
from modalmill.schemas.contents import Contents
from modalmill.schemas.fingerprint import hash_file
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages.align._synchrony import correlations
from modalmill.stages.align.sync import Sync
from modalmill.stages.base import Addressed, RecordStage, make
from modalmill.stages.modalities.audio.activity import level_at
from modalmill.stages.modalities.video.activity import motion_at
from tiny import recipe

Run = Callable[..., Result]
Tracks = Mapping[str, np.ndarray]
FPS, HOP_S, RATE_HZ = 25, 0.02, 8000
CLOSE_S = 0.04 + 1e-6


class Corpus:
    """Records whose film and sound have tracks, without files: what happens in each is a smooth
    random curve of the record's own, the sound's later by an offset.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._tracks: dict[str | None, Tracks] = {}

    def add(
        self,
        seen: int,
        heard: int,
        offset_s: float = 0.0,
        seconds: float = 3.0,
        group: str = "g",
        drift: float = 0.0,
        noise: float = 0.4,
    ) -> None:
        """A record with the film of one curve and the sound of another."""
        number = len(self.records)
        chance = np.random.default_rng([seen, heard, 1])
        film, sound = f"{number}.mp4", f"{number}.wav"
        times = np.arange(round(seconds * FPS)) / FPS
        change = np.exp(curve(seen, times) + chance.normal(0, noise, len(times)))
        self._tracks[film] = {
            "time": times.astype(np.float32),
            "change": (5 * change).astype(np.float32),
        }
        moments = (np.arange(round(seconds / HOP_S)) + 0.5) * HOP_S
        late = offset_s + drift * (moments - seconds / 2)
        level = 10 * (curve(heard, moments - late) + chance.normal(0, noise, len(moments)))
        power = (1e-3 * 10 ** (level / 10)).astype(np.float32)
        self._tracks[sound] = {
            "hop": np.array([HOP_S], np.float32),
            "power": power,
            "moving": power,
        }
        parts = {
            "film": Part("video", uri=film, duration_s=seconds),
            "sound": Part("audio", uri=sound, duration_s=seconds),
        }
        origin = Origin("clips", "rows.csv", number)
        self.records.append(Record(f"clips-{number}", group, origin, parts))

    def tracks(self, part: Part) -> Tracks:
        return self._tracks[part.uri]

    def through(self, order: Sequence[int] | None = None, **options: Any) -> dict[str, Record]:
        """What comes out of the stage, by key."""
        records = [self.records[place] for place in order or range(len(self.records))]
        stage = Sync(video="film", audio="sound", **options)
        table = rows_to_table(map(Row, records)).select(list(stage.fitted_on))
        fitted: RecordStage = stage.fitted_to(table, self.tracks)
        rows = [
            row
            for record in records
            for row in fitted.process(record, 0, "align.sync", self.tracks)
        ]
        return {row.record.key: row.record for row in rows}


def curve(seed: int, times: np.ndarray) -> np.ndarray:
    """A curve without period, of 1 to 5 Hz."""
    chance = np.random.default_rng(seed)
    tones = zip(chance.uniform(1, 5, 12), chance.uniform(0, 2 * np.pi, 12), strict=True)
    return np.asarray(sum(np.sin(2 * np.pi * hertz * times + phase) for hertz, phase in tones)) / 3


def offset_of(record: Record) -> float | None:
    return record.signals.get("sound.sync_offset_s")


@settings(max_examples=12)
@given(st.floats(-0.5, 0.5), st.integers(0, 10**6))
def test_the_offset_of_a_group_of_clips_is_found(offset_s: float, seed: int) -> None:
    corpus = Corpus()
    for clip in range(8):
        corpus.add(seed + clip, seed + clip, offset_s)
    for record in corpus.through().values():
        found = offset_of(record)
        assert found is not None
        assert abs(found - offset_s) <= CLOSE_S
        assert record.signals["sound.sync_confidence"] >= 0.99
        assert record.parts == corpus.records[0].parts or not record.signals.get("sound.sync_drift")


def test_sounds_of_other_films_are_unknown() -> None:
    corpus = Corpus()
    for group, clip in itertools.product(range(60), range(8)):
        film = group * 8 + clip
        corpus.add(film, 10_000 + film, group=f"g{group}")
    after = corpus.through(correct=True)
    confident = {record.group for record in after.values() if offset_of(record) is not None}
    assert len(confident) <= 2  # 0.6 of 60 by chance
    unsure = [record for record in after.values() if record.group not in confident]
    assert [record.parts for record in unsure] == [
        record.parts for record in corpus.records if record.group not in confident
    ]


def test_still_pictures_and_constant_sounds_are_unknown() -> None:
    corpus = Corpus()
    for clip in range(8):
        corpus.add(clip, clip, group="still")
        corpus._tracks[f"{2 * clip}.mp4"]["change"][:] = 0.0  # type: ignore[index]
        corpus.add(clip, clip, group="constant")
        corpus._tracks[f"{2 * clip + 1}.wav"]["moving"][:] = 0.0  # type: ignore[index]
    after = corpus.through()
    assert {offset_of(record) for record in after.values()} == {None}
    assert {record.signals["sound.sync_confidence"] for record in after.values()} == {0.0}


def test_what_comes_again_and_again_fits_at_many_offsets_and_is_unknown() -> None:
    corpus = Corpus()
    for clip in range(8):
        corpus.add(clip, clip)
        for name, each in (("mp4", "change"), ("wav", "moving")):
            values = corpus._tracks[f"{clip}.{name}"][each]
            hop = 1 / FPS if name == "mp4" else HOP_S
            phase = 2 * np.pi * (np.arange(len(values)) * hop / 0.3 + clip / 8)
            noise = np.random.default_rng(clip).normal(0, 0.1, len(values))
            values[:] = np.exp(2 * np.sin(phase) + noise)
    after = corpus.through()
    assert {offset_of(record) for record in after.values()} == {None}


def test_each_group_has_its_own_offset_whatever_the_order_of_the_records() -> None:
    corpus = Corpus()
    for clip, (group, offset_s) in itertools.product(range(8), (("a", 0.3), ("b", -0.2))):
        corpus.add(1000 * ord(group) + clip, 1000 * ord(group) + clip, offset_s, group=group)
    there, back = corpus.through(), corpus.through(range(15, -1, -1))
    assert there == back
    assert {(record.group, offset_of(record)) for record in there.values()} == {
        ("a", 0.3),
        ("b", -0.2),
    }


def test_records_of_one_value_of_a_target_are_a_pool() -> None:
    corpus = Corpus()
    for clip in range(8):
        corpus.add(clip, clip, 0.2, group=f"g{clip}")
    corpus.records = [
        dataclasses.replace(record, targets={"camera": "left"}) for record in corpus.records
    ]
    assert {offset_of(each) for each in corpus.through(pool="camera").values()} == {0.2}
    # each by itself has seven others to be held against, which proves nothing
    assert all(not record.signals for record in corpus.through().values())


def test_a_short_record_by_itself_is_held_against_the_rest_of_the_corpus() -> None:
    corpus = Corpus()
    for clip in range(130):
        own = clip % 10 == 0
        corpus.add(clip, clip if own else 5000 + clip, 0.1, group=f"g{clip}", noise=0.1)
    after = list(corpus.through(pool="record").values())
    matched = [offset_of(record) for record in after[::10]]
    assert sum(found is not None for found in matched) >= 9
    assert all(abs(found - 0.1) <= CLOSE_S for found in matched if found is not None)
    foreign = [offset_of(record) for place, record in enumerate(after) if place % 10]
    assert sum(found is not None for found in foreign) <= 4  # 1 of 117 by chance


@pytest.mark.parametrize("drift", [0.0, 1e-3, -1e-3])
def test_the_drift_of_a_long_recording_is_told_and_it_is_left_as_it_is(drift: float) -> None:
    corpus = Corpus()
    corpus.add(3, 3, 0.2, seconds=180.0, drift=drift)
    (after,) = corpus.through(pool="record", correct=True).values()
    found = offset_of(after)
    assert found is not None
    assert abs(found - 0.2) <= CLOSE_S
    assert abs(after.signals.get("sound.sync_drift", 0.0) - drift) <= 0.04 / 180 + 1e-6
    assert (after.parts == corpus.records[0].parts) == bool(drift)


@settings(max_examples=25)
@given(st.floats(0.5, 70.0), st.floats(-0.5, 0.5))
@example(38.0, 0.5)  # too short to drift, and nearly long enough
def test_a_recording_of_any_length_is_found_or_unknown(seconds: float, offset_s: float) -> None:
    corpus = Corpus()
    corpus.add(5, 5, offset_s, seconds=seconds)
    (after,) = corpus.through(pool="record").values()
    found = offset_of(after)
    # six stretches of 3 s are one another's strangers
    assert (found is not None) == (seconds >= 18) or 15 < seconds < 25
    assert found is None or abs(found - offset_s) <= CLOSE_S


@pytest.mark.parametrize("offset_s", [0.3, -0.3])
def test_a_corrected_record_is_in_step_and_lacks_what_one_of_both_lacked(offset_s: float) -> None:
    corpus = Corpus()
    for clip in range(8):
        corpus.add(clip, clip, offset_s)
    words = Part("text", text="a b", cues=(Cue(0.1, 0.2, "a"), Cue(1.0, 2.0, "b")))
    corpus.records = [record.with_part("words", words) for record in corpus.records]
    after = corpus.through(correct=True)
    spans = {
        name: {(round(part.start_s or 0, 3), round(part.end_s or 0, 3)) for part in parts}
        for name, parts in (
            (name, [record.parts[name] for record in after.values()]) for name in ("film", "sound")
        )
    }
    # |offset| late: the last 0.3 s of the film have no sound; early: the first 0.3 s have none
    late = {"film": {(0.0, 2.7)}, "sound": {(0.3, 3.0)}}
    early = {"film": {(0.3, 3.0)}, "sound": {(0.0, 2.7)}}
    assert spans == (late if offset_s > 0 else early)
    cues = next(iter(after.values())).parts["words"].cues
    expected = [(0.1, "a"), (1.0, "b")] if offset_s > 0 else [(0.7, "b")]
    assert [(round(cue.start_s, 3), cue.text) for cue in cues] == expected
    corpus.records = [dataclasses.replace(record, signals={}) for record in after.values()]
    again = corpus.through(correct=True)
    assert {offset_of(record) for record in again.values()} == {0.0}
    assert [record.parts for record in again.values()] == [
        record.parts for record in after.values()
    ]


@pytest.mark.parametrize(("pictures_at", "sound_at"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.4)])
def test_activity_is_on_the_clock_of_the_container(
    tmp_path: Path, pictures_at: float, sound_at: float
) -> None:
    film = write_film(tmp_path / "film.mkv", pictures_at, sound_at)
    times = np.arange(-20, 260) * HOP_S
    level = level_at(measured(film, "audio").tracks, times)
    motion = motion_at(measured(film, "video").tracks, times)
    rises = times[1:][np.diff(np.nan_to_num(level, nan=-99.0)) > 5]
    beep = rises[rises > sound_at + 0.1][0]
    assert abs(beep - FLASH_S) <= 2 * HOP_S + 1e-6
    assert times[np.nanargmax(motion[times < FLASH_S + 0.06])] == pytest.approx(FLASH_S, abs=HOP_S)
    for activity, start in ((level, sound_at), (motion, pictures_at)):
        assert np.isnan(activity[times < start - HOP_S]).all()
        assert np.isnan(activity[times > 4.1]).all()
        assert np.isfinite(activity[(times > start + 0.1) & (times < 3.9)]).all()


def test_a_correlation_is_numpys_own_where_all_is_there() -> None:
    chance = np.random.default_rng(0)
    motion, level = chance.normal(0, 1, (2, 50)), chance.normal(5, 2, (3, 60))
    level[2, :4] = np.nan
    found = correlations(motion, level)
    assert found.shape == (2, 3, 11)
    for picture, sound, lag in np.ndindex(found.shape):
        heard = level[sound, lag : lag + 50]
        there = np.isfinite(heard)
        expected = np.corrcoef(motion[picture][there], heard[there])[0, 1]
        assert found[picture, sound, lag] == pytest.approx(expected, abs=1e-9)
    level[0, :40] = np.nan
    assert np.isnan(correlations(motion, level)[0, 0]).tolist() == [True] * 11


def test_the_confidence_of_what_does_not_belong_together_is_as_often_high_as_it_says() -> None:
    corpus = Corpus()
    for group, clip in itertools.product(range(120), range(6)):
        corpus.add(6 * group + clip, 20_000 + 6 * group + clip, group=f"g{group}")
    after = corpus.through()
    # of the offset at the best shift, which is often beyond what is accepted: then it is 0
    sure = {record.group: record.signals["sound.sync_confidence"] for record in after.values()}
    for level in (0.5, 0.8, 0.9):
        share = sum(value >= level for value in sure.values()) / len(sure)
        assert share <= 1 - level + 3 * np.sqrt(level * (1 - level) / len(sure))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"max_shift_s": 10}, "max_shift_s: wanted 0.02 to 3 seconds, found 10"),
        ({"confidence": 1}, "confidence: wanted a number above 0, and 0.999 at most"),
    ],
)
def test_options_that_mean_nothing_are_told(options: dict[str, Any], wanted: str) -> None:
    stage, problems = make(
        "align.sync", Addressed, {"video": "film", "audio": "sound", **options}, "here"
    )
    assert stage is None
    assert wanted in problems[0]


def test_parts_and_targets_that_nothing_gives_are_told_before_anything_is_read() -> None:
    here = Contents(parts={"film": "video", "sound": "audio"}, targets={"camera": "text"})
    stage = Sync(video="sound", audio="voice", pool="camra")
    assert stage.mistakes(here) == [
        "video: wanted a part of video, and 'sound' is audio",
        "audio: nothing before it gives a part called 'voice'; known are: film, sound",
        "pool: nothing before it gives a target called 'camra'; did you mean 'camera'?",
    ]


def write_clip(folder: Path, number: int, offset_s: float, seconds: float = 3.0) -> None:
    """A bar that jumps as far as the sound beside it is loud."""
    times = np.arange(round(seconds * FPS)) / FPS
    jumps = np.exp(1.5 * curve(number, times))
    left = np.cumsum(jumps) % 44
    with av.open(str(folder / f"{number}.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 1_000_000
        for place, jump in zip(left, jumps, strict=True):
            picture = np.full((48, 64, 3), 40, np.uint8)
            picture[:, int(place) : int(place) + 20] = int(min(250, 60 + 20 * jump))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    moments = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(number).normal(0, 0.05, len(moments))
    soundfile.write(
        folder / f"{number}.wav", noise * np.exp(1.5 * curve(number, moments - offset_s)), RATE_HZ
    )


def test_a_run_moves_and_tells_the_same_whatever_the_workers_and_partitions(
    tmp_path: Path, run_recipe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number in range(12):
        write_clip(data, number, 0.24 if number % 2 else 0.0)
    rows = [f"{number},{'ab'[number % 2]},{number}.mp4,{number}.wav" for number in range(12)]
    (data / "rows.csv").write_text("\n".join(["id,camera,film,sound", *rows]))
    source = {
        "type": "csv",
        "path": "rows.csv",
        "id": "{id}",
        "media": {"film": {"path": "{film}"}, "sound": {"path": "{sound}"}},
        "targets": ["camera"],
    }
    stages = [
        {"align.sync": {"video": "film", "audio": "sound", "pool": "camera", "correct": True}},
        {"clean.rules": {"sound.sync_confidence": ">= 0.9"}},
    ]
    value = recipe(data, {"clips": source}, stages)
    sums = []
    for engine, rows_each, out in (("serial", 2048, "one"), ("local", 5, "two")):
        monkeypatch.setattr(ingesting, "ROWS_PER_PARTITION", rows_each)
        result = run_recipe(value, tmp_path / out, engine, until="manifest")
        account = result.account.to_dict()
        assert account["adds_up"]
        notes = account["stages"]["align.sync"]["notes"]
        assert notes == {"in step": 6, "out of step, moved": 6}
        sums.append(
            [hash_file(tmp_path / out / name) for name in ("signals.parquet",)]
            + [hash_file(path) for path in sorted((tmp_path / out / "manifest").rglob("*.parquet"))]
        )
    assert sums[0] == sums[1]
    assert len(sums[0]) >= 2
    for record in table_to_records(read_manifest(tmp_path / "one")):
        is_late = record.targets["camera"] == "b"
        found = offset_of(record)
        assert found is not None
        assert abs(found - 0.24 * is_late) <= CLOSE_S
        assert record.parts["sound"].start_s == (pytest.approx(found) if is_late else None)
        assert record.parts["film"].start_s == (0.0 if is_late else None)
