"""Chunks of remote files, kept in a folder of this machine that processes share.

    CACHE/chunks/<url and version>/000012        chunk 12 of a file and its XXH3-128
    CACHE/chunks/<url and version>/000012.part   being fetched by the process that holds its lock
    where <url and version> is the fingerprint of both

A chunk takes its name when it is whole, and its checksum is compared when a process first uses it:
a process may be killed at any moment, and a disk may be full; then chunks are kept in memory
instead.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import xxhash

from ....schemas.errors import InputError

CHUNK_BYTES = 2 << 20
_HASH_BYTES = 16
_OPEN_CHUNKS = 128
_KEPT_IN_MEMORY = 64
_CONNECTIONS = 16
_log = logging.getLogger("modalmill.stream")


class Chunked(Protocol):
    """A file that is fetched by chunks. ``identity`` changes with its url and its version."""

    identity: str

    def fetch(self, number: int) -> bytes:
        """A chunk from where the file lies."""


def cannot_write(folder: Path, error: OSError) -> InputError:
    """What is told where a cache cannot be kept."""
    return InputError(
        f"cache {folder}: cannot be written ({error.strerror}); give another folder, or set"
        " MODALMILL_CACHE"
    )


class ChunkCache:
    """Chunks of remote files in a folder of at most about ``most_bytes``; those used longest ago go
    first.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self._most_bytes = folder, most_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, int], _Chunk] = OrderedDict()
        self._memory: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._coming: dict[tuple[str, int], Future[_Chunk | bytes]] = {}
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

    def read(self, file: Chunked, number: int, begin: int, end: int) -> bytes:
        """The bytes [begin, end) of a chunk, fetched if it is not here."""
        # after a fork the lock may be held for ever, and the threads are gone
        if os.getpid() != self._process:
            self._reset()
        key = (file.identity, number)
        # before looking for the chunk: a fetch that ends in between is then seen by one of the two
        with self._lock:
            coming = self._coming.get(key)
        held = self._held(key)
        # read from what was brought, and not looked up again: meanwhile so many others may have
        # come that it has been let go already
        if held is None:
            held = (
                coming.result()
                if coming is not None and not coming.cancelled()
                else self._bring(file, number)
            )
        return held.read(begin, end) if isinstance(held, _Chunk) else held[begin:end]

    def want(self, file: Chunked, number: int) -> None:
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

    def _held(self, key: tuple[str, int]) -> _Chunk | bytes | None:
        with self._lock:
            chunk = self._open.get(key)
            if chunk is None:
                return self._memory.get(key)
            self._open.move_to_end(key)
            return chunk

    def _bring(self, file: Chunked, number: int) -> _Chunk | bytes:
        """Open a chunk that is on disk and whole, or fetch it; keep it for who asks next."""
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
            return data if chunk is None else chunk
        finally:
            # after a failure too: who asks next shall try again, not meet the old error
            with self._lock:
                self._coming.pop(key, None)

    def _fetch(self, file: Chunked, number: int, path: Path) -> tuple[_Chunk | None, bytes]:
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
