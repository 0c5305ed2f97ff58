"""A weighted average of what is there."""

from __future__ import annotations

import pytest
import torch
from modalmill.stages.train.model.fusion.weighted import WeightedFusion


def test_weighted_fusion_is_the_weighted_average_of_what_is_there() -> None:
    fusion = WeightedFusion(2, 1, 0.0)
    with torch.no_grad():
        fusion.score_M.copy_(torch.tensor([0.25, 0.75]).log())
    tokens, masks = (
        [torch.tensor([[[4.0]]]), torch.tensor([[[8.0]]])],
        [torch.ones(1, 1, dtype=torch.bool)] * 2,
    )
    assert fusion(tokens, masks, torch.tensor([[True, True]]))[0].item() == pytest.approx(7.0)
    assert fusion(tokens, masks, torch.tensor([[False, True]]))[0].item() == pytest.approx(8.0)
    weights = fusion(tokens, masks, torch.tensor([[False, True]]))[1]["weights"]
    assert weights.tolist() == [[0.0, 1.0]]
