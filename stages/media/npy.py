"""Files of single arrays (``.npy``), and why one cannot be read, in words for who made it."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from ...schemas.errors import DamageError

_ARCHIVE = b"PK\x03\x04"


def read_npy(source: Path | bytes, rule: str) -> np.ndarray:
    """The array of a ``.npy``, on disk or in memory, that of a file as a view of it; DamageError
    under this rule where it is none, is cut off, or holds objects of Python. Nothing is allocated
    for an array that its bytes do not hold.
    """
    with open(source, "rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        if fault := _fault(file):
            raise DamageError(rule, f"wanted one array as numpy.save writes it (.npy): {fault}")
    if isinstance(source, Path):
        return np.asarray(np.load(source, mmap_mode="r", allow_pickle=False))
    return np.asarray(np.load(io.BytesIO(source), allow_pickle=False))


def _fault(file: BinaryIO) -> str:
    """Why a file holds no array; empty where it does."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(len(npy_format.MAGIC_PREFIX))
    if not head:
        return "the file is empty"
    if head.startswith(_ARCHIVE):
        return "the file is a zip, as an .npz of several arrays is; save one of them"
    if head != npy_format.MAGIC_PREFIX:
        return "the file begins otherwise"
    file.seek(0)
    try:
        is_short = npy_format.read_magic(file) == (1, 0)
        read = npy_format.read_array_header_1_0 if is_short else npy_format.read_array_header_2_0
        shape, _, kind = read(file)
    except ValueError:
        return "its header is cut off, or cannot be read"
    if kind.hasobject:
        return "the array holds objects of Python, which are never loaded; save it as numbers"
    wanted = file.tell() + math.prod(shape) * kind.itemsize
    return f"the file is cut off, with {size:,} of {wanted:,} bytes" if size < wanted else ""
