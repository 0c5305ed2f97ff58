"""Pruning takes the smallest weights."""

from __future__ import annotations

import pytest
import torch
from modalmill.stages.train.use.pruning import prune


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.9])
def test_pruning_is_exact_and_takes_the_smallest_weights(sparsity: float) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(30, 20), torch.nn.Conv1d(4, 6, 3), torch.nn.LSTM(5, 7)
    )
    weights = [weight for name, weight in model.named_parameters() if "weight" in name]
    before = torch.cat([weight.detach().abs().flatten() for weight in weights]).clone()
    biases = [
        weight.detach().clone() for name, weight in model.named_parameters() if "bias" in name
    ]
    assert prune(model, sparsity) == int(sparsity * len(before)) / len(before)
    after = torch.cat([weight.detach().abs().flatten() for weight in weights])
    if sparsity:
        assert before[after == 0].max() <= before[after > 0].min()
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            biases,
            (weight for name, weight in model.named_parameters() if "bias" in name),
            strict=True,
        )
    )
