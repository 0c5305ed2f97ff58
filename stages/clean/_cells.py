"""What is wanted of the cells of one table: words to choose from, patterns, cells that have to be
there, conditions over several of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ...schemas.errors import InputError
from ...schemas.fingerprint import canonical
from ...schemas.json_value import JsonValue, as_word
from ...schemas.where import Value, Where
from ..modalities.table import as_number, is_empty_cell

Cells: TypeAlias = Mapping[str, JsonValue]


class Verdict(NamedTuple):
    """Whether a table keeps a rule. option: what sets it. rule: what the account calls it. value,
    wanted: of the cells that it looks at.
    """

    option: str
    rule: str
    keeps: bool
    value: JsonValue
    wanted: JsonValue


def required_cells(cells: Cells, columns: Iterable[str]) -> Iterator[Verdict]:
    """Whether the cells that have to be there are."""
    for column in columns:
        keeps = not is_empty_cell(cells.get(column))
        yield Verdict(f"required.{column}", "table_lacks_cell", keeps, None, "a cell")


def allowed_cells(cells: Cells, allowed: Mapping[str, Sequence[JsonValue]]) -> Iterator[Verdict]:
    """Whether cells are among those that are allowed; a number by its value, however written."""
    for column, choices in allowed.items():
        cell = cells.get(column)
        if not is_empty_cell(cell):
            keeps = one_value(cell) in map(one_value, choices)
            yield Verdict(
                f"allowed.{column}", "table_not_allowed", keeps, cell, f"one of {list(choices)}"
            )


def patterned_cells(cells: Cells, patterns: Mapping[str, str]) -> Iterator[Verdict]:
    """Whether cells, as they are written, match a regular expression from end to end."""
    for column, pattern in patterns.items():
        cell = cells.get(column)
        if not is_empty_cell(cell):
            keeps = pattern_of(pattern).fullmatch(as_word(cell)) is not None
            yield Verdict(f"patterns.{column}", "table_not_matched", keeps, cell, pattern)


def compared_cells(cells: Cells, conditions: Iterable[str]) -> Iterator[Verdict]:
    """Whether conditions over the cells hold; one of which a cell is absent says nothing."""
    for text in conditions:
        where = condition_of(text)
        known = where.of(lambda name: _value(cells.get(name)), cells.__contains__)
        if known is not None:
            looked_at = {name: cells.get(name) for name in sorted(where.names)}
            yield Verdict(f"rules.{text}", "table_breaks_rule", bool(known), looked_at, text)


def one_value(cell: JsonValue) -> str:
    """A cell as it is compared with others: 1, 1.0 and "1" are one value.

    >>> one_value(1.0) == one_value("1"), one_value("a") == one_value("A")
    (True, False)
    """
    number = None if isinstance(cell, bool) else as_number(cell)
    return canonical(str(cell) if number is None else float(number))


@functools.lru_cache(maxsize=256)
def pattern_of(text: str) -> re.Pattern[str]:
    """A regular expression; ValueError where it is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


@functools.lru_cache(maxsize=256)
def condition_of(text: str) -> Where:
    """A condition over cells; ValueError where it is none."""
    try:
        where = Where(text, "rules")
        where.of(lambda _: None, lambda _: False)
    except InputError as error:
        raise ValueError(str(error)) from None
    if not where.is_condition:
        raise ValueError(f"rules {text!r}: is no condition; wanted for example: start <= end")
    return where


def _value(cell: JsonValue) -> Value:
    """A cell as conditions take it; None where it is absent."""
    if is_empty_cell(cell):
        return None
    return float(cell) if isinstance(cell, (bool, int, float)) else str(cell)
