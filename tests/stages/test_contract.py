"""One contract for every record stage: whatever it is, it keeps these promises."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.record import Record
from modalmill.stages.base import Addressed, CorpusStage, RecordStage, addresses, find, make
from modalmill.stages.contract import SIGNALS, broken_class, broken_stage
from modalmill.stages.modality import names
from strategies import records
from tiny import wav, write

SCORES = write(Path(tempfile.mkdtemp()) / "scores.csv", "source,score\ns,1\n")
OPTIONS: dict[str, dict[str, Any]] = {
    "align.signals": {
        "path": SCORES,
        "signals": {"fun": "score"},
        "key": "source",
        "match": "source",
    },
    "align.cut": {"by": "caption"},
    "augment.balance": {"target": "label"},
    "align.targets": {"name": "y", "first_of": ["label", "score"]},
    "align.join": {"sources": ["a", "b"]},
    "align.sync": {"video": "video", "audio": "audio", "correct": True},
    "align.grid": {"rate_hz": 25, "tracks": {"loudness": "audio"}, "labels": {"said": "caption"}},
    "align.warp": {"of": "audio", "onto": "video", "cues": {"moved": "caption"}, "by": "activity"},
    "align.nearest": {"sources": ["s", "b"], "time": {"s": "score", "b": "t"}, "within_s": 1},
    "clean.rules": {"rules": {"image.sharpness": ">= 1", "audio.silence / 2": "< 1"}},
    "clean.fill": {"target": "label"},
    "clean.outliers": {"column": "score"},
    "clean.resample": {"rate_hz": 8000},
    "augment.filter": {"lowpass_hz": [1000, 4000]},
    "augment.mix": {"path": write(SCORES.with_name("rain.wav"), wav())},
}
RECORD_STAGES = [
    address for address in addresses(Addressed) if issubclass(find(address, Addressed), RecordStage)
]


def build(address: str) -> Any:
    stage, problems = make(address, Addressed, OPTIONS.get(address, {}), "here")
    assert stage is not None, problems
    return stage


def with_signals(record: Record) -> Record:
    """The record as measuring leaves it: signals for every part of media."""
    signals = {
        f"{name}.{word}": 0.5 for name, part in record.parts.items() if part.uri for word in SIGNALS
    }
    parts = {
        name: dataclasses.replace(part, width=64, height=64, duration_s=10.0) if part.uri else part
        for name, part in record.parts.items()
    }
    return dataclasses.replace(record, signals=signals, parts=parts)


def test_every_stage_is_a_frozen_dataclass_with_a_docstring_that_says_what_comes_back() -> None:
    for address in addresses(Addressed):
        cls = find(address, Addressed)
        assert broken_class(cls) == []
        assert cls.address == address


@pytest.mark.parametrize("address", RECORD_STAGES)
@settings(max_examples=40, deadline=None)
@given(
    some=st.lists(
        records().map(with_signals), min_size=1, max_size=4, unique_by=lambda record: record.key
    )
)
def test_a_stage_keeps_the_contract(address: str, some: list[Record]) -> None:
    assert broken_stage(build(address), some) == []


@pytest.mark.parametrize("address", RECORD_STAGES)
@given(record=records().map(with_signals))
def test_a_record_without_the_modality_passes_untouched(address: str, record: Record) -> None:
    stage = build(address)
    room, _, name = address.partition(".")
    if room != "clean" or name not in names():
        return
    bare = dataclasses.replace(
        record,
        parts={
            part_name: part for part_name, part in record.parts.items() if part.modality != name
        },
    )
    rows = stage.process(bare, 0, address)
    assert [(row.record, row.fault) for row in rows] == [(bare, None)]


@pytest.mark.parametrize(
    "address",
    [
        address
        for address in addresses(Addressed)
        if issubclass(find(address, Addressed), CorpusStage)
    ],
)
@settings(max_examples=30, deadline=None)
@given(
    some=st.lists(records(), min_size=1, max_size=6, unique_by=lambda record: record.key),
    order=st.randoms(),
)
def test_a_corpus_stage_decides_the_same_in_any_order(
    address: str, some: list[Record], order: Any
) -> None:
    mixed = list(some)
    order.shuffle(mixed)
    assert broken_stage(build(address), mixed) == []
