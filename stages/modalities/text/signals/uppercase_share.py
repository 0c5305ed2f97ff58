"""How much of a text is written in capitals."""

from __future__ import annotations

from .....schemas.quantity import share
from ....signal import Signal


def uppercase_share(text: str) -> float | None:
    """The share of the letters with case that are upper case (Unicode); not known of a text that
    has none.
    """
    upper = sum(map(str.isupper, text))
    cased = upper + sum(map(str.islower, text))
    return upper / cased if cased else None


UPPERCASE_SHARE = Signal(
    name="uppercase_share",
    of="text",
    gives={"uppercase_share": share("share of the letters with case that are upper case")},
    function=uppercase_share,
)
