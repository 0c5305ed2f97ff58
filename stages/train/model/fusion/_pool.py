"""What fusions share: tokens to vectors under their masks, averages under a softmax, heads of
attention, and the prior where nothing is there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_HEADS = 4


def masked_mean(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean of the tokens that the mask keeps ``[B, D]``; zero where it keeps none."""
    weight_BT1 = mask_BT[:, :, None].to(tokens_BTD.dtype)
    return (tokens_BTD * weight_BT1).sum(1) / weight_BT1.sum(1).clamp(min=1)


def pooled(tokens: list[Tensor], masks: list[Tensor]) -> Tensor:
    """The mean token of each part ``[B, M, D]``."""
    return torch.stack([masked_mean(t, m) for t, m in zip(tokens, masks, strict=True)], dim=1)


def or_prior(fused_BD: Tensor, present_BM: Tensor, prior_D: Tensor) -> Tensor:
    """The fused vector, or the learned prior in rows where nothing is present."""
    return torch.where(present_BM.any(1, keepdim=True), fused_BD, prior_D.to(fused_BD.dtype))


def weigh(values_BND: Tensor, scores_BN: Tensor, there_BN: Tensor) -> tuple[Tensor, Tensor]:
    """The average of the values under a softmax of the scores of those that are there, and the
    weights ``[B, N]``; zero where none is.
    """
    scores_BN = scores_BN.float().masked_fill(~there_BN, float("-inf"))
    # finite where nothing is there, since -inf - -inf is NaN
    highest_B1 = scores_BN.amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).min)
    weight_BN = (scores_BN - highest_B1).exp()
    weight_BN = weight_BN / weight_BN.sum(1, keepdim=True).clamp(min=1e-9)
    return (values_BND * weight_BN[:, :, None].to(values_BND.dtype)).sum(1), weight_BN


def heads_for(width: int) -> int:
    """Heads of attention that divide the width: four, or fewer."""
    return next(heads for heads in (_HEADS, 2, 1) if width % heads == 0)


def attended(
    query_BTD: Tensor, key_BSD: Tensor, value_BSD: Tensor, mask_BS: Tensor, heads: int
) -> Tensor:
    """Multi-head attention of each query over the tokens that the mask keeps ``[B, T, D]`` (Vaswani
    et al. 2017).
    """
    q, k, v = (
        x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query_BTD, key_BSD, value_BSD)
    )
    return (
        functional.scaled_dot_product_attention(q, k, v, attn_mask=mask_BS[:, None, None, :])
        .transpose(1, 2)
        .flatten(2)
    )


def attention_weights(query_BTD: Tensor, key_BSD: Tensor, mask_BS: Tensor, heads: int) -> Tensor:
    """The weights of ``attended`` ``[B, heads, T, S]``."""
    q, k = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query_BTD, key_BSD))
    scores_BHTS = (q @ k.transpose(2, 3)).float() / q.shape[-1] ** 0.5
    weights_BHTS: Tensor = scores_BHTS.masked_fill(
        ~mask_BS[:, None, None, :], float("-inf")
    ).softmax(3)
    return weights_BHTS


def resampled_tokens(tokens_BTD: Tensor, mask_BT: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The tokens that the mask keeps, spread over ``length`` places in order ``[B, length, D]``,
    and whether a row has any ``[B]``.

    Place i is a linear interpolation between the kept tokens around it, so that neither padding nor
    the number of tokens matters.
    """
    count_B = mask_BT.sum(1)
    place_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
    # where each kept token goes when they are moved to the front
    front_BTD = torch.zeros_like(tokens_BTD).scatter_add(
        1,
        place_BT[:, :, None].expand_as(tokens_BTD),
        torch.where(mask_BT[:, :, None], tokens_BTD, tokens_BTD.new_zeros(())),
    )
    # halves: a place stands for the middle of its share, so that both ends count alike
    at_L = (torch.arange(length, device=tokens_BTD.device) + 0.5) / length
    at_BL = (at_L * count_B[:, None] - 0.5).clamp(min=0)
    last_B1 = (count_B[:, None] - 1).clamp(min=0)
    low_BL = torch.minimum(at_BL.floor().long(), last_B1)
    high_BL = torch.minimum(low_BL + 1, last_B1)
    part_BL1 = (at_BL - low_BL)[:, :, None].clamp(0, 1).to(tokens_BTD.dtype)
    low_BLD, high_BLD = (
        front_BTD.gather(1, at[:, :, None].expand(-1, -1, tokens_BTD.shape[2]))
        for at in (low_BL, high_BL)
    )
    return low_BLD * (1 - part_BL1) + high_BLD * part_BL1, count_B > 0


def row_mean(values_BM: Tensor, there_BM: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over the parts of each row that are there, and 1 for rows that have any: a term of
    the loss.
    """
    there = there_BM.to(values_BM.dtype)
    # where and not a product: 0 * NaN is NaN
    kept = torch.where(there_BM, values_BM, values_BM.new_zeros(()))
    return kept.sum(1) / there.sum(1).clamp(min=1), there_BM.any(1).to(values_BM.dtype)
