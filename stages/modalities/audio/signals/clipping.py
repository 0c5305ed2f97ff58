"""How much of a sound was too loud for what recorded it."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal, Track
from ..heard import Heard
from ..stretch import Stretch

_FULL_SCALE = 0.999
_SHORTEST_TOP = 4  # samples
_SAME_LEVEL = 1.6e-5  # half a step of 16 bits
_STEEP = 2.5e-4  # eight steps


def clipped(heard: Heard) -> dict[str, np.ndarray]:
    """For every channel in which anything is clipped, the share of the samples of each 20 ms that
    is ``float32 [F]``.
    """
    tracks = {}
    for channel, samples in enumerate(heard.sound.samples.T):
        tops = (np.abs(samples) >= _FULL_SCALE) | flat_tops(samples)
        if tops.any():
            tracks[f"clipped_{channel}"] = heard.by_frames(tops.astype(np.float32))
    return tracks


def flat_tops(samples: np.ndarray) -> np.ndarray:
    """Which samples ``[T]`` lie in a flat top: four or more in a row at the largest or smallest
    value of the channel, with a steep way up and down. So clipping is found after the gain was
    turned down, and the round top of a slow wave is none.
    """
    flat = np.zeros(len(samples), bool)
    for signed in (samples, -samples):
        top = signed.max(initial=0.0)
        at_top = np.flatnonzero(signed >= top - _SAME_LEVEL)
        if top <= _STEEP or len(at_top) < _SHORTEST_TOP:
            continue
        firsts = np.flatnonzero(np.diff(at_top, prepend=-2) > 1)  # of each run, within at_top
        lengths = np.diff(firsts, append=len(at_top))
        begins, ends = at_top[firsts], at_top[firsts] + lengths
        before = signed[np.maximum(begins - 1, 0)]
        after = signed[np.minimum(ends, len(signed) - 1)]
        steep = np.minimum(top - before, top - after) > _STEEP
        flat[at_top[np.repeat((lengths >= _SHORTEST_TOP) & steep, lengths)]] = True
    return flat


def clipping(stretch: Stretch) -> float:
    """The share of samples at full scale or in flat tops, of the channel that has most."""
    channels = (name for name in stretch.tracks if name.startswith("clipped_"))
    return max((stretch.mean(stretch.tracks[name]) for name in channels), default=0.0)


CLIPPED = Track(name="clipped", of="audio", function=clipped)
CLIPPING = Signal(
    name="clipping",
    of="audio",
    tracks=("levels", "clipped"),
    gives={
        "clipping": share(
            "share of samples at full scale or in flat tops, of the channel that has most"
        )
    },
    function=clipping,
    on_request=False,
)
