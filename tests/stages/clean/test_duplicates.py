"""Exact duplicates become one, near ones share a group; the fast search finds what the slow one
finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result
from modalmill.schemas.columns import narrowed
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.recipe import parse_recipe
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.clean.duplicates import Duplicates
from modalmill.stages.media.lookalikes import (
    block_steps,
    differences,
    least_difference,
    look_alikes,
)
from slow import closure
from tiny import jpeg, recipe, write


def with_flips(hashes: list[int], data: st.DataObject) -> np.ndarray:
    """The hashes, and some that differ from them in a few bits."""
    hashes = list(hashes)
    for base in hashes[:5]:
        for flip in data.draw(st.lists(st.integers(0, 63), max_size=10)):
            base ^= 1 << flip
        hashes.append(base)
    return np.array(hashes, np.uint64)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(1, 9), st.data())
def test_hashes_are_united_as_the_slow_search_unites_them(
    hashes: list[int], bits: int, data: st.DataObject
) -> None:
    some = with_flips(hashes, data)
    found = look_alikes(some, bits).first()
    assert found.tolist() == closure(
        len(some), lambda one, other: (int(some[one]) ^ int(some[other])).bit_count() <= bits
    )


def thumbnails(seed: int, count: int) -> np.ndarray:
    """Pictures of few kinds, each brighter, flatter or noisier than the other ones of its kind."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 256, (3, 4, 4, 3)).repeat(8, 1).repeat(8, 2).astype(float)
    made = []
    for number in range(count):
        noise = random.normal(0, random.choice([0.5, 3, 8]), (32, 32, 3))
        kind = kinds[number % 3]
        made.append(kind * random.uniform(0.7, 1.3) + random.uniform(-40, 40) + noise)
    return np.array(made).clip(0, 255).astype(np.uint8)


@given(
    st.integers(0, 10_000), st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=6), st.data()
)
def test_pictures_are_united_as_the_slow_search_unites_them(
    seed: int, hashes: list[int], data: st.DataObject
) -> None:
    some = with_flips(hashes, data)
    pictures = thumbnails(seed, len(some))
    pictures[-1] = 128  # a flat one

    def alike(one: int, other: int) -> bool:
        near = (int(some[one]) ^ int(some[other])).bit_count() <= 8
        return near and float(differences(pictures[one], pictures[other][None])[0]) <= 4.5

    found = look_alikes(some, 8, lambda number: pictures[number]).first()
    assert found.tolist() == closure(len(some), alike)


@given(st.integers(0, 10_000))
def test_what_steps_between_blocks_refuse_would_be_refused(seed: int) -> None:
    pictures = thumbnails(seed, 9)
    steps = np.stack([block_steps(picture) for picture in pictures])
    for picture, own in zip(pictures, steps, strict=True):
        assert (least_difference(own, steps) <= differences(picture, pictures) + 0.01).all()


def record(key: str, image_hash: str, text: str = "x", phash: int = 0, **targets: str) -> Record:
    parts = {
        "image": Part("image", uri=f"{key}.jpg", hash=image_hash),
        "text": Part("text", text=text),
    }
    signals = {"image.phash_high": float(phash >> 32), "image.phash_low": float(phash & 0xFFFFFFFF)}
    return Record(key, key, Origin("s", "f"), parts, targets, signals=signals)


def decide(stage: Duplicates, *records: Record) -> dict[str, tuple[str, str | None]]:
    table = stage.kept(narrowed(rows_to_table(Row(one) for one in records), stage.reads()))
    return {
        key: (decision.fault.rule if decision.fault else "", decision.group)
        for key, decision in stage.decide(table).items()
    }


def test_equal_content_and_targets_are_merged_and_other_targets_share_the_group() -> None:
    a, b, c = (
        record("a", "h", label="x"),
        record("b", "h", label="x"),
        record("c", "h", label="y", phash=5),
    )
    assert decide(Duplicates(near_bits=0), c, b, a) == {"b": ("duplicate", None), "c": ("", "a")}


def test_near_images_share_a_group_through_a_chain() -> None:
    a, b, c = (
        record("a", "1", "t1", 0b0),
        record("b", "2", "t2", 0b1111),
        record("c", "3", "t3", 0b11111111),
    )
    assert decide(Duplicates(near_bits=4), a, b, c) == {"b": ("", "a"), "c": ("", "a")}
    assert decide(Duplicates(near_bits=3), a, b, c) == {}


def test_records_whose_content_is_not_known_are_never_duplicates() -> None:
    a, b = record("a", "h"), record("b", "h")
    unknown = [replace(one, parts={"image": Part("image", uri=f"{one.key}.jpg")}) for one in (a, b)]
    assert decide(Duplicates(near_bits=0), *unknown) == {}


def picture_records(root: Path, copies: list[bytes]) -> dict[str, Any]:
    for number, data in enumerate(copies):
        write(root / "img" / f"{number:03}.jpg", data)
    return {"s": {"type": "image_folder", "path": "img", "id": "{stem}"}}


def recompressed(data: bytes, quality: int, share: float) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.resize(
            (round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS
        ).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def test_every_recompressed_picture_is_in_the_group_of_its_original(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    """Most of them have the very same hash, and others one of another bit."""
    originals = [jpeg(200, 260, seed, 95) for seed in range(20)]
    sources = picture_records(
        tmp_path, [copy for data in originals for copy in (data, recompressed(data, 75, 0.9))]
    )
    run_recipe(recipe(tmp_path, sources, ["clean.duplicates"], shard=None))
    groups = {
        row["key"]: row["group"] for row in pq.read_table(tmp_path / "out" / "manifest").to_pylist()
    }
    assert all(
        groups[f"s-{number:03}"] == groups[f"s-{number + 1:03}"] for number in range(0, 40, 2)
    )
    assert len(set(groups.values())) == 20
    result = run_recipe(
        recipe(tmp_path, sources, [{"clean.duplicates": {"near": "merge"}}], shard=None)
    )
    assert result.account.stages[0].merged == 20


def test_pictures_of_one_hash_that_do_not_look_alike_stay_apart(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    """Charts: the same frame, axes and bars, in other colours and with other small marks."""
    charts = []
    for number in range(12):
        chart = np.full((200, 260, 3), 255, np.uint8)
        chart[10:190, 10:14] = chart[186:190, 10:250] = 0
        chart[60:186, 40:80] = (40 + 15 * number, 200 - 12 * number, 30)
        x, y = 100 + 11 * number, 30 + (37 * number) % 140
        chart[y : y + 24, x : x + 24] = (30, 30, 220)
        charts.append(bytes(simplejpeg.encode_jpeg(chart, quality=95, colorspace="RGB")))
    result = run_recipe(
        recipe(
            tmp_path,
            picture_records(tmp_path, charts),
            [{"clean.duplicates": {"near": "merge"}}],
            shard=None,
        )
    )
    assert result.account.stages[0].merged == 0


@pytest.mark.parametrize(
    "stage", [{"clean.duplicates": {}}, {"align.join": {"sources": ["a", "b"]}}]
)
def test_stages_that_put_records_together_come_before_the_split(
    tmp_path: Path, stage: dict[str, Any]
) -> None:
    sources = {name: {"type": "image_folder", "path": "."} for name in ("a", "b")}
    value = recipe(tmp_path, sources, ["align.split", stage])
    with pytest.raises(
        RecipeError, match=r"which would then lie in several splits; put it before align.split"
    ):
        make_plan(parse_recipe(value), tmp_path)


def test_a_near_picture_with_other_words_is_grouped_and_not_merged(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    data = jpeg(200, 260, 3, 95)
    for name, some in (("a", data), ("b", recompressed(data, 60, 1.0))):
        write(tmp_path / "img" / f"{name}.jpg", some)
    write(
        tmp_path / "t.csv",
        "id,file,q,answer\n1,a,How many?,3\n2,b,What colour?,red\n3,b,How many?,3\n",
    )
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"q": "q"},
        "targets": ["answer"],
        "media": {"image": {"path": "img/{file}.jpg"}},
    }
    run_recipe(
        recipe(tmp_path, {"s": source}, [{"clean.duplicates": {"near": "merge"}}], shard=None)
    )
    rows = pq.read_table(tmp_path / "out" / "manifest").to_pylist()
    assert [row["key"] for row in rows] == ["s-1", "s-2"]
    assert len({row["group"] for row in rows}) == 1


def test_each_picture_of_a_record_with_several_is_compared(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    first, second, third = (jpeg(200, 260, seed, 95) for seed in range(3))
    pictures = {"a": first, "b": second, "c": third, "a2": recompressed(first, 60, 0.8)}
    for name, some in pictures.items():
        write(tmp_path / "img" / f"{name}.jpg", some)
    write(tmp_path / "t.csv", "id,left,right\n1,a,\n2,b,a2\n3,c,c\n4,a2,\n5,b,a2\n")
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "media": {side: {"path": f"img/{{{side}}}.jpg"} for side in ("left", "right")},
    }
    value = recipe(tmp_path, {"s": source}, ["clean.duplicates"], shard=None)
    source["targets"] = {"answer": "id"}
    run_recipe(value)
    found = {"1": "s-1", "2": "s-1", "3": "s-3", "4": "s-1", "5": "s-1"}
    assert groups_of(tmp_path / "out") == found
    edges = pq.read_table(tmp_path / "out" / "duplicates.parquet").to_pylist()
    pairs = [(row["key"], row["other"], row["kind"]) for row in edges]
    assert sorted(pairs) == [
        ("s-2", "s-1", "look-alike"),
        ("s-4", "s-2", "bytes"),
        ("s-5", "s-2", "bytes"),
    ]
    # a record of two pictures is not all that one of them shows
    del source["targets"]
    value["stages"] = [{"clean.duplicates": {"near": "merge"}}]
    run_recipe(value)
    assert groups_of(tmp_path / "out") == {"1": "s-1", "2": "s-1", "3": "s-3"}


def groups_of(out: Path) -> dict[str, str]:
    return {one.origin.id: one.group for one in table_to_records(read_manifest(out))}


def test_encodings_of_one_recording_are_one_group(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "s").mkdir()
    for number in range(3):
        pieces = [
            np.convolve(random.normal(0, 0.05, 1600), random.normal(0, 1, 64), "same")
            for _ in range(20)
        ]
        sound = np.concatenate(pieces).clip(-1, 1)
        for ending in ("wav", "flac", "mp3", "ogg"):
            soundfile.write(tmp_path / "s" / f"{number}-{ending}.{ending}", sound, 16_000)
    source = {"type": "audio_folder", "path": "s", "id": "{stem}"}
    for name, options, wanted in (("on", {}, 3), ("off", {"sounds": False}, 12)):
        stages = [{"clean.duplicates": options}]
        run_recipe(recipe(tmp_path, {"s": source}, stages), tmp_path / name)
        groups = groups_of(tmp_path / name)
        assert len(set(groups.values())) == wanted
    groups = groups_of(tmp_path / "on")
    assert all(len({groups[key] for key in groups if key[0] == number}) == 1 for number in "012")


def test_texts_of_the_same_words_are_one_group_whatever_their_labels(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    lines = [
        "id,text,label",
        'a,"I can\'t believe it, it is you!",joy',
        'b,"i can’t believe it - it IS you",anger',
        "c,Yes.,joy",
        "d,yes,anger",
        'e,"I can believe it, it is you!",joy',
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": "text", "targets": ["label"]}
    for name, options, wanted in (
        ("default", {}, [{"a", "b"}, {"c"}, {"d"}, {"e"}]),
        ("one", {"text_words": 1}, [{"a", "b"}, {"c", "d"}, {"e"}]),
        ("off", {"text_words": 0}, [{"a"}, {"b"}, {"c"}, {"d"}, {"e"}]),
    ):
        stages = [{"clean.duplicates": options}]
        run_recipe(recipe(tmp_path, {"s": source}, stages), tmp_path / name)
        groups = groups_of(tmp_path / name)
        together = [{key for key in groups if groups[key] == group} for group in groups.values()]
        assert [
            some for place, some in enumerate(together) if some not in together[:place]
        ] == wanted


WISH = "night has ended for another day and morning has come in a special way may you smile"


def test_near_texts_are_grouped_or_merged_where_that_is_asked_for(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    lines = [
        "id,text,label",
        f"a,{WISH},ham",
        f"b,{WISH.upper()} like the sun!,ham",
        f"c,{WISH} like,spam",
        f"d,well {WISH} like the,spam",
        "e,night has ended for one and for all and you should not smile at that,ham",
        "f,yes,ham",
        "g,no,ham",
        "h,,ham",
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": "text", "targets": ["label"]}
    for option, kept, wanted in (
        (False, "abcdefgh", 8),
        ("group", "abcdefgh", 5),
        # other labels are other records
        ("merge", "acefgh", 5),
    ):
        out = tmp_path / str(option)
        stages = [{"clean.duplicates": {"near_texts": option}}]
        run_recipe(recipe(tmp_path, {"s": source}, stages, shard=None), out)
        groups = groups_of(out)
        assert "".join(sorted(groups)) == kept
        assert len(set(groups.values())) == wanted
        if option:
            assert groups["a"] == groups["c"]
    rejects = pq.read_table(tmp_path / "merge" / "rejects.parquet").to_pylist()
    told = {row["key"]: row["message"] for row in rejects if row["rule"] == "near_duplicate"}
    assert told["s-b"] == (
        "its text is near that of s-a (83% of the shingles of either are in both)"
    )
    assert set(told) == {"s-b", "s-d"}


def text_record(key: str, text: str, **targets: str) -> Record:
    return Record(key, key, Origin("s", "f"), {"note": Part("text", text=text)}, targets)


def test_what_is_near_through_others_alone_is_grouped_and_not_merged() -> None:
    words = WISH.split()
    a, b, c = (
        text_record(key, " ".join(words[start : start + 14]))
        for start, key in enumerate(("a", "b", "c"))
    )
    assert decide(Duplicates(near_texts="merge", similarity=0.8), a, b, c) == {
        "b": ("near_duplicate", None),
        "c": ("", "a"),
    }
    assert decide(Duplicates(near_texts="merge", similarity=0.9), a, b, c) == {}


def test_texts_beside_pictures_and_short_ones_are_not_compared() -> None:
    pictured = [record(key, key, WISH, phash=2**40 * ord(key)) for key in "ab"]
    assert decide(Duplicates(near_texts="group", near_bits=0), *pictured) == {}
    short = [text_record(key, "yes it is", label=key) for key in "ab"]
    assert decide(Duplicates(near_texts="group"), *short) == {}
    assert decide(Duplicates(near_texts="group", text_words=0), *short) == {"b": ("", "a")}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"similarity": 0.4}, r"similarity: wanted a share in \[0.5, 1\], found 0.4"),
        ({"shingle": 0}, "shingle: wanted 1 to 20 words, found 0"),
        ({"near_texts": "both"}, "near_texts"),
    ],
)
def test_options_that_cannot_be_are_told_before_any_data(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    value = recipe(
        tmp_path, {"a": {"type": "image_folder", "path": "."}}, [{"clean.duplicates": options}]
    )
    with pytest.raises(RecipeError, match=told):
        make_plan(parse_recipe(value), tmp_path)


def near_record(key: str, phash: int, label: str = "x", **parts: Part) -> Record:
    one = record(key, key, phash=phash, label=label)
    return replace(one, parts={"image": one.parts["image"], **parts})


def merged(*records: Record) -> set[str]:
    found = decide(Duplicates(near="merge"), *records)
    return {key for key, (rule, _) in found.items() if rule == "near_duplicate"}


def test_near_pictures_are_merged_into_what_they_are_near_to_themselves() -> None:
    chain = [near_record(key, (1 << 4 * place) - 1) for place, key in enumerate("abcd")]
    assert merged(*chain) == {"b", "c"}, "d is 12 bits from a, through the others alone"
    for labels, lost in (("xyy", {"c"}), ("yyx", {"b"}), ("xyx", {"c"})):
        alike = [
            near_record(key, 1 << n, label)
            for n, (key, label) in enumerate(zip("abc", labels, strict=True))
        ]
        assert merged(*alike) == lost, labels


def test_records_that_lack_a_part_or_whose_sound_is_unknown_are_not_merged() -> None:
    lacking = [replace(near_record(key, 0), absent={"sound": "missing"}) for key in "ab"]
    assert merged(*lacking) == set()
    unknown = [near_record(key, 0, sound=Part("audio", uri=f"{key}.wav")) for key in "ab"]
    assert merged(*unknown) == set()
    same = [near_record(key, 0, sound=Part("audio", uri="s.wav", hash="s")) for key in "ab"]
    assert merged(*same) == {"b"}
