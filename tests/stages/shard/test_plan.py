"""The plan of a set by columns is the one that its definition gives, record by record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.fingerprint import uniform_for
from modalmill.schemas.manifest import Row, manifest_pieces, rows_to_table
from modalmill.schemas.recipe import ShardOptions
from modalmill.schemas.record import Origin, Part, Record, Step
from modalmill.stages.shard import plan as shard_plan
from modalmill.stages.shard import planned as shard_planned
from modalmill.stages.shard.plan import Planning, plan_shards
from modalmill.stages.shard.planned import write_planned

_names = st.sampled_from(["a", "b", "c", "ä", "a-b", "ab"])
_media = st.builds(
    Part,
    st.sampled_from(["image", "audio"]),
    uri=_names,
    hash=st.sampled_from([None, "h1", "h2"]),
    bytes=st.sampled_from([0, 700, 3000]),
    start_s=st.sampled_from([None, 0.0, 1.0]),
    steps=st.sampled_from([(), (Step("flip", {"axis": 1}),)]),
)
_parts = st.fixed_dictionaries(
    {}, optional={"text": st.builds(Part, st.just("text"), text=_names), "x": _media, "y": _media}
)


@st.composite
def _records(draw: st.DrawFn) -> list[Record]:
    keys = draw(st.sets(st.text("abcäö-1", min_size=1, max_size=3), max_size=40))
    return [
        Record(
            key,
            draw(_names),
            Origin("s", "f", 1),
            draw(_parts),
            split=draw(st.sampled_from([None, "train", "test", "all"])),
            signals=draw(st.sampled_from([{}, {"x.bytes": 1.0}])),
        )
        for key in sorted(keys)
    ]


Samples = list[tuple[str, list[str]]]


def _samples(records: Sequence[Record]) -> list[tuple[str, str, list[Record]]]:
    """Split, key and records of each sample, by the definition."""
    alone, sharing = [], dict[str, list[Record]]()
    for record in records:
        media = [(name, part.identity()) for name, part in sorted(record.parts.items()) if part.uri]
        if media:
            sharing.setdefault(repr((record.split, record.group, media)), []).append(record)
        else:
            alone.append([record])
    taken = {own[0].key for own in [*alone, *sharing.values()]}
    samples = [(own[0].split or "all", own[0].key, own) for own in alone]
    for own in sharing.values():
        key = own[0].group if len(own) > 1 and own[0].group not in taken else own[0].key
        taken.add(key)
        samples.append((own[0].split or "all", key, own))
    return samples


def _pieces(records: Sequence[Record], seed: int) -> list[tuple[str, Samples]]:
    by_split: dict[str, list[tuple[float, str, list[Record]]]] = {}
    for split, key, own in _samples(records):
        by_split.setdefault(split, []).append((uniform_for(seed, "shard", key), key, own))
    pieces = []
    for split, placed in sorted(by_split.items()):
        has_media = any(part.uri for _, _, own in placed for part in own[0].parts.values())
        most, count = (4, 1) if has_media else (8, 1)
        while count * most < len(placed):
            count *= 2
        for number in range(count):
            piece = sorted(entry for entry in placed if int(entry[0] * count) == number)
            if piece:
                pieces.append((split, [(key, [each.key for each in own]) for _, key, own in piece]))
    return pieces


@given(_records(), st.integers(0, 3), st.integers(1, 7), st.integers(1, 9))
def test_samples_pieces_and_their_records_are_those_of_the_definition(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[Record],
    seed: int,
    rows_at_once: int,
    rows_per_file: int,
) -> None:
    folder = tmp_path_factory.mktemp("plan")
    rows = rows_to_table([Row(record) for record in records])
    table = next(manifest_pieces(1, lambda _: rows))
    tables = [table.slice(start, rows_at_once) for start in range(0, len(table), rows_at_once)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shard_plan, "SAMPLES_PER_PIECE", 4)
        patched.setattr(shard_plan, "TEXTS_PER_PIECE", 8)
        patched.setattr(shard_planned, "ROWS_PER_FILE", rows_per_file)
        planning = Planning(ShardOptions())
        for some in tables:
            planning.add(some)
        plan = planning.planned(seed)
        rows = write_planned(plan, tables, folder)
    several = plan.naming.texts_in_json
    found = [
        (piece.split, [(sample.key, list(sample.records)) for sample in own.samples(several)])
        for piece, own in zip(plan.pieces, rows, strict=True)
    ]
    by_key = [
        (split, [(key, [record.key for record in own]) for key, own in samples])
        for split, samples in found
    ]
    assert by_key == _pieces(records, seed)
    whole = {record.key: record for record in records}
    for piece, (_, samples) in zip(plan.pieces, found, strict=True):
        assert piece.samples == len(samples)
        assert piece.records == sum(len(own) for _, own in samples)
        assert piece.bytes == sum(
            part.bytes or 0 for _, own in samples for part in own[0].parts.values() if part.uri
        )
        assert all(record == whole[record.key] for _, own in samples for record in own)
    names = {(part.modality, name) for record in records for name, part in record.parts.items()}
    kinds = [modality for modality, _ in names]
    assert plan.naming.plain == {name for kind, name in names if kinds.count(kind) == 1}
    assert plan.naming.texts_in_json == any(len(own) > 1 for _, _, own in _samples(records))


def test_a_tar_is_closed_at_its_size_and_at_the_end_of_a_split() -> None:
    pieces = [
        shard_plan.Piece(split, 1, 1, size)
        for split, size in [("test", 100), ("train", 900_000), ("train", 200_000), ("train", 10)]
    ]
    shards = plan_shards(pieces, ShardOptions(shard_bytes=1_000_000))
    assert [(name, len(own)) for name, own in shards] == [
        ("test-000000", 1),
        ("train-000000", 1),
        ("train-000001", 2),
    ]


def test_nothing_at_all_is_no_piece(tmp_path: Path) -> None:
    plan = Planning(ShardOptions()).planned(0)
    assert (plan.pieces, write_planned(plan, [], tmp_path)) == ([], [])
