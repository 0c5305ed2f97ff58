"""The output folder, held by one run alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..schemas.disk import storage_error
from ..schemas.errors import StorageError
from ..schemas.layout import RunFolder


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """The output folder held by this run alone; another run at work in it is one clear error."""
    try:
        work = RunFolder(out).work
        work.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(work.lock, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise storage_error(error, out) from error
    try:
        try:
            # the system gives the lock back with its process, however that ends
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"{out}: another run is at work here; wait for it or choose another --out"
            ) from None
        except OSError as error:  # some network file systems have no locks
            raise StorageError(
                f"{out}: the folder cannot be held by one run alone ({error.strerror}); choose an"
                " --out on a file system with locks"
            ) from error
        # whoever holds the lock writes alone, so these are of a run that was killed
        for aside in out.rglob(".*.tmp"):
            aside.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
