"""Where tars lie: on this machine, read by ``pread``, or behind a url, read by range through a
local cache.

A :class:`Storage` finds files by name; a :class:`File` gives stretches of one. Both can be sent to
another process, which opens for itself.
"""

from __future__ import annotations

import glob
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ....schemas.errors import InputError, IntegrityError
from ....schemas.fingerprint import fingerprint

_MOST_OPEN = 256


class File(Protocol):
    """A file whose stretches can be read in any order, by several threads at once."""

    name: str
    size: int

    def read(self, offset: int, size: int) -> bytes:
        """The bytes ``[offset, offset + size)``; fewer where the file ends before."""

    def version(self) -> str:
        """Changes when the content does: size and time, or the server's tag."""

    def want(self, offset: int, size: int) -> None:
        """These bytes will be read soon."""


class Storage(Protocol):
    """A place with files."""

    def is_folder(self, path: str) -> bool:
        """Whether this is a folder."""

    def find(self, pattern: str) -> list[str]:
        """The files (no folders) that a pattern with ``*``, ``?`` and ``[...]`` names, in order."""

    def exists(self, path: str) -> bool:
        """Whether this is a file."""

    def local(self, path: str) -> Path:
        """A file on this machine with the content of ``path``."""

    def index_places(self, path: str) -> list[Path]:
        """Where the index of a tar without one may be kept, the best first."""

    def open(self, path: str) -> File:
        """The file, to read stretches of."""


def cache_folder() -> Path:
    """Where things of other places are kept: ``MODALMILL_CACHE``, or ``~/.cache/modalmill``."""
    return Path(os.environ.get("MODALMILL_CACHE") or Path.home() / ".cache" / "modalmill")


def index_place(cache: Path, path: str) -> Path:
    """The index of a tar in a cache folder."""
    return cache / "indexes" / f"{fingerprint(path)}.arrow"


class _Descriptor:
    """An open file; closed when nobody reads it any more."""

    def __init__(self, number: int) -> None:
        self.number = number

    # held here: modules may be gone at exit
    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.number)


_open: deque[weakref.ref[LocalFile]] = deque()
_open_lock = threading.Lock()


def _after_fork() -> None:
    """Another thread of the parent may have held the lock; nobody here would ever give it back."""
    global _open_lock  # noqa: PLW0603 - a lock cannot be renewed in place
    _open_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class LocalFile:
    """A file on this machine. At most 256 are open at a time: whoever was opened first is closed
    first, once nobody reads it.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        state = os.stat(path)
        self.size, self._changed_ns = state.st_size, state.st_mtime_ns
        self._descriptor: _Descriptor | None = None

    def read(self, offset: int, size: int) -> bytes:
        # in a local: another thread may take it from the file at any moment
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._opened()
        return os.pread(descriptor.number, size, offset)

    def version(self) -> str:
        return f"{self.size}-{self._changed_ns}"

    def want(self, offset: int, size: int) -> None:
        pass

    def _opened(self) -> _Descriptor:
        with _open_lock:
            if self._descriptor is not None:
                return self._descriptor
            while len(_open) >= _MOST_OPEN:
                oldest = _open.popleft()()
                if oldest is not None:
                    # not closed here: a thread that is reading still holds it
                    oldest._descriptor = None
            try:
                descriptor = _Descriptor(
                    os.open(self.name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                )
            except OSError as error:
                raise InputError(f"{self.name}: cannot be opened: {error.strerror}") from error
            # offsets of the index are those of the file as it was
            state = os.fstat(descriptor.number)
            if (state.st_size, state.st_mtime_ns) != (self.size, self._changed_ns):
                raise IntegrityError(
                    f"{self.name}: has changed since it was indexed; open the stream anew"
                )
            self._descriptor = descriptor
            _open.append(weakref.ref(self))
            return descriptor

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_descriptor": None}


class LocalStorage:
    """Paths of this machine."""

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def find(self, pattern: str) -> list[str]:
        return sorted(path for path in glob.glob(pattern) if os.path.isfile(path))

    def exists(self, path: str) -> bool:
        return os.path.isfile(path)

    def local(self, path: str) -> Path:
        return Path(path)

    def index_places(self, path: str) -> list[Path]:
        return [Path(f"{path}.arrow"), index_place(cache_folder(), os.path.abspath(path))]

    def open(self, path: str) -> File:
        return LocalFile(path)
