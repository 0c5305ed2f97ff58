"""What a corpus stage decided is carried out by column as it would be record by record."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline import corpus as corpus_module
from modalmill.pipeline.corpus import carry_out
from modalmill.pipeline.records import read_counts
from modalmill.schemas.account import presence_pattern
from modalmill.schemas.disk import read_table, write_table
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.record import Absence, Fault, Record
from modalmill.stages.base import ByRow, Decision
from strategies import records

KEPT = Fault.unmatched("other", "7", "no record of other has the join value '7'")


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[list[Record]], dict[str, Decision]]:
    """Records in some partitions, and what a stage might decide on them: some take from others that
    are merged away, some are refused, some go on as they are.
    """
    count = draw(st.integers(1, 8))
    made = [
        lacking(replace(draw(records()), key=f"k{number:02}"), draw(ABSENT))
        for number in range(count)
    ]
    free = list(range(count))
    decisions: dict[str, Decision] = {}
    while free:
        number = free.pop(draw(st.integers(0, len(free) - 1)))
        kind = draw(st.sampled_from(["none", "set", "fault", "take", "targets", "alone"]))
        taken: list[str] = []
        if kind == "take":
            for _ in range(min(len(free), draw(st.integers(1, 3)))):
                other = free.pop(draw(st.integers(0, len(free) - 1)))
                if draw(st.booleans()):
                    made[other] = renamed(made[other], f"_{other}")
                taken.append(made[other].key)
                fault = Fault("joined", None, None, "lives on", "merged")
                decisions[made[other].key] = Decision(fault)
        key = made[number].key
        if kind == "set":
            decisions[key] = Decision(split="test", group=draw(st.sampled_from(["g9", None])))
        elif kind == "fault":
            decisions[key] = Decision(Fault("odd", 1.5, 2, "is odd"))
        elif kind == "targets":
            decisions[key] = Decision(targets={"label": "set"}, note="a label was set")
        elif kind == "alone":
            decisions[key] = Decision(unmatched=(KEPT,) * draw(st.integers(1, 2)))
        elif kind == "take":
            own = draw(st.sampled_from([None, "test"]))
            decisions[key] = Decision(absorb=tuple(taken), split=own, unmatched=(KEPT,))
    draw(st.randoms()).shuffle(made)
    place = draw(st.integers(0, count))
    return [made[:place], made[place:]], decisions


ABSENT: st.SearchStrategy[dict[str, Absence]] = st.sampled_from(
    [{}, {}, {"image": "absent"}, {"odd": "missing"}]
)


def lacking(record: Record, absent: dict[str, Absence]) -> Record:
    """The record with reasons for parts that it does not have."""
    return replace(
        record, absent={name: why for name, why in absent.items() if name not in record.parts}
    )


def renamed(record: Record, ending: str) -> Record:
    """The record with names of its own, so that it can be joined with any other."""
    return replace(
        record,
        parts={name + ending: part for name, part in record.parts.items()},
        targets={name + ending: value for name, value in record.targets.items()},
        signals={name + ending: value for name, value in record.signals.items()},
    )


def changed(record: Record, decision: Decision | None, every: Mapping[str, Record]) -> Row:
    """What a decision makes of a record, in the plainest words."""
    decision = decision or Decision()
    if decision.fault:
        return Row(record, decision.fault, "align.x")
    parts, targets, signals, absent, split = {}, {}, {}, {}, record.split
    for other in [*(every[key] for key in reversed(decision.absorb)), record]:
        parts |= other.parts
        targets |= other.targets
        signals |= other.signals
        absent |= other.absent
    for key in decision.absorb:
        split = split or every[key].split
    result = replace(
        record,
        parts=parts,
        targets=targets | dict(decision.targets),
        signals=signals,
        absent={name: why for name, why in absent.items() if name not in parts},
        split=decision.split or split,
        group=decision.group or record.group,
    )
    return Row(result, None, "align.x", decision.unmatched)


def clashes(record: Record, decision: Decision | None, every: Mapping[str, Record]) -> bool:
    """Whether a record, or something that it takes, has something of one name and another content
    than something else that it takes.
    """
    parts, targets = dict(record.parts), dict(record.targets)
    for key in decision.absorb if decision else ():
        other = every[key]
        for mine, theirs in ((parts, other.parts), (targets, other.targets)):
            if any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys()):
                return True
        parts |= other.parts
        targets |= other.targets
    return False


@pytest.fixture(params=[1, 1000], ids=["a partition at once", "all at once"], autouse=True)
def rows_at_once(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_module, "_ROWS_AT_ONCE", request.param)
        yield


@given(corpora(), st.booleans())
def test_columns_say_what_records_would(
    corpus: tuple[list[list[Record]], dict[str, Decision]], by_row: bool
) -> None:
    partitions, decisions = corpus
    every = {record.key: record for own in partitions for record in own}
    with tempfile.TemporaryDirectory() as folder:
        sources = [Path(folder) / f"s{number}.arrow" for number in range(len(partitions))]
        targets = [Path(folder) / f"t{number}.arrow" for number in range(len(partitions))]
        for path, own in zip(sources, partitions, strict=True):
            gone = [Row(replace(record, key="gone"), Fault("gone")) for record in own[:1]]
            write_table(path, rows_to_table([*gone, *map(Row, own)]))
        keys = rows_to_table(map(Row, every.values()))["key"]
        listed = [decisions.get(key) for key in keys.to_pylist()]
        given_ = ByRow(keys, lambda start, stop: listed[start:stop]) if by_row else decisions
        edges = Path(folder) / "edges.arrow"
        if any(clashes(record, decisions.get(record.key), every) for record in every.values()):
            with pytest.raises(InputError, match="both have a"):
                carry_out("align.x", given_, sources, targets, edges)
            return
        carry_out("align.x", given_, sources, targets, edges)
        for path, own in zip(targets, partitions, strict=True):
            rows = [changed(record, decisions.get(record.key), every) for record in own]
            assert read_table(path).to_pylist() == rows_to_table(rows).to_pylist()
            (count,) = read_counts(path)
            assert count.adds_up()
            assert count.read == len(own)
            written = [row.record for row in rows if row.fault is None]
            assert count.written == len(written)
            assert count.presence == Counter(presence_pattern(one.parts) for one in written)
            assert count.splits == Counter(one.split for one in written if one.split)
            faults = [row.fault for row in rows if row.fault]
            assert count.reasons == Counter(fault.rule for fault in faults)
            assert count.unmatched.total() == sum(len(row.unmatched) for row in rows)
