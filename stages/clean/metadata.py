"""Pictures without what their files say beside the picture: camera, date, place, thumbnails,
comments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...schemas.record import Record, Step
from ..base import RecordStage
from ..media.steps import BARE_STEP

_DONE = "pictures are written without what their files say beside them (EXIF, XMP, comments)"


@dataclass(frozen=True, kw_only=True)
class Metadata(RecordStage):
    """Writes pictures into shards without EXIF, XMP, IPTC, comments and hidden thumbnails, GPS
    among them.

    JPEG, PNG and WebP are not encoded anew for it: what is decoded is the same. Colour profiles and
    what says which way up a picture is stay. Others are written as JPEG, with or without this
    stage, which has nothing of it. The signals ``exif`` and ``gps`` tell of the files as they lie
    on disk.
    """

    def apply(self, record: Record) -> Record:
        parts = {
            name: replace(part, steps=(*part.steps, Step(BARE_STEP)))
            for name, part in record.parts_of("image").items()
            if all(step.op != BARE_STEP for step in part.steps)
        }
        return replace(record, parts={**record.parts, **parts}) if parts else record

    def outcome(self, result: Record, before: Record) -> str:
        return _DONE if result.parts_of("image") else ""
