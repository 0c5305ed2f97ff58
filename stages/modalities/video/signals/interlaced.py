"""Whether the frames of a film are made of two fields, taken one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .....schemas.quantity import share
from ....signal import Signal


def interlaced(path: Path) -> Mapping[str, float]:
    """The share of interlaced frames among those of which FFmpeg's ``idet`` can tell; nothing where
    it can tell of none, as where nothing moves.
    """
    from ....media.interlace import count_fields

    combed, whole = count_fields(path)
    return {"interlaced": combed / (combed + whole)} if combed + whole else {}


INTERLACED = Signal(
    name="interlaced",
    of="video",
    of_file=True,
    reads="path",
    gives={"interlaced": share("share of frames made of two fields, of the file")},
    function=interlaced,
)
