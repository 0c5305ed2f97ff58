"""What of a fusion is fitted to rows that were not trained on, after each epoch: weights of a grid,
of models, and stacked models.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ...stream import FusionBatch
from ..data import hiding
from ..model.fusion import ChoosesWeights, FitsAnswers
from ..model.model import FusionModel
from ..model.objectives import Objective

_MOST_ROWS = 20_000
# each row counts as it is, and once more with parts hidden, so that every subset is known
_HIDDEN = 0.5


@torch.no_grad()
def fit_fusion(
    model: FusionModel, objective: Objective, batches: Iterable[FusionBatch], device: torch.device
) -> None:
    """Fit what the model's fusion has to fit, to these batches (at most 20,000 rows of them)."""
    model.eval()
    # likelihoods, without the weights of classes and rows that training may have
    objective = objective.unweighed()
    fusion = model.fusion
    if isinstance(fusion, ChoosesWeights) and fusion.grid:
        _choose(fusion, model, objective, batches, device)
    elif isinstance(fusion, FitsAnswers):
        _fit(fusion, model, objective, batches, device)


def is_fitted(model: FusionModel) -> bool:
    """Whether there is anything to fit."""
    fusion = model.fusion
    return isinstance(fusion, FitsAnswers) or (
        isinstance(fusion, ChoosesWeights) and bool(fusion.grid)
    )


def _rows(
    objective: Objective, batches: Iterable[FusionBatch], device: torch.device
) -> Iterable[tuple[FusionBatch, Tensor, Tensor]]:
    rows = 0
    for raw in batches:
        batch = raw.to(device)
        encoded, weight_B = objective.encode(batch.targets())
        yield batch, encoded.to(device), (weight_B.to(device) * batch.weight_B) > 0
        rows += len(batch)
        if rows >= _MOST_ROWS:
            return


def _fit(
    fusion: FitsAnswers,
    model: FusionModel,
    objective: Objective,
    batches: Iterable[FusionBatch],
    device: torch.device,
) -> None:
    logits, present, targets = [], [], []
    for batch, encoded, usable_B in _rows(objective, batches, device):
        tokens, masks = model.encode(batch)
        decided = model.decided(tokens, masks, batch.present_BM, batch.present_BM)
        hidden = hiding.shown(
            hiding.table(0, batch.keys, model.names), batch.present_BM.cpu().numpy(), _HIDDEN
        )
        for present_BM in (batch.present_BM, torch.from_numpy(hidden).to(device)):
            logits.append(decided.info["logits_BMO"][usable_B])
            present.append(present_BM[usable_B])
            targets.append(encoded[usable_B])
    if not logits or not sum(map(len, logits)):
        return
    wanted = torch.cat(targets)

    def loss(logits_NO: Tensor) -> Tensor:
        return objective.loss(logits_NO, wanted)

    fusion.fit(torch.cat(logits).float(), torch.cat(present), loss)


def _choose(
    fusion: ChoosesWeights,
    model: FusionModel,
    objective: Objective,
    batches: Iterable[FusionBatch],
    device: torch.device,
) -> None:
    kept = [
        (*model.encode(batch), batch.present_BM, encoded, usable_B)
        for batch, encoded, usable_B in _rows(objective, batches, device)
    ]

    def loss() -> float:
        total = 0.0
        for tokens, masks, present_BM, encoded, usable_B in kept:
            total += float(
                objective.loss(model.decide(tokens, masks, present_BM), encoded)[usable_B].sum()
            )
        return total

    if kept:
        fusion.choose(loss)
