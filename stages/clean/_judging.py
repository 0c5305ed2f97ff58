"""Stages with rules: what they have in common, and rules on the numbers of a modality's parts."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...schemas.quantity import fact
from ...schemas.record import Fault, Record
from ..base import Bounds, Judgement, RecordStage, Verdicts


class Judges(RecordStage):
    """A stage with rules on parts: it rejects the record that has a faulty one, or takes the faulty
    part away. It writes ``judge``, in which each rule is asked once.
    """

    on_fault: Literal["reject", "drop_part"]

    def judge(self, record: Record) -> Judgement:
        raise NotImplementedError

    def judgement(self, verdicts: Verdicts, faults: Mapping[str, Fault]) -> Judgement:
        """What follows from the faulty parts, each with the first rule that it breaks."""
        if self.on_fault == "drop_part":
            return Judgement(verdicts, drops=faults)
        return Judgement(verdicts, next(iter(faults.values()), None))

    def fault(self, record: Record) -> Fault | None:
        return self.judge(record).fault

    def drops(self, record: Record) -> Mapping[str, Fault]:
        return self.judge(record).drops


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


class JudgesParts(Judges):
    """A stage with rules on the numbers of the parts of one modality."""

    modality: ClassVar[str]

    def measures(self) -> tuple[str, ...]:
        return (self.modality,)

    def rules(self) -> list[Rule]:
        """The rules in the order in which they are tried."""
        raise NotImplementedError

    def bounds(self) -> dict[str, Bounds]:
        return {rule.option: Bounds(rule.reads, rule.low, rule.high) for rule in self._rules}

    @functools.cached_property
    def _rules(self) -> list[Rule]:
        return self.rules()

    def judge(self, record: Record) -> Judgement:
        verdicts: dict[tuple[str, str], bool] = {}
        faults: dict[str, Fault] = {}
        for name, part in record.parts_of(self.modality).items():
            of = f"{name} ({part.uri or 'text'})"
            verdicts[name, "decodable"] = not part.damage
            if part.damage:  # found while measuring, which gave nothing else then
                damage, _, message = part.damage.partition(": ")
                fault = Fault(damage, None, "decodable to its end", f"{of}: {message}")
                faults[name] = fault
                continue
            for rule in self._rules:
                value = record.signals.get(f"{name}.{rule.reads}")
                if value is None:
                    value = fact(part, rule.reads)
                number = math.nan if value is None else value
                keeps = verdicts[name, rule.option] = rule.keeps(number)
                if not keeps and name not in faults:
                    faults[name] = rule.fault(number, of)
        return self.judgement(verdicts, faults)
