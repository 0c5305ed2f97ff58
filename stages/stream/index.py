"""The index of a set of shards in memory: where the media of each record lie, without touching a tar."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...schemas.errors import InputError, IntegrityError, nearest
from ...schemas.index import ShardSet, read_shard_set


class Index:
    """Records of one split in the order of the shards.

    Offsets and sizes are arrays; texts and targets stay in the memory map until they are asked for.
    keys: key of each record. shard: number of its tar. spans[part]: ``int64 [N, 2]`` offset and size in the tar, size -1 where absent.
    """

    def __init__(self, folder: Path, split: str | None) -> None:
        shards = read_shard_set(folder)
        if not (folder / f"{shards.shards[0].name}.arrow").exists() if shards.shards else False:
            folder = folder / "shards"
        self.set: ShardSet = shards
        chosen = [shard for shard in shards.shards if split is None or shard.split == split]
        if not chosen:
            raise InputError(f"{folder}: no shards of split {split!r}{nearest(str(split), shards.splits())}")
        self.paths = [folder / f"{shard.name}.tar" for shard in chosen]
        for shard, path in zip(chosen, self.paths, strict=True):
            if not path.is_file() or path.stat().st_size != shard.bytes:
                raise IntegrityError(
                    f"{path}: {'is not as long as shards.json says' if path.is_file() else 'is not there'}; check with 'modalmill verify {folder}'"
                )
        tables = [_read(folder / f"{shard.name}.arrow") for shard in chosen]
        self.table: pa.Table = pa.concat_tables(tables)
        self.shard = np.repeat(np.arange(len(chosen), dtype=np.int32), [table.num_rows for table in tables])
        self.keys: list[str] = self.table["key"].to_pylist()
        self.modalities: dict[str, str] = dict(shards.parts)
        self.spans: dict[str, np.ndarray] = {}
        self._fill()
        self._files: list[int] = []

    def __len__(self) -> int:
        return len(self.keys)

    def _fill(self) -> None:
        count = len(self)
        for name, modality in self.modalities.items():
            if modality != "text":
                self.spans[name] = np.full((count, 2), -1, np.int64)
        media = self.table["media"].combine_chunks()
        owner = np.repeat(np.arange(count), np.diff(media.offsets.to_numpy()))
        values = media.flatten()
        names = values.field("part").to_numpy(zero_copy_only=False)
        places = np.stack([values.field("offset").to_numpy(), values.field("size").to_numpy()], axis=1) if len(values) else np.empty((0, 2), np.int64)
        for name, spans in self.spans.items():
            here = names == name
            spans[owner[here]] = places[here]

    @functools.cached_property
    def texts(self) -> dict[str, list[str | None]]:
        """The texts of each text part, None where absent; read when they are first asked for."""
        found: dict[str, list[str | None]] = {name: [None] * len(self) for name, modality in self.modalities.items() if modality == "text"}
        texts = self.table["texts"].combine_chunks()
        owners = np.repeat(np.arange(len(self)), np.diff(texts.offsets.to_numpy())).tolist()
        flat = texts.flatten()
        for row, name, text in zip(owners, flat.field("part").to_pylist(), flat.field("text").to_pylist(), strict=True):
            found[name][row] = text
        return found

    def targets(self, row: int) -> str:
        """The targets of a record as JSON text."""
        return str(self.table["targets"][row].as_py())

    def all_targets(self) -> list[str]:
        """The targets of every record as JSON texts."""
        found: list[str] = self.table["targets"].to_pylist()
        return found

    def open_files(self) -> list[int]:
        """A file descriptor for each tar, opened once."""
        if not self._files:
            self._files = [os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)) for path in self.paths]
        return self._files

    def close(self) -> None:
        """Close the tars."""
        for file in self._files:
            os.close(file)
        self._files = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": []}

    def __del__(self) -> None:
        if getattr(self, "_files", None):
            self.close()


def _read(path: Path) -> pa.Table:
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise IntegrityError(f"{path}: the index cannot be read ({error}); run the recipe again to write it anew") from error
