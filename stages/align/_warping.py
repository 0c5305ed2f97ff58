"""Dynamic time warping (Sakoe & Chiba 1978): the path through two sequences on which their rows
differ least, all rows in order, and what it costs against the same rows in an order in which they
mean nothing.

Steps are (1, 1), (1, 0) and (0, 1), of weight 1, as librosa.sequence.dtw has them; the accumulated
cost is made one antidiagonal after the other, so that several are made at once.
"""

from __future__ import annotations

import numpy as np

MOST_ROWS = 4096
_COMPARED_ROWS = 400
_ORDERS = 10


def thinned(rows: np.ndarray, factor: int) -> np.ndarray:
    """The means of so many rows in a row ``[F / factor, D]``; those left at the end are dropped."""
    count = len(rows) // factor
    means: np.ndarray = rows[: count * factor].reshape(count, factor, -1).mean(1)
    return means


def standardised(rows: np.ndarray) -> np.ndarray:
    """The rows with mean 0 and deviation 1 in each column, 0 where nothing is known."""
    deviation = np.nanstd(rows, 0)
    scaled = (rows - np.nanmean(rows, 0)) / np.where(deviation > 0, deviation, 1.0)
    return np.asarray(np.nan_to_num(scaled), np.float32)


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The Euclidean distance of each row to each of the other ``float32 [N, M]``."""
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)), np.float32)


def accumulated(costs: np.ndarray, is_within: bool = False) -> np.ndarray:
    """What the best path to each cell costs ``float32 [..., N, M]``. is_within: the path may begin
    in any column.
    """
    *some, rows, columns = costs.shape
    total = np.full((*some, rows + 1, columns + 1), np.inf, np.float32)
    total[..., 0, 0] = 0
    if is_within:
        total[..., 0, :] = 0
    for diagonal in range(2, rows + columns + 1):
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        before = np.minimum(total[..., row - 1, column], total[..., row, column - 1])
        before = np.minimum(before, total[..., row - 1, column - 1])
        total[..., row, column] = costs[..., row - 1, column - 1] + before
    return total[..., 1:, 1:]


def best_path(total: np.ndarray, is_within: bool = False) -> np.ndarray:
    """The cells of the best path through accumulated costs ``int [L, 2]``, from the first row to
    the last; to the last column, or to that in which it costs least where it may end in any.
    """
    row, column = total.shape[0] - 1, total.shape[1] - 1
    if is_within:
        column = int(total[-1].argmin())
    cells = [(row, column)]
    while row > 0 or (column > 0 and not is_within):
        ways = [
            (row - 1, column - 1) if row and column else None,
            (row - 1, column) if row else None,
            (row, column - 1) if column else None,
        ]
        row, column = min((way for way in ways if way), key=lambda way: total[way])
        cells.append((row, column))
    return np.array(cells[::-1])


def relative_cost(one: np.ndarray, other: np.ndarray, is_within: bool = False) -> float:
    """What the best path costs, as a share of what it costs where the rows of the one stand in
    another order, the median of ten: backwards, and begun at ten places. About 1 where the two have
    nothing to do with each other, whatever they are made of. is_within: the one may lie anywhere
    in the other.
    """
    factor = max(1, -(-max(len(one), len(other)) // _COMPARED_ROWS))
    factor = min(factor, len(one), len(other))
    costs = distances(thinned(one, factor), thinned(other, factor))
    count = len(costs)
    begins = np.arange(_ORDERS) * count // _ORDERS
    orders = (begins[:, None] - np.arange(count)) % count
    total = accumulated(costs[np.concatenate([np.arange(count)[None], orders])], is_within)
    ends = total[:, -1].min(-1) if is_within else total[:, -1, -1]
    usual = float(np.median(ends[1:]))
    return float(ends[0]) / usual if usual > 0 else 1.0
