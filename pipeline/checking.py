"""``modalmill check``: the contract of all operators, held against those of a user's file."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..schemas.errors import InputError, ModalmillError
from ..stages import outside
from ..stages.base import Addressed, Extractor, Source, Stage, make
from ..stages.contract import (
    broken_class,
    broken_extractor,
    broken_modality,
    broken_signal,
    broken_source,
    broken_stage,
    some_data,
    some_records,
)
from ..stages.modality import Modality
from ..stages.signal import Signal
from ..stages.train.methods.card import Card
from ..stages.train.metrics.metric import Metric, Rows

_KINDS: tuple[tuple[str, type[Addressed]], ...] = (
    ("stage", Stage),
    ("source", Source),
    ("extractor", Extractor),
)
_TABLES = ("tasks", "encoders", "fusions", "missing", "losses")


def check_text(file: Path) -> tuple[str, bool]:
    """What was checked and what is broken, for people; and whether nothing is. InputError where the
    file cannot be used or holds no operator.
    """
    outside.use([file])
    lines, is_kept = [], True
    for what, name, broken in _checked():
        is_kept = is_kept and not broken
        lines += [
            f"{what} {name}: {'keeps the contract' if not broken else 'breaks it'}",
            *(f"  {line}" for line in broken),
        ]
    if not lines:
        raise InputError(
            f"{file}: defines no stage, source, extractor, modality, signal, metric or method; a"
            " stage is a subclass of RecordStage or CorpusStage"
        )
    return "\n".join(lines), is_kept


def _checked() -> Iterator[tuple[str, str, list[str]]]:
    """Kind and name of everything in the file, and what it breaks."""
    for what, kind in _KINDS:
        for address, cls in outside.classes_of_files(kind).items():
            yield (
                what,
                address,
                broken_class(cls) or _tried(functools.partial(_broken, address, kind)),
            )
    for kind_of_part in outside.classes_of_files(Modality).values():
        broken = _tried(functools.partial(broken_modality, kind_of_part()))
        yield "modality", outside.name_of(kind_of_part), broken
    for metric in outside.classes_of_files(Metric).values():
        broken = _tried(functools.partial(_broken_metric, metric()))
        yield "metric", outside.name_of(metric), broken
    for own in outside.objects(Signal, "signals"):
        yield "signal", f"{own.of}.{own.name}", _tried(functools.partial(broken_signal, own))
    for group in _TABLES:
        for word, card in outside.method_tables(group).items():
            yield "method", word, _tried(functools.partial(_loads, card))


def _broken(address: str, kind: type[Addressed]) -> list[str]:
    """What it breaks as it is made of its defaults; one whose options have none cannot be tried,
    and its class alone is checked.
    """
    operator, _ = make(address, kind, {}, address)
    if isinstance(operator, Stage):
        return broken_stage(operator, some_records())
    if isinstance(operator, Source):
        return broken_source(operator)
    return (
        broken_extractor(operator, some_data(operator.modality))
        if isinstance(operator, Extractor)
        else []
    )


def _broken_metric(metric: Metric) -> list[str]:
    """What a metric makes of three classes, all answers right and all wrong."""
    truth = np.arange(12.0) % 3
    probability = np.eye(3)[truth.astype(int)]
    right, wrong = (
        metric.of(Rows(truth, truth, probability)),
        metric.of(Rows(truth, (truth + 1) % 3, 1 - probability)),
    )
    if not isinstance(right, float) or not isinstance(wrong, float):
        return [f"of(): wanted a float, found {type(right).__name__}"]
    return (
        []
        if not right < wrong
        else [f"higher is to be better, and right answers get {right:g}, wrong ones {wrong:g}"]
    )


def _loads(card: object) -> list[str]:
    if not isinstance(card, Card):
        return [f"wanted a Card of stages.train.methods, found {type(card).__name__}"]
    card.load()
    card.defaults()
    return []


def _tried(check: Callable[[], list[str]]) -> list[str]:
    """What a check found; a line with the place where the user's code failed in it."""
    try:
        return check()
    except ModalmillError:
        raise
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return [
            f"fails with {type(error).__name__}: {error or 'it is not written'}"
            f" ({Path(last.filename).name}, line {last.lineno})"
        ]
