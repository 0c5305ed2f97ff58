"""A recipe's mistakes are all told at once, with the nearest right word; overrides reach every
value.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from modalmill.pipeline.plan import make_plan
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.recipe import load_recipe, parse_recipe
from tiny import recipe, write

TEXT = """
name: tiny
data: raw
sources:
  notes: {type: csv, path: notes.csv}
stages:
  - clean.text: {min_words: 2}
  - clean.duplicates
"""


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    value = recipe(
        tmp_path,
        {"a": {"type": "cvs", "path": "x"}, "b": {"type": "csv", "pth": "x"}},
        [{"claen.text": {}}, {"clean.image": {"min_size": 3, "min_side": "big"}}],
    )
    with pytest.raises(RecipeError) as caught:
        make_plan(parse_recipe(value), tmp_path)
    text = str(caught.value)
    assert "6 mistakes" in text
    for piece in (
        "did you mean 'ingest.csv'",
        "sources.b.pth: unknown option; did you mean 'path'",
        "sources.b.path: is required",
        "did you mean 'clean.text'",
        "min_size: unknown option",
        "min_side",
    ):
        assert piece in text


def test_unknown_fields_of_the_recipe_itself_are_refused_with_the_nearest_word() -> None:
    with pytest.raises(RecipeError, match="tolerence: unknown option; did you mean 'tolerance'"):
        parse_recipe({"name": "x", "sources": {"a": {"type": "csv"}}, "tolerence": 1})


def test_overrides_reach_values_lists_and_stages_by_address(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", TEXT)
    changed, _ = load_recipe(
        path,
        [
            "seed=9",
            "stages.clean.text.min_words=5",
            "stages.clean.duplicates.near_bits=0",
            "sources.notes.path=other.csv",
            "shard.jpeg_quality=80",
        ],
    )
    assert changed.seed == 9
    assert changed.stages[0] == {"clean.text": {"min_words": 5}}
    assert changed.stages[1] == {"clean.duplicates": {"near_bits": 0}}
    assert changed.sources["notes"]["path"] == "other.csv"
    assert changed.shard is not None
    assert changed.shard.jpeg_quality == 80


def test_of_several_stages_of_one_address_an_override_says_which(tmp_path: Path) -> None:
    text = yaml.safe_load(TEXT)
    text["stages"].append({"clean.text": {"min_words": 1}})
    path = write(tmp_path / "r.yaml", yaml.safe_dump(text))
    last = len(text["stages"]) - 1
    told = rf"entries 0, {last} are all clean.text; .* like stages.{last}.min_words"
    with pytest.raises(RecipeError, match=told):
        load_recipe(path, ["stages.clean.text.min_words=5"])
    changed, _ = load_recipe(path, [f"stages.{last}.min_words=5"])
    assert changed.stages[last] == {"clean.text": {"min_words": 5}}


def test_data_is_relative_to_the_file_and_an_override_to_the_current_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", TEXT)
    assert load_recipe(path)[1] == tmp_path / "raw"
    assert load_recipe(path, ["data=elsewhere"])[1] == Path("elsewhere")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("- a\n- b", "wanted a mapping"),
        ("a: [", "not YAML"),
        ("name: x\nsources: {}", "at least one source"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_clear_error(
    tmp_path: Path, text: str, wanted: str
) -> None:
    with pytest.raises(RecipeError, match=wanted):
        load_recipe(write(tmp_path / "r.yaml", text))


def test_a_missing_recipe_names_the_nearest_file(tmp_path: Path) -> None:
    write(tmp_path / "vqa_coco.yaml", TEXT)
    with pytest.raises(InputError, match="did you mean 'vqa_coco.yaml'"):
        load_recipe(tmp_path / "vqa_cocoo.yaml")


@pytest.mark.parametrize(
    "override",
    ["seed", "=3", "stages.clean.nothing.x=1", "name.x=1", "sed=3", "stages.clean.text=5"],
)
def test_an_override_that_fits_nothing_is_told(tmp_path: Path, override: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        load_recipe(write(tmp_path / "r.yaml", TEXT), [override])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "name: x\nsources:\n  a: {type: csv}\n  b: {type: csv}\n  a: {type: jsonl}\n",
            r"line 5: 'a' stands here a second time; the first is in line 3",
        ),
        (
            "name: x\nsources: {a: {type: csv, path: p, path: q}}\n",
            "'path' stands here a second time",
        ),
        ("[" * 20_000, "brackets within brackets"),
        ("name: x\nseed: " + "9" * 6000, "4300 digits|less than"),
        (
            'name: x\nsources: {a: {type: csv, path: "a\\0b"}}',
            "sources.a.path: has a NUL character",
        ),
        ("name: x\n\tsources: 1", "not YAML: line 2"),
    ],
)
def test_what_yaml_hides_or_stumbles_over_is_one_clear_mistake(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=told):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("text", "offending"),
    [
        ("name: pets\ndata: here: there\n", (2, "data: here: there", ": there")),
        ("name: pets\nsources:\n  a: {type: csv\nstages: []\n", (4, "stages: []", ": []")),
        # what is open at the end of the file is shown where it was opened
        ("name: pets\nsources: [a, b\n", (2, "sources: [a, b", "[a, b")),
        ("name: 'pets\ndata: x\n", (1, "name: 'pets", "'pets")),
        ("name: pets\nseed: 1\nname: dogs\n", (3, "name: dogs", "name: dogs")),
    ],
)
def test_a_mistake_in_yaml_is_shown_with_a_caret_under_its_place(
    tmp_path: Path, text: str, offending: tuple[int, str, str]
) -> None:
    number, line, rest = offending
    with pytest.raises(RecipeError) as raised:
        load_recipe(write(tmp_path / "r.yaml", text))
    told, shown, caret = str(raised.value).splitlines()[1:]
    assert f"line {number}: " in told
    assert shown.strip() == line
    assert shown[caret.index("^") :] == rest


def test_a_character_that_no_text_has_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"line 2: the character '\\x07'"):
        load_recipe(write(tmp_path / "r.yaml", "name: pets\ndata: a\x07b\n"))


def test_a_recipe_reads_as_its_way(tmp_path: Path) -> None:
    value = recipe(
        tmp_path,
        {"a": {"type": "csv"}, "b": {"type": "csv"}},
        [{"clean.text": {}}, "clean.duplicates"],
        features={"words": "features.text"},
        train={"target": "y", "inputs": {"words": {}}},
    )
    parsed = parse_recipe(value)
    assert repr(parsed) == str(parsed)
    assert str(parsed) == (
        "Recipe(tiny: a, b -> clean.text -> clean.duplicates -> features -> shard -> train y)"
    )
    assert (
        repr(parse_recipe(recipe(tmp_path, {"a": {"type": "csv"}}))) == "Recipe(tiny: a -> shard)"
    )
    again = yaml.safe_load(parsed.to_yaml())
    assert parse_recipe(again) == parsed
    assert parsed._repr_html_() == f"<pre>{parsed.to_yaml()}</pre>"
