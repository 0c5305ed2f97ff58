"""Tars behind a url, by fsspec: ranges are fetched in chunks through a cache on this machine.

    CACHE/files/<url and version>/<name>         a small file, whole
    where <url and version> is the fingerprint of both

Whatever is kept lies under the full url and the version that the server tells (its ETag, or time
and size), so neither files of the same name nor old content can be taken for another.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ....schemas.errors import InputError, MissingPackageError
from ....schemas.fingerprint import fingerprint
from .chunk_cache import CHUNK_BYTES, ChunkCache, cannot_write
from .files import File, index_place

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_TRIES = 4
_FIRST_PAUSE_S = 0.2
_VERSION_TAGS = ("ETag", "etag", "sha256", "md5Hash", "LastModified", "mtime", "updated")
Told = TypeVar("Told")
_log = logging.getLogger("modalmill.stream")


class RemoteStorage:
    """Files behind urls of one kind. ``options`` go to fsspec's file system."""

    def __init__(self, url: str, cache: ChunkCache, options: Mapping[str, object]) -> None:
        self._protocol = url.partition("://")[0]
        self._cache, self._options = cache, dict(options)

    def is_folder(self, path: str) -> bool:
        return bool(self._ask(path, lambda system: system.isdir(path)))

    def exists(self, path: str) -> bool:
        return bool(self._ask(path, lambda system: system.isfile(path)))

    def find(self, pattern: str) -> list[str]:
        listing: Mapping[str, Mapping[str, object]] = self._ask(
            pattern, lambda system: system.glob(pattern, detail=True)
        )
        return sorted(
            self._with_protocol(name)
            for name, info in listing.items()
            if info.get("type") == "file"
        )

    def local(self, path: str) -> Path:
        file = self.open(path)
        place = (
            self._cache.folder
            / "files"
            / fingerprint(path, file.version())
            / path.rpartition("/")[2]
        )
        if not place.is_file() or place.stat().st_size != file.size:
            data = self._ask(path, lambda system: system.cat_file(path))
            aside = place.with_name(f".{place.name}.{os.getpid()}.{threading.get_ident()}.tmp")
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                aside.write_bytes(data)
                os.replace(aside, place)
            except OSError as error:
                raise cannot_write(self._cache.folder, error) from error
        return place

    def index_places(self, path: str) -> list[Path]:
        return [index_place(self._cache.folder, path)]

    def open(self, path: str) -> File:
        info = self._ask(path, lambda system: system.info(path))
        tag = next((str(info[name]) for name in _VERSION_TAGS if info.get(name)), "")
        return RemoteFile(
            path, int(info["size"]), f"{info['size']}-{tag}", self._cache, self._options
        )

    def _ask(self, path: str, question: Callable[[AbstractFileSystem], Told]) -> Told:
        return _retried(path, lambda: question(file_system(path, self._options)))

    def _with_protocol(self, name: str) -> str:
        return name if "://" in name else f"{self._protocol}://{name.lstrip('/')}"


def file_system(url: str, options: Mapping[str, object]) -> AbstractFileSystem:
    """fsspec's file system for a url; MissingPackageError where its package is not installed."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(url, **options)[0]
    except ImportError as error:
        raise MissingPackageError(
            str(getattr(error, "name", None) or error), "remote", url.partition("://")[0] + "://"
        ) from error
    except ValueError as error:
        raise InputError(f"{url}: {error}") from error


def _retried(path: str, action: Callable[[], Told]) -> Told:
    """The result, tried again where the connection fails; what is not there or not allowed is told
    at once.
    """
    pause = _FIRST_PAUSE_S
    for left in reversed(range(_TRIES)):
        try:
            return action()
        except FileNotFoundError as error:
            raise InputError(f"{path}: is not there") from error
        except PermissionError as error:
            raise InputError(f"{path}: may not be read: {error}") from error
        except (InputError, MissingPackageError):
            raise
        except Exception as error:  # each file system has its own errors
            if not left:
                raise InputError(
                    f"{path}: cannot be read after {_TRIES} tries: {type(error).__name__}:"
                    f" {str(error)[:300]}"
                ) from error
            _log.warning("%s: %s: %s; trying again", path, type(error).__name__, str(error)[:200])
            time.sleep(pause)
            pause *= 3
    raise AssertionError("the last try returns or raises")


class RemoteFile:
    """A file behind a url; stretches of it come from the cache."""

    def __init__(
        self, name: str, size: int, version: str, cache: ChunkCache, options: Mapping[str, object]
    ) -> None:
        self.name, self.size = name, size
        self._version, self._cache, self._options = version, cache, options
        self.identity = fingerprint(name, version, CHUNK_BYTES)

    def version(self) -> str:
        return self._version

    def read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        if end <= offset:
            return b""
        pieces = [
            self._cache.read(
                self,
                number,
                max(offset - number * CHUNK_BYTES, 0),
                min(end - number * CHUNK_BYTES, CHUNK_BYTES),
            )
            for number in range(offset // CHUNK_BYTES, (end - 1) // CHUNK_BYTES + 1)
        ]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def want(self, offset: int, size: int) -> None:
        for number in range(offset // CHUNK_BYTES, (offset + max(size, 1) - 1) // CHUNK_BYTES + 1):
            self._cache.want(self, number)

    def fetch(self, number: int) -> bytes:
        """A chunk from the server."""
        begin = number * CHUNK_BYTES
        end = min(begin + CHUNK_BYTES, self.size)

        def get() -> bytes:
            data: bytes = file_system(self.name, self._options).cat_file(
                self.name, start=begin, end=end
            )
            # raised inside, so that it is tried again like a lost connection
            if len(data) != end - begin:
                raise OSError(f"bytes {begin:,} to {end:,} were asked for, {len(data):,} came")
            return data

        return _retried(self.name, get)
