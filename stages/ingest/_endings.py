"""What a file would be called by its first bytes, where no name says it."""

from __future__ import annotations

HEAD_BYTES = 12
_STARTS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"ID3", ".mp3"),
    (b"\xff\xfb", ".mp3"),
    (b"\xff\xf3", ".mp3"),
    (b"\x1a\x45\xdf\xa3", ".mkv"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"BM", ".bmp"),
)


def ending_of(head: bytes) -> str:
    """The ending that files with these first 12 bytes have; empty where they tell none.

    >>> ending_of(b"RIFF....WAVE"), ending_of(b"hello, world")
    ('.wav', '')
    """
    if head[:4] == b"RIFF":
        return {b"WAVE": ".wav", b"WEBP": ".webp", b"AVI ": ".avi"}.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return ".mp4"
    return next((ending for start, ending in _STARTS if head.startswith(start)), "")
