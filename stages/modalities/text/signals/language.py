"""Which language a text is in."""

from __future__ import annotations

from .....schemas.quantity import one_word, share
from ....signal import Signal
from ..language import LANGUAGES, language_of


def language(text: str) -> dict[str, str | float]:
    """The likeliest of 176 languages and how sure the network lid.176 of fastText (Joulin et al.
    2017) is of it (see :mod:`modalmill.stages.modalities.text.language`); not known of a text
    without a letter.
    """
    found = language_of(text)
    return {} if found is None else {"language": found[0], "language_confidence": found[1]}


LANGUAGE = Signal(
    name="language",
    of="text",
    gives={
        "language": one_word("likeliest language, ISO 639", LANGUAGES),
        "language_confidence": share("how likely the network thinks that language"),
    },
    function=language,
)
