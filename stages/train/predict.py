"""Prediction for one record given as files and words; any part may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...schemas.errors import DamageError, InputError, nearest
from ..media import audio as sounds
from ..media import image as images
from ..media import video as videos
from ..stream import FusionBatch, ImageSpec, Labels, TextSpec
from . import checkpoint
from .data import blank


def predict_files(path: Path, given: Mapping[str, str], top: int = 5) -> dict[str, Any]:
    """Answers with probabilities, and which parts were missing. ``given`` maps a modality to a file or words, or to ``part=...``."""
    saved = checkpoint.load(path)
    parts = _assign(saved, given)
    batch = _batch(saved, parts)
    with torch.no_grad():
        logits = saved.model(batch)
    answers = saved.objective.answers(logits, top)[0]
    return {
        "target": saved.options.target,
        "answers": [{"answer": answer, "probability": round(probability, 6)} for answer, probability in answers],
        "used": [name for name in batch.names if name in parts],
        "missing": [name for name in batch.names if name not in parts],
    }


def prediction_text(found: dict[str, Any]) -> str:
    """A prediction for people."""
    lines = [f"{found['target']}:"]
    lines += [f"  {entry['probability']:6.1%}  {entry['answer']}" for entry in found["answers"]]
    lines.append(f"used: {', '.join(found['used']) or 'nothing'}" + (f"; missing: {', '.join(found['missing'])}" if found["missing"] else ""))
    return "\n".join(lines)


def _assign(saved: checkpoint.Saved, given: Mapping[str, str]) -> dict[str, str]:
    """Part name -> value: by ``part=value``, or the first part of the modality that is still free."""
    parts: dict[str, str] = {}
    for modality, value in given.items():
        candidates = [name for name in saved.options.inputs if saved.modalities.get(name) == modality]
        if not candidates:
            raise InputError(f"--{modality}: this model has no {modality} part; its parts are {', '.join(saved.options.inputs)}")
        name, equals, rest = value.partition("=")
        if equals and name in saved.options.inputs:
            parts[name] = rest
        elif equals and name.isidentifier() and len(candidates) > 1:
            raise InputError(f"--{modality} {value}: no part is called {name!r}{nearest(name, candidates)}")
        else:
            parts[candidates[0]] = value
    return parts


def _batch(saved: checkpoint.Saved, given: Mapping[str, str]) -> FusionBatch:
    names = tuple(saved.options.inputs)
    parts: dict[str, torch.Tensor] = {}
    lengths: dict[str, torch.Tensor] = {}
    for name, options in saved.options.inputs.items():
        modality = saved.modalities.get(name, "image")
        if options.feature and name in given:
            raise InputError(
                f"--{modality}: this model reads cached features of {name}; predict from shards with 'modalmill evaluate', or train on the media"
            )
        parts[name], length = blank(1, modality, options, saved.about["dims"].get(name, 0))
        if length is not None:
            lengths[name] = length
        if name in given:
            try:
                _fill(saved, name, modality, given[name], parts, lengths)
            except DamageError as error:
                raise InputError(f"--{modality} {given[name]}: {error.message}") from error
            except OSError as error:
                raise InputError(f"--{modality} {given[name]}: cannot be read: {error.strerror}") from error
    present = torch.tensor([[name in given for name in names]])
    return FusionBatch(names, Labels(["prediction"], ["{}"]), parts, lengths, {}, present, torch.ones(1))


def _fill(saved: checkpoint.Saved, name: str, modality: str, value: str, parts: dict[str, torch.Tensor], lengths: dict[str, torch.Tensor]) -> None:
    options = saved.options.inputs[name]
    if modality == "text":
        row = parts[name][0].numpy()
        lengths[name][0] = TextSpec(length=options.length, vocabulary=saved.vocabularies[name]).fill(value, row)
        return
    path = Path(value)
    if not path.is_file():
        raise InputError(f"--{modality} {value}: there is no such file")
    if modality == "image":
        crop = options.crop if options.crop != "random" else "center"
        ImageSpec(size=options.size, crop=crop).fill(path.read_bytes(), parts[name][0].numpy())
    elif modality == "audio":
        samples = sounds.decode(path).mono(options.rate_hz)[: parts[name].shape[1]]
        parts[name][0, : len(samples)] = torch.from_numpy(samples)
        lengths[name][0] = len(samples)
    else:
        frames = videos.sample(path, options.frames, options.size)
        parts[name][0] = torch.from_numpy(np.stack([images.resize_crop(frame, options.size) for frame in frames]))
