"""Sound: decodable to the end, long enough, not clipped, not silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ._judging import JudgesParts, Rule


@dataclass(frozen=True, kw_only=True)
class Audio(JudgesParts):
    """Rejects records whose sound breaks a rule, or takes only the sound away.

    min_seconds, max_seconds: length of the sound, or of its span where it is cut.
    max_clipping: share of samples at full scale, or in flat tops where the gain was turned down
        afterwards, of the worst channel.
    max_silence: share of 20 ms frames below -60 dBFS, whatever constant offset there is.
    max_quiet: share of frames 40 dB or more below the loud ones of the recording.

    All are of the part's span where it is cut.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.
    """

    modality: ClassVar[str] = "audio"

    min_seconds: float = 0.0
    max_seconds: float = 1e9
    max_clipping: float = 1.0
    max_silence: float = 1.0
    max_quiet: float = 1.0
    on_fault: Literal["reject", "drop_part"] = "reject"

    def rules(self) -> list[Rule]:
        return [
            Rule("audio_too_short", "min_seconds", "duration_s", low=self.min_seconds),
            Rule("audio_too_long", "max_seconds", "duration_s", high=self.max_seconds),
            Rule("audio_clipped", "max_clipping", "clipping", high=self.max_clipping),
            Rule("audio_silent", "max_silence", "silence", high=self.max_silence),
            Rule("audio_quiet", "max_quiet", "quiet", high=self.max_quiet),
        ]
