"""Series: values over time from any file to one rate, cut with the medium beside them, told where
absent.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
import webdataset
from hypothesis import given
from hypothesis import strategies as st
from measured import measured
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import DamageError, RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.stages import stream
from modalmill.stages.modalities.series import (
    Raw,
    Reading,
    decode_npz,
    encode_npz,
    read_series,
    resampled,
)
from modalmill.stages.train.use.explain import explain
from modalmill.stages.train.use.predict import Predictor
from tiny import recipe, wav, write


def sine(times: np.ndarray, hertz: float = 1.0) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * hertz * times))


def frame(rows: int = 400, rate_hz: float = 100.0, seed: int = 0) -> pd.DataFrame:
    """Irregular times, one value that is a sine and one that is the time itself."""
    random = np.random.default_rng(seed)
    times = (np.arange(rows) + random.uniform(-0.3, 0.3, rows)) / rate_hz
    times[0] = 0.0
    return pd.DataFrame({"time": times, "x": sine(times), "ramp": times})


def test_files_of_every_kind_hold_the_same_values(tmp_path: Path) -> None:
    table = frame()
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "b.csv", index=False, sep=";")
    table.to_csv(tmp_path / "c.tsv", index=False, sep="\t", encoding="utf-8-sig")
    table.to_parquet(tmp_path / "d.parquet")
    shuffled = table.sample(frac=1, random_state=0).assign(note="x")
    shuffled.to_csv(tmp_path / "e.csv", index=False)
    stamped = table.assign(
        time=pd.Timestamp("2026-01-01 12:00", tz="UTC") + pd.to_timedelta(table["time"], unit="s")
    )
    stamped.to_parquet(tmp_path / "f.parquet")
    wanted = read_series(tmp_path / "a.csv", Reading())
    assert wanted.columns == ("x", "ramp")
    for path in sorted(tmp_path.iterdir()):
        found = read_series(path, Reading())
        assert found.columns == wanted.columns, path
        assert np.allclose(found.values, wanted.values)
        assert np.allclose(found.times, wanted.times, atol=1e-6), path
    table.assign(time=table["time"] * 1000).rename(columns={"time": "when"}).to_csv(
        tmp_path / "g.csv", index=False
    )
    late = read_series(tmp_path / "g.csv", Reading(time="when", unit="ms", columns=["ramp"]))
    assert np.allclose(late.times, wanted.times)
    assert np.allclose(late.values[:, 0], wanted.times)
    np.save(tmp_path / "h.npy", table[["x", "ramp"]].to_numpy())
    array = read_series(tmp_path / "h.npy", Reading(rate_hz=100, columns=["x", "ramp"]))
    assert array.times[-1] == pytest.approx(3.99)


@given(st.floats(1, 200), st.floats(0, 3), st.floats(0.3, 4))
def test_a_straight_line_stays_one_at_any_rate_and_cut(
    rate_hz: float, start: float, length: float
) -> None:
    table = frame()
    raw = Raw(table["time"].to_numpy(), table[["ramp"]].to_numpy(), ("ramp",))
    end = min(start + length, 3.9)
    if (end - start) * rate_hz < 1:
        return
    found = resampled(raw, rate_hz, start, end)[:, 0]
    grid = start + np.arange(len(found)) / rate_hz
    assert len(found) == math.floor((end - start) * rate_hz + 1e-6)
    # a mean at an edge has neighbours on one side alone
    inner = (grid > 0.5 / rate_hz) & (grid < 3.9 - 0.5 / rate_hz)
    assert np.abs(found - grid)[inner].max(initial=0) < 1e-6


def test_a_sine_is_the_same_sine_and_what_is_faster_than_the_rate_is_averaged_away() -> None:
    table = frame(rows=4000, rate_hz=1000)
    times = table["time"].to_numpy()
    raw = Raw(times, np.stack([sine(times), sine(times, 250.0)], 1), ("slow", "fast"))
    found = resampled(raw, 50.0)
    grid = np.arange(len(found)) / 50
    assert np.abs(found[1:-1, 0] - sine(grid)[1:-1]).max() < 0.01
    assert np.abs(found[1:-1, 1]).max() < 0.12, "a single value of it would be up to 1"


def test_what_is_far_from_any_value_is_absent() -> None:
    times = np.concatenate([np.arange(0, 1, 0.1), np.arange(2, 3, 0.1)])
    found = resampled(Raw(times, np.ones((20, 1)), ("a",)), 10.0)[:, 0]
    assert np.isnan(found[11:19]).all()
    assert (found[[0, 9, 20, 29]] == 1).all()
    lone = resampled(
        Raw(np.arange(10) / 10, np.where(np.arange(10) == 4, np.nan, 1.0)[:, None], ("a",)), 10.0
    )[:, 0]
    assert np.isfinite(lone).all(), "one lost value lies between two that are there"
    nothing = resampled(Raw(np.arange(10) / 10, np.full((10, 1), np.nan), ("a",)), 10.0)
    assert np.isnan(nothing).all()


@given(st.integers(1, 30), st.integers(1, 4), st.floats(0.1, 1000))
def test_the_stored_form_is_read_by_numpy_and_repeats_its_bytes(
    rows: int, columns: int, rate_hz: float
) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, columns)).astype(np.float32)
    names = [f"spalte {number} ä" for number in range(columns)]
    data = encode_npz(values, rate_hz, names)
    assert data == encode_npz(values, rate_hz, names)
    with np.load(io.BytesIO(data)) as found:
        assert (found["values"] == values).all()
        assert float(found["rate_hz"]) == rate_hz
    assert decode_npz(data)[2] == tuple(names)
    for cut in (data[: len(data) // 2], b"", b"PK"):
        with pytest.raises(DamageError, match="cannot be read"):
            decode_npz(cut)


def test_damage_is_one_reject_with_its_reason(tmp_path: Path) -> None:
    cases = {
        "a.csv": ("", "cannot be read as a table"),
        "b.csv": ("time,x\n", "no row"),
        "c.csv": (
            "when,x\n1,2\n",
            "no column of times among when, x; name it with time, or say rate_hz",
        ),
        "d.csv": ("time,x\n1,high\n", "no column of values is called anything"),
        "e.csv": ("time,x\nsoon,1\n", "wanted seconds or timestamps"),
        "f.parquet": ("no parquet", "cannot be read as a table"),
        "g.npy": ("no numpy", "the file begins otherwise"),
    }
    for name, (text, told) in cases.items():
        with pytest.raises(DamageError, match=told):
            read_series(write(tmp_path / name, text), Reading())
    np.save(tmp_path / "h.npy", np.array(["a"]))
    with pytest.raises(DamageError, match="wanted numbers"):
        read_series(tmp_path / "h.npy", Reading(rate_hz=1))
    np.save(tmp_path / "i.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(DamageError, match="wanted one array"):
        read_series(tmp_path / "i.npy", Reading(rate_hz=1))


def corpus(root: Path, rows: int = 120) -> dict[str, Any]:
    """A sensor whose rate of swinging is the label, beside a sound and words with times; some
    sensors are lost, one is broken.
    """
    lines = ["id,move,split"]
    for number in range(rows):
        random = np.random.default_rng(number)
        fast = number % 2
        times = np.arange(0, 4, 0.01)
        table = pd.DataFrame(
            {
                "time": times,
                "ax": sine(times + random.uniform(0, 1), 3.0 if fast else 1.0),
                "ay": random.normal(0, 1, len(times)),
            }
        )
        table.loc[random.uniform(0, 1, len(times)) < 0.02, "ax"] = None
        if number != 5:
            write(
                root / "imu" / f"{number}.csv",
                "broken" if number == 7 else table.to_csv(index=False),
            )
        lines.append(
            f"{number},{'fast' if fast else 'slow'},{'test' if number % 4 == 0 else 'train'}"
        )
    write(root / "t.csv", "\n".join(lines))
    media = {
        "imu": {
            "path": "imu/{id}.csv",
            "modality": "series",
            "columns": ["ax", "ay"],
            "rate_hz": 50,
        }
    }
    return {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "media": media,
        "targets": ["move"],
        "split": "{split}",
    }


def test_a_sensor_is_learned_from_the_raw_file_to_the_answer(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    train = {
        "target": "move",
        "inputs": {"imu": {"seconds": 3.0}},
        "fusion": "mean",
        "width": 16,
        "hidden": 16,
        "epochs": 8,
        "batch_size": 16,
        "device": "cpu",
        "dropout": 0.0,
        "learning_rate": 0.01,
    }
    result = run_recipe(recipe(tmp_path, {"t": corpus(tmp_path)}, train=train))
    account = result.account.to_dict()
    assert account["rejects_by_reason"] == {"shard: series_damaged": 1} or account[
        "rejects_by_reason"
    ] == {"shard: series_no_time": 1}
    assert account["unmatched"] == {"t: no_imu_file": 1}
    assert result.training is not None
    assert result.training["subsets"]["imu"]["accuracy"] > 0.95
    shards = tmp_path / "out" / "shards"
    sample = next(iter(webdataset.WebDataset(str(shards / "test-000000.tar"), shardshuffle=False)))
    values, rate_hz, columns = decode_npz(sample["npz"])
    assert (values.shape, rate_hz, columns) == ((200, 2), 50.0, ("ax", "ay"))
    path = tmp_path / "out" / "training" / "best.pt"
    whole = {row["key"]: row["answers"] for row in Predictor(path).shards(shards, "test")}
    for number in (0, 12):
        raw = Predictor(path).one({"imu": str(tmp_path / "imu" / f"{number}.csv")})
        assert raw["answers"][0]["answer"] == "slow"
        assert raw["answers"][0]["probability"] == pytest.approx(
            whole[f"t-{number}"][0]["probability"], abs=1e-6
        ), "files are read as shards are"
    assert explain(path, {"imu": str(tmp_path / "imu" / "0.csv")}).report["worth"]["imu"] > 0
    assert Predictor(path).one({})["missing"] == ["imu"]


def test_the_stream_fills_cuts_and_counts(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    run_recipe(recipe(tmp_path, {"t": corpus(tmp_path, 24)}))
    spec = stream.SeriesSpec(columns=["ay", "ax"], rate_hz=50, seconds=5.0)
    batch = next(
        iter(
            stream.open(
                tmp_path / "out" / "shards",
                batch_size=8,
                shuffle=False,
                parts={"imu": spec},
                where="'imu' in parts",
            )
        )
    )
    assert batch.parts["imu"].shape == (8, 250, 2)
    assert batch.lengths["imu"].tolist() == [200] * 8
    assert batch.parts["imu"][:, 200:].isnan().all()
    half = stream.SeriesSpec(columns=["ax"], rate_hz=25, seconds=4.0)
    slow = next(
        iter(
            stream.open(
                tmp_path / "out" / "shards",
                batch_size=8,
                shuffle=False,
                parts={"imu": half},
                where="'imu' in parts",
            )
        )
    )
    assert slow.lengths["imu"].tolist() == [100] * 8
    sized = stream.open(
        tmp_path / "out" / "shards", batch_size=8, parts={"imu": spec}, buckets={"imu": [2.0, 4.0]}
    )
    assert {batch.parts["imu"].shape[1] for batch in sized} <= {100, 200}


def test_a_series_is_cut_with_the_sound_and_the_words_beside_it(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "a.wav", wav(seconds=4.0))
    write(
        tmp_path / "a.srt",
        "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:02,500 --> 00:00:04,000\ntwo\n",
    )
    times = np.arange(0, 4, 0.02)
    pd.DataFrame({"t": times, "x": times}).to_parquet(tmp_path / "a.parquet")
    write(tmp_path / "t.csv", "id\na\n")
    options = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "cues": {"words": "{id}.srt"},
        "media": {
            "sound": {"path": "{id}.wav"},
            "x": {
                "path": "{id}.parquet",
                "modality": "series",
                "rate_hz": 10,
                "unlisted": "ignore",
            },
        },
    }
    run_recipe(recipe(tmp_path, {"t": options}, [{"align.cut": {"by": "words"}}]))
    records = {
        record.parts["words"].text: record
        for record in table_to_records(read_manifest(tmp_path / "out"))
    }
    assert [records[word].parts["x"].seconds() for word in ("one", "two")] == [1.0, 1.5]
    whole = stream.open(tmp_path / "out" / "shards", batch_size=2, shuffle=False)
    batch = next(iter(whole))
    found = dict(zip(batch.lists["words"], batch.lists["x"], strict=True))
    assert np.abs(found["one"][:, 0] - np.arange(1.0, 2.0, 0.1)).max() < 0.011
    assert np.abs(found["two"][:, 0] - np.arange(2.5, 4.0, 0.1)).max() < 0.011
    lengths = whole.index.numbers("x.duration_s")
    assert sorted(lengths.tolist()) == [1.0, 1.5]


def test_measurements_of_a_series_are_facts_and_signals(tmp_path: Path) -> None:
    times = np.delete(np.arange(0, 4, 0.1), [10, 11, 12])
    pd.DataFrame(
        {"time": times, "a": np.where(np.arange(len(times)) < 10, np.nan, 1.0), "b": 1}
    ).to_csv(tmp_path / "a.csv", index=False)
    found, signals, _ = measured(tmp_path / "a.csv", "series")
    assert found["frames"] == 37
    assert found["channels"] == 2
    assert found["duration_s"] == pytest.approx(4.0)
    assert found["fps"] == pytest.approx(10.0)
    assert signals == {
        **{"missing": pytest.approx(10 / 74), "gaps": pytest.approx(1 / 36), "late_s": 0.0}
    }


def test_absent_values_are_told_and_have_no_influence() -> None:
    from modalmill.stages.train.data.part import InputPart
    from modalmill.stages.train.model.encoders.series import SeriesCnn, SeriesLstm

    for kind in (SeriesCnn, SeriesLstm):
        torch.manual_seed(0)
        encoder = kind(8, InputPart("series", fitted={"columns": ["a"]}))
        values = torch.randn(2, 40, 1)
        values[0, 5] = math.nan
        tokens, mask = encoder(
            values.requires_grad_(), torch.tensor([40, 20]), torch.ones(2, dtype=torch.bool)
        )
        assert torch.isfinite(tokens).all()
        assert mask.any(1).all()
        tokens.square().sum().backward()
        assert values.grad is not None
        assert values.grad[0, 5] == 0


def test_mistakes_in_the_recipe_are_told(tmp_path: Path, run_recipe: Callable[..., Result]) -> None:
    source = corpus(tmp_path, 8)
    for wrong, told in (
        ({"rate": 50}, "rate: unknown option; did you mean 'rate_hz'?"),
        ({"rate_hz": -1}, "rate_hz: input should be greater than 0, found -1"),
        ({"modality": "serie"}, "modality: no files are called 'serie'; did you mean 'series'?"),
        (
            {"modality": "image", "rate_hz": 50},
            "rate_hz: image has no such option; its files are read as they are",
        ),
    ):
        media = {"imu": {"path": "imu/{id}.csv", "modality": "series", **wrong}}
        with pytest.raises(RecipeError) as error:
            run_recipe(recipe(tmp_path, {"t": {**source, "media": media}}), until="manifest")
        assert told in str(error.value), json.dumps(wrong)


def test_times_of_clocks_count_from_the_first_and_others_are_those_of_the_medium_beside(
    tmp_path: Path,
) -> None:
    for name, times, wanted in (
        ("beside", [2.0, 2.5, 3.0], [2.0, 2.5, 3.0]),
        ("uptime", [900_000.0, 900_000.5, 900_001.0], [0, 0.5, 1.0]),
        ("early", [-1.0, -0.5, 0.0], [0, 0.5, 1.0]),
        ("epoch", [1.7e9, 1.7e9 + 0.5, 1.7e9 + 1], [0, 0.5, 1.0]),
        ("hours", list(np.arange(3700.0, 9000.0)), list(np.arange(3700.0, 9000.0))),
    ):
        pd.DataFrame({"t": times, "x": 1.0}).to_csv(tmp_path / f"{name}.csv", index=False)
        assert np.allclose(read_series(tmp_path / f"{name}.csv", Reading()).times, wanted), name
    unset = pd.Timestamp("1970-01-01 01:00", tz="UTC") + pd.to_timedelta([0, 1], unit="s")
    pd.DataFrame({"time": unset, "x": 1.0}).to_csv(tmp_path / "unset.csv", index=False)
    assert read_series(tmp_path / "unset.csv", Reading()).times.tolist() == [0, 1]


def test_odd_files_are_one_damage_and_no_traceback(tmp_path: Path) -> None:
    for name, data, told in (
        ("a.csv", b"time,x,x\n0,1,2\n", "several columns are called x"),
        ("b.csv", "time,gr\u00f6\u00dfe\n0,1\n".encode("latin-1"), "cannot be read as a table"),
        ("c.csv", b"time,x\n0,1\n0,1,2\n", "cannot be read as a table"),
    ):
        with pytest.raises(DamageError, match=told):
            read_series(write(tmp_path / name, data), Reading())
    pd.DataFrame({"time": [0.0, 1.0], "x": [2**53 + 1, 2**63 - 1]}).to_parquet(
        tmp_path / "d.parquet"
    )
    assert read_series(tmp_path / "d.parquet", Reading()).values[0, 0] == 2.0**53
    huge = resampled(Raw(np.array([0.0, 1.0]), np.array([[1e300], [1.0]]), ("x",)), 1.0)
    assert np.isnan(huge[0, 0])
    assert huge[1, 0] == 1.0


def test_measuring_and_prediction_read_times_as_the_source_says(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    source = corpus(tmp_path, 16)
    for path in (tmp_path / "imu").glob("*.csv"):
        if path.name != "7.csv":
            table = pd.read_csv(path)
            table.assign(stamp=table.pop("time") * 1000).to_csv(path, index=False)
    source["media"]["imu"] |= {"time": "stamp", "unit": "ms"}
    stages: list[Any] = [
        {"align.split": {"shares": {"train": 0.7, "test": 0.3}}},
        {"augment.crop_time": {"share": 0.5}},
    ]
    train = {
        "target": "move",
        "inputs": {"imu": {"seconds": 0.5}},
        "fusion": "mean",
        "width": 8,
        "hidden": 8,
        "epochs": 1,
        "device": "cpu",
        "checks": False,
    }
    del source["split"]
    result = run_recipe(recipe(tmp_path, {"t": source}, stages, train=train))
    account = result.account.to_dict()
    assert "shard: span_empty" not in account["rejects_by_reason"]
    opened = stream.open(tmp_path / "out" / "shards", batch_size=4, shuffle=False)
    lengths = opened.index.numbers("imu.duration_s")
    assert set(np.round(lengths[~np.isnan(lengths)], 2)) == {2.0, 4.0}
    shards = {
        row["key"]: row["answers"]
        for row in Predictor(tmp_path / "out" / "training" / "best.pt").shards(
            tmp_path / "out" / "shards", "test"
        )
    }
    for key, answers in shards.items():
        path = tmp_path / "imu" / f"{key.removeprefix('t-')}.csv"
        if path.is_file():
            one = Predictor(tmp_path / "out" / "training" / "best.pt").one({"imu": str(path)})
            assert one["answers"][0]["probability"] == pytest.approx(
                answers[0]["probability"], abs=1e-6
            )


def test_datasets_reads_shards_with_series_and_tables(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    datasets = pytest.importorskip("datasets")
    source = corpus(tmp_path, 12) | {"table": {"cells": ["id", "move"]}}
    run_recipe(recipe(tmp_path, {"t": source}))
    found = datasets.load_dataset(
        str(tmp_path / "out" / "shards"), split="train", cache_dir=str(tmp_path / "cache")
    )
    rows = {row["json"]["key"]: row for row in found}
    assert rows["t-1"]["json"]["tables"]["cells"] == {"id": 1.0, "move": "fast"}
    assert np.shape(rows["t-1"]["npz"]["values"]) == (200, 2)
    assert rows["t-5"]["npz"] is None or rows["t-5"]["npz"]["values"] is None


@pytest.mark.parametrize(
    ("first", "step", "unit"),
    [(1_709_287_200_002, 20, "ms"), (1.7e15, 20_000, "us"), (1.7e18, 20_000_000, "ns")],
)
def test_times_that_are_no_seconds_are_refused_with_their_unit(
    first: float, step: int, unit: Literal["ms", "us", "ns"], tmp_path: Path
) -> None:
    write(tmp_path / "s.csv", "t,x\n" + "".join(f"{first + step * n:.0f},{n}\n" for n in range(9)))
    with pytest.raises(DamageError, match=f"in which unit it is .unit: {unit}."):
        read_series(tmp_path / "s.csv", Reading(time="t"))
    seconds = read_series(tmp_path / "s.csv", Reading(time="t", unit=unit))
    assert len(seconds.times) == 9
