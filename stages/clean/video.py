"""Video: decodable to the end, as long as its container claims, not black, not frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ._judging import JudgesParts, Rule


@dataclass(frozen=True, kw_only=True)
class Video(JudgesParts):
    """Rejects records whose video breaks a rule, or takes only the video away.

    min_seconds, max_seconds: decoded length, or that of the span where it is cut.
    max_damaged: share of frames that are damaged; decoders mend them silently, mostly with grey or
        with what was there before.
    min_claim: decoded length over the container's claim; a cut file has less than it says.
    max_black, max_frozen: share of black frames, and of frames equal to the one before, of the
        span.
    min_side: pixels of the shorter side.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.
    """

    modality: ClassVar[str] = "video"

    min_seconds: float = 0.0
    max_seconds: float = 1e9
    max_damaged: float = 0.0
    min_claim: float = 0.9
    max_black: float = 1.0
    max_frozen: float = 1.0
    min_side: int = 1
    on_fault: Literal["reject", "drop_part"] = "reject"

    def rules(self) -> list[Rule]:
        return [
            Rule("video_too_small", "min_side", "short_side", low=self.min_side),
            Rule("video_too_short", "min_seconds", "duration_s", low=self.min_seconds),
            Rule("video_too_long", "max_seconds", "duration_s", high=self.max_seconds),
            Rule("video_damaged", "max_damaged", "damaged", high=self.max_damaged),
            Rule("video_shorter_than_claimed", "min_claim", "claim", low=self.min_claim),
            Rule("video_black", "max_black", "black", high=self.max_black),
            Rule("video_frozen", "max_frozen", "frozen", high=self.max_frozen),
        ]
