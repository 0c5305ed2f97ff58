"""What is measured of a film, by name; of the part's span but for those that are of the file."""

from __future__ import annotations

import math

from ....schemas.quantity import Quantity, share

SIGNALS = {
    "black": share("share of frames of which 98 % are black"),
    "frozen": share("share of frames that do not differ from the one before"),
    "motion": Quantity("mean difference to the frame before", "grey levels", 0.0, 255.0),
    "claim": Quantity("decoded length over the length that the container claims, of the file"),
    "damaged": share("share of frames that are damaged or do not decode, of the file"),
    "late_s": Quantity("time before the first picture, while the sound is there, of the file", "s"),
    "streams": Quantity("streams of pictures in the file", "", 1.0),
    "warp_cost": Quantity("cost of the path that align.warp found, 1 of what belongs to nothing"),
    "sound_late_s": Quantity(
        "by how much the sound begins after the pictures, of the file", "s", -math.inf
    ),
    "sound_short_s": Quantity(
        "by how much the sound ends before the pictures, of the file", "s", -math.inf
    ),
}
