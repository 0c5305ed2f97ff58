"""Table: cells of one row, numbers and categories, as a part that a model reads.

A part holds its cells as JSON, null where a cell is absent: ``{"age": 34, "city": "Paris",
"income": null}``. What a column is, the training split
decides: one whose cells are all numbers there is a number, any other a category. A row of a batch
has one value a column: a number with mean 0 and deviation 1 over the training split, the place of a
category in their list, NaN for a cell that is absent, whatever spelling it had.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypedDict, cast

import numpy as np
from pydantic import Field

from ...schemas import checks
from ...schemas.errors import DamageError, InputError
from ...schemas.fingerprint import canonical
from ...schemas.json_value import JsonValue
from ...schemas.quantity import Quantity, share
from ...schemas.record import Part
from ..modality import InRecord, ModalityOptions
from ..spec import MIDDLE, Draws, Spec, Transform, of_kind

ABSENT_WORDS = frozenset(("", "nan", "-nan", "na", "n/a", "#n/a", "null", "none", "-", "?", "."))
_NOTHING = frozenset(("", "nan", "-nan", "inf", "-inf"))
_NUMBER = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,4})?")
_KEPT_ZERO = re.compile(r"[+-]?0\d")
_WHOLE, _SURE_DIGITS = 1 << 53, 15
_LONGEST_WORD = 400
_LARGEST = float(np.finfo(np.float32).max)


class TableOptions(ModalityOptions):
    """A table as an input."""

    categories: list[str] = Field(
        default_factory=list,
        description="columns that are categories though their cells look like numbers",
    )
    most_categories: int = Field(
        100,
        ge=1,
        le=100_000,
        description="the commonest of a column; all others are one, the unknown",
    )


class FittedTable(TypedDict, total=False):
    """What the training split says of a table's columns, in their order; the categories of those
    that are no numbers.
    """

    columns: list[str]
    mean: list[float]
    deviation: list[float]
    categories: dict[str, list[str]]


def learned_table(fitted: Mapping[str, object]) -> FittedTable:
    """What ``Table.fit`` gave, as it comes back from a checkpoint."""
    return cast("FittedTable", fitted)


class Table(InRecord):
    """Cells of a row. They stand in the json of their sample, under ``tables``."""

    parts_per_task = 4096
    options = TableOptions
    first_encoder = "table_tokens"
    annotated_under = "tables"
    by_stages: ClassVar[Mapping[str, Quantity]] = {
        "missing": share("share of cells that are absent; found by clean.table"),
        "out_of_range": share("share of cells out of their range; found by clean.table"),
    }

    def decoded(self, root: Path, part: Part, wanted_by: object) -> dict[str, JsonValue]:
        cells: dict[str, JsonValue] = json.loads(part.text or "{}")
        return cells

    def annotated(self, text: str) -> JsonValue:
        value: JsonValue = json.loads(text)
        return value

    def fields(self, text: str) -> dict[str, str]:
        return {
            name: "text" if isinstance(value, str) else "number"
            for name, value in json.loads(text).items()
            if value is not None
        }

    def spec(self) -> TableSpec:
        return TableSpec()

    def input_spec(
        self, options: TableOptions, fitted: Mapping[str, object], training: bool
    ) -> TableSpec:
        return TableSpec(**learned_table(fitted))

    def fit(self, options: TableOptions, values: Iterable[str | None]) -> FittedTable:
        """Columns, their means and deviations, and the categories of those that are no numbers."""
        rows = [json.loads(text) for text in values if text is not None]
        columns = sorted({name for row in rows for name in row})
        unknown = sorted(set(options.categories) - set(columns))
        if unknown:
            raise InputError(
                f"categories: no cell of the training split is called {', '.join(unknown)}; there"
                f" are {', '.join(columns)}"
            )
        mean, deviation, categories = [], [], {}
        for name in columns:
            cells = [row[name] for row in rows if not is_empty_cell(row.get(name))]
            numbers = [
                number
                for number in map(as_number, cells)
                if number is not None and not math.isnan(number)
            ]
            if name in options.categories or any(as_number(cell) is None for cell in cells):
                common = Counter(as_category(cell) for cell in cells)
                categories[name] = sorted(common, key=lambda word: (-common[word], word))[
                    : options.most_categories
                ]
                numbers = []
            mean.append(float(np.mean(numbers)) if numbers else 0.0)
            spread = float(np.std(numbers)) if numbers else 0.0
            deviation.append(spread if spread > 0 else 1.0)
        return {"columns": columns, "mean": mean, "deviation": deviation, "categories": categories}

    def given(self, value: str, fitted: Mapping[str, object]) -> str | None:
        """Cells as JSON, or written ``age=34, city=Paris``."""
        try:
            cells = (
                json.loads(value)
                if value.lstrip().startswith("{")
                else dict(pair.strip().split("=", 1) for pair in value.split(","))
            )
        except (ValueError, RecursionError):
            raise DamageError(
                "bad_cells", f"wanted cells as age=34, city=Paris, or as JSON, found {value[:60]!r}"
            ) from None
        checked = self._checked(cells, fitted)
        return None if all(map(is_empty_cell, json.loads(checked).values())) else checked

    def from_row(
        self, part: str, row: Mapping[str, str | None], fitted: Mapping[str, object]
    ) -> str | None:
        cells = {name: row[name] for name in _columns_of(fitted) if row.get(name)}
        return json.dumps(cells) if cells else row.get(part) or None

    def _checked(self, cells: Mapping[str, JsonValue], fitted: Mapping[str, object]) -> str:
        """Cells read as a source reads them; DamageError for columns that the model does not have,
        and for words in the place of numbers.
        """
        learned = learned_table(fitted)
        columns = learned.get("columns", cells)
        unknown = sorted(set(cells) - set(columns))
        if unknown:
            raise DamageError(
                "bad_cells",
                f"the model knows no column {', '.join(unknown)}; it has {', '.join(columns)}",
            )
        checked = {}
        for name, cell in cells.items():
            if isinstance(cell, list | dict):
                raise DamageError(
                    "bad_cells", f"{name}: wanted a number or a word, found a {type(cell).__name__}"
                )
            checked[name] = as_cell(cell)
            if (
                name in columns
                and name not in learned.get("categories", {})
                and checked[name] is not None
                and as_number(checked[name]) is None
            ):
                raise DamageError("bad_cells", f"{name}: wanted a number, found {str(cell)[:60]!r}")
        return canonical(checked)

    def columns(self, part: str, fitted: Mapping[str, object]) -> tuple[str, ...]:
        return (part, *_columns_of(fitted))

    def token_names(self, value: str, fitted: Mapping[str, object]) -> list[str]:
        return list(_columns_of(fitted))


def _columns_of(fitted: Mapping[str, object]) -> list[str]:
    return learned_table(fitted).get("columns", [])


@dataclass(frozen=True, kw_only=True)
class TableSpec(Spec):
    """Cells as ``float32 [C]``, NaN where absent; with no columns the batch carries them as
    dictionaries, in ``lists``.

    columns: names of the cells, in the order of the row. mean, deviation: of each column; numbers
        are given as they are where left out.
    categories: column -> its categories; a cell is given as its place among them, as their number
        where it is none of them.
    """

    columns: Sequence[str] = ()
    mean: Sequence[float] = ()
    deviation: Sequence[float] = ()
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    transform: Transform | None = None

    modality = "table"

    def __post_init__(self) -> None:
        checks.function("TableSpec: transform", self.transform)
        for name, numbers in (("mean", self.mean), ("deviation", self.deviation)):
            if len(numbers) not in (0, len(self.columns)):
                raise InputError(
                    f"TableSpec: {name}: wanted {len(self.columns)} numbers, one for each column,"
                    f" found {len(numbers)}"
                )
        if not set(self.categories) <= set(self.columns):
            raise InputError(
                "TableSpec: categories: no column is called"
                f" {', '.join(sorted(set(self.categories) - set(self.columns)))}"
            )

    @functools.cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        """Column -> category -> its place."""
        return {
            name: {word: place for place, word in enumerate(words)}
            for name, words in self.categories.items()
        }

    @property
    def makes_tensors(self) -> bool:
        return bool(self.columns)

    @property
    def is_cheap(self) -> bool:
        return self.transform is None

    def layout(self) -> tuple[tuple[int, ...], str]:
        return (len(self.columns),), "float32"

    def fill(self, data: str, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Write the cells into ``out``."""
        cells = json.loads(data)
        row = np.full(len(self.columns), np.nan)
        for place, name in enumerate(self.columns):
            cell = cells.get(name)
            if is_empty_cell(cell):
                continue
            places = self._places.get(name)
            if places is not None:
                row[place] = places.get(as_category(cell), len(places))
            else:
                number = as_number(cell)
                if number is None and not self.mean:
                    raise InputError(
                        f"TableSpec: the cell {name!r} holds {str(cell)[:60]!r}, and wanted is a"
                        f" number; categories={{{name!r}: [...]}} makes it one of some words"
                    )
                amount = math.nan if number is None else number
                if self.mean and self.deviation:
                    amount = (amount - self.mean[place]) / self.deviation[place]
                # beyond what float32 holds is no amount that can be learnt from
                row[place] = amount if abs(amount) <= _LARGEST else math.nan
        out[:] = (
            row
            if self.transform is None
            else of_kind(
                self.transform(row.astype(np.float32), draws.generator()), "float", (len(row),)
            )
        )
        return 1

    def value(self, data: str, draws: Draws = MIDDLE) -> object:
        """The cells, None where absent."""
        cells = json.loads(data)
        return cells if self.transform is None else self.transform(cells, draws.generator())


def as_cell(value: object) -> str | int | float | None:
    """A value as a cell: what is written as a number becomes one, unless it would lose something by
    it: a zero in front (``007``), or digits beyond 2^53, which are names and no amounts. None for
    nothing, and for numbers that are not finite.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _WHOLE else str(value)[:_LONGEST_WORD]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    text = str(value).strip()
    if _NUMBER.fullmatch(text) and not _KEPT_ZERO.match(text):
        if "." in text or "e" in text.lower():
            number = float(text)
            return number if math.isfinite(number) else None
        return int(text) if len(text) <= _SURE_DIGITS else text
    return None if text.lower() in _NOTHING else text


def is_empty_cell(cell: object) -> bool:
    """Whether a cell holds nothing, in any of the usual spellings (NA, null, none, -, ?)."""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in ABSENT_WORDS)


# Any: float() itself says what is no number
def as_number(cell: Any) -> float | None:
    """A cell as a number, NaN for the usual spellings of a missing one and for what is not finite;
    None where it is a word.
    """
    if is_empty_cell(cell):
        return math.nan
    try:
        number = float(cell) if not isinstance(cell, str) or "_" not in cell else None
    except (ValueError, OverflowError):
        return None
    return number if number is None or math.isfinite(number) else math.nan


def as_category(cell: object) -> str:
    """A cell as a category; a whole number is the same one whether it came as 1 or as 1.0."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.strip() if isinstance(cell, str) else str(cell)
