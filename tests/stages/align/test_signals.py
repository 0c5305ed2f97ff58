"""Numbers of one's own become signals of records, and what does not fit is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.recipe import parse_recipe
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.align.signals import Signals
from modalmill.stages.base import ByRow
from tiny import jpeg, recipe, write

Run = Callable[..., Result]
RECORDS = [
    Record(
        f"k{number}",
        f"s-g{number % 2}",
        Origin("s", f"{number}.jpg", None, f"id{number}"),
        {"image": Part("image", uri=f"{number}.jpg")} if number < 3 else {},
        {"who": ["ann", "bob"][number % 2], "year": 2000.0 + number, "tags": ["a"]},
    )
    for number in range(4)
]


def decided(stage: Signals) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """The signals of each record that gets any, and what the account is told."""
    table = rows_to_table(Row(record) for record in RECORDS)
    decisions = stage.decide(table)
    assert isinstance(decisions, ByRow)
    told = dict(decisions.remarks)
    for decision in decisions.values():
        if decision.note:
            told[decision.note] = told.get(decision.note, 0) + 1
    return {key: dict(one.signals) for key, one in decisions.items() if one.signals}, told


def stage(path: Path, **more: Any) -> Signals:
    return Signals(**{"path": path, "signals": {"score": "s"}, **more})


@pytest.mark.parametrize("form", ["csv", "tsv", "semicolons", "parquet", "arrow"])
def test_a_number_comes_by_key_from_any_table(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"t.{form}"
    frame = pandas.DataFrame({"key": ["k0", "k2", "k9"], "s": [0.5, None, 7]})
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "arrow":
        pyarrow.feather.write_feather(pa.Table.from_pandas(frame), path)
    else:
        frame.to_csv(path, sep={"csv": ",", "tsv": "\t", "semicolons": ";"}[form], index=False)
    signals, told = decided(stage(path))
    assert signals == {"k0": {"score": 0.5}}
    assert told == {
        f"without a row in {path.name}": 2,
        "score: not known": 1,
        f"rows of {path.name} that are of no record": 1,
    }


@pytest.mark.parametrize(
    ("match", "word", "wanted"),
    [
        ("key", "k1", {"k1"}),
        ("id", "id1", {"k1"}),
        ("file", "1.jpg", {"k1"}),
        ("group", "g1", {"k1", "k3"}),
        ("source", "s", {"k0", "k1", "k2", "k3"}),
        ("who", "ann", {"k0", "k2"}),
        ("year", "2002", {"k2"}),
    ],
)
def test_records_are_found_by_what_they_have(
    tmp_path: Path, match: str, word: str, wanted: set[str]
) -> None:
    path = write(tmp_path / "t.csv", f"name,s\n{word},1\n,2\n")
    signals, told = decided(stage(path, key="name", match=match))
    assert signals == {key: {"score": 1.0} for key in wanted}
    assert told.pop("rows of t.csv without a name") == 1
    assert sum(told.values()) == 4 - len(wanted)


def test_whole_numbers_truth_values_and_categories_of_parquet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {
        "year": pa.array([2000, 2001, 2002]),
        "s": pa.array([True, False, None]),
        "t": pa.array(["1", "2.5", ""]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), path)
    signals, _ = decided(
        stage(path, key="year", match="year", signals={"bad": "s", "image.nice": "t"})
    )
    assert signals == {"k0": {"bad": 1, "image.nice": 1}, "k1": {"bad": 0, "image.nice": 2.5}}


def test_a_number_of_a_part_is_of_records_that_have_it(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "key,s\nk2,1\nk3,2\n")
    signals, told = decided(stage(path, signals={"image.nice": "s"}))
    assert signals == {"k2": {"image.nice": 1.0}}
    assert told["image.nice: not known"] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "key,s\nk0,1\nk0,2\nk1,3\nk1,3\n",
            "2 values of 'key' stand in several rows, the first: 'k0'",
        ),
        (
            "key,s\nk0,1\nk1,good\nk2,x\n",
            "'s' has 2 cells that are no finite numbers, the first: 'good' in row 3",
        ),
        ("key,s\nk0,inf\n", "'inf' in row 2"),
        ("key,s\nk0,1_000\n", "'1_000' in row 2"),
        (
            "key,s\nx,1\ny,2\n",
            "no record has its key in the column 'key' of .* there 'x', records have 'k0'",
        ),
        ("key,t\nk0,1\n", "has no column 's'"),
        ("", "the table is empty"),
    ],
)
def test_a_table_that_does_not_fit_is_one_error(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(InputError, match=words):
        stage(path).decide(rows_to_table(Row(record) for record in RECORDS))


def test_other_bytes_are_no_table(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "key,s\nk\u00e9,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="wanted a table in UTF-8, Parquet or Arrow"):
        decided(stage(path))
    write(path, b"PAR1 and no more")
    with pytest.raises(InputError, match="the table cannot be read"):
        decided(stage(path))


def test_a_list_says_nothing_of_a_row(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "key,s\na,1\n")
    with pytest.raises(InputError, match="match: 'tags' holds .*; wanted one value"):
        decided(stage(path, match="tags"))


def test_other_contents_are_another_stage(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "key,s\nk0,1\n")
    before = stage(path).identity()
    assert stage(path).identity() == before
    write(path, "key,s\nk0,2\n")
    assert stage(path).identity() != before


def images(root: Path, count: int = 6) -> dict[str, Any]:
    lines = ["id,label"]
    for number in range(count):
        write(root / f"{number}.jpg", jpeg(seed=number))
        lines.append(f"{number},{'ab'[number % 2]}")
    write(root / "t.csv", "\n".join(lines))
    media = {"image": {"path": "{id}.jpg", "unlisted": "ignore"}}
    return {"type": "csv", "path": "t.csv", "id": "{id}", "media": media, "targets": ["label"]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "no.csv"}, "path: .*no.csv: there is no such table"),
        ({"signals": {"score": "x"}}, "signals: .*s.csv has no column 'x'"),
        ({"key": "kee"}, "key: .*s.csv has no column 'kee'; did you mean 'key'"),
        ({"match": "labl"}, "match: records have no 'labl', .*did you mean 'label'"),
        ({"signals": {"imge.score": "s"}}, "nothing before it gives a part called 'imge'"),
        ({"signals": {"image.sharpness": "s"}}, "'image.sharpness' is known of records already"),
        ({"signals": {"label": "s"}}, "'label' is a part or a target"),
        ({"signals": {"width": "s"}}, "'width' means something else"),
        ({"signals": {"a b": "s"}}, "'a b' is no name for a signal"),
        ({"signals": {}}, "wanted signal: column of the table, found nothing"),
    ],
)
def test_mistakes_are_those_of_the_recipe(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "s.csv", "key,s\ns-0,1\n")
    own = {"path": str(path), "signals": {"score": "s"}} | options
    value = recipe(tmp_path, {"s": images(tmp_path, 1)}, [{"align.signals": own}])
    with pytest.raises(RecipeError, match=words):
        make_plan(parse_recipe(value), tmp_path)


def test_rules_on_it_are_checked_as_rules_on_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", "key,s\ns-0,1\n")
    given = {"align.signals": {"path": str(path), "signals": {"score": "s", "image.nice": "s"}}}

    def lines(**rules: Any) -> str:
        stages = [given, {"clean.rules": rules}]
        value = recipe(tmp_path, {"s": images(tmp_path, 1)}, stages)
        with pytest.raises(RecipeError) as error:
            make_plan(parse_recipe(value), tmp_path)
        return str(error.value)

    assert "scre: nothing before it gives a target" in lines(scre="> 1")
    assert "score: is a number, and '== good' compares it with another kind" in lines(score="good")
    plan = make_plan(
        parse_recipe(
            recipe(
                tmp_path,
                {"s": images(tmp_path, 1)},
                [given, {"clean.rules": {"score": "> 0", "image.nice": "p1..p99"}}],
            )
        ),
        tmp_path,
    )
    # no picture is measured for a number that a table gives
    assert "image" not in plan.asked


def test_the_whole_way(run_recipe: Run, tmp_path: Path) -> None:
    rows = "".join(f"s-{number},{number / 10},{number}\n" for number in (0, 1, 2, 3, 9))
    path = write(tmp_path / "s.csv", f"key,s,t\n{rows}")
    signals = {"score": "s", "image.nice": "t"}
    stages: list[Any] = [
        {"align.signals": {"path": str(path), "signals": signals}},
        {"clean.rules": {"score": ">= .1", "image.nice * score": "<= .4"}},
        {"clean.outliers": {"column": "score"}},
    ]
    run_recipe(recipe(tmp_path, {"s": images(tmp_path)}, stages, shard={}))
    out = tmp_path / "out"
    account = json.loads((out / "account.json").read_text())
    stage_count = account["stages"]["align.signals"]
    assert stage_count["notes"] == {
        "without a row in s.csv": 2,
        "rows of s.csv that are of no record": 1,
    }
    assert account["rejects_by_reason"] == {
        "clean.rules: score >= .1": 1,
        "clean.rules: image.nice * score <= .4": 1,
    }
    kept = "kept, for it is not known of them: score, image.nice * score"
    assert account["stages"]["clean.rules"]["notes"] == {kept: 2}
    manifest = read_manifest(out)
    assert manifest["score"].to_pylist() == [0.1, 0.2, None, None]
    back = {record.key: record.signals for record in table_to_records(manifest)}
    assert back["s-1"]["score"] == 0.1
    assert back["s-1"]["image.nice"] == 1
    table = pandas.read_parquet(out / "signals.parquet").set_index("key")
    assert table.score.dropna().to_dict() == {"s-0": 0, "s-1": 0.1, "s-2": 0.2, "s-3": 0.3}
    assert table.nice.dropna().to_dict() == {"s-0": 0, "s-1": 1, "s-2": 2, "s-3": 3}
    before = (out / "signals.parquet").read_bytes()
    run_recipe(recipe(tmp_path, {"s": images(tmp_path)}, stages, shard={}))
    assert (out / "signals.parquet").read_bytes() == before
    write(path, f"key,s,t\n{rows}s-4,0,0\n")
    run_recipe(recipe(tmp_path, {"s": images(tmp_path)}, stages, shard={}))
    assert read_manifest(out)["key"].to_pylist() == ["s-1", "s-2", "s-5"]
