"""Files and words that a person gives, as a batch of the model: decoded as it saw them in training,
or extracted as its cached features were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ....schemas.errors import DamageError, InputError, nearest
from ....schemas.record import Part
from ...base import Extractor, extracted, make, stored
from ...modality import OnDisk, given_file
from ...stream import FusionBatch, Labels
from ..model import checkpoint


def _nothing(item: str) -> None:
    pass


class Given:
    """What a checkpoint makes of files and words."""

    def __init__(self, saved: checkpoint.Saved) -> None:
        self.saved = saved
        self._extractors: dict[str, Extractor] = {}

    def assigned(self, given: Mapping[str, str]) -> dict[str, str]:
        """Part name -> value. Given by the name of a part, or by its modality: then as
        ``part=value``, or for the first part of it.
        """
        parts: dict[str, str] = {}
        for word, value in given.items():
            candidates = [
                name
                for name, kind in self.saved.inputs.modalities.items()
                if kind == word and name in self.saved.options.inputs
            ]
            name, equals, rest = value.partition("=")
            if equals and name in candidates:
                parts[name] = rest
            elif word in self.saved.options.inputs:
                parts[word] = value
            elif not candidates:
                raise InputError(
                    f"--{word}: this model has no {word} part; its parts are"
                    f" {', '.join(self.saved.options.inputs)}"
                )
            elif equals and name.isidentifier() and len(candidates) > 1:
                raise InputError(
                    f"--{word} {value}: no part is called {name!r}{nearest(name, candidates)}"
                )
            else:
                parts[candidates[0]] = value
        return parts

    def batch(
        self,
        given: Sequence[Mapping[str, str]],
        keys: list[str],
        check: Callable[[str], None] = _nothing,
    ) -> tuple[FusionBatch, list[dict[str, str]]]:
        """Rows of files and words as a batch, and for each what could not be read and why.

        check: told which part of which row is read next; what it raises of damage is that part's.
        """
        inputs, rows = self.saved.inputs, len(given)
        parts: dict[str, torch.Tensor] = {}
        lengths: dict[str, torch.Tensor] = {}
        present = torch.zeros(rows, len(inputs.names), dtype=torch.bool)
        damaged: list[dict[str, str]] = [{} for _ in given]
        for column, name in enumerate(inputs.names):
            parts[name], length = inputs.blank(name, rows)
            if length is not None:
                lengths[name] = length
            sequences: dict[int, np.ndarray] = {}
            for place, row in enumerate(given):
                if name in row:
                    try:
                        check(f"{keys[place]}: {name}")
                        if inputs.is_sequence(name):
                            sequences[place] = self._vector(name, row[name])
                            count = len(sequences[place])
                        else:
                            count = self._fill(name, row[name], parts[name][place])
                    except DamageError as error:
                        damaged[place][name] = error.message
                    except OSError as error:
                        damaged[place][name] = f"cannot be read: {error.strerror}"
                    else:
                        present[place, column] = True
                        if length is not None:
                            length[place] = count
            if sequences:
                parts[name] = _padded(sequences, rows)
        return FusionBatch(
            inputs.names, Labels(keys, ["{}"] * rows), parts, lengths, {}, present, torch.ones(rows)
        ), damaged

    def _fill(self, name: str, value: str, out: torch.Tensor) -> int:
        """Read a part into its row, as the stream reads it from shards; how long it is."""
        inputs = self.saved.inputs
        if inputs.options.inputs[name].feature:
            out[:] = torch.from_numpy(self._vector(name, value).astype(np.float32))
            return len(out)
        return inputs.spec(name).fill(
            inputs.modality(name).given(value, inputs.fitted.get(name, {})), out.numpy()
        )

    def _vector(self, name: str, value: str) -> np.ndarray:
        """The vector that the cache would hold ``[dims]``, or the sequence ``[T, dims]``."""
        kind = self.saved.inputs.modality(name)
        extractor = self._extractors.get(name) or self._extractor(name)
        self._extractors[name] = extractor
        folder, part = Path(), Part(kind.name, text=value)
        if isinstance(kind, OnDisk):
            path = given_file(os.path.realpath(value))
            folder, part = path.parent, Part(kind.name, uri=path.name)
        vector = extracted(extractor, kind.decoded(folder, part, extractor.reads_by), value)
        weights = self.saved.inputs.caches[name].weights
        return stored(extractor, vector, np.array(weights, np.float32) if weights else None)

    def make_ready(self) -> None:
        """Make what would be made at the first record; InputError where it cannot be had here."""
        for name in self.saved.inputs.caches:
            self._extractors[name] = self._extractor(name)

    def _extractor(self, name: str) -> Extractor:
        """The extractor of the features that the model was trained on; InputError where it cannot
        be had here, or is another one now.
        """
        cache = self.saved.inputs.caches[name]
        if cache.options is None or cache.address is None:
            raise InputError(
                f"{name}: the model was trained on features of an older version; run its recipe"
                " again, or predict from --shards"
            )
        where = f"{name}: the model reads features by {cache.address}, which cannot be made here"
        extractor, problems = make(cache.address, Extractor, cache.options, where)
        if extractor is None:
            raise InputError("\n".join(problems))
        if extractor.identity() != cache.identity:
            raise InputError(
                f"{where}: its version, or the network it loads, is not that of the training;"
                " predict from --shards"
            )
        return extractor


def _padded(sequences: Mapping[int, np.ndarray], rows: int) -> torch.Tensor:
    """Sequences by row as ``float32 [B, T, D]``, T being that of the longest; zeros behind the
    others.
    """
    whole = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(own.astype(np.float32)) for own in sequences.values()], batch_first=True
    )
    padded = torch.zeros(rows, *whole.shape[1:])
    padded[list(sequences)] = whole
    return padded
