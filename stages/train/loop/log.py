"""What training tells: a line of JSON an epoch, the same to the loggers that ``train.log`` names,
and where the time went.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import numpy as np

from ....schemas.errors import InputError, ModalmillError
from ...media.refusing import one_line
from ..loggers.logger import Logger, TrainingFacts, settings_of
from ..methods.loggers import LOGGERS, check_loggers, chosen_loggers
from ..options import TrainOptions

_WAITS = 0.1


class Speed(TypedDict):
    """Where the time of an epoch went: the share of waiting, steps in milliseconds, and what bounds
    the speed.
    """

    wait_share: float
    step_ms_p50: float
    step_ms_p99: float
    bound_by: str


class Memory(TypedDict, total=False):
    """The most that was taken, on a GPU."""

    gpu_bytes: int


class Learned(Speed, Memory):
    """What an epoch came to."""

    loss: float
    records_per_s: float


class EpochLine(Learned):
    """A line of ``log.jsonl``. validation: the score, where there is such a split."""

    epoch: int
    seconds: float
    validation: float | None
    lr: float


class Log:
    """``log.jsonl`` of a run folder, and the loggers beside it. ``say`` is told of one that fails:
    the training goes on without it.
    """

    def __init__(
        self, out: Path, loggers: Mapping[str, Logger], say: Callable[[str], None]
    ) -> None:
        self._path, self._loggers, self._say = out / "log.jsonl", dict(loggers), say

    def write(
        self, line: EpochLine, weights: Mapping[str, float], examples: Sequence[str] = ()
    ) -> None:
        """Add one epoch. weights: what the fusion gives each part, where it has weights. examples:
        lines for loggers that show texts.
        """
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({**line, **({"weights": weights} if weights else {})}) + "\n")
        epoch, numbers = line["epoch"], _numbers(line, weights)
        self._tell(lambda logger: logger.numbers(epoch, numbers))
        if examples:
            self._tell(lambda logger: logger.examples(epoch, examples))

    def close(self, is_finished: bool) -> None:
        """Let the loggers write out what is left. is_finished: the training came to its end."""
        self._tell(lambda logger: logger.close(is_finished))

    def _tell(self, what: Callable[[Logger], None]) -> None:
        for word, logger in list(self._loggers.items()):
            try:
                what(logger)
            # a server that is away must not cost the hours of a training
            except Exception as error:
                del self._loggers[word]
                self._say(
                    f"training: log: {word} fails ({one_line(error)}); going on without it, and"
                    f" {self._path.name} has every epoch"
                )


def _numbers(line: EpochLine, weights: Mapping[str, float]) -> dict[str, float]:
    """Name -> number of an epoch, as every logger gets them: ``loss``, ``lr``, ...,
    ``weights/<part>``.
    """
    numbers = {
        name: float(value)
        for name, value in line.items()
        if isinstance(value, (int, float)) and name != "epoch"
    }
    return numbers | {f"weights/{part}": float(weight) for part, weight in weights.items()}


@contextmanager
def opened_log(
    options: TrainOptions, out: Path, name: str, seed: int, say: Callable[[str], None]
) -> Iterator[Log]:
    """The log of a run folder with the loggers that the options name, closed in the end.

    name: of the data. MissingPackageError or InputError where a logger cannot be had.
    """
    log = Log(out, _loggers(options, out, name, seed), say)
    try:
        yield log
    except BaseException:
        log.close(is_finished=False)
        raise
    log.close(is_finished=True)


def _loggers(options: TrainOptions, out: Path, name: str, seed: int) -> dict[str, Logger]:
    """Word -> logger, each with its folder below ``out``."""
    check_loggers(options.log)
    own = options.model_dump(exclude_defaults=True, exclude={"log"})
    facts = TrainingFacts(name=name, settings=settings_of({**own, "seed": seed}))
    opened: dict[str, Logger] = {}
    for word, given in chosen_loggers(options.log).items():
        try:
            opened[word] = LOGGERS[word].make(Logger, out / word, facts, **given)
        except ModalmillError:
            raise
        except Exception as error:
            raise InputError(f"train.log: {word} cannot be opened: {one_line(error)}") from error
    return opened


def seconds_trained(out: Path) -> float:
    """How long the epochs in a run folder's log took together."""
    try:
        lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return float(sum(json.loads(line)["seconds"] for line in lines))
    except (OSError, ValueError, KeyError):
        return 0.0


def where_time_went(waits: Sequence[float], computes: Sequence[float]) -> Speed:
    """Of the seconds that each step waited for its batch, and computed."""
    if not waits:
        return {"wait_share": 0.0, "step_ms_p50": 0.0, "step_ms_p99": 0.0, "bound_by": "nothing"}
    steps = np.array(waits) + np.array(computes)
    share = float(np.sum(waits) / max(1e-9, steps.sum()))
    p50, p99 = np.quantile(steps, [0.5, 0.99]) * 1000
    return {
        "wait_share": round(share, 4),
        "step_ms_p50": round(float(p50), 2),
        "step_ms_p99": round(float(p99), 2),
        "bound_by": "reading and decoding" if share > _WAITS else "computing",
    }
