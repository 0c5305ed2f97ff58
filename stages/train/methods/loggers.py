"""Where the numbers of each epoch go beside ``log.jsonl`` (``train.log``), by its word."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....schemas.errors import MissingPackageError, nearest
from ...outside import WithOutside
from .card import Card, Choice, Options, split_choice

_WANDB_MODES = ("offline", "online", "shared", "disabled")


@dataclass(frozen=True, slots=True)
class LoggerCard(Card):
    """A logger. packages: what it imports, which the extra of modalmill installs."""

    packages: tuple[str, ...] = ()
    extra: str = ""

    def check_packages(self, word: str) -> None:
        """MissingPackageError where one is not installed; none is imported."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                raise MissingPackageError(package, self.extra, f"train.log: {word}")


def _wandb_fault(parts: int, own: Options) -> str:
    mode = own["mode"]
    is_known = not mode or mode in _WANDB_MODES
    return "" if is_known else f"no mode {mode!r}{nearest(mode, _WANDB_MODES)}"


LOGGERS: Mapping[str, Card] = WithOutside(
    "loggers",
    Card,
    {
        "tensorboard": LoggerCard(
            "..loggers.tensorboard:TensorBoardLogger",
            "events for TensorBoard",
            "standard",
            "",
            packages=("tensorboard",),
            extra="train",
        ),
        "csv": LoggerCard("..loggers.csv:CsvLogger", "a table of the epochs", "standard", ""),
        "wandb": LoggerCard(
            "..loggers.wandb:WandbLogger",
            "a run for Weights & Biases, offline unless said otherwise",
            "Biewald 2020",
            "",
            packages=("wandb",),
            extra="wandb",
            fault=_wandb_fault,
        ),
        "mlflow": LoggerCard(
            "..loggers.mlflow:MlflowLogger",
            "a run of MLflow in a database beside the model, or in another one",
            "Zaharia 2018",
            "",
            packages=("mlflow", "sqlalchemy", "alembic"),
            extra="mlflow",
        ),
    },
)


def chosen_loggers(log: Sequence[Choice] | None) -> dict[str, Options]:
    """Word -> options of those that ``train.log`` names; where it does not stand there TensorBoard,
    if that is installed.
    """
    if log is None:
        return {"tensorboard": {}} if importlib.util.find_spec("tensorboard") else {}
    return dict(map(split_choice, log))


def check_loggers(log: Sequence[Choice] | None) -> None:
    """MissingPackageError where one that is named wants a package that is not installed."""
    for word in chosen_loggers(log):
        card = LOGGERS[word]
        if isinstance(card, LoggerCard):
            card.check_packages(word)
