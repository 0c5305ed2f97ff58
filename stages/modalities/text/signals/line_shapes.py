"""What the lines of a text are like: lists, cut off, sentences."""

from __future__ import annotations

import re

from .....schemas.quantity import Quantity, share
from ....signal import Signal
from ..lines import full_lines, spaced_words

SHORT = 30  # characters, up to which a line is a short one
_BULLETS = ("•", "‣", "◦", "▪", "●", "○", "-", "*", "–", "·")
_ELLIPSES = ("...", "…")
END_MARKS = (".", "!", "?", '"', "'", "”", "’", "。", "！", "？", "؟", "।")
_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s|$)|[。！？؟।]")


def line_shapes(text: str) -> dict[str, float]:
    """Shares over the lines of a text that are not blank, and what stands for each word.

    bullet_lines, ellipsis_lines: lines that begin with a bullet, that end with an ellipsis (Gopher,
    Rae et al. 2021, A1.1). ended_lines: lines that end with a mark that ends a sentence, or a
    quotation mark behind one, and no ellipsis (C4, Raffel et al. 2020, 2.2). short_lines: lines of
    30 characters at most (FineWeb, Penedo et al. 2024). sentences: marks that end one, with white
    space behind them; of a text without any, one. hashes_per_word, ellipses_per_word: Gopher's
    ratios of symbols to words. Not known of a blank text.
    """
    lines, words = full_lines(text), len(spaced_words(text))
    if not lines:
        return {}
    ellipses = text.count("...") + text.count("…")
    shares = {
        "bullet_lines": sum(line.startswith(_BULLETS) for line in lines),
        "ellipsis_lines": sum(line.endswith(_ELLIPSES) for line in lines),
        "ended_lines": sum(map(is_ended, lines)),
        "short_lines": sum(len(line) <= SHORT for line in lines),
    }
    return {name: count / len(lines) for name, count in shares.items()} | {
        "sentences": max(1, len(_SENTENCE_END.findall(text))),
        "hashes_per_word": text.count("#") / words,
        "ellipses_per_word": ellipses / words,
    }


def is_ended(line: str) -> bool:
    """Whether a line ends as a sentence does."""
    return line.endswith(END_MARKS) and not line.endswith(_ELLIPSES)


LINE_SHAPES = Signal(
    name="line_shapes",
    of="text",
    gives={
        "bullet_lines": share("share of the lines that begin with a bullet"),
        "ellipsis_lines": share("share of the lines that end with an ellipsis"),
        "ended_lines": share("share of the lines that end as a sentence does"),
        "short_lines": share(f"share of the lines of {SHORT} characters at most"),
        "sentences": Quantity("sentences, by their end marks", "", 1.0),
        "hashes_per_word": Quantity("# for each word"),
        "ellipses_per_word": Quantity("ellipses for each word"),
    },
    function=line_shapes,
)
