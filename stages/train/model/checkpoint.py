"""Checkpoints: written aside and renamed, read without running any code in them
(``weights_only``).
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

from ....schemas.disk import replacing
from ....schemas.errors import InputError
from ...media.refusing import one_line
from ..data.inputs import Inputs
from .losses import make_losses
from .losses.caption import Caption
from .model import FusionModel
from .objectives import Objective, load_objective
from .with_losses import WithLosses

VERSION = 5


class Saved:
    """A model as it was saved, ready to use: what it reads, what it answers, and all that the
    checkpoint says of itself.
    """

    def __init__(
        self,
        about: dict[str, Any],
        weights: dict[str, torch.Tensor],
        losses: dict[str, torch.Tensor] | None = None,
    ) -> None:
        self.inputs = Inputs.restored(about)
        self.options = self.inputs.options
        self.objective: Objective = load_objective(self.options.task, about["objective"])
        self.about = about
        self.model = FusionModel(self.inputs, self.objective.outputs, self.objective.link)
        self.model.load_state_dict(weights)
        self.model.eval()
        self.losses = make_losses(self.options.losses, self.model.sizes(), about.get("losses", {}))
        if losses is not None:
            self.losses.load_state_dict(losses)
        self.losses.eval()

    @property
    def captioner(self) -> Caption | None:
        """What writes a sentence from a fused vector, if that was trained."""
        caption = dict(self.losses.items()).get("caption")
        return caption if isinstance(caption, Caption) else None


def save(path: Path, about: dict[str, Any], step: WithLosses, training: dict[str, Any]) -> None:
    """Write a checkpoint: the model, its losses, ``about`` (plain JSON), and what resuming
    needs.
    """
    weights = {"model": step.model.state_dict(), "losses": step.losses.state_dict()}
    # a file and not its name, which torch would write into the bytes
    with replacing(path) as aside, open(aside, "wb") as file:
        torch.save(
            {"modalmill": VERSION, "about": json.dumps(about), **weights, "training": training},
            file,
        )


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, ``about`` decoded."""
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(value, dict) or value.get("modalmill") != VERSION:
            raise InputError(f"{path}: not a modalmill checkpoint of version {VERSION}")
        value["about"] = json.loads(value["about"])
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such checkpoint; training writes best.pt and last.pt"
        ) from None
    except (
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        IsADirectoryError,
        pickle.UnpicklingError,
    ) as error:
        raise InputError(
            f"{path}: not a checkpoint that modalmill wrote ({one_line(error)})"
        ) from None
    return value


def load(path: Path) -> Saved:
    """The model of a checkpoint, ready to use on the CPU."""
    value = read(path)
    try:
        return Saved(value["about"], value["model"], value["losses"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: the checkpoint does not fit this version of modalmill ({one_line(error)})"
        ) from error
