"""A text file of word vectors, of which a word's line is read when it is asked for."""

from __future__ import annotations

import codecs
import functools
import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...schemas.errors import InputError


@dataclass(frozen=True)
class WordTable:
    """The vectors of a file ``word number number ...``, a line each, the most frequent word first:
    the format of GloVe, or of word2vec and fastText where a first line gives the two sizes.

    dims: numbers of a vector. lines: word -> where its line begins, and its place among the words,
    from 1.
    """

    path: Path
    dims: int
    lines: dict[bytes, tuple[int, int]]
    content: mmap.mmap

    def __contains__(self, word: str) -> bool:
        return word.encode() in self.lines

    def rank(self, word: str) -> int:
        """The place of a word by frequency, from 1; KeyError where it is not there."""
        return self.lines[word.encode()][1]

    def vector(self, word: str) -> np.ndarray:
        """The vector of a word ``float32 [dims]``; KeyError where it is not there, InputError where
        its line holds something else than numbers.
        """
        start, rank = self.lines[word.encode()]
        end = self.content.find(b"\n", start)
        line = self.content[start : end if end >= 0 else len(self.content)]
        try:
            numbers = np.array(line.split()[-self.dims :], np.float32)
        except ValueError:
            numbers = np.empty(0, np.float32)
        if not np.isfinite(numbers).all() or len(numbers) != self.dims:
            raise InputError(
                f"features.word_vectors: {self.path}, word {rank} ({word!r}): wanted {self.dims}"
                f" numbers, found {line[-60:].decode(errors='replace').strip()!r}"
            )
        return numbers


def dims_of(path: Path) -> int:
    """How many numbers a vector of a file has; ValueError where it is none of word vectors."""
    try:
        with path.open("rb") as file:
            first, second = file.readline().split(), file.readline().split()
            first = _without_mark(first)
    except OSError as error:
        raise ValueError(
            f"path: {path} cannot be read: {error.strerror}; the path is from where the command is"
            " given"
        ) from None
    fields = second if _is_header(first) and second else first
    try:
        np.array(fields[1:], np.float32)
    except ValueError:
        fields = []
    if len(fields) < 3:
        raise ValueError(
            f"path: {path} holds no word vectors: wanted a word and its numbers in each line, as"
            f" GloVe has them, found {b' '.join(first)[:60].decode(errors='replace')!r}"
        )
    if _is_header(first) and second and int(first[1]) != len(fields) - 1:
        raise ValueError(
            f"path: {path} says that its vectors have {int(first[1]):,} numbers, and the first has"
            f" {len(fields) - 1:,}"
        )
    return len(fields) - 1


@functools.lru_cache(maxsize=2)
def read_word_table(path: Path, size: int, time_ns: int) -> WordTable:
    """The table of a file, of this size and time; InputError for a line that is too short, or fewer
    words than its first line says.
    """
    dims = dims_of(path)
    wanted: int | None = None
    lines: dict[bytes, tuple[int, int]] = {}
    rank = start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            begin, start = start, start + len(line)
            fields = line.split() if number > 1 else _without_mark(line.split())
            if number == 1 and _is_header(fields):
                wanted = int(fields[0])
                continue
            if not fields:
                continue
            if len(fields) <= dims:
                raise InputError(
                    f"features.word_vectors: {path}, line {number}: wanted a word and {dims}"
                    f" numbers, found {len(fields)} fields"
                )
            rank += 1
            # GloVe has words with blanks in them
            lines.setdefault(b" ".join(fields[: len(fields) - dims]), (begin, rank))
        if wanted is not None and rank != wanted:
            raise InputError(
                f"features.word_vectors: {path} says that it has {wanted:,} words, and has"
                f" {rank:,}; is it whole?"
            )
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return WordTable(path, dims, lines, content)


def _without_mark(fields: list[bytes]) -> list[bytes]:
    """The first line's fields without a byte order mark."""
    return [fields[0].removeprefix(codecs.BOM_UTF8), *fields[1:]] if fields else fields


def _is_header(fields: list[bytes]) -> bool:
    return len(fields) == 2 and all(field.isdigit() for field in fields)
