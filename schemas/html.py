"""Tables as a notebook shows them. Whatever comes from data is text there, and never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in HTML; the first column stands to the left, and numbers beside it to the right."""
    head = "".join(_cell("th", text, place) for place, text in enumerate(columns))
    body = "".join(
        f"<tr>{''.join(_cell('td', text, place) for place, text in enumerate(row))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_lines(lines: Iterable[str]) -> str:
    """Each line a paragraph of its own."""
    return "".join(f"<div>{escape(line)}</div>" for line in lines)


def _cell(tag: str, text: str, place: int) -> str:
    return f'<{tag} style="text-align: {"right" if place else "left"}">{escape(text)}</{tag}>'
