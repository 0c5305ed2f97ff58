"""Texts by vectors of their words, from a file in the format of GloVe: their mean, or one after the
other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ...schemas.errors import DamageError
from ..base import Extractor
from ._sequences import LONGEST, check_longest
from ._word_table import WordTable, dims_of, read_word_table

_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_GAMMA = 0.5772156649015329  # Euler's


@dataclass(frozen=True, kw_only=True)
class WordVectors(Extractor):
    """The mean of the vectors of a text's words (GloVe: Pennington, Socher & Manning 2014).

    path: a text file with a word and its numbers in each line, as GloVe comes, or with the sizes in
        a first line, as word2vec and fastText write it. Its contents, not its name, decide what a
        cache holds.
    weighting: ``mean`` counts every word alike; ``sif`` counts a word ``a / (a + p)`` by its
        probability (Arora, Liang & Ma 2017), which is by Zipf's law that of its place in the file,
        for these files begin with the most frequent word. The common direction of all texts is
        left in. a: that of ``sif``.
    pool: ``mean``, or ``none`` for the sequence of the vectors themselves. longest: how many words
        of it are kept, from the beginning on.
    lower: whether words are looked up in lower case, as most such files have them.

    A contraction that is not in the file is looked up as the two words that the Penn Treebank makes
    of it. Words without a vector are left out and counted; a text of such words alone has no
    vector.
    """

    modality: ClassVar[str] = "text"
    one_scale: ClassVar[bool] = True
    places: ClassVar[frozenset[str]] = frozenset({"path"})
    later: ClassVar[frozenset[str]] = frozenset({"pool", "longest"})
    told: ClassVar[tuple[str, ...]] = ("words", "unknown")

    path: str
    weighting: Literal["mean", "sif"] = "mean"
    a: float = 1e-3
    lower: bool = True
    pool: Literal["mean", "none"] = "mean"
    longest: int = LONGEST

    def __post_init__(self) -> None:
        if not 0 < self.a < math.inf:
            raise ValueError(f"a: wanted a number above 0, found {self.a}")
        check_longest(self.longest, self.pool == "none")
        if self.pool == "none" and self.weighting != "mean":
            raise ValueError(
                f"weighting: {self.weighting} weighs words in their mean, and pool: none takes none"
            )
        self.dims()

    def sequence_limit(self) -> int | None:
        return self.longest if self.pool == "none" else None

    def files(self) -> list[Path]:
        return [Path(self.path)]

    def dims(self) -> int:
        return dims_of(Path(self.path))

    def extract(self, data: str) -> np.ndarray:
        table = self._table()
        words = list(self._words(data, table))
        known = [word for word in words if word in table]
        if not known:
            raise DamageError(
                "no_known_word",
                f"{data[:60]!r}: none of {len(words)} words has a vector in {self.path}",
            )
        if self.pool == "none":
            return np.stack([table.vector(word) for word in known]).astype(np.float32)
        weights = np.array([self._weight(word, table) for word in known])
        vectors = np.stack([table.vector(word) for word in known]).astype(np.float64)
        return np.asarray((weights @ vectors) / weights.sum(), np.float32)

    def tell(self, data: str) -> tuple[int, int]:
        table = self._table()
        words = list(self._words(data, table))
        return len(words), sum(word not in table for word in words)

    def remark(self, counts: Mapping[str, int]) -> str:
        words, unknown = counts["words"], counts["unknown"]
        share = f"{unknown:,} of {words:,} words have no vector in {self.path}"
        return f"{share} ({unknown / words:.1%}), and are left out" if unknown else ""

    def _table(self) -> WordTable:
        state = Path(self.path).stat()
        return read_word_table(Path(self.path), state.st_size, state.st_mtime_ns)

    def _weight(self, word: str, table: WordTable) -> float:
        if self.weighting == "mean":
            return 1.0
        harmonic = math.log(len(table.lines)) + _GAMMA
        return self.a / (self.a + 1 / (table.rank(word) * harmonic))

    def _words(self, text: str, table: WordTable) -> Iterator[str]:
        """The words of a text as the table has them."""
        for word in _WORD.findall(text.lower() if self.lower else text):
            plain = word.replace("\u2019", "'")
            if plain in table or "'" not in plain:
                yield plain
            elif plain.lower().endswith("n't"):
                yield from (plain[:-3], plain[-3:])
            else:
                place = plain.index("'")
                yield from (plain[:place], plain[place:])
