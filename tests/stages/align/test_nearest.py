"""Joined by time: each record takes the nearest of each other source, within a tolerance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.contents import Contents
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.record import Origin, Record
from modalmill.stages.align.nearest import Nearest
from tiny import recipe, write

Run = Callable[..., Result]
TIMES = st.lists(st.one_of(st.none(), st.integers(0, 40).map(lambda n: n / 4)), max_size=12)
TIME = {"a": "a_s", "b": "b_s"}


def moments(source: str, times: list[float | None], places: list[str]) -> list[Record]:
    return [
        Record(
            f"{source}-{number:02}",
            f"{source}-{number:02}",
            Origin(source, "t.csv", number),
            targets={"where": place} | ({} if time is None else {f"{source}_s": time}),
        )
        for number, (time, place) in enumerate(zip(times, places, strict=True))
    ]


@given(TIMES, TIMES, st.sampled_from([0.0, 0.5, 3.0]), st.data())
def test_the_nearest_within_the_tolerance_is_taken_as_by_brute_force(
    mine: list[float | None], theirs: list[float | None], within_s: float, data: st.DataObject
) -> None:
    places = st.sampled_from(["x", "y"])
    records = [
        moments(name, times, [data.draw(places) for _ in times])
        for name, times in (("a", mine), ("b", theirs))
    ]
    stage = Nearest(sources=["a", "b"], time=TIME, within_s=within_s, equal=["where"])
    decisions = stage.decide(rows_to_table(Row(one) for own in records for one in own))
    joined = set()
    for record in records[0]:
        moment = record.targets.get("a_s")
        near = [
            (abs(other.targets["b_s"] - moment), other.targets["b_s"], other.key)
            for other in records[1]
            if moment is not None
            and "b_s" in other.targets
            and other.targets["where"] == record.targets["where"]
        ]
        best = min(near, default=None)
        wanted = (best[2],) if best is not None and best[0] <= within_s else ()
        joined.update(wanted)
        assert decisions[record.key].absorb == wanted
        assert bool(decisions[record.key].unmatched) == (not wanted)
    for other in records[1]:
        fault = decisions[other.key].fault
        assert (fault is not None) == (other.key in joined)
        assert bool(decisions[other.key].unmatched) == (other.key not in joined)


def test_sensors_come_to_the_frames_of_their_own_drive(tmp_path: Path, run_recipe: Run) -> None:
    write(
        tmp_path / "frames.csv", "id,t,drive,note\n0,0.0,d1,a\n1,0.1,d1,b\n2,0.2,d2,c\n3,9,d1,d\n"
    )
    write(
        tmp_path / "sensors.csv",
        "id,time,drive,speed\n0,0.02,d1,10\n1,0.11,d1,20\n2,0.21,d1,30\n3,0.19,d2,40\n4,5,d2,50\n",
    )
    sources = {
        "frames": {
            **{"type": "csv", "path": "frames.csv", "id": "{id}", "text": "note"},
            **{"targets": ["drive"], "numbers": {"frame_s": "t"}},
        },
        "sensors": {
            **{"type": "csv", "path": "sensors.csv", "id": "{id}", "targets": ["drive"]},
            **{"numbers": {"sensor_s": "time", "speed": "speed"}},
        },
    }
    stage = {
        "sources": ["frames", "sensors"],
        "time": {"frames": "frame_s", "sensors": "sensor_s"},
        "within_s": 0.05,
        "equal": ["drive"],
    }
    result = run_recipe(recipe(tmp_path, sources, [{"align.nearest": stage}]))
    speeds = {
        record.origin.id: record.targets.get("speed")
        for record in table_to_records(read_manifest(tmp_path / "out"))
        if record.origin.source == "frames"
    }
    assert speeds == {"0": 10.0, "1": 20.0, "2": 40.0, "3": None}
    count = result.account.stages[0]
    assert (count.merged, count.unmatched) == (3, {"no_sensors": 1, "no_frames": 2})
    assert result.account.problems() == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"sources": ["a"]}, "wanted two or more"),
        ({"time": {"a": "a_s"}}, "time of each of a, b"),
        ({"time": {"a": "t", "b": "t"}}, "another name in each"),
        ({"within_s": -1}, "within_s: wanted"),
    ],
)
def test_options_that_make_no_join_are_refused(options: dict[str, Any], line: str) -> None:
    whole: dict[str, Any] = {"sources": ["a", "b"], "time": TIME, "within_s": 1.0}
    with pytest.raises(ValueError, match=line):
        Nearest(**whole | options)


def test_names_that_nothing_gives_are_mistakes() -> None:
    here = Contents(targets={"a_s": "number", "b_s": "text"}, sources=frozenset("ab"))
    stage = Nearest(sources=["a", "b"], time=TIME, within_s=1, equal=["drive"])
    lines = stage.mistakes(here)
    assert [line.partition(":")[0] for line in lines] == ["equal", "time"]
    assert "read it by 'numbers'" in lines[1]


def test_what_lacks_a_value_that_is_to_be_equal_has_no_partner_and_one_is_1_0() -> None:
    a, b = moments("a", [1.0, 1.0, 1.0], ["1", "x", "x"]), moments("b", [1.0, 1.0, 1.0], ["x"] * 3)
    a[1] = replace(a[1], targets={"a_s": 1.0})
    b[0] = replace(b[0], targets={"b_s": 1.0, "where": 1.0})
    b[1] = replace(b[1], targets={"b_s": 1.0})
    stage = Nearest(sources=["a", "b"], time=TIME, within_s=0.5, equal=["where"])
    decisions = stage.decide(rows_to_table(Row(one) for one in (*a, *b)))
    assert {key: decision.absorb for key, decision in decisions.items() if decision.absorb} == {
        "a-00": ("b-00",),
        "a-02": ("b-02",),
    }
