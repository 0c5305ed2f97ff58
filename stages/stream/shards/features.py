"""The Arrow feature cache, read as views of its memory map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ....schemas.columns import numbers
from ....schemas.disk import read_note
from ....schemas.errors import InputError
from ....schemas.features import FeatureNote


class FeatureCache:
    """Vectors of one part by record key. Nothing is read before it is used.

    vectors: ``[N, D]`` in the type they were stored in.
    """

    def __init__(self, folder: Path, part: str) -> None:
        path, keys_path = folder / f"{part}.arrow", folder / f"{part}.keys.arrow"
        if not path.is_file() or not keys_path.is_file():
            raise InputError(
                f"{path}: no cached features of {part!r} here; add 'features: {{{part}: ...}}' to"
                " the recipe and run it"
            )
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        column = (
            table["vector"].combine_chunks()
            if table["vector"].num_chunks != 1
            else table["vector"].chunk(0)
        )
        self.dims = column.type.list_size
        self.made_by = FeatureNote.from_dict(read_note(path))
        self.vectors = numbers(column.flatten()).reshape(-1, self.dims)
        with pa.memory_map(str(keys_path)) as source:
            keys = pa.ipc.open_file(source).read_all()
        self._keys, self._places = keys["key"], numbers(keys["row"])

    def rows(self, keys: pa.ChunkedArray) -> np.ndarray:
        """Row of each key ``int64 [N]``; -1 where there is none."""
        places = numbers(pc.index_in(keys, value_set=self._keys), missing=-1)
        # -1 looks up the last place and is put right by where; an empty array has no last place
        return (
            np.where(places >= 0, self._places[places], -1)
            if len(self._places)
            else np.full(len(places), -1)
        )
