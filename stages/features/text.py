"""Texts by their words: hashed n-grams weighted by TF-IDF, no learned weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xxhash

from ..base import Extractor

_WORD = re.compile(r"\w+(?:'\w+)?")


@dataclass(frozen=True, kw_only=True)
class Text(Extractor):
    """Word n-grams hashed into ``size`` signed bins (Weinberger 2009), sublinear term frequency
    times inverse document frequency, length 1.

    size: bins. ngrams: longest n-gram in words. The document frequencies are those of the split
        ``train`` (of all records where there is none).
    """

    modality: ClassVar[str] = "text"
    # each brought to deviation 1, words seen once would count most
    one_scale: ClassVar[bool] = True

    size: int = 512
    ngrams: int = 2

    def dims(self) -> int:
        return self.size

    def fit(self, texts: Iterable[str]) -> np.ndarray:
        """Inverse document frequency of each bin ``float32 [size]``: ``ln((1 + n) / (1 + df)) +
        1``.
        """
        seen = np.zeros(self.size)
        count = 0
        for text in texts:
            count += 1
            seen[np.unique(self._bins(self._hashes(text)))] += 1
        return (np.log((1 + count) / (1 + seen)) + 1).astype(np.float32)

    def extract(self, data: str) -> np.ndarray:
        hashes = self._hashes(data)
        signs = np.where(hashes >> np.uint64(63), 1.0, -1.0)
        counts = np.bincount(self._bins(hashes), signs, self.size).astype(np.float32)
        return np.asarray(np.sign(counts) * np.log1p(np.abs(counts)))

    def weigh(self, vector: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
        """The vector weighted by document frequency, of length 1 (or 0 for a text without
        words).
        """
        weighted = vector * frequencies
        length = float(np.linalg.norm(weighted))
        return np.asarray(weighted / length if length else weighted)

    def _hashes(self, text: str) -> np.ndarray:
        """The hash of each n-gram ``uint64 [N]``: its remainder is the bin, its highest bit the
        sign.
        """
        words = [word.encode() for word in _WORD.findall(text.lower())]
        ngrams: list[bytes] = []
        for length in range(1, self.ngrams + 1):
            runs = zip(*(words[start:] for start in range(length)), strict=False)
            ngrams += map(b" ".join, runs) if length > 1 else words
        return np.array([xxhash.xxh3_64_intdigest(ngram) for ngram in ngrams], np.uint64)

    def _bins(self, hashes: np.ndarray) -> np.ndarray:
        return (hashes % np.uint64(self.size)).astype(np.int64)
