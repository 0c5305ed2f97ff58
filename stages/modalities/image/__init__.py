"""Images: one picture in one file, as RGB pixels ``uint8 [H, W, 3]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ....schemas.fingerprint import hash_bytes
from ....schemas.json_value import JsonValue
from ....schemas.recipe import ShardOptions
from ....schemas.record import Part
from ...media.files import read_file
from ...modality import Measured, ModalityOptions, OnDisk, Rendered
from ...signal import FACTS, LIKENESS, found_in

if TYPE_CHECKING:
    import numpy as np

    from .spec import ImageSpec

_LIKENESS_SHAPE = (32, 32, 3)
_EXTRACTED_SIDE = 256  # pixels of the short side that extractors get at least


class ImageOptions(ModalityOptions):
    """An image as an input. Sizes in pixels."""

    size: int = Field(64, ge=16, le=1024)
    crop: Literal["random", "center", "squash"] = "squash"


class Image(OnDisk):
    """Pictures. Those that are small enough go into the tar as they are, others as JPEG."""

    has_pixels = True
    suffixes = (
        *(
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".png",
            ".webp",
            ".gif",
            ".bmp",
            ".dib",
            ".tif",
            ".tiff",
            ".avif",
            ".heic",
            ".heif",
            ".jxl",
        ),
        *(".jp2", ".j2k", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm"),
    )
    facts = ("bytes", "width", "height", "short_side", "long_side", "aspect")
    readable = (
        *("data", "width", "height", "pixels", "small"),
        *("gray", "full_gray", "histogram", "thumbnail"),
    )
    media_per_task = 256
    parts_per_task = 256
    version = 3
    likeness_anyway = True
    options = ImageOptions
    first_encoder = "cnn"
    column: ClassVar[Mapping[str, JsonValue]] = {"dtype": "image"}

    def measured(self, root: Path, part: Part, wanted: frozenset[str]) -> Measured:
        assert part.uri is not None
        data = read_file(root, part.uri)
        result: Measured = {"hash": hash_bytes(data)}
        if wanted == {FACTS}:
            return result
        from .picture import Picture

        picture = Picture(data)
        result |= {
            "width": picture.width,
            "height": picture.height,
            "found": found_in(self.name, picture, wanted),
        }
        if LIKENESS in wanted:
            result["likeness"] = picture.thumbnail
        return result

    def likeness(self, data: bytes) -> np.ndarray:
        import numpy as np

        return np.frombuffer(data, np.uint8).reshape(_LIKENESS_SHAPE)

    def likeness_of(self, data: bytes) -> tuple[int, np.ndarray]:
        from .picture import Picture
        from .signals.phash import perceptual_hash, phash

        picture = Picture(data)
        return perceptual_hash(phash(picture.gray)), picture.thumbnail

    def alike(self, likenesses: Sequence[tuple[int, np.ndarray]]) -> list[tuple[int, int]]:
        import numpy as np

        from ...media.lookalikes import BITS, look_alikes

        hashes = np.array([own for own, _ in likenesses], np.uint64)
        united = look_alikes(hashes, BITS, lambda number: likenesses[number][1])
        return [(one, other) for one, other, _ in united.edges]

    def decoded(self, root: Path, part: Part, wanted_by: object) -> object:
        from ...media import image
        from ...media.steps import apply_to_pixels, changing

        assert part.uri is not None
        side = max(_EXTRACTED_SIDE, getattr(wanted_by, "size", 0) or 0)
        steps = changing(part.steps)
        return apply_to_pixels(image.decode(read_file(root, part.uri), 0 if steps else side), steps)

    def rendered(self, root: Path, part: Part, options: ShardOptions) -> Rendered:
        from .render import render_image

        assert part.uri is not None
        return Rendered(*render_image(read_file(root, part.uri), part, options))

    def estimated_bytes(self, part: Part, options: ShardOptions) -> int:
        size = part.bytes or 0
        return (
            size
            if options.image_short_side is None
            else min(size, round(0.5 * options.image_short_side**2)) or 10_000
        )

    def spec(self) -> ImageSpec:
        from .spec import ImageSpec

        return ImageSpec()

    def input_spec(
        self, options: ImageOptions, fitted: Mapping[str, object], training: bool
    ) -> ImageSpec:
        from .spec import ImageSpec

        return ImageSpec(
            size=options.size,
            crop=options.crop if training or options.crop != "random" else "center",
            flip=False,
        )


__all__ = ["Image", "ImageOptions"]
