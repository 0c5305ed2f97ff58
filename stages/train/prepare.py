"""What is known before the first step: vocabularies, classes, sizes, all fitted on the training split alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...schemas.errors import InputError
from ...schemas.index import read_shard_set
from ..stream import FeatureSpec, Stream
from ..stream.features import FeatureCache
from ..stream.text import build_vocabulary
from .data import open_split
from .encoders.reduction import lda, pca
from .encoders.vector import Vector
from .losses import fit_losses, make_losses
from .model import FusionModel
from .objectives import Objective, fit_objective
from .optimise import freeze, start_from
from .options import TrainOptions
from .step import Step
from .terms import Sizes

_MOST_MEASURED = 50_000


@dataclass(frozen=True)
class Prepared:
    """The stream of the training split, the objective, and what the checkpoint says of itself (plain JSON)."""

    stream: Stream
    objective: Objective
    about: dict[str, Any]


def prepare(options: TrainOptions, shards: Path, features: Path, seed: int) -> Prepared:
    """Fit what has to be fitted; InputError where the shards lack an input."""
    shard_set = read_shard_set(shards)
    modalities = dict(shard_set.parts)
    for name in options.inputs:
        if name not in modalities:
            raise InputError(f"train.inputs.{name}: {shards} has no such part; its parts are {', '.join(modalities)}")
    plain = open_split(options, shards, features, options.train_split, seed, modalities, {}, training=True)
    records = range(len(plain.index))
    vocabularies: dict[str, dict[str, int]] = {}
    for name, spec in options.inputs.items():
        if modalities.get(name) == "text" and not spec.feature:
            alike = [name, *(other for other, entry in options.inputs.items() if entry.same_as == name)]
            texts = (text for one in alike for text in plain.index.texts(one, records))
            vocabularies[name] = vocabularies[spec.same_as] if spec.same_as else build_vocabulary(texts, spec.vocabulary)
    targets = [json.loads(text) for text in plain.index.targets(records)]
    objective = fit_objective(options, targets)
    stream = open_split(options, shards, features, options.train_split, seed, modalities, vocabularies, training=True)
    dims = {name: FeatureCache(Path(spec.folder), spec.part).dims for name, spec in stream.specs.items() if isinstance(spec, FeatureSpec)}
    about = {
        "options": options.model_dump(), "objective": objective.state(), "vocabularies": vocabularies, "modalities": modalities, "dims": dims,
        "losses": fit_losses(options.losses, targets), "shards": shard_set.fingerprint, "name": shard_set.name, "torch": torch.__version__,
    }  # fmt: skip
    return Prepared(stream, objective, about)


def build(options: TrainOptions, prepared: Prepared) -> tuple[Step, str]:
    """The model with its losses, untrained or started from another's weights; and what was taken over, as a line."""
    about, objective = prepared.about, prepared.objective
    sizes = {name: len(words) + 2 for name, words in about["vocabularies"].items()}
    model = FusionModel(options, about["modalities"], sizes, about["dims"], objective.outputs, objective.link)
    model.start_from(objective.prior())
    _standardise(model, prepared.stream, options.target)
    vector = objective.outputs if isinstance(model.head, nn.Identity) else options.width
    step = Step(model, make_losses(options.losses, Sizes(len(model.names), options.width, vector, objective.outputs), about["losses"]))
    taken = start_from(model, Path(options.start)) if options.start else ""
    freeze(step, options.freeze)
    return step, taken


def _standardise(model: FusionModel, stream: Stream, target: str) -> None:
    """Let the encoders of cached vectors know the mean, the deviation and, where features are reduced, the axes of the training split."""
    for name, spec in stream.specs.items():
        encoder = dict(model.encoders.items()).get(name)
        if isinstance(spec, FeatureSpec) and isinstance(encoder, Vector):
            cache = FeatureCache(Path(spec.folder), spec.part)
            rows = cache.rows(stream.index.all_keys())
            there = np.flatnonzero(rows >= 0)[:: max(1, len(rows) // _MOST_MEASURED)]
            vectors = torch.from_numpy(cache.vectors[rows[there]].astype("float64"))
            if len(vectors):
                encoder.standardise(vectors.mean(0), vectors.std(0, correction=0))
            if encoder.axes_FK is not None:
                encoder.axes_FK.copy_(torch.from_numpy(_axes(encoder, vectors, stream, there, name, target)))


def _axes(encoder: Vector, vectors: Tensor, stream: Stream, there: np.ndarray, name: str, target: str) -> np.ndarray:
    """The axes of a part's standardised vectors, scaled to features of deviation 1."""
    standard = ((vectors - encoder.mean_F) / encoder.deviation_F).numpy()
    try:
        if encoder.reduce == "lda":
            classes = np.array([str(json.loads(text).get(target, "")) for text in stream.index.targets(there.tolist())])
            axes = lda(standard[classes != ""], classes[classes != ""], encoder.rank)
        else:
            axes = pca(standard, encoder.rank)
    except InputError as error:
        raise InputError(f"train.inputs.{name}.rank: {error}") from error
    return np.asarray(axes / np.maximum((standard @ axes).std(0), 1e-9))
