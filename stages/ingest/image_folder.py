"""A folder of image files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...schemas.record import Modality
from ._folder import Folder


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Folder):
    """Image files, in a folder and its folders."""

    modality: ClassVar[Modality] = "image"
