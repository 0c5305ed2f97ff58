"""Markup in which every text is escaped, unless it is markup already.

Keys, texts, names of files and messages come from strangers; so no text gets into the page but
through :func:`element`.
"""

from __future__ import annotations

import html

from ..terminal import harmless

_WITHOUT_END = frozenset({"img", "meta", "br", "col"})


class Markup(str):
    """Text that is markup."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element of HTML or SVG. Attributes are named as in Python: ``class_``, ``stroke_width``;
    one that is None is left out, as are children that are None.

    >>> element("td", "a < b", class_="number")
    '<td class="number">a &lt; b</td>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            words.append(f'{key.rstrip("_").replace("_", "-")}="{_escaped(value)}"')
    head = f"<{' '.join(words)}>"
    return Markup(head if name in _WITHOUT_END else f"{head}{joined(*children)}</{name}>")


def joined(*children: object) -> Markup:
    """Markup and texts, one after the other."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else _escaped(child)
            for child in children
            if child is not None
        )
    )


def _escaped(value: object) -> str:
    return html.escape(harmless(str(value)), quote=True)


def section(anchor: str, title: str, *children: object) -> Markup:
    """A section of the page with its heading; ``anchor``: what links to it."""
    return element(
        "section",
        element("h2", title, id=f"{anchor}-title"),
        *children,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def data_table(
    caption: str, columns: list[str], rows: list[list[object]], numbers: str = ""
) -> Markup:
    """A table that scrolls by itself where it is too wide; ``numbers``: a letter for each column,
    ``n`` where numbers stand to the right, ``.`` for dots in the middle.
    """
    kinds = [{"n": "number", ".": "dot"}.get(letter) for letter in numbers.ljust(len(columns))]
    head = [
        element("th", name, scope="col", class_=kind)
        for name, kind in zip(columns, kinds, strict=False)
    ]
    body = []
    for row in rows:
        first, *others = row
        cells = [
            element("td", cell, class_=kind) for cell, kind in zip(others, kinds[1:], strict=False)
        ]
        body.append(element("tr", element("th", first, scope="row"), *cells))
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )
    return element("div", whole, class_="wide", tabindex="0", role="region", aria_label=caption)


def folded(summary: str, *children: object) -> Markup:
    """What is seen when it is asked for."""
    return element("details", element("summary", summary), *children)


def grid(*children: object) -> Markup:
    """Small things side by side, as many as there is room for."""
    return element("div", *children, class_="grid")


def count_of(number: int, word: str, several: str = "") -> str:
    """``1 record``, ``1,234 records``; ``several`` where that is not the word with an s."""
    return f"{number:,} {word if number == 1 else several or f'{word}s'}"


def shortened(text: str, longest: int = 280) -> str:
    """The text, or its begin and how much more there is."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text) - longest:,} more characters)"


def end_of(path: str, longest: int = 40) -> str:
    """A path, or of a long one the name of the file."""
    return path if len(path) <= longest else f"…/{path.rpartition('/')[2]}"
