"""Whether a film is as long as its file claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....schemas.quantity import Quantity
from ....signal import Signal

if TYPE_CHECKING:
    from ..film import Film

_NEARLY_ALL = 0.98


def claim(film: Film) -> float:
    """What is there of the length that the container claims; 1 where it claims nothing. The
    container is as long as its longest stream; so where the pictures end early, the sound is asked.
    """
    from ....media import video

    claimed_s = film.header.duration_s
    if claimed_s <= 0:
        return 1.0
    share = film.end_s / claimed_s
    return share if share > _NEARLY_ALL else max(share, video.end_of_all(film.path) / claimed_s)


CLAIM = Signal(
    name="claim",
    of="video",
    of_file=True,
    gives={
        "claim": Quantity("decoded length over the length that the container claims, of the file")
    },
    function=claim,
    on_request=False,
)
