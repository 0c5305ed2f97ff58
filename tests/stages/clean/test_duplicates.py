"""Exact duplicates become one, near ones share a group; the fast search finds what the slow one finds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.clean.duplicates import Duplicates, near_pairs


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(1, 9), st.data())
def test_near_pairs_are_those_of_the_slow_search(hashes: list[int], bits: int, data: st.DataObject) -> None:
    for base in hashes[:5]:
        flips = data.draw(st.lists(st.integers(0, 63), max_size=10))
        for flip in flips:
            base ^= 1 << flip
        hashes.append(base)
    distinct = sorted(set(hashes))
    slow = [(one, other) for place, one in enumerate(distinct) for other in distinct[place + 1 :] if (one ^ other).bit_count() <= bits]
    assert near_pairs(hashes, bits) == sorted(slow)


def record(key: str, image_hash: str, text: str = "x", phash: int = 0, **targets: str) -> Record:
    parts = {"image": Part("image", uri=f"{key}.jpg", hash=image_hash), "text": Part("text", text=text)}
    signals = {"image.phash_high": float(phash >> 32), "image.phash_low": float(phash & 0xFFFFFFFF)}
    return Record(key, key, Origin("s", "f"), parts, targets, signals=signals)


def decide(stage: Duplicates, *records: Record) -> dict[str, tuple[str, str | None]]:
    table = rows_to_table(Row(one) for one in records).select(list(stage.columns))
    return {key: (decision.fault.rule if decision.fault else "", decision.group) for key, decision in stage.decide(table).items()}


def test_equal_content_and_targets_are_merged_and_other_targets_share_the_group() -> None:
    a, b, c = record("a", "h", label="x"), record("b", "h", label="x"), record("c", "h", label="y", phash=5)
    assert decide(Duplicates(near_bits=0), c, b, a) == {"b": ("duplicate", None), "c": ("", "a")}


def test_near_images_share_a_group_through_a_chain() -> None:
    a, b, c = record("a", "1", "t1", 0b0), record("b", "2", "t2", 0b1111), record("c", "3", "t3", 0b11111111)
    assert decide(Duplicates(near_bits=4), a, b, c) == {"b": ("", "a"), "c": ("", "a")}
    assert decide(Duplicates(near_bits=3), a, b, c) == {}


def test_records_whose_content_is_not_known_are_never_duplicates() -> None:
    a, b = record("a", "h"), record("b", "h")
    unknown = [replace(one, parts={"image": Part("image", uri=f"{one.key}.jpg")}) for one in (a, b)]
    assert decide(Duplicates(near_bits=0), *unknown) == {}
