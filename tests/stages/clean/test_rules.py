"""Rules in words: what they say, what they keep, and what they tell where they cannot be asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.pipeline.texts import read_rejects
from modalmill.schemas.columns import narrowed
from modalmill.schemas.contents import Contents
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.base import Addressed, RecordStage, make
from modalmill.stages.clean.outliers import Outliers
from tiny import mp4, recipe, wav, write

Run = Callable[..., Result]
LOSES_MOST = {"tolerance": 1.0}


def rules(**options: Any) -> RecordStage:
    stage, mistakes = make("clean.rules", Addressed, options, "stages.0")
    assert mistakes == []
    assert isinstance(stage, RecordStage)
    return stage


def mistakes(options: Any, here: Contents | None = None) -> list[str]:
    stage, lines = make("clean.rules", Addressed, options, "stages.0")
    return lines if stage is None else stage.mistakes(here or Contents())  # type: ignore[attr-defined]


def record(number: int = 0, **more: Any) -> Record:
    return Record(f"k{number}", f"k{number}", Origin("s", "t.csv", number), **more)


def picture(dark: float | None, number: int = 0, **facts: Any) -> Record:
    part = Part("image", uri="a.png", **facts)
    signals = {} if dark is None else {"image.dark": dark}
    return record(number, parts={"image": part}, signals=signals)


def kept_by(stage: RecordStage, records: list[Record]) -> list[str]:
    if stage.needs_fit():
        stage = stage.fitted(rows_to_table(map(Row, records)).select(list(stage.fitted_on)))
    return [each.key for each in records if stage.fault(each) is None]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("<= 0.5", [0, 1]),
        ("< 0.5", [0]),
        ("== 0.5", [1]),
        (0.5, [1]),
        ([0.5, 1], [1, 2]),
        ("0.2 .. 0.7", [1]),
        ("in [0, 1]", [0, 2]),
        ("not in [0, 1]", [1]),
        ("p0..p50", [0, 1]),
        ([0, "p50"], [0, 1]),
        (">= p50", [1, 2]),
        # the deviation of 0, .5 and 1 from .5 is .5, times 1.4826: within 1 are all
        ("mad 1", [0, 1, 2]),
        ("mad 0.5", [1]),
        ("> image.aspect - 1.5", [2]),
    ],
)
def test_what_is_wanted_of_a_number(wanted: Any, kept: list[int]) -> None:
    records = [
        picture(dark, number, width=40, height=20) for number, dark in enumerate([0.0, 0.5, 1.0])
    ]
    assert kept_by(rules(rules={"image.dark": wanted}), records) == [f"k{n}" for n in kept]


@pytest.mark.parametrize(
    ("left", "wanted", "kept"),
    [
        ("answer", ["yes", "no"], [0, 1]),
        ("answer", "== yes", [0]),
        ("answer", "yes", [0]),
        ("answer", "!= yes", [1, 2]),
        ("answer == 'yes' or answer == 'red'", True, [0, 2]),
        ("answer == 'yes'", False, [1, 2]),
        ("'image' in parts", True, []),
        ("targets.answer", "red", [2]),
        ("source", "s", [0, 1, 2]),
        ("`answer`", "red", [2]),
        ("`the answer`", "red", [2]),
        ("`class` == 'b' or `the answer` == 'yes'", True, [0, 1]),
        ("flag", True, [0]),
        ("flag", False, [1, 2]),
    ],
)
def test_what_is_wanted_of_words(left: str, wanted: Any, kept: list[int]) -> None:
    records = [
        record(
            n, targets={"answer": word, "the answer": word, "class": "abc"[n], "flag": str(n == 0)}
        )
        for n, word in enumerate(["yes", "no", "red"])
    ]
    assert kept_by(rules(rules={left: wanted}), records) == [f"k{n}" for n in kept]


HERE = Contents(
    parts={"image": "image", "question": "text", "sound": "audio", "medium": None},
    targets={"answer": "text", "score": "number"},
)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "wanted what is looked at"),
        ({"image.drak": "< 1"}, "did you mean 'dark'"),
        ({"imge.dark": "< 1"}, "did you mean 'image'"),
        ({"medium.duration": "< 1"}, "did you mean 'duration_s'"),
        ({"medium.beauty": "< 1"}, "'modalmill signals' lists"),
        ({"not (score - 3)": True}, "score - 3 is a number, and no condition"),
        ({"anser": "yes"}, "did you mean 'answer'"),
        ({"image.dark": "< "}, "wanted a comparison"),
        ({"image.dark": "5 mad"}, "wanted a comparison"),
        ({"image.dark": None}, "wanted a comparison"),
        ({"image.dark": "9..1"}, "holds nothing"),
        ({"image.dark": "p99..p1"}, "holds nothing"),
        ({"image.dark": "a..b"}, "wanted a comparison"),
        ({"image.dark": [1, 2, 3]}, 'written "in [1, 2, 3]"'),
        ({"image.dark": "yes"}, "compares it with another kind"),
        ({"answer": "> 3"}, "read it by 'numbers'"),
        ({"image.dark <": 3}, "cannot be read"),
        ({"image.dark": True}, "is no condition"),
        ({"image.dark": False}, "YAML reads yes, no"),
        ({"image.dark": float("inf")}, "wanted a comparison"),
        ({"image.dark": [float("-inf"), 5]}, "an open range is a comparison"),
        ({"image.dark > 3": ">= 5"}, "is a condition; wanted true or false"),
        ({"image.dark > 3": "true"}, "is a condition; wanted true or false"),
        ({"5": ">= 4"}, "names nothing of a record"),
        ({"image.dark": "< 1", "image": {"dark": "< 2"}}, "stands here twice"),
        ({"rules": {"image.dark": "< 1"}, "image.dark ": "< 2"}, "stands here twice"),
        ({"split": ["train"]}, "records have no split"),
        ({"my score": "> 3"}, "stand in backquotes"),
        ({"open('x')": 3}, "is not taken"),
        ({"image.dark": "< 1", "on_fault": "drop"}, "'reject' or 'drop_part'"),
        ({"image.dark / sound.clipping": "< 1", "on_fault": "drop_part"}, "this one is on 2"),
        ({"score": "< 1", "on_fault": "drop_part"}, "this one is on 0"),
        ({"'imge' in parts": True}, "did you mean 'image'"),
    ],
)
def test_a_mistake_in_a_rule_is_told_before_data_are_read(
    options: dict[str, Any], line: str
) -> None:
    lines = mistakes(options, HERE)
    assert len(lines) == 1, lines
    assert line in lines[0]


def test_rules_are_written_among_the_options_with_dots_or_as_sections(
    tmp_path: Path, run_recipe: Run
) -> None:
    same = [
        {"image.dark": "< 1", "on_fault": "drop_part"},
        {"image": {"dark": "< 1"}, "on_fault": "drop_part"},
        {"rules": {"image.dark": "< 1"}, "on_fault": "drop_part"},
    ]
    assert len({repr(rules(**options)) for options in same}) == 1


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=40), st.floats(0.5, 6))
def test_mad_is_the_rule_of_clean_outliers(values: list[float], deviations: float) -> None:
    records = [record(n, targets={"y": value}) for n, value in enumerate(values)]
    table = narrowed(rows_to_table(map(Row, records)), Outliers.columns)
    outliers = Outliers(column="y", deviations=deviations).decide(table)
    assert kept_by(rules(rules={"y": f"mad {deviations!r}"}), records) == [
        each.key for each in records if each.key not in outliers
    ]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_quantiles_are_numpys(values: list[float]) -> None:
    records = [picture(value, number) for number, value in enumerate(values)]
    low, high = np.quantile(values, [0.1, 0.9])
    assert kept_by(rules(rules={"image.dark": "p10..p90"}), records) == [
        f"k{number}" for number, value in enumerate(values) if low <= value <= high
    ]


def test_a_number_that_is_nan_keeps_no_rule_and_one_that_is_not_known_keeps_all_and_is_told() -> (
    None
):
    stage = rules(rules={"image.dark": "< 1"})
    assert stage.fault(picture(math.nan)) is not None
    for never in ("!= 1", "not in [1]"):
        assert rules(rules={"image.dark": never}).fault(picture(math.nan)) is not None
    none = rules(rules={"(image.dark - 5) / (image.dark - 5)": "!= 1"})
    assert none.fault(picture(5.0)) is not None
    assert none.fault(picture(6.0)) is not None
    assert none.fault(picture(6.0)) is not None
    unknown, absent = picture(None), record(1)
    assert stage.fault(unknown) is None
    assert stage.judge(unknown).remark == "kept, for it is not known of them: image.dark"
    assert stage.judge(unknown).verdicts == {}
    # the record has no picture, so the rule is not about it
    assert stage.fault(absent) is None
    assert stage.judge(absent).remark == ""


def pictures(root: Path, count: int = 20) -> dict[str, Any]:
    """Grey pictures with a black bar of growing width: ``image.dark`` is the bar's share."""
    for number in range(count):
        pixels = np.full((64, 100, 3), 128, np.uint8)
        pixels[:, : 5 * number] = 0
        write(root / f"{number:02}.png", cv2.imencode(".png", pixels)[1].tobytes())
    return {"type": "image_folder", "path": ".", "id": "{stem}"}


def kept(out: Path) -> list[str]:
    return sorted(each.origin.id for each in table_to_records(read_manifest(out)))


@pytest.mark.parametrize("limit", [0.0, 0.1, 0.299, 0.5, 0.77])
def test_a_short_form_and_a_rule_keep_the_same(
    tmp_path: Path, run_recipe: Run, limit: float
) -> None:
    source = {"s": pictures(tmp_path)}
    short = [{"clean.image": {"max_dark": limit}}]
    run_recipe(recipe(tmp_path, source, short, **LOSES_MOST), tmp_path / "a")
    run_recipe(
        recipe(tmp_path, source, [{"clean.rules": {"image.dark": f"<= {limit}"}}], **LOSES_MOST),
        tmp_path / "b",
    )
    assert kept(tmp_path / "a") == kept(tmp_path / "b") != []


def test_quantiles_of_the_corpus_are_those_of_all_sources_and_partitions(
    tmp_path: Path, run_recipe: Run
) -> None:
    sources = {}
    for name, shift in (("a", 0), ("b", 100)):
        rows = "".join(f"{n},{n + shift}\n" for n in range(100))
        write(tmp_path / f"{name}.csv", "id,y\n" + rows)
        sources[name] = {"type": "csv", "path": f"{name}.csv", "id": "{id}", "numbers": ["y"]}
    result = run_recipe(recipe(tmp_path, sources, [{"clean.rules": {"y": "p10..p90"}}]))
    assert result.account.stages[0].rejected == 40
    low, high = np.quantile(np.arange(200), [0.1, 0.9])
    numbers = sorted(
        each.targets["y"] for each in table_to_records(read_manifest(tmp_path / "out"))
    )
    assert (numbers[0], numbers[-1]) == (math.ceil(low), math.floor(high))
    row = read_rejects(tmp_path / "out")[0]
    assert row["rule"] == "y p10..p90"
    assert row["threshold"] == f"p10..p90, p10 = {low:.6g}, p90 = {high:.6g}"


def test_two_parts_are_compared_and_one_is_taken(tmp_path: Path, run_recipe: Run) -> None:
    for number, seconds in enumerate([1.0, 0.3]):
        write(tmp_path / f"{number}.mp4", mp4(10, 10, sound=False))
        write(tmp_path / f"{number}.wav", wav(seconds=seconds))
    write(tmp_path / "t.csv", "id\n0\n1\n")
    media = {"film": {"path": "{id}.mp4"}, "voice": {"path": "{id}.wav"}}
    source = {"s": {"type": "csv", "path": "t.csv", "id": "{id}", "media": media}}
    ratio = {"clean.rules": {"voice.duration_s / film.duration_s": [0.95, 1.05]}}
    result = run_recipe(recipe(tmp_path, source, [ratio]), tmp_path / "a")
    assert kept(tmp_path / "a") == ["0"]
    reject = next(row for row in read_rejects(tmp_path / "a") if row["fate"] == "rejected")
    assert "film (1.mp4), voice (1.wav)" in reject["message"]
    assert reject["value"] == "0.3"
    drop = {"clean.rules": {"voice.duration_s": ">= 0.5", "on_fault": "drop_part"}}
    result = run_recipe(recipe(tmp_path, source, [drop]), tmp_path / "b")
    assert result.account.stages[0].kinds == {"voice dropped: filtered": 1}
    assert kept(tmp_path / "b") == ["0", "1"]
    table = pq.read_table(tmp_path / "b" / "signals.parquet").to_pylist()
    assert {(row["part"], row["file"], row["fate"]) for row in table if row["row"] == 3} == {
        ("film", "t.csv", "written"),
        ("voice", "t.csv", "dropped"),
    }


def test_texts_are_held_against_the_time_in_which_they_are_spoken(
    tmp_path: Path, run_recipe: Run
) -> None:
    for name, seconds in (("said", 1.0), ("rushed", 0.5), ("lost", 10.0)):
        write(tmp_path / f"{name}.wav", wav(seconds=seconds))
    rows = [f"{name},twenty seven letters I said" for name in ("said", "rushed", "lost")]
    write(tmp_path / "t.csv", "\n".join(["id,words", *rows]))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"words": "words"}}
    source["media"] = {"voice": {"path": "{id}.wav"}}
    rule = {"clean.rules": {"words.chars / voice.duration_s": [3, 30]}}
    run_recipe(recipe(tmp_path, {"s": source}, [rule], **LOSES_MOST))
    assert kept(tmp_path / "out") == ["said"]


def test_an_override_reaches_a_rule_by_its_name(tmp_path: Path) -> None:
    from modalmill.schemas.recipe import load_recipe

    write(
        tmp_path / "r.yaml",
        "name: r\nsources: {s: {type: image_folder, path: .}}\n"
        "stages:\n- clean.rules: {image.dark: '< 0.5'}\n",
    )
    for name, wanted in (
        ("image.dark", {"image.dark": "< 0.9"}),
        ("image.bright", {"image.dark": "< 0.5", "image": {"bright": "< 0.9"}}),
    ):
        override = f"stages.clean.rules.{name}=< 0.9"
        loaded, _ = load_recipe(tmp_path / "r.yaml", [override])
        assert loaded.stages == [{"clean.rules": wanted}]


def test_a_plan_measures_what_rules_read_and_nothing_else(tmp_path: Path, run_recipe: Run) -> None:
    source = {"s": pictures(tmp_path, 3)}
    for wanted, measured in (("image.dark", True), ("image.bytes", False)):
        out = tmp_path / wanted
        run_recipe(recipe(tmp_path, source, [{"clean.rules": {wanted: ">= 0"}}]), out)
        assert any((out / "work" / "media").rglob("*.arrow")) == measured
    with pytest.raises(RecipeError, match="did you mean 'image'"):
        run_recipe(recipe(tmp_path, source, [{"clean.rules": {"imag.dark": ">= 0"}}]))


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({"score": ">= 0"}, "score is a text ('3' in t.csv, row 7).*read it by 'numbers'"),
        ({"score + 1": ">= 0"}, "reckons with '3', which is a text"),
        ({"number": "three"}, "number is a number .3.0 in t.csv, row 7."),
        ({"several": "a"}, "several is a list .t.csv, row 7."),
    ],
)
def test_what_says_nothing_of_any_record_stops_the_run(rule: dict[str, Any], line: str) -> None:
    stage = rules(rules=rule)
    targets = {"score": "3", "number": 3.0, "several": ["a"]}
    with pytest.raises(InputError, match=line.replace("('3'", ".'3'").replace("7)", "7.")):
        stage.fault(record(7, targets=targets))


def test_a_part_that_was_taken_is_judged_by_no_later_rule_and_counts_in_no_quantile(
    tmp_path: Path, run_recipe: Run
) -> None:
    source = {"s": pictures(tmp_path)}
    stages = [
        {"clean.image": {"max_dark": 0.5, "on_fault": "drop_part"}},
        {"clean.rules": {"image.dark": "<= p100", "image.bright": ">= 0"}},
        {"clean.rules": {"image.dark": "<= 0.5"}},
        {"clean.outliers": {"column": "image.dark", "deviations": 3}},
    ]
    result = run_recipe(recipe(tmp_path, source, stages))
    assert [count.rejected for count in result.account.stages[:4]] == [0, 0, 0, 0]
    records = list(table_to_records(read_manifest(tmp_path / "out")))
    assert sum(not each.parts for each in records) == 9
    assert not any(each.signals for each in records if not each.parts)


def test_the_rules_of_the_docs_are_rules() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    block = docs[docs.index("stages:\n  - clean.rules:") :].partition("```")[0]
    stages = yaml.safe_load(block)["stages"]
    options = stages[0]["clean.rules"]
    parts = {"image": "image", "sound": "audio", "film": "video", "caption": "text"}
    assert mistakes(options, Contents(parts=parts, targets={"language": "text"})) == []
    assert len(options) == 8


@pytest.mark.parametrize(
    ("left", "wanted", "ends"),
    [
        ("image.dark", "< 0.9", (-math.inf, 0.9)),
        ("sound.level_db", [-30, -10], (-30.0, -10.0)),
        ("image.bytes", "p1..p99", ("p1", "p99")),
        ("image.bytes", ">= p5", ("p5", math.inf)),
        ("image.bytes", "mad 5", ("low", "high")),
        ("language", ["en", "de"], None),
        ("a.width / a.height", "> 3", None),
        ("a.width", "< a.height", None),
    ],
)
def test_a_rule_on_one_number_says_what_it_allows(
    left: str, wanted: object, ends: tuple[float | str, float | str] | None
) -> None:
    bounds = rules(**{left: wanted}).bounds().get(left)
    assert (bounds and (bounds.low, bounds.high)) == ends
