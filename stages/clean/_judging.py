"""Rules on the numbers of a part, shared by the stages that clean media."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...schemas.quantity import fact
from ...schemas.record import Fault, Part, Record
from ..base import RecordStage


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name in the account, the option that sets it, the signal or fact that it reads,
    and the interval [low, high] that is allowed.
    """

    name: str
    option: str
    reads: str
    low: float = -math.inf
    high: float = math.inf

    def keeps(self, value: float) -> bool:
        """Whether the interval holds the value; NaN keeps no rule."""
        return self.low <= value <= self.high

    def fault(self, value: float, of: str) -> Fault:
        """What the account is told of a part with this value, called ``of``."""
        side, limit = ("above", self.high) if value > self.high else ("below", self.low)
        message = f"{of}: {value:.6g} is {side} {self.option} {limit:g}"
        return Fault(self.name, value, limit, message)


def _judged(
    record: Record, name: str, part: Part, rules: Iterable[Rule]
) -> Iterator[tuple[Rule, float]]:
    """Each rule with what it reads of a part."""
    for rule in rules:
        value = record.signals.get(f"{name}.{rule.reads}")
        if value is None:
            value = fact(part, rule.reads)
        yield rule, math.nan if value is None else value


def part_fault(record: Record, name: str, part: Part, rules: Iterable[Rule]) -> Fault | None:
    """The first rule that a part breaks; damage found while measuring comes first."""
    if part.damage:
        damage, _, message = part.damage.partition(": ")
        return Fault(damage, None, "decodable to its end", f"{name} ({part.uri}): {message}")
    return next(
        (
            rule.fault(value, f"{name} ({part.uri or 'text'})")
            for rule, value in _judged(record, name, part, rules)
            if not rule.keeps(value)
        ),
        None,
    )


class JudgesParts(RecordStage):
    """A stage with rules on the parts of one modality: it rejects the record that has a faulty one,
    or takes the faulty part away.
    """

    modality: ClassVar[str]
    on_fault: Literal["reject", "drop_part"]

    def measures(self) -> tuple[str, ...]:
        return (self.modality,)

    def rules(self) -> list[Rule]:
        """The rules in the order in which they are tried."""
        raise NotImplementedError

    def verdicts(self, record: Record) -> Mapping[tuple[str, str], bool]:
        verdicts = {}
        for name, part in record.parts_of(self.modality).items():
            verdicts[name, "decodable"] = not part.damage
            # of what is damaged nothing was measured
            if not part.damage:
                for rule, value in _judged(record, name, part, self.rules()):
                    verdicts[name, rule.option] = rule.keeps(value)
        return verdicts

    def fault(self, record: Record) -> Fault | None:
        if self.on_fault != "reject":
            return None
        return next(iter(self._faults(record).values()), None)

    def drops(self, record: Record) -> Mapping[str, Fault]:
        return self._faults(record) if self.on_fault == "drop_part" else {}

    def _faults(self, record: Record) -> dict[str, Fault]:
        """The parts that break a rule, each with the first that it breaks."""
        faults = {
            name: part_fault(record, name, part, self.rules())
            for name, part in record.parts_of(self.modality).items()
        }
        return {name: fault for name, fault in faults.items() if fault is not None}
