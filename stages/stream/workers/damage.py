"""What could not be decoded: counted, logged, and no more of it than the budget of an epoch."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from ....schemas.errors import IntegrityError
from .task import FilledRows

_MOST_TOLD = 20
_log = logging.getLogger("modalmill.stream")


class DamageCount:
    """The damaged media of a stream. ``total``: of all epochs. ``budget``: the most of an epoch."""

    def __init__(self, budget: int) -> None:
        self.total = 0
        self._budget, self._of_epoch = budget, 0

    def begin_epoch(self) -> None:
        """Count against the budget anew."""
        self._of_epoch = 0

    def count(self, filled: Sequence[FilledRows]) -> None:
        """Note the damage of a batch; IntegrityError where it is too much."""
        for rows in filled:
            for message in rows.damage:
                self._note(message)

    def _note(self, message: str) -> None:
        self.total += 1
        self._of_epoch += 1
        if self.total <= _MOST_TOLD:
            self._tell(message)
        if self._of_epoch > self._budget:
            raise IntegrityError(
                f"{self._of_epoch:,} media of this epoch were damaged, more than"
                f" damage_budget={self._budget:,}; the last: {message}"
            )

    def _tell(self, message: str) -> None:
        more = (
            "; what follows is counted in 'damaged' and told no more"
            if self.total == _MOST_TOLD
            else ""
        )
        _log.warning("damaged: %s%s", message, more)


def after_damage(records: np.ndarray, filled: Sequence[FilledRows]) -> np.ndarray:
    """The record that stands in each row, after damaged ones were left out (``PAD``) or replaced.

    ``records`` itself where there was none: it may be a view of the order's table, and is not
    changed.
    """
    changed = records
    for rows in filled:
        for row, record in rows.instead.items():
            changed = records.copy() if changed is records else changed
            changed[row] = record
    return changed
