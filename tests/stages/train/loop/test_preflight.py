"""What would make training pointless is told before it."""

from __future__ import annotations

from pathlib import Path

import torch
from modalmill.stages.train.loop.preflight import spelled_twice
from trainings import trained, weights


def test_before_training_it_is_told_what_would_make_it_pointless(
    shards: Path, tmp_path: Path
) -> None:
    _, said = trained(shards, tmp_path / "plain", checks=True, epochs=1)
    text = "\n".join(said)
    assert "2 classes, the commonest 'no' with 50%" in text
    assert "is learned by heart" in text
    unchecked, _ = trained(shards, tmp_path / "unchecked", epochs=1)
    assert all(
        torch.equal(tensor, unchecked[name]) for name, tensor in weights(tmp_path / "plain").items()
    ), "the checks change nothing"


def test_one_number_in_several_spellings_is_told() -> None:
    assert spelled_twice(["1", "1.0", "01", "2", "x", "1e5"]) == [["01", "1", "1.0"]]
