"""Values over time to tokens: convolutions, or an LSTM (Hochreiter & Schmidhuber 1997). Values that
are absent are told as such.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ....modalities.series import learned_series
from ...data.part import InputPart
from ..recurrent import Lstm

_TOKENS = 8
_FURTHEST = 10.0  # deviations
_STRIDE = 4


def _told(values_BTC: Tensor) -> Tensor:
    """The values with 0 where absent, and beside each whether it is there ``[B, T, 2 C]``."""
    here_BTC = ~values_BTC.isnan()
    whole_BTC = torch.where(here_BTC, values_BTC, 0.0).clamp(-_FURTHEST, _FURTHEST)
    return torch.cat([whole_BTC, here_BTC.to(whole_BTC.dtype)], 2)


class SeriesCnn(nn.Module):
    """Values ``[B, T, C]`` to eight tokens in time ``[B, 8, D]``. They divide the whole of ``T``,
    padding too.
    """

    divides_whole = True

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(2 * len(learned_series(part.fitted)["columns"]), 32, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(32, 64, 5, 2, padding=2),
            nn.GELU(),
            nn.Conv1d(64, width, 5, 2, padding=2),
            nn.GELU(),
            nn.AdaptiveAvgPool1d(_TOKENS),
        )

    def forward(
        self, values_BTC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        tokens_BTD = self.layers(_told(values_BTC).transpose(1, 2)).transpose(1, 2)
        return tokens_BTD, present_B[:, None].expand(-1, _TOKENS)


class SeriesLstm(nn.Module):
    """Values ``[B, T, C]`` to the state after every fourth ``[B, T / 4, D]``; more padding changes
    nothing.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.lstm = Lstm(2 * len(learned_series(part.fitted)["columns"]), width, batch_first=True)

    def forward(
        self, values_BTC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        assert length_B is not None
        states_BTD, _ = self.lstm(_told(values_BTC))
        real_BT = (
            torch.arange(values_BTC.shape[1], device=values_BTC.device)
            < length_B.clamp(min=1)[:, None]
        )
        return states_BTD[:, ::_STRIDE], (real_BT & present_B[:, None])[:, ::_STRIDE]
