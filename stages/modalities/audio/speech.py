"""Speech in a recording: from when to when, by the track ``speech`` (see
:mod:`modalmill.stages.media.speech`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...media.speech import HOP_S

_TRACK = "speech"
_CLOSE = 1e-6  # frames


def stretches_of_speech(
    tracks: Mapping[str, np.ndarray],
    start_s: float,
    end_s: float,
    threshold: float,
    neg_threshold: float,
    min_silence_s: float,
) -> list[tuple[float, float]]:
    """The stretches [start, end) of speech within the span [start_s, end_s), in seconds of the
    recording, in order.

    As ``get_speech_timestamps`` of Silero VAD 6 has it: one begins with a frame that is as likely
    as ``threshold``, and ends with the first below ``neg_threshold`` from which on none reaches
    ``threshold`` until ``min_silence_s`` have gone by. A pause that the span ends in may be of any
    length, where the original counts a short one as speech.
    """
    first, last = _frames_of(start_s, end_s, len(tracks[_TRACK]))
    found: list[tuple[int, int]] = []
    begin = end = -1
    for place, likely in enumerate(tracks[_TRACK][first:last].tolist(), first):
        if likely >= threshold:
            begin, end = place if begin < 0 else begin, -1
        elif likely < neg_threshold and begin >= 0:
            end = place if end < 0 else end
            if place - end >= min_silence_s / HOP_S - _CLOSE:
                found.append((begin, end))
                begin = end = -1
    if begin >= 0:
        found.append((begin, last if end < 0 else end))
    # what lies in the last frame alone may lie before the span
    spans = ((max(one * HOP_S, start_s), min(other * HOP_S, end_s)) for one, other in found)
    return [(one, other) for one, other in spans if other > one]


def least_likely_cuts(
    tracks: Mapping[str, np.ndarray], start_s: float, end_s: float, max_s: float
) -> list[float]:
    """Where a stretch [start_s, end_s) is cut so that no piece is longer than ``max_s``, in seconds
    of the recording; none where it is not, or where frames are too coarse for it.

    Cuts lie in the middle of frames, and pieces are no shorter than ``max_s`` / 2: the min-cut of
    WhisperX (Bain et al. 2023). There each cut is the least likely one after the last; here the
    cuts are chosen together, so that their likelihoods of speech have the smallest sum.
    """
    if end_s - start_s <= max_s + _CLOSE:
        return []
    first, last = _frames_of(start_s, end_s, len(tracks[_TRACK]))
    middles = (np.arange(first, last) + 0.5) * HOP_S
    inside = (middles > start_s) & (middles < end_s)
    times = np.concatenate([[start_s], middles[inside], [end_s]])
    likely = np.concatenate([[0.0], tracks[_TRACK][first:last][inside], [0.0]])
    # where the piece that ends at each time may begin
    lows = np.searchsorted(times, times - max_s - _CLOSE)
    highs = np.searchsorted(times, times - max_s / 2 + _CLOSE, side="right")
    best, before = np.full(len(times), np.inf), np.zeros(len(times), int)
    best[0] = 0.0
    for place in range(1, len(times)):
        low, high = lows[place], highs[place]
        if low < high:
            before[place] = low + int(best[low:high].argmin())
            best[place] = best[before[place]] + likely[place]
    if np.isinf(best[-1]):
        return []
    cuts: list[float] = []
    place = int(before[-1])
    while place:
        cuts.append(float(times[place]))
        place = int(before[place])
    return cuts[::-1]


def _frames_of(start_s: float, end_s: float, count: int) -> tuple[int, int]:
    """The frames that a span has a part in: the first, and the one after the last."""
    first = max(0, math.floor(start_s / HOP_S + _CLOSE))
    return first, min(count, math.ceil(end_s / HOP_S - _CLOSE))
