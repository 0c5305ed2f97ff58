"""How much colour is in a picture."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity, share
from ....signal import Signal


def color(pixels: np.ndarray) -> dict[str, float]:
    """The colourfulness of a picture ``uint8 [H, W, 3]`` by Hasler & Suesstrunk 2003 (the simple
    one, from sRGB), and its mean saturation (HSV).
    """
    import cv2

    red, green, blue = (pixels[..., channel].astype(np.float32) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = float(np.hypot(red_green.std(), yellow_blue.std()))
    middle = float(np.hypot(red_green.mean(), yellow_blue.mean()))
    saturation = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[..., 1]
    return {
        "colorfulness": spread + 0.3 * middle,
        "saturation": float(saturation.mean()) / 255,
    }


COLOR = Signal(
    name="color",
    of="image",
    reads="small",
    gives={
        "colorfulness": Quantity(
            "colourfulness (Hasler & Suesstrunk 2003): 0 of a grey picture, 15 slightly, 33"
            " moderately, 59 quite, 109 extremely colourful"
        ),
        "saturation": share("mean saturation (HSV); 0 of a grey picture"),
    },
    function=color,
)
