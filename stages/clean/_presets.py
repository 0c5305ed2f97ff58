"""Rules for texts that others published, with their numbers: Gopher and C4 for pages of the web,
Conceptual 12M and DataComp for captions. Language, and lists of words that are not wanted, are left
to rules of one's own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from ...schemas.quantity import fact
from ...schemas.record import Part
from ..modalities.text.signals.line_shapes import is_ended
from ..signal import numbers_of, signals_of
from ._judging import Rule

Preset: TypeAlias = Literal["caption", "page", "gopher", "c4"]


def _rule(source: str, number: str, low: float = float("-inf"), high: float = float("inf")) -> Rule:
    return Rule(f"{source}_{number}", f"{source}.{number}", number, low, high)


_gopher = functools.partial(_rule, "gopher")
# Rae et al. 2021, Scaling Language Models, arXiv 2112.11446
_GOPHER = (
    # A1.1, quality filtering
    _gopher("words", 50, 100_000),
    _gopher("mean_word_length", 3, 10),
    _gopher("hashes_per_word", high=0.1),
    _gopher("ellipses_per_word", high=0.1),
    _gopher("bullet_lines", high=0.9),
    _gopher("ellipsis_lines", high=0.3),
    _gopher("alphabetic_words", low=0.8),
    _gopher("basic_words", low=2),
    # table A1, repetition removal
    _gopher("duplicate_lines", high=0.30),
    _gopher("duplicate_paragraphs", high=0.30),
    _gopher("duplicate_line_chars", high=0.20),
    _gopher("duplicate_paragraph_chars", high=0.20),
    _gopher("top_2gram", high=0.20),
    _gopher("top_3gram", high=0.18),
    _gopher("top_4gram", high=0.16),
    _gopher("duplicate_5gram", high=0.15),
    _gopher("duplicate_6gram", high=0.14),
    _gopher("duplicate_7gram", high=0.13),
    _gopher("duplicate_8gram", high=0.12),
    _gopher("duplicate_9gram", high=0.11),
    _gopher("duplicate_10gram", high=0.10),
)
# Raffel et al. 2020, Exploring the Limits of Transfer Learning, JMLR 21 (140), 2.2
_C4 = (
    _rule("c4", "sentences", low=5),
    _rule("c4", "curly_brackets", high=0),
    _rule("c4", "lorem_ipsum", high=0),
)
_CAPTION = (
    # Changpinyo et al. 2021, Conceptual 12M, arXiv 2102.08981, 2.1
    _rule("cc12m", "words", 3, 256),
    # Gadre et al. 2023, DataComp, arXiv 2304.14108, basic filtering: more than five
    _rule("datacomp", "chars", low=6),
)
_RULES: Mapping[Preset, tuple[Rule, ...]] = {
    "caption": _CAPTION,
    "page": (*_C4, *_GOPHER),
    "gopher": _GOPHER,
    "c4": _C4,
}
_BY_LINES = ("c4", "page")
_LEAST_WORDS_OF_LINE = 3
_LONGEST_WORD = 1000  # of T5's own code
_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_NO_CONTENT = re.compile(
    "javascript|terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
)


def preset_rules(preset: Preset) -> tuple[Rule, ...]:
    """The rules of a preset, in the order in which they are tried."""
    return _RULES[preset]


def preset_numbers(preset: Preset, part: Part) -> dict[str, float]:
    """The numbers of a text that a preset looks at, as far as they are known."""
    numbers: dict[str, float] = {}
    text, failed = part.text or "", dict[str, str]()
    measured = numbers_of("text", text, _signals(preset), failed)
    for rule in _RULES[preset]:
        value = fact(part, rule.reads)
        value = measured.get(rule.reads) if value is None else value
        if value is not None:
            numbers[rule.reads] = value
    return numbers


@functools.cache
def _signals(preset: Preset) -> frozenset[str]:
    """The signals that give the numbers of a preset."""
    wanted = {rule.reads for rule in _RULES[preset]}
    return frozenset(
        name for name, signal in signals_of("text").items() if not wanted.isdisjoint(signal.gives)
    )


def drops_lines(preset: Preset | None) -> bool:
    """Whether a preset takes lines away before it judges what is left."""
    return preset in _BY_LINES


def content_lines(text: str) -> str:
    """The lines that C4 keeps (Raffel et al. 2020, 2.2): of three words or more, with an end as a
    sentence has, without a word of more than 1,000 characters, and none that speaks of Javascript,
    cookies or policies; without the marks of citations ([12], [edit]).

    >>> content_lines("Home | About\\nThe cat sat down.[1]\\nPlease enable Javascript here.")
    'The cat sat down.'
    """
    return "\n".join(filter(None, map(_content, text.splitlines())))


def _content(line: str) -> str:
    """A line as C4 keeps it; empty for one that it does not."""
    words, bare = line.split(), _CITATION.sub("", line.strip())
    is_kept = (
        len(words) >= _LEAST_WORDS_OF_LINE
        and max(map(len, words)) <= _LONGEST_WORD
        and is_ended(bare)
        and not _NO_CONTENT.search(bare.lower())
    )
    return bare if is_kept else ""
