"""What the file of a picture says beside the picture."""

from __future__ import annotations

from .....schemas.quantity import share
from ....media.metadata import has_any_exif, says_where
from ....signal import Signal


def metadata(data: bytes) -> dict[str, float]:
    """Whether the file of a picture holds EXIF, and whether it says where the picture was taken, in
    EXIF or XMP: 1 or 0.
    """
    return {"exif": float(has_any_exif(data)), "gps": float(says_where(data))}


METADATA = Signal(
    name="metadata",
    of="image",
    reads="data",
    gives={
        "exif": share("1 where the file holds EXIF (camera, date, settings), else 0"),
        "gps": share("1 where the file says where the picture was taken (EXIF or XMP), else 0"),
    },
    function=metadata,
)
