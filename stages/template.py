"""Templates: ``"wavs/{clip:stem}.wav"`` filled from a row's columns, or turned around to read
fields out of a file's name.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from ..schemas.errors import nearest

# A name in quotes may hold braces and colons, a form braces of its own: {take:[a-z]{1,3}}
_FIELD = re.compile(
    r"""\{(?:"(?P<in_two>[^"]+)"|'(?P<in_one>[^']+)'|(?P<bare>[^{}:]+))"""
    r"""(?::(?P<form>(?:[^{}]|\{[^{}]*\})*))?\}"""
)
_NO_DECIMALS = re.compile(r"\.0+$")
_FORMS = ("stem", "name", "lower", "upper")
_NUMBER_FORM = re.compile(r"0?\d{0,3}d")
_WIDTH = re.compile(r"[1-9]\d{0,2}")
# Characters and classes of them, each at most so often: a match takes no longer than the name is
# long.
_BOUNDED = re.compile(r"(?:(?:\[\^?[^\[\]]+\]|\\[dwsDWS]|[\w-])(?:\{\d{1,3}(?:,\d{1,3})?\}|\?)?)+")
# what programs write for a missing value (R, pandas, SQL, spreadsheets); None is often a class
SAID_ABSENT = ("NA", "N/A", "n/a", "<NA>", "NULL", "null", "NaN", "nan", "#N/A")
_WHOLE = 1 << 53  # beyond it a float is no longer sure of its last digit before the point


@functools.lru_cache(maxsize=1024)
def fields(template: str) -> tuple[str, ...]:
    """The names of the fields in a template, in order."""
    return tuple(_name(match) for match in _FIELD.finditer(template))


def field_of(column: str, form: str = "") -> str:
    """The template of a column alone, whose name stands in quotes where it has to; ValueError for
    a name that no template can say.

    >>> field_of("Q1: income"), field_of("file", "stem")
    ('{"Q1: income"}', '{file:stem}')
    """
    for quote in ("", '"', "'"):
        template = f"{{{quote}{column}{quote}{':' if form else ''}{form}}}"
        match = _FIELD.fullmatch(template)
        if match and _name(match) == column and (match["form"] or "") == form:
            return template
    raise ValueError(f"no template can name {column!r}: its name has a brace or a colon and quotes")


def can_name(column: str) -> bool:
    """Whether a template can name the column."""
    try:
        field_of(column)
    except ValueError:
        return False
    return True


def as_template(text: str) -> str:
    """A template as it is, the name of a column, with a form or without, as the template of that
    column.

    >>> as_template("img/{file}"), as_template("file:stem"), as_template("Q1: income")
    ('img/{file}', '{file:stem}', '{"Q1: income"}')
    """
    if "{" in text:
        return text
    bare = f"{{{text}}}"
    return field_of(text) if problems(bare) and can_name(text) else bare


def _name(match: re.Match[str]) -> str:
    return match["in_two"] or match["in_one"] or match["bare"]


def is_absent(value: object) -> bool:
    """Whether a cell is empty in any spelling: null, NaN, nothing but white space."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )


def plain(value: object) -> str:
    """A cell as text; a whole number is written the same way whether it came as 1 or as 1.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    return str(value)


def fill(template: str, values: Mapping[str, object], some: bool = False) -> str | None:
    """The template with its fields filled; None where one of them is absent from the row (with
    ``some``: where all of them are).

    After a colon stands how a field is written: ``:stem``, ``:name``, ``:lower``, ``:upper`` or a
    number format (``:012d``).

    >>> fill("COCO_train2014_{image_id:012d}.jpg", {"image_id": 25})
    'COCO_train2014_000000000025.jpg'
    >>> fill("img/{file}", {"file": ""}) is None
    True
    >>> fill("{title}. {body}", {"title": "A", "body": None}, some=True)
    'A. '
    """
    names = fields(template)
    if len(names) == 1 and len(names[0]) + 2 == len(template):
        # a column and nothing else, as most are
        alone = values.get(names[0])
        if type(alone) is str:
            return alone if alone.strip() else None
    gone = [name for name in names if is_absent(values.get(name))]
    if gone and (not some or len(gone) == len(names)):
        return None

    def filled(match: re.Match[str]) -> str:
        value, form = values.get(_name(match)), match["form"]
        if is_absent(value):
            return ""
        if isinstance(value, list | dict):
            # not Python's way of writing it
            raise ValueError(
                f"{_name(match)!r} is a {type(value).__name__}, wanted a text or a number"
            )
        if not form:
            return plain(value)
        text = plain(value)
        if form == "stem":
            return _path(text).stem
        if form == "name":
            return _path(text).name
        if form in ("lower", "upper"):
            return getattr(text, form)()  # type: ignore[no-any-return]  # str.lower and str.upper
        # 7.0 is what is written of 7 in a column of which a cell was empty once
        return format(int(_NO_DECIMALS.sub("", text)), form)

    return _FIELD.sub(filled, template)


def _path(text: str) -> PurePosixPath:
    """A path as a cell writes it, on any system."""
    return PurePosixPath(text.replace("\\", "/"))


def problems(template: str, known: Iterable[str] | None = None) -> list[str]:
    """What is wrong with a template that is filled, one line each."""
    lines = _braces(template)
    for match in _FIELD.finditer(template):
        name, form = _name(match), match["form"]
        if form and form not in _FORMS and not _NUMBER_FORM.fullmatch(form):
            lines.append(
                f"{template!r}: unknown form {form!r}; wanted {', '.join(_FORMS)} or a number's"
                " format like 012d"
            )
        if known is not None and name not in known:
            lines.append(f"{template!r}: there is no field {name!r}{nearest(name, known)}")
    return lines


def parse_problems(template: str) -> list[str]:
    """What is wrong with a template that reads fields out of names, one line each."""
    lines = _braces(template)
    before: re.Match[str] | None = None
    for match in _FIELD.finditer(template):
        name, form = _name(match), match["form"]
        if not name.isidentifier():
            lines.append(
                f"{template!r}: the name of a field is letters, digits and _, found {name!r}"
            )
        if form and not _WIDTH.fullmatch(form) and not _BOUNDED.fullmatch(form):
            lines.append(
                f"{template!r}: after the colon of {name!r} wanted a width (3) or characters with"
                f" a bound ([a-z]{{1,20}}, \\d{{4}}), found {form!r}"
            )
        if before is not None and before.end() == match.start() and not form and not before["form"]:
            lines.append(
                f"{template!r}: nothing tells where {_name(before)!r} ends and {name!r} begins;"
                " give one of them a width,"
                f" like {{{_name(before)}:2}}"
            )
        before = match
    return lines


def _braces(template: str) -> list[str]:
    rest = _FIELD.sub("", template)
    return [f"{template!r} has a brace without its partner"] if "{" in rest or "}" in rest else []


def pattern(template: str) -> re.Pattern[str]:
    """A regular expression that reads the template's fields back out of a text; ``/`` never belongs
    to a field.

    After a colon stands a field's width, or a regular expression of characters with a bound.

    >>> pattern("{fold}-{clip}").fullmatch("4-117627").groupdict()
    {'fold': '4', 'clip': '117627'}
    >>> pattern("{speaker:2}{text:3}{emotion:[A-Z]}{take}").fullmatch("03a01Fa").groupdict()
    {'speaker': '03', 'text': 'a01', 'emotion': 'F', 'take': 'a'}
    """
    place, text, seen = 0, "", set()
    for match in _FIELD.finditer(template):
        text += re.escape(template[place : match.start()])
        name, form = _name(match), match["form"]
        what = "[^/]+?" if not form else f"[^/]{{{form}}}" if _WIDTH.fullmatch(form) else form
        if name.isidentifier() and name not in seen:
            text += f"(?P<{name}>{what})"
            seen.add(name)
        else:
            text += f"(?:{what})"
        place = match.end()
    return re.compile(text + re.escape(template[place:]))


def folder_of(template: str) -> str | None:
    """The fixed folder before the first field, or None where the template begins with a field."""
    first = _FIELD.search(template)
    fixed = template if first is None else template[: first.start()]
    return fixed.rpartition("/")[0] if "/" in fixed else ("" if first is None or fixed else None)
