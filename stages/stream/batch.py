"""What the model sees: tensors of one batch with a mask of what is there.

Shape letters: B batch, M modality (part), T time or tokens, D feature, H height, W width, C
channel.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ...schemas.errors import InputError, nearest
from ...schemas.json_value import JsonValue


class Labelled(Protocol):
    """Knows key and targets of records by number."""

    def keys(self, records: Iterable[int]) -> list[str]: ...

    def targets(self, records: Iterable[int]) -> list[str]: ...


class Labels:
    """Keys and targets (as JSON texts) of a batch's rows, looked up when they are first
    asked for.
    """

    def __init__(
        self,
        keys: Callable[[], list[str]] | list[str],
        targets: Callable[[], list[str]] | list[str],
    ) -> None:
        self._keys, self._targets = keys, targets

    @classmethod
    def of(cls, source: Labelled, records: Iterable[int], changed: Mapping[int, str]) -> Labels:
        """Of these records, one for each row. changed: the targets of rows whose copies have
        others.
        """

        def targets() -> list[str]:
            stored = source.targets(records)
            return [changed.get(row, own) for row, own in enumerate(stored)] if changed else stored

        return cls(lambda: source.keys(records), targets)

    @property
    def keys(self) -> list[str]:
        """Key of each row."""
        if callable(self._keys):
            self._keys = self._keys()
        return self._keys

    @property
    def targets(self) -> list[str]:
        """Targets of each row."""
        if callable(self._targets):
            self._targets = self._targets()
        return self._targets

    def __reduce__(self) -> tuple[type[Labels], tuple[list[str], list[str]]]:
        # functions over an index cannot be pickled, what they find can
        return Labels, (self.keys, self.targets)


@dataclass(frozen=True)
class FusionBatch:
    """One batch. ``names`` gives the parts in the order of ``present_BM``'s columns.

    parts: images ``uint8 [B, H, W, C]`` (normalised: ``float32 [B, C, H, W]``), video ``uint8 [B,
    T, H, W, C]``, sound ``float32 [B, T]``, token ids ``int64 [B, T]``, features ``[B, D]``,
    sequences of them ``[B, T, D]``; zeros where a part is absent.
    lengths: for sound, tokens and sequences, how many of T are real ``[B]``.
    lists: parts that are no tensors (texts without a vocabulary, bytes, json), None where absent.
    present_BM: True where the part is there. weight_B: 0 for rows that only pad the batch.
    epoch, records_done: the stream stands at this epoch with so many of its records handed out,
        when this batch has been used.
    positions: place of each row in the epoch ``int64 [B]``, -1 for padding; draw_key: with it, what
        chance holds for each place (``draws``).

    The tensors are views of reused buffers, which are reused only when nobody holds them any more:
    keep what you like.
    """

    names: tuple[str, ...]
    labels: Labels
    parts: dict[str, Tensor]
    lengths: dict[str, Tensor]
    lists: dict[str, list[Any]]  # what a value is, its spec says, or the user's own transform
    present_BM: Tensor
    weight_B: Tensor
    epoch: int = 0
    records_done: int = 0
    positions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    draw_key: int = 0

    def __len__(self) -> int:
        return len(self.weight_B)

    def __repr__(self) -> str:
        padding = int((self.weight_B == 0).sum())
        rows = f"{len(self):,} rows" + (f", {padding:,} of them padding" if padding else "")
        return "; ".join([f"FusionBatch({rows}", *map(self._told, self.names)]) + ")"

    def _told(self, name: str) -> str:
        """A part in some words: what it is, and in how many rows it is there."""
        what = (
            f"{str(self.parts[name].dtype).removeprefix('torch.')} {list(self.parts[name].shape)}"
            if name in self.parts
            else "list"
        )
        present = int(self.present_BM[:, self.names.index(name)].sum())
        return f"{name} {what} in {present:,}"

    @property
    def samples(self) -> int:
        """The former name of ``records_done``."""
        told_renamed("FusionBatch.samples", "records_done")
        return self.records_done

    @property
    def keys(self) -> list[str]:
        """The key of each row, empty for rows that only pad."""
        return self.labels.keys

    def targets(self) -> list[dict[str, JsonValue]]:
        """The targets of each row."""
        return [json.loads(text) for text in self.labels.targets]

    def mask(self, part: str) -> Tensor:
        """``bool [B, T]``: True where a sound, the tokens of a text or the vectors of a sequence
        are real, False where they are filled up.
        """
        if part not in self.lengths:
            raise InputError(f"mask: {part!r} has no lengths{nearest(part, self.lengths)}")
        return (
            torch.arange(self.parts[part].shape[1], device=self.parts[part].device)
            < self.lengths[part][:, None]
        )

    def to(self, device: torch.device | str) -> FusionBatch:
        """The batch with its tensors on a device, copied without waiting where their memory is
        pinned.
        """
        moved = self._each(lambda tensor: tensor.to(device, non_blocking=True))
        if torch.device(device).type == "cuda":
            _hold_until_copied(self)
        return moved

    def pin_memory(self) -> FusionBatch:
        """The batch in page-locked memory (a ``DataLoader`` with ``pin_memory=True`` asks
        for it).
        """
        return self._each(lambda tensor: tensor.pin_memory())

    def without(self, absent: Tensor) -> FusionBatch:
        """The batch with more parts hidden: ``absent`` is bool ``[B, M]`` (or ``[M]``); contents
        stay, presence goes.
        """
        return replace(self, present_BM=self.present_BM & ~absent)

    def _each(self, change: Callable[[Tensor], Tensor]) -> FusionBatch:
        return replace(
            self,
            parts={name: change(tensor) for name, tensor in self.parts.items()},
            lengths={name: change(tensor) for name, tensor in self.lengths.items()},
            present_BM=change(self.present_BM),
            weight_B=change(self.weight_B),
        )


def told_renamed(old: str, new: str) -> None:
    """Warn that an attribute is called otherwise now; for who reads one by its old name."""
    warnings.warn(
        f"{old} counts records and is called {new!r} now", DeprecationWarning, stacklevel=3
    )


_copying: list[tuple[torch.cuda.Event, FusionBatch]] = []


def _hold_until_copied(batch: FusionBatch) -> None:
    """Keep a batch, and so its reused buffers, from being filled again while the device still
    copies from it.
    """
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    event.record()
    # the same
    _copying[:] = [entry for entry in _copying if not entry[0].query()]  # type: ignore[no-untyped-call]
    _copying.append((event, batch))
