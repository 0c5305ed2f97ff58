"""How light a picture is."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal

_BLACK, _WHITE = 16, 239


def light(histogram: np.ndarray) -> dict[str, float]:
    """The mean of a grey picture in [0, 1], and the shares of its pixels that are nearly black and
    nearly white, from its histogram ``[256]``.
    """
    count = int(histogram.sum())
    return {
        "brightness": float(histogram @ np.arange(256) / count / 255),
        "dark": float(histogram[:_BLACK].sum() / count),
        "bright": float(histogram[_WHITE + 1 :].sum() / count),
    }


LIGHT = Signal(
    name="light",
    of="image",
    reads="histogram",
    gives={
        "brightness": share("mean of the grey picture"),
        "dark": share("share of pixels below 16 of 255"),
        "bright": share("share of pixels above 239 of 255"),
    },
    function=light,
    on_request=False,
)
