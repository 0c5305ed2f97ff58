"""How much of a text are lines and paragraphs that stood there before."""

from __future__ import annotations

from collections.abc import Sequence

from .....schemas.quantity import share
from ....signal import Signal
from ..lines import full_lines, paragraphs


def duplicate_lines(text: str) -> dict[str, float] | None:
    """The shares of Gopher (Rae et al. 2021, table A1): of the lines that are not blank, and of the
    paragraphs, those that are equal to an earlier one, by their number and by their characters (of
    all characters of the text). Not known of a blank text.
    """
    if not text.strip():
        return None
    of_lines, of_paragraphs = _repeated(full_lines(text)), _repeated(paragraphs(text))
    return {
        "duplicate_lines": of_lines[0],
        "duplicate_line_chars": of_lines[1] / len(text),
        "duplicate_paragraphs": of_paragraphs[0],
        "duplicate_paragraph_chars": of_paragraphs[1] / len(text),
    }


def _repeated(pieces: Sequence[str]) -> tuple[float, int]:
    """The share of the pieces that were there before, and their characters."""
    once = set(pieces)
    return (
        (len(pieces) - len(once)) / len(pieces),
        sum(map(len, pieces)) - sum(map(len, once)),
    )


DUPLICATE_LINES = Signal(
    name="duplicate_lines",
    of="text",
    gives={
        "duplicate_lines": share("share of the lines that are equal to an earlier one"),
        "duplicate_line_chars": share("share of the characters that stand in such lines"),
        "duplicate_paragraphs": share("share of the paragraphs that are equal to an earlier one"),
        "duplicate_paragraph_chars": share("share of the characters that stand in such paragraphs"),
    },
    function=duplicate_lines,
)
