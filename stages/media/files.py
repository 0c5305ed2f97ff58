"""Finding and reading files below the data root, and nowhere else; and media that lie inside of
such files (:mod:`.inside`).
"""

from __future__ import annotations

import functools
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ...schemas.disk import stamp_of
from ...schemas.errors import DamageError
from ...schemas.fingerprint import hash_file
from .inside import Inside, inside

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
    """Size of the file that ``uri`` means, or of what lies inside of one; DamageError as for
    :func:`locate`, but for an empty file, whose size is 0.
    """
    try:
        size = _file_bytes(root, uri)
    except NotADirectoryError:
        held = _held(root, uri)
        size = held.length(root / held.file)
    if size > LARGEST_FILE_BYTES:
        raise DamageError(
            "file_too_large", f"{uri} has {size:,} bytes; at most {LARGEST_FILE_BYTES:,} are read"
        )
    return size


def _held(root: Path, uri: str) -> Inside:
    """What lies inside of a file at this place; DamageError where the file cannot be used."""
    held = inside(uri)
    try:
        if held is not None and _file_bytes(root, held.file):
            return held
    except NotADirectoryError:
        pass
    raise DamageError("file_missing", f"{uri} is not there")


def _file_bytes(root: Path, uri: str) -> int:
    """Size of the file that ``uri`` means; NotADirectoryError where another lies in its way."""
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
    except NotADirectoryError:
        raise
    except OSError as error:
        raise DamageError("file_unreadable", f"{uri}: {error.strerror or error}") from None
    if not real.startswith(base.rstrip(os.sep) + os.sep):
        raise DamageError("path_outside_root", f"{uri} is a link that leads out of the data root")
    if not stat.S_ISREG(state.st_mode):
        raise DamageError("not_a_file", f"{uri} is not a plain file")
    return state.st_size


@functools.lru_cache(maxsize=4096)
def _real_folder(path: str) -> str:
    """Where a folder really lies; remembered, since many files lie in few folders."""
    return os.path.realpath(path)


def content_hash(path: Path) -> str:
    """What says that two files hold the same, of their first two gigabytes."""
    return hash_file(path, 0, min(path.stat().st_size, LARGEST_READ_BYTES))


def read_file(root: Path, uri: str) -> bytes:
    """The bytes of the file that ``uri`` means below ``root``, or of what lies inside of one."""
    size = bytes_of(root, uri)
    if size == 0:
        raise DamageError("file_empty", f"{uri} has zero bytes")
    if size > LARGEST_READ_BYTES:
        raise DamageError(
            "file_too_large",
            f"{uri} has {size:,} bytes; at most {LARGEST_READ_BYTES:,} are read at once",
        )
    try:
        return _read(root, uri)
    except OSError as error:
        raise DamageError("file_unreadable", f"{uri}: {error.strerror or error}") from None


def _read(root: Path, uri: str) -> bytes:
    try:
        with open(root / uri, "rb", buffering=0) as file:
            return file.read(os.fstat(file.fileno()).st_size)
    except NotADirectoryError:
        held = _held(root, uri)
        return held.read(root / held.file)


@contextmanager
def placed(root: Path, uri: str) -> Iterator[Path]:
    """A file of its own with what ``uri`` means, for decoders that open one: the file itself, or a
    copy of what lies inside of another, which is removed afterwards.
    """
    if inside(uri) is None or os.path.lexists(root / uri):
        yield locate(root, uri)
        return
    data = read_file(root, uri)
    ending = PurePosixPath(uri).suffix
    try:
        file = tempfile.NamedTemporaryFile(prefix="modalmill-", suffix=ending)  # noqa: SIM115
    except OSError:  # an ending that no file can have
        file = tempfile.NamedTemporaryFile(prefix="modalmill-")  # noqa: SIM115
    with file:
        file.write(data)
        file.flush()
        try:
            yield Path(file.name)
        except DamageError as error:
            # the name of a copy is another in each run
            own = PurePosixPath(file.name).name
            message = error.message.replace(file.name, uri)
            raise DamageError(error.rule, message.replace(own, PurePosixPath(uri).name)) from error


def stamp_of_medium(root: Path, uri: str) -> list[int] | None:
    """What says without reading that a medium is as it was: the stamp of its file, or of the file
    that it lies inside of (``schemas.disk.stamp_of``).
    """
    stamp = stamp_of(root / uri)
    held = inside(uri) if stamp is None else None
    return stamp if held is None else stamp_of(root / held.file)
