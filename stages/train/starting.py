"""Transfer: a model that begins with what another one has learned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...schemas.errors import InputError
from .inputs import Inputs
from .model import FusionModel
from .objectives import Objective

_SPECIAL = ("<padding>", "<unknown>")  # the first two token ids


def start_from(model: FusionModel, inputs: Inputs, objective: Objective, path: Path) -> str:
    """Take over what has the same names and shapes from a checkpoint, or from a ``state_dict`` in a file; what was and was not, as a line.

    From a checkpoint of ours, the vectors of words are taken by word and the outputs of the head by class, whatever their numbers were there.
    """
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"train.start: {path}: there is no such file") from None
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise InputError(f"train.start: {path}: not a checkpoint or state_dict ({str(error).splitlines()[0][:120]})") from error
    weights = value.get("model", value) if isinstance(value, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise InputError(f"train.start: {path}: wanted a checkpoint or a state_dict")
    own = model.state_dict()
    theirs = dict(weights)
    if "about" in value:
        theirs |= _translated(own, weights, json.loads(value["about"]), model, inputs, objective)
    same = {name: tensor for name, tensor in theirs.items() if name in own and own[name].shape == tensor.shape}
    other = [name for name in theirs if name in own and name not in same]
    if not same:
        raise InputError(f"train.start: {path}: none of its {len(weights)} tensors has the name and shape of one of the model's")
    model.load_state_dict(same, strict=False)
    left = [name for name in own if name not in same]
    return f"{len(same)} tensors taken from {path}, {len(left)} begin anew ({_some(left)})" + (f", {len(other)} of other shapes" if other else "")


def _translated(
    own: Mapping[str, Tensor], theirs: Mapping[str, Tensor], about: Mapping[str, Any], model: FusionModel, inputs: Inputs, objective: Objective
) -> dict[str, Tensor]:  # fmt: skip
    """Their tensors whose rows stand for words or classes, with rows in our order; rows they do not have as ours begin."""
    found = {}
    for part, vocabulary in inputs.vocabularies.items():
        name = f"encoders.{part}.embedding.weight"
        if name in own and name in theirs and part in about["vocabularies"]:
            found[name] = _by_row(own[name], theirs[name], [*_SPECIAL, *vocabulary], [*_SPECIAL, *about["vocabularies"][part]])
    classes, known = getattr(objective, "classes", None), about["objective"].get("classes")
    if isinstance(model.head, nn.Sequential) and classes and known:
        for kind in ("weight", "bias"):
            name = f"head.{len(model.head) - 1}.{kind}"
            if name in theirs:
                found[name] = _by_row(own[name], theirs[name], classes, known)
    return found


def _by_row(own: Tensor, theirs: Tensor, names: Sequence[str], known: Sequence[str]) -> Tensor:
    if own.shape[1:] != theirs.shape[1:]:
        return theirs
    places = {name: place for place, name in enumerate(known)}
    rows = [(row, places[name]) for row, name in enumerate(names) if name in places]
    mixed = own.clone()
    mixed[[row for row, _ in rows]] = theirs[[place for _, place in rows]].to(own.dtype)
    return mixed


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
