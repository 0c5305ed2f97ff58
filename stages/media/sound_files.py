"""Whether a file of sound is whole: what its own format says and decoders keep silent about.

wav (RIFF): the length of the data chunk. Ogg (RFC 3533): the checksum and number of each page, and
the mark of the last one. mp3 (ISO/IEC 11172-3): frame follows frame, as many as the header of the
encoder says.
"""

from __future__ import annotations

import enum
import io
import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ...schemas.errors import DamageError

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_BITRATES = {  # kbit/s by index: MPEG-1 layer II and III, MPEG-2 and 2.5 layers II and III
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_LONGEST_FRAME = 2881
_FREE_BEGIN = 2 * _LONGEST_FRAME  # a stream that was tapped begins in the middle of a frame
_FEWER = 0.98
_NO_LENGTH = 0x7FFFF000  # what writers to pipes put for a length that they do not know, or more
_OTHER_SOUND = (b"fLaC", b"OggS", b"RIFF", b"FORM")


class Doubt(enum.Enum):
    """What of a whole file's header is not to be believed."""

    NOTHING = enum.auto()
    LENGTH = enum.auto()


def check_sound(path: Path) -> Doubt:
    """DamageError where a wav, Ogg or mp3 is not whole; which word of the header is wrong where it
    is.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            return _check_wav(file)
        if head[:4] == b"OggS":
            return _check_ogg(file)
        if head[:3] == b"ID3" or _frame(head) is not None:
            return _check_mp3(file)
    return Doubt.NOTHING


def _check_wav(file: BinaryIO) -> Doubt:
    end = file.seek(0, io.SEEK_END)
    place = 12
    while place + 8 <= end:
        file.seek(place - 1)
        before, chunk = file.read(1), file.read(8)
        # a chunk of odd length, whose writer left the padding out
        if not _is_name(chunk[:4]) and _is_name(before + chunk[:3]):
            place -= 1
            continue
        length = int.from_bytes(chunk[4:8], "little")
        if chunk[:4] == b"data":
            rest = end - place - 8
            # left open: its writer was stopped; or truly empty, with another chunk behind
            if length == 0:
                return Doubt.LENGTH if rest and not _is_name(file.read(4)) else Doubt.NOTHING
            if length > rest and length >= _NO_LENGTH:  # written to a pipe
                return Doubt.LENGTH
            if length > rest:
                raise DamageError(
                    "audio_truncated",
                    f"the header claims {length:,} bytes of sound, {rest:,} are there",
                )
            return Doubt.NOTHING
        place += 8 + length + (length & 1)
    raise DamageError("audio_truncated", "the wav file has no data chunk")


def _is_name(raw: bytes) -> bool:
    return len(raw) == 4 and all(32 <= byte < 127 for byte in raw)


def _check_ogg(file: BinaryIO) -> Doubt:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place, size = 0, len(data)
        numbers: dict[bytes, int] = {}
        open_streams: set[bytes] = set()
        ended = chained = False
        while place < size:
            head = data[place : place + 27]
            if (
                ended
                and not open_streams
                and (_tag_bytes(data, place) or not data[place:].strip(b"\0"))
            ):
                break  # what taggers put behind the last page
            table = data[place + 27 : place + 27 + (head[26] if len(head) == 27 else 0)]
            end = place + 27 + len(table) + sum(table)
            if head[:4] != b"OggS" or end > size or len(table) != head[26]:
                rule = (
                    "audio_damaged"
                    if len(head) == 27 and head[:4] != b"OggS"
                    else "audio_truncated"
                )
                raise DamageError(rule, f"the Ogg page at byte {place:,} is not whole")
            page = data[place:end]
            if _ogg_checksum(page[:22] + b"\0\0\0\0" + page[26:]) != int.from_bytes(
                page[22:26], "little"
            ):
                raise DamageError(
                    "audio_damaged", f"the Ogg page at byte {place:,} has a wrong checksum"
                )
            serial, number = page[14:18], int.from_bytes(page[18:22], "little")
            begins = bool(page[5] & 2)
            chained = chained or (begins and ended)
            # a stream that begins counts from anew
            if not begins and number != numbers.get(serial, number):
                raise DamageError(
                    "audio_damaged",
                    f"the Ogg page at byte {place:,} is number {number}, wanted {numbers[serial]}",
                )
            numbers[serial] = number + 1
            ended = ended or bool(page[5] & 4)
            (open_streams.discard if page[5] & 4 else open_streams.add)(serial)
            place = end
    if open_streams:
        raise DamageError("audio_truncated", "the last Ogg page is not marked as the last")
    return Doubt.LENGTH if chained else Doubt.NOTHING


def _ogg_checksum(data: bytes) -> int:
    """CRC-32 of polynomial 0x04c11db7, most significant bit first, from 0: zlib's, which is the
    mirror image, of mirrored bytes.
    """
    crc = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")


def _check_mp3(file: BinaryIO) -> Doubt:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        frames = list(_mp3_frames(data))
        claims = [claim for start, end in frames if (claim := _claim(data[start:end])) is not None]
        if not frames:
            # not mp3 after all, or of a form whose frames do not say how long they are
            return Doubt.NOTHING
        start, end = frames[-1]
        if end > len(data):
            raise DamageError(
                "audio_truncated",
                f"the last frame of the mp3 has {len(data) - start:,} of {end - start:,} bytes",
            )
    if len(claims) == 1 and len(frames) < claims[0] * _FEWER:
        raise DamageError(
            "audio_truncated", f"the header claims {claims[0]:,} frames, {len(frames):,} are there"
        )
    # files put one behind the other have a header each, which speaks of its own part
    more = len(claims) == 1 and claims[0] and len(frames) - 1 > claims[0] / _FEWER + 2
    return Doubt.LENGTH if len(claims) > 1 or more else Doubt.NOTHING


def mp3_frames_alone(path: Path) -> bytes:
    """The frames of an mp3 without tags, and without the headers of encoders that say how many
    there are.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return b"".join(
            frame for start, end in _mp3_frames(data) if _claim(frame := data[start:end]) is None
        )


def _mp3_frames(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Begin and end of each frame; DamageError where something else stands between two of them."""
    place, size, any_yet = 0, len(data), False
    first_by = _FREE_BEGIN  # where the first frame has to begin, counted from behind the tags
    while place < size:
        skipped = _tag_bytes(data, place)
        if skipped:
            place += skipped
            first_by = place + _FREE_BEGIN
            continue
        length = _frame(data[place : place + 4])
        # of free format, or another format behind a tag of mp3
        if length == 0 or (not any_yet and data[place : place + 4] in _OTHER_SOUND):
            return
        if length is not None and (any_yet or _follows(data, place + length)):
            yield place, place + length
            any_yet = True
            place += length
        elif not any_yet and place < first_by:
            place += 1
        elif any_yet and _next_frame(data, place + 1):
            raise DamageError("audio_damaged", f"no frame begins at byte {place:,} of the mp3")
        else:
            return  # what taggers put behind the last frame


def _follows(data: mmap.mmap, place: int) -> bool:
    """Whether a frame, a tag or the end of the file is here: a single word that looks like a header
    may be chance.
    """
    return (
        place >= len(data)
        or _frame(data[place : place + 4]) is not None
        or bool(_tag_bytes(data, place))
    )


def _next_frame(data: mmap.mmap, place: int) -> bool:
    """Whether two frames, one behind the other, come after this place."""
    while (place := data.find(b"\xff", place)) >= 0:
        length = _frame(data[place : place + 4])
        if (
            length
            and place + length + 4 <= len(data)
            and _frame(data[place + length : place + length + 4])
        ):
            return True
        place += 1
    return False


def _tag_bytes(data: mmap.mmap, place: int) -> int:
    """Length of an ID3 or APE tag here; 0 where there is none."""
    head = data[place : place + 10]
    if head[:3] == b"ID3" and len(head) == 10:
        size = sum(
            (byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)
        )
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG":
        return 227 if head[3:4] == b"+" else 128
    if head[:8] == b"APETAGEX":
        return 32 + (
            int.from_bytes(data[place + 12 : place + 16], "little")
            if data[place + 23] & 0x20
            else 0
        )
    return 0


def _frame(head: bytes) -> int | None:
    """Bytes of the frame that this header begins, 0 for one of free format, None where it is no
    header.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer not in (2, 3) or bitrate == 15 or rate == 3:
        return None
    if bitrate == 0:
        return 0
    kbits = _BITRATES[1 if version == 3 else 2, layer][bitrate]
    words = 72 if layer == 3 and version != 3 else 144
    return words * kbits * 1000 // _RATES[version][rate] + (head[2] >> 1 & 1)


def _claim(frame: bytes) -> int | None:
    """The number of frames that the encoder's header (Xing, Info or VBRI) claims, 0 where it does
    not say; None for a frame of sound.
    """
    for name in (b"Xing", b"Info"):
        place = frame.find(name, 0, 64)
        if place >= 0 and len(frame) >= place + 12:
            return (
                int.from_bytes(frame[place + 8 : place + 12], "big") if frame[place + 7] & 1 else 0
            )
    place = frame.find(b"VBRI", 0, 64)
    return (
        int.from_bytes(frame[place + 14 : place + 18], "big")
        if place >= 0 and len(frame) >= place + 18
        else None
    )
