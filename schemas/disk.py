"""Files that are whole or not there: written aside, synced, renamed. And Arrow tables in them, read
by memory map.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from .errors import InputError, IntegrityError, StorageError


@contextmanager
def replacing(path: Path, synced: bool = True) -> Iterator[Path]:
    """A path beside ``path`` to write to; on leaving, it is synced and takes the place of ``path``,
    or is removed after an error.

    Unsynced, it survives the end of this process at any moment, but perhaps not that of the
    machine.
    """
    # in the same folder, for a rename is whole within one file system only; the process in the
    # name keeps two writers apart
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        if synced:
            # synced after the rename, a crash of the machine could leave the name with no contents
            with open(aside, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise storage_error(error, path) from error
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def storage_error(error: OSError, path: Path) -> Exception:
    """The error to show for a failed write: disk full, no permission, or the error itself."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"{path}: the disk is full; free some space and run the same command again, finished"
            " work is kept"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path}: cannot be written: {error.strerror}; choose another --out")
    if error.errno == errno.EFBIG:
        return StorageError(
            f"{path}: the file would grow past this system's limit: {error.strerror}"
        )
    if isinstance(error, (FileExistsError, NotADirectoryError, IsADirectoryError)):
        return StorageError(
            f"{path}: a file of another kind is in the way: {error.strerror}; choose another --out"
        )
    return error


def stamp_of(path: Path | str) -> list[int] | None:
    """Size, time of the last change of the contents, and of the file itself: what says without
    reading that a file is as it was. None where there is no such file.

    Copying with times kept (``cp -p``, ``rsync -t``) can put other contents under the same size and
    time; the third number cannot be set.
    """
    try:
        state = os.stat(path)
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file."""
    with replacing(path) as aside:
        aside.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file for people and programs: indented, sorted as given."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def is_made_from(path: Path, note: Path, sources: Sequence[str]) -> bool:
    """Whether a file is as :func:`note_made_from` left it, from the very same sources."""
    try:
        kept = json.loads(note.read_text())
    except (OSError, ValueError):
        return False
    return bool(kept == {"made_from": list(sources), "file": stamp_of(path)})


def note_made_from(path: Path, note: Path, sources: Sequence[str]) -> None:
    """Note what a file was made from, by names that change with their contents."""
    write_json(note, {"made_from": list(sources), "file": stamp_of(path)})


def write_table(
    path: Path,
    table: pa.Table,
    note: Mapping[str, object] | None = None,
    rows_per_batch: int = 4096,
) -> None:
    """Write an Arrow IPC file; ``note`` is kept in the schema's metadata."""
    if note is not None:
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), b"note": json.dumps(note, sort_keys=True).encode()}
        )
    with (
        replacing(path) as aside,
        pa.OSFile(str(aside), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=rows_per_batch)


def write_parquet(path: Path, pieces: Iterator[pa.Table]) -> None:
    """Write tables of one schema as one Parquet file, each a row group; there must be one, which
    may have no rows.
    """
    import pyarrow.parquet as pq

    first = next(pieces)
    with replacing(path) as aside, pq.ParquetWriter(aside, first.schema, compression="zstd") as out:
        for piece in itertools.chain([first], pieces):
            out.write_table(piece)


def read_parquet(path: Path, chosen: Callable[[str], bool] | None = None) -> pa.Table:
    """A table that a run wrote, or those of its columns whose names are ``chosen``; InputError
    where it cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        if chosen is None:
            return pq.read_table(path)
        return pq.read_table(path, columns=list(filter(chosen, pq.read_schema(path).names)))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the recipe again") from error


def read_table(path: Path) -> pa.Table:
    """The table of an Arrow IPC file, as views of its memory map."""
    try:
        # the views keep the mapping alive when the file is closed
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> IntegrityError:
    return IntegrityError(
        f"{path}: not a whole Arrow file ({error}); remove the folder 'work' beside it and run"
        " again"
    )


# Any: each kind of file has a note of its own
def read_note(path: Path) -> dict[str, Any]:
    """The note in an Arrow IPC file's metadata, without reading the rest."""
    try:
        with pa.memory_map(str(path)) as source:
            metadata = pa.ipc.open_file(source).schema.metadata or {}
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        raise _broken(path, error) from error
    return dict(json.loads(metadata.get(b"note", b"{}")))
