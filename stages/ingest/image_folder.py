"""A folder of image files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ._folder import Folder


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Folder):
    """Image files, in a folder and its folders."""

    modality: ClassVar[str] = "image"
