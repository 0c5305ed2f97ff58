"""Sentences among the targets."""

from __future__ import annotations

from ...modalities.text.words import words


def sentences_of(value: object) -> list[str]:
    """The sentences in a target: itself, or those of a list; none where it holds no words."""
    values = value if isinstance(value, list) else [value]
    return [sentence for sentence in values if isinstance(sentence, str) and words(sentence)]
