"""A part of a record as it is stored, its checksum compared as often as was asked."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from ....schemas.errors import DamageError
from ....schemas.fingerprint import hash_bytes
from ..shards.index import Index

Verify: TypeAlias = Literal["first", "always", "never"]


class PartReader:
    """Reads parts of records from the index and its tars."""

    def __init__(self, index: Index, verify: Verify) -> None:
        self._index, self._verify = index, verify
        # each process has marks of its own: at worst a medium is checked in several
        self._seen = (
            {} if verify == "never" else {name: np.zeros(len(index), bool) for name in index.spans}
        )

    def read(self, name: str, record: int) -> bytes | str | None:
        """The bytes of a medium, checked, or the value that stands in the index; None where the
        record has none. DamageError where the checksum is another one.
        """
        if name not in self._index.spans:
            return self._index.text(name, record)
        if self._index.spans[name][record, 1] < 0:
            return None
        data = self._index.read(name, record)
        if self._verify != "never" and (self._verify == "always" or not self._seen[name][record]):
            wanted = self._index.checksum(name, record)
            if wanted is not None and hash_bytes(data) != wanted:
                raise DamageError(
                    "checksum",
                    "its bytes are not those that were written; check with 'modalmill verify'",
                )
            self._seen[name][record] = True
        return data

    def at(self, name: str, record: int) -> str:
        """Where a part lies, for messages."""
        key = self._index.keys([record])[0]
        return f"{self._index.tar_name(record)}: record {key}, part {name}"
