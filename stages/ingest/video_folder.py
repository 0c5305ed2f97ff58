"""A folder of video files, the sound inside them as a part of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...schemas.record import Part
from ._folder import Folder


@dataclass(frozen=True, kw_only=True)
class VideoFolder(Folder):
    """Video files (mp4, mkv, webm, mov, avi, mpg) in a folder and its folders.

    sound: name of the audio part made of the sound inside each video; empty for none. A video
        without sound gets no such part.
    """

    modality: ClassVar[str] = "video"

    sound: str = "audio"

    def more_parts(self, uri: str, size: int) -> dict[str, Part]:
        return {self.sound: Part("audio", uri=uri, bytes=size)} if self.sound else {}
