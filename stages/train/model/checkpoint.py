"""Checkpoints: written aside and renamed, read without running any code in them
(``weights_only``).
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, Self, TypedDict

import torch

from ....schemas.disk import replacing
from ....schemas.errors import InputError
from ....schemas.features import FeatureNote
from ....schemas.json_value import JsonValue
from ...media.refusing import one_line
from ...stream.cursor import StreamState
from ..data.inputs import Inputs
from ..options import TrainOptions
from .losses import make_losses
from .model import FusionModel
from .objectives import Objective, load_objective
from .with_losses import WithLosses

if TYPE_CHECKING:
    from .losses.caption import Caption

VERSION = 5


class HeaderOnDisk(TypedDict):
    """A :class:`CheckpointHeader` as a file has it; the last four are of later versions."""

    options: Mapping[str, JsonValue]
    modalities: Mapping[str, str]
    fitted: Mapping[str, Mapping[str, object]]
    caches: Mapping[str, Mapping[str, JsonValue]]
    objective: Mapping[str, JsonValue]
    losses: NotRequired[Mapping[str, Mapping[str, JsonValue]]]
    shards: NotRequired[str]
    name: NotRequired[str]
    torch: NotRequired[str]


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """What a checkpoint says of itself, plain JSON; no other corpus can change what was fixed when
    the model was made.

    options: of training. modalities, fitted, caches: as :class:`Inputs` has them. objective: its
    ``state``. losses: what they fitted on the training split, by their words. shards: the
    fingerprint of what was trained on, and its name. torch: its version.
    """

    options: Mapping[str, JsonValue]
    modalities: Mapping[str, str]
    fitted: Mapping[str, Mapping[str, object]]
    caches: Mapping[str, FeatureNote]
    objective: Mapping[str, JsonValue]
    losses: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    shards: str = ""
    name: str = ""
    torch: str = ""

    @classmethod
    def of(
        cls,
        inputs: Inputs,
        objective: Objective,
        losses: Mapping[str, Mapping[str, JsonValue]] | None = None,
        shards: str = "",
        name: str = "",
    ) -> Self:
        """The header of a model that is made now."""
        return cls(
            # where the numbers went is nobody's business who is given the model
            options=inputs.options.model_dump(exclude={"log"}),
            modalities=dict(inputs.modalities),
            fitted=dict(inputs.fitted),
            caches=dict(inputs.caches),
            objective=objective.state(),
            losses=losses or {},
            shards=shards,
            name=name,
            torch=torch.__version__,
        )

    @classmethod
    def from_dict(cls, value: HeaderOnDisk) -> Self:
        """As a file has it; KeyError and TypeError for what is none."""
        return cls(
            options=value["options"],
            modalities=value["modalities"],
            fitted=value["fitted"],
            caches={part: FeatureNote.from_dict(note) for part, note in value["caches"].items()},
            objective=value["objective"],
            losses=value.get("losses", {}),
            shards=value.get("shards", ""),
            name=value.get("name", ""),
            torch=value.get("torch", ""),
        )

    def to_dict(self) -> HeaderOnDisk:
        """As a file has it."""
        return {
            "options": self.options,
            "modalities": self.modalities,
            "fitted": self.fitted,
            "caches": {part: note.to_dict() for part, note in self.caches.items()},
            "objective": self.objective,
            "losses": self.losses,
            "shards": self.shards,
            "name": self.name,
            "torch": self.torch,
        }

    def inputs(self) -> Inputs:
        """What the model reads."""
        options = TrainOptions.model_validate(self.options)
        return Inputs(options, self.modalities, self.fitted, self.caches)


class Training(TypedDict, total=False):
    """What resuming needs, as its run keeps it; of ``best.pt`` the run alone.

    run: its identity. state: how far it is. The others are those of its parts.
    """

    run: str
    state: Mapping[str, float | bool | None]
    optimiser: dict[str, object]
    schedule: dict[str, object]
    scaler: dict[str, object]
    stream: StreamState
    random: torch.Tensor
    loss_sum: torch.Tensor
    cuda_random: torch.Tensor | None
    mean: Mapping[str, torch.Tensor] | None
    mean_steps: int


@dataclass(frozen=True)
class Checkpoint:
    """What stands in the file."""

    header: CheckpointHeader
    model: Mapping[str, torch.Tensor]
    losses: Mapping[str, torch.Tensor]
    training: Training


class Saved:
    """A model as it was saved, ready to use: what it reads, what it answers, and all that the
    checkpoint says of itself.
    """

    def __init__(
        self,
        header: CheckpointHeader,
        weights: Mapping[str, torch.Tensor],
        losses: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.header, self.inputs = header, header.inputs()
        self.options = self.inputs.options
        self.objective: Objective = load_objective(self.options.task, header.objective)
        self.model = FusionModel(self.inputs, self.objective.outputs, self.objective.link)
        self.model.load_state_dict(weights)
        self.model.eval()
        self.losses = make_losses(self.options.losses, self.model.sizes(), header.losses)
        if losses is not None:
            self.losses.load_state_dict(losses)
        self.losses.eval()

    @property
    def captioner(self) -> Caption | None:
        """What writes a sentence from a fused vector, if that was trained."""
        if "caption" not in self.losses:
            return None
        # its module imports what compiles graphs, which takes a second
        from .losses.caption import Caption

        caption = self.losses["caption"]
        assert isinstance(caption, Caption)
        return caption


def save(path: Path, header: CheckpointHeader, step: WithLosses, training: Training) -> None:
    """Write a checkpoint: the model, its losses, the header, and what resuming needs."""
    weights = {"model": step.model.state_dict(), "losses": step.losses.state_dict()}
    # a file and not its name, which torch would write into the bytes
    with replacing(path) as aside, open(aside, "wb") as file:
        torch.save(
            {
                "modalmill": VERSION,
                "about": json.dumps(header.to_dict()),
                **weights,
                "training": training,
            },
            file,
        )


def read(path: Path) -> Checkpoint:
    """The content of a checkpoint."""
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(value, dict) or value.get("modalmill") != VERSION:
            raise InputError(f"{path}: not a modalmill checkpoint of version {VERSION}")
        about = json.loads(value["about"])
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
    try:
        header = CheckpointHeader.from_dict(about)
        return Checkpoint(header, value["model"], value["losses"], value["training"])
    except (AttributeError, KeyError, TypeError) as error:
        raise _unfit(path, error) from error


def load(path: Path) -> Saved:
    """The model of a checkpoint, ready to use on the CPU."""
    value = read(path)
    try:
        return Saved(value.header, value.model, value.losses)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _unfit(path, error) from error


def _unfit(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: the checkpoint does not fit this version of modalmill ({one_line(error)})"
    )
