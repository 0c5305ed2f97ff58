"""Fusion of views."""

from __future__ import annotations

import torch
from modalmill.stages.train.model.fusion.views import ViewsFusion


def test_a_part_without_a_word_gives_no_nan() -> None:
    fusion = ViewsFusion(2, 8, 0.0).eval()
    tokens = [torch.randn(3, 4, 8), torch.randn(3, 5, 8)]
    masks = [
        torch.zeros(3, 4, dtype=torch.bool),
        torch.tensor([[True] * 5, [False] * 5, [False] * 5]),
    ]
    fused, _ = fusion(tokens, masks, torch.ones(3, 2, dtype=torch.bool))
    assert torch.isfinite(fused).all()
