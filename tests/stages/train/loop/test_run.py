"""What a run trains on and keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from modalmill.stages.train.loop import loop
from modalmill.stages.train.loop.prepare import prepare
from modalmill.stages.train.loop.run import Run
from modalmill.stages.train.options import TrainOptions
from trainings import OPTIONS, trained, weights


def test_the_moving_mean_is_what_is_evaluated(shards: Path, tmp_path: Path) -> None:
    _, _ = trained(shards, tmp_path / "mean", ema=0.99)
    last, best = weights(tmp_path / "mean"), weights(tmp_path / "mean", "best.pt")
    assert any(not torch.equal(last[name], best[name]) for name in last)


def test_what_training_never_sees_has_no_part_in_it(shards: Path, tmp_path: Path) -> None:
    """Learning from complete ones alone is learning without those rows: the rest makes no
    gradient.
    """
    caught: list[tuple[float, float]] = []

    def losses(**more: Any) -> None:
        run = Run(prepare(TrainOptions(**{**OPTIONS, **more}), shards, 3), tmp_path, 3, print)
        weights = rows = parts = there = 0.0
        for raw in run.stream:
            batch, shown, task = loop._on_device(run, raw)
            weights, rows = weights + float(task.weight_B.sum()), rows + len(batch)
            parts, there = parts + float(shown.sum()), there + float(raw.present_BM.sum())
        caught.append((weights / rows, parts / there))

    losses(complete_only=True, modality_dropout=0.0)
    assert caught[-1][0] == pytest.approx(0.875, abs=0.02), (
        "one in eight of the training rows lacks the picture"
    )
    losses(absent=0.5, modality_dropout=0.0)
    assert caught[-1] == (1.0, pytest.approx(0.65, abs=0.1))
