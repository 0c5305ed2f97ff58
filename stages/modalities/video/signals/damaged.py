"""How much of a film is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....schemas.quantity import share
from ....signal import Signal

if TYPE_CHECKING:
    from ..film import Film


def damaged(film: Film) -> float:
    """The share of frames that are damaged or would not decode; of the file."""
    return min(1.0, film.damaged / film.frames)


DAMAGED = Signal(
    name="damaged",
    of="video",
    of_file=True,
    gives={
        "damaged": share("share of frames that are damaged or do not decode, of the file"),
    },
    function=damaged,
    on_request=False,
)
