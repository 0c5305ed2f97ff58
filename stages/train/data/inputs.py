"""What a model reads: from the inputs of a recipe to streams of the batches that it wants."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from ....schemas.contents import names_of
from ....schemas.errors import InputError, nearest
from ....schemas.features import FeatureCache, FeatureNote
from ....schemas.index import SET_FILE, read_shard_set
from ....schemas.json_value import JsonValue
from ....schemas.layout import RunFolder
from ...modality import Modality, modality
from ...stream import FeatureSpec, FusionBatch, Spec, Stream, open_stream
from ..methods.card import split_choice
from ..methods.encoders import ENCODERS
from ..options import TrainOptions, encoder_choice
from .part import InputPart


@runtime_checkable
class _TellsDivision(Protocol):
    """The class of an encoder that tells whether its tokens divide the whole of a row, padding
    too.
    """

    divides_whole: bool


@dataclass(frozen=True)
class Inputs:
    """The parts that the options name, and what was fixed about each when the model was made: no
    other corpus can change it.

    modalities: part name -> modality. fitted: part name -> what its modality fitted on the training
    split (the vocabulary of a text). caches: part name -> what its cached features were made by.
    """

    options: TrainOptions
    modalities: Mapping[str, str]
    fitted: Mapping[str, Mapping[str, object]]
    caches: Mapping[str, FeatureNote]

    @property
    def names(self) -> tuple[str, ...]:
        """The parts, in the order of the columns of presence."""
        return tuple(self.options.inputs)

    def modality(self, name: str) -> Modality:
        """The modality of a part."""
        return modality(self.modalities[name])

    def part(self, name: str) -> InputPart:
        """What the encoder of a part has to know of it."""
        return InputPart(
            self.modalities.get(name, ""),
            self.options.inputs[name],
            self.fitted.get(name, {}),
            self.dims(name),
            self.options.dropout,
            self.is_sequence(name),
        )

    def is_sequence(self, name: str) -> bool:
        """Whether a part is read as cached vectors in order."""
        return name in self.caches and self.caches[name].longest is not None

    def dims(self, name: str) -> int:
        """Length of a part's cached vector; 0 for parts that are read as media."""
        return self.caches[name].dims if name in self.caches else 0

    def open(
        self,
        shards: Path,
        split: str,
        seed: int = 0,
        training: bool = False,
        rank: int | None = None,
        world: int | None = None,
    ) -> Stream:
        """The stream of one split; parts that this set of shards does not have are absent
        throughout.

        Cached features lie in ``features`` beside the shards. InputError where a part that the
        shards have has none, or none of the model's own extractor.
        """
        here, features = read_shard_set(shards).parts, features_of(shards)
        specs = {}
        for name, entry in self.options.inputs.items():
            if name in here:
                if entry.feature:
                    self._check_cache(name, features)
                specs[name] = (
                    FeatureSpec(folder=str(features), part=name)
                    if entry.feature
                    else self.spec(name, training)
                )
        if not specs:
            raise InputError(
                f"{shards}: has none of the inputs {', '.join(self.names)}; its parts are"
                f" {', '.join(here)}"
            )
        options = self.options
        bucketed = [name for name in options.buckets if name in specs and training]
        return open_stream(
            shards,
            split,
            options.batch_size or 64,
            seed,
            parts=specs,
            shuffle=training,
            augment=options.augment if training else (),
            balance=options.target if training and options.balance else None,
            buckets={name: self.bounds(name) for name in bucketed} or None,
            workers=options.threads,
            rank=rank,
            world=world,
        )

    def bounds(self, name: str) -> list[float]:
        """The classes of length of a part; the last one is the length that it is cut to anyway.
        InputError where its encoder cannot have them.
        """
        entry = self.options.inputs[name]
        if entry.feature:
            longest = self.caches[name].longest
            if longest is None:
                raise InputError(
                    f"train.buckets.{name}: a cached vector has no length; wanted a text, a sound,"
                    " a series, or features with pool: none"
                )
            return [*(bound for bound in self.options.buckets[name] if bound < longest), longest]
        kind = self.modality(name)
        word, _ = split_choice(encoder_choice(entry, kind.name, self.options))
        encoder = ENCODERS[word].load()
        if isinstance(encoder, _TellsDivision) and encoder.divides_whole:
            raise InputError(
                f"train.buckets.{name}: tokens of {word} divide the whole of a sound, however"
                " long; take spectrum_lstm or frames"
            )
        whole = kind.longest(entry.own(kind.name))
        if whole is None:
            raise InputError(
                f"train.buckets.{name}: {kind.name} has no lengths; wanted a part of text, sound"
                " or series"
            )
        return [*(bound for bound in self.options.buckets[name] if bound < whole), whole]

    def _check_cache(self, name: str, features: Path) -> None:
        wanted, offered = self.caches.get(name), FeatureCache(features, name).made_by
        if wanted is None or wanted.alike() == offered.alike():
            return
        here, there = offered.alike(), wanted.alike()
        other = next(key for key in there if here[key] != there[key])
        advice = "compute them by the recipe of the model, or train on these"
        explanations = {
            "extractor": "with other options or weights",
            "fit": "but fitted to other texts",
        }
        what = explanations.get(other, f"({here[other]}, not {there[other]})")
        if other == "fit":
            advice = (
                "train on these, or train a model that is to serve other corpora on the text"
                " itself (an encoder in the place of feature: true)"
            )
        raise InputError(
            f"{features / name}.arrow: these features of {name!r} were not made as those the"
            f" model was trained on: by {offered.address} {what};"
            f" {advice}"
        )

    def spec(self, name: str, training: bool = False) -> Spec:
        """How a part that is no cached feature is read for the model."""
        kind = self.modality(name)
        return kind.input_spec(
            self.options.inputs[name].own(kind.name), self.fitted.get(name, {}), training
        )

    def completed(self, batch: FusionBatch) -> FusionBatch:
        """The batch with a blank, absent tensor for each input that its shards do not have, columns
        in the model's order.
        """
        if batch.names == self.names:
            return batch
        parts, lengths = dict(batch.parts), dict(batch.lengths)
        columns = []
        for name in self.names:
            if name in batch.names:
                columns.append(batch.present_BM[:, batch.names.index(name)])
                continue
            columns.append(torch.zeros(len(batch), dtype=torch.bool))
            parts[name], length = self.blank(name, len(batch))
            if length is not None:
                lengths[name] = length
        return replace(
            batch,
            names=self.names,
            parts=parts,
            lengths=lengths,
            present_BM=torch.stack(columns, 1),
        )

    def blank(self, name: str, rows: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A part that is absent in every row, in the shape its encoder expects; and its lengths,
        where it has lengths.
        """
        if self.is_sequence(name):
            return torch.zeros(rows, 1, self.dims(name)), torch.zeros(rows, dtype=torch.int64)
        if self.options.inputs[name].feature:
            return torch.zeros(rows, self.dims(name)), None
        spec = self.spec(name)
        shape, kind = spec.layout()
        return torch.zeros(rows, *shape, dtype=getattr(torch, kind)), torch.zeros(
            rows, dtype=torch.int64
        ) if spec.has_lengths else None


def features_of(shards: Path) -> Path:
    """Where the cached features of a folder of shards lie."""
    return RunFolder(Path(os.path.abspath(shards)).parent).features


def shards_of(path: Path) -> Path:
    """The folder of shards that a user means by itself or by the run's folder."""
    return path if (path / SET_FILE).is_file() else RunFolder(path).shards


def chosen_split(
    shards: Path, split: str = "", else_of: Sequence[str] = ("test", "val", "train")
) -> str:
    """The split that was asked for, or the first other one there is, in capitals or not."""
    shard_set = read_shard_set(shards)
    splits = shard_set.splits()
    lacking = [name for name in names_of(split) if name not in splits] if split else []
    if lacking:
        raise InputError(f"--split {split}: no such split{nearest(lacking[0], splits)}")
    called = (
        name
        for word in else_of
        for name in (word, *(name for name in splits if name.lower() == word.lower()))
    )
    others = (name for name in called if shard_set.records_of(name))
    return split or next(others, next(iter(splits)))


def targets_of(stream: Stream) -> list[dict[str, JsonValue]]:
    """The targets of every record of the stream's split, in the order of the shards; no medium is
    read.
    """
    return [json.loads(text) for text in stream.index.targets(range(len(stream.index)))]
