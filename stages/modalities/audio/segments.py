"""Where there is something to hear: stretches of a recording between its silences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_LOUD_QUANTILE = 0.95
_FLOOR_DB = -60.0  # below it is silence, however quiet the rest is
_SHORTEST_SOUND_S = 0.05


def between_silences(
    tracks: Mapping[str, np.ndarray],
    start_s: float,
    end_s: float,
    below_db: float,
    min_silence_s: float,
) -> list[tuple[float, float]]:
    """The stretches [start, end) of sound within the span [start_s, end_s), in seconds of the
    recording, in order.

    Silent is a frame of 20 ms that lies ``below_db`` or more under the loud ones (95th percentile)
    of the whole recording, or under -60 dBFS, a constant offset aside. Silences shorter than
    ``min_silence_s`` do not part anything, and sounds shorter than 50 ms (clicks) are none.
    """
    power, hop = tracks["moving"], float(tracks["hop"][0])
    loud = float(np.quantile(power, _LOUD_QUANTILE)) if len(power) else 0.0
    limit = max(loud * 10 ** (-below_db / 10), 10 ** (_FLOOR_DB / 10))
    begins, ends = _runs(power >= limit)
    starts, stops = begins * hop, ends * hop
    is_sound = stops - starts >= _SHORTEST_SOUND_S - hop / 2
    starts, stops = starts[is_sound], stops[is_sound]
    if not len(starts):
        return []
    parted = starts[1:] - stops[:-1] >= min_silence_s - hop / 2
    firsts, lasts = np.append(True, parted), np.append(parted, True)
    return [
        (max(float(start), start_s), min(float(stop), end_s))
        for start, stop in zip(starts[firsts], stops[lasts], strict=True)
        if stop > start_s and start < end_s
    ]


def _runs(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of True begin, and where they end."""
    edges = np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
