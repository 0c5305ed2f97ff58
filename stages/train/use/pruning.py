"""Pruning: the weights that matter least become 0."""

from __future__ import annotations

import torch
from torch import nn

from ....schemas.errors import InputError


@torch.no_grad()
def prune(model: nn.Module, sparsity: float) -> float:
    """Set the share ``sparsity`` of all weights of linear maps, convolutions and recurrent networks
    to 0, those of smallest magnitude.

    Global magnitude pruning (Han et al. 2015). Exactly ``floor(sparsity * N)`` weights become 0;
    the share that is 0 then, which is more where there were zeros, is the result.
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity: wanted a share from 0 up to 1, found {sparsity}")
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.LSTM, nn.GRU)
    owners = [module for module in model.modules() if isinstance(module, kinds)]
    weights = [
        weight
        for module in owners
        for name, weight in module.named_parameters(recurse=False)
        if name.startswith("weight")
    ]
    sizes = torch.cat([weight.abs().flatten() for weight in weights])
    gone = torch.zeros_like(sizes, dtype=torch.bool)
    # by rank, since a threshold would take too many where weights are equal
    gone[sizes.argsort(stable=True)[: int(sparsity * len(sizes))]] = True
    for weight, is_gone in zip(
        weights, torch.split(gone, [weight.numel() for weight in weights]), strict=True
    ):
        weight[is_gone.view_as(weight)] = 0
    return float(sum((weight == 0).sum() for weight in weights)) / len(sizes)
