"""What each column of a table is: an id, a text, a number, a category, a file, ...; guessed from
its name and its cells, with the reason in words.

Plain data in, plain data out: a table is column name -> cells (``pyarrow.Table.to_pydict()``, or
texts as they stand in a csv), and nothing is read but what is given.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Literal, TypeAlias

from ...stages.ingest._values import is_no_number, seconds
from ...stages.modality import by_ending
from ...stages.template import can_name, is_absent, plain
from .paths import FileNames, FilePlace

Role: TypeAlias = Literal[
    "identifier",
    "text",
    "number",
    "category",
    "list",
    "date",
    "path",
    "group",
    "position",
    "split",
    "fold",
    "start",
    "end",
    "passed over",
]
Cells: TypeAlias = Sequence[object]

_NEARLY_ALL = 0.98
_NEARLY_ONCE = 0.95
_MOST = 0.5
_MOST_TRIED = 100
_MOSTLY_FALLING = 0.8
_MOST_CLASSES = 1000
_SELDOM = 5
_OFTEN = 1.2
_FEWEST_GROUPS = 10  # three for each of three splits, and one more
_LISTS = "|;,"
_WORDS_OF_TEXT = 4
_LETTERS_OF_CATEGORY = 60
_SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "publictest"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "tst", "privatetest"), "test"),
}
_SPLIT_WORD = re.compile(r"[A-Za-z]+")
_SPLIT_NAME = re.compile(r"split|subset|partition|set", re.IGNORECASE)
_FOLD_NAME = re.compile(r"(cv_?)?folds?", re.IGNORECASE)
_START_NAME = re.compile(r"(start|begin|onset|from)(_?(time|s|sec|seconds))?", re.IGNORECASE)
_END_NAME = re.compile(r"(end|stop|to|until)(_?(time|s|sec|seconds))?", re.IGNORECASE)
_ID_NAME = re.compile(
    r"(?i:(.*[\W_])?(id|ids|uid|uuid|guid|key|no|nr|num|index|idx|identifier|code|#)\W*)"
    r"|\w*[a-z0-9]I[Dd]|(?i:(image|video|movie|item|product|post|track|sample|record|row)id)"
)
_GROUP_WORD = re.compile(
    r"(speaker|talker|patient|subject|participant|person|user|author|session|recording|dialogue"
    r"|dialog|conversation|scene|series|source|src|parent|group|family)s?(id|no|nr)?",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LABEL_NAME = re.compile(
    r"label|labels|class|classes|target|y|category|categories|kategorie|klasse|genre|genres|emotion"
    r"|sentiment|answer|rating|score|species|diagnosis|outcome|topic|intent|price|preis|stars"
    r"|survived|churn|churned|satisfied|spam|fraud",
    re.IGNORECASE,
)
_LIKE_LABEL_NAME = re.compile(r"tag|tags|type|kind|art|gender", re.IGNORECASE)
_TRAIT_NAME = re.compile(r"sex|age|city|town|country|state|region|language|race", re.IGNORECASE)
_LINK = re.compile(r"(https?|ftp|s3|gs)://\S+", re.IGNORECASE)
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}( \d{1,2}:\d{2}.*)?"
    r"|\d{4}/\d{1,2}/\d{1,2}"
)
_FILE_ENDING = re.compile(r"[^\n]*[^\s/\\]\.[A-Za-z][A-Za-z0-9]{1,4}")
_AMOUNT = re.compile(
    r"[-+(]?\s?(?P<sign>[$€£¥₹])?\s?-?(\d{1,3}([.,' ]\d{3})+|\d+)(?P<decimals>[.,]\d+)?"
    r"\s?(?P<unit>[$€£¥₹%])?\)?"
)
_NOT_FINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_MARKS = ((".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", "'"), (".", " "))


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnGuess:
    """What a column is taken for.

    confidence: 0 to 1, the share of the cells that fit, less where other readings fit too. values:
    distinct cells, of the ``filled`` ones among ``cells``. places: of a path, the templates that
    lead to its files, and how many are there. modality: of a path, what its files are. separator:
    of a list, what stands between its values. are_numbers: its cells are numbers, whatever they
    mean.
    """

    column: str
    role: Role
    reason: str
    confidence: float
    cells: int
    filled: int
    values: int
    modality: str = ""
    places: tuple[FilePlace, ...] = ()
    separator: str = ""
    are_numbers: bool = False


def guess_columns(
    table: Mapping[str, Cells], files: FileNames | None = None
) -> dict[str, ColumnGuess]:
    """What each column of a table is taken for, by its name; ``files`` are those that its cells can
    name.

    >>> guesses = guess_columns({"clip": ["a.wav", "b.wav"], "said": ["hello to all", "so be it"]})
    >>> guesses["clip"].role, guesses["clip"].modality, guesses["said"].role
    ('path', 'audio', 'text')
    """
    marks = number_marks(table)
    rows = _rows(table) if files is not None and files.paths else ()
    guesses = {}
    for name, cells in table.items():
        places = files.places(name, rows) if files is not None and is_usable(name) and rows else []
        guesses[name] = _guess(name, cells, marks, places)
    lost = _without_their_files(table, guesses)
    guesses |= {name: _guess(name, table[name], marks, []) for name in lost}
    return _without_lone_times(guesses)


def number_marks(table: Mapping[str, Cells]) -> tuple[str, str]:
    """The decimal mark and that of thousands under which most columns of a table are numbers."""
    columns = []
    for cells in table.values():
        texts = [text for cell in cells if isinstance(cell, str) and (text := cell.strip())]
        if any(mark in text for text in texts[:100] for mark in ".,' "):
            columns.append([text for text in texts if not _says_no_number(text)])
    scores = {
        marks: sum(
            _share(texts, _number_pattern(*marks).fullmatch) >= _NEARLY_ALL for texts in columns
        )
        for marks in _MARKS
    }
    best = max(_MARKS, key=lambda marks: scores[marks])
    if best == (",", "") and scores[(".", ",")] == scores[best]:
        # 1,275 in each row: groups of three digits everywhere are thousands
        return (".", ",")
    return best


def target_column(guesses: Mapping[str, ColumnGuess]) -> ColumnGuess | None:
    """The column that is the likeliest to be asked for: one that is called like a label, else the
    only category, else the last category or number; None where there is none.
    """
    open_ones = [
        guess for guess in guesses.values() if guess.role in ("category", "list", "number")
    ]
    named = [guess for guess in open_ones if is_label_name(guess.column)]
    categories = [guess for guess in open_ones if guess.role == "category"]
    if named:
        rank = {"category": 0, "list": 2, "number": 3}
        return min(
            named,
            key=lambda guess: (label_rank(guess.column), rank[guess.role] + guess.are_numbers),
        )
    if categories:
        return min(categories, key=lambda guess: (label_rank(guess.column), guess.values))
    return open_ones[-1] if open_ones else None


def target_columns(guesses: Mapping[str, ColumnGuess]) -> list[str]:
    """The columns beside a text that may be asked for: those that are called like labels most
    plainly, else the likeliest one. The others are cells to learn from.
    """
    likeliest = target_column(guesses)
    if likeliest is None or not is_label_name(likeliest.column):
        return [likeliest.column] if likeliest else []
    rank = label_rank(likeliest.column)
    of_roles = [guess for guess in guesses.values() if guess.role in ("category", "list", "number")]
    return [guess.column for guess in of_roles if label_rank(guess.column) == rank]


def is_label_name(column: str) -> bool:
    """Whether a column is called as labels are called."""
    return label_rank(column) <= 1


def label_rank(column: str) -> int:
    """How little a name is that of a label: 0 for ``label``, 1 for ``label_3`` and ``kind``, 2 for
    other names, 3 for what is rather told of a person or a thing than asked for (``sex``).
    """
    words = re.split(r"[\W_]+", _CAMEL.sub("_", column))
    if _LABEL_NAME.fullmatch(column):
        return 0
    if any(_LABEL_NAME.fullmatch(word) or _LIKE_LABEL_NAME.fullmatch(word) for word in words):
        return 1
    return 3 if any(map(_TRAIT_NAME.fullmatch, words)) else 2


def split_word(name: str) -> str:
    """The split that a name says, ``train``, ``val`` or ``test``: of ``dev_sent_emo``, ``val2014``;
    empty where it says none, or more than one.

    >>> split_word("dev_sent_emo"), split_word("trains")
    ('val', '')
    """
    words = {_SPLITS[word] for word in _SPLIT_WORD.findall(name.lower()) if word in _SPLITS}
    return words.pop() if len(words) == 1 else ""


def _rows(table: Mapping[str, Cells]) -> list[dict[str, object]]:
    names = list(table)
    return [dict(zip(names, cells, strict=True)) for cells in zip(*table.values(), strict=True)]


def is_usable(name: str) -> bool:
    """Whether a recipe can name the column wherever columns are named: one with a brace would be
    taken for a template.
    """
    return can_name(name) and not set("{}") & set(name)


def _guess(
    name: str, cells: Cells, marks: tuple[str, str], places: Sequence[FilePlace]
) -> ColumnGuess:
    # a list of nothing says nothing
    filled = [cell for cell in cells if not is_absent(cell) and cell not in ([], {})]
    texts = [plain(cell).strip() for cell in filled if not isinstance(cell, list | dict | bytes)]
    values = len(set(texts))

    def is_a(
        role: Role,
        reason: str,
        confidence: float = 1.0,
        modality: str = "",
        separator: str = "",
        files: Sequence[FilePlace] = (),
    ) -> ColumnGuess:
        return ColumnGuess(
            column=name,
            role=role,
            reason=reason,
            confidence=round(confidence, 3),
            cells=len(cells),
            filled=len(filled),
            values=values,
            modality=modality,
            separator=separator,
            places=tuple(files),
        )

    if not name:
        return is_a("passed over", "the column has no name")
    if not is_usable(name):
        return is_a("passed over", "its name has a brace or two kinds of quotes")
    if not filled:
        return is_a("passed over", "every cell is empty")
    if any(isinstance(cell, dict | bytes) for cell in filled):
        return is_a("passed over", "its cells are nested, or bytes")
    if any(isinstance(cell, list | tuple) for cell in filled):
        if all(_is_flat(cell) for cell in filled):
            return is_a("list", "its cells are lists")
        return is_a("passed over", "its cells are lists of lists or of objects")
    links = _share(texts, _LINK.fullmatch)
    if links >= _MOST:
        return is_a("passed over", "its cells are links, which nobody fetches", links)
    path = _path(texts, places)
    if path is not None:
        return is_a("path", *path, files=places)
    lower = {text.lower() for text in texts}
    if lower <= _SPLITS.keys() and (len(lower) > 1 or _SPLIT_NAME.search(name)):
        return is_a("split", f"its cells are names of splits: {_some(lower)}")
    if values == 1 and len(filled) > 1:
        empty = len(cells) - len(filled)
        rest = f", but for {empty:,} of {len(cells):,} that are empty" if empty else ""
        return is_a("passed over", f"every cell is {texts[0][:40]!r}{rest}")
    numbers = _numbers(filled, texts, marks)
    if _FOLD_NAME.fullmatch(name) and 2 <= values <= 20:
        return is_a("fold", f"{values} folds by its name")
    for role, pattern in (("start", _START_NAME), ("end", _END_NAME)):
        if pattern.fullmatch(name.strip()) and _share(texts, _is_seconds) >= _NEARLY_ALL:
            return is_a(role, "times by its name and its cells")  # type: ignore[arg-type]  # two roles
    dates = sum(isinstance(cell, date | datetime | time) for cell in filled) / len(filled)
    dates = max(dates, _share(texts, _DATE.fullmatch))
    if dates >= _NEARLY_ALL:
        return is_a("date", "its cells are dates", dates)
    repeats = len(texts) / values
    if numbers.share >= _NEARLY_ALL:
        return replace(_of_numbers(name, numbers, texts, values, is_a), are_numbers=True)
    return _of_texts(name, texts, values, repeats, is_a)


_Made: TypeAlias = Callable[..., ColumnGuess]


@dataclass(frozen=True, slots=True)
class _Numbers:
    share: float
    are_whole: bool
    smallest: float
    largest: float


def _numbers(filled: Sequence[object], texts: Sequence[str], marks: tuple[str, str]) -> _Numbers:
    pattern = _number_pattern(*marks)
    known: list[float] = []
    missing = 0
    for cell, text in zip(filled, texts, strict=True):
        if isinstance(cell, bool):
            continue
        if isinstance(cell, int | float):
            known += [float(cell)] if math.isfinite(cell) else []
            missing += not math.isfinite(cell)
        elif _says_no_number(text):
            missing += 1
        elif pattern.fullmatch(text):
            bare = text.replace(marks[1], "") if marks[1] else text
            known.append(float(bare.replace(marks[0], ".")))
    if not known:
        return _Numbers(0.0, False, 0.0, 0.0)
    whole = all(value.is_integer() for value in known)
    return _Numbers((len(known) + missing) / len(filled), whole, min(known), max(known))


def _of_numbers(
    name: str, numbers: _Numbers, texts: Sequence[str], values: int, is_a: _Made
) -> ColumnGuess:
    count = len(texts)
    span = f"{numbers.smallest:g} to {numbers.largest:g}"
    is_id = bool(_ID_NAME.fullmatch(name.strip()))
    if numbers.are_whole and values == count and count > 1:
        if is_id:
            return is_a("identifier", "whole numbers, each once, and its name")
        if numbers.largest - numbers.smallest == count - 1:
            return is_a("identifier", f"a running number, {span}", 0.9)
    if numbers.are_whole and is_id and not is_label_name(name) and _is_position(texts):
        return is_a("position", "a position within a group: 0, 1, ... again and again", 0.8)
    if numbers.are_whole and is_id and values > _NEARLY_ONCE * count:
        return is_a("passed over", f"{values} numbers in {count} cells: no id, and no group", 0.8)
    if numbers.are_whole and (is_id or _is_group(name)) and _can_group(name, values, count):
        return is_a("group", f"{values} whole numbers that come again, and its name", 0.8)
    if numbers.are_whole and (
        values == 2
        or (is_id and (values < _FEWEST_GROUPS or is_label_name(name)))
        or (is_label_name(name) and values <= 20 and count / values >= 5)
    ):
        return is_a("category", f"{values} whole numbers, each {count / values:.0f} times", 0.7)
    return is_a("number", f"numbers, {span}", numbers.share)


def _is_position(texts: Sequence[str]) -> bool:
    """Whether whole numbers count the rows of each group: from 0 or 1 on, each as often as the one
    before it, or less, and hardly one the same as that of the row before.
    """
    numbers = [int(float(text)) for text in texts if not _says_no_number(text)]
    counts = Counter(numbers)
    first, last = min(counts), max(counts)
    if last - first > len(texts) or len(counts) == 2:
        return False
    if sum(before == behind for before, behind in itertools.pairwise(numbers)) > len(numbers) / 5:
        return False
    often = [counts[number] for number in range(first, last + 1)]
    falls = sum(before >= behind for before, behind in itertools.pairwise(often))
    return (
        first in (0, 1)
        and often[0] >= 2 * often[-1]
        and falls >= _MOSTLY_FALLING * (len(often) - 1)
    )


def _of_texts(
    name: str, texts: Sequence[str], values: int, repeats: float, is_a: _Made
) -> ColumnGuess:
    count = len(texts)
    if _share(texts, _is_amount) >= _NEARLY_ALL:
        # none is an id, and a source reads numbers alone, of one table with the same marks
        return is_a(
            "passed over",
            f"amounts, or numbers with other marks than those of other columns: {texts[0][:20]!r};"
            " write them as 1234.5",
        )
    words = statistics.fmean(len(text.split()) for text in texts)
    letters = statistics.fmean(map(len, texts))
    is_id = bool(_ID_NAME.fullmatch(name.strip()))
    if words <= 1.2 and values >= _NEARLY_ALL * count and (is_id or count > 10):
        return is_a(
            "identifier", f"one word each, {values} of {count} distinct", 1.0 if is_id else 0.7
        )
    if (
        letters <= _LETTERS_OF_CATEGORY
        and (is_id or _is_group(name))
        and _can_group(name, values, count)
    ):
        return is_a("group", f"{values} names that come again, and its name", 0.7)
    if _is_group(name) and values < _FEWEST_GROUPS and 1 < repeats < _SELDOM:
        return is_a("passed over", f"{values} names that come again: too few to be kept apart", 0.5)
    separator = _separator(texts)
    if separator and values > 2:
        reason = f"a few words come again between {separator!r}"
        words_of_all = {word.strip() for text in texts for word in text.split(separator)}
        guess = is_a("list", reason, 0.7, separator=separator)
        return replace(guess, values=len(words_of_all))
    if letters > _LETTERS_OF_CATEGORY or (words >= _WORDS_OF_TEXT and repeats < 5):
        return is_a("text", f"{words:.0f} words each, {values} of {count} distinct")
    if values <= _MOST_CLASSES and (repeats >= 2 or (is_label_name(name) and repeats >= 1.2)):
        sure = min(1.0, 0.5 + repeats / 20)
        return is_a("category", f"{values} values, each {repeats:.0f} times", sure)
    return is_a("text", f"{values} of {count} distinct", 0.5)


def _is_group(name: str) -> bool:
    """Whether a word of a name is one of groups: ``patient_id``, but not ``obscene``."""
    words = re.split(r"[\W_]+", _CAMEL.sub("_", name))
    return any(map(_GROUP_WORD.fullmatch, words))


def _can_group(name: str, values: int, count: int) -> bool:
    """Whether a column can keep records together: its values come again, there are enough of them
    for each split to have some, and it is not called like a label.
    """
    return values >= _FEWEST_GROUPS and count >= _OFTEN * values and not is_label_name(name)


def _path(texts: Sequence[str], places: Sequence[FilePlace]) -> tuple[str, float, str] | None:
    """Reason, confidence and modality of a column of paths; None where it is no such column."""
    ends = Counter(by_ending(text) or "" for text in texts if _FILE_ENDING.fullmatch(text))
    named = (ends.total() - ends[""]) / len(texts)
    best = places[0] if places else None
    if best is not None and (best.is_sure or named >= _MOST):
        reason = f"{best.found} of {best.looked_at} names are of files that are there: {best.path}"
        return reason, best.share, best.modality
    if named >= _MOST:
        return "its cells end as names of files do", named, ends.most_common(1)[0][0]
    return None


def _separator(texts: Sequence[str]) -> str:
    """What stands between the values of cells that hold several; nothing where they hold one."""
    for mark in _LISTS:
        several = [text for text in texts if mark in text]
        if len(several) < 0.2 * len(texts):
            continue
        pieces = [piece.strip() for text in texts for piece in text.split(mark)]
        long = max(len(piece.split()) for piece in pieces)
        # Paris, France is one place: the words of a list are fewer than the lists made of them
        if long <= 3 and all(pieces) and len(set(pieces)) <= len(set(texts)) / 2:
            return mark
    return ""


def _number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    whole = r"(0|[1-9]\d*)" + (rf"|\d{{1,3}}({re.escape(thousands)}\d{{3}})+" if thousands else "")
    mark = re.escape(decimal)
    return re.compile(rf"[+-]?(({whole})({mark}\d*)?|{mark}\d+)([eE][+-]?\d+)?")


def _says_no_number(text: str) -> bool:
    return is_no_number(text) or bool(_NOT_FINITE.fullmatch(text))


def _is_amount(text: str) -> bool:
    """Whether a cell is a number with decimals, or with a sign of money or of per cent."""
    match = _AMOUNT.fullmatch(text)
    return match is not None and any(match.group("sign", "decimals", "unit"))


def _is_seconds(text: str) -> bool:
    try:
        seconds(text)
    except ValueError:
        return is_no_number(text)
    return True


def _is_flat(cell: object) -> bool:
    return isinstance(cell, list | tuple) and not any(
        isinstance(value, list | dict | bytes) for value in cell
    )


def _share(texts: Sequence[str], fits: Callable[[str], object]) -> float:
    return sum(bool(fits(text)) for text in texts) / len(texts) if texts else 0.0


def _some(words: Iterator[str] | set[str]) -> str:
    return ", ".join(sorted(words)[:5])


def _without_their_files(
    table: Mapping[str, Cells], guesses: Mapping[str, ColumnGuess]
) -> list[str]:
    """Columns taken for paths because of what stands in names of files, to which no kind of medium
    is left: another column names those files by their endings, or finds more of them.
    """
    paths = [guess for guess in guesses.values() if guess.role == "path" and guess.places]
    explicit = {guess.column for guess in paths if _ends_as_files(table[guess.column])}
    best: dict[str, ColumnGuess] = {}
    for guess in sorted(paths, key=lambda one: (one.column in explicit, one.values)):
        for place in guess.places:
            if place.is_sure:
                best[place.modality] = guess
    kept = explicit | {guess.column for guess in best.values()}
    return [guess.column for guess in paths if guess.column not in kept]


def _ends_as_files(cells: Cells) -> bool:
    texts = [plain(cell) for cell in cells if not is_absent(cell)]
    return _share(texts[:_MOST_TRIED], lambda text: by_ending(text) is not None) >= _MOST


def _without_lone_times(guesses: dict[str, ColumnGuess]) -> dict[str, ColumnGuess]:
    """A start without an end, or two of them, cuts nothing."""
    roles = Counter(guess.role for guess in guesses.values())
    if roles["start"] == roles["end"] <= 1:
        return guesses
    reason = "a time, and no pair of one start and one end"
    return {
        name: replace(guess, role="passed over", reason=reason)
        if guess.role in ("start", "end")
        else guess
        for name, guess in guesses.items()
    }
