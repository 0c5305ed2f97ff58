"""What a model takes and answers, for whoever is to ask it and did not train it."""

from __future__ import annotations

from typing import Literal, TypedDict

from ...modality import OnDisk
from ..model.checkpoint import Saved

_SHOWN_CLASSES = 1000


class PartTaken(TypedDict, total=False):
    """A part: its modality, and whether it is a file, a text or cells. columns: of cells."""

    modality: str
    given_as: Literal["file", "text", "cells"]
    columns: list[str]


class ModelTold(TypedDict):
    """classes: what the answers are chosen from, the first thousand; none where they are not."""

    name: str
    task: str
    target: str
    classes: list[str] | None
    parts: dict[str, PartTaken]


def describe(saved: Saved) -> ModelTold:
    """What the model of a checkpoint takes and answers."""
    inputs, classes = saved.inputs, saved.objective.classes
    parts: dict[str, PartTaken] = {}
    for name in inputs.names:
        kind = inputs.modality(name)
        # (a cell has a column of its own in a table of records)
        columns = [each for each in kind.columns(name, inputs.fitted.get(name, {})) if each != name]
        parts[name] = {"modality": kind.name, "given_as": "text"}
        if isinstance(kind, OnDisk):
            parts[name]["given_as"] = "file"
        elif columns:
            parts[name] |= {"given_as": "cells", "columns": columns}
    return {
        "name": saved.header.name,
        "task": saved.options.task,
        "target": saved.options.target,
        "classes": None if classes is None else classes[:_SHOWN_CLASSES],
        "parts": parts,
    }
