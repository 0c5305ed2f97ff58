"""What is known before the first step: what modalities fit (vocabularies), classes, sizes, all
fitted on the training split alone.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ....schemas.errors import InputError
from ....schemas.features import FeatureCache, FeatureNote
from ....schemas.index import read_shard_set
from ...modality import modality, names
from ...reduction import lda, pca
from ...stream import FeatureSpec, Stream
from ..data.inputs import Inputs, features_of, targets_of
from ..model.checkpoint import CheckpointHeader
from ..model.encoders.vector import Vector
from ..model.losses import fit_losses, make_losses
from ..model.model import FusionModel
from ..model.objectives import Objective, fit_objective
from ..model.with_losses import WithLosses
from ..options import TrainOptions
from .optimise import freeze
from .transfer import start_from

_MOST_MEASURED = 50_000
# files that a modality may read to be fitted; of what stands in the index it gets all
_MOST_FITTED = 2_000
_USUAL_BATCH, _SMALLEST_BATCH, _STEPS_AN_EPOCH = 64, 2, 20


@dataclass(frozen=True)
class Prepared:
    """What is read, the stream of the training split, the objective; and what the checkpoint says
    of itself.
    """

    inputs: Inputs
    stream: Stream
    objective: Objective
    header: CheckpointHeader


def prepare(options: TrainOptions, shards: Path, seed: int) -> Prepared:
    """Fit what has to be fitted; InputError where the shards lack an input."""
    shard_set = read_shard_set(shards)
    modalities = dict(shard_set.parts)
    if options.batch_size is None:
        options = options.model_copy(
            update={"batch_size": default_batch_size(shard_set.records_of(options.train_split))}
        )
    caches: dict[str, FeatureNote] = {}
    for name, entry in options.inputs.items():
        if name not in modalities:
            raise InputError(
                f"train.inputs.{name}: {shards} has no such part; its parts are"
                f" {', '.join(modalities)}"
            )
        if entry.feature:
            caches[name] = FeatureCache(features_of(shards), name).made_by
        elif modalities[name] not in names():
            raise InputError(
                f"train.inputs.{name}: {shards} holds {modalities[name]} there, which no model"
                f" reads; wanted one of {', '.join(names())}"
            )
        elif problems := entry.mistakes(f"train.inputs.{name}", [modalities[name]]):
            raise InputError("\n".join(problems))
    bare = Inputs(options, modalities, {}, caches).open(shards, options.train_split, seed)
    targets = targets_of(bare)
    inputs = Inputs(options, modalities, _fitted(options, modalities, bare), caches)
    objective = fit_objective(options, targets)
    losses = fit_losses(options.losses, targets)
    header = CheckpointHeader.of(inputs, objective, losses, shard_set.fingerprint, shard_set.name)
    return Prepared(
        inputs, inputs.open(shards, options.train_split, seed, training=True), objective, header
    )


def default_batch_size(records: int) -> int:
    """64, or fewer where an epoch would have fewer than 20 steps; two at least, for a batch of one
    has no variance.
    """
    return min(_USUAL_BATCH, max(_SMALLEST_BATCH, records // _STEPS_AN_EPOCH))


def _fitted(
    options: TrainOptions, modalities: Mapping[str, str], stream: Stream
) -> dict[str, Mapping[str, object]]:
    """What the modality of each input has to know of the training split; of all its parts together
    where they share an encoder.
    """
    by_part: dict[str, Mapping[str, object]] = {}
    for name, entry in options.inputs.items():
        if not entry.feature:
            alike = [
                name,
                *(other for other, spec in options.inputs.items() if spec.same_as == name),
            ]
            values = itertools.chain.from_iterable(
                stream.index.values(part, _MOST_FITTED) for part in alike
            )
            kind = modality(modalities[name])
            fitted = (
                by_part.get(entry.same_as, {})
                if entry.same_as
                else kind.fit(entry.own(kind.name), values)
            )
            if fitted:
                by_part[name] = fitted
    return by_part


def build(prepared: Prepared) -> tuple[WithLosses, str]:
    """The model with its losses, untrained or started from another's weights; and what was taken
    over, as a line.
    """
    options, objective = prepared.inputs.options, prepared.objective
    model = FusionModel(prepared.inputs, objective.outputs, objective.link)
    model.start_from(objective.prior())
    _standardise(model, prepared.stream, options.target)
    step = WithLosses(model, make_losses(options.losses, model.sizes(), prepared.header.losses))
    # after standardising, since an encoder that is taken over brings its own scales
    taken = start_from(model, prepared.inputs, objective, options.start) if options.start else ""
    freeze(step, options.freeze)
    return step, taken


def _standardise(model: FusionModel, stream: Stream, target: str) -> None:
    """Let the encoders of cached vectors know the mean, the deviation and, where features are
    reduced, the axes of the training split.
    """
    for name, spec in stream.specs.items():
        encoder = dict(model.encoders.items()).get(name)
        if isinstance(spec, FeatureSpec) and isinstance(encoder, Vector):
            cache = FeatureCache(Path(spec.folder), spec.part)
            places, there = _measured(cache, cache.rows(stream.index.all_keys()))
            vectors = torch.from_numpy(cache.vectors[places].astype("float64"))
            if len(vectors):
                encoder.standardise(
                    vectors.mean(0),
                    vectors.std(0, correction=0),
                    bool(cache.made_by.one_scale),
                )
            if encoder.axes_FK is not None:
                encoder.axes_FK.copy_(
                    torch.from_numpy(_axes(encoder, vectors, stream, there, name, target))
                )


def _measured(cache: FeatureCache, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors that stand for all of these rows of a cache: where they lie in it, and which of the
    rows each is of, evenly spread ``int64 [n]``.
    """
    here = np.flatnonzero(rows >= 0)
    if cache.offsets is None:
        there = here[:: max(1, len(rows) // _MOST_MEASURED)]
        return rows[there], there
    ends = np.cumsum(cache.lengths(rows[here]))
    total = int(ends[-1]) if len(ends) else 0
    counted = np.arange(0, total, max(1, -(-total // _MOST_MEASURED)))
    own = np.searchsorted(ends, counted, side="right")
    begins = np.append(0, ends[:-1])
    return cache.offsets[rows[here[own]]] + counted - begins[own], here[own]


def _axes(
    encoder: Vector, vectors: Tensor, stream: Stream, there: np.ndarray, name: str, target: str
) -> np.ndarray:
    """The axes of a part's standardised vectors, scaled to features of deviation 1."""
    standard = ((vectors - encoder.mean_F) / encoder.deviation_F).numpy()
    try:
        if encoder.reduce == "lda":
            classes = np.array(
                [
                    str(json.loads(text).get(target, ""))
                    for text in stream.index.targets(there.tolist())
                ]
            )
            axes = lda(standard[classes != ""], classes[classes != ""], encoder.rank)
        else:
            axes = pca(standard, encoder.rank)
    except InputError as error:
        raise InputError(f"train.inputs.{name}.rank: {error}") from error
    return np.asarray(axes / np.maximum((standard @ axes).std(0), 1e-9))
