"""Transfer: a model that begins with what another one has learned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ....schemas.errors import InputError
from ...modalities.text import learned_words
from ..data.inputs import Inputs
from ..model.checkpoint import CheckpointHeader
from ..model.encoders.resnet3d import inflate
from ..model.model import FusionModel
from ..model.objectives import Objective

_SPECIAL = ("<padding>", "<unknown>")  # the first two token ids


def start_from(
    model: FusionModel, inputs: Inputs, objective: Objective, start: str | Mapping[str, str]
) -> str:
    """Take over what has the same names and shapes from a checkpoint, or from a ``state_dict`` in a
    file; what was and was not, as a line. A mapping gives encoders, by their parts, files of their
    own, such as torchvision's for a ResNet. Kernels of pictures are inflated along time where the
    model's are of films.

    From a checkpoint of ours, the vectors of words are taken by word and the outputs of the head by
    class, whatever their numbers were there.
    """
    if isinstance(start, Mapping):
        lines = [
            _taken(model, _encoder_tensors(model, part, Path(path)), path)
            for part, path in start.items()
        ]
        return "; ".join(lines)
    theirs, header = _tensors_of(Path(start))
    refused: list[str] = []
    if header is not None:
        theirs, refused = _translated(model.state_dict(), theirs, header, model, inputs, objective)
    return "; ".join([_taken(model, theirs, start), *refused])


def _tensors_of(path: Path) -> tuple[dict[str, Tensor], CheckpointHeader | None]:
    """The tensors of a file by their names, and what a checkpoint of ours says about itself."""
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"train.start: {path}: there is no such file") from None
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise InputError(
            f"train.start: {path}: not a checkpoint or state_dict"
            f" ({(str(error).splitlines() or [type(error).__name__])[0][:120]})"
        ) from error
    weights = (
        value.get("model", value.get("state_dict", value)) if isinstance(value, dict) else None
    )
    if not isinstance(weights, dict) or not all(
        isinstance(tensor, Tensor) for tensor in weights.values()
    ):
        raise InputError(f"train.start: {path}: wanted a checkpoint or a state_dict")
    broken = next((name for name, tensor in weights.items() if _has_nan(tensor)), "")
    if broken:
        raise InputError(f"train.start: {path}: {broken} holds NaN")
    # as models trained on several devices are saved
    weights = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    if "about" not in value:
        return weights, None
    return weights, CheckpointHeader.from_dict(json.loads(value["about"]))


def _encoder_tensors(model: FusionModel, part: str, path: Path) -> dict[str, Tensor]:
    """The tensors of a file for the encoder of one part, by their names in the model."""
    prefix = f"encoders.{part}."
    theirs, header = _tensors_of(path)
    if header is not None:
        return {name: tensor for name, tensor in theirs.items() if name.startswith(prefix)}
    return {name if name.startswith(prefix) else prefix + name: theirs[name] for name in theirs}


def _taken(model: FusionModel, theirs: Mapping[str, Tensor], path: str) -> str:
    """Let the model have what fits; what did, as a line."""
    own = model.state_dict()
    same = {
        name: tensor
        for name, tensor in inflate(theirs, own).items()
        if name in own and own[name].shape == tensor.shape
    }
    other = [name for name in theirs if name in own and name not in same]
    if not same:
        raise InputError(
            f"train.start: {path}: none of its {len(theirs)} tensors has the name and shape of"
            " one of the model's"
        )
    model.load_state_dict(same, strict=False)
    left = [name for name in own if name not in same]
    return f"{len(same)} tensors taken from {path}, {len(left)} begin anew ({_some(left)})" + (
        f", {len(other)} of other shapes" if other else ""
    )


def _translated(
    own: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    header: CheckpointHeader,
    model: FusionModel,
    inputs: Inputs,
    objective: Objective,
) -> tuple[dict[str, Tensor], list[str]]:
    """Their tensors, with rows that stand for words or classes in our order; without those that
    mean something else here, and why.
    """
    tensors, why = dict(weights), []
    for part, vocabulary in (
        (name, learned_words(fitted)["vocabulary"])
        for name, fitted in inputs.fitted.items()
        if "vocabulary" in fitted
    ):
        name = f"encoders.{part}.embedding.weight"
        if part in header.fitted:
            _by_row(
                own,
                tensors,
                [name],
                [*_SPECIAL, *vocabulary],
                [*_SPECIAL, *learned_words(header.fitted[part])["vocabulary"]],
            )
    for part, cache in inputs.caches.items():
        if part not in header.caches or header.caches[part].alike() != cache.alike():
            why.append(
                f"the encoder of {part} begins anew: its cached features are of another extractor"
            )
            tensors = {
                name: tensor
                for name, tensor in tensors.items()
                if not name.startswith(f"encoders.{part}.")
            }
    classes = objective.classes
    their_classes = cast("Sequence[str] | None", header.objective.get("classes"))
    if (
        classes != their_classes
        and isinstance(model.head, nn.Sequential)
        and classes
        and their_classes
    ):
        last = f"head.{len(model.head) - 1}"
        _by_row(own, tensors, [f"{last}.weight", f"{last}.bias"], classes, their_classes)
        why.append(
            f"{len(set(classes) & set(their_classes))} of {len(classes)} classes are known to it"
        )
    elif classes != their_classes:
        why.append("the fusion over answers begins anew: its classes are others")
        tensors = {
            name: tensor
            for name, tensor in tensors.items()
            if not name.startswith(("fusion.", "head."))
        }
    return tensors, why


def _by_row(
    own: Mapping[str, Tensor],
    kept: dict[str, Tensor],
    tensors: Sequence[str],
    names: Sequence[str],
    their_names: Sequence[str],
) -> None:
    """Put the rows of these tensors into the order of ``names``, those that are not known as ours
    begin; leave all out where they do not fit.
    """
    places = {name: place for place, name in enumerate(their_names)}
    rows = [(row, places[name]) for row, name in enumerate(names) if name in places]
    fits = rows and all(
        name in own and name in kept and own[name].shape[1:] == kept[name].shape[1:]
        for name in tensors
    )
    for name in tensors:
        theirs = kept.pop(name, None)
        if fits and theirs is not None:
            kept[name] = own[name].clone()
            kept[name][[row for row, _ in rows]] = theirs[[place for _, place in rows]].to(
                own[name].dtype
            )


def _has_nan(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool(torch.isnan(tensor).any())


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
