"""What the columns of tables are taken for, against tables whose columns are known."""

from __future__ import annotations

import datetime
import random

import pytest
from modalmill.pipeline.guess.columns import guess_columns, number_marks, target_column
from modalmill.pipeline.guess.paths import FileNames

WORDS = ["the", "a", "dog", "cat", "runs", "sleeps", "on", "under", "old", "new", "house"]


def texts(count: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=8)) for _ in range(count)]


def roles(table: dict[str, list[object]], files: FileNames | None = None) -> dict[str, str]:
    return {name: guess.role for name, guess in guess_columns(table, files).items()}


def test_each_kind_of_column_is_told_from_the_others() -> None:
    chance = random.Random(1)
    many = range(60)
    table: dict[str, list[object]] = {
        "id": [str(number + 1000) for number in many],
        "caption": [*texts(60)],
        "price": [f"{chance.uniform(1, 99):.2f}" for _ in many],
        "emotion": [chance.choice(["joy", "anger", "fear"]) for _ in many],
        "genres": ["|".join(chance.sample(["drama", "war", "love", "crime"], 2)) for _ in many],
        "day": [f"2024-03-{number % 28 + 1:02d}" for number in many],
        "patient": [f"p{number // 5:02d}" for number in many],
        "part_of": [["train", "dev", "test"][number % 3] for number in many],
        "fold": [str(number % 5 + 1) for number in many],
        "begin": [f"00:00:{number:02d},500" for number in many],
        "end": [f"00:01:{number:02d},500" for number in many],
        "homepage": [f"https://example.org/{number}" for number in many],
        "empty": [""] * 60,
        "version": ["1.0"] * 60,
        "{odd}": [*texts(60, 3)],
        "": ["x"] * 60,
    }
    assert roles(table) == {
        "id": "identifier",
        "caption": "text",
        "price": "number",
        "emotion": "category",
        "genres": "list",
        "day": "date",
        "patient": "group",
        "part_of": "split",
        "fold": "fold",
        "begin": "start",
        "end": "end",
        "homepage": "passed over",
        "empty": "passed over",
        "version": "passed over",
        "{odd}": "passed over",
        "": "passed over",
    }
    assert guess_columns(table)["genres"].separator == "|"
    assert guess_columns(table)["genres"].values == 4
    half = guess_columns({"age": ["twenties", ""] * 30})["age"]
    assert half.reason == "every cell is 'twenties', but for 30 of 60 that are empty"


def test_cells_of_arrow_tables_are_taken_as_they_are() -> None:
    table: dict[str, list[object]] = {
        "n": [1.5, 2.0, None, 7.25],
        "tags": [["a"], ["a", "b"], [], ["c"]],
        "when": [datetime.date(2024, 1, day) for day in range(1, 5)],
        "blob": [b"1", b"2", b"3", b"4"],
        "boxes": [[[0, 1]], [[2, 3]], [[4, 5]], [[6, 7]]],
    }
    assert roles(table) == {
        "n": "number",
        "tags": "list",
        "when": "date",
        "blob": "passed over",
        "boxes": "passed over",
    }


def test_a_position_within_a_group_is_no_group() -> None:
    lengths = [3, 5, 4, 6, 2, 5] * 2
    table: dict[str, list[object]] = {
        "Dialogue_ID": [
            str(number) for number, length in enumerate(lengths) for _ in range(length)
        ],
        "Utterance_ID": [str(place) for length in lengths for place in range(length)],
    }
    assert roles(table) == {"Dialogue_ID": "group", "Utterance_ID": "position"}


@pytest.mark.parametrize(
    "name",
    ["covid", "valid", "Paid", "obscene", "label_id", "age_group", "patient", "subject_id", "user"],
)
@pytest.mark.parametrize(
    "values", [["0", "1"], ["no", "yes"], ["0", "0", "0", "1"], ["low", "mid", "high"]]
)
def test_a_column_of_few_values_is_no_group_whatever_it_is_called(
    name: str, values: list[str]
) -> None:
    assert roles({name: values * 15}) == {name: "category"}


def test_groups_are_many_and_come_again_and_are_not_called_like_labels() -> None:
    def role(name: str, groups: int, rows: int) -> str:
        return roles({name: [str(number % groups + 100) for number in range(rows)]})[name]

    assert role("patientId", 10, 60) == role("user_id", 40, 60) == "group"
    assert role("patientId", 9, 60) == role("class_id", 15, 60) == "category"
    assert role("user_id", 55, 60) != "group"


def test_words_with_leading_zeros_are_no_numbers() -> None:
    table: dict[str, list[object]] = {"zip": [f"0{number % 4}123" for number in range(20)]}
    assert guess_columns(table)["zip"].role == "category"


@pytest.mark.parametrize("form", ["${0:,}.50", "{0}%", "{0},5", "{0} €", "({0}.25)"])
def test_amounts_and_numbers_with_other_marks_are_no_ids(form: str) -> None:
    table: dict[str, list[object]] = {
        "amount": [form.format(1000 + number * 37) for number in range(80)],
        "weight": [f"{number}.25" for number in range(80)],
    }
    guess = guess_columns(table)["amount"]
    assert (guess.role, "write them as 1234.5" in guess.reason) == ("passed over", True)


def test_numbers_that_are_not_finite_are_cells_without_a_number() -> None:
    said = [
        ["inf", "-inf", "Infinity"][n // 10 % 3] if n % 10 == 0 else f"{n}.5" for n in range(90)
    ]
    cells = [float("inf") if number % 10 == 0 else number * 1.5 for number in range(90)]
    assert roles({"said": said, "cells": cells}) == {"said": "number", "cells": "number"}
    places = [["0", "1", "2", "inf"][number % 4] for number in range(40)]
    assert roles({"row_id": places}) == {"row_id": "category"}


@pytest.mark.parametrize(
    ("cells", "marks"),
    [
        (["1.5", "22.75", "3"], (".", "")),
        (["1,5", "22,75", "3"], (",", "")),
        (["1.275,20", "12,5", "3.000"], (",", ".")),
        (["1,275.20", "12.5", "3,000"], (".", ",")),
        (["1,275", "12,500", "3,000"], (".", ",")),
        (["1 275,20", "12,5", "3 000"], (",", " ")),
        (["1'275.20", "12.5", "3'000"], (".", "'")),
    ],
)
def test_the_marks_of_numbers_are_those_under_which_all_cells_are_numbers(
    cells: list[str], marks: tuple[str, str]
) -> None:
    table = {"value": cells, "name": ["a", "b", "c"]}
    assert number_marks(table) == marks
    assert guess_columns(table)["value"].role == "number"


@pytest.mark.parametrize(
    ("names", "files", "path"),
    [
        ("{}.jpg", "{}.jpg", "{c}"),
        ("{}.jpg", "img/{}.jpg", "img/{c}"),
        ("{}", "img/{}.jpg", "img/{c}.jpg"),
        ("sub/{}.jpg", "a/sub/{}.jpg", "a/{c}"),
        ("./img/{}.jpg", "img/{}.jpg", "img/{c:name}"),
        ("/home/me/{}.jpg", "img/{}.jpg", "img/{c:name}"),
        ("/home/me/{}.bmp", "img/{}.jpg", "img/{c:stem}.jpg"),
        ("IMG\\{}.JPG", "img/{}.jpg", "img/{c:name}"),
        ("C:\\me\\{}.jpg", "img/{}.jpg", "img/{c:name}"),
    ],
)
def test_the_template_of_a_column_of_files_leads_to_them(names: str, files: str, path: str) -> None:
    stems = ["one", "two", "three", "four"]
    listing = FileNames([files.format(stem) for stem in stems] + ["img/other.jpg", "readme.txt"])
    guess = guess_columns({"c": [names.format(stem) for stem in stems]}, listing)["c"]
    assert (guess.role, guess.modality, guess.confidence) == ("path", "image", 1.0)
    assert guess.places[0].path == path


def test_numbers_lead_to_names_of_files_that_hold_them() -> None:
    listing = FileNames([f"img/COCO_train_{number:012d}.jpg" for number in range(9, 90, 7)])
    guess = guess_columns({"image_id": [9, 16, 23, 30, 37, 44, 51, 58, 65, 72]}, listing)
    assert guess["image_id"].places[0].path == "img/COCO_train_{image_id:012d}.jpg"


def test_numbers_are_no_names_of_pictures_unless_nearly_all_lead_to_one() -> None:
    listing = FileNames([f"pics/{number}.png" for number in range(10)])
    table: dict[str, list[object]] = {
        "ph": [f"{number % 9}.{number * 7 + 1:03d}" for number in range(80)],
        "rooms": [str(number % 16) for number in range(80)],
        "picture": [str(number % 10) for number in range(80)],
    }
    assert roles(table, listing) == {"ph": "number", "rooms": "number", "picture": "path"}


def test_several_pictures_of_a_row_are_several_places() -> None:
    names = ["3-1", "3-2", "40-1", "41-3", "50-1", "51-1", "52-1", "53-2", "54-1", "55-2"]
    listing = FileNames([f"x/dev-{name}-{place}.png" for name in names for place in "01"])
    guess = guess_columns({"identifier": names}, listing)["identifier"]
    assert [place.path for place in guess.places[:2]] == [
        "x/dev-{identifier}-0.png",
        "x/dev-{identifier}-1.png",
    ]


def test_a_folder_that_is_named_by_another_column_is_in_the_template() -> None:
    table: dict[str, list[object]] = {
        "file": [f"{number}.jpg" for number in range(12)],
        "animal": ["cat" if number % 2 else "dog" for number in range(12)],
    }
    listing = FileNames([f"pets/{table['animal'][number]}/{number}.jpg" for number in range(12)])
    assert guess_columns(table, listing)["file"].places[0].path == "pets/{animal}/{file}"


def test_words_that_come_again_are_no_files_though_files_have_them_in_their_names() -> None:
    """The columns of ESC-50: fold, take and class stand in the names of the files."""
    rows = [(fold, f"{700 + clip}", take) for fold in "12" for clip in range(20) for take in "AB"]
    table: dict[str, list[object]] = {
        "filename": [f"{fold}-{clip}-{take}-3.wav" for fold, clip, take in rows],
        "take": [take for _, _, take in rows],
        "cat": ["cat" for _ in rows[1:]] + ["dog"],
    }
    listing = FileNames([f"audio/{name}" for name in table["filename"]] + ["cat.jpg", "dog.jpg"])
    assert roles(table, listing) == {"filename": "path", "take": "category", "cat": "category"}


def test_the_target_is_what_is_called_so_or_the_only_category() -> None:
    few = ["a", "b"] * 20
    more = [str(number % 4) for number in range(40)]
    sizes = [f"{number}.5" for number in range(40)]

    def target(**table: list[str]) -> str | None:
        guess = target_column(guess_columns(table))
        return guess.column if guess else None

    assert target(word=few, target=more, category=few) == "category"
    assert target(word=few, size=sizes) == "word"
    assert target(length=sizes, size=sizes) == "size"
    assert target(said=texts(40)) is None
