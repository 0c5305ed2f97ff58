"""How much of a sound is silent."""

from __future__ import annotations

from .....schemas.quantity import share
from ....signal import Signal
from ..stretch import Stretch

_SILENT_DB = -60.0


def silence(stretch: Stretch) -> float:
    """The share of 20 ms frames whose RMS level, without the offset, is below -60 dBFS. It is that
    of the mean of the channels, which is what a model hears: channels of opposite sign are silence.
    """
    return stretch.mean(stretch.tracks["moving"] < 10 ** (_SILENT_DB / 10))


SILENCE = Signal(
    name="silence",
    of="audio",
    tracks=("levels",),
    gives={"silence": share("share of 20 ms frames below -60 dBFS, without a constant offset")},
    function=silence,
    on_request=False,
)
