"""Events for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .logger import Logger, TrainingFacts


class TensorBoardLogger(Logger):
    """``tensorboard/events...``: curves, and what the model said of some records as text.
    ``tensorboard --logdir OUT/training`` shows them.
    """

    def __init__(self, folder: Path, training: TrainingFacts) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def numbers(self, epoch: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, epoch)

    def examples(self, epoch: int, lines: Sequence[str]) -> None:
        self._writer.add_text("examples", "  \n".join(lines), epoch)

    def close(self, is_finished: bool) -> None:
        self._writer.close()
