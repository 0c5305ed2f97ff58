"""``modalmill labels``: planted errors are found and told, and what could not be judged is told as
well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
from modalmill import cli
from modalmill.pipeline.labels import LabelReport, find_labels, write_labels
from modalmill.pipeline.labels_text import labels_text
from modalmill.pipeline.looking import look_text
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError
from modalmill.stages import stream
from tiny import jpeg, recipe, write
from typer.testing import CliRunner

Run = Callable[..., Result]
CLASSES = ("cat", "dog", "owl", "pig")
FEATURES = {"caption": "features.text", "note": "features.text"}


def rows(count: int, planted: float, seed: int = 0) -> tuple[list[dict[str, str]], set[str]]:
    """Records whose caption and note hold words of their class, and a share of them with the label
    of another one; every tenth has no note. And the ids of those.
    """
    random = np.random.default_rng(seed)
    made, wrong = [], set(random.choice(count, round(count * planted), replace=False).tolist())
    for number in range(count):
        name = CLASSES[number % 4]
        words = [f"{name}{random.integers(8)}" for _ in range(4)] + [
            f"word{random.integers(200)}" for _ in range(6)
        ]
        note = "" if number % 10 == 0 else f"{name}ish note{random.integers(99)} {words[5]}"
        other = CLASSES[(number + int(random.integers(1, 4))) % 4]
        made.append(
            {
                "id": f"r{number:04d}",
                "caption": " ".join(random.permutation(words)),
                "note": note,
                "label": other if number in wrong else name,
            }
        )
    return made, {f"r{number:04d}" for number in wrong}


def run_on(
    run_recipe: Run, root: Path, made: list[dict[str, str]], name: str = "", **more: Any
) -> Path:
    """The output folder of a run on these rows."""
    out = root / f"out{name}"
    columns = list(made[0])
    lines = [",".join(columns), *(",".join(row[column] for column in columns) for row in made)]
    write(root / f"t{name}.csv", "\n".join(lines))
    options = {
        "type": "csv",
        "path": f"t{name}.csv",
        "id": "{id}",
        "text": {"caption": "caption", "note": "note"},
        "targets": ["label"],
    }
    source = options | more.pop("source", {})
    value = recipe(root, {"s": source}, **{"features": FEATURES, "shard": None, **more})
    run_recipe(value, out)
    return out


def labels_of(out: Path, target: str = "", *parts: str, folds: int = 5) -> LabelReport:
    report = find_labels(out, target, parts, folds, lambda done, total: None)
    write_labels(report)
    return report


def table_of(out: Path) -> pandas.DataFrame:
    return pandas.read_parquet(out / "labels.parquet").set_index("key")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str], LabelReport]:
    """A run on 400 rows with 40 wrong labels."""
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.run import run
    from modalmill.schemas.recipe import parse_recipe

    def go(value: dict[str, Any], out: Path) -> Result:
        return run(make_plan(parse_recipe(value), Path(value["data"])), out, "serial")

    root = tmp_path_factory.mktemp("planted")
    made, wrong = rows(400, 0.1)
    out = run_on(go, root, made)
    return out, {f"s-{name}" for name in wrong}, labels_of(out)


def test_of_a_tenth_planted_the_worst_are_those(
    planted: tuple[Path, set[str], LabelReport],
) -> None:
    out, wrong, report = planted
    table = table_of(out)
    assert len(table) == len(report.judged) == 400
    worst = set(table.sort_values("margin").index[: len(wrong)])
    assert len(worst & wrong) / len(wrong) >= 0.9
    errors = set(table.index[table.is_error])
    assert len(errors & wrong) / len(errors) >= 0.8
    assert len(errors & wrong) / len(wrong) >= 0.9
    # what they are is said as well
    true = {key: CLASSES[int(key[-4:]) % 4] for key in wrong & errors}
    assert np.mean([table.suggested[key] == name for key, name in true.items()]) >= 0.9
    assert report.noise() == pytest.approx(0.1, abs=0.03)


def test_where_nothing_is_planted_next_to_nothing_is_found(run_recipe: Run, tmp_path: Path) -> None:
    made, _ = rows(400, 0)
    report = labels_of(run_on(run_recipe, tmp_path, made))
    assert report.says is not None
    assert report.says.is_error_N.sum() <= 4
    assert report.noise() <= 0.015


def test_the_order_of_records_changes_nothing(
    planted: tuple[Path, set[str], LabelReport], run_recipe: Run, tmp_path: Path
) -> None:
    out, _, _ = planted
    made, _ = rows(400, 0.1)
    other = run_on(run_recipe, tmp_path, made[::-1])
    labels_of(other)
    pandas.testing.assert_frame_equal(
        table_of(out).drop(columns="row"), table_of(other).drop(columns="row")
    )


def test_parts_say_what_they_think_and_absent_ones_say_nothing(
    planted: tuple[Path, set[str], LabelReport],
) -> None:
    out, _, report = planted
    table = table_of(out)
    lacking = table.index.str[-1] == "0"
    assert table["note.suggested"].isna().tolist() == lacking.tolist()
    assert table["note.self_confidence"].isna().tolist() == lacking.tolist()
    assert table.self_confidence.notna().all()
    parts = report.parts()
    assert (parts["caption"].records, parts["note"].records) == (400, 360)
    assert min(parts["caption"].weight, parts["note"].weight) > 0.3
    assert "40 records have no features of 'note'" in report.notes
    alone = find_labels(out, "", ["note"], 5, lambda done, total: None)
    assert list(alone.by_part) == ["note"]
    assert "40 labelled records have no features at all, and are not judged" in alone.notes


def test_what_is_not_judged_is_told_and_stands_there_without_numbers(
    run_recipe: Run, tmp_path: Path
) -> None:
    made, _ = rows(120, 0)
    for row in made[:3]:
        row["label"] = "gnu"
    for row in made[3:8]:
        row["label"] = ""
    split = {"group": "{id}"}
    stages = [{"align.split": {"shares": {"train": 0.5, "test": 0.5}}}]
    out = run_on(run_recipe, tmp_path, made, source=split, stages=stages)
    report = labels_of(out)
    assert "5 records have no 'label', and are not judged" in report.notes
    assert "3 records are not judged, of 1 classes of fewer than 5 records: gnu" in report.notes
    assert "all splits are judged alike (test, train)" in report.notes
    table = table_of(out)
    assert len(table) == 115
    assert table[table.given == "gnu"].self_confidence.isna().all()
    assert table[table.given == "gnu"].is_error.isna().all()
    assert table[table.given != "gnu"].self_confidence.notna().all()


def test_groups_stay_whole_and_a_class_of_one_group_is_not_judged(
    run_recipe: Run, tmp_path: Path
) -> None:
    made, _ = rows(120, 0)
    for number, row in enumerate(made):
        row["who"] = f"g{number // 10}"
        if number // 10 == 3:
            row["label"] = "gnu"
    out = run_on(run_recipe, tmp_path, made, source={"group": "{who}"})
    report = labels_of(out)
    assert any(
        "10 records are not judged, of 1 classes of which one group" in n for n in report.notes
    )
    assert set(report.classes) == set(CLASSES)
    few = find_labels(out, "", [], 20, lambda done, total: None)
    assert "11 folds in place of 20: there are no more groups" in few.notes


def test_without_features_names_and_spellings_are_told_and_what_the_recipe_lacks(
    run_recipe: Run, tmp_path: Path
) -> None:
    made, _ = rows(60, 0)
    for row in made[:9]:
        row["label"] = row["label"].upper()
    for number, row in enumerate(made):
        name = f"{row['label'].lower()[0]}_{number}.jpg"
        row["file"] = name
        write(tmp_path / name, jpeg(16, 16, seed=number))
    made[30]["caption"], made[30]["note"] = made[29]["caption"], made[29]["note"] = "same", "same"
    made[30]["file"] = made[29]["file"]
    media = {"media": {"image": {"path": "{file}", "unlisted": "ignore"}}}
    stages = ["clean.image"]
    out = run_on(run_recipe, tmp_path, made, source=media, features={}, stages=stages)
    report = labels_of(out)
    text = labels_text(report, 20)
    assert not (out / "labels.parquet").exists()
    lines = "caption: features.text, image: features.image, note: features.text"
    assert f"add to the recipe: features: {{{lines}}}" in " ".join(text.split())
    for name in CLASSES:
        assert f"'{name.upper()}', '{name}' (case" in text
    assert "1 contents have several labels (2 records)" in text
    (found,) = report.findings
    assert [table.place for _, table in found.tables] == ["word 1 of the name"]


def test_a_consistent_renaming_is_shown(run_recipe: Run, tmp_path: Path) -> None:
    made, _ = rows(80, 0)
    exchanged = {"cat": "dog", "dog": "cat"}
    for number, row in enumerate(made):
        row["file"] = f"{row['label']}/{number}.jpg"
        row["label"] = exchanged.get(row["label"], row["label"])
        write(tmp_path / row["file"], jpeg(16, 16, seed=number))
    made[8]["label"] = "pig"
    media = {"media": {"image": {"path": "{file}", "unlisted": "ignore"}}}
    out = run_on(run_recipe, tmp_path, made, source=media)
    report = labels_of(out)
    text = labels_text(report, 20)
    # models follow the renaming, and find the record that breaks it
    assert report.says is not None
    assert report.says.is_error_N.sum() <= 3
    assert "the folder (image) holds labels that stand for others than they name" in text
    assert "cat = dog (19; 1 pig)" in text
    assert "dog = cat (20)" in text
    assert "except t.csv, row 10 (cat/8.jpg): pig" in text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("tags", r"--target tags: holds lists .* wanted a target with one class a record"),
        ("score", r"--target score: holds numbers \(0.5\), which are no classes"),
        ("same", "--target same: all records have one class, 'x'"),
        ("lable", "--target lable: no record has it; did you mean 'label'"),
        ("rare", r"--target rare: wanted two classes or more of 5 records"),
    ],
)
def test_what_cannot_be_judged_is_one_line(odd: Path, target: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        labels_of(odd, target)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose records have targets of all kinds."""
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.run import run
    from modalmill.schemas.recipe import parse_recipe

    def go(value: dict[str, Any], out: Path) -> Result:
        return run(make_plan(parse_recipe(value), Path(value["data"])), out, "serial")

    made, _ = rows(40, 0)
    for number, row in enumerate(made):
        row |= {"tags": "a|b", "score": f"{number / 2}", "same": "x", "rare": f"c{number // 2}"}
        row |= {"digit": str(number % 2), "second": row["label"][:1]}
    source = {
        "targets": ["label", "tags", "score", "same", "rare", "digit", "second"],
        "numbers": ["score", "digit"],
        "lists": {"tags": "|"},
    }
    return run_on(go, tmp_path_factory.mktemp("odd"), made, source=source)


def test_of_several_targets_one_is_asked_for_and_whole_numbers_are_classes(odd: Path) -> None:
    report = labels_of(odd)
    assert report.says is None
    assert [found.target for found in report.findings] == ["label", "rare", "second"]
    assert "several targets are of classes (label, rare, second)" in report.notes[0]
    assert labels_of(odd, "digit").classes == ["0", "1"]
    assert labels_of(odd, "label").classes == sorted(CLASSES)


def test_mistakes_of_the_command_are_one_message(odd: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no manifest.* here; wanted the output folder"):
        labels_of(tmp_path)
    with pytest.raises(InputError, match="--parts capton: no cached features of it; did you mean"):
        labels_of(odd, "label", "capton")


def test_the_table_is_whole_or_the_one_before(
    planted: tuple[Path, set[str], LabelReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _, report = planted
    before = (out / "labels.parquet").read_bytes()
    whole = pq.ParquetWriter.write_table

    def torn(writer: Any, table: Any) -> None:
        whole(writer, table.slice(0, 3))
        raise OSError("the power went")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", torn)
    with pytest.raises(OSError, match="power"):
        write_labels(report)
    assert (out / "labels.parquet").read_bytes() == before
    assert not list(out.glob(".*.tmp"))


def test_the_command_prints_what_was_found(planted: tuple[Path, set[str], LabelReport]) -> None:
    out, wrong, _ = planted
    done = CliRunner().invoke(cli.app, ["labels", str(out), "--top", "3", "--json"])
    found = json.loads(done.stdout)
    assert found["judged"] == 400
    assert len(found["worst"]) == 3
    assert {one["key"] for one in found["worst"]} <= wrong
    assert found["worst"][0]["asked"]
    assert sum(pair["records"] for pair in found["pairs"]) == pytest.approx(400 * found["noise"])
    text = CliRunner().invoke(cli.app, ["labels", str(out), "--top", "3"]).stdout
    assert "400 labels of 4 classes judged out of fold" in text
    assert "align.signals: {path:" in text


def test_rules_streams_and_look_have_them_as_signals(
    planted: tuple[Path, set[str], LabelReport], run_recipe: Run, tmp_path: Path
) -> None:
    out, wrong, _ = planted
    names = {"label_confidence": "self_confidence", "label_error": "is_error"}
    stages: list[Any] = [
        {"align.signals": {"path": str(out / "labels.parquet"), "signals": names}},
        {"clean.rules": {"label_error": 0}},
    ]
    made, _ = rows(400, 0.1)
    cleaned = run_on(run_recipe, tmp_path, made, stages=stages, shard={}, features={})
    table = table_of(out)
    kept = set(table.index[~table.is_error.astype(bool)])
    account = json.loads((cleaned / "account.json").read_text())
    assert account["rejects_by_reason"] == {"clean.rules: label_error == 0": 400 - len(kept)}
    assert len(wrong - kept) / len(wrong) >= 0.9
    # every part of every record, kept or not
    measured = pandas.read_parquet(cleaned / "signals.parquet").drop_duplicates("key")
    measured = measured.set_index("key").sort_index()
    assert measured.label_confidence.tolist() == table.self_confidence.tolist()
    where = "label_confidence < 0.05 and fate == 'rejected'"
    shown = look_text(cleaned, where, "label_confidence", 9)
    assert f"{(table.self_confidence < 0.05).sum()} of 400 records" in shown
    where = "label_confidence > 0.9"
    with stream.open(cleaned / "shards", batch_size=8, where=where, drop_last=False) as batches:
        streamed = {key for batch in batches for key in batch.keys}
    assert streamed == {key for key in kept if table.self_confidence[key] > 0.9}


def test_a_run_that_reads_its_own_table_is_warned_of_what_comes_back(
    run_recipe: Run, tmp_path: Path
) -> None:
    made, _ = rows(120, 0.1)
    out = run_on(run_recipe, tmp_path, made)
    assert not any("not in this run any more" in note for note in labels_of(out).notes)
    errors = int(table_of(out).is_error.sum())
    stages: list[Any] = [
        {"align.signals": {"path": str(out / "labels.parquet"), "signals": {"e": "is_error"}}},
        {"clean.rules": {"e": 0}},
    ]
    run_on(run_recipe, tmp_path, made, stages=stages)
    notes = labels_of(out).notes
    assert errors > 0
    assert f"{errors} records of the labels.parquet that was here are not in this run" in notes[-1]


def test_a_damaged_manifest_is_one_message(tmp_path: Path) -> None:
    write(tmp_path / "manifest" / "part-00000.parquet", b"PAR1 and no more")
    with pytest.raises(InputError, match="cannot be read .*; run the recipe again"):
        labels_of(tmp_path)
