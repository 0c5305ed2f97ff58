"""The rates of what cleanvision looks at pictures with, and of imagehash, which it finds copies by.
INPUTS [ONLY]
"""

from __future__ import annotations

import imagehash
from _rates import started
from cleanvision.issue_managers.image_property import (
    BlurrinessProperty,
    BrightnessProperty,
    EntropyProperty,
)
from PIL import Image


def main() -> None:
    inputs, told = started()
    pictures = [Image.fromarray(own) for own in inputs.pictures]
    for operator, called, work in (
        ("image.light", "BrightnessProperty", BrightnessProperty("dark").calculate),
        ("image.sharpness", "BlurrinessProperty", BlurrinessProperty().calculate),
        ("image.entropy", "EntropyProperty", EntropyProperty().calculate),
        ("image.phash", "imagehash.phash", imagehash.phash),
    ):
        told.measure(f"pictures|{operator}", called, work, pictures)
    told.print("cleanvision", "ImageHash")


if __name__ == "__main__":
    main()
