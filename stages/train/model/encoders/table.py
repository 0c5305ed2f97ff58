"""Cells of a row to tokens: one for each cell, or one for all of them. A cell that is absent is
told as such, and has no other influence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ....modalities.table import learned_table
from ...data.part import InputPart

_FURTHEST = 10.0  # deviations


class _Cells(nn.Module):
    """What both share: which columns are numbers, which are categories, and how many of these there
    are.
    """

    def __init__(self, part: InputPart) -> None:
        super().__init__()
        fitted = learned_table(part.fitted)
        columns, categories = fitted["columns"], fitted["categories"]
        self.numbers = [place for place, name in enumerate(columns) if name not in categories]
        self.columns = len(columns)
        # the last is the unknown
        self.kinds = {
            place: len(categories[name]) + 1
            for place, name in enumerate(columns)
            if name in categories
        }

    def split(self, cells_BC: Tensor) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
        """Numbers ``[B, N]`` with 0 where absent, which cells are absent ``[B, C]``, and the
        category of each row by column, 0 where absent.
        """
        absent_BC = cells_BC.isnan()
        # 0 * NaN is NaN: nothing may be computed from an absent cell
        whole_BC = torch.where(absent_BC, 0.0, cells_BC)
        kinds = {
            place: whole_BC[:, place].long().clamp(0, count - 1)
            for place, count in self.kinds.items()
        }
        return whole_BC[:, self.numbers].clamp(-_FURTHEST, _FURTHEST), absent_BC, kinds


class TableLinear(nn.Module):
    """Cells ``[B, C]`` to one token ``[B, 1, D]``: a linear map of the numbers, the categories one
    by one, and of what is absent.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.cells = _Cells(part)
        self.map = nn.Linear(
            len(self.cells.numbers) + sum(self.cells.kinds.values()) + self.cells.columns,
            width,
        )

    def forward(
        self, cells_BC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        numbers_BN, absent_BC, kinds = self.cells.split(cells_BC)
        ones = [
            nn.functional.one_hot(kind_B, self.cells.kinds[place]) * ~absent_BC[:, place, None]
            for place, kind_B in kinds.items()
        ]
        told_BF = torch.cat(
            [
                numbers_BN,
                *(one_hot.to(numbers_BN.dtype) for one_hot in ones),
                absent_BC.to(numbers_BN.dtype),
            ],
            1,
        )
        return self.map(told_BF)[:, None], present_B[:, None]


class TableTokens(nn.Module):
    """Cells ``[B, C]`` to one token each ``[B, C, D]``, in the order of the columns (Gorishniy et
    al. 2021, *Revisiting Deep Learning Models for Tabular Data*): a number times a vector of its
    column, or the vector of a category, and a bias; the vector of its absence for an absent cell.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.cells = _Cells(part)
        columns = self.cells.columns
        self.slope_CD = nn.Parameter(torch.randn(columns, width) * width**-0.5)
        self.bias_CD = nn.Parameter(torch.randn(columns, width) * width**-0.5)
        self.absence_CD = nn.Parameter(torch.randn(columns, width) * width**-0.5)
        self.embeddings = nn.ModuleDict(
            {str(place): nn.Embedding(count, width) for place, count in self.cells.kinds.items()}
        )

    def forward(
        self, cells_BC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        _, absent_BC, kinds = self.cells.split(cells_BC)
        whole_BC = torch.where(absent_BC, 0.0, cells_BC).clamp(-_FURTHEST, _FURTHEST)
        tokens = [
            self.embeddings[str(place)](kinds[place])
            if place in kinds
            else whole_BC[:, place, None] * self.slope_CD[place]
            for place in range(cells_BC.shape[1])
        ]
        tokens_BCD = torch.where(
            absent_BC[:, :, None], self.absence_CD, torch.stack(tokens, 1) + self.bias_CD
        )
        return tokens_BCD, present_B[:, None].expand(-1, cells_BC.shape[1])
