"""What training tells: a line of JSON an epoch, TensorBoard where it is installed, and where the
time went.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

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
    """``log.jsonl`` and TensorBoard events of a run folder."""

    def __init__(self, out: Path) -> None:
        self._path = out / "log.jsonl"
        self._writer: SummaryWriter | None = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(out / "tensorboard"))
        except ImportError:
            pass

    def write(
        self, line: EpochLine, weights: Mapping[str, float], examples: Sequence[str] = ()
    ) -> None:
        """Add one epoch. weights: what the fusion gives each part, where it has weights. examples:
        lines for TensorBoard alone.
        """
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({**line, **({"weights": weights} if weights else {})}) + "\n")
        if self._writer is not None:
            for name, value in line.items():
                if isinstance(value, (int, float)) and name != "epoch":
                    self._writer.add_scalar(name, value, line["epoch"])
            for part, weight in weights.items():
                self._writer.add_scalar(f"weights/{part}", weight, line["epoch"])
            if examples:
                self._writer.add_text("examples", "  \n".join(examples), line["epoch"])

    def close(self) -> None:
        """Write out what is left."""
        if self._writer is not None:
            self._writer.close()


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
