"""The names of the files below a folder, of a large one enough of them to know it by."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ...schemas.errors import InputError
from ...schemas.layout import RunFolder

_MOST_OF_A_FOLDER = 20_000
_MOST_KEPT = 200_000
_MOST_ENTRIES = 1_000_000
_OF_SYSTEMS = frozenset(("thumbs.db", "desktop.ini", "__macosx", "$recycle.bin"))


@dataclass(frozen=True, slots=True)
class FolderListing:
    """Files below a folder, in order of their paths, with ``/``.

    count: how many were seen, kept or not; at least, where ``is_sample``. hidden: names that begin
    with a dot, or are left behind by systems. runs: folders that runs wrote, which are not looked
    into; of the folder itself (``""``), if it is one, the shards are.
    """

    files: list[str]
    count: int
    hidden: int
    is_sample: bool
    runs: list[str]


def list_files(root: Path) -> FolderListing:
    """The files below a folder: at most 20,000 of each of its folders, and the first million
    entries, folders near the top first. Links to folders are followed inside of it.
    """
    top = os.path.realpath(root)
    seen, queue = {top}, deque([""])
    files: list[str] = []
    runs: list[str] = []
    count = hidden = entries = 0
    is_sample = False
    while queue:
        folder = queue.popleft()
        of_folder = 0
        if _is_of_a_run(RunFolder(Path(top, folder))):
            runs.append(folder)
            if not folder and RunFolder(root).shards.is_dir():
                queue.append(RunFolder(root).shards.name)
            continue
        try:
            scan = os.scandir(os.path.join(top, folder))
        except OSError as error:
            if not folder:
                raise InputError(f"{root}: the folder cannot be listed: {error.strerror}") from None
            continue
        with scan:
            below = []
            for entry in scan:
                entries += 1
                if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
                    hidden += 1
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if _is_folder(entry):
                    real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                    if real not in seen and (real + os.sep).startswith(top + os.sep):
                        seen.add(real)
                        below.append(path)
                    continue
                count += 1
                of_folder += 1
                if of_folder <= _MOST_OF_A_FOLDER and len(files) < _MOST_KEPT:
                    files.append(path)
                else:
                    is_sample = True
                if entries >= _MOST_ENTRIES:
                    is_sample = True
                    break
        if entries >= _MOST_ENTRIES:
            break
        queue.extend(sorted(below))
    return FolderListing(sorted(files), count, hidden, is_sample, runs)


def _is_of_a_run(folder: RunFolder) -> bool:
    """Whether a run wrote it, or began to."""
    return folder.work.lock.exists() or (folder.account.exists() and folder.recipe.exists())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
