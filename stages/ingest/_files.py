"""Listing a folder below the data root, in name order, without leaving the root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ...schemas.errors import InputError
from ...schemas.record import Modality, Part
from ..media.files import SUFFIXES, bytes_of


def join(base: str, path: str) -> str:
    """``path`` below ``base``, both with ``/``; an empty base or path adds nothing."""
    return str(PurePosixPath(base) / path) if base or path else ""


def list_files(root: Path, folder: str, suffixes: tuple[str, ...] | None = None) -> Iterator[str]:
    """Paths below the root of all files in a folder and its folders, by name; hidden ones and links to folders are left out."""
    top = root / folder
    if not top.is_dir():
        raise InputError(f"{top}: wanted a folder with media, found {'a file' if top.exists() else 'nothing'}; check 'data' and 'path' in the recipe")
    yield from _walk(top, folder, suffixes)


def _walk(top: Path, prefix: str, suffixes: tuple[str, ...] | None) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(top), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{top}: the folder cannot be listed: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")  # not UTF-8: no file has this name, and it becomes a reject
        path = f"{prefix}/{name}" if prefix else name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), path, suffixes)
        elif suffixes is None or entry.name.lower().endswith(suffixes):
            yield path


def modality_of(path: str) -> Modality | None:
    """The modality that a file's ending promises."""
    lower = path.lower()
    return next((modality for modality, endings in SUFFIXES.items() if lower.endswith(endings)), None)


def media_part(root: Path, uri: str, modality: Modality) -> Part:
    """A part that refers to a file, with its size on disk; DamageError where the file cannot be used. An empty one is left to cleaning."""
    return Part(modality, uri=uri, bytes=bytes_of(root, uri))
