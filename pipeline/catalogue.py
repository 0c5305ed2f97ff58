"""What a recipe can name, for people: sources, stages and extractors with their options."""

from __future__ import annotations

import dataclasses
import inspect
import math
import typing
from collections.abc import Iterator

from ..schemas.errors import InputError, nearest
from ..schemas.plain_text import render_text
from ..schemas.quantity import Quantity
from ..stages.base import Addressed, Extractor, Source, addresses, find
from ..stages.modality import modality, names
from ..stages.train.methods.texts import method_words
from .texts import quantities

_KINDS: tuple[tuple[str, type[Addressed]], ...] = (
    ("Sources (type: in a source)", Source),
    ("Stages (in stages:)", Addressed),
    ("Extractors (in features:)", Extractor),
)


def stages_text() -> str:
    """Every address with its first line and its options."""
    lines: list[object] = []
    for title, kind in _KINDS:
        lines.append(title)
        for address in addresses(kind):
            cls = find(address, kind)
            lines.append(
                f"  {_shown(address, kind):<22} {_plain(inspect.getdoc(cls) or '').splitlines()[0]}"
            )
            options = ", ".join(_option(item) for item in _fields(cls))
            lines.append(f"  {'':<22} options: {options or 'none'}")
        lines.append("")
    return render_text(*lines, "What the options of one mean: modalmill stages NAME")


def stage_text(name: str) -> str:
    """Everything about what has this name (``align.split``, or ``split`` alone); InputError where
    nothing has.
    """
    name = name.lower()
    entries = [(address, kind) for _, kind in _KINDS for address in addresses(kind)]
    chosen = [entry for entry in entries if name in (entry[0], _shown(*entry))] or [
        entry for entry in entries if name == entry[0].partition(".")[2]
    ]
    if not chosen and name in method_words():
        raise InputError(f"{name}: is a method of training; see 'modalmill methods {name}'")
    if not chosen:
        raise InputError(
            f"{name}: no source, stage or extractor has this"
            f" name{nearest(name, [_shown(*entry) for entry in entries])}"
        )
    described = ["\n".join(_described(_shown(*entry), find(*entry))) for entry in chosen]
    return render_text("\n\n".join(described))


def signals_text(kind: str | None = None) -> str:
    """What rules and the ``where`` of a stream can ask of the parts of each modality, or of one."""
    chosen = names() if kind is None else (modality(kind).name,)
    lines: list[object] = []
    for name in chosen:
        own = modality(name)
        known = quantities(own)
        lines.append(name)
        width = max([15, *map(len, known)])
        lines += [
            f"  {word:<{width}} {_range(quantity):<16} {quantity.about}"
            + (" (on request)" if quantity.on_request else "")
            for word, quantity in known.items()
        ] or ["  nothing"]
        asked = {quantity.on_request: None for quantity in known.values() if quantity.on_request}
        if asked:
            listed = ", ".join(f"{name}.{each}" for each in asked)
            lines.append(
                f"  on request: where a stage, a rule or 'measure' asks for it: measure: [{listed}]"
            )
    example = 'clean.rules: {image.sharpness: ">= 100", image.aspect: [0.5, 2]}'
    return render_text(*lines, "", f"By part and name in a recipe: {example}")


def _range(quantity: Quantity) -> str:
    """Its unit, or its range where it has none; how many words it can be."""
    if quantity.words:
        return f"{len(quantity.words)} words"
    if quantity.unit:
        return quantity.unit
    return f"{quantity.low:g} .. {quantity.high:g}" if math.isfinite(quantity.high) else ""


def _described(name: str, cls: type[Addressed]) -> Iterator[str]:
    """The name, what the class and those that it is made from say of themselves, and the options
    with their types and defaults.
    """
    yield name
    for base in cls.__mro__:
        if dataclasses.is_dataclass(base):  # the kinds themselves are none
            yield from _documented(base)
            yield ""
    yield from _listed(cls)
    for inner in _inside(cls):
        yield ""
        yield from _documented(inner, f"{inner.__name__}: ")
        yield from _listed(inner)


def _listed(cls: type) -> Iterator[str]:
    options = _fields(cls)
    yield "  options:" if options else "  no options"
    yield from (f"    {item.name}: {item.type}{_default(item)}" for item in options)


def _fields(cls: type) -> tuple[dataclasses.Field[object], ...]:
    return dataclasses.fields(cls)


def _shown(address: str, kind: type[Addressed]) -> str:
    return address.partition(".")[2] if kind is Source else address


def _plain(text: str) -> str:
    return text.replace("``", "")


def _documented(cls: type, title: str = "") -> list[str]:
    return [
        "  " + line if line else ""
        for line in (title + _plain(inspect.getdoc(cls) or "")).splitlines()
    ]


def _inside(cls: type[Addressed]) -> list[type]:
    """The classes of options that are themselves groups of options (``media: {audio: {path:
    ...}}``).
    """
    classes: dict[type, None] = {}
    waiting = list(typing.get_type_hints(cls).values())
    for hint in waiting:  # it grows
        waiting += typing.get_args(hint)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            classes[hint] = None
    return list(classes)


def _default(item: dataclasses.Field[object]) -> str:
    if item.default is not dataclasses.MISSING:
        return f" = {item.default!r}"
    return (
        f" = {item.default_factory()!r}"
        if item.default_factory is not dataclasses.MISSING
        else " (required)"
    )


def _option(item: dataclasses.Field[object]) -> str:
    if item.default is not dataclasses.MISSING:
        return f"{item.name}={item.default!r}" if item.default is not None else item.name
    return (
        item.name if item.default_factory is not dataclasses.MISSING else f"{item.name} (required)"
    )
