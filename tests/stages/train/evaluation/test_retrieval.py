"""Parts that find their partners in a common space."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from commands import here
from modalmill.stages.train.evaluation.retrieval import ranks_of
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.model.fusion._contrast import pairs_term
from modalmill.stages.train.model.fusion.common_space import CommonSpaceFusion
from modalmill.stages.train.options import TrainOptions
from taught import TRAIN


def test_ranks_by_hand() -> None:
    eye = torch.eye(5)
    assert ranks_of(eye, eye).tolist() == [0] * 5
    assert ranks_of(eye, eye.roll(1, 0)).tolist() == [3] * 5, (
        "one offer is more like it, and half of the three that are as unlike as its own count"
    )
    assert ranks_of(torch.ones(5, 3), torch.ones(5, 3)).tolist() == [2] * 5


def test_rotated_copies_of_one_signal_find_each_other() -> None:
    """Two parts that are one signal, one of them turned by an unknown rotation: in the common space
    each finds its partner first.
    """
    torch.manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(8, 8))
    fusion = CommonSpaceFusion(2, 8, 0.0)
    optimiser = torch.optim.Adam(fusion.parameters(), lr=0.01)
    both = torch.ones(128, 2, dtype=torch.bool)

    def embedded(rows: int) -> torch.Tensor:
        signal = torch.randn(rows, 8)
        return fusion.combine(
            torch.stack([signal, signal @ rotation], 1), both[:1].expand(rows, 2)
        )[1]["embeddings"]

    for _ in range(300):
        value, weight = pairs_term(embedded(128), both, 0.07, 1.0)
        optimiser.zero_grad()
        (value * weight).mean().backward()
        optimiser.step()
    with torch.no_grad():
        vectors = embedded(500)
    assert (ranks_of(vectors[:, 0], vectors[:, 1]) == 0).float().mean() > 0.97


def test_retrieval_by_the_command_line(trained: Path, tmp_path: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    done = here("retrieve", best, trained / "out")
    assert done.returncode == 1
    assert "makes no common space; train with fusion: common_space or matching" in done.stderr
    options = TrainOptions(**{**TRAIN, "fusion": "common_space", "epochs": 2})
    train(options, trained / "out" / "shards", tmp_path / "t", 0, lambda line: None)
    found = json.loads(
        here("retrieve", tmp_path / "t" / "best.pt", trained / "out", "--json").stdout
    )
    assert set(found["pairs"]) == {"image -> question", "question -> image"}
    cell = found["pairs"]["image -> question"]
    assert 0 <= cell["R@1"] <= cell["R@5"] <= cell["R@10"] <= 1
    assert cell["records"] == 20
