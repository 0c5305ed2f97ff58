"""What goes into the tar of an image: the file as it is where it is small enough, a JPEG
otherwise.
"""

from __future__ import annotations

import simplejpeg

from ....schemas.recipe import ShardOptions
from ....schemas.record import Part
from ...media import image
from ...media.metadata import without_metadata
from ...media.steps import BARE_STEP, apply_to_pixels, changing


def render_image(data: bytes, part: Part, options: ShardOptions) -> tuple[str, bytes]:
    """Ending and bytes of the member."""
    kind = image.sniff(data)
    short = options.image_short_side
    steps = changing(part.steps)
    if not steps and kind in ("jpg", "png", "webp"):
        width, height = image.size(data)
        if short is None or min(width, height) <= short:
            if options.verify and part.width is None:
                image.decode(data) if kind != "jpg" else _check_jpeg(data)
            is_bare = any(step.op == BARE_STEP for step in part.steps)
            bare = without_metadata(data) if is_bare else data
            if bare is not None:
                return kind, bare
    pixels = image.decode(data, 0 if steps else short or 0)
    pixels = apply_to_pixels(pixels, steps)
    if short is not None:
        pixels = image.scale_to(pixels, short)
    return "jpg", image.encode_jpeg(pixels, options.jpeg_quality)


def _check_jpeg(data: bytes) -> None:
    """DamageError unless a JPEG decodes to its end; the smallest picture that the decoder can make
    is enough to know.
    """
    try:
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, strict=True)
    except ValueError:
        image.decode(data)
