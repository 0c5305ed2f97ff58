"""Timed text: SubRip (.srt), WebVTT (.vtt) and GRID word alignments (.align, 25,000 units to the
second).
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ...schemas.errors import DamageError
from ...schemas.record import Absence, Cue, Fault, Part
from ..media.files import locate
from ..template import fill
from ._encoding import decode_text, spelled_out
from ._files import join

GRID_UNITS_PER_SECOND = 25_000
LARGEST_BYTES = 16 << 20
SUFFIXES = (".srt", ".vtt", ".align")
_CLOCK = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?"
_ARROW = re.compile(rf"^\s*{_CLOCK}\s*-{{1,2}}>\s*{_CLOCK}")
_NUMBER = re.compile(r"\s*\d+\s*")
# The tags of SubRip and WebVTT, time stamps within a cue, and the overrides of SubStation Alpha;
# any other "<" is a letter of the text.
_TAG = re.compile(
    r"</?(?:b|i|u|s|c|v|lang|ruby|rt|font)(?:[.\s][^<>]*)?/?>|<\d{1,4}:\d{2}[\d:.]*>|\{\\[^{}]*\}",
    re.IGNORECASE,
)


def read_cues(path: Path, told: Counter[str] | None = None) -> tuple[Cue, ...]:
    """The cues of a file, by its ending, in time order; DamageError with the line where the file is
    not what it says. ``told`` counts encodings that were guessed.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise DamageError("cues_too_large", f"{path.name} has {size:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise DamageError("file_unreadable", f"{path.name}: {error.strerror}") from None
    text = spelled_out(decode_text(data, told)).removeprefix("\ufeff")
    reader = read_align if path.suffix.lower() == ".align" else read_subtitles
    cues = sorted(reader(text, path.name), key=lambda cue: cue.start_s)
    if not cues:
        raise DamageError("cues_empty", f"{path.name} holds no timed text")
    return tuple(cues)


def cue_parts(
    root: Path,
    base: str,
    paths: Mapping[str, str],
    values: Mapping[str, object],
    absent: dict[str, Absence],
    unmatched: list[Fault],
    told: Counter[str],
) -> dict[str, Part]:
    """The parts of timed text in files beside others, whose paths are templates; ``absent`` and
    ``unmatched`` get those that are not there, ``told`` counts encodings that were guessed.
    """
    parts = {}
    for name, path in paths.items():
        relative = fill(path, values)
        if relative is None:
            absent[name] = "absent"
            continue
        uri = join(base, relative)
        if not (root / uri).is_file():
            absent[name] = "missing"
            unmatched.append(Fault.unmatched(f"{name}_file", uri, f"{uri} is not there"))
            continue
        cues = read_cues(locate(root, uri), told)
        parts[name] = Part("text", text=" ".join(cue.text for cue in cues), cues=cues)
    return parts


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
            raise DamageError(
                "cues_damaged",
                f"{name}, line {number}: wanted 'start end word', found {line[:60]!r}",
            ) from None
        cues.append(
            _cue(start / GRID_UNITS_PER_SECOND, end / GRID_UNITS_PER_SECOND, word, name, number)
        )
    return cues


def read_subtitles(text: str, name: str) -> list[Cue]:
    """SubRip or WebVTT cues; tags and positions are left out, lines of one cue joined by a space.

    A cue ends where the next one begins, with or without the blank line between them. In WebVTT a
    blank line ends it too, for notes may follow; in SubRip, whose numbers go before each cue, a
    blank line may stand inside a text.
    """
    lines = re.split(r"\r\n|\r|\n", text)
    blank_ends = lines[0].startswith("WEBVTT")
    starts = [(place, match) for place, line in enumerate(lines) if (match := _ARROW.match(line))]
    cues = []
    ends = [place for place, _ in starts[1:]] + [len(lines)]
    for (place, match), following in zip(starts, ends, strict=False):
        words = lines[place + 1 : following]
        until = (
            next((number for number, line in enumerate(words) if not line.strip()), len(words))
            if blank_ends
            else len(words)
        )
        is_cut, words = until < len(words), words[:until]
        if not is_cut and following < len(lines) and words and _NUMBER.fullmatch(words[-1]):
            words.pop()  # the next cue's number
        spoken = [html.unescape(_TAG.sub("", line)).strip() for line in words]
        times = match.groups()
        cues.append(
            _cue(
                _time(times[:4]),
                _time(times[4:]),
                " ".join(word for word in spoken if word),
                name,
                place + 1,
            )
        )
    return cues


def _time(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    millis = int((parts[3] or "0").ljust(3, "0"))
    return (hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + millis) / 1000


def _cue(start_s: float, end_s: float, text: str, name: str, number: int) -> Cue:
    if end_s < start_s:
        raise DamageError(
            "cues_damaged",
            f"{name}, line {number}: the cue ends at {end_s} s before it starts at {start_s} s",
        )
    return Cue(start_s, end_s, text)
