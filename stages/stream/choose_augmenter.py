"""What changes the records of a stream, as the options ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...schemas.contents import Contents
from ...schemas.errors import InputError
from ...schemas.record import NO_SPLIT
from ..copies import placed_copies
from ..spec import Spec
from .choose_order import MixedSet
from .options import StreamOptions
from .shards.index import Index
from .workers.augmenting import Augmenter

_LOOKED_AT = 16  # records of each set


def choose_augmenter(
    index: Index,
    specs: Mapping[str, Spec],
    sets: Sequence[MixedSet],
    options: StreamOptions,
    epoch_length: int,
) -> Augmenter | None:
    """What changes the records of a stream; None where nothing does. InputError for stages that
    cannot be meant.
    """
    if not options.augment:
        return None
    stages, problems = placed_copies(options.augment, "augment")
    here = Contents(
        parts=index.parts, splits=frozenset(tar.split for tar in index.tars) - {NO_SPLIT}
    )
    for placed in stages:
        problems += [f"augment: {placed.address}: {line}" for line in placed.stage.mistakes(here)]
    if problems:
        raise InputError("; ".join(problems))
    passes = _pass_lengths(len(index), sets, epoch_length / options.repeat)
    augmenter = Augmenter(index, specs, stages, options.seed, epoch_length, passes)
    # in the first epoch it would come anyway, and after hours, if most records lack the part
    augmenter.check([int(number) for own in sets for number in own.records[:_LOOKED_AT]])
    return augmenter


def _pass_lengths(count: int, sets: Sequence[MixedSet], epoch_length: float) -> np.ndarray:
    """How many places it takes until all records of its set came up, for each record ``float64
    [N]``. epoch_length: of one of several passes.
    """
    total, lengths = sum(own.weight for own in sets), np.ones(count)
    for own in sets:
        if own.weight > 0:
            lengths[own.records] = len(own.records) * total / own.weight
    return np.full(count, epoch_length) if len(sets) == 1 else lengths
