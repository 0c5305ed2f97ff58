"""Words to vectors: an embedding and a bidirectional LSTM (Hochreiter & Schmidhuber 1997)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TextLstm(nn.Module):
    """Token ids ``[B, T]`` (0 is padding) to one vector a word ``[B, T, D]``; more padding changes nothing."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.forth = nn.LSTM(width, width // 2, batch_first=True)
        self.back = nn.LSTM(width, width - width // 2, batch_first=True)

    def forward(self, ids_BT: Tensor, length_B: Tensor | None, present_B: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        assert length_B is not None
        place_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        mask_BT = (place_T < length_B[:, None]) & present_B[:, None]
        x_BTD = self.embedding(ids_BT)
        # The way back starts at each text's last word: reverse the first `length` places of each row and leave the rest.
        turned_BT = torch.where(mask_BT, length_B[:, None] - 1 - place_T, place_T).clamp(min=0)
        back_BTD = x_BTD.gather(1, turned_BT[:, :, None].expand_as(x_BTD))
        forth_BTD, _ = self.forth(x_BTD)
        turned_back_BTD, _ = self.back(back_BTD)
        index_BTD = turned_BT[:, :, None].expand_as(turned_back_BTD)
        return torch.cat([forth_BTD, turned_back_BTD.gather(1, index_BTD)], dim=2), mask_BT
