"""Join, require, cut and split."""

from __future__ import annotations

import json
import math
import random
import re
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from films import write_film
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.recipe import parse_recipe
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages import stream
from modalmill.stages.align.cut import Cut
from modalmill.stages.align.join import Join
from modalmill.stages.align.split import Split
from tiny import recipe, write


def names(root: Path, file: str, ids: list[str], column: str) -> dict[str, object]:
    write(root / file, f"id,{column}\n" + "".join(f"{one},{column} of {one}\n" for one in ids))
    return {"type": "csv", "path": file, "id": "{id}", "text": {column: column}}


@settings(max_examples=20, deadline=None)
@given(
    st.sets(st.sampled_from(string.ascii_lowercase), min_size=1),
    st.sets(st.sampled_from(string.ascii_lowercase), min_size=1),
)
def test_an_outer_join_has_every_id_once_and_every_part_of_it(
    tmp_path_factory, left: set[str], right: set[str]
) -> None:  # type: ignore[no-untyped-def]
    from modalmill.pipeline.run import run
    from modalmill.pipeline.texts import read_rejects

    root = tmp_path_factory.mktemp("join")
    sources = {
        "l": names(root, "l.csv", sorted(left), "first"),
        "r": names(root, "r.csv", sorted(right), "second"),
    }
    result = run(
        make_plan(
            parse_recipe(
                recipe(root, sources, [{"align.join": {"sources": ["l", "r"]}}], shard=None)
            ),
            root,
        ),
        root / "out",
        "serial",
    )
    found = {
        record.origin.id: set(record.parts)
        for record in table_to_records(read_manifest(root / "out"))
    }
    assert found == {
        one: ({"first"} if one in left else set()) | ({"second"} if one in right else set())
        for one in left | right
    }
    count = result.account.stages[0]
    assert (count.read, count.written, count.merged) == (
        len(left) + len(right),
        len(left | right),
        len(left & right),
    )
    assert dict(count.unmatched) == {
        name: number
        for name, number in (("no_l", len(right - left)), ("no_r", len(left - right)))
        if number
    }
    listed = [
        (row["rule"], row["origin"]["id"])
        for row in read_rejects(root / "out")
        if row["fate"] == "unmatched"
    ]
    assert sorted(listed) == sorted(
        [("no_l", one) for one in right - left] + [("no_r", one) for one in left - right]
    )
    assert not result.account.problems()


def test_one_record_is_shared_by_several_of_the_main_source(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "q.csv", "id,image,text\n1,a,one\n2,a,two\n3,b,three\n")
    write(tmp_path / "c.csv", "id,caption\na,of a\nc,of c\nc2,of c\n")
    sources = {
        "q": {
            "type": "csv",
            "path": "q.csv",
            "id": "{id}",
            "group": "{image}",
            "text": {"question": "text"},
        },
        "c": {"type": "csv", "path": "c.csv", "id": "{id}", "text": {"caption": "caption"}},
    }
    result = run_recipe(
        recipe(
            tmp_path,
            sources,
            [{"align.join": {"sources": ["q", "c"], "match": {"q": "{group}", "c": "{id}"}}}],
            shard=None,
        )
    )
    texts = {
        record.key: {name: part.text for name, part in record.parts.items()}
        for record in table_to_records(read_manifest(tmp_path / "out"))
    }
    assert texts["q-1"] == {"question": "one", "caption": "of a"}
    assert texts["q-2"]["caption"] == "of a"
    assert texts["q-3"] == {"question": "three"}
    assert texts["c-c"] == {"caption": "of c"}
    assert not result.account.problems()


@given(st.integers(0, 10**6))
def test_a_group_is_never_in_two_splits(seed: int) -> None:
    rng = random.Random(seed)
    given = [rng.choice([None, None, "train", "val"]) for _ in range(50)]
    records = [
        Record(f"k{place}", f"g{place % 7}", Origin("s", "f"), split=split)
        for place, split in enumerate(given)
    ]
    decisions = Split(seed=seed).decide(rows_to_table(Row(record) for record in records))
    splits: dict[str, set[str | None]] = {}
    for record in records:
        decision = decisions.get(record.key)
        if decision is None or decision.fault is None:
            splits.setdefault(record.group, set()).add(decision.split if decision else record.split)
    assert len(splits) == 7
    assert all(len(found) == 1 and None not in found for found in splits.values())


def test_shares_are_kept_on_many_groups() -> None:
    stage = Split(shares={"train": 0.7, "val": 0.2, "test": 0.1})
    counts = Counter(stage.split_of(f"g{place}") for place in range(20_000))
    # four standard deviations of a share of 20,000 draws
    assert abs(counts["train"] / 20_000 - 0.7) < 0.015
    assert abs(counts["val"] / 20_000 - 0.2) < 0.012


def test_a_cut_makes_one_record_a_word_with_spans_on_sound_and_frames() -> None:
    cues = (Cue(0, 1, "sil"), Cue(1, 1.5, "bin"), Cue(1.5, 2, "blue"))
    parts = {
        "video": Part("video", uri="a.mpg"),
        "audio": Part("audio", uri="a.mpg"),
        "words": Part("text", text="sil bin blue", cues=cues),
    }
    made = list(
        Cut(by="words", skip=["sil"], margin_s=0.25).split(
            Record("k", "g", Origin("s", "f"), parts)
        )
    )
    assert [record.key for record in made] == ["k-0", "k-1"]
    assert [record.parts["words"].text for record in made] == ["bin", "blue"]
    assert [(record.parts["audio"].start_s, record.parts["video"].end_s) for record in made] == [
        (0.75, 1.75),
        (1.25, 2.25),
    ]
    assert made[0].parts["words"].cues == (Cue(0.25, 0.75, "bin"),)
    assert {record.group for record in made} == {"g"}


@given(
    st.floats(0.5, 200),
    st.floats(0.3, 30),
    st.one_of(st.none(), st.floats(0.2, 40)),
    st.floats(0, 2),
)
def test_windows_cover_a_record_and_are_as_long_as_was_said(
    seconds: float, window_s: float, hop_s: float | None, min_s: float
) -> None:
    parts = {
        "sound": Part("audio", uri="a.wav", duration_s=seconds + 1, start_s=1.0),
        "words": Part("text", text="a b", cues=(Cue(0.0, 0.1, "a"), Cue(0.2, 0.4, "b"))),
        "about": Part("text", text="all of it"),
    }
    record = Record("k", "g", Origin("s", "f"), parts)
    pieces = [
        row.record
        for row in Cut(by="windows", window_s=window_s, hop_s=hop_s, min_s=min_s).process(
            record, 0, "align.cut"
        )
    ]
    if len(pieces) == 1 and pieces[0] is record:
        assert min(window_s, seconds) < max(min_s, 1e-3) + 1e-9
        return
    spans = [
        ((part.start_s or 0) - 1, (part.end_s or 0) - 1)
        for part in (piece.parts["sound"] for piece in pieces)
    ]
    hop = hop_s or window_s
    assert [start for start, _ in spans] == pytest.approx([n * hop for n in range(len(spans))])
    for start, end in spans:
        assert end == pytest.approx(min(start + window_s, seconds))
        assert end - start >= min_s - 1e-9
    if hop <= window_s and min_s == 0:
        assert spans[-1][1] == pytest.approx(seconds, abs=2e-3)
    assert {piece.group for piece in pieces} == {"g"}
    assert len({piece.key for piece in pieces}) == len(pieces)
    assert all(piece.parts["about"] == parts["about"] for piece in pieces)


def test_a_source_that_is_named_twice_is_told() -> None:
    with pytest.raises(ValueError, match="sources: wanted two or more to join, found"):
        Join(sources=["a", "b", "b"])


def test_stems_of_ids_without_an_ending_are_the_ids(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    sources = {
        "l": names(tmp_path, "l.csv", ["a", "img/b.jpg", "v1.2.png"], "first"),
        "r": names(tmp_path, "r.csv", ["a.txt", "b", "v1.2"], "second"),
    }
    match = {"l": "{id:stem}"}
    stages = [{"align.join": {"sources": ["l", "r"], "match": match}}]
    result = run_recipe(recipe(tmp_path, sources, stages, shard=None))
    assert result.account.stages[0].presence == {"first": 1, "first+second": 2, "second": 1}
    match["r"] = "{id:stem}"
    sources["r"] = names(tmp_path, "r.csv", ["a.txt", "b", "v1.2.txt"], "second")
    result = run_recipe(recipe(tmp_path, sources, stages, shard=None))
    assert result.account.stages[0].presence == {"first+second": 3}


def test_ids_are_matched_as_templates_write_them(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    sources = {
        "l": names(tmp_path, "l.csv", ["7", "12", "x9"], "first"),
        "r": names(tmp_path, "r.csv", ["IMG_0007", "IMG_0012", "x9"], "second"),
    }
    match = {"l": "img_{id:04d}", "r": "{id:lower}"}
    stages = [{"align.join": {"sources": ["l", "r"], "match": match}}]
    result = run_recipe(recipe(tmp_path, sources, stages, shard=None))
    # x9 is no number, and is taken as it is
    assert result.account.stages[0].merged == 3
    with pytest.raises(ValueError, match="unknown form 'steam'"):
        Join(sources=["l", "r"], match={"l": "{id:steam}"})
    with pytest.raises(ValueError, match="no field 'ids'; did you mean 'id'"):
        Join(sources=["l", "r"], match={"l": "{ids}"})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"by": "windows"}, "window_s: say how long the windows are"),
        ({"by": "windows", "window_s": 0.0}, "window_s: say how long the windows are"),
        ({"by": "windows", "window_s": 2.0, "hop_s": 0.0}, "hop_s: wanted 0.01 seconds or more"),
        ({"by": "windows", "window_s": math.nan}, "window_s: say how long the windows are"),
        ({"by": "words", "window_s": 2.0}, "window_s, hop_s: are for by: windows"),
        ({"by": "speech", "margin_s": -1.0}, "margin_s: wanted 0 seconds or more, found -1"),
        ({"by": "words", "min_s": math.nan}, "min_s: wanted 0 seconds or more, found nan"),
        ({"by": "silence", "max_s": math.nan}, "max_s: wanted min_s .* or more, .* found nan"),
        ({"by": "silence", "silence_db": math.nan}, "silence_db, min_silence_s: wanted a number"),
    ],
)
def test_lengths_that_are_none_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Cut(**options)


def test_windows_of_what_has_no_time_are_told(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    sources = {"s": names(tmp_path, "t.csv", ["a"], "note")}
    with pytest.raises(RecipeError, match="nothing before it gives a part that has a time"):
        run_recipe(recipe(tmp_path, sources, [{"align.cut": {"by": "windows", "window_s": 1.0}}]))


def test_windows_of_a_film_hold_its_sound_and_frames_of_the_same_time(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write_film(tmp_path / "a.mp4", flash_at=2.5)
    source = {"type": "video_folder", "path": ".", "sound": "voice"}
    stages = [{"align.cut": {"by": "windows", "window_s": 1.0, "hop_s": 0.5}}]
    options = {"video_frames": 25, "video_short_side": 64}
    run_recipe(recipe(tmp_path, {"s": source}, stages, shard=options))
    records = {one.key: one for one in table_to_records(read_manifest(tmp_path / "out"))}
    assert len(records) == 7
    levels = {key: record.signals["voice.level_db"] for key, record in records.items()}
    loud = {key for key, level in levels.items() if level > -30}
    # the beep at 2.5 s lies in the windows from 2 and from 2.5 s on
    starts = {key: one.parts["voice"].start_s for key, one in records.items()}
    assert {starts[key] for key in loud} == {2.0, 2.5}
    assert all(one.parts["video"].start_s == starts[key] for key, one in records.items())


def test_folds_are_equal_parts_of_the_groups_and_several_splits_are_one(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    lines = ["id,note,kind,who"]
    for row in range(600):
        lines.append(f"{row},{'up' if row % 2 else 'down'} {row % 7},{'ab'[row % 2]},{row // 2}")
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"note": "note"},
        "targets": ["kind"],
        "group": "{who}",
    }
    train = {
        "target": "kind",
        "inputs": {"note": {"length": 2}},
        "train_split": "fold1+fold2+fold4",
        "val_split": "fold3",
        "fusion": "mean",
        "width": 8,
        "hidden": 8,
        "epochs": 4,
        "learning_rate": 0.05,
        "device": "cpu",
    }
    stages = [{"align.split": {"folds": 4}}]
    result = run_recipe(recipe(tmp_path, {"s": source}, stages, train=train))
    groups: dict[str, set[str]] = {}
    for record in table_to_records(read_manifest(tmp_path / "out")):
        groups.setdefault(record.split or "", set()).add(record.group)
    assert sorted(groups) == ["fold1", "fold2", "fold3", "fold4"]
    assert all(50 < len(some) < 100 for some in groups.values())
    assert sum(map(len, groups.values())) == 300
    assert result.training is not None
    assert (result.training["split"], result.training["all"]) == ("fold3", 1.0)
    shards = tmp_path / "out" / "shards"
    with (
        stream.open(shards, split="fold1+fold4") as both,
        stream.open(shards, split="fold1") as first,
        stream.open(shards, split="fold4") as last,
    ):
        assert both.records == first.records + last.records
    with pytest.raises(InputError, match="no shards of split 'fold5'; did you mean 'fold"):
        stream.open(shards, split="fold1+fold5")
    wrong = recipe(tmp_path, {"s": source}, stages, train={**train, "train_split": "fold1+fold9"})
    with pytest.raises(RecipeError, match="gives a split called 'fold9'"):
        run_recipe(wrong)
    with pytest.raises(ValueError, match="folds: wanted 2 or more, without shares, found 1"):
        Split(folds=1)


def split_table(*rows: tuple[str, str, str | None, dict[str, Any]]) -> pa.Table:
    """Rows of key, group, split and targets."""
    names = ("key", "group", "split", "targets")
    columns = list(zip(*[(*row[:3], json.dumps(row[3])) for row in rows], strict=True))
    return pa.table(dict(zip(names, columns, strict=True)))


def test_each_value_is_a_fold_and_a_group_is_never_torn() -> None:
    table = split_table(
        ("a", "a", None, {"who": "ann"}),
        ("b", "b", None, {"who": 4.0}),
        ("c", "b", None, {"who": "4"}),
        ("d", "b", None, {"who": "ann"}),
        ("e", "b", None, {}),
        ("f", "f", None, {}),
        ("g", "g", "test", {"who": "ann"}),
        ("h", "g", None, {"who": "bob"}),
        ("i", "i", None, {"who": "Zo\u00eb"}),
        ("j", "j", None, {"who": "Zo\u00e9"}),
    )
    decided = Split(by="who").decide(table)
    splits = {key: one.split for key, one in decided.items() if one.fault is None}
    faults = {key: (one.fault.rule, one.fault.fate) for key, one in decided.items() if one.fault}
    zoe = {splits.pop(key) for key in "ij"}
    # g has its split from its source, and the account tells that others of ann lie elsewhere
    assert splits == {
        **{"a": "fold_ann", "b": "fold4", "c": "fold4", "e": "fold4"},
        **{"g": "test", "h": "test"},
    }
    told = {key for key, one in decided.items() if "not in that of their who" in one.note}
    assert told == {"g", "h"}
    assert faults == {
        "d": ("group_in_two_splits", "rejected"),
        "f": ("no target who", "missing"),
    }
    assert len(zoe) == 2
    assert all(re.fullmatch(r"fold_Zo__[0-9a-f]{6}", name) for name in zoe)
    assert Split(by="who", keep=False).decide(table)["g"].split == "fold_ann"


@pytest.mark.parametrize("stage", [Split(by="who"), Split(by="who", folds=50)])
def test_a_whole_number_is_one_value_however_it_is_written(stage: Split) -> None:
    values = [4, 4.0, "4", "4.0", " 4.00", "v4.0", "4.0.0", "04", "4.01"]
    rows = [(f"k{n}", f"k{n}", None, {"who": value}) for n, value in enumerate(values)]
    splits = [decided.split for decided in stage.decide(split_table(*rows)).values()]
    assert len(set(splits[:5])) == 1
    assert len({splits[0], *splits[5:]}) == 5


def test_values_are_put_into_folds_and_shares_whole() -> None:
    rows = [(f"k{n}", f"k{n}", None, {"who": f"speaker {n % 60}"}) for n in range(600)]
    for stage, names in (
        (Split(by="who", folds=3), {"fold1", "fold2", "fold3"}),
        (Split(by="who"), None),
        (Split(by="who", shares={"train": 0.5, "test": 0.5}), {"train", "test"}),
    ):
        decided = stage.decide(split_table(*rows))
        by_value: dict[str, set[str | None]] = {}
        for number, (key, *_) in enumerate(rows):
            by_value.setdefault(str(number % 60), set()).add(decided[key].split)
        assert all(len(splits) == 1 for splits in by_value.values())
        found = set().union(*by_value.values())
        assert found == names if names else len(found) == 60


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"by": "whoo"}, "by: nothing before it gives a target called 'whoo'; did you mean 'who'"),
        ({"by": "tags"}, "by: 'tags' is a list; wanted a target of one value"),
    ],
)
def test_a_column_that_cannot_decide_the_split_is_told_before_any_data(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    write(tmp_path / "t.csv", "id,note,who,tags\n1,a,ann,x|y\n")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "note"}}
    source |= {"targets": ["who", "tags"], "lists": {"tags": "|"}}
    with pytest.raises(RecipeError, match=re.escape(told)):
        make_plan(
            parse_recipe(recipe(tmp_path, {"s": source}, [{"align.split": options}])), tmp_path
        )


def test_lists_that_the_data_alone_tell_cannot_decide_the_split() -> None:
    with pytest.raises(InputError, match="by: 'who' holds .*; wanted one value"):
        Split(by="who").decide(split_table(("a", "a", None, {"who": ["x", "y"]})))


def test_parts_taken_from_a_record_of_another_split_are_told(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "a.csv", "id,text,split\n1,one,train\n2,two,train\n3,three,\n")
    write(tmp_path / "b.csv", "id,other,split\n1,eins,test\n2,zwei,train\n3,drei,test\n")
    source = {"type": "csv", "id": "{id}", "split": "{split}"}
    result = run_recipe(
        recipe(
            tmp_path,
            {
                "a": {**source, "path": "a.csv", "text": {"text": "text"}},
                "b": {**source, "path": "b.csv", "text": {"other": "other"}},
            },
            [{"align.join": {"sources": ["a", "b"]}}],
            shard=None,
        )
    )
    count = result.account.stages[0]
    assert count.notes == {"took parts from a record of another split, and stay in their own": 1}
    assert count.splits == {"train": 2, "test": 1}


@pytest.mark.parametrize("name", ["all", "train\n", "a b"])
def test_what_is_no_name_for_a_split_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a split"):
        Split(shares={name: 1.0})


def test_a_split_without_a_share_gets_nothing_where_floats_lose_some() -> None:
    shares = {"a": 0.1, "b": 0.2, "c": 0.7 - 9e-7, "none": 0.0}
    names = {Split(shares=shares).split_of(f"k{number}") for number in range(200_000)}
    assert names == {"a", "b", "c"}
