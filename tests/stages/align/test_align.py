"""Join, require, cut and split."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages.align.cut import Cut
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
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.report import read_rejects
    from modalmill.pipeline.run import run
    from modalmill.schemas.recipe import parse_recipe

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
