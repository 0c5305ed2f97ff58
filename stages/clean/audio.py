"""Sound: decodable to the end, long enough, not clipped, not silent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ...schemas.record import Modality
from ..media import audio
from ._rules import JudgesParts, Rule

MEASURE_VERSION = 2
_CLIPPED = 0.999
_FRAME_S = 0.02
_SILENT_DB = -60.0


def measure(path: Path) -> tuple[dict[str, int | float], dict[str, float]]:
    """Facts (``duration_s``, ``sample_rate_hz``, ``channels``) and signals of a sound, decoded to its end.

    Level and silence are of the mean of the channels, which is what a model hears: channels of opposite sign are silence.
    ``clipping``: share of samples of any channel at or above 0.999 of full scale. ``silence``: share of 20 ms frames whose RMS level is
    below -60 dBFS. ``level_db``: RMS level of the whole in dBFS, at least -120. ``late_s``: seconds of silence before the sound of a film sets in.
    ``streams``: streams of sound in the file.
    """
    sound = audio.decode(path)
    samples = sound.samples
    hop = max(1, round(_FRAME_S * sound.rate_hz))
    power = np.square(sound.mono(), dtype=np.float32)
    frames = np.add.reduceat(power, np.arange(0, len(power), hop)) / np.diff(np.append(np.arange(0, len(power), hop), len(power)))
    signals = {
        "clipping": float((np.abs(samples) >= _CLIPPED).mean()),
        "silence": float((frames < 10 ** (_SILENT_DB / 10)).mean()),
        "level_db": float(max(-120.0, 10 * np.log10(max(float(power.mean(dtype=np.float64)), 1e-12)))),
        "late_s": sound.late_s,
        "streams": float(sound.streams),
    }
    return {"duration_s": sound.duration_s, "sample_rate_hz": sound.rate_hz, "channels": samples.shape[1]}, signals


@dataclass(frozen=True, kw_only=True)
class Audio(JudgesParts):
    """Rejects records whose sound breaks a rule, or takes only the sound away.

    min_seconds, max_seconds: length of the sound, or of its span where it is cut.
    max_clipping: share of samples at full scale.
    max_silence: share of 20 ms frames below -60 dBFS.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.
    """

    modality: ClassVar[Modality] = "audio"
    needs: ClassVar[tuple[Modality, ...]] = ("audio",)

    min_seconds: float = 0.0
    max_seconds: float = 1e9
    max_clipping: float = 1.0
    max_silence: float = 1.0
    on_fault: Literal["reject", "drop_part"] = "reject"

    def rules(self) -> list[Rule]:
        return [
            Rule("audio_too_short", "min_seconds", lambda part, _: span_seconds(part.start_s, part.end_s, part.duration_s), self.min_seconds, None),
            Rule("audio_too_long", "max_seconds", lambda part, _: span_seconds(part.start_s, part.end_s, part.duration_s), None, self.max_seconds),
            Rule("audio_clipped", "max_clipping", lambda _, signal: signal("clipping"), None, self.max_clipping),
            Rule("audio_silent", "max_silence", lambda _, signal: signal("silence"), None, self.max_silence),
        ]


def span_seconds(start_s: float | None, end_s: float | None, duration_s: float | None) -> float:
    """Length of the part of a medium that a span leaves."""
    whole = duration_s or 0.0
    return max(0.0, min(whole, end_s if end_s is not None else whole) - (start_s or 0.0))
