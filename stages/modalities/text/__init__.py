"""Text: a question, a caption, a document, or the words of a recording with their times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypedDict, cast

from pydantic import Field

from ....schemas.json_value import JsonValue
from ....schemas.quantity import Quantity
from ....schemas.record import Cue, Part
from ...modality import InRecord, ModalityOptions, Rendered
from .words import build_vocabulary, words

if TYPE_CHECKING:
    from .spec import TextSpec


class TextOptions(ModalityOptions):
    """A text as an input."""

    length: int = Field(24, ge=1, le=4096, description="words of a text")
    vocabulary: int = Field(10_000, ge=1)


class Vocabulary(TypedDict, total=False):
    """What the training split says of a text: the number of each word."""

    vocabulary: dict[str, int]


def learned_words(fitted: Mapping[str, object]) -> Vocabulary:
    """What ``Text.fit`` gave, as it comes back from a checkpoint."""
    return cast("Vocabulary", fitted)


class Text(InRecord):
    """Texts. Timed ones hold their cues, and are cut with the medium beside them."""

    facts = ("chars", "words")
    by_stages: ClassVar[Mapping[str, Quantity]] = {
        f"{word}s": Quantity(f"{what} that clean.text found (personal)")
        for word, what in (
            ("email", "e-mail addresses"),
            ("phone", "telephone numbers"),
            ("card", "numbers of cards"),
            ("iban", "numbers of bank accounts"),
            ("ip", "addresses of machines"),
        )
    }
    parts_per_task = 4096
    options = TextOptions
    first_encoder = "lstm"
    column: ClassVar[Mapping[str, JsonValue]] = {"dtype": "string"}
    annotated_under = "texts"
    has_member = True

    def check_request(self, name: str, wanted_by: str) -> None:
        if name == "language":
            from .language import NETWORK

            NETWORK.check(wanted_by)

    def cut(self, part: Part, start_s: float, end_s: float) -> Part:
        if not part.cues:
            return part
        inside = [cue for cue in part.cues if cue.end_s > start_s and cue.start_s < end_s]
        cues = tuple(
            Cue(max(0.0, cue.start_s - start_s), min(end_s, cue.end_s) - start_s, cue.text)
            for cue in inside
        )
        return replace(part, text=" ".join(cue.text for cue in cues), cues=cues)

    def decoded(self, root: Path, part: Part, wanted_by: object) -> object:
        return part.text or ""

    def member(self, part: str, text: str, alone: bool) -> Rendered:
        return Rendered("txt" if alone else f"{part}.txt", text.encode())

    def annotated(self, text: str) -> str:
        return text

    def longest(self, options: TextOptions) -> float:
        return float(options.length)

    def spec(self) -> TextSpec:
        from .spec import TextSpec

        return TextSpec()

    def input_spec(
        self, options: TextOptions, fitted: Mapping[str, object], training: bool
    ) -> TextSpec:
        from .spec import TextSpec

        return TextSpec(
            length=options.length, vocabulary=learned_words(fitted).get("vocabulary", {})
        )

    def fit(self, options: TextOptions, values: Iterable[str | None]) -> Vocabulary:
        """The vocabulary."""
        return {"vocabulary": build_vocabulary(values, options.vocabulary)}

    def token_names(self, value: str, fitted: Mapping[str, object]) -> list[str]:
        return words(value)


__all__ = ["Text", "TextOptions", "Vocabulary", "learned_words"]
