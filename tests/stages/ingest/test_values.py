"""Cells from strangers: what cannot be right becomes a reject of its own row, and nothing is lost
or guessed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.stages.ingest._values import number, seconds, split_name
from tiny import jpeg, recipe, vqa_corpus, wav, write


@given(st.one_of(st.text(max_size=20), st.floats().map(str), st.integers().map(str)))
def test_a_value_is_finite_or_refused(text: str) -> None:
    for read in (seconds, number):
        try:
            value = read(text)
        except ValueError:
            continue
        assert value is None or abs(value) < float("inf")


@pytest.mark.parametrize(
    "text", ["1,234", "12,500", "inf", "1_000", "0x10", "1e999", "true", "9" * 6000]
)
def test_numbers_that_could_mean_two_things_or_nothing_are_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match="may mean thousands or tenths; set decimal|no finite number"
    ):
        number(text)


@pytest.mark.parametrize("text", ["NaN", "nan", "NA", "n/a", "null", "None", "-"])
def test_a_number_that_is_missing_in_any_spelling_is_none(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "wanted"),
    [
        ("275,20", ",", "", 275.2),
        ("1.275,20", ",", ".", 1275.2),
        ("1,275.5", ".", ",", 1275.5),
        ("1 275,5", ",", " ", 1275.5),
        ("1'000", ".", "'", 1000.0),
    ],
)
def test_numbers_are_read_as_a_country_writes_them(
    text: str, decimal: str, thousands: str, wanted: float
) -> None:
    assert number(text, decimal, thousands) == wanted


@pytest.mark.parametrize("text", ["../../evil", "a/b", "a.b", "tr ain", "x" * 50])
def test_a_split_can_never_be_a_path(text: str) -> None:
    with pytest.raises(ValueError, match="'all' is what shards call records without a split"):
        split_name("all")
    with pytest.raises(ValueError, match="no name for a split"):
        split_name(text)


def csv_source(**more: object) -> dict[str, object]:
    return {"type": "csv", "path": "t.csv", "id": "{id}", "text": "text", **more}


def test_a_split_that_is_a_path_is_a_reject_and_nothing_is_written_outside(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,text,split\n1,one,train\n2,two,../../../evil/x\n")
    result = run_recipe(
        recipe(tmp_path / "raw", {"t": csv_source(split="{split}")}),
        tmp_path / "deep" / "er" / "out",
    )
    assert result.account.to_dict()["rejects_by_reason"] == {"t: bad_value": 1}
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("strays", [[500], [100, 600], [100, 101, 700]])
def test_a_quote_that_is_never_closed_costs_its_own_row(
    tmp_path: Path, run_recipe: Callable[..., Result], strays: list[int]
) -> None:
    rows = [
        f'{row},"text of {row}' if row in strays else f"{row},text of {row}" for row in range(1000)
    ]
    write(tmp_path / "raw" / "t.csv", "\n".join(["id,text", *rows]) + "\n")
    account = run_recipe(
        recipe(tmp_path / "raw", {"t": csv_source()}, shard=None)
    ).account.to_dict()
    assert account["sources"]["t"]["in"] == 1000
    assert account["rejects_by_reason"] == {"t: broken_quotes": len(strays)}


def test_joined_parts_of_one_name_are_an_error_and_not_a_loss(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,text\n1,alpha\n")
    write(tmp_path / "raw" / "u.csv", "id,text\n1,beta\n")
    sources = {"t": csv_source(), "u": csv_source(path="u.csv")}
    with pytest.raises(InputError, match="both have a part called 'text'"):
        run_recipe(recipe(tmp_path / "raw", sources, [{"align.join": {"sources": ["t", "u"]}}]))
    # of two that a third takes from as well
    write(tmp_path / "raw" / "main.csv", "id,word\n1,gamma\n")
    main = csv_source(path="main.csv", text={"word": "word"})
    stages = [{"align.join": {"sources": ["main", "t", "u"]}}]
    with pytest.raises(InputError, match=r"t-1 .* and u-1 .* both have a part called 'text'"):
        run_recipe(recipe(tmp_path / "raw", {"main": main, **sources}, stages))
    write(tmp_path / "raw" / "u.csv", "id,text\n1,alpha\n")
    result = run_recipe(recipe(tmp_path / "raw", {"main": main, **sources}, stages))
    assert result.account.stages[0].presence == {"text+word": 1}


def test_files_in_folders_below_that_no_row_names_are_records_too(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    for name in ("a", "sub/b", "sub/nobody"):
        write(tmp_path / "raw" / "img" / f"{name}.jpg", jpeg(seed=len(name)))
    write(tmp_path / "raw" / "t.csv", "file\na.jpg\nsub/b.jpg\n")
    source = {"type": "csv", "path": "t.csv", "media": {"image": {"path": "img/{file}"}}}
    account = run_recipe(recipe(tmp_path / "raw", {"t": source}, shard=None)).account.to_dict()
    assert account["sources"]["t"]["kinds"] == {"media files": 3, "rows": 2}
    assert account["sources"]["t"]["presence"] == {"image": 3}


@pytest.mark.parametrize(
    "options", [{"group": "who"}, {"id": "id"}, {"id": "{id"}, {"delimiter": "ab"}]
)
def test_templates_that_would_be_constants_are_mistakes_of_the_recipe(
    tmp_path: Path, run_recipe: Callable[..., Result], options: dict[str, str]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,text,who\n1,one,ann\n")
    with pytest.raises(RecipeError, match=r"sources\.t"):
        run_recipe(recipe(tmp_path / "raw", {"t": csv_source(**options)}))


def test_an_annotation_of_another_image_is_a_reject(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    options = vqa_corpus(tmp_path / "raw", images=3, per_image=1)
    value = json.loads((tmp_path / "raw" / "a.json").read_text())
    value["annotations"][1]["image_id"] = 3
    value["annotations"].append(value["annotations"][0])
    write(tmp_path / "raw" / "a.json", json.dumps(value))
    account = run_recipe(recipe(tmp_path / "raw", {"vqa": options}, shard=None)).account.to_dict()
    assert account["adds_up"]
    assert account["rejects_by_reason"] == {"vqa: duplicate_id": 1, "vqa: image_mismatch": 1}


def test_a_file_name_that_is_no_utf8_is_a_reject(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "snd" / "good.wav", wav())
    with open(bytes(tmp_path / "raw" / "snd") + b"/b\xff.wav", "wb") as file:
        file.write(wav(300))
    account = run_recipe(
        recipe(tmp_path / "raw", {"s": {"type": "audio_folder", "path": "snd"}})
    ).account.to_dict()
    assert account["rejects_by_reason"] == {"s: file_missing": 1}
    assert account["stages"]["shard"]["written"] == 1


@pytest.mark.parametrize(("name", "data"), [("t.csv", "id,text\n")])
def test_an_empty_source_is_one_clear_error(
    tmp_path: Path, run_recipe: Callable[..., Result], name: str, data: str
) -> None:
    write(tmp_path / "raw" / name, data)
    with pytest.raises(InputError, match="the sources are empty"):
        run_recipe(recipe(tmp_path / "raw", {"t": csv_source()}))


@pytest.mark.parametrize(
    "line", ['{"id": 2, "text": "\\ud800"}', '{"id": 2, "text": ' + "9" * 6000 + "}"]
)
def test_a_line_of_json_that_is_no_text_is_a_reject(
    tmp_path: Path, run_recipe: Callable[..., Result], line: str
) -> None:
    write(tmp_path / "raw" / "t.jsonl", '{"id": 1, "text": "one"}\n' + line + "\n")
    source = {"type": "jsonl", "path": "t.jsonl", "id": "{id}", "text": "text"}
    account = run_recipe(recipe(tmp_path / "raw", {"t": source}, shard=None)).account.to_dict()
    assert account["rejects_by_reason"] == {"t: broken_json": 1}


def test_a_source_outside_of_the_data_root_is_refused(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "secret.csv", "id,text\n1,secret\n")
    (tmp_path / "raw").mkdir()
    for path in ("../secret.csv", str(tmp_path / "secret.csv")):
        with pytest.raises(InputError, match="outside of the data root"):
            run_recipe(recipe(tmp_path / "raw", {"t": csv_source(path=path)}))


def test_features_of_a_part_that_nobody_has_are_an_empty_cache(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,text\n1,one\n")
    run_recipe(
        recipe(
            tmp_path / "raw",
            {"t": csv_source(media={"audio": {"path": "{id}.wav"}})},
            features={"audio": "features.audio"},
        )
    )
    assert (tmp_path / "out" / "features" / "audio.arrow").is_file()
