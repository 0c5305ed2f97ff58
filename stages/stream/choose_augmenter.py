"""What changes the records of a stream, as the options ask."""

from __future__ import annotations

from collections.abc import Mapping

from ...schemas.errors import InputError
from ..copies import placed_copies
from ..spec import Spec
from .options import StreamOptions
from .shards.index import Index
from .workers.augmenting import Augmenter

_LOOKED_AT = 16  # records of each set


def choose_augmenter(
    index: Index, specs: Mapping[str, Spec], options: StreamOptions, epoch_length: int
) -> Augmenter | None:
    """What changes the records of a stream; None where nothing does. InputError for stages that
    cannot be meant.
    """
    if not options.augment:
        return None
    stages, problems = placed_copies(options.augment, "augment")
    if problems:
        raise InputError("; ".join(problems))
    lengths = _pass_lengths(index, options, epoch_length)
    augmenter = Augmenter(index, specs, stages, options.seed, epoch_length, lengths)
    # in the first epoch it would come anyway, and after hours, if most records lack the part
    augmenter.check([int(number) for chosen in index.chosen for number in chosen[:_LOOKED_AT]])
    return augmenter


def _pass_lengths(index: Index, options: StreamOptions, epoch_length: int) -> list[float]:
    """How many places it takes until each record of a set came up, by set."""
    if options.weights is None:
        return [epoch_length / options.repeat] * len(index.chosen)
    total = sum(options.weights)
    return [
        len(chosen) * total / weight if weight > 0 else 1.0
        for chosen, weight in zip(index.chosen, options.weights, strict=True)
    ]
