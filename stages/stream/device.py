"""Batches on a GPU: copied on a stream of their own while the step before computes, cropped,
mirrored and normalised there.

stream's buffers (page-locked)  --copy and change, side stream-->  batch 2
                                                                   batch 1  --step, the loop's own
                                                                   stream-->
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...schemas import checks
from ...schemas.errors import InputError
from .batch import FusionBatch
from .cursor import StreamState
from .order.draws import uniform_of
from .stream import Stream

_AHEAD = 1


class OnDevice:
    """The batches of a :class:`Stream` (or of a ``DataLoader`` over one) on a device, one ahead of
    the loop.

    crop: a random square of so many pixels of each image. flip: mirror half of the images. Both
    choose for each place of an epoch what ``ImageSpec`` would choose there, for any number of
    ranks. normalize: mean and standard deviation of each channel, of values in [0, 1]; images
    ``uint8 [B, H, W, C]`` become ``dtype [B, C, H, W]`` in the memory format ``channels_last``,
    videos ``[B, T, C, H, W]``.

    ``state_dict`` is that of the batch the loop has: it can be saved in the middle of an epoch.
    """

    def __init__(
        self,
        batches: Iterable[FusionBatch],
        device: torch.device | str,
        *,
        crop: int | None = None,
        flip: bool = False,
        normalize: tuple[Sequence[float], Sequence[float]] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        try:
            self.device = torch.device(device)
        except (RuntimeError, TypeError):
            raise InputError(
                f"OnDevice: wanted a device, as 'cuda' or 'cpu', found {device!r}"
            ) from None
        self.batches = batches
        if crop is not None:
            checks.whole("OnDevice: crop", crop, 1)
        checks.flag("OnDevice: flip", flip)
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise InputError(
                "OnDevice: dtype: wanted a type of torch's for fractions, as torch.bfloat16,"
                f" found {dtype!r}"
            )
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"OnDevice: {self.device} was asked for, and torch finds no GPU here")
        self._crop, self._flip, self._dtype = crop, flip, dtype
        self._scale: tuple[Tensor, Tensor] | None = None
        if normalize is not None:
            checks.normalization("OnDevice: normalize", normalize)
            mean, std = (
                torch.tensor(values, dtype=torch.float32, device=self.device)
                for values in normalize
            )
            self._scale = 1 / (255 * std), -mean / std
        self._used: FusionBatch | None = None

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # of a Stream or a DataLoader

    def __iter__(self) -> Iterator[FusionBatch]:
        # torch leaves it untyped
        side = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        waiting: deque[tuple[FusionBatch, torch.cuda.Event | None]] = deque()
        self._used = None
        for batch in self.batches:
            if not isinstance(batch, FusionBatch):
                raise InputError(
                    f"OnDevice: wanted a FusionBatch, found {type(batch).__name__}; a DataLoader"
                    " needs batch_size=None"
                )
            # started before the one ahead is given out: its copy runs while the loop computes
            waiting.append(self._start(batch, side))
            if len(waiting) > _AHEAD:
                yield self._ready(*waiting.popleft())
        while waiting:
            yield self._ready(*waiting.popleft())

    def state_dict(self) -> StreamState:
        """Where the loop stands; see :meth:`Stream.state_dict`."""
        return (
            self._stream.state_dict()
            if self._used is None
            else self._stream.state_after(self._used)
        )

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on there."""
        self._used = None
        self._stream.load_state_dict(state)

    def set_epoch(self, epoch: int) -> None:
        """See :meth:`Stream.set_epoch`."""
        self._used = None
        self._stream.set_epoch(epoch)

    @property
    def _stream(self) -> Stream:
        stream = getattr(self.batches, "dataset", self.batches)
        if not isinstance(stream, Stream):
            raise InputError(
                "OnDevice: wanted batches of a Stream or of a DataLoader over one, found"
                f" {type(stream).__name__}"
            )
        return stream

    def _start(
        self, batch: FusionBatch, side: torch.cuda.Stream | None
    ) -> tuple[FusionBatch, torch.cuda.Event | None]:
        if side is None:
            return self._change(batch.to(self.device)), None
        with torch.cuda.stream(side):
            moved = self._change(batch.to(self.device))
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # the same
            event.record()
        return moved, event

    def _ready(self, batch: FusionBatch, event: torch.cuda.Event | None) -> FusionBatch:
        if event is not None:
            step = torch.cuda.current_stream(self.device)
            # the copy may not be done yet; only the GPU waits for it, not this thread
            step.wait_event(event)
            # memory of the side stream: without this it could be given out again
            # while the step still reads
            for tensor in (
                *batch.parts.values(),
                *batch.lengths.values(),
                batch.present_BM,
                batch.weight_B,
            ):
                tensor.record_stream(step)
        self._used = batch
        return batch

    def _change(self, batch: FusionBatch) -> FusionBatch:
        pixels = {
            name: tensor for name, tensor in batch.parts.items() if tensor.dtype == torch.uint8
        }
        return replace(
            batch,
            parts={
                **batch.parts,
                **{name: self._pixels(tensor, batch) for name, tensor in pixels.items()},
            },
        )

    def _pixels(self, images: Tensor, batch: FusionBatch) -> Tensor:
        """Images ``[B, H, W, C]`` or videos ``[B, T, H, W, C]`` cropped, mirrored, normalised."""
        if images.dim() == 4 and (self._crop or self._flip):
            images = self._window(images, uniform_of(batch.draw_key, batch.positions))
        if self._scale is None:
            return images
        scale, shift = self._scale
        # float32 arithmetic: a bfloat16 has 8 bits
        return (images * scale + shift).to(self._dtype).movedim(-1, -3)

    def _window(self, images: Tensor, uniform: np.ndarray) -> Tensor:
        count, height, width = images.shape[:3]
        tall, wide = (self._crop, self._crop) if self._crop else (height, width)
        if tall > height or wide > width:
            raise InputError(
                f"OnDevice: crop={self._crop}, but the images are {height} x {width}; give their"
                " ImageSpec a larger size"
            )
        top = (uniform[:, 0] * (height - tall + 1)).astype(np.int64)
        left = (uniform[:, 1] * (width - wide + 1)).astype(np.int64)
        columns = left[:, None] + np.arange(wide)
        if self._flip:
            columns = np.where(uniform[:, 2:3] < 0.5, columns[:, ::-1], columns)
        y, x = (
            torch.from_numpy(places).to(self.device, non_blocking=True)
            for places in (top[:, None] + np.arange(tall), columns)
        )
        rows = torch.arange(count, device=self.device)
        return images[rows[:, None, None], y[:, :, None], x[:, None, :]]
