"""Listing a folder below the data root, in name order, without leaving the root and without passing
anything over in silence.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ...schemas.errors import InputError
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Part, Record, make_key
from ..base import Noted
from ..media.files import bytes_of


def join(base: str, path: str) -> str:
    """``path`` below ``base``, both with ``/``; an empty base or path adds nothing."""
    return str(PurePosixPath(base) / path) if base or path else ""


class Listing:
    """All files in a folder and its folders, by name; iterate over it, and then ask what was passed
    over.

    Links to folders are followed where they stay below the root and lead to no folder around them.
    Hidden files are left out.
    """

    def __init__(self, root: Path, folder: str, suffixes: tuple[str, ...]) -> None:
        self._root, self._folder, self._suffixes = root, folder, suffixes
        self._passed_over: Counter[str] = Counter()
        self._links: list[tuple[str, str, str]] = []

    def __iter__(self) -> Iterator[str]:
        top = self._root / self._folder
        if not top.is_dir():
            what = "a file" if top.exists() else "nothing"
            raise InputError(
                f"{top}: wanted a folder with media, found {what}; check 'data' and 'path' in"
                " the recipe"
            )
        base = os.path.realpath(self._root)
        yield from self._walk(top, self._folder, base, (os.path.realpath(top),))

    def _walk(self, top: Path, prefix: str, base: str, above: tuple[str, ...]) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(top), key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(f"{top}: the folder cannot be listed: {error.strerror}") from None
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # not UTF-8: no file has this name, and it becomes a reject
            name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
            path = f"{prefix}/{name}" if prefix else name
            if _is_folder(entry):
                real = os.path.realpath(entry.path)
                if entry.is_symlink() and any(_lies_in(folder, real) for folder in above):
                    self._links.append(
                        (
                            path,
                            "link_in_a_circle",
                            "the folder is a link to a folder that it lies in",
                        )
                    )
                elif entry.is_symlink() and not _lies_in(real, base):
                    self._links.append(
                        (
                            path,
                            "path_outside_root",
                            "the folder is a link that leads out of the data root",
                        )
                    )
                else:
                    yield from self._walk(Path(entry.path), path, base, (*above, real))
            elif entry.name.lower().endswith(self._suffixes):
                yield path
            else:
                self._passed_over[PurePosixPath(name).suffix.lower() or "no ending"] += 1

    def rejects(self, source: str, tally: Counter[str]) -> Iterator[Row | Noted]:
        """Links that were not followed as rejects, and files of other endings as something to tell;
        once it was listed.
        """
        for path, rule, message in self._links:
            tally["links"] += 1
            key = make_key(source, path)
            yield Row(Record(key, key, Origin(source, path)), Fault(rule, message=message))
        for ending, count in sorted(self._passed_over.items()):
            yield Noted(
                f"passed over in {self._folder or 'the data root'}: files of {ending}", count
            )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; it is listed, and whoever opens it is told
        return False


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


class Loose:
    """Finds files whose names are written in another form: ``\\`` for ``/``, other Unicode forms of
    a letter (NFC, NFD), other capitals.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, dict[str, list[str]]] = {}

    def find(self, uri: str) -> str | None:
        """The one file below the root that ``uri`` means if form does not count; None where there
        is none, or more than one.
        """
        actual = ""
        for word in uri.replace("\\", "/").split("/"):
            names = self._listed(actual).get(_folded(word), [])
            if word not in names and len(names) != 1:
                return None
            actual = join(actual, word if word in names else names[0])
        return actual if actual != uri else None

    def _listed(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._names:
            here: dict[str, list[str]] = {}
            try:
                for name in sorted(os.listdir(self._root / folder)):
                    here.setdefault(_folded(name), []).append(name)
            except (OSError, ValueError):
                here = {}
            self._names[folder] = here
        return self._names[folder]


def _folded(name: str) -> str:
    # some systems write accents apart from their letters, others do not tell capitals apart
    return unicodedata.normalize("NFC", name).casefold()


def media_part(root: Path, uri: str, modality: str) -> Part:
    """A part that refers to a file, with its size on disk; DamageError where the file cannot be
    used. An empty one is left to cleaning.
    """
    return Part(modality, uri=uri, bytes=bytes_of(root, uri))
