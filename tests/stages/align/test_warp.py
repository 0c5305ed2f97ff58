"""Times moved onto another reading: planted warps of real speech are found, and what does not
belong together moves nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import measured
from modalmill.pipeline.run import Result
from modalmill.schemas.contents import Contents
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages.align._warping import accumulated, best_path, distances, relative_cost
from modalmill.stages.align.warp import Warp
from modalmill.stages.modality import on_disk
from paces import RATE_HZ, warped
from tiny import recipe, write

Run = Callable[..., Result]
CLOSE_S = 0.05


def read_again(samples: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The samples in stretches of about a second, each at a pace of its own; when each stretch
    begins and the last one ends, before and after, in seconds.
    """
    chance = np.random.default_rng(seed)
    count = max(2, round(len(samples) / RATE_HZ))
    edges = np.linspace(0, len(samples), count + 1).astype(int)
    edges[1:-1] += chance.integers(-4000, 4000, count - 1)
    return warped(samples, edges, chance)


def mono(path: Path) -> np.ndarray:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    return soxr.resample(samples, rate_hz, RATE_HZ)


@pytest.fixture(scope="module")
def readings(shared: Path) -> list[np.ndarray]:
    """Six sentences of LJ Speech."""
    return [mono(path) for path in sorted((shared / "ljspeech_sample" / "wavs").glob("*.wav"))]


class Tracks:
    """Sounds as files and what is measured of them."""

    def __init__(self, root: Path, by: str = "mfcc") -> None:
        self._root, self._by = root, by
        self._known: dict[str | None, Mapping[str, np.ndarray]] = {}

    def part(self, name: str, samples: np.ndarray, **more: Any) -> Part:
        soundfile.write(self._root / f"{name}.wav", samples, RATE_HZ)
        more_tracks = [self._by] if self._by in on_disk("audio").on_request else []
        tracks = measured(self._root / f"{name}.wav", "audio", *more_tracks).tracks
        self._known[f"{name}.wav"] = tracks
        length = len(samples) / RATE_HZ
        return Part("audio", uri=f"{name}.wav", duration_s=length, **more)

    def __call__(self, part: Part) -> Mapping[str, np.ndarray]:
        return self._known.get(part.uri, {})


def ends_of(samples: np.ndarray) -> tuple[Cue, ...]:
    """A word each third of a second."""
    begins = np.arange(0.3, len(samples) / RATE_HZ - 0.6, 0.33)
    return tuple(Cue(float(t), float(t) + 0.3, f"w{place}") for place, t in enumerate(begins))


def record(one: Part, other: Part, cues: tuple[Cue, ...]) -> Record:
    text = Part("text", text=" ".join(cue.text for cue in cues), cues=cues)
    return Record("k", "k", Origin("s", "a"), {"one": one, "other": other, "words": text})


def through(stage: Warp, whole: Record, tracks: Tracks) -> tuple[Record, str]:
    (row,) = stage.process(whole, 0, "align.warp", tracks)
    return row.record, row.note


def test_words_come_to_where_they_are_in_a_reading_at_another_pace(
    tmp_path: Path, readings: list[np.ndarray]
) -> None:
    tracks, stage = Tracks(tmp_path), Warp(of="one", onto="other", cues={"moved": "words"})
    errors = []
    for number, samples in enumerate(readings):
        other, before, after = read_again(samples, number)
        cues = ends_of(samples)
        whole = record(tracks.part(f"{number}a", samples), tracks.part(f"{number}b", other), cues)
        found, note = through(stage, whole, tracks)
        assert note == "words moved"
        assert found.signals["other.warp_cost"] < 0.4
        truth = np.interp([cue.end_s for cue in cues], before, after)
        moved = found.parts["moved"].cues
        assert [cue.text for cue in moved] == [cue.text for cue in cues]
        errors += (np.array([cue.end_s for cue in moved]) - truth).tolist()
    assert len(errors) > 90
    assert np.mean(np.abs(errors) <= CLOSE_S) >= 0.95


def test_readings_of_other_texts_move_nothing(tmp_path: Path, readings: list[np.ndarray]) -> None:
    tracks, stage = Tracks(tmp_path), Warp(of="one", onto="other", cues={"words": "words"})
    parts = [tracks.part(str(number), samples) for number, samples in enumerate(readings)]
    for first, second in itertools.permutations(range(len(parts)), 2):
        whole = record(parts[first], parts[second], ends_of(readings[first]))
        found, note = through(stage, whole, tracks)
        assert note == "unknown whether both tell the same, words moved nowhere"
        assert found.signals["other.warp_cost"] > 0.85
        assert "words" not in found.parts, "their times are those of another sound"
        assert found.absent["words"] == "filtered"


def test_a_phrase_is_found_within_a_longer_reading_and_the_other_way(
    tmp_path: Path, readings: list[np.ndarray]
) -> None:
    tracks = Tracks(tmp_path)
    long = np.concatenate([readings[2], readings[3]])
    begin, end = 4.0, 9.0
    phrase, before, after = read_again(long[int(begin * RATE_HZ) : int(end * RATE_HZ)], 3)
    one, other = tracks.part("phrase", phrase), tracks.part("long", long)
    cues = ends_of(phrase)
    stage = Warp(of="one", onto="other", cues={"moved": "words"}, within="onto")
    found, _ = through(stage, record(one, other, cues), tracks)
    truth = begin + np.interp([cue.end_s for cue in cues], after, before)
    moved = np.array([cue.end_s for cue in found.parts["moved"].cues])
    assert np.mean(np.abs(moved - truth) <= CLOSE_S) >= 0.95
    cues = ends_of(long)
    stage = Warp(of="one", onto="other", cues={"moved": "words"}, within="of")
    found, note = through(stage, record(other, one, cues), tracks)
    assert note == "words moved, but for those outside of the stretch"
    kept = [cue for cue in cues if begin + 0.3 < cue.start_s and cue.end_s < end - 0.3]
    own = {cue.text: cue.end_s for cue in found.parts["moved"].cues}
    truth = np.interp([cue.end_s - begin for cue in kept], before, after)
    assert np.mean([abs(own[cue.text] - at) <= CLOSE_S for cue, at in zip(kept, truth)]) >= 0.95  # noqa: B905
    assert found.parts["moved"].text == " ".join(own)
    stranger = tracks.part("stranger", readings[4][: 4 * RATE_HZ])
    found, note = through(
        Warp(of="one", onto="other", cues={"moved": "words"}, within="onto"),
        record(stranger, tracks.part("other", readings[0]), ends_of(readings[4][: 4 * RATE_HZ])),
        tracks,
    )
    assert note.startswith("unknown")


def test_one_text_may_become_several(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path)
    sound = np.random.default_rng(1).normal(0, 0.1, RATE_HZ) * np.linspace(0, 1, RATE_HZ)
    early = np.concatenate([np.zeros(RATE_HZ), sound])
    whole = record(tracks.part("late", early), tracks.part("early", sound), (Cue(1.5, 1.6, "a"),))
    stage = Warp(of="one", onto="other", cues={"words": "words", "more": "words"}, max_cost=1.0)
    found, _ = through(stage, whole, tracks)
    assert found.parts["words"].cues == found.parts["more"].cues
    assert found.parts["more"].cues[0].end_s == pytest.approx(0.6, abs=CLOSE_S)


def test_spans_of_files_and_silence_at_the_ends_make_no_difference(
    tmp_path: Path, readings: list[np.ndarray]
) -> None:
    tracks, stage = Tracks(tmp_path), Warp(of="one", onto="other", cues={"moved": "words"})
    samples = readings[3]
    other, before, after = read_again(samples, 5)
    silence = np.zeros(3 * RATE_HZ, np.float32)
    cues = ends_of(samples)
    padded = tracks.part("padded", np.concatenate([silence, other, silence]))
    found, _ = through(stage, record(tracks.part("a", samples), padded, cues), tracks)
    truth = 3.0 + np.interp([cue.end_s for cue in cues], before, after)
    moved = np.array([cue.end_s for cue in found.parts["moved"].cues])
    assert np.mean(np.abs(moved - truth) <= CLOSE_S) >= 0.95
    joined = np.concatenate([readings[0], other])
    start = len(readings[0]) / RATE_HZ
    cut = tracks.part("joined", joined, start_s=start, end_s=len(joined) / RATE_HZ)
    found, _ = through(stage, record(tracks.part("a", samples), cut, cues), tracks)
    moved = np.array([cue.end_s for cue in found.parts["moved"].cues])
    assert np.mean(np.abs(moved - (truth - 3.0)) <= CLOSE_S) >= 0.95


@pytest.mark.parametrize("by", ["chroma", "mfcc"])
def test_a_melody_is_followed_by_its_pitches_on_another_instrument(tmp_path: Path, by: str) -> None:
    chance = np.random.default_rng(2)
    notes = chance.permutation(np.repeat(np.arange(12), 2))

    def played(lengths: np.ndarray, harmonics: list[float]) -> np.ndarray:
        tones = []
        for note, length in zip(notes, lengths, strict=True):
            times = np.arange(round(length * RATE_HZ)) / RATE_HZ
            hertz = 261.63 * 2 ** (note / 12)
            tones.append(
                sum(
                    level * np.sin(2 * np.pi * hertz * (place + 1) * times)
                    for place, level in enumerate(harmonics)
                )
            )
        return np.concatenate(tones) * 0.1

    score, performance = np.full(24, 0.4), chance.uniform(0.25, 0.6, 24)
    tracks = Tracks(tmp_path, by)
    one = tracks.part("score", played(score, [1.0]))
    other = tracks.part("performance", played(performance, [0.5, 0.8, 0.3, 0.6]))
    ends = np.cumsum(score)
    cues = tuple(Cue(end - 0.4, end, str(place)) for place, end in enumerate(ends.tolist()))
    stage = Warp(of="one", onto="other", cues={"bars": "words"}, by=by)
    found, note = through(stage, record(one, other, cues), tracks)
    if by == "mfcc":
        assert note.startswith("unknown"), "two instruments have two timbres"
        return
    moved = np.array([cue.end_s for cue in found.parts["bars"].cues])
    # a window of chroma is 186 ms
    assert np.mean(np.abs(moved - np.cumsum(performance)) <= 0.05) >= 0.95


def test_a_recipe_moves_words_and_events_and_the_account_tells_of_it(
    tmp_path: Path, run_recipe: Run
) -> None:
    """Two sensors by their values, at two rates, one of them 1.5 times as fast."""
    chance = np.random.default_rng(0)
    curve = np.cumsum(chance.normal(0, 1, 400)) / 10
    for name, rate_hz, pace, values in (
        *(("a_one", 50, 1.0, curve), ("a_other", 25, 1.5, curve)),
        *(("b_one", 50, 1.0, curve), ("b_other", 25, 1.5, np.cumsum(chance.normal(0, 1, 400)))),
    ):
        times = np.arange(0, 8 / pace, 1 / rate_hz)
        rows = np.interp(times * pace, np.arange(400) / 50, values)
        table = pd.DataFrame({"time": times, "x": 3 * rows + 7})
        write(tmp_path / f"{name}.csv", table.to_csv(index=False))
    for name in "ab":
        write(tmp_path / f"{name}.srt", "1\n00:00:03,000 --> 00:00:06,000\nstep\n")
    write(tmp_path / "t.csv", "id\na\nb\n")
    media = {
        name: {"path": f"{{id}}_{name}.csv", "modality": "series"} for name in ("one", "other")
    }
    source = {
        **{"type": "csv", "path": "t.csv", "id": "{id}", "media": media},
        "cues": {"events": "{id}.srt"},
    }
    stage = {"of": "one", "onto": "other", "cues": {"events": "events"}, "by": "values"}
    result = run_recipe(
        recipe(tmp_path, {"t": source}, [{"align.warp": {**stage, "drop": True}}], shard=None)
    )
    records = {one.origin.id: one for one in table_to_records(read_manifest(tmp_path / "out"))}
    (cue,) = records["a"].parts["events"].cues
    assert (cue.start_s, cue.end_s) == pytest.approx((2.0, 4.0), abs=CLOSE_S)
    assert set(records["a"].parts) == {"other", "events"}
    assert set(records["b"].parts) == {"other"}
    assert result.account.stages[0].notes == {
        "words moved": 1,
        "unknown whether both tell the same, words moved nowhere": 1,
    }
    assert result.account.stages[0].kinds["one dropped: filtered"] == 2


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_path_and_cost_are_those_of_librosa(rows: int, columns: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    one, other = chance.normal(size=(rows, 3)), chance.normal(size=(columns, 3))
    costs = distances(one, other)
    for is_within in (False, True):
        if is_within and rows > columns:
            continue
        wanted, cells = librosa.sequence.dtw(C=costs.astype(np.float64), subseq=is_within)
        found = accumulated(costs, is_within)
        assert np.allclose(found, wanted, rtol=1e-4)
        own = best_path(found, is_within)
        assert costs[tuple(own.T)].sum() == pytest.approx(found[tuple(own[-1])], rel=1e-4)
        assert own[-1].tolist() == cells[0].tolist()


def test_the_cost_is_about_one_for_noise_and_far_below_for_the_same() -> None:
    chance = np.random.default_rng(0)
    one, other = (np.cumsum(chance.normal(size=(900, 6)), 0) for _ in range(2))
    assert relative_cost(one, one[::2]) < 0.2
    noise = [chance.normal(size=(900, 6)) for _ in range(2)]
    assert relative_cost(*noise) == pytest.approx(1.0, abs=0.05)
    assert relative_cost(one, other) > 0.6
    assert relative_cost(np.zeros((20, 2)), np.zeros((20, 2))) == 1.0


def test_what_is_too_short_or_silent_is_unknown(tmp_path: Path) -> None:
    tracks, stage = Tracks(tmp_path), Warp(of="one", onto="other", cues={"moved": "words"})
    silent = tracks.part("silent", np.zeros(RATE_HZ))
    short = tracks.part("short", np.random.default_rng(0).normal(0, 0.1, 400))
    for one, other in ((silent, short), (short, silent)):
        found, note = through(stage, record(one, other, (Cue(0.0, 0.01, "a"),)), tracks)
        assert note == "unknown, for too little of them is there to be compared"
        assert "moved" not in found.parts
    bare = record(silent, short, ())
    assert through(stage, bare, tracks) == (bare, "left as they are, for they lack a part")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"onto": "one"}, "of, onto: wanted two parts, found 'one' twice"),
        ({"cues": {}}, "cues: wanted the text whose times are moved"),
        ({"cues": {"a.b": "words"}}, "'a.b' is no name for a part"),
        ({"max_cost": 0}, "max_cost: wanted a number above 0, and 1 at most, found 0"),
        ({"by": "pitch"}, "by: wanted one of activity, chroma, mfcc, values, found 'pitch'"),
    ],
)
def test_options_that_map_nothing_are_refused(options: dict[str, Any], line: str) -> None:
    whole: dict[str, Any] = {"of": "one", "onto": "other", "cues": {"moved": "words"}}
    with pytest.raises(ValueError, match=line):
        Warp(**whole | options)


def test_names_that_nothing_gives_are_mistakes_and_its_own_measurements_are_asked_for() -> None:
    contents = Contents({"one": "audio", "imu": "series", "words": "text"})
    stage = Warp(of="one", onto="imu", cues={"one": "wrods"})
    lines = stage.mistakes(contents)
    assert lines[0] == "onto: mfcc is of audio, and 'imu' is series; say another 'by'"
    assert "did you mean 'words'" in lines[1]
    assert "'one' is a part already" in lines[2]
    assert stage.measured(contents) == ("audio.mfcc",)
    by_activity = Warp(of="one", onto="film", cues={"a": "words"}, by="activity")
    assert by_activity.measured(Contents({"one": "audio", "film": "video"})) == ("audio", "video")
