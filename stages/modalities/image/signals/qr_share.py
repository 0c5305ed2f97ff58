"""How much of a picture are QR codes."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....media import image
from ....signal import Signal

_SIDE = 1024  # pixels of the short side that is looked at, at most


def qr_share(gray: np.ndarray) -> float:
    """The share of a grey picture ``uint8 [H, W]`` that QR codes take, readable or not, as OpenCV
    finds them.
    """
    import cv2

    gray = image.scale_to(gray, _SIDE)
    _, found = cv2.QRCodeDetector().detectMulti(gray)
    corners = [] if found is None else np.asarray(found, np.float32).reshape(-1, 4, 2)
    return min(1.0, sum(float(cv2.contourArea(each)) for each in corners) / gray.size)


QR_SHARE = Signal(
    name="qr_share",
    of="image",
    reads="full_gray",
    gives={"qr_share": share("share of the picture that QR codes take, readable or not")},
    function=qr_share,
)
