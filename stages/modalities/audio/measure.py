"""What is measured of a sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...media import audio

_CLIPPED = 0.999
_FRAME_S = 0.02
_SILENT_DB = -60.0


def measure_sound(path: Path) -> tuple[dict[str, int | float], dict[str, float]]:
    """Facts (``duration_s``, ``sample_rate_hz``, ``channels``) and signals of a sound, decoded to
    its end.

    Level and silence are of the mean of the channels, which is what a model hears: channels of
    opposite sign are silence.
    ``clipping``: share of samples of any channel at or above 0.999 of full scale. ``silence``:
    share of 20 ms frames whose RMS level is below -60 dBFS. ``level_db``: RMS level of the whole in
    dBFS, at least -120. ``late_s``: seconds of silence before the sound of a film sets in.
    ``streams``: streams of sound in the file.
    """
    sound = audio.decode(path)
    samples = sound.samples
    hop = max(1, round(_FRAME_S * sound.rate_hz))
    power = np.square(sound.mono(), dtype=np.float32)
    frames = np.add.reduceat(power, np.arange(0, len(power), hop)) / np.diff(
        np.append(np.arange(0, len(power), hop), len(power))
    )
    signals = {
        "clipping": float((np.abs(samples) >= _CLIPPED).mean()),
        "silence": float((frames < 10 ** (_SILENT_DB / 10)).mean()),
        "level_db": float(
            max(-120.0, 10 * np.log10(max(float(power.mean(dtype=np.float64)), 1e-12)))
        ),
        "late_s": sound.late_s,
        "streams": float(sound.streams),
    }
    return {
        "duration_s": sound.duration_s,
        "sample_rate_hz": sound.rate_hz,
        "channels": samples.shape[1],
    }, signals
