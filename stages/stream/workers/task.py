"""What goes to a worker and what comes back: a stretch of a batch's rows to fill, and what of them
cannot stand in arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..order.batches import Job

# beneath this, handing rows to a worker costs more than it saves
SMALLEST_TASK = 16


@dataclass(frozen=True, slots=True)
class FillTask:
    """Rows of one batch to fill.

    records: their numbers ``int64 [rows]``. positions: where in the epoch each stands, of the same
    shape. begin: the first of the rows. key: what the epoch's random draws come from. length_class:
    which chooses the specs. epoch: counted from 0.
    """

    records: np.ndarray
    positions: np.ndarray
    begin: int
    key: int
    length_class: int
    epoch: int


@dataclass(slots=True)
class FilledRows:
    """What became of a task beside the arrays.

    lists: a value of each row for each part that makes no tensors. instead: row of the batch -> the
    record that stands there in the place of a damaged one (``PAD``: none does). damage: a message
    for each medium that could not be decoded. targets: row of the batch -> the targets that a copy
    has in the place of its record's, as JSON. uncopied: why a stage that was to change a row did
    not, once for each.
    """

    lists: dict[str, list[object]] = field(default_factory=dict)
    instead: dict[int, int] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)
    targets: dict[int, str] = field(default_factory=dict)
    uncopied: list[str] = field(default_factory=list)


def cut_into_tasks(job: Job, key: int, workers: int) -> list[FillTask]:
    """A batch's rows in about equal stretches, one a worker; fewer where these would be too short,
    all in one where there are no workers.
    """
    count = len(job.records)
    share = max(SMALLEST_TASK, -(-count // workers)) if workers else max(1, count)
    return [
        FillTask(
            job.records[begin : begin + share],
            job.positions[begin : begin + share],
            begin,
            key,
            job.length_class,
            job.epoch,
        )
        for begin in range(0, count, share)
    ]
