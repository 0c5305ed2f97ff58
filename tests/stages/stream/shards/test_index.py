"""Filters of a stream decide by columns before a medium is read."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from modalmill.schemas.errors import InputError
from modalmill.stages import stream


def test_a_stream_reads_only_what_is_left(uneven_shards: Path) -> None:
    every = stream.open(uneven_shards, parts={"image": stream.BytesSpec()})
    sharpness = every.index.numbers("image.sharpness")
    middle = float(sorted(value for value in sharpness if not math.isnan(value))[85])
    some = stream.open(
        uneven_shards,
        where=f"image.sharpness > {middle} and label != '003'",
        parts={"image": stream.BytesSpec()},
        drop_last=False,
    )
    keys = {key for batch in some for key in batch.keys}
    all_keys = every.index.keys(range(len(every.index)))
    assert keys == {
        key
        for key, value in zip(all_keys, sharpness, strict=True)
        if value > middle and key != "photos-003"
    }
    long = stream.open(uneven_shards, where="audio.duration_s > 0.45")
    assert len(long.index.chosen[0]) == 26
    assert (
        len(stream.open(uneven_shards, where="'audio' in parts and split == 'all'").index.chosen[0])
        == 130
    )
    tars = sorted(path.stem for path in uneven_shards.glob("*.tar"))
    assert len(stream.open(uneven_shards, where=f"tar == '{tars[0]}'").index.chosen[0]) == int(
        (every.index.tar == 0).sum()
    )


def test_mistakes_in_a_filter_name_the_nearest_column(uneven_shards: Path) -> None:
    for text, what in (
        ("image.sharpnes > 3", "did you mean 'image.sharpness'"),
        ("lable == 'a'", "did you mean 'label'"),
        ("'imge' in parts", "did you mean 'image'"),
        ("image.sharpness > 1e12", "no record is left"),
    ):
        with pytest.raises(InputError, match=what):
            stream.open(uneven_shards, where=text)
    assert "x" not in os.environ
