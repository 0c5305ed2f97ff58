"""Templates: ``"wavs/{clip:stem}.wav"`` filled from a row's columns, or turned around to read fields out of a file's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

_FIELD = re.compile(r"\{([^{}:]+)(?::([^{}]*))?\}")
_FORMS = ("stem", "name", "lower", "upper")


class MissingField(KeyError):
    """The template names a field that the row does not have."""


def fields(template: str) -> list[str]:
    """The names of the fields in a template, in order."""
    return [match.group(1) for match in _FIELD.finditer(template)]


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with its fields filled; ``:stem``, ``:name``, ``:lower``, ``:upper`` or a number format (``:012d``) after a colon.

    >>> fill("COCO_train2014_{image_id:012d}.jpg", {"image_id": 25})
    'COCO_train2014_000000000025.jpg'
    >>> fill("{clip:stem}.align", {"clip": "bbaf2n.mpg"})
    'bbaf2n.align'
    """

    def one(match: re.Match[str]) -> str:
        name, form = match.group(1), match.group(2)
        if name not in values:
            raise MissingField(name)
        value = values[name]
        if not form:
            return str(value)
        if form == "stem":
            return PurePosixPath(str(value)).stem
        if form == "name":
            return PurePosixPath(str(value)).name
        if form in ("lower", "upper"):
            return getattr(str(value), form)()  # type: ignore[no-any-return]  # str.lower and str.upper
        return format(int(value), form)

    return _FIELD.sub(one, template)


def problems(template: str, known: Iterable[str] | None = None) -> list[str]:
    """What is wrong with a template, one line each."""
    lines = []
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        lines.append(f"{template!r} has a brace without its partner")
    for match in _FIELD.finditer(template):
        name, form = match.group(1), match.group(2)
        if form and form not in _FORMS and not re.fullmatch(r"0?\d*d", form):
            lines.append(f"{template!r}: unknown form {form!r}; wanted {', '.join(_FORMS)} or a number's format like 012d")
        if known is not None and name not in known:
            lines.append(f"{template!r}: no field {name!r}; known are {', '.join(known)}")
    return lines


def pattern(template: str) -> re.Pattern[str]:
    """A regular expression that reads the template's fields back out of a text; ``/`` never belongs to a field.

    >>> pattern("{fold}-{clip}").fullmatch("4-117627").groupdict()
    {'fold': '4', 'clip': '117627'}
    """
    place, text, seen = 0, "", set()
    for match in _FIELD.finditer(template):
        text += re.escape(template[place : match.start()])
        name = match.group(1)
        if name.isidentifier() and name not in seen:
            text += f"(?P<{name}>[^/]+?)"
            seen.add(name)
        else:
            text += "[^/]+?"
        place = match.end()
    return re.compile(text + re.escape(template[place:]))


def folder_of(template: str) -> str | None:
    """The fixed folder before the first field, or None where the template begins with a field."""
    first = _FIELD.search(template)
    fixed = template if first is None else template[: first.start()]
    return fixed.rpartition("/")[0] if "/" in fixed else ("" if first is None or fixed else None)
