"""Fingerprints of values and files, and random numbers that depend on nothing but names.

All of them are XXH3-128 (https://xxhash.com): fast and stable, made to notice change and damage,
not to resist an attacker.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import xxhash

_CHUNK_BYTES = 1 << 20


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, dataclasses as objects, tuples as
    lists.

    >>> canonical({"b": (1, 2), "a": None})
    '{"a":null,"b":[1,2]}'
    """
    return _ENCODER.encode(value)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # asdict would copy everything below as well; json comes back here for what is inside
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"no canonical form for {type(value).__name__}")


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
)


def fingerprint(*values: object) -> str:
    """32 hex digits that change when any of the values changes."""
    return hash_bytes(canonical(values).encode())


def hash_bytes(data: bytes | bytearray | memoryview) -> str:
    """32 hex digits of the bytes."""
    return xxhash.xxh3_128_hexdigest(data)


def hash_file(path: Path, start: int = 0, length: int | None = None) -> str:
    """32 hex digits of a file's bytes ``[start, start + length)``, read in pieces of one MiB."""
    state = xxhash.xxh3_128()
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        left = os.fstat(file.fileno()).st_size - start if length is None else length
        while left > 0:
            piece = file.read(min(left, _CHUNK_BYTES))
            # it has become shorter meanwhile, which the hash is there to show
            if not piece:
                break
            state.update(piece)
            left -= len(piece)
    return state.hexdigest()


def random_for(seed: int, *names: str) -> np.random.Generator:
    """A generator whose numbers depend on the seed and the names alone, never on order, worker or
    time.

    >>> first, again = (random_for(7, "augment.flip", "coco-42") for _ in range(2))
    >>> bool(first.integers(100) == again.integers(100))
    True
    """
    # between names stands a letter that they do not hold: ("a", "bc") is not ("ab", "c");
    # Philox takes all 128 bits as its key, so streams of two names do not overlap by chance
    key = xxhash.xxh3_128_intdigest("\x1f".join((str(seed), *names)).encode())
    return np.random.Generator(np.random.Philox(key=key))


def uniform_for(seed: int, *names: str) -> float:
    """One number in [0, 1) that depends on the seed and the names alone."""
    number = xxhash.xxh3_64_intdigest("\x1f".join((str(seed), *names)).encode()) / 2.0**64
    # the largest of the 64-bit numbers are rounded up to 1
    return min(number, 1 - 2.0**-53)
