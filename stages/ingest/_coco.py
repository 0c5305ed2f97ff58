"""How COCO names its images."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_NAME = re.compile(r"(?:COCO_[A-Za-z0-9-]+_)?(\d{12})")


def image_number(uri: str) -> int | None:
    """The id of a COCO image, which is the same in the names of 2014 and 2017; None for a file that
    is called in another way.

    >>> image_number("val2014/COCO_val2014_000000391895.jpg"), image_number("000000391895.jpg")
    (391895, 391895)
    """
    match = _NAME.fullmatch(PurePosixPath(uri).stem)
    return int(match.group(1)) if match else None
