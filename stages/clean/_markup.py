"""What is in a text and is not read: the markup of HTML, and characters that take no place."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCK_NAMES = """
address article aside blockquote br caption dd details dialog div dl dt fieldset
figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav
ol option p pre search section summary table tbody td tfoot th thead title tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_INLINE_NAMES = """
a abbr acronym area audio b base bdi bdo big body button canvas center cite code col
colgroup data datalist del dfn em embed font frame frameset head html i iframe img input
ins kbd label link map mark meta meter noscript object optgroup output param picture
progress q rp rt ruby s samp script select slot small source span strike strong style sub
sup svg template textarea time track tt u var video wbr
"""
_INLINE = frozenset(_INLINE_NAMES.split())
_ELEMENTS = _BLOCKS | _INLINE
_UNREAD = ("script", "style", "template")
_MAY_BE_MARKUP = re.compile(r"<[A-Za-z/!?]|&#?\w")
# zero width space and no-break space, word joiner, soft hyphen, combining grapheme joiner,
# Mongolian vowel separator; marks, embeddings and isolates of direction
_ZERO_WIDTH = re.compile(
    "[\u200b\ufeff\u2060-\u2064\u00ad\u034f\u180e\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"
)
# joiners say something between letters of Arabic and Indic scripts and between emoji alone
_UP_TO_LATIN = "\x00-\u024f"
_JOINERS = re.compile(
    f"(?:(?<=[{_UP_TO_LATIN}])|^)[\u200c\u200d]+|[\u200c\u200d]+(?=[{_UP_TO_LATIN}]|$)"
)


def without_html(text: str) -> str:
    """The text of HTML: elements of HTML taken away (a line ends where a block does), comments,
    scripts and styles with what is in them, and entities as the characters that they stand for.
    Anything else in angle brackets stays.

    >>> without_html("<p>cats &amp; <b>dogs</b><br>x < y, <me></p>")
    'cats & dogs\\nx < y, <me>'
    """
    if not _MAY_BE_MARKUP.search(text):
        return text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.text()


def without_zero_width(text: str) -> str:
    """The text without characters that take no place: zero width spaces, soft hyphens, marks of
    direction; joiners but between letters of scripts that need them, and between emoji.

    >>> without_zero_width("ze\\u200bro\\u00adwidth")
    'zerowidth'
    """
    return text if text.isascii() else _JOINERS.sub("", _ZERO_WIDTH.sub("", text))


class _Reader(HTMLParser):
    """Gathers what is read of a text with markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._unread = 0

    def text(self) -> str:
        """All of it, without the line ends that blocks leave at both ends."""
        return "".join(self._pieces).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNREAD:
            self._unread += 1
        self._element(tag, self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._element(tag, self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD:
            self._unread = max(0, self._unread - 1)
        self._element(tag, f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self._pieces.append(data)

    def _element(self, tag: str, as_written: str) -> None:
        if tag not in _ELEMENTS:
            self.handle_data(as_written)
        elif tag in _BLOCKS and self._pieces and not self._pieces[-1].endswith("\n"):
            self.handle_data("\n")
