"""Speech in a recording: how much of it there is in a span, and from when to when, by the track
``speech`` (see :mod:`modalmill.stages.media.speech`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...media.speech import HOP_S
from .measure import weights_of_frames

TRACK = "speech"
_LIKELY = 0.5
_CLOSE = 1e-6  # frames
_NEG_BELOW, _LEAST_NEG = 0.15, 0.01


def speech_signals(
    tracks: Mapping[str, np.ndarray],
    duration_s: float,
    start_s: float | None = None,
    end_s: float | None = None,
) -> dict[str, float]:
    """Signals of the span [start_s, end_s) of a sound from its track; none of an empty span, or
    without the track.

    ``speech_share``: share of the span in which speech is likelier than 0.5. ``speech_s``: the same
    in seconds.
    """
    if TRACK not in tracks:
        return {}
    likely = tracks[TRACK] > _LIKELY
    weight = weights_of_frames(len(likely), HOP_S, duration_s, start_s, end_s)
    total, spoken = float(weight.sum()), float(weight[likely].sum())
    return {"speech_share": spoken / total, "speech_s": spoken} if total > 0 else {}


def stretches_of_speech(
    tracks: Mapping[str, np.ndarray],
    start_s: float,
    end_s: float,
    threshold: float,
    neg_threshold: float | None,
    min_silence_s: float,
) -> list[tuple[float, float]]:
    """The stretches [start, end) of speech within the span [start_s, end_s), in seconds of the
    recording, in order.

    As ``get_speech_timestamps`` of Silero VAD 6 has it: one begins with a frame that is as likely
    as ``threshold``, and ends with the first below ``neg_threshold`` (``threshold`` - 0.15 where it
    is None) from which on none reaches ``threshold`` until ``min_silence_s`` have gone by. A pause
    that the span ends in may be of any length, where the original counts a short one as speech.
    """
    if neg_threshold is None:
        neg_threshold = max(threshold - _NEG_BELOW, _LEAST_NEG)
    first, last = _frames_of(start_s, end_s, len(tracks[TRACK]))
    found: list[tuple[int, int]] = []
    begin = end = -1
    for place, likely in enumerate(tracks[TRACK][first:last].tolist(), first):
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
    of the recording: in the middle of the frame in which speech is least likely of those that leave
    no piece shorter than ``max_s`` / 2 (the min-cut of WhisperX, Bain et al. 2023).
    """
    cuts: list[float] = []
    begin = start_s
    while end_s - begin > max_s + _CLOSE:
        low, high = begin + max_s / 2, min(begin + max_s, end_s - max_s / 2)
        first, last = math.ceil(low / HOP_S - 0.5), math.floor(high / HOP_S - 0.5) + 1
        likely = tracks[TRACK][first:last]
        begin = high
        if len(likely):
            # the last of them, so that there are few pieces
            begin = (last - 1 - int(np.argmin(likely[::-1])) + 0.5) * HOP_S
        cuts.append(begin)
    return cuts


def _frames_of(start_s: float, end_s: float, count: int) -> tuple[int, int]:
    """The frames that a span has a part in: the first, and the one after the last."""
    first = max(0, math.floor(start_s / HOP_S + _CLOSE))
    return first, min(count, math.ceil(end_s / HOP_S - _CLOSE))
