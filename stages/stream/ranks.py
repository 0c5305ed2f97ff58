"""Which process this is among those that share the batches."""

from __future__ import annotations

import os

import torch

from ...schemas.errors import InputError


class Ranks:
    """Rank and world as they were given, or as they are found where they are asked for: the group
    of processes may be made after the stream.
    """

    def __init__(self, rank: int | None, world: int | None) -> None:
        self._rank, self._world = rank, world

    def here(self) -> tuple[int, int]:
        """Rank and world, 0 <= rank < world: as given, of ``torch.distributed``, or of the
        environment; (0, 1) where nothing says more.
        """
        rank, world = self._rank, self._world
        if (
            rank is None
            and world is None
            and torch.distributed.is_available()
            and torch.distributed.is_initialized()
        ):
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        rank = _of_environment("RANK", 0) if rank is None else rank
        world = _of_environment("WORLD_SIZE", 1) if world is None else world
        if not 0 <= rank < world:
            raise InputError(f"rank {rank} of {world}: wanted 0 <= rank < world")
        return rank, world

    def __getstate__(self) -> dict[str, object]:
        # found before it travels: a spawned worker of a DataLoader is in no group of processes
        rank, world = self.here()
        return {"_rank": rank, "_world": world}


def _of_environment(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "").strip() or str(otherwise)
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"the environment variable {name}: wanted a whole number, found {text!r}"
        ) from None
