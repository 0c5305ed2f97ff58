"""Sets that pairs unite, one pair after the other."""

from __future__ import annotations

import numpy as np


class United:
    """Numbers from 0 to ``count``, each at first alone. ``label`` ``int64 [count]`` is equal within
    a set, so that many are asked at once; of two sets that unite the smaller is labelled anew.

    edges: the pairs that made two sets one, with how far apart the two are: so many that they
        connect each set, and no more.
    """

    def __init__(self, count: int) -> None:
        self.label = np.arange(count)
        self.edges: list[tuple[int, int, float]] = []
        self._members: dict[int, list[int]] = {}

    def are(self, one: int, other: int) -> bool:
        """Whether two are in one set."""
        return bool(self.label[one] == self.label[other])

    def unite(self, one: int, other: int, distance: float = 0.0) -> None:
        """Make the sets of two one set."""
        into, gone = int(self.label[one]), int(self.label[other])
        if into == gone:
            return
        self.edges.append((one, other, distance))
        mine, theirs = (self._members.pop(label, [label]) for label in (into, gone))
        if len(mine) < len(theirs):
            into, mine, theirs = gone, theirs, mine
        self.label[theirs] = into
        self._members[into] = mine + theirs

    def sets(self) -> list[list[int]]:
        """The sets of several."""
        return list(self._members.values())

    def all_sets(self) -> list[list[int]]:
        """All sets, those of one as well."""
        alone = sorted(set(range(len(self.label))).difference(*self._members.values()))
        return [*self.sets(), *([number] for number in alone)]

    def first(self) -> np.ndarray:
        """For each number the smallest of its set ``int64 [count]``."""
        first = np.arange(len(self.label))
        for members in self._members.values():
            first[members] = min(members)
        return first
