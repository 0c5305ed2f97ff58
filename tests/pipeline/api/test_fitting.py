"""``mm.fit``: from a table to a model, against tables of which the answer is known."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import modalmill as mm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from commands import here
from modalmill.pipeline.api.model import Model
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from PIL import Image
from tiny import wav, write

WORDS = ["rot", "grün", "blau", "Größe", "klein", "Haus", "Straße", "Baum"]
QUICK = {
    "width": 16,
    "hidden": 16,
    "epochs": 12,
    "batch_size": 8,
    "learning_rate": 0.01,
    "checks": False,
}
FAST: dict[str, Any] = {"engine": "serial", "quiet": True, "train": QUICK}


def sentences(count: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=6)) for _ in range(count)]


def table_of_sizes(count: int = 240) -> pd.DataFrame:
    """The sign of one number decides; a text says nothing; a fifth of the texts is missing."""
    chance = np.random.default_rng(1)
    size = chance.normal(0, 1, count).round(3)
    frame = pd.DataFrame(
        {
            "id": range(1000, 1000 + count),
            "Größe (cm)": size,
            "Bemerkung": sentences(count),
            "day": pd.date_range("2024-01-01", periods=count),
            "size_class": np.where(size > 0, "groß", "klein"),
        }
    )
    frame.loc[::5, "Bemerkung"] = None
    return frame


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return mm.fit(table_of_sizes(), "size_class", tmp_path_factory.mktemp("sizes") / "out", **FAST)


def test_a_column_that_decides_is_learned(sizes: Model) -> None:
    assert sizes.evaluation["all"] > 0.9
    assert sizes.evaluation["best_single"]["part"] == "cells"
    # a text of chance tells no more than the commonest answer
    assert sizes.evaluation["subsets"]["Bemerkung"]["accuracy"] < 0.75
    assert sizes.evaluation["split"] == "test"


def test_it_says_what_it_took_columns_for(sizes: Model) -> None:
    used = {name: use.use for name, use in sizes.columns.items()}
    assert used == {
        "id": "passed over",
        "Größe (cm)": "number",
        "Bemerkung": "text",
        "day": "passed over",
        "size_class": "category",
    }
    assert str(sizes.columns["day"]) == "day: passed over (a date: its cells are dates)"
    assert str(sizes.columns["size_class"]).startswith("size_class: target, a category (2 values")
    assert repr(sizes).startswith("Model(size_class: accuracy on split test: all parts ")
    assert "<td" in sizes._repr_html_()
    assert "an identifier: whole numbers" in sizes._repr_html_()


def test_rows_are_answered_in_order_and_with_what_is_missing(sizes: Model) -> None:
    asked = pd.DataFrame(
        {
            "Bemerkung": ["rot", None, "Haus Baum", ""],
            "Größe (cm)": [2.0, -2.0, None, 1.5],
        },
        index=["a", "b", "c", "d"],
    )
    answers = sizes.predict(asked)
    assert answers.index.tolist() == ["a", "b", "c", "d"]
    assert answers["prediction"].tolist()[:2] == ["groß", "klein"]
    assert answers["prediction"]["d"] == "groß"
    assert [list(names) for names in answers["missing"]] == [
        [],
        ["Bemerkung"],
        ["cells"],
        ["Bemerkung"],
    ]
    assert ((answers["probability"] >= 0) & (answers["probability"] <= 1)).all()


def test_a_table_without_some_columns_is_answered(sizes: Model) -> None:
    answers = sizes.predict({"Größe (cm)": [2.5, -2.5]})
    assert answers["prediction"].to_pylist() == ["groß", "klein"]
    assert answers["missing"].to_pylist() == [["Bemerkung"]] * 2


def test_a_word_in_the_place_of_a_number_is_told(sizes: Model) -> None:
    (answer,) = sizes.predict({"Größe (cm)": ["tall"]}).to_pylist()
    assert answer["damaged"] == "cells: Größe (cm): wanted a number, found 'tall'"
    assert answer["missing"] == ["Bemerkung", "cells"]


def test_a_table_with_none_of_the_columns_is_one_sentence(sizes: Model) -> None:
    with pytest.raises(InputError, match="none of the columns that the model reads"):
        sizes.predict({"other": [1.0]})


def test_the_recipe_it_made_runs_by_itself(sizes: Model, tmp_path: Path) -> None:
    recipe = yaml.safe_load((sizes.out / "recipe.yaml").read_text())
    assert recipe["train"]["target"] == "size_class"
    result = mm.run(sizes.out / "recipe.yaml", sizes.out, engine="serial", quiet=True)
    # nothing is left to do
    assert result.training == sizes.evaluation
    assert result.account.to_dict() == sizes.result.account.to_dict()


def test_answers_are_those_of_the_command_line(sizes: Model, tmp_path: Path) -> None:
    from modalmill.stages.train.use.predict import Predictor

    frame = table_of_sizes(20)
    frame.to_csv(tmp_path / "new.csv", index=False)
    ours = sizes.predict(tmp_path / "new.csv").to_pylist()
    theirs = list(Predictor(sizes.checkpoint).rows(tmp_path / "new.csv"))
    assert [row["prediction"] for row in ours] == [row["answers"][0]["answer"] for row in theirs]
    assert [row["missing"] for row in ours] == [row["missing"] for row in theirs]
    by_frame = sizes.predict(frame)
    assert by_frame["prediction"].tolist() == [row["prediction"] for row in ours]


def colours(folder: Path, count: int, start: int = 0) -> list[tuple[str, str]]:
    """Files of red and blue pictures made by Pillow, and their colour."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(start, start + count):
        colour = ("red", "blue")[number % 2]
        pixels = np.random.default_rng(number).integers(0, 90, (24, 24, 3)).astype(np.uint8)
        pixels[..., 0 if colour == "red" else 2] += 140
        Image.fromarray(pixels).save(folder / f"p{number}.png")
        made.append((f"p{number}.png", colour))
    return made


def test_pictures_by_whole_paths_and_by_names(tmp_path: Path) -> None:
    made = colours(tmp_path / "pictures", 60)
    table = pa.table(
        {
            "picture": [str(tmp_path / "pictures" / name) for name, _ in made],
            "shade": [colour for _, colour in made],
        }
    )
    table = table.set_column(0, "picture", pa.array([*table["picture"].to_pylist()[:-1], None]))
    model = mm.fit(table, "shade", tmp_path / "out", **FAST)
    assert model.columns["picture"].use == "image"
    assert model.evaluation["all"] == 1.0
    # a row without its only part can teach nothing, and is told
    assert model.result.rejects()["rule"].to_pylist() == ["none of picture"]
    new = colours(tmp_path / "new", 6, start=100)
    broken = tmp_path / "new" / "broken.png"
    broken.write_text("no picture")
    names = [name for name, _ in new] + ["broken.png", "gone.png"]
    answers = model.predict({"picture": names}, media=tmp_path / "new").to_pylist()
    assert [row["prediction"] for row in answers[:6]] == [colour for _, colour in new]
    assert answers[6]["damaged"].startswith("picture: begins with b'no picture'")
    assert answers[7]["missing"] == ["picture"]
    # in a file beside the pictures
    table = write(tmp_path / "new" / "t.csv", "picture,n\n" + f"{names[0]},1\n{names[1]},2\n")
    assert model.predict(table)["prediction"].to_pylist() == ["red", "blue"]


def test_a_csv_beside_a_folder_of_pictures(tmp_path: Path) -> None:
    made = colours(tmp_path / "data" / "img", 60)
    frame = pd.DataFrame(made, columns=["file", "shade"])
    frame.to_csv(tmp_path / "data" / "t.csv", index=False)
    model = mm.fit(str(tmp_path / "data" / "t.csv"), "shade", tmp_path / "out", **FAST)
    assert model.evaluation["all"] == 1.0
    frame.head(4).to_csv(tmp_path / "some.csv", index=False)
    # the names lead where they led before, wherever the table lies
    answers = model.predict(tmp_path / "some.csv")
    assert answers["prediction"].to_pylist() == frame["shade"].head(4).tolist()
    whole = {"file": [str(tmp_path / "data" / "img" / name) for name in frame["file"].head(4)]}
    assert model.predict(whole)["prediction"].to_pylist() == frame["shade"].head(4).tolist()


def test_a_number_is_learned_and_answered_as_one(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    width = chance.uniform(0, 10, 120)
    frame = pd.DataFrame({"width": width, "area": 3 * width + 1})
    model = mm.fit(frame, "area", tmp_path / "out", **(FAST | {"train": QUICK | {"epochs": 25}}))
    assert model.evaluation["task"] == "regression"
    answers = model.predict(pd.DataFrame({"width": [2.0, 8.0]}))
    assert answers["prediction"].dtype == float
    assert answers["prediction"].tolist() == pytest.approx([7.0, 25.0], abs=2.5)
    assert answers["probability"].isna().all()


def test_groups_are_kept_together_and_given_splits_are_taken(tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "patient": [f"p{number // 6}" for number in range(240)],
            "dose": chance.normal(0, 1, 240),
            "outcome": chance.choice(["good", "bad"], 240),
        }
    )
    quick = FAST | {"train": QUICK | {"epochs": 1}}
    model = mm.fit(frame, "outcome", tmp_path / "a", **quick)
    assert model.columns["patient"].use == "group"
    manifest = model.result.manifest().to_pandas()
    assert manifest.groupby("group")["split"].nunique().max() == 1
    assert manifest["group"].nunique() == 40
    frame["part_of"] = ["Train", "Train", "Dev", "Test"] * 60
    model = mm.fit(frame, "outcome", tmp_path / "b", columns={"patient": None}, **quick)
    assert model.columns["part_of"].use == "split"
    assert model.result.account.stages[-1].splits == {"Train": 120, "Dev": 60, "Test": 60}


def test_the_target_keeps_its_type(tmp_path: Path) -> None:
    frame = table_of_sizes()
    frame["is_large"] = frame.pop("size_class") == "groß"
    quick = FAST | {"train": QUICK | {"epochs": 3}}
    model = mm.fit(frame[["Größe (cm)", "is_large"]], "is_large", tmp_path / "out", **quick)
    answers = model.predict(frame.head(3))
    assert answers["prediction"].dtype == bool


def test_sounds_are_learned_from_their_features(tmp_path: Path) -> None:
    rows = ["clip,kind"]
    kinds = ["low", "high"] * 20
    for number, kind in enumerate(kinds):
        hertz = 200 + number if kind == "low" else 2000 + 10 * number
        write(tmp_path / "clips" / f"c{number}.wav", wav(hertz))
        rows.append(f"c{number},{kind}")
    write(tmp_path / "t.csv", "\n".join(rows))
    model = mm.fit(tmp_path / "t.csv", "kind", tmp_path / "out", **FAST)
    assert model.columns["clip"].use == "audio"
    answers = model.predict(tmp_path / "t.csv")
    assert np.mean(np.array(answers["prediction"]) == kinds) > 0.9
    answers = model.predict({"clip": ["c0", None]})
    assert answers["missing"].to_pylist() == [[], ["clip"]]


def test_several_labels(tmp_path: Path) -> None:
    chance = random.Random(5)
    rows = [
        sorted(chance.sample(["war", "love", "crime"], chance.randint(1, 2))) for _ in range(150)
    ]
    frame = pd.DataFrame(
        {
            "plot": [" and ".join(f"a story of {label}" for label in labels) for labels in rows],
            "genres": ["|".join(labels) for labels in rows],
        }
    )
    frame.to_csv(tmp_path / "films.csv", index=False)
    model = mm.fit(tmp_path / "films.csv", "genres", tmp_path / "out", **FAST)
    assert model.evaluation["task"] == "multilabel"
    assert model.evaluation["all"] > 0.9
    answers = model.predict(frame)["prediction"]
    right = [sorted(found) == labels for found, labels in zip(answers, rows, strict=True)]
    assert np.mean(right) > 0.8


def mistaken(frame: pd.DataFrame, target: str, **more: Any) -> str:
    with pytest.raises((InputError, RecipeError)) as told:
        mm.fit(frame, target, **more)
    text = str(told.value)
    assert "\n" not in text
    return text


def test_targets_that_cannot_be_learned_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = table_of_sizes(60).assign(same="x", none=None, name=sentences(60, 9))
    assert "the table has no column 'size_clas'; did you mean 'size_class'?" in mistaken(
        frame, "size_clas"
    )
    assert "'same': every cell has the same value" in mistaken(frame, "same")
    assert "'none': every cell is empty" in mistaken(frame, "none")
    unique = mistaken(frame, "id")
    assert "each of 60 cells has a value of its own" in unique
    assert "columns={'id': 'number'}" in unique
    often = frame.assign(name=sentences(45, 9) + sentences(15, 9))
    assert "45 values in 60 cells" in mistaken(often, "name")
    assert "12 rows have one; wanted at least 20" in mistaken(frame.head(12), "size_class")
    # nothing was written
    assert list(tmp_path.iterdir()) == []


def test_what_is_said_of_columns_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = table_of_sizes(60)
    assert "columns: the table has no column 'Grösse'" in mistaken(
        frame, "size_class", columns={"Grösse": "text"}
    )
    assert "columns: 'day' cannot be 'catgory'; did you mean 'category'?" in mistaken(
        frame, "size_class", columns={"day": "catgory"}
    )
    names = frame.assign(file=[f"{number}.jpg" for number in range(60)])
    told = mistaken(names, "size_class")
    assert "'file' names files, and of 60 that were looked for none is in" in told
    assert "media=FOLDER" in told
    for number in range(60):
        write(tmp_path / "far" / f"{number % 7}" / f"{number % 3}" / f"{number}.jpg", "x")
    told = mistaken(names, "size_class", media=tmp_path / "far")
    assert "the files that 'file' names lie in many folders" in told
    left = dict.fromkeys(["Größe (cm)", "Bemerkung"])
    assert "no column is left to learn 'size_class' from" in mistaken(
        frame, "size_class", columns=left
    )
    twice = pd.DataFrame([[1, 2, "a"]] * 30, columns=["x", "x", "y"])
    assert "several columns are called 'x'" in mistaken(twice, "y")
    frame.rename(columns={"size_class": "{size} class"}).to_csv(tmp_path / "t.csv", index=False)
    told = mistaken("t.csv", "{size} class")  # type: ignore[arg-type]
    assert "a recipe cannot name the column '{size} class' of a file" in told
    assert "found Series" in mistaken(frame["Größe (cm)"], "y")
    assert "table: wanted a data frame" in mistaken(5, "y")  # type: ignore[arg-type]
    assert "nothing.csv: there is no such table" in mistaken("nothing.csv", "y")  # type: ignore[arg-type]


def test_real_texts_in_another_encoding(shared: Path, tmp_path: Path) -> None:
    """Spam: 5,572 rows in Windows-1252 with pieces of cut rows; two epochs are enough to tell."""
    train = QUICK | {"epochs": 2, "batch_size": 64}
    model = mm.fit(
        shared / "sms_spam" / "spam.csv", "v1", tmp_path / "out", **(FAST | {"train": train})
    )
    report = model.evaluation
    assert report["all"] > report["commonest_answer"] + 0.05
    answers = model.predict({"v2": ["WINNER!! You have won a free prize, call 09061701461 now"]})
    assert answers["prediction"].to_pylist() == ["spam"]


ONE_EPOCH = FAST | {"train": QUICK | {"epochs": 1}}


def rows_of_chance(count: int) -> pd.DataFrame:
    chance = np.random.default_rng(6)
    return pd.DataFrame(
        {"dose": chance.normal(0, 1, count), "outcome": chance.choice(["good", "bad"], count)}
    )


def test_a_column_of_one_split_leaves_rows_to_test_on(tmp_path: Path) -> None:
    """Labels of chance: on rows that were learned by heart they would be known."""
    frame = rows_of_chance(120).assign(Bemerkung=sentences(120, 3), split="train")
    model = mm.fit(frame, "outcome", tmp_path / "a", **FAST)
    assert model.columns["split"].use == "passed over"
    assert "leaves none to test on" in model.columns["split"].reason
    assert model.split == "test"
    assert model.evaluation["all"] < 0.75
    model = mm.fit(frame, "outcome", tmp_path / "b", columns={"split": "split"}, **ONE_EPOCH)
    assert model.split == "train"
    assert model.evaluation["trained_on_this_split"]
    assert "(the model was trained on this split)" in repr(model)


def test_a_table_without_a_split_for_testing_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = rows_of_chance(60).assign(split=["train", "val"] * 30)
    model = mm.fit(frame, "outcome", tmp_path / "out", **(ONE_EPOCH | {"quiet": False}))
    assert model.split == "val"
    assert "(the best epoch was chosen on this split)" in repr(model)
    assert "fit: split: no row is for testing alone" in capsys.readouterr().err


@pytest.mark.parametrize("groups", [3, 4, 7])
def test_few_groups_leave_one_to_test_on(tmp_path: Path, groups: int) -> None:
    names = [f"p{number % groups}" for number in range(84)]
    frame = rows_of_chance(84).assign(patient=names)
    said = {"patient": "group"}
    model = mm.fit(frame, "outcome", tmp_path / "out", columns=said, **ONE_EPOCH)
    assert model.split == "test"
    manifest = model.result.manifest().to_pandas()
    assert set(manifest["split"]) == {"train", "val", "test"}
    assert manifest.groupby("group")["split"].nunique().max() == 1
    assert not model.evaluation["trained_on_this_split"]


def test_a_column_of_two_values_is_no_group(tmp_path: Path) -> None:
    frame = rows_of_chance(60).assign(person=["ann", "ben"] * 30)
    model = mm.fit(frame, "outcome", tmp_path / "out", **ONE_EPOCH)
    assert model.columns["person"].use == "category"
    assert model.split == "test"


def test_a_column_of_splits_is_taken_at_its_word_beside_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"p{number // 4}" for number in range(120)]
    splits = ["Train", "Train", "Dev", "Testing"] * 30
    # the same row in two splits is no reason to leave one out either
    frame = pd.concat([rows_of_chance(30)] * 4, ignore_index=True)
    frame = frame.assign(patient=names, part_of=splits, said=sentences(30) * 4)
    more: dict[str, Any] = {"columns": {"said": "text"}, **ONE_EPOCH}
    model = mm.fit(frame, "outcome", tmp_path / "a", **(more | {"quiet": False}))
    assert model.result.account.stages[-1].splits == {"Train": 60, "Dev": 30, "Testing": 30}
    assert model.split == "Testing"
    told = capsys.readouterr().err
    assert "part_of: taken at its word, with 30 groups of 'patient' in more than one split" in told
    assert model.result.rejects().num_rows == 0
    # a row without a split is given one of those that there are
    frame.loc[:19, "part_of"] = None
    model = mm.fit(frame, "outcome", tmp_path / "b", **more)
    found = model.result.account.stages[-1].splits
    assert found.keys() == {"Train", "Dev", "Testing"}
    assert sum(found.values()) == 120


@pytest.mark.parametrize(
    ("classes", "suffix", "answers"),
    [
        ([0, 1], ".csv", [0, 1]),
        ([True, False], ".csv", [True, False]),
        ([1.5, 2.0], ".csv", [1.5, 2.0]),
        (["007", "008"], ".csv", ["007", "008"]),
        ([0, 1], ".jsonl", [0, 1]),
        ([0, 1], ".xlsx", [0, 1]),
        (["1", "2"], ".parquet", ["1", "2"]),
    ],
)
def test_classes_of_a_file_have_the_type_they_had(
    tmp_path: Path, classes: list[Any], suffix: str, answers: list[Any]
) -> None:
    frame = pd.DataFrame({"size": [-2.0, 2.0] * 30, "y": classes * 30})
    frame["size"] += np.random.default_rng(7).normal(0, 0.1, 60)
    file = tmp_path / f"table{suffix}"
    write_pandas = {
        ".csv": lambda: frame.to_csv(file, index=False),
        ".jsonl": lambda: frame.to_json(file, orient="records", lines=True),
        ".parquet": lambda: frame.to_parquet(file),
        ".xlsx": lambda: frame.to_excel(file, index=False),
    }
    write_pandas[suffix]()
    train = {"target": "y", "columns": {"y": "category"}}
    model = mm.fit(file, out=tmp_path / "out", **train, **FAST)  # type: ignore[arg-type]  # one call
    found = model.predict(pd.DataFrame({"size": [-2.0, 2.0]}))["prediction"].tolist()
    assert found == answers
    assert list(map(type, found)) == list(map(type, answers))


def test_columns_of_different_length_are_one_sentence() -> None:
    told = mistaken({"x": [1, 2, 3], "y": [1, 0]}, "y")  # type: ignore[arg-type]
    assert told == "table: column 'x' has 3 cells, and 'y' 2; give all columns as many"
    told = mistaken({"x": "word", "y": [1, 0]}, "y")  # type: ignore[arg-type]
    assert told == "table: column 'x' is 'word'; wanted a list or array of cells"


@pytest.mark.parametrize("form", [pd.DataFrame, lambda frame: frame.to_dict("list")])
def test_a_column_of_several_types_is_read_as_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    frame = rows_of_chance(60).assign(mix=pd.Series([1, "a", None] * 20, dtype=object))
    model = mm.fit(form(frame), "outcome", tmp_path / "a", **(ONE_EPOCH | {"quiet": False}))
    assert model.columns["mix"].use == "category"
    told = "fit: mix: its cells are of several types (int, str) and are read as texts"
    assert told in capsys.readouterr().err
    # nor has a table to be answered for columns of one type
    answers = model.predict({"dose": [1.0, "high"], "mix": ["a", 1]}).to_pylist()
    assert answers[1]["damaged"] == "cells: dose: wanted a number, found 'high'"


def test_what_is_passed_over_is_no_obstacle(tmp_path: Path) -> None:
    frame = rows_of_chance(60).assign(odd=[{"a": 1}, [1], object()] * 20)
    assert "column 'odd' has cells of dict, list, object" in mistaken(frame, "outcome")
    model = mm.fit(frame, "outcome", tmp_path / "out", columns={"odd": None}, **ONE_EPOCH)
    assert model.columns["odd"].use == "passed over"


def test_no_rows_are_answered_by_none(sizes: Model, tmp_path: Path) -> None:
    frame = pd.DataFrame({"Größe (cm)": []}, dtype=float)
    frame.to_csv(tmp_path / "none.csv", index=False)
    for table in (frame, frame.to_dict("list"), pa.table(frame), tmp_path / "none.csv"):
        answers = sizes.predict(table)
        assert len(answers) == 0
        columns = list(answers.columns) if table is frame else answers.column_names
        assert columns == ["prediction", "probability", "missing", "damaged"]
    assert "none.csv: the table has no rows" in mistaken(tmp_path / "none.csv", "y")  # type: ignore[arg-type]


def test_headers_with_colons_and_braces_are_learned_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = table_of_sizes(120).drop(columns=["id", "day"])
    frame.columns = ["Q1: size", "{said}", "size: class"]
    frame["Q1_ size"] = "another"
    model = mm.fit(frame, "size: class", tmp_path / "out", **(FAST | {"quiet": False}))
    assert model.evaluation["all"] > 0.8
    assert model.columns["Q1: size"].use == "number"
    assert model.columns["{said}"].use == "text"
    assert repr(model).startswith("Model(size: class: accuracy")
    assert "fit: Q1: size: number (" in capsys.readouterr().err
    asked = {"Q1: size": [2.0, -2.0, "tall"], "{said}": ["rot", None, None]}
    # a name that the recipe took for another column is not read in its place
    answers = model.predict(asked | {"Q1_ size_2": ["x"] * 3}).to_pylist()
    assert [row["prediction"] for row in answers[:2]] == ["groß", "klein"]
    assert answers[2]["damaged"] == "cells: Q1: size: wanted a number, found 'tall'"
    said = {"Q1: size": None, "{said}": "text"}
    model = mm.fit(frame, "size: class", tmp_path / "b", columns=said, **ONE_EPOCH)
    assert model.columns["Q1: size"].reason == "as you said"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_headers_of_a_file_too(tmp_path: Path, kind: str) -> None:
    frame = table_of_sizes(120).drop(columns=["id", "day"])
    frame.columns = ["Q1: size", "it's: said", "size: class"]
    frame["group: who"] = [f"person {number // 4}" for number in range(len(frame))]
    frame["{x}"] = range(len(frame))
    path = tmp_path / f"t.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    done = here("init", path, "--out", tmp_path / "r.yaml")
    assert done.returncode == 0, done.stderr
    (source,) = yaml.safe_load((tmp_path / "r.yaml").read_text())["sources"].values()
    assert "it's: said" in str(source["text"])
    said: dict[str, Any] = {"group: who": "group"}
    model = mm.fit(path, "size: class", tmp_path / "out", columns=said, **FAST)
    assert model.evaluation["all"] > 0.8
    assert model.columns["Q1: size"].use == "number"
    assert model.columns["it's: said"].use == "text"
    assert "its name has a brace" in model.columns["{x}"].reason
    assert len(set(read_manifest(tmp_path / "out")["group"].to_pylist())) == 30
    asked = {"Q1: size": [2.0, -2.0], "it's: said": ["rot", None]}
    answers = model.predict(asked).to_pylist()
    assert [row["prediction"] for row in answers] == ["groß", "klein"]


def test_cells_of_a_file_that_say_na_are_no_class_and_no_word(tmp_path: Path) -> None:
    rows = ["text,y"]
    for number in range(60):
        label = "NA" if number % 6 == 0 else "ab"[number % 2]
        rows.append(f"{'NA' if number % 5 == 0 else f'note {label} {number}'},{label}")
    write(tmp_path / "t.csv", "\n".join(rows))
    mm.fit(tmp_path / "t.csv", "y", out=tmp_path / "out", train={"epochs": 1})
    records = list(table_to_records(read_manifest(tmp_path / "out")))
    assert {record.targets["y"] for record in records} == {"a", "b"}
    assert "NA" not in {part.text for record in records for part in record.parts.values()}
