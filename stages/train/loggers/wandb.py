"""Weights & Biases: a run that stays on this machine until its user sends it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .logger import Logger, TrainingFacts, kept_id

_OFFLINE = "offline"


class WandbLogger(Logger):
    """``wandb/wandb/offline-run-...``: a run that ``wandb sync`` sends to a server, if it is meant
    to go there at all. Nothing leaves the machine unasked, reports of the package's own errors
    included.

    mode: ``online`` sends the numbers as they come; where it is not given WANDB_MODE says, or else
    it is ``offline``. project, name: where and as what the run is filed; the name is that of the
    data where it is not given.
    """

    def __init__(
        self,
        folder: Path,
        training: TrainingFacts,
        *,
        project: str = "modalmill",
        name: str = "",
        mode: str = "",
    ) -> None:
        mode = mode or os.environ.get("WANDB_MODE") or _OFFLINE
        is_online = mode == "online"
        if not is_online:
            # read when the package is imported; it would look for its server even offline
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        run_id, is_kept = kept_id(folder)
        self._run = wandb.init(
            project=project,
            name=name or training.name,
            id=run_id,
            # offline it has no meaning, and is told as a mistake
            resume="allow" if is_online and is_kept else None,
            dir=str(folder),
            # any other word in WANDB_MODE is refused by the package
            mode=mode,  # type: ignore[arg-type]
            config=dict(training.settings),
            # what the terminal shows, and the user's code, are no numbers of the training
            settings=wandb.Settings(console="off", silent=True, disable_code=True),
        )

    def numbers(self, epoch: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=epoch)

    def close(self, is_finished: bool) -> None:
        self._run.finish(exit_code=0 if is_finished else 1)
