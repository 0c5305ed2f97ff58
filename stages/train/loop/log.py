"""What training tells: a line of JSON an epoch, TensorBoard where it is installed, and where the
time went.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_WAITS = 0.1


class Log:
    """``log.jsonl`` and TensorBoard events of a run folder."""

    def __init__(self, out: Path) -> None:
        self._path = out / "log.jsonl"
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(out / "tensorboard"))
        except ImportError:
            pass

    def write(self, summary: Mapping[str, Any], examples: Sequence[str] = ()) -> None:
        """Add one epoch; ``examples`` are lines for TensorBoard alone."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(dict(summary)) + "\n")
        if self._writer is not None:
            for name, value in summary.items():
                if isinstance(value, (int, float)) and name != "epoch":
                    self._writer.add_scalar(name, value, summary["epoch"])
            for part, weight in summary.get("weights", {}).items():
                self._writer.add_scalar(f"weights/{part}", weight, summary["epoch"])
            if examples:
                self._writer.add_text("examples", "  \n".join(examples), summary["epoch"])

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


def where_time_went(waits: Sequence[float], computes: Sequence[float]) -> dict[str, Any]:
    """Of the seconds that each step waited for its batch, and computed: the share of waiting, steps
    in milliseconds, and what bounds the speed.
    """
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
