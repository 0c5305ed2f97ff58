"""What the files of pictures say beside the picture (EXIF, XMP, IPTC, comments), and files without
it, whose pixels are the same bytes as before.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator

from ...schemas.errors import DamageError
from . import image

_GPS_DIRECTORY, _LATITUDE, _LONGITUDE = 0x8825, 2, 4  # tags of EXIF 2.32
# as XMP calls it, in whatever segment of whatever file
_XMP_PLACE = b"GPSLatitude"
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF  # markers of JPEG
_COMMENT, _SCAN, _END, _FILL = 0xFE, 0xDA, 0xD9, 0xFF
# of the segments of applications, those that say how the picture is to be shown
_SHOWN_BY = {_APP0: b"JFIF\x00", _APP2: b"ICC_PROFILE\x00", _APP14: b"Adobe"}
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_OF_PNG = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs cICP mDCV cLLI"
    b" acTL fcTL fdAT".split()
)
_OF_WEBP = frozenset((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_HAS_EXIF, _WEBP_HAS_XMP = 0x08, 0x04


def has_any_exif(data: bytes) -> bool:
    """Whether the file of a picture has EXIF of any kind."""
    return bool(_read(data)[0])


def says_where(data: bytes) -> bool:
    """Whether the file of a picture says where it was taken, in EXIF or XMP."""
    tags, places, xmp = _read(data)
    known = bool(tags) and (_LATITUDE in places or _LONGITUDE in places)
    return known or _XMP_PLACE in xmp or _XMP_PLACE in data


def without_metadata(data: bytes) -> bytes | None:
    """The file of a picture without all that does not say how it is to be shown, nothing encoded
    anew; what says which way up it is stays. None where that cannot be done: for other files than
    JPEG, PNG and WebP, and such as are not built as these are.
    """
    kind = image.sniff(data)
    if kind not in _WITHOUT:
        return None
    turned = image.orientation(data, kind)
    exif = b"" if turned == 1 else _exif_of_orientation(turned)
    try:
        bare = _WITHOUT[kind](data, exif)
        return bare if image.size(bare) == image.size(data) else None
    except (ValueError, IndexError, DamageError):
        return None


def _read(data: bytes) -> tuple[dict[int, object], dict[int, object], bytes]:
    """The tags of EXIF and of the place in it, and XMP, as Pillow reads them."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        exif = opened.getexif()
        xmp = opened.info.get("xmp", b"")
        return (
            dict(exif),
            dict(exif.get_ifd(_GPS_DIRECTORY)),
            xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        )


def _exif_of_orientation(orientation: int) -> bytes:
    """EXIF that says this alone: a TIFF header, and a directory of one entry."""
    entry = image.EXIF_ORIENTATION.to_bytes(2, "big") + b"\x00\x03\x00\x00\x00\x01"
    value = orientation.to_bytes(2, "big") + b"\x00\x00"
    return b"MM\x00*\x00\x00\x00\x08" + b"\x00\x01" + entry + value + b"\x00\x00\x00\x00"


def _jpeg_without(data: bytes, exif: bytes) -> bytes:
    body = b"Exif\x00\x00" + exif
    block = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body if exif else b""
    first = b""
    others: list[bytes] = []
    for marker, segment in _segments_of_jpeg(data):
        if marker == _APP0 and not others:
            first += segment if segment[4:].startswith(_SHOWN_BY[_APP0]) else b""
        elif _APP0 <= marker <= _APP15:
            shown_by = _SHOWN_BY.get(marker)
            if shown_by and segment[4:].startswith(shown_by):
                others.append(segment)
        elif marker != _COMMENT:
            others.append(segment)
    return b"\xff\xd8" + first + block + b"".join(others)


def _segments_of_jpeg(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment up to the end of the picture, scans with what follows them;
    what lies behind it is of other pictures. ValueError where there is no end.
    """
    place = 2
    while True:
        if data[place] != _FILL:
            raise ValueError("no marker")
        marker = data[place + 1]
        if marker == _FILL:
            place += 1
            continue
        if marker == _END:
            yield marker, data[place : place + 2]
            return
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == _SCAN:
            found = _MARKER_IN_SCAN.search(data, end)
            if found is None:
                raise ValueError("no end")
            end = found.start()
        yield marker, data[place:end]
        place = end


def _png_without(data: bytes, exif: bytes) -> bytes:
    image.check_png(data)
    block = _png_chunk(b"eXIf", exif) if exif else b""
    kept, place = [data[:8]], 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        name = data[place + 4 : place + 8]
        if name in _OF_PNG:
            kept.append(data[place:end])
        if name == b"IHDR":
            kept.append(block)
        if name == b"IEND":
            break
        place = end
    return b"".join(kept)


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _webp_without(data: bytes, exif: bytes) -> bytes:
    chunks, place = [], 12
    end_of_file = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while place + 8 <= end_of_file:
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + length + (length & 1)
        name, chunk = data[place : place + 4], data[place:end]
        if name == b"VP8X":
            flags = chunk[8] & ~(_WEBP_HAS_EXIF | _WEBP_HAS_XMP) | bool(exif) * _WEBP_HAS_EXIF
            chunk = chunk[:8] + bytes([flags]) + chunk[9:]
        if name in _OF_WEBP:
            chunks.append(chunk)
        place = end
    if exif:
        chunks.append(b"EXIF" + len(exif).to_bytes(4, "little") + exif)
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


_WITHOUT = {"jpg": _jpeg_without, "png": _png_without, "webp": _webp_without}
