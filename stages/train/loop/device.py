"""Where training computes and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from ....schemas.errors import InputError
from ..options import TrainOptions


def device_of(options: TrainOptions) -> torch.device:
    """The device asked for, ``auto`` being a GPU where there is one; InputError where it cannot be
    used here.
    """
    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=options.device)
    except (RuntimeError, AssertionError) as error:
        devices = ", ".join(
            ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        )
        raise InputError(
            f"train.device: {options.device!r} cannot be used here; there are {devices}"
        ) from error
    return torch.device(options.device)


def precision_of(options: TrainOptions, device: torch.device) -> torch.dtype | None:
    """The half precision to compute in, or None for float32; InputError where the device does not
    have it.
    """
    if options.precision == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    if options.precision == "fp16" and device.type == "cpu":
        raise InputError("train.precision: fp16 needs a GPU; use bf16, fp32 or auto")
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[options.precision]


def autocast(half: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """A context in which the model computes in half precision, if any."""
    return nullcontext() if half is None else torch.autocast(device.type, half)
