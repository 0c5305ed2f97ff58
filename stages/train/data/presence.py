"""What the mere presence of parts tells of the answer: where it tells much, a model may learn
absence instead of content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ....schemas.features import FeatureCache
from ...stream import FeatureSpec, Stream
from .inputs import targets_of


def presence_of(stream: Stream) -> np.ndarray:
    """Which parts each record of the stream has ``bool [N, M]``, from the index alone: nothing is
    decoded.
    """
    index = stream.index
    columns = []
    for name, spec in stream.specs.items():
        if isinstance(spec, FeatureSpec):
            columns.append(FeatureCache(Path(spec.folder), spec.part).rows(index.all_keys()) >= 0)
        elif name in index.spans:
            columns.append(index.has(name))
        else:
            columns.append(
                np.array([text is not None for text in index.texts(name, range(len(index)))], bool)
            )
    return np.stack(columns, 1)


class MaskProbe:
    """Answers from presence alone: the commonest answer of the records it was fitted to for each
    pattern of what is there.

    answers: the answer of each record, None where there is none.
    """

    def __init__(self, present_NM: np.ndarray, answers: Sequence[object]) -> None:
        patterns: dict[tuple[bool, ...], Counter[str]] = {}
        for row, answer in zip(present_NM.tolist(), answers, strict=True):
            if answer is not None:
                patterns.setdefault(tuple(row), Counter())[str(answer)] += 1
        self.counts: Counter[str] = sum(patterns.values(), Counter())
        self._said = {pattern: counts.most_common(1)[0] for pattern, counts in patterns.items()}
        # of the records it was fitted to
        self.right = sum(number for _, number in self._said.values()) / max(1, self.counts.total())

    @classmethod
    def fitted(cls, stream: Stream, target: str) -> MaskProbe:
        """The probe of a stream's records."""
        return cls(presence_of(stream), [targets.get(target) for targets in targets_of(stream)])

    @property
    def commonest(self) -> str | None:
        """The commonest answer of all; None where there are none."""
        return self.counts.most_common(1)[0][0] if self.counts else None

    def answer(self, patterns: Iterable[Sequence[bool]]) -> list[str | None]:
        """What is answered for each pattern; one that was never seen gets the commonest answer of
        all.
        """
        return [
            self._said[tuple(pattern)][0] if tuple(pattern) in self._said else self.commonest
            for pattern in patterns
        ]
