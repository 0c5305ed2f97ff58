"""Rules on the signals of a part, shared by the stages that clean media."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...schemas.record import Fault, Part, Record
from ..base import RecordStage

Signal = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name in the account, the option that sets it, what it reads, and the interval
    [low, high] that is allowed.
    """

    name: str
    option: str
    value: Callable[[Part, Signal], float]
    low: float | None
    high: float | None


def part_fault(record: Record, name: str, part: Part, rules: Iterable[Rule]) -> Fault | None:
    """The first rule that a part breaks; damage found while measuring comes first."""
    if part.damage:
        name_of_damage, _, message = part.damage.partition(": ")
        return Fault(
            name_of_damage, None, "decodable to its end", f"{name} ({part.uri}): {message}"
        )

    def signal(word: str) -> float:
        return record.signals[f"{name}.{word}"]

    for rule in rules:
        value = rule.value(part, signal)
        # not "<": a signal that is NaN keeps no rule
        if rule.low is not None and not value >= rule.low:
            return Fault(
                rule.name,
                value,
                rule.low,
                f"{name} ({part.uri or 'text'}): {value:.6g} is below {rule.option} {rule.low:g}",
            )
        if rule.high is not None and not value <= rule.high:
            return Fault(
                rule.name,
                value,
                rule.high,
                f"{name} ({part.uri or 'text'}): {value:.6g} is above {rule.option} {rule.high:g}",
            )
    return None


def faulty_parts(record: Record, modality: str, rules: list[Rule]) -> dict[str, Fault]:
    """The record's parts of a modality that break a rule, each with the first that it breaks."""
    faults = {
        name: part_fault(record, name, part, rules)
        for name, part in record.parts_of(modality).items()
    }
    return {name: fault for name, fault in faults.items() if fault is not None}


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

    def fault(self, record: Record) -> Fault | None:
        return (
            next(iter(faulty_parts(record, self.modality, self.rules()).values()), None)
            if self.on_fault == "reject"
            else None
        )

    def drops(self, record: Record) -> Mapping[str, Fault]:
        return (
            faulty_parts(record, self.modality, self.rules())
            if self.on_fault == "drop_part"
            else {}
        )
