"""A folder of text files: captions, transcripts, reviews."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...schemas.errors import DamageError
from ...schemas.record import Part
from ..media.files import locate
from ._encoding import BROKEN, decode_text
from ._folder import Folder

_SUFFIXES = (".txt", ".caption", ".md")
_LARGEST_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class TextFolder(Folder):
    """Text files (.txt, .caption, .md) of any encoding, in a folder and its folders; an empty one
    is a record without this part.
    """

    modality: ClassVar[str] = "text"

    def suffixes(self) -> tuple[str, ...]:
        return _SUFFIXES

    def part_of(self, root: Path, uri: str, told: Counter[str]) -> Part | None:
        try:
            path = locate(root, uri)
        except DamageError as error:
            if error.rule == "file_empty":
                return None
            raise
        try:
            size = path.stat().st_size
            if size > _LARGEST_BYTES:
                raise DamageError(
                    "text_too_large",
                    f"{uri} has {size:,} bytes; at most {_LARGEST_BYTES:,} are read",
                )
            data = path.read_bytes()
        except OSError as error:
            raise DamageError("file_unreadable", f"{uri}: {error.strerror}") from None
        text = decode_text(data, told).removeprefix("\ufeff")
        if BROKEN in text:
            raise DamageError("invalid_utf8", f"{uri}: some of its bytes are no text")
        return Part("text", text=text) if text.strip() else None
