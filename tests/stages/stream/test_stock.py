"""The webdataset library reads what the stream reads, of the same splits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modalmill.schemas.errors import InputError
from modalmill.stages import stream
from tiny import recipe, vqa_corpus


@pytest.fixture
def out(tmp_path: Path, run_recipe: Callable[..., Any]) -> Path:
    """Pictures with two questions each, in two splits."""
    stages = [{"align.split": {"shares": {"train": 0.5, "val": 0.5}}}]
    sources = {"vqa": vqa_corpus(tmp_path, images=12, per_image=2)}
    run_recipe(recipe(tmp_path, sources, stages, shard={}))
    return tmp_path / "out"


def test_the_samples_of_a_split_are_those_of_the_stream(out: Path) -> None:
    for split in (None, "train", "val", "train+val"):
        stored = {}
        for sample in stream.as_webdataset(out, split):
            for record in json.loads(sample["json"])["records"]:
                stored[record["key"]] = sample["jpg"]
        given = {}
        parts = {"image": stream.BytesSpec()}
        for batch in stream.open(out / "shards", split, batch_size=5, drop_last=False, parts=parts):
            real = batch.weight_B.tolist()
            pictures = batch.lists["image"]
            given |= {
                key: data
                for key, data, weight in zip(batch.keys, pictures, real, strict=True)
                if weight
            }
        assert len(stored) >= 2
        assert stored == given
    assert len(stored) == 24


def test_what_is_not_there_is_told(out: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no split is called 'trian'; did you mean 'train'"):
        stream.as_webdataset(out, "trian")
    with pytest.raises(InputError, match=r"no shards\.json here"):
        stream.as_webdataset(tmp_path)
