"""What names of files say of a label: a word or a letter at one place of all names that nearly
determines it.

    03a01Fa.wav, label happiness    the letter at place 6 is F in all that are called so
    dog/4-117-A-0.wav, label dog    the folder, and the last word

The same words are what one expects, and only what breaks them is told. Other words that stand one
to one for the labels are a code, or a renaming: labels of which two were exchanged throughout look
right to every model, and are seen in such a table alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .spellings import plain_form

_WORD = re.compile(r"[^\W\d_]+|\d+")
_MOST_LETTERS = 40
_FEWEST_PER_WORD = 3  # on average; what is rarer is a number of the record
_LEAST_TOLD = 0.9
_MOST_EXCEPTIONS = 0.2


@dataclass(frozen=True, slots=True)
class NameTable:
    """A place in names of files that nearly determines a label.

    place: in words. counts: word there -> label -> records. usual: word -> its commonest label.
    exceptions: the rows of records with another label than is usual for their word. is_same: the
        words are the labels themselves. is_exchanged: the words are labels, and stand for others
        than they name. is_one_to_one: each word has a usual label of its own.
    """

    place: str
    counts: Mapping[str, Mapping[str, int]]
    usual: Mapping[str, str]
    exceptions: tuple[int, ...]
    is_same: bool
    is_exchanged: bool
    is_one_to_one: bool


def name_tables(names: Sequence[str], labels: Sequence[str]) -> list[NameTable]:
    """The places that nearly determine the labels, those with fewest exceptions first.

    names: of the files ``[N]``, with ``/`` between folders; of a record without one empty. Such a
    place has a word in nine of ten names, at least three records a word, two words that stand for
    different labels, and exceptions among at most a fifth of the records, and half of those that
    always saying the commonest label has.
    """
    tables: list[NameTable] = []
    seen: list[list[str | None]] = []
    for place, words in _places(names):
        parted = _numbered(words)
        if parted in seen:
            continue
        table = _table(place, words, labels)
        if table is not None:
            tables.append(table)
            seen.append(parted)
    return sorted(tables, key=lambda table: len(table.exceptions))


def _places(names: Sequence[str]) -> Iterator[tuple[str, list[str | None]]]:
    """Each place of the names in words, and what stands there in each name."""
    paths = [PurePosixPath(name) for name in names]
    folders = [path.parts[:-1] for path in paths]
    stems = [path.name.partition(".")[0] for path in paths]
    words = [_WORD.findall(stem) for stem in stems]
    for depth in range(1, max(map(len, folders), default=0) + 1):
        which = "the folder" if depth == 1 else f"the folder {depth} above the file"
        yield which, [own[-depth] if len(own) >= depth else None for own in folders]
    longest = max(map(len, words), default=0)
    for place in range(min(longest, _MOST_LETTERS)):
        here = [own[place] if len(own) > place else None for own in words]
        yield f"word {place + 1} of the name", here
    if len({len(own) for own in words if own}) > 1:
        for place in range(1, min(longest, _MOST_LETTERS) + 1):
            here = [own[-place] if len(own) >= place else None for own in words]
            yield "the last word of the name" if place == 1 else f"word {place} from the end", here
    lengths = {len(stem) for stem in stems if stem}
    if len(lengths) == 1:
        for place in range(min(*lengths, _MOST_LETTERS)):
            yield f"letter {place + 1} of the name", [stem[place : place + 1] for stem in stems]


def _numbered(words: Sequence[str | None]) -> list[str | None]:
    """The same for all places that part the records in the same way."""
    first: dict[str | None, str] = {}
    return [first.setdefault(word, str(len(first))) if word else None for word in words]


def _table(place: str, words: Sequence[str | None], labels: Sequence[str]) -> NameTable | None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, label in zip(words, labels, strict=True):
        if word:
            counts[word][label] += 1
    told = sum(own.total() for own in counts.values())
    if told < _LEAST_TOLD * len(labels) or told < _FEWEST_PER_WORD * len(counts):
        return None
    usual = {word: _commonest(own) for word, own in sorted(counts.items())}
    exceptions = tuple(
        row
        for row, (word, label) in enumerate(zip(words, labels, strict=True))
        if word and usual[word] != label
    )
    always = len(labels) - max(Counter(labels).values())
    if (
        len(set(usual.values())) < 2
        or len(exceptions) > _MOST_EXCEPTIONS * told
        or len(exceptions) > always / 2
    ):
        return None
    forms = {plain_form(label) for label in labels}
    named = {word: label for word, label in usual.items() if plain_form(word) in forms}
    differ = [word for word, label in named.items() if plain_form(word) != plain_form(label)]
    return NameTable(
        place,
        counts,
        usual,
        exceptions,
        is_same=len(named) == len(usual) and not differ,
        is_exchanged=bool(differ),
        is_one_to_one=len(set(usual.values())) == len(usual),
    )


def _commonest(counts: Counter[str]) -> str:
    return min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
