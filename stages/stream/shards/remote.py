"""Tars behind a url, by fsspec: ranges are fetched in chunks through a cache on this machine that
processes share.

    CACHE/chunks/<url and version>/000012        chunk 12 of a file and its XXH3-128
    CACHE/chunks/<url and version>/000012.part   being fetched by the process that holds its lock
    CACHE/files/<url and version>/<name>         a small file, whole
    where <url and version> is the fingerprint of both

A chunk is kept under the full url and the version that the server tells (its ETag, or time and
size), so neither files of the same name nor old content can be taken for another. It takes its name
when it is whole, and its checksum is compared when a process first uses it: a process may be killed
at any moment, and a disk may be full; then chunks are kept in memory instead.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import xxhash

from ....schemas.errors import InputError, MissingPackageError
from ....schemas.fingerprint import fingerprint
from .files import File, index_place

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CHUNK_BYTES = 2 << 20
_TRIES = 4
_FIRST_PAUSE_S = 0.2
_HASH_BYTES = 16
_OPEN_CHUNKS = 128
_KEPT_IN_MEMORY = 64
_CONNECTIONS = 16
_CANNOT_WRITE = "cannot be written ({}); give another folder, or set MODALMILL_CACHE"
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
                raise InputError(
                    f"cache {self._cache.folder}: {_CANNOT_WRITE.format(error.strerror)}"
                ) from error
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


class ChunkCache:
    """Chunks of remote files in a folder of at most about ``most_bytes``; those used longest ago go
    first.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self._most_bytes = folder, most_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cache {folder}: {_CANNOT_WRITE.format(error.strerror)}") from error
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, int], _Chunk] = OrderedDict()
        self._memory: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._coming: dict[tuple[str, int], Future[None]] = {}
        self._fetchers: ThreadPoolExecutor | None = None
        self._since_scan = self._most_bytes
        self._told_full = False

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_most_bytes": self._most_bytes}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._reset()

    def close(self) -> None:
        """End the fetching threads and close the chunks."""
        with self._lock:
            fetchers, self._fetchers = self._fetchers, None
            self._open.clear()
        if fetchers is not None:
            fetchers.shutdown(wait=True, cancel_futures=True)
        self._coming.clear()

    def read(self, file: RemoteFile, number: int, begin: int, end: int) -> bytes:
        """The bytes [begin, end) of a chunk, fetched if it is not here."""
        # after a fork the lock may be held for ever, and the threads are gone
        if os.getpid() != self._process:
            self._reset()
        key = (file.identity, number)
        # before looking for the chunk: a fetch that ends in between is then seen by one of the two
        with self._lock:
            coming = self._coming.get(key)
        data = self._held(key, begin, end)
        if data is None:
            if coming is not None and not coming.cancelled():
                coming.result()
            else:
                self._bring(file, number)
            data = self._held(key, begin, end)
        # None again: so many others came that it has been let go already
        return file.fetch(number)[begin:end] if data is None else data

    def want(self, file: RemoteFile, number: int) -> None:
        """Fetch a chunk in the background unless it is here or coming."""
        if os.getpid() != self._process:
            self._reset()
        key = (file.identity, number)
        with self._lock:
            if key in self._open or key in self._memory or key in self._coming:
                return
            if self._fetchers is None:
                self._fetchers = ThreadPoolExecutor(
                    _CONNECTIONS, thread_name_prefix="modalmill-fetch"
                )
            self._coming[key] = self._fetchers.submit(self._bring, file, number)

    def _held(self, key: tuple[str, int], begin: int, end: int) -> bytes | None:
        with self._lock:
            chunk, kept = self._open.get(key), self._memory.get(key)
            if chunk is not None:
                self._open.move_to_end(key)
        if chunk is not None:
            return chunk.read(begin, end)
        return None if kept is None else kept[begin:end]

    def _bring(self, file: RemoteFile, number: int) -> None:
        """Open a chunk that is on disk and whole, or fetch it."""
        key = (file.identity, number)
        path = self.folder / "chunks" / file.identity / f"{number:06d}"
        try:
            chunk, data = _open_chunk(path), b""
            if chunk is None:
                chunk, data = self._fetch(file, number, path)
            with self._lock:
                if chunk is not None:
                    self._open[key] = chunk
                    while len(self._open) > _OPEN_CHUNKS:
                        self._open.popitem(last=False)
                else:
                    self._memory[key] = data
                    while len(self._memory) > _KEPT_IN_MEMORY:
                        self._memory.popitem(last=False)
        finally:
            # after a failure too: who asks next shall try again, not meet the old error
            with self._lock:
                self._coming.pop(key, None)

    def _fetch(self, file: RemoteFile, number: int, path: Path) -> tuple[_Chunk | None, bytes]:
        """Fetch a chunk and keep it; only the process that holds the lock on ``.part`` does, the
        others wait for it.
        """
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            self._tell(error)
            return None, file.fetch(number)
        try:
            # the system frees the lock of a process that is killed: nobody waits for the dead
            fcntl.flock(lock, fcntl.LOCK_EX)
            # who held the lock before may have brought it
            chunk = _open_chunk(path)
            if chunk is not None:
                # made after theirs had been renamed, it would stay behind
                part.unlink(missing_ok=True)
                return chunk, b""
            data = file.fetch(number)
            try:
                os.ftruncate(lock, 0)
                whole = data + xxhash.xxh3_128_digest(data)
                # a disk that fills up may take some of it without an error
                if os.pwrite(lock, whole, 0) < len(whole):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.replace(part, path)
                chunk = _open_chunk(path)
            except OSError as error:
                part.unlink(missing_ok=True)
                self._tell(error)
            self._make_room(len(data))
            return chunk, data
        finally:
            os.close(lock)

    def _tell(self, error: OSError) -> None:
        if not self._told_full:
            self._told_full = True
            _log.warning(
                "%s: the cache cannot be written (%s); going on without it",
                self.folder,
                error.strerror or error,
            )

    def _make_room(self, more: int) -> None:
        """Remove the chunks used longest ago, now and then: whenever a twentieth of the bound has
        been written.
        """
        with self._lock:
            self._since_scan += more
            if self._since_scan < self._most_bytes // 20:
                return
            self._since_scan = 0
        chunks = []
        for path in (self.folder / "chunks").glob("*/*[0-9]"):
            try:
                state = path.stat()
            except OSError:
                continue
            chunks.append((state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, size, _ in chunks)
        for _, size, path in sorted(chunks):
            if total <= self._most_bytes * 9 // 10:
                break
            path.unlink(missing_ok=True)
            total -= size


class _Chunk:
    """An open chunk; it can be read even after it was removed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, begin: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - begin, begin)

    # held here: modules may be gone at exit
    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self._descriptor)


def _open_chunk(path: Path) -> _Chunk | None:
    """A chunk on disk, if it is there and its checksum is right; a damaged one is removed."""
    try:
        chunk = _Chunk(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return None
    data = chunk.read(0, CHUNK_BYTES + _HASH_BYTES)
    if (
        len(data) <= _HASH_BYTES
        or xxhash.xxh3_128_digest(data[:-_HASH_BYTES]) != data[-_HASH_BYTES:]
    ):
        path.unlink(missing_ok=True)
        return None
    # chunks are let go by this time: many systems do not note when a file was read
    os.utime(path)
    return chunk
