"""Images: what they are, decoding them to the last byte, scaling and writing them.

JPEG goes through libjpeg-turbo in strict mode, so that damage which a decoder would paint over in
grey is an error; PNG is checked chunk by chunk (CRC-32, ISO/IEC 15948); other formats go through
Pillow. Size is known from the header before anything is allocated. The EXIF orientation is carried
out, whatever the format. What is transparent is laid on white, or on black where all that can be
seen is nearly white. Numbers of more than 8 bits, and floats, are brought to 8 by :mod:`.depth`.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import zlib
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import simplejpeg

from ...schemas.arrays import Uint8s
from ...schemas.errors import DamageError
from .depth import flattened, to_8_bits
from .refusing import one_line, refusing

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# the workers share the cores already
cv2.setNumThreads(0)

LARGEST_PIXELS = 200_000_000
LINEAR_BELOW = 1.4
_EXTREME = 8
_PNG_WITH_ALPHA = (4, 6)
# Pillow turns a TIFF as its tag says, and the others have none
_NEVER_TURNED = ("tif", "gif", "bmp", "pnm")
_DEEP_MODES = ("I", "F")
_BY_PLUGIN = {"heic": ("pillow-heif", "pillow_heif"), "jxl": ("pillow-jxl-plugin", "pillow_jxl")}
_MAGICS: tuple[tuple[int, int, tuple[bytes, ...], str], ...] = (
    (0, 3, (b"\xff\xd8\xff",), "jpg"),
    (0, 8, (b"\x89PNG\r\n\x1a\n",), "png"),
    (8, 12, (b"WEBP",), "webp"),
    (0, 6, (b"GIF87a", b"GIF89a"), "gif"),
    (0, 2, (b"BM",), "bmp"),
    (0, 4, (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), "tif"),
    (4, 12, (b"ftypavif", b"ftypavis"), "avif"),
    (4, 12, (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1"), "heic"),
    (4, 8, (b"jP  ",), "jp2"),
    (0, 4, (b"\xff\x4f\xff\x51",), "jp2"),
    (0, 2, (b"\xff\x0a",), "jxl"),
    (4, 8, (b"JXL ",), "jxl"),
    (0, 2, (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF"), "pnm"),
)
_TIFF_PHOTOMETRIC = 262
_APP1, _FILL, _SCAN = 0xE1, 0xFF, (0xD9, 0xDA)  # markers of JPEG: end and begin of the scan
EXIF_ORIENTATION = 0x0112


def sniff(data: bytes) -> str:
    """``jpg``, ``png``, ``webp``, ``gif``, ``bmp``, ``tif``, ``avif``, ``jp2``, ``pnm``, ... by the
    first bytes; DamageError for anything else.
    """
    for start, end, magics, kind in _MAGICS:
        if data[start:end] in magics:
            return kind
    raise DamageError(
        "not_an_image",
        f"begins with {data[:12]!r}; wanted a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 or"
        " PNM",
    )


def size(data: bytes) -> tuple[int, int]:
    """Width and height from the header, as the image will be shown; DamageError where it is damaged
    or far too large.
    """
    kind = sniff(data)
    try:
        if kind == "jpg":
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        elif kind == "png":
            if len(data) < 33:
                raise DamageError(
                    "image_truncated", f"a PNG of {len(data)} bytes has no whole header"
                )
            width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        else:
            with _opened(data, kind) as image:
                width, height = image.size
    except DamageError:
        raise
    except Exception as error:  # each decoder has its own errors
        raise DamageError(
            "image_header", f"the {kind} header cannot be read: {one_line(error)}"
        ) from None
    if width <= 0 or height <= 0 or width * height > LARGEST_PIXELS:
        raise DamageError(
            "image_too_large", f"{width} x {height} pixels; at most {LARGEST_PIXELS:,} are decoded"
        )
    return (height, width) if orientation(data, kind) >= 5 else (width, height)


@refusing("image_damaged", "the picture cannot be decoded")
def decode(data: bytes, min_side: int = 0) -> Uint8s:
    """The image as RGB ``uint8 [H, W, 3]``, decoded to its end.

    With ``min_side`` a JPEG may come out smaller than it is (scaled in the DCT by an eighth's
    multiples), as long as its short side stays at least that long.
    """
    kind = sniff(data)
    # first of all: a header can claim any size, and the decoder would make room for it
    size(data)
    if kind == "jpg":
        pixels = _decode_jpeg(data, min_side)
    elif kind == "png":
        pixels = _decode_png(data)
    else:
        pixels = _decode_pillow(data, kind)
    return _oriented(pixels, orientation(data, kind))


def to_gray(pixels: Uint8s) -> Uint8s:
    """RGB ``[H, W, 3]`` as grey ``[H, W]`` (ITU-R BT.601)."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _decode_png(data: bytes) -> Uint8s:
    chunks = check_png(data)
    depth, colours = data[24], data[25]
    flat = np.frombuffer(data, np.uint8)
    try:
        if colours in _PNG_WITH_ALPHA or b"tRNS" in chunks:
            pixels = cv2.imdecode(flat, cv2.IMREAD_UNCHANGED)
            if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
                return _decode_pillow(data, "png")  # grey with alpha, palettes
            return flattened(to_8_bits(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)))
        if depth == 16:
            deep = cv2.imdecode(
                flat, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
            )
            pixels = None if deep is None else to_8_bits(deep)
        else:
            pixels = cv2.imdecode(flat, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DamageError(
            "image_damaged", f"the PNG cannot be decoded: {one_line(error)}"
        ) from None
    if pixels is None:
        raise DamageError("image_damaged", "the PNG cannot be decoded")
    return np.asarray(pixels)


def _decode_jpeg(data: bytes, min_side: int) -> Uint8s:
    if min_side:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        min_side = min(min_side, height, width)
    try:
        return np.asarray(
            simplejpeg.decode_jpeg(
                data, "RGB", min_height=min_side, min_width=min_side, strict=True
            )
        )
    except ValueError as error:
        text = one_line(error)
        if "colorspace" in text.lower() or "unsupported color" in text.lower():
            # CMYK, which libjpeg-turbo does not turn into RGB
            return _decode_pillow(data, "jpg")
        rule = (
            "image_truncated"
            if "premature end" in text.lower() or "truncat" in text.lower()
            else "image_damaged"
        )
        raise DamageError(rule, f"the JPEG does not decode to its end: {text}") from None


def _opened(data: bytes, kind: str) -> ImageFile:
    from PIL import Image, UnidentifiedImageError

    if kind in _BY_PLUGIN:
        package, module = _BY_PLUGIN[kind]
        if importlib.util.find_spec(module) is None:
            raise DamageError(
                "image_format_unread",
                f"is {kind.upper()}, which is not read here: convert it, or pip install {package}",
            )
        plugin = importlib.import_module(module)
        getattr(plugin, "register_heif_opener", lambda: None)()
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise DamageError("image_header", f"the {kind} header cannot be read") from None


def _decode_pillow(data: bytes, kind: str) -> Uint8s:
    """The pixels as they are stored, not yet turned; of an animation the first picture."""
    try:
        with _opened(data, kind) as image:
            image.load()
            if image.mode in _DEEP_MODES or image.mode.startswith("I;16"):
                gray = to_8_bits(np.asarray(image))
                if kind == "tif" and _is_zero_white(image):
                    gray = 255 - gray
                return np.repeat(gray[:, :, None], 3, axis=2)
            if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
                return flattened(np.asarray(image.convert("RGBA")))
            return np.asarray(image.convert("RGB"))
    except DamageError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        rule = "image_truncated" if "truncated" in str(error) else "image_damaged"
        raise DamageError(
            rule, f"the {kind} does not decode to its end: {one_line(error)}"
        ) from None


def _is_zero_white(image: ImageFile) -> bool:
    from PIL.TiffImagePlugin import TiffImageFile

    return isinstance(image, TiffImageFile) and image.tag_v2.get(_TIFF_PHOTOMETRIC) == 0


def check_png(data: bytes) -> frozenset[bytes]:
    """The kinds of its chunks; DamageError unless every chunk is whole, has its CRC-32, and the
    last one is IEND.
    """
    view, place = memoryview(data), 8
    kinds = set()
    while place + 12 <= len(data):
        length = int.from_bytes(view[place : place + 4], "big")
        end = place + 12 + length
        kind = bytes(view[place + 4 : place + 8])
        if end > len(data):
            raise DamageError("image_truncated", f"the PNG ends inside its chunk {kind!r}")
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise DamageError(
                "image_damaged", f"the PNG chunk {kind!r} at byte {place} has a wrong checksum"
            )
        kinds.add(kind)
        if kind == b"IEND":
            return frozenset(kinds)
        place = end
    raise DamageError("image_truncated", "the PNG has no end (IEND chunk)")


def has_exif(data: bytes) -> bool:
    """Whether a JPEG begins with an EXIF block, which may say that it is to be turned."""
    return _exif(data, "jpg") is not None


def orientation(data: bytes, kind: str) -> int:
    """The EXIF orientation, 1 to 8 (1: as it is, and so it is for what Pillow turns by itself)."""
    if kind not in ("jpg", "png", "webp"):
        return 1 if kind in _NEVER_TURNED else _by_pillow(data, kind)
    blob = _exif(data, kind)
    if blob is None:
        return 1
    order: Literal["little", "big"] = "little" if blob[:2] == b"II" else "big"
    directory = int.from_bytes(blob[4:8], order)
    for number in range(int.from_bytes(blob[directory : directory + 2], order)):
        entry = blob[directory + 2 + 12 * number :][:12]
        if int.from_bytes(entry[:2], order) == EXIF_ORIENTATION:
            value = int.from_bytes(entry[8:10], order)
            return value if 1 <= value <= 8 else 1
    return 1


def _exif(data: bytes, kind: str) -> bytes | None:
    """The EXIF block as the TIFF file that it is; None where there is none."""
    if kind == "jpg":
        return _exif_of_jpeg(data)
    place = 8 if kind == "png" else 12
    while place + 8 <= len(data):
        first, second = data[place : place + 4], data[place + 4 : place + 8]
        if kind == "png":  # length, name, data, checksum
            length, name, after = int.from_bytes(first, "big"), second, 4
        else:  # RIFF: name, length, data, to an even place
            length, name = int.from_bytes(second, "little"), first
            after = length & 1
        if name in (b"eXIf", b"EXIF"):
            return data[place + 8 : place + 8 + length].removeprefix(b"Exif\x00\x00")
        place += 8 + length + after
    return None


def _exif_of_jpeg(data: bytes) -> bytes | None:
    """From the segments before the picture: other profiles may stand before it, and be long."""
    place = 2
    while data[place : place + 1] == b"\xff":
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == _FILL:
            place += 1
            continue
        if marker in _SCAN or length < 2:
            return None
        body = data[place + 4 : place + 2 + length]
        if marker == _APP1 and body.startswith(b"Exif\x00\x00"):
            return body[6:]
        place += 2 + length
    return None


def _by_pillow(data: bytes, kind: str) -> int:
    try:
        with _opened(data, kind) as image:
            value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block does not make the picture bad
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _oriented(pixels: Uint8s, orientation: int) -> Uint8s:
    if orientation == 1:
        return pixels
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
        if orientation in (6, 7):
            pixels = pixels[:, ::-1]
        if orientation in (7, 8):
            pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def scale_to(pixels: Uint8s, short_side: int) -> Uint8s:
    """The image scaled down so that its short side is ``short_side`` pixels; never scaled up.

    Area averaging, or linear interpolation below a factor of 1.4, where it is as good and three to
    five times as fast: on photographs the median PSNR to Lanczos is 38.3 dB linear and 38.0 dB area
    at 1.3, 38.1 and 38.3 dB at 1.4, 35.4 and 38.4 dB at 1.75.
    """
    height, width = pixels.shape[:2]
    short = min(height, width)
    if short <= short_side:
        return pixels
    target = (max(1, round(width * short_side / short)), max(1, round(height * short_side / short)))
    method = cv2.INTER_LINEAR if short < LINEAR_BELOW * short_side else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, target, interpolation=method))


def resize_crop(pixels: Uint8s, side: int) -> Uint8s:
    """The image as ``[side, side, 3]``: short side scaled to ``side``, the middle cut out."""
    height, width = pixels.shape[:2]
    least = min(height, width)
    # enlarging all of it would take memory by the square of its length
    if max(height, width) > _EXTREME * least:
        top, left = (height - least) // 2, (width - least) // 2
        pixels, height, width = pixels[top : top + least, left : left + least], least, least
    factor = side / least
    if factor != 1:
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        pixels = np.asarray(
            cv2.resize(
                pixels,
                (max(side, round(width * factor)), max(side, round(height * factor))),
                interpolation=method,
            )
        )
        height, width = pixels.shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def encode_jpeg(pixels: Uint8s, quality: int) -> bytes:
    """The image as a baseline JPEG with 4:2:0 chroma."""
    return bytes(
        simplejpeg.encode_jpeg(
            np.ascontiguousarray(pixels),
            quality=quality,
            colorspace="RGB",
            colorsubsampling="420",
            fastdct=False,
        )
    )
