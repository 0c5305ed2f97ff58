"""A folder of sound files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..modality import suffixes
from ._folder import Folder

_CONTAINERS = (".mp4", ".webm", ".mkv", ".mov", ".3gp", ".3g2", ".asf", ".ts")


@dataclass(frozen=True, kw_only=True)
class AudioFolder(Folder):
    """Sound files, in a folder and its folders; also those in the containers of films that hold no
    pictures.
    """

    modality: ClassVar[str] = "audio"

    def suffixes(self) -> tuple[str, ...]:
        return suffixes(["audio"]) + _CONTAINERS

    def takes(self, root: Path, uri: str) -> bool:
        if not uri.lower().endswith(_CONTAINERS):
            return True
        from ..media.container import has_film

        return not has_film(root / uri)
