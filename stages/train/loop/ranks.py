"""This process among those that train together (``torchrun``): its rank, its device, sums
over all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")

_PATIENCE = timedelta(days=1)


def world() -> int:
    """How many processes train together."""
    return (
        distributed.get_world_size()
        if distributed.is_available() and distributed.is_initialized()
        else 1
    )


def rank() -> int:
    """Which of them this is."""
    return distributed.get_rank() if world() > 1 else 0


def is_first() -> bool:
    """Whether this process writes files and tells what goes on."""
    return rank() == 0


def summed(values: Tensor) -> Tensor:
    """The sum over all processes; the values themselves where there is one."""
    if world() > 1:
        distributed.all_reduce(values)
    return values


def gathered(some: list[T]) -> list[T]:
    """The lists of all processes as one, in the order of ranks."""
    if world() == 1:
        return some
    lists: list[list[T]] = [[] for _ in range(world())]
    distributed.all_gather_object(lists, some)
    return [value for each in lists for value in each]


def as_the_first(tensors: Iterable[Tensor]) -> None:
    """Let all processes have what the first one has."""
    if world() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor, 0)


def wait_for_all() -> None:
    """Go on when every process is here."""
    if world() > 1:
        distributed.barrier()


@contextmanager
def together(device: str) -> Iterator[None]:
    """Join the processes that ``torchrun`` started, if it did, by nccl where each has a GPU (and
    may use it) and gloo elsewhere.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or distributed.is_initialized():
        yield
        return
    gpus = device != "cpu" and torch.cuda.device_count() >= int(
        os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"])
    )
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # the first one may have shards to write before it comes
    distributed.init_process_group("nccl" if gpus else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()
