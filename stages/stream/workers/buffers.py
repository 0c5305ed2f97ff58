"""Memory that batches are filled into, over and over: a slot is reused once nobody holds any of its
arrays.

Filling fresh memory costs more than decoding into it: the system maps and clears every page. Who
holds an array is told by its reference count, so that a batch that is kept is never written over,
and nothing has to be given back by hand.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

Layout: TypeAlias = Mapping[str, tuple[tuple[int, ...], str]]
Arrays: TypeAlias = dict[str, np.ndarray]
_ALIGN = 64


class Slot:
    """The arrays of one batch. busy: they are being filled. descriptor: of their shared memory, if
    they have it.
    """

    def __init__(self, layout: Layout, arrays: Arrays, number: int, descriptor: int = -1) -> None:
        self.layout, self.arrays, self.number, self.descriptor = (
            dict(layout),
            arrays,
            number,
            descriptor,
        )
        self.busy = True

    def is_free(self) -> bool:
        """Whether nobody fills it and nobody holds an array of it."""
        return not self.busy and _references(self.arrays) <= _FREE

    # held here: modules may be gone at exit
    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.descriptor >= 0:
            close(self.descriptor)


def _references(arrays: Arrays) -> int:
    """The most references that any of the arrays has."""
    most = 0
    # no name for the array: it would be one reference more
    for name in arrays:
        most = max(most, sys.getrefcount(arrays[name]))
    return most


# measured, since it includes those that the count itself makes
_FREE = _references({"alone": np.empty(1)})


class Pool:
    """Slots by layout; ``make`` makes one more. No more than ``most`` are kept, others are let go
    with their batch.
    """

    def __init__(self, make: Callable[[Layout, int], Slot], most: int) -> None:
        self._make, self._most = make, most
        self._slots: list[Slot] = []
        self._lock = threading.Lock()
        self._made = 0

    def get(self, layout: Layout) -> Slot:
        """A slot of this layout that nobody uses."""
        with self._lock:
            for slot in self._slots:
                if slot.layout == layout and slot.is_free():
                    slot.busy = True
                    return slot
            fresh = self._make(layout, self._made)
            self._made += 1
            if len(self._slots) >= self._most:
                stale = next((slot for slot in self._slots if slot.is_free()), None)
                if stale is None:
                    return fresh
                self._slots.remove(stale)
            self._slots.append(fresh)
            return fresh


def heap_slot(layout: Layout, number: int) -> Slot:
    """Arrays in the memory of this process."""
    return Slot(
        layout, {name: np.empty(shape, kind) for name, (shape, kind) in layout.items()}, number
    )


def shared_slot(layout: Layout, number: int) -> Slot:
    """Arrays in memory that other processes can map by its descriptor. It has no name: nothing is
    left of it, however its users end.
    """
    descriptor = anonymous_file(_extent(layout))
    return Slot(layout, mapped(layout, descriptor), number, descriptor)


def mapped(layout: Layout, descriptor: int) -> Arrays:
    """The arrays of a slot in shared memory, in the same places in every process."""
    memory = mmap.mmap(descriptor, _extent(layout))
    arrays, place = {}, 0
    for name, (shape, kind) in layout.items():
        array = np.ndarray(shape, kind, memory, place)
        arrays[name] = array
        place += -(-array.nbytes // _ALIGN) * _ALIGN
    return arrays


def anonymous_file(size: int) -> int:
    """The descriptor of a file without a name, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("modalmill", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def _extent(layout: Layout) -> int:
    sizes = [int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in layout.values()]
    return max(1, sum(-(-size // _ALIGN) * _ALIGN for size in sizes))
