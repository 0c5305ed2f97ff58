"""How much of a text is addresses of the web, code and boilerplate."""

from __future__ import annotations

import re

from .....schemas.quantity import Quantity, share
from ....signal import Signal

# an address as it is written in running text: marks at its end are of the sentence
_URL = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"'“”]*[^\s<>\"'“”.,;:!?)\]}]", re.IGNORECASE)


def links(text: str) -> dict[str, float]:
    """How many addresses of the web (``http://``, ``https://``, ``ftp://``, ``www.``) there are,
    and the share of the characters that they take, white space aside. curly_brackets, lorem_ipsum:
    how often ``{`` and "lorem ipsum" stand there, for which C4 refuses a page (Raffel et al. 2020,
    2.2). The share is not known of a blank text.
    """
    found = _URL.findall(text)
    chars = len("".join(text.split()))
    counts = {
        "urls": len(found),
        "curly_brackets": text.count("{"),
        "lorem_ipsum": text.lower().count("lorem ipsum"),
    }
    return counts | ({"url_share": sum(map(len, found)) / chars} if chars else {})


LINKS = Signal(
    name="links",
    of="text",
    gives={
        "urls": Quantity("addresses of the web"),
        "url_share": share("share of the characters that are addresses, white space aside"),
        "curly_brackets": Quantity("opening curly brackets"),
        "lorem_ipsum": Quantity('how often "lorem ipsum" stands there'),
    },
    function=links,
)
