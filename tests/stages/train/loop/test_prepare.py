"""What a training reads, and in batches of what size."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.errors import InputError
from modalmill.stages.train.loop.prepare import default_batch_size, prepare
from modalmill.stages.train.options import TrainOptions, parse_options
from trainings import OPTIONS


def test_each_batch_is_as_long_as_its_class(shards: Path, tmp_path: Path) -> None:
    """Notes have one word or two: batches of ones are one token long, the others as long as the
    input may be; each record comes once an epoch.
    """
    prepared = prepare(TrainOptions(**{**OPTIONS, "buckets": {"note": [1]}}), shards, 3)
    keys: list[str] = []
    for raw in prepared.stream:
        lengths = raw.lengths["note"][raw.weight_B > 0]
        assert raw.parts["note"].shape[1] == (1 if bool((lengths == 1).all()) else 3)
        assert len(set(lengths.tolist())) == 1
        keys += [key for key in raw.keys if key]
    assert len(keys) == len(set(keys)) == len(prepared.stream.index)
    for buckets, told in (
        ({"nte": [1]}, "no such input 'nte'|no such input; did you mean 'note'"),
        ({"note": []}, "wanted lengths of a text"),
    ):
        _, problems = parse_options({**OPTIONS, "buckets": buckets})
        assert re.search(told, "\n".join(problems)), problems
    with pytest.raises(
        InputError, match="image has no lengths; wanted a part of text, sound or series"
    ):
        prepare(TrainOptions(**{**OPTIONS, "buckets": {"image": [1]}}), shards, 3)


@given(st.integers(0, 100_000))
def test_a_small_set_has_twenty_steps_an_epoch(records: int) -> None:
    size = default_batch_size(records)
    assert 2 <= size <= 64
    assert records < 40 or records // size >= 20
