"""Values as they stand in cells: seconds, numbers, names of splits. ValueError says what was
wanted.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict

from ...schemas.errors import nearest
from ...schemas.fingerprint import canonical
from ...schemas.record import NO_SPLIT, Absence, Fault, Part
from ..modalities.table import as_cell
from ..template import fill, is_absent

_CLOCK = re.compile(r"^(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)$")
_DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+$")
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_SPLIT = re.compile(r"^[A-Za-z0-9_]{1,40}$")
_LONGEST_NUMBER = 400
_STARTS_A_NUMBER = re.compile(r"[+-]?[.,]?\d")
_NO_NUMBER = frozenset(("nan", "na", "n/a", "#n/a", "null", "none", "-", "?", "."))


def seconds(text: str) -> float:
    """Seconds, not negative, of ``12.5``, ``00:20:57,256`` or ``01:02.5``.

    >>> seconds("00:20:57,256")
    1257.256
    """
    match = _CLOCK.match(text.strip())
    if match:
        hours, minutes, rest = match.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
    plain = text.strip().replace(",", ".", 1)
    value = float(plain) if _NUMBER.match(plain) else math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is no time; wanted seconds or hh:mm:ss,mmm")
    return value


def number(text: str, decimal: str = ".", thousands: str = "") -> float | None:
    """A finite number, None for the usual spellings of a missing one (NaN, NA, null, -).

    A comma could mean thousands or tenths and is refused, unless ``decimal`` or ``thousands`` say
    what it means.

    >>> number("1.275,20", decimal=",", thousands=".")
    1275.2
    """
    plain = text.strip()
    if plain.lower() in _NO_NUMBER:
        return None
    if thousands:
        plain = plain.replace(thousands, "").replace(
            "\u00a0", "" if thousands.isspace() else "\u00a0"
        )
    if decimal != ".":
        if "." in plain:
            raise ValueError(
                f"{text[:60]!r} has a point, and decimal is {decimal!r}; set thousands if that is"
                " what the point stands for"
            )
        plain = plain.replace(decimal, ".", 1)
    elif _DECIMAL_COMMA.match(plain):
        raise ValueError(
            f"{text[:60]!r} may mean thousands or tenths; set decimal: ',' or thousands: ','"
        )
    # float alone would take 1_000, inf and nan as well
    value = float(plain) if len(plain) <= _LONGEST_NUMBER and _NUMBER.match(plain) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text[:60]!r} is no finite number")
    return value


def number_or_note(
    name: str, text: str | None, unmatched: list[Fault], decimal: str = ".", thousands: str = ""
) -> float | None:
    """A number, or None for a cell that is empty or holds none: a bad cell costs itself and not the
    record, and is told in ``unmatched``.
    """
    try:
        return None if text is None else number(text, decimal, thousands)
    except ValueError as error:
        unmatched.append(Fault.unmatched(f"number {name}", text, str(error)))
        return None


def text_parts(
    texts: Mapping[str, str], values: Mapping[str, object], absent: dict[str, Absence]
) -> dict[str, Part]:
    """The parts of texts that templates make; ``absent`` gets those for which the values hold
    nothing.
    """
    filled = {name: fill(text, values, some=True) for name, text in texts.items()}
    absent.update({name: "absent" for name, text in filled.items() if text is None})
    return {name: Part("text", text=text) for name, text in filled.items() if text is not None}


def table_parts(
    tables: Mapping[str, list[str]],
    values: Mapping[str, object],
    absent: dict[str, Absence],
    decimal: str = ".",
    thousands: str = "",
) -> dict[str, Part]:
    """The parts of tables that name columns; a cell that holds nothing is null, and a table of
    nothing else is no part.
    """
    parts = {}
    for name, columns in tables.items():
        cells = {column: _cell(values.get(column), decimal, thousands) for column in columns}
        if any(cell is not None for cell in cells.values()):
            parts[name] = Part("table", text=canonical(cells))
        else:
            absent[name] = "absent"
    return parts


def _cell(value: object, decimal: str, thousands: str) -> str | int | float | None:
    if is_absent(value):
        return None
    if isinstance(value, list | dict):
        raise ValueError(f"a cell is a {type(value).__name__}, wanted a text or a number")
    if (
        isinstance(value, str)
        and (decimal != "." or thousands)
        and _STARTS_A_NUMBER.match(value.strip())
    ):
        with contextlib.suppress(ValueError):
            value = number(value, decimal, thousands)
    return as_cell(value)


def split_name(text: str | None) -> str | None:
    """The name of a split, or None for an empty cell. It becomes part of file names, so it is
    letters, digits and _ alone.
    """
    name = (text or "").strip()
    if name == NO_SPLIT:
        raise ValueError(f"{name!r} is what shards call records without a split; name it otherwise")
    if name and not _SPLIT.match(name):
        raise ValueError(f"{name[:60]!r} is no name for a split; wanted letters, digits and _")
    return name or None


class GivenSplits(TypedDict, total=False):
    """Fields of Contents."""

    open_splits: bool
    splits: frozenset[str]


def given_splits(template: str | None) -> GivenSplits:
    """What a source's ``split`` tells of the splits of its records."""
    if template is None:
        return {}
    return {"open_splits": True} if "{" in template else {"splits": frozenset({template})}


def check_tables(tables: Mapping[str, list[str]]) -> None:
    """ValueError for a table without columns, and for columns written as templates."""
    for name, columns in tables.items():
        if not columns:
            raise ValueError(f"table.{name}: wanted the names of columns, found none")
        for column in columns:
            if "{" in column:
                raise ValueError(
                    f"table.{name}: wanted the name of a column, found the template {column!r}"
                )


def is_no_number(text: str) -> bool:
    """Whether a cell says in one of the usual ways that there is no number."""
    return text.strip().lower() in _NO_NUMBER


def check_parts(**named: Iterable[str]) -> None:
    """ValueError for a part that is named twice: one of them would be lost. named: option -> the
    parts that it gives.
    """
    first: dict[str, str] = {}
    for option, parts in named.items():
        for part in parts:
            if part in first:
                raise ValueError(
                    f"{option}.{part}: a part of this name comes from {first[part]} already; give"
                    " it another"
                )
            first[part] = option


def check_lists(lists: Mapping[str, str], targets: Mapping[str, str]) -> None:
    """ValueError for a list that is no target, or has nothing between its values."""
    for name, separator in lists.items():
        if name not in targets:
            raise ValueError(
                f"lists.{name}: no such target{nearest(name, targets)}; it is named in 'targets' as"
                " well"
            )
        if not separator:
            raise ValueError(f"lists.{name}: wanted what stands between the values, found nothing")


def listed(cell: str, separator: str) -> list[str]:
    """The values of a cell that holds several.

    >>> listed("drama|comedy| ", "|")
    ['drama', 'comedy']
    """
    return [value for part in cell.split(separator) if (value := part.strip())]


def check_templates(
    templates: Mapping[str, str | None], problems: Callable[[str], Sequence[str]]
) -> None:
    """ValueError for the first id or group without a column in it, and for any template that is not
    well formed.
    """
    for name, template in templates.items():
        if template is None:
            continue
        mistakes = problems(template)
        if not mistakes and name in ("id", "group") and "{" not in template:
            mistakes = [
                f"wanted a template with a column in it, like '{{{template}}}', found {template!r}"
            ]
        if mistakes:
            raise ValueError(f"{name}: {mistakes[0]}")
