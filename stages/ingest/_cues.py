"""Timed text: SubRip (.srt), WebVTT (.vtt) and GRID word alignments (.align, 25,000 units to the second)."""

from __future__ import annotations

import re
from pathlib import Path

from ...schemas.errors import DamageError
from ...schemas.record import Cue

GRID_UNITS_PER_SECOND = 25_000
LARGEST_BYTES = 16 << 20
_ARROW = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


def read_cues(path: Path) -> tuple[Cue, ...]:
    """The cues of a file, by its ending, in time order; DamageError with the line where the file is not what it says."""
    data = path.read_bytes()
    if len(data) > LARGEST_BYTES:
        raise DamageError("cues_too_large", f"{path.name} has {len(data):,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    reader = read_align if path.suffix.lower() == ".align" else read_subtitles
    cues = sorted(reader(text, path.name), key=lambda cue: cue.start_s)
    if not cues:
        raise DamageError("cues_empty", f"{path.name} holds no timed text")
    return tuple(cues)


def read_align(text: str, name: str) -> list[Cue]:
    """GRID word times: ``start end word`` on each line."""
    cues = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=2)
        if not words:
            continue
        try:
            start, end, word = int(words[0]), int(words[1]), words[2]
        except (ValueError, IndexError):
            raise DamageError("cues_damaged", f"{name}, line {number}: wanted 'start end word', found {line[:60]!r}") from None
        cues.append(_cue(start / GRID_UNITS_PER_SECOND, end / GRID_UNITS_PER_SECOND, word, name, number))
    return cues


def read_subtitles(text: str, name: str) -> list[Cue]:
    """SubRip or WebVTT cues; tags and positions are left out, lines of one cue joined by a space."""
    cues = []
    lines = re.split(r"\r\n|\r|\n", text)
    position = 0
    while position < len(lines):
        match = _ARROW.search(lines[position])
        position += 1
        if not match:
            continue
        number = position
        words = []
        while position < len(lines) and lines[position].strip():
            words.append(_TAG.sub("", lines[position]).strip())
            position += 1
        times = match.groups()
        cues.append(_cue(_time(times[:4]), _time(times[4:]), " ".join(word for word in words if word), name, number))
    return cues


def _time(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, millis = (int(part or 0) for part in parts)
    return (hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + millis) / 1000


def _cue(start_s: float, end_s: float, text: str, name: str, number: int) -> Cue:
    if end_s < start_s:
        raise DamageError("cues_damaged", f"{name}, line {number}: the cue ends at {end_s} s before it starts at {start_s} s")
    return Cue(start_s, end_s, text)
