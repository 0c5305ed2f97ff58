"""Sketches of films: what is shown, as a sequence of thumbnails, by which films are compared.

A thumbnail is the mean of what is shown in an eighth of a second, so that another frame rate
changes little, and what is shown a part of that later lies between two of them. A film of more than
512 s has one for each quarter of a second, of more than 1024 s for each half, and so on: none takes
more than 1.6 MB, and the finer sketch of one film is brought to the steps of another one.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ...schemas.arrays import Float32s, Uint8s, Uint16s

STEP_S = 0.125
HEIGHT, WIDTH = 12, 16
MOST = 4096  # thumbnails
_LEVEL = 256
_FINE_HEIGHT, _FINE_WIDTH = 2 * HEIGHT, 2 * WIDTH  # until bars are known
_BAR = 32  # luma below which rows and columns at the edge are bars, in all frames
_LEAST_SHOWN = 0.5  # of height and width that bars leave
_NEARLY = 0.5  # of its step for which the last thumbnail has something to show


class Sketch(NamedTuple):
    """Thumbnails ``uint16 [T, 12, 16]`` of luma without bars, in 256ths of a grey level, one each
    ``2 ** doubled`` eighths of a second.
    """

    doubled: int
    thumbnails: Uint16s

    def to_array(self) -> Uint16s:
        """As it is kept: ``uint16 [1 + T * 192]``."""
        return np.append(np.uint16(self.doubled), self.thumbnails.ravel())

    @classmethod
    def from_array(cls, kept: Uint16s) -> Sketch:
        """What :meth:`to_array` gave."""
        return cls(int(kept[0]), kept[1:].reshape(-1, HEIGHT, WIDTH))


class Sketcher:
    """Makes a sketch of frames as they come, each with the time at which it is shown; it is shown
    until the next one.
    """

    def __init__(self, turns: int = 0) -> None:
        """turns: by how often 90 degrees, counter-clockwise, its frames are turned to be shown."""
        self._turns = turns
        self._doubled = 0
        self._fine = np.zeros((64, _FINE_HEIGHT, _FINE_WIDTH), np.float32)
        self._count = 0  # of the thumbnails that are whole; the next one is being made
        self._filled_s = 0.0  # of the next one
        self._brightest: Uint8s | None = None
        self._shown: Float32s | None = None
        self._time_s = 0.0

    def add(self, time_s: float, frame: Uint8s) -> None:
        """The next frame ``uint8 [H, W]`` of luma."""
        self._show_until(time_s)
        if self._turns:
            frame = np.ascontiguousarray(np.rot90(frame, self._turns))
        if self._brightest is None:
            self._brightest = frame.copy()
        else:
            np.maximum(self._brightest, frame, out=self._brightest)
        small = cv2.resize(frame, (_FINE_WIDTH, _FINE_HEIGHT), interpolation=cv2.INTER_AREA)
        self._shown = small.astype(np.float32)

    def finished(self, end_s: float) -> Sketch:
        """The sketch, the last frame shown until ``end_s``."""
        self._show_until(end_s)
        step = STEP_S * 2**self._doubled
        if self._filled_s >= _NEARLY * step:
            self._fine[self._count] *= step / self._filled_s
            self._count += 1
        if self._brightest is None or not self._count:
            return Sketch(self._doubled, np.empty((0, HEIGHT, WIDTH), np.uint16))
        high, wide = _shown_span(self._brightest.max(1)), _shown_span(self._brightest.max(0))
        rows, columns = _means(*high, _FINE_HEIGHT, HEIGHT), _means(*wide, _FINE_WIDTH, WIDTH)
        small = rows @ self._fine[: self._count] @ columns.T
        return Sketch(self._doubled, np.rint(_LEVEL * small).clip(0, 65535).astype(np.uint16))

    def _show_until(self, time_s: float) -> None:
        if self._shown is None:
            self._time_s = time_s
            return
        # a damaged film may go back in time
        while time_s > self._time_s:
            if self._count == len(self._fine):
                self._make_room()
            step = STEP_S * 2**self._doubled
            lasts = min(time_s - self._time_s, step - self._filled_s)
            self._fine[self._count] += self._shown * np.float32(lasts / step)
            self._filled_s += lasts
            self._time_s += lasts
            # of a time beyond that a clock that runs in so small steps stands still
            if step - self._filled_s <= 1e-6 * step:
                self._count, self._filled_s = self._count + 1, 0.0

    def _make_room(self) -> None:
        if self._count < MOST:
            self._fine = np.concatenate([self._fine, np.zeros_like(self._fine)])
            return
        # each two become one
        self._fine[: MOST // 2] = (self._fine[::2] + self._fine[1::2]) / 2
        self._fine[MOST // 2 :] = 0
        self._count, self._doubled = MOST // 2, self._doubled + 1


def _shown_span(brightest: Uint8s) -> tuple[float, float]:
    """Where between 0 and 1 rows or columns begin and end that are more than black at any time."""
    bright = np.flatnonzero(brightest >= _BAR)
    size = len(brightest)
    if not len(bright) or bright[-1] + 1 - bright[0] < _LEAST_SHOWN * size:
        return 0.0, 1.0
    return float(bright[0] / size), float((bright[-1] + 1) / size)


def _means(start: float, end: float, many: int, few: int) -> Float32s:
    """What makes means over equal parts of [start, end) of 0 to 1 ``[few, many]``, of values that
    stand for equal parts of the whole.
    """
    edges = np.linspace(start, end, few + 1)[:, None] * many
    begins = np.arange(many)
    common = np.minimum(edges[1:], begins + 1) - np.maximum(edges[:-1], begins)
    weights = common.clip(0)
    means: Float32s = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return means


def coarser(sketch: Sketch, doubled: int) -> Float32s:
    """The thumbnails ``float32 [T, 12, 16]`` of a sketch in steps of ``2 ** doubled`` eighths of a
    second, which are no finer than its own, in grey levels.
    """
    many = 2 ** (doubled - sketch.doubled)
    count = len(sketch.thumbnails) // many
    steps = sketch.thumbnails[: count * many].reshape(count, many, HEIGHT, WIDTH)
    return np.asarray(steps.mean(1, dtype=np.float32) / _LEVEL)
