"""What a task is: a unit of work that any worker can do, and begin again, at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from ..schemas.errors import DamageError

if TYPE_CHECKING:
    from ..stages.base import Beat

_DEATHS = {
    "decoder_timeout": "took longer than the deadline, twice",
    "decoder_crashed": "ended its process, twice",
    "decoder_memory": "wanted more memory than the recipe's memory_bytes, twice",
}


class Task(Protocol):
    """A unit of work: picklable, restartable at any moment, writes its own output and returns
    something small.
    """

    def run(self, beat: Beat, skip: Mapping[str, str]) -> object:
        """Do the work. Call ``beat(item)`` before each item; treat items in ``skip`` as damaged,
        with that rule.
        """


def refuse_skipped(item: str, skip: Mapping[str, str]) -> None:
    """DamageError where earlier tries at this item brought the worker down."""
    if item in skip:
        raise DamageError(skip[item], f"{item}: reading it {_DEATHS[skip[item]]}")
