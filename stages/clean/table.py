"""Tables: few enough cells absent, numbers within their ranges."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Literal

from ...schemas.contents import Contents
from ...schemas.record import Fault, Part, Record
from ..base import Bounds, Judgement
from ..modalities.table import as_number, is_empty_cell
from ._judging import Judges


@dataclass(frozen=True, kw_only=True)
class Table(Judges):
    """Rejects records whose table breaks a rule, or takes only the table away.

    parts: the tables it looks at; all of them where it is not given.
    max_missing: share of cells that are absent.
    ranges: column -> its least and its largest value, both allowed; a word is out of any range.
    max_out_of_range: share of the cells with a range that may lie outside of theirs.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.

    Both shares become signals of the record (``cells.missing``, ``cells.out_of_range``), so that a
    stream can choose by them.
    """

    parts: list[str] | None = None
    max_missing: float = 1.0
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    max_out_of_range: float = 0.0
    on_fault: Literal["reject", "drop_part"] = "reject"

    def bounds(self) -> dict[str, Bounds]:
        return {
            "max_missing": Bounds("missing", high=self.max_missing),
            "max_out_of_range": Bounds("out_of_range", high=self.max_out_of_range),
        }

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_parts("parts", self.parts or [], "table")

    def apply(self, record: Record) -> Record:
        shares = {
            f"{name}.{word}": share
            for name, part in self._tables(record).items()
            for word, share in self._shares(part).items()
        }
        return replace(record, signals={**record.signals, **shares}) if shares else record

    def judge(self, record: Record) -> Judgement:
        verdicts: dict[tuple[str, str], bool] = {}
        faults: dict[str, Fault] = {}
        for name, part in self._tables(record).items():
            shares = self._shares(part)
            for word, allowed in (
                ("missing", self.max_missing),
                ("out_of_range", self.max_out_of_range),
            ):
                keeps = verdicts[name, f"max_{word}"] = shares[word] <= allowed
                if not keeps and name not in faults:
                    message = (
                        f"{name}: {shares[word]:.6g} of the cells, above max_{word} {allowed:g}"
                    )
                    faults[name] = Fault(f"table_{word}", shares[word], allowed, message)
        return self.judgement(verdicts, faults)._replace(remark=self.remark(record))

    def remark(self, record: Record) -> str:
        columns = {
            name for part in self._tables(record).values() for name in json.loads(part.text or "{}")
        }
        lost = sorted(set(self.ranges) - columns) if columns else []
        return (
            f"records whose tables have no column {', '.join(lost)}, which ranges names"
            if lost
            else ""
        )

    def _tables(self, record: Record) -> dict[str, Part]:
        return {
            name: part
            for name, part in record.parts_of("table").items()
            if self.parts is None or name in self.parts
        }

    def _shares(self, part: Part) -> dict[str, float]:
        cells = json.loads(part.text or "{}")
        ranged = [
            (cells[name], span)
            for name, span in self.ranges.items()
            if not is_empty_cell(cells.get(name))
        ]
        outside = sum(not _is_within(cell, *span) for cell, span in ranged)
        missing = sum(is_empty_cell(cell) for cell in cells.values())
        return {
            "missing": missing / max(1, len(cells)),
            "out_of_range": outside / max(1, len(ranged)),
        }


def _is_within(cell: object, low: float, high: float) -> bool:
    number = as_number(cell)
    return number is not None and (math.isnan(number) or low <= number <= high)
