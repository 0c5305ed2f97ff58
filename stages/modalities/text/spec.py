"""A text as a row of a batch: the ids of its tokens, or the text itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....schemas import checks
from ....schemas.errors import InputError
from ...spec import MIDDLE, Draws, Records, Spec, Transform
from .words import PAD_TOKEN, UNKNOWN_TOKEN, words


@dataclass(frozen=True, kw_only=True)
class TextSpec(Spec):
    """Token ids ``int64 [length]``, filled with 0 at the end; the batch's ``lengths`` tell how many
    are real.

    vocabulary: word -> id. tokenize: a function from a text to its ids, in place of a vocabulary
    (``tokenizer.encode`` of Hugging Face's). With neither the batch carries the texts themselves,
    in ``lists``.
    """

    length: int = 24
    vocabulary: Mapping[str, int] = field(default_factory=dict)
    tokenize: Callable[[str], Sequence[int]] | None = None
    transform: Transform | None = None

    modality = "text"
    has_lengths = True

    def __post_init__(self) -> None:
        checks.whole("TextSpec: length", self.length, 1)
        checks.function("TextSpec: tokenize", self.tokenize)
        checks.function("TextSpec: transform", self.transform)
        if not isinstance(self.vocabulary, Mapping):
            raise InputError(
                "TextSpec: vocabulary: wanted a mapping from words to ids, found"
                f" {type(self.vocabulary).__name__}"
            )
        if self.vocabulary and self.tokenize is not None:
            raise InputError("TextSpec: wanted a vocabulary or tokenize, found both")

    @property
    def makes_tensors(self) -> bool:
        return bool(self.vocabulary) or self.tokenize is not None

    @property
    def is_cheap(self) -> bool:
        return self.tokenize is None and self.transform is None

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return (self.length,), "int64"

    def fill(self, text: str, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Write the ids into ``out``; how many there are (at least one: an unknown token stands for
        a text without words).
        """
        if self.transform is not None:
            text = self.transform(text, draws.generator())
        if self.tokenize is not None:
            ids = list(self.tokenize(text))[: self.length] or [UNKNOWN_TOKEN]
        else:
            vocabulary = self.vocabulary
            ids = [vocabulary.get(word, UNKNOWN_TOKEN) for word in words(text)[: self.length]] or [
                UNKNOWN_TOKEN
            ]
        out[: len(ids)] = ids
        out[len(ids) :] = PAD_TOKEN
        return len(ids)

    def value(self, text: str, draws: Draws = MIDDLE) -> object:
        """The text itself."""
        return text if self.transform is None else self.transform(text, draws.generator())

    def lengths(self, records: Records, part: str) -> np.ndarray:
        """Tokens of every record's text."""
        if not self.makes_tensors:
            return super().lengths(records, part)
        tokenize: Callable[[str], Sequence[object]] = self.tokenize or words
        return np.array(
            [
                0 if text is None else len(tokenize(text))
                for text in records.texts(part, range(len(records)))
            ],
            float,
        )

    def cut_to(self, length: float) -> TextSpec:
        if length < 1:
            raise InputError(f"buckets: wanted lengths of at least one token, found {length}")
        return dataclasses.replace(self, length=int(length))
