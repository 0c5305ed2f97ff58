"""Rules on the signals of a part, shared by the stages that clean media."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...schemas.record import Fault, Modality, Part, Record

Signal = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name in the account, the option that sets it, what it reads, and the interval [low, high] that is allowed."""

    name: str
    option: str
    value: Callable[[Part, Signal], float]
    low: float | None
    high: float | None


def part_fault(record: Record, name: str, part: Part, rules: Iterable[Rule]) -> Fault | None:
    """The first rule that a part breaks; damage found while measuring comes first."""
    if part.damage:
        name_of_damage, _, message = part.damage.partition(": ")
        return Fault(name_of_damage, None, "decodable to its end", f"{name} ({part.uri}): {message}")

    def signal(word: str) -> float:
        return record.signals[f"{name}.{word}"]

    for rule in rules:
        value = rule.value(part, signal)
        if rule.low is not None and not value >= rule.low:
            return Fault(rule.name, value, rule.low, f"{name} ({part.uri or 'text'}): {value:.6g} is below {rule.option} {rule.low:g}")
        if rule.high is not None and not value <= rule.high:
            return Fault(rule.name, value, rule.high, f"{name} ({part.uri or 'text'}): {value:.6g} is above {rule.option} {rule.high:g}")
    return None


def first_fault(record: Record, modality: Modality, rules: list[Rule]) -> Fault | None:
    """The first fault of the record's parts of a modality."""
    for name, part in record.parts_of(modality).items():
        found = part_fault(record, name, part, rules)
        if found:
            return found
    return None


def without_faulty(record: Record, modality: Modality, rules: list[Rule]) -> Record:
    """The record without its faulty parts: damaged ones are marked ``corrupt``, those a rule refused ``filtered``."""
    for name, part in record.parts_of(modality).items():
        if part_fault(record, name, part, rules):
            record = record.without_part(name, "corrupt" if part.damage else "filtered")
    return record
