"""Copies of texts in other words: some left out, some mistyped, some replaced by synonyms."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...schemas.contents import Contents
from ...schemas.errors import InputError
from ...schemas.fingerprint import fingerprint, hash_file
from ...schemas.record import Cue, Part, Record
from ..copies import DrawnCopies
from ._wording import Synonyms, Wording, can_vary, read_synonyms, varied

_WORD = re.compile(r"\S+")
# without these a text says the opposite
_NEGATIONS = (
    *("no", "not", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without"),
    *("cannot", "can't", "don't", "doesn't", "didn't", "won't", "isn't", "aren't", "wasn't"),
    *("weren't", "hasn't", "haven't", "hadn't", "wouldn't", "couldn't", "shouldn't"),
)
_NOTHING = "no copy: no word of its texts can be changed"
_TIMES = "no copy: its words with times are not those of its text"


@dataclass(frozen=True, kw_only=True)
class Text(DrawnCopies):
    """Adds copies of each record that has a text, with other words in it.

    parts: names of the text parts; all of them where it is left out.
    dropout: probability that a word is left out (random deletion of EDA, Wei & Zou 2019).
    typos: probability that a word is mistyped: a key beside the right one, two letters exchanged,
        one left out, one twice (Damerau 1964).
    keyboard: whose keys are beside each other.
    synonyms: a text file from where the command is given, with words in each line that may stand
        for each other (``car, automobile``); a word alone is replaced, by one or several.
    replaced: probability that a word with synonyms is replaced.
    keep: words that are neither left out nor mistyped; English negations where it is not given.

    Words are what stands between white space. In every copy at least one is changed, and one left;
    of a text of which no word can be, no copy is made, and that is counted. Words with times keep
    them, and those that are left out take theirs with them.
    """

    parts: list[str] | None = None
    dropout: float = 0.1
    typos: float = 0.0
    keyboard: Literal["qwerty", "qwertz", "azerty"] = "qwerty"
    synonyms: Path | None = None
    replaced: float = 0.2
    keep: list[str] = field(default_factory=lambda: list(_NEGATIONS))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dropout", "typos", "replaced"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: wanted a probability, found {getattr(self, name):g}")
        if not self.dropout and not self.typos and not (self.synonyms and self.replaced):
            raise ValueError("nothing would be changed; set dropout, typos or synonyms")

    def identity(self) -> str:
        if self.synonyms is None:
            return super().identity()
        contents = hash_file(self.synonyms) if self.synonyms.is_file() else ""
        return fingerprint(super().identity(), contents)

    def mistakes(self, here: Contents) -> list[str]:
        lines = super().mistakes(here) + here.lacking_parts("parts", self.parts or [], "text")
        try:
            # read here, for workers may not have the file
            _ = self._wording
        except InputError as error:
            lines.append(f"synonyms: {error}")
        return lines

    @functools.cached_property
    def _wording(self) -> Wording:
        synonyms: Synonyms = {} if self.synonyms is None else read_synonyms(self.synonyms)
        return Wording(
            dropout=self.dropout,
            typos=self.typos,
            replaced=self.replaced if synonyms else 0.0,
            keep=frozenset(word.lower() for word in self.keep),
            synonyms=synonyms,
            keyboard=self.keyboard,
        )

    def takes_kind(self, kind: str) -> bool:
        return kind == "text"

    def applies(self, record: Record) -> bool:
        return bool(self._texts(record))

    def why_not(self, record: Record) -> str:
        texts = self._texts(record)
        if self._varied(texts):
            return ""
        return _NOTHING if any(map(_has_its_times, texts.values())) else _TIMES

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        texts = self._varied(self._texts(record))
        parts = {name: reworded(part, self._wording, rng) for name, part in texts.items()}
        return replace(record, parts={**record.parts, **parts})

    def _texts(self, record: Record) -> dict[str, Part]:
        return {
            name: part
            for name, part in sorted(record.parts_of("text").items())
            if part.text and (self.parts is None or name in self.parts)
        }

    def _varied(self, texts: dict[str, Part]) -> dict[str, Part]:
        """Those of which there can be copies."""
        return {
            name: part
            for name, part in texts.items()
            if _has_its_times(part) and can_vary(_WORD.findall(part.text or ""), self._wording)
        }


def reworded(part: Part, how: Wording, rng: np.random.Generator) -> Part:
    """A text in other words; where its words have times, those that are left out go with theirs."""
    text = part.text or ""
    words = varied(_WORD.findall(text), how, rng)
    return replace(part, text=_spaced_as(text, words), cues=tuple(_timed(part.cues, words)))


def _has_its_times(part: Part) -> bool:
    """Whether the words with times of a text are its words, or it has none."""
    timed = [word for cue in part.cues for word in cue.text.split()]
    return not part.cues or timed == (part.text or "").split()


def _spaced_as(text: str, words: Sequence[str | None]) -> str:
    """The words with the white space that stands before each of them in the text."""
    pieces: list[str] = []
    end = 0
    for match, word in zip(_WORD.finditer(text), words, strict=True):
        if word is not None:
            pieces.append((text[end : match.start()] if pieces or not end else "") + word)
        end = match.end()
    return "".join(pieces) + text[end:]


def _timed(cues: Sequence[Cue], words: Sequence[str | None]) -> Iterable[Cue]:
    """The cues with the words that came of theirs, without those of which none is left."""
    place = 0
    for cue in cues:
        count = len(cue.text.split())
        own = [word for word in words[place : place + count] if word is not None]
        place += count
        if own or not count:
            yield replace(cue, text=" ".join(own))
