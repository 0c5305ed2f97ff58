"""Finding and reading files below the data root, and nowhere else."""

from __future__ import annotations

import functools
import os
import stat
from pathlib import Path

from ...schemas.errors import DamageError
from ...schemas.fingerprint import hash_file

LARGEST_FILE_BYTES = 16 << 30
LARGEST_READ_BYTES = 2 << 30


def locate(root: Path, uri: str) -> Path:
    """The file that ``uri`` means below ``root``; DamageError for what leaves the root, is not
    there, or is empty.

    ``..``, absolute paths and links that lead out are refused: raw corpora come from strangers.
    """
    if bytes_of(root, uri) == 0:
        raise DamageError("file_empty", f"{uri} has zero bytes")
    return root / uri


def bytes_of(root: Path, uri: str) -> int:
    """Size of the file that ``uri`` means; DamageError as for :func:`locate`, but for an empty
    file, whose size is 0.
    """
    if not uri or "\x00" in uri or uri.startswith("/") or ".." in uri.split("/"):
        raise DamageError(
            "path_outside_root",
            f"{uri!r} is absolute or has '..'; media must lie below the data root",
        )
    path = os.path.join(root, uri)
    base, folder = _real_folder(str(root)), _real_folder(os.path.dirname(path))
    real = os.path.join(folder, os.path.basename(path))
    try:
        state = os.lstat(real)
        if stat.S_ISLNK(state.st_mode):
            real = os.path.realpath(real, strict=True)
            state = os.stat(real)
    except FileNotFoundError:
        raise DamageError("file_missing", f"{uri} is not there") from None
    except OSError as error:
        raise DamageError("file_unreadable", f"{uri}: {error.strerror or error}") from None
    if not real.startswith(base.rstrip(os.sep) + os.sep):
        raise DamageError("path_outside_root", f"{uri} is a link that leads out of the data root")
    if not stat.S_ISREG(state.st_mode):
        raise DamageError("not_a_file", f"{uri} is not a plain file")
    size = state.st_size
    if size > LARGEST_FILE_BYTES:
        raise DamageError(
            "file_too_large", f"{uri} has {size:,} bytes; at most {LARGEST_FILE_BYTES:,} are read"
        )
    return size


@functools.lru_cache(maxsize=4096)
def _real_folder(path: str) -> str:
    """Where a folder really lies; remembered, since many files lie in few folders."""
    return os.path.realpath(path)


def content_hash(path: Path) -> str:
    """What says that two files hold the same, of their first two gigabytes."""
    return hash_file(path, 0, min(path.stat().st_size, LARGEST_READ_BYTES))


def read_file(root: Path, uri: str) -> bytes:
    """The bytes of the file that ``uri`` means below ``root``."""
    path = locate(root, uri)
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_READ_BYTES:
                raise DamageError(
                    "file_too_large",
                    f"{uri} has {size:,} bytes; at most {LARGEST_READ_BYTES:,} are read at once",
                )
            data = file.read(size)
    except OSError as error:
        raise DamageError("file_unreadable", f"{uri}: {error.strerror or error}") from None
    return data
