"""Values over time brought onto a grid of even steps, so that several sequences have one row for
one moment.

Where the grid is slower than the values, these are low-pass filtered first: on a line between them
at a multiple of the grid's rate, by a linear-phase FIR filter with a Kaiser window (Oppenheim &
Schafer, Discrete-Time Signal Processing, 7.6) that lets pass what lies below 0.7 of half the grid's
rate and stops what lies above half of it by 60 dB.
"""

from __future__ import annotations

import functools
import math
from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from ...schemas.json_value import JsonValue
from ...schemas.record import Part, Step

# a number between two others, a state that lasts, a word that is true of one moment
Kind: TypeAlias = Literal["linear", "hold", "nearest"]

GRID_STEP = "grid"
_USUAL_GAP = 2.5  # steps of the values: one that is lost lies between two that are there
_PASS, _STOP_DB = 0.7, 60.0
_CLOSE = 1e-6  # steps


class Grid(BaseModel):
    """How a series is brought onto a grid, as the step ``grid`` says it.

    max_gap_s: nothing is made up between values that are further apart; two and a half steps of the
        series where it is None. hold: columns whose last value counts until the next one. nearest:
        columns whose nearest value counts. All others are numbers, on a line between two values.
    """

    model_config = ConfigDict(frozen=True)

    rate_hz: float
    max_gap_s: float | None = None
    hold: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()

    @classmethod
    def of_part(cls, part: Part) -> Grid | None:
        """That of a part; None where it is on none."""
        options = (step.options for step in part.steps if step.op == GRID_STEP)
        return next(map(cls.model_validate, options), None)

    def options(self) -> dict[str, JsonValue]:
        """The same as plain JSON, without what is as usual."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def step(self) -> Step:
        """The step that says so on a part."""
        return Step(GRID_STEP, self.options())

    def kind(self, column: str) -> Kind:
        """How the values of a column lie in time."""
        if column in self.hold:
            return "hold"
        return "nearest" if column in self.nearest else "linear"

    def rows(self, start_s: float, end_s: float) -> int:
        """How many rows lie in [start, end)."""
        return max(0, math.floor((end_s - start_s) * self.rate_hz + _CLOSE))


def on_grid(
    times: np.ndarray,
    values: np.ndarray,
    grid: np.ndarray,
    step_s: float,
    max_gap_s: float | None = None,
    kind: Kind = "linear",
) -> tuple[np.ndarray, bool]:
    """The values at the moments ``grid`` (rising, in even steps) ``float64 [T]``, and whether some
    of these lie in a gap.

    times, values: ``float64 [N]``, times rising; NaN is not there. step_s: the usual step of the
        times. max_gap_s: see :class:`Grid`.

    What is not there is NaN: before the first value, in a gap, and later than a step after the last
    value before it, for which that one stands.
    """
    here = np.isfinite(values)
    times, values = times[here], values[here]
    out = np.full(len(grid), np.nan)
    if not len(times):
        return out, False
    most = _USUAL_GAP * step_s if max_gap_s is None else max_gap_s
    is_gap = np.diff(times) > most * (1 + _CLOSE)
    stands_s = min(step_s, most)
    for own_times, own_values in zip(
        np.split(times, np.flatnonzero(is_gap) + 1),
        np.split(values, np.flatnonzero(is_gap) + 1),
        strict=True,
    ):
        slack = _CLOSE * (step_s or 1.0)
        first = np.searchsorted(grid, own_times[0] - slack)
        last = np.searchsorted(grid, max(own_times[-1] + slack, own_times[-1] + stands_s - slack))
        if last > first:
            out[first:last] = _in_stretch(own_times, own_values, grid, first, last, step_s, kind)
    inner = out[(grid > times[0]) & (grid < times[-1])]
    return out, bool(np.isnan(inner).any())


def _in_stretch(
    times: np.ndarray,
    values: np.ndarray,
    grid: np.ndarray,
    first: int,
    last: int,
    step_s: float,
    kind: Kind,
) -> np.ndarray:
    """The values at ``grid[first:last]`` of a stretch without a gap."""
    moments = grid[first:last]
    if kind == "linear":
        grid_step = float(grid[1] - grid[0]) if len(grid) > 1 else math.inf
        times_denser = grid_step / step_s if step_s else 1.0
        if len(grid) < 2 or times_denser <= 1 + _CLOSE:
            return np.asarray(np.interp(moments, times, values))
        inside = moments[moments <= times[-1] + _CLOSE * step_s]
        out = np.full(len(moments), values[-1])
        if len(inside):
            denser = math.ceil(times_denser - _CLOSE)
            out[: len(inside)] = _low_passed(times, values, inside, grid_step, denser)
        return out
    after = np.searchsorted(times, moments + _CLOSE * (step_s or 1.0), side="right")
    before = np.clip(after - 1, 0, len(times) - 1)
    if kind == "hold":
        return np.asarray(values[before])
    after = np.clip(after, 0, len(times) - 1)
    is_later = times[after] - moments < moments - times[before]
    return np.asarray(values[np.where(is_later, after, before)])


def _low_passed(
    times: np.ndarray, values: np.ndarray, moments: np.ndarray, grid_step: float, denser: int
) -> np.ndarray:
    """The values at some moments of a grid without what is faster than it. Beyond its ends a
    stretch goes on as its own mirror image through the end, so that a line stays one.
    """
    import scipy.signal  # late: it takes a second

    taps = _taps(denser)
    count = (len(moments) - 1) * denser + 1
    # those that lie in the stretch before the first moment and after the last one
    before = math.floor((moments[0] - times[0]) / grid_step * denser + _CLOSE)
    after = math.floor((times[-1] - moments[-1]) / grid_step * denser + _CLOSE)
    before, after = max(0, before), max(0, after)
    places = np.arange(-before, count + after) * (grid_step / denser) + moments[0]
    line = np.interp(places, times, values)
    half = len(taps) // 2
    mode = {"mode": "reflect", "reflect_type": "odd"} if len(line) > 1 else {"mode": "edge"}
    smooth = scipy.signal.oaconvolve(np.pad(line, half, **mode), taps, mode="valid")  # type: ignore[call-overload]
    return np.asarray(smooth[before : before + count : denser])


@functools.lru_cache(maxsize=16)
def _taps(denser: int) -> np.ndarray:
    """The filter for a grid that is ``denser`` times as slow as what it is applied to; an odd
    number of taps, whose sum is 1.
    """
    import scipy.signal

    width = (1 - _PASS) / denser
    count, beta = scipy.signal.kaiserord(_STOP_DB, width)
    taps = scipy.signal.firwin(count | 1, 1 / denser - width / 2, window=("kaiser", beta))
    return np.asarray(taps / taps.sum())
