"""The nouns that move through the pipeline: a record, its parts, and what is written on them.

A record is one thing to learn from. Its parts are its modalities: a text inline, or a reference to
media on disk. A part that is not there is an absent key of ``parts``; why it is not there stands in
``absent``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import xxhash

from .json_value import JsonValue

# not there; named and not there; damaged; refused by a rule
Absence: TypeAlias = Literal["absent", "missing", "corrupt", "filtered"]

# what tars call records without a split, so that no split is called so
NO_SPLIT = "all"

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_KEY = 80
_PART_NAME = re.compile(r"^\w[\w-]{0,59}\Z")


@dataclass(frozen=True, slots=True)
class Cue:
    """A stretch of text in time: the interval [start_s, end_s) in seconds of the medium
    beside it.
    """

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A change to media, written down to be carried out in the one decode at the end.

    ``op`` is a name of ``modalmill.stages.media.steps``; ``options`` are its keyword arguments. The
    step ``speed`` alone makes a medium longer or shorter.
    """

    op: str
    options: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def pace(self) -> float:
        """By how much faster it makes a medium; 1 where it leaves times as they are."""
        return float(str(self.options["factor"])) if self.op == "speed" else 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """One modality of a record: ``text`` where it stands in the record itself, or a file at ``uri``
    below the data root with what is known of it.

    modality: a name of ``modalmill.stages.modality``. frames, fps: of a series its rows, and rows a
        second.
    """

    modality: str
    text: str | None = None
    uri: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    hash: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    duration_s: float | None = None
    damage: str | None = None
    cues: tuple[Cue, ...] = ()
    steps: tuple[Step, ...] = ()

    def identity(self) -> tuple[object, ...]:
        """What makes two parts the same: the modality, the text or the content (its hash, else its
        place), the span and the steps.
        """
        content = self.text if self.uri is None else self.hash or self.uri
        return (
            self.modality,
            content,
            self.start_s,
            self.end_s,
            [(step.op, dict(step.options)) for step in self.steps],
        )

    def seconds(self) -> float | None:
        """How long a sound, a film or a series is within its span: a file of 2 s cut to [1.5, 2.5)
        has 0.5 s, and at twice the speed 0.25 s. None where that is not known.
        """
        if self.duration_s is None and self.end_s is None:
            return None
        end = min(own for own in (self.duration_s, self.end_s) if own is not None)
        return max(0.0, end - (self.start_s or 0.0)) / self.pace

    @property
    def pace(self) -> float:
        """Seconds of its file in a second of it, as its steps leave it."""
        # most parts have no steps, and this is asked often
        return math.prod(step.pace for step in self.steps) if self.steps else 1.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record comes from: the source's name, the file below the data root, the row (header =
    1), the id in the source.
    """

    source: str
    file: str
    row: int | None = None
    id: str = ""

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}" if self.row is not None else self.file


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a manifest. ``group`` names what must never straddle splits; ``signals`` are
    measurements of the parts. ``verdicts`` say of (part, rule) whether the part keeps the rule.
    """

    key: str
    group: str
    origin: Origin
    parts: Mapping[str, Part] = field(default_factory=dict)
    targets: Mapping[str, JsonValue] = field(default_factory=dict)
    split: str | None = None
    absent: Mapping[str, Absence] = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)
    verdicts: Mapping[tuple[str, str], bool] = field(default_factory=dict)

    def with_part(self, name: str, part: Part) -> Record:
        """The record with this part added or replaced."""
        absent = {key: why for key, why in self.absent.items() if key != name}
        return replace(self, parts={**self.parts, name: part}, absent=absent)

    def with_verdicts(self, verdicts: Mapping[tuple[str, str], bool]) -> Record:
        """The record with these verdicts beside its own."""
        # in the order of the fields: replace() takes several times as long, for every record
        return Record(
            self.key,
            self.group,
            self.origin,
            self.parts,
            self.targets,
            self.split,
            self.absent,
            self.signals,
            {**self.verdicts, **verdicts},
        )

    def without_part(self, name: str, why: Absence) -> Record:
        """The record without this part and its signals, with the reason kept."""
        parts = {key: part for key, part in self.parts.items() if key != name}
        own = f"{name}."
        signals = {key: v for key, v in self.signals.items() if not key.startswith(own)}
        return replace(self, parts=parts, absent={**self.absent, name: why}, signals=signals)

    def with_only(self, name: str) -> Record:
        """The record with this part alone."""
        return replace(self, parts={name: self.parts[name]})

    def parts_of(self, modality: str) -> dict[str, Part]:
        """The record's parts of one modality, by name."""
        return {name: part for name, part in self.parts.items() if part.modality == modality}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record goes no further: the rule, what was measured, what was allowed.

    ``fate`` is ``rejected`` (bad), ``missing`` (a required modality is not there) or ``merged`` (it
    lives on in another record); ``unmatched`` tells of a record that goes on without its partner: a
    row without the file it names, a file that no row speaks of; ``dropped`` of one that goes on
    without a part that a stage took from it; ``replaced`` of one that was judged and went on as
    others, cut to their spans.
    """

    rule: str
    value: object = None
    threshold: JsonValue = None
    message: str = ""
    fate: Literal["rejected", "missing", "merged", "unmatched", "dropped", "replaced"] = "rejected"

    @classmethod
    def unmatched(cls, partner: str, value: object, message: str) -> Fault:
        """A record goes on without this partner."""
        return cls(f"no_{partner}", value, None, message, "unmatched")


def is_part_name(word: str) -> bool:
    """Whether a part can be called so: it becomes part of file names, in tars and beside them."""
    return bool(_PART_NAME.match(word))


def make_key(*words: str | int) -> str:
    """A key that is unique for the words and safe as a tar member's stem: letters, digits, ``_``
    and ``-``, no dots.

    Words that are safe stay readable; where anything had to be replaced or cut, a hash of the
    original keeps keys apart.

    >>> make_key("vqa", 25006)
    'vqa-25006'
    >>> make_key("clips", "a.b/c")
    'clips-a-b-c-31dbc40ed3ecd627'
    """
    raw = "-".join(str(word) for word in words)
    safe = _UNSAFE.sub("-", raw).strip("-")
    if safe == raw and 0 < len(safe) <= _LONGEST_KEY:
        return safe
    # 17: the hash and the dash before it
    return f"{safe[: _LONGEST_KEY - 17]}-{xxhash.xxh3_64_hexdigest(raw.encode())}".lstrip("-")
