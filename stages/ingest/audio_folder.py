"""A folder of audio files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...schemas.record import Modality
from ._folder import Folder


@dataclass(frozen=True, kw_only=True)
class AudioFolder(Folder):
    """Sound files (wav, flac, mp3, ogg, ...), in a folder and its folders."""

    modality: ClassVar[Modality] = "audio"
