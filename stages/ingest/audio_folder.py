"""A folder of audio files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...schemas.record import Modality
from ._folder import Folder


@dataclass(frozen=True, kw_only=True)
class AudioFolder(Folder):
    __doc__ = Folder.__doc__

    modality: ClassVar[Modality] = "audio"
