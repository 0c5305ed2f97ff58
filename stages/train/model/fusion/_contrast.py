"""InfoNCE (van den Oord et al. 2018) between parts of the same records, symmetric as in CLIP
(Radford et al. 2021).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(a_BD: Tensor, b_BD: Tensor, both_B: Tensor, temperature: float) -> Tensor:
    """For each row, ``-log`` of the share that its own partner has among all partners, both ways
    together ``[B]``; 0 where one side is absent.

    Rows of which one side is absent are nobody's partner either. B identical embeddings give 2 ln
    B.
    """
    # at a temperature of .07, half precision is too coarse
    with torch.autocast(a_BD.device.type, enabled=False):
        scores_BB = (
            functional.normalize(a_BD.float(), dim=1)
            @ functional.normalize(b_BD.float(), dim=1).T
            / temperature
        )
    # the lowest finite number: a row of -inf alone would give NaN, and its gradient outlive where
    scores_BB = scores_BB.masked_fill(
        ~(both_B[:, None] & both_B[None]), torch.finfo(torch.float32).min
    )
    own = torch.arange(len(a_BD), device=a_BD.device)
    loss_B = functional.cross_entropy(scores_BB, own, reduction="none") + functional.cross_entropy(
        scores_BB.T, own, reduction="none"
    )
    return torch.where(both_B, loss_B, loss_B.new_zeros(()))


def pairs_term(
    vectors_BMD: Tensor, present_BM: Tensor, temperature: float, weight: float
) -> tuple[Tensor, Tensor]:
    """The mean over all pairs of parts of a row that are both there, as a term of the loss."""
    total_B = vectors_BMD.new_zeros(len(vectors_BMD), dtype=torch.float32)
    count_B = torch.zeros_like(total_B)
    for a, b in itertools.combinations(range(vectors_BMD.shape[1]), 2):
        both_B = present_BM[:, a] & present_BM[:, b]
        total_B = total_B + info_nce(vectors_BMD[:, a], vectors_BMD[:, b], both_B, temperature)
        count_B = count_B + both_B
    return weight * total_B / count_B.clamp(min=1), (count_B > 0).float()
