"""Several sequences on one grid: equal rows for equal moments, in the shards and in training."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from commands import here
from modalmill.pipeline.run import Result
from modalmill.schemas.contents import Contents
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages import stream
from modalmill.stages.align.grid import Grid, labelled
from modalmill.stages.modalities.series import SeriesOptions
from modalmill.stages.modality import modality
from tiny import mp4, recipe, write

Run = Callable[..., Result]
SRT = "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:02,520 --> 00:00:04,000\ntwo\n"


def sine(times: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * times))


def series(name: str) -> dict[str, Any]:
    return {"path": f"{{id}}_{name}.csv", "modality": "series", "unlisted": "ignore"}


def source(*names: str, **more: Any) -> dict[str, Any]:
    return {
        **{"type": "csv", "path": "t.csv", "id": "{id}"},
        **{"media": {name: series(name) for name in names}},
        **more,
    }


def corpus(root: Path) -> dict[str, Any]:
    """A sensor at 100 Hz with a state, one at 30 Hz that begins 0.5 s later and is silent for 2 s,
    and words: as pandas writes them.
    """
    times = np.arange(1000) / 100
    imu = pd.DataFrame({"time": times, "x": sine(times), "state": (times // 2).astype(int)})
    write(root / "a_imu.csv", imu.to_csv(index=False))
    late = 0.5 + np.arange(300) / 30
    late = late[(late <= 4) | (late >= 6)]
    hand = pd.DataFrame({"time": late, "y": sine(late)})
    write(root / "a_hand.csv", hand.to_csv(index=False))
    write(root / "a.srt", SRT)
    write(root / "t.csv", "id\na\n")
    return source("imu", "hand", cues={"words": "{id}.srt"})


def stored(out: Path, split: str = "all") -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each series in the first tar, as numpy reads them."""
    with tarfile.open(out / "shards" / f"{split}-000000.tar") as tar:
        return {
            member.name: dict(np.load(io.BytesIO(tar.extractfile(member).read())))  # type: ignore[union-attr]
            for member in tar
            if member.name.endswith(".npz")
        }


def test_sensors_and_words_have_one_row_for_one_moment(tmp_path: Path, run_recipe: Run) -> None:
    stage = {"rate_hz": 25, "labels": {"said": "words"}, "hold": {"imu": ["state"]}}
    result = run_recipe(recipe(tmp_path, {"t": corpus(tmp_path)}, [{"align.grid": stage}]))
    found = stored(tmp_path / "out")
    hand, imu, said = (found[f"t-a.{name}.npz"]["values"] for name in ("hand", "imu", "said"))
    times = 0.5 + np.arange(237) / 25  # both are there in [0.5, 10)
    assert len(hand) == len(imu) == len(said) == 237
    # h^2 / 8 max |f''| of a line between two values, and 60 dB of the filter
    assert np.abs(imu[:, 0] - sine(times)).max() < (2 * np.pi / 100) ** 2 / 8 + 1e-3
    assert imu[:, 1].tolist() == (times // 2).tolist()
    # the last value before the gap stands for its own 30th of a second
    in_gap = (times > 4 + 1 / 30) & (times < 6 - 1e-9)
    assert (np.isnan(hand[:, 0]) == in_gap).all()
    inner = ~in_gap & (np.abs(times - 4) > 0.05)
    assert np.abs(hand[:, 0] - sine(times))[inner].max() < (2 * np.pi / 30) ** 2 / 8 + 1e-3
    one, two = said[:, 0] == 1, said[:, 1] == 1
    assert (one == ((times >= 1) & (times < 2))).all()
    assert (two == ((times >= 2.5199) & (times < 3.9999))).all()
    assert found["t-a.said.npz"]["columns"].tolist() == ["one", "two"]
    assert result.account.stages[-1].notes == {
        "series with gaps longer than max_gap_s, where they are absent on the grid": 1
    }


def test_the_union_begins_with_the_first_and_lacks_what_is_not_there(
    tmp_path: Path, run_recipe: Run
) -> None:
    stage = {"rate_hz": 25, "extent": "union", "max_gap_s": 3.0}
    run_recipe(recipe(tmp_path, {"t": corpus(tmp_path)}, [{"align.grid": stage}]))
    found = stored(tmp_path / "out")
    hand, imu = (found[f"t-a.{name}.npz"]["values"] for name in ("hand", "imu"))
    times = np.arange(262) / 25  # until 10.5 s, where the later one ends
    assert len(hand) == len(imu) == 262
    assert (np.isnan(hand[:, 0]) == (times < 0.5)).all(), "max_gap_s: 3 lies over the gap"
    assert (np.isnan(imu[:, 0]) == (times >= 10)).all()
    index = stream.open(tmp_path / "out" / "shards", batch_size=1).index
    assert index.numbers("imu.duration_s").tolist() == index.numbers("hand.duration_s").tolist()


def test_what_is_cut_after_it_stays_equal_and_goes_with_the_sound(
    tmp_path: Path, run_recipe: Run
) -> None:
    options = corpus(tmp_path)
    options["media"]["sound"] = {"path": "{id}.wav", "unlisted": "ignore"}
    rate_hz, loud = 8000, np.random.default_rng(0).normal(0, 0.1, 80_000)
    soundfile.write(
        tmp_path / "a.wav", np.where(np.arange(80_000) < 40_000, loud / 100, loud), rate_hz
    )
    stage = {"rate_hz": 25, "labels": {"said": "words"}, "tracks": {"loudness": "sound"}}
    stages = [{"align.grid": stage}, {"align.cut": {"by": "windows", "window_s": 3.0}}]
    run_recipe(recipe(tmp_path, {"t": options}, stages))
    parts = {
        record.key: record.parts for record in table_to_records(read_manifest(tmp_path / "out"))
    }
    assert len(parts) == 4
    found = stored(tmp_path / "out")
    for key, own in parts.items():
        rows = {
            name: found[f"{key}.{name}.npz"]["values"]
            for name in ("imu", "hand", "said", "loudness")
        }
        assert len({len(values) for values in rows.values()}) == 1, key
        start = own["imu"].start_s or 0.0
        times = start + np.arange(len(rows["imu"])) / 25
        assert own["sound"].start_s == pytest.approx(start)
        assert np.abs(rows["imu"][:, 0] - sine(times)).max() < 2e-3
        assert (rows["said"][:, 0] == ((times >= 1 - 1e-6) & (times < 2 - 1e-6))).all()
        quiet, there = times < 4.9, times < 9.9
        assert (rows["loudness"][quiet, 0] < -50).all()
        assert (rows["loudness"][(times > 5.1) & there, 0] > -30).all()


def test_the_frames_of_a_film_are_a_grid(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "a.mp4", mp4(frames=40, fps=20))
    times = np.arange(300) / 100
    imu = pd.DataFrame({"time": times, "x": times})
    write(tmp_path / "a_imu.csv", imu.to_csv(index=False))
    write(tmp_path / "t.csv", "id\na\n")
    options = source("imu")
    options["media"]["film"] = {"path": "{id}.mp4"}
    stage = {"frames_of": "film", "tracks": {"motion": "film"}}
    run_recipe(recipe(tmp_path, {"t": options}, [{"align.grid": stage}]))
    found = stored(tmp_path / "out")
    imu_rows, motion = (found[f"t-a.{name}.npz"]["values"][:, 0] for name in ("imu", "motion"))
    assert len(imu_rows) == len(motion) == 40
    assert np.abs(imu_rows - np.arange(40) / 20).max() < 1e-4
    # each frame differs from the one before by 20 levels of grey, the first from none
    assert np.isnan(motion[0])
    assert np.isfinite(motion[2:]).all()


def test_a_batch_has_equal_lengths_and_files_are_read_as_shards_are(
    tmp_path: Path, run_recipe: Run
) -> None:
    lines = ["id"]
    for number in range(8):
        for name, rate_hz in (("imu", 100), ("hand", 30)):
            times = np.arange(4 * rate_hz) / rate_hz
            swinging = sine(times) + sine(9 * times)
            table = pd.DataFrame({"time": times, name: swinging, "state": times // 1})
            write(tmp_path / f"{number}_{name}.csv", table.to_csv(index=False))
        lines.append(str(number))
    write(tmp_path / "t.csv", "\n".join(lines))
    stage = {"rate_hz": 25, "hold": {"imu": ["state"]}}
    run_recipe(recipe(tmp_path, {"t": source("imu", "hand")}, [{"align.grid": stage}]))
    specs = {
        name: stream.SeriesSpec(columns=[name], rate_hz=25, seconds=4.0) for name in ("imu", "hand")
    }
    batch = next(iter(stream.open(tmp_path / "out" / "shards", batch_size=8, parts=specs)))
    assert batch.lengths["imu"].tolist() == batch.lengths["hand"].tolist() == [100] * 8
    with tarfile.open(tmp_path / "out" / "shards" / "all-000000.tar") as tar:
        data = tar.extractfile("t-0.imu.npz").read()  # type: ignore[union-attr]
    kind = modality("series")
    given = kind.given(str(tmp_path / "0_imu.csv"), kind.fit(SeriesOptions(), [data]))
    assert given == data, "low-pass filtered and held as the stored one"


def test_a_record_without_a_moment_in_common_is_a_reject_that_says_when_they_were(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a_imu.csv", "time,x\n0,1\n0.1,1\n0.2,1\n")
    write(tmp_path / "a_hand.csv", "time,x\n5,1\n5.1,1\n5.2,1\n")
    write(tmp_path / "b_imu.csv", "time,x\n0,1\n0.1,1\n0.2,1\n")
    write(tmp_path / "t.csv", "id\na\nb\n")
    write(
        tmp_path / "r.yaml",
        "name: g\ndata: .\ntolerance: 1\nsources:\n  t: {type: csv, path: t.csv, id: '{id}', media:"
        " {imu: {path: '{id}_imu.csv', modality: series}, hand: {path: '{id}_hand.csv', modality:"
        " series}}}\nstages: [{align.grid: {rate_hz: 10}}]\n",
    )
    done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out", "--engine", "serial")
    assert done.returncode == 0
    told = " ".join(here("rejects", tmp_path / "out").stdout.split())
    assert "hand lies in [5, 5.3) s, imu lies in [0, 0.3) s" in told
    assert list(stored(tmp_path / "out")) == ["t-b.npz"], "it is alone on its grid"


def test_labels_at_the_very_frames_and_several_at_once() -> None:
    cues = (Cue(0.0, 0.4, "a"), Cue(0.3, 0.3, "b"), Cue(0.32, 0.6, "b"), Cue(9.0, 9.5, "a"))
    found = labelled(cues, ["a", "b"], np.arange(20) / 25)
    assert np.flatnonzero(found[:, 0]).tolist() == list(range(10))
    assert np.flatnonzero(found[:, 1]).tolist() == list(range(8, 15))


def test_texts_that_are_no_labels_are_refused_before_a_grid_of_thousands_of_columns() -> None:
    from modalmill.schemas.manifest import Row, rows_to_table

    cues = tuple(Cue(number, number + 1, f"word {number}") for number in range(300))
    record = Record("k", "k", Origin("s", "a"), {"words": Part("text", text="x", cues=cues)})
    stage = Grid(rate_hz=10, labels={"said": "words"})
    with pytest.raises(InputError, match="words has 300 different texts"):
        stage.fitted(rows_to_table([Row(record)]))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "rate_hz, frames_of: wanted one of the two"),
        ({"rate_hz": 25, "frames_of": "film"}, "rate_hz, frames_of: wanted one of the two"),
        ({"rate_hz": 0}, "rate_hz: wanted a number above 0"),
        ({"rate_hz": 25, "max_gap_s": 0}, "max_gap_s: wanted seconds above 0"),
        ({"rate_hz": 25, "labels": {"a": "t"}, "tracks": {"a": "s"}}, "both make a part called a"),
        ({"rate_hz": 25, "labels": {"a.b": "t"}}, "'a.b' is no name for a part"),
        ({"rate_hz": 25, "hold": {"a": ["x"]}, "nearest": {"a": ["x"]}}, "a.x stands in both"),
    ],
)
def test_options_that_make_no_grid_are_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        Grid(**options)


def test_names_that_nothing_gives_are_mistakes() -> None:
    contents = Contents({"imu": "series", "words": "text", "photo": "image", "film": "video"})
    stage = Grid(
        frames_of="flim",
        parts=["imu", "words"],
        labels={"imu": "wrods"},
        tracks={"motion": "photo"},
        hold={"hand": ["x"]},
    )
    lines = stage.mistakes(contents)
    assert [line.partition(":")[0] for line in lines] == [
        *("parts", "hold", "labels", "frames_of", "labels", "tracks"),
    ]
    assert "did you mean 'film'" in lines[3]
    assert "wanted a part of audio or video, and 'photo' is image" in lines[5]
    bare = Grid(rate_hz=25).mistakes(Contents({"photo": "image"}))
    assert "nothing before it gives a series" in bare[0]
