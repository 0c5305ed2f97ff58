"""The one way to the terminal: nothing that comes from data is obeyed by it.

Captions and names of files come from strangers, and may hold sequences that move the cursor, set
the window's title, write to the clipboard (OSC 52), make links (OSC 8) or turn the direction of
writing. They are shown as what they are, ``\\u001b``: so too within JSON.
"""

from __future__ import annotations

import re
import sys
from typing import TextIO

# C0 and C1 controls but tab and line feed, marks and overrides of direction, line separators, half
# surrogate pairs, the byte order mark.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def harmless(text: str) -> str:
    """The text with everything that a terminal would obey written out.

    >>> harmless("a\\x1b[2Jb")
    'a\\\\u001b[2Jb'
    """
    return _UNSHOWN.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line or several; letters that the terminal's encoding does not have are written out
    too.
    """
    stream = stream or sys.stdout
    line = harmless(text)
    try:
        print(line, file=stream, flush=True)
    except UnicodeEncodeError:
        print(
            line.encode(stream.encoding or "ascii", "backslashreplace").decode(
                stream.encoding or "ascii"
            ),
            file=stream,
            flush=True,
        )
