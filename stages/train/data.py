"""From a recipe's inputs to a stream of the batches that the model wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...schemas.errors import InputError
from ...schemas.fingerprint import uniform_for
from ..stream import AudioSpec, FeatureSpec, FusionBatch, ImageSpec, Spec, Stream, TextSpec, VideoSpec, open_stream
from .options import InputOptions, TrainOptions


def spec_of(name: str, modality: str, options: InputOptions, vocabulary: Mapping[str, int], features: Path, training: bool) -> Spec:
    """How a part is read for the model."""
    if options.feature:
        return FeatureSpec(folder=str(features), part=name)
    if modality == "image":
        crop = options.crop if training or options.crop != "random" else "center"
        return ImageSpec(size=options.size, crop=crop, flip=False)
    if modality == "audio":
        return AudioSpec(rate_hz=options.rate_hz, seconds=options.seconds)
    if modality == "video":
        return VideoSpec(frames=options.frames, size=options.size)
    return TextSpec(length=options.length, vocabulary=vocabulary)


def open_split(
    options: TrainOptions, shards: Path, features: Path, split: str, seed: int,
    modalities: Mapping[str, str], vocabularies: Mapping[str, Mapping[str, int]], training: bool, rank: int | None = None, world: int | None = None,
) -> Stream:  # fmt: skip
    """The stream of one split with every input of the options; parts that this set of shards does not have are absent throughout."""
    from ...schemas.index import read_shard_set

    here = read_shard_set(shards).parts
    specs = {}
    for name, entry in options.inputs.items():
        if name in here and (not entry.feature or (features / f"{name}.arrow").is_file()):
            specs[name] = spec_of(name, modalities.get(name, "image"), entry, vocabularies.get(name, {}), features, training)
    if not specs:
        raise InputError(f"{shards}: has none of the inputs {', '.join(options.inputs)}; its parts are {', '.join(here)}")
    return open_stream(shards, split, options.batch_size, seed, parts=specs, shuffle=training, workers=options.threads, rank=rank, world=world)


def completed(batch: FusionBatch, options: TrainOptions, modalities: Mapping[str, str], dims: Mapping[str, int]) -> FusionBatch:
    """The batch with a blank, absent tensor for each input that its shards do not have, columns in the model's order."""
    names = tuple(options.inputs)
    if batch.names == names:
        return batch
    parts, lengths = dict(batch.parts), dict(batch.lengths)
    columns = []
    for name in names:
        if name in batch.names:
            columns.append(batch.present_BM[:, batch.names.index(name)])
            continue
        columns.append(torch.zeros(len(batch), dtype=torch.bool))
        parts[name], length = blank(len(batch), modalities.get(name, "image"), options.inputs[name], dims.get(name, 0))
        if length is not None:
            lengths[name] = length
    return replace(batch, names=names, parts=parts, lengths=lengths, present_BM=torch.stack(columns, 1))


def blank(rows: int, modality: str, options: InputOptions, dims: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A part that is absent in every row, in the shape its encoder expects."""
    if options.feature:
        return torch.zeros(rows, dims), None
    if modality == "image":
        return torch.zeros(rows, options.size, options.size, 3, dtype=torch.uint8), None
    if modality == "audio":
        return torch.zeros(rows, round(options.rate_hz * options.seconds)), torch.zeros(rows, dtype=torch.int64)
    if modality == "video":
        return torch.zeros(rows, options.frames, options.size, options.size, 3, dtype=torch.uint8), None
    return torch.zeros(rows, options.length, dtype=torch.int64), torch.zeros(rows, dtype=torch.int64)


def shown(batch: FusionBatch, share: float, seed: int, epoch: int) -> torch.Tensor:
    """Which parts training shows ``[B, M]``: about ``share`` of the present ones are hidden, never all of a row's.

    Which ones is a function of seed, epoch, key and part alone, so that it is the same for any number of workers and ranks. If
    the draw would hide every part of a row, the one with the largest draw stays.
    """
    if share == 0:
        return batch.present_BM
    draw_BM = torch.tensor([[uniform_for(seed, "modality_dropout", str(epoch), key, name) for name in batch.names] for key in batch.keys])
    draw_BM = torch.where(batch.present_BM, draw_BM, torch.tensor(-1.0))
    hidden_BM = draw_BM < share
    best_BM = draw_BM == draw_BM.max(1, keepdim=True).values
    hidden_BM &= ~(best_BM & batch.present_BM)
    return batch.present_BM & ~hidden_BM


def draws(batch: FusionBatch, seed: int, epoch: int) -> torch.Tensor:
    """A number in [0, 1) for each row, of seed, epoch and key alone: what mixing of records draws from ``float64 [B]``."""
    return torch.tensor([uniform_for(seed, "mixing", str(epoch), key) for key in batch.keys], dtype=torch.float64)


def records(batch: FusionBatch) -> torch.Tensor:
    """A number for each record that depends on its key alone ``int64 [B]``."""
    return torch.tensor([int(uniform_for(0, "record", key) * 2**53) for key in batch.keys])


def describe_subset(names: tuple[str, ...], shown: Any) -> str:
    """``image+question`` of a mask over the parts."""
    return "+".join(name for name, here in zip(names, shown, strict=True) if here) or "(nothing)"
