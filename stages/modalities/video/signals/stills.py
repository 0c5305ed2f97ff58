"""What the pictures of a film look like one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal
from ...image.signals.entropy import entropy
from ...image.signals.sharpness import sharpness

_COUNT, _SIDE = 8, 256


def stills(path: Path) -> dict[str, float]:
    """The medians of the sharpness and the entropy of eight frames, evenly spaced, at the size at
    which pictures are measured.
    """
    from ....media import image, video

    frames = video.sample(path, _COUNT, _SIDE, strict=False)
    gray = [image.scale_to(image.to_gray(frame), _SIDE) for frame in frames]
    return {
        "sharpness": float(np.median([sharpness(own) for own in gray])),
        "entropy": float(
            np.median([entropy(np.bincount(own.ravel(), minlength=256)) for own in gray])
        ),
    }


STILLS = Signal(
    name="stills",
    of="video",
    reads="path",
    gives={
        "sharpness": Quantity("as of images, median of eight frames"),
        "entropy": Quantity("as of images, median of eight frames", "bit", 0.0, 8.0),
    },
    function=stills,
)
