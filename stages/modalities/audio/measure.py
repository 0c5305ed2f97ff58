"""What is measured of a sound: tracks over time, and signals that are reductions of them, of all or
of any span.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...media import audio
from ...modality import Measured

_FULL_SCALE = 0.999
_FRAME_S = 0.02
_SILENT_DB = -60.0
_QUIET_DB = 40.0  # so far below the loud moments of its own recording
_LOUD_QUANTILE = 0.95
_LEVEL_FLOOR_DB = -120.0
_SHORTEST_TOP = 4  # samples
_SAME_LEVEL = 1.6e-5  # half a step of 16 bits
_STEEP = 2.5e-4  # eight steps


def sound_facts(sound: audio.Sound) -> Measured:
    """What a sound is, without a look at its samples."""
    return {
        "duration_s": sound.duration_s,
        "sample_rate_hz": sound.rate_hz,
        "channels": sound.samples.shape[1],
    }


def measure_sound(sound: audio.Sound) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Signals and tracks of a sound, decoded to its end; see :func:`sound_signals`. Of the file
    alone are

    ``late_s``: seconds of silence before the sound of a film sets in. ``streams``: streams of sound
    in the file.
    """
    tracks = _tracks(sound)
    signals = sound_signals(tracks, sound.duration_s)
    return signals | {"late_s": sound.late_s, "streams": float(sound.streams)}, tracks


def _tracks(sound: audio.Sound) -> dict[str, np.ndarray]:
    """By frames of 20 ms, each ``float32 [F]``: mean power, the same without the frame's own mean,
    and for every channel in which anything is clipped the share of its samples that is. ``hop``:
    seconds from one frame to the next.
    """
    mono = sound.mono()
    hop = max(1, round(_FRAME_S * sound.rate_hz))
    power, mean = _by_frames(np.square(mono), hop), _by_frames(mono, hop)
    tracks = {
        "hop": np.array([hop / sound.rate_hz], np.float32),
        "power": power,
        "moving": (power - np.square(mean)).clip(0.0),
    }
    for channel, samples in enumerate(sound.samples.T):
        clipped = (np.abs(samples) >= _FULL_SCALE) | flat_tops(samples)
        if clipped.any():
            tracks[f"clipped_{channel}"] = _by_frames(clipped.astype(np.float32), hop)
    return tracks


def _by_frames(values: np.ndarray, hop: int) -> np.ndarray:
    """The mean of each frame of ``hop`` values; the last one may be shorter."""
    whole = len(values) // hop * hop
    means = values[:whole].reshape(-1, hop).mean(1)
    return np.append(means, values[whole:].mean()) if whole < len(values) else means


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


def sound_signals(
    tracks: Mapping[str, np.ndarray],
    duration_s: float,
    start_s: float | None = None,
    end_s: float | None = None,
) -> dict[str, float]:
    """Signals of the span [start_s, end_s) of a sound, from its tracks; none of an empty span.

    Level and silence are of the mean of the channels, which is what a model hears: channels of
    opposite sign are silence.

    ``clipping``: share of samples at full scale or in flat tops, of the channel that has most.
    ``silence``: share of 20 ms frames whose RMS level, without the offset, is below -60 dBFS.
    ``quiet``: share of frames 40 dB or more below the loud ones (95th percentile) of the whole
    recording. ``level_db``: RMS level in dBFS, at least -120.
    """
    power, moving, hop = tracks["power"], tracks["moving"], float(tracks["hop"][0])
    weight = weights_of_frames(len(power), hop, duration_s, start_s, end_s)
    total = float(weight.sum())
    if total <= 0:
        return {}

    def mean(values: np.ndarray) -> float:
        return float((weight * values).sum() / total)

    loud = float(np.quantile(moving, _LOUD_QUANTILE))
    return {
        "clipping": max(
            (mean(values) for name, values in tracks.items() if name.startswith("clipped_")),
            default=0.0,
        ),
        "silence": mean(moving < 10 ** (_SILENT_DB / 10)),
        "quiet": mean(moving <= loud * 10 ** (-_QUIET_DB / 10)),
        "level_db": max(_LEVEL_FLOOR_DB, 10 * float(np.log10(max(mean(power), 1e-12)))),
    }


def weights_of_frames(
    count: int, hop_s: float, duration_s: float, start_s: float | None, end_s: float | None
) -> np.ndarray:
    """How many seconds of each frame ``[count]`` lie in the span [start_s, end_s) of a sound."""
    edges = np.minimum(np.arange(count + 1) * hop_s, duration_s)
    begin = max(0.0, start_s or 0.0)
    end = duration_s if end_s is None else min(end_s, duration_s)
    inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
    return np.asarray(inside.clip(0.0))
