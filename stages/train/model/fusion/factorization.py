"""Matrix factorisation with missing cells, read as a fusion: one hidden vector a record that
explains the parts that are there.

``u = (lam I + sum_S V_m^T V_m)^-1 sum_S V_m^T (h_m - c_m)``, ``z = W u``; what is absent is filled
in by ``V_m u + c_m``. The ridge solution for a record's factors in collaborative filtering (Koren,
Bell and Volinsky 2009, *Matrix Factorization Techniques for Recommender Systems*). Articles speak
of "collaborative filtering fusion"; the field has no method of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._pool import row_mean
from ._pooled import PooledFusion

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term


class FactorizationFusion(PooledFusion):
    """Info: ``imputed`` ``[B, M, D]``, what each part should be by the others. With nothing
    present, u is 0.

    rank: length of the hidden vector.

    weight: of the mean squared error of the parts that are there, beside the task's loss.
    """

    def __init__(
        self, parts: int, width: int, dropout: float, rank: int = 16, weight: float = 0.1
    ) -> None:
        super().__init__(parts, width, dropout)
        self.weight = weight
        self.loadings_MDR = nn.Parameter(torch.randn(parts, width, rank) * width**-0.5)
        self.centre_MD = nn.Parameter(torch.zeros(parts, width))
        self.log_ridge = nn.Parameter(torch.tensor(-1.0))
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(rank, width))

    def hidden(self, pooled_BMD: Tensor, present_BM: Tensor) -> Tensor:
        """The hidden vector of each record ``[B, R]``, in float32."""
        here_BM = present_BM.float()
        v_MDR = self.loadings_MDR.float()
        gram_MRS = torch.einsum("mdr,mds->mrs", v_MDR, v_MDR)
        # the ridge keeps the system solvable, also where nothing is there
        ridge_RS = functional.softplus(self.log_ridge.float()) * torch.eye(
            v_MDR.shape[2], device=v_MDR.device
        )
        left_BRS = ridge_RS + torch.einsum("bm,mrs->brs", here_BM, gram_MRS)
        centred_BMD = (pooled_BMD.float() - self.centre_MD.float()) * here_BM[:, :, None]
        hidden_BR: Tensor = torch.linalg.solve(
            left_BRS, torch.einsum("mdr,bmd->br", v_MDR, centred_BMD)
        )
        return hidden_BR

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The hidden vector, mapped to the width."""
        with torch.autocast(pooled_BMD.device.type, enabled=False):
            u_BR = self.hidden(pooled_BMD, present_BM)
            imputed_BMD = (
                torch.einsum("mdr,br->bmd", self.loadings_MDR.float(), u_BR)
                + self.centre_MD.float()
            )
        fused_BD: Tensor = self.out(u_BR.to(pooled_BMD.dtype))
        return fused_BD, {"imputed": imputed_BMD}

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """How far the hidden vector is from explaining what is there, also what the fusion was not
        shown.
        """
        # detached, or the parts would learn to be easily explained
        error_BM = (decided.info["imputed"] - decided.pooled().detach()).square().mean(2)
        value_B, weight_B = row_mean(error_BM, decided.there_BM)
        return [(self.weight * value_B, weight_B)]
