"""What a method of the training stage is to a recipe: a word with options, and a card that says
what it is; known without torch.

A method is one file that its card names. A recipe chooses it by its word (``fusion: gated``), or by
word and options (``fusion: {gated: {hard: true}}``). The files beside this one have them all.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import math
import numbers
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, TypeGuard, TypeVar

import yaml

from ....schemas.contents import Kind
from ....schemas.errors import InputError, nearest
from ....schemas.json_value import JsonValue
from ....schemas.plain_text import Verbatim
from .declared import declared_options

Made = TypeVar("Made")
Choice: TypeAlias = "str | Mapping[str, Mapping[str, object]]"
# all options of one method, after they were compared with their defaults; Any: they are its own
Options: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """What a method is. where: its class, as ``fusion.add.AddFusion`` in the room ``model``, or
    ``package.module:Class`` anywhere else.

    options: its own, with their defaults; none where its class declares them (``defaults``).
    standard: whether the field knows it under this name.

    cost: operations for one record; M parts, T tokens of each, D width, R rank, C outputs.
    least: the smallest value of an option, above which it has to lie if it is written as 0.0.
    fault: what is wrong with options for a model of so many parts, or nothing.
    reads: for encoders, the modality. is_late: for fusions, whether it joins the answers of one
        model a part (model-level fusion). is_fitted: for fusions, whether it has to be fitted to
        the validation split, whatever its options.
    """

    where: str
    what: str
    source: str
    cost: str
    standard: bool = True
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)
    fault: Callable[[int, Options], str] | None = None
    reads: str = ""
    is_late: bool = False
    is_fitted: bool = False

    def load(self) -> object:
        """The class; torch is imported now."""
        module, name = self._place()
        found: object = getattr(importlib.import_module(module, __package__), name)
        return found

    def make(self, kind: type[Made], /, *given: object, **options: object) -> Made:
        """What its class makes of these; InputError where that is none of this kind."""
        build = self.load()
        made: object = build(*given, **options) if callable(build) else build
        if not isinstance(made, kind):
            raise InputError(
                f"{self.where}: wanted a {kind.__module__.partition('.')[0]} {kind.__name__},"
                f" found {type(made).__name__}"
            )
        return made

    def defaults(self) -> Mapping[str, JsonValue]:
        """Its options with their defaults: those of this card, or else what its class declares,
        the keyword-only arguments of its constructor.
        """
        file = self._file()
        if self.options or file is None:
            return self.options
        return declared_options(file, self._place()[1])

    def _file(self) -> Path | None:
        """The file of its class, which is not run for it; None where there is none to read."""
        module = self._place()[0]
        if module.startswith("."):
            place = Path(__file__).parents[1].joinpath(*module.strip(".").split("."))
            return place.with_suffix(".py")
        if module in sys.modules:  # the files that users name have no other place
            found = getattr(sys.modules[module], "__file__", None)
        else:
            try:
                spec = importlib.util.find_spec(module)
            except ImportError:  # of the package that it lies in; loading it will say so
                spec = None
            found = None if spec is None else spec.origin
        return Path(found) if found is not None and found.endswith(".py") else None

    def _place(self) -> tuple[str, str]:
        """The module, relative to this room unless it is a user's own (``package.module:Class``),
        and the class in it.
        """
        module, colon, name = self.where.rpartition(":")
        if colon:
            return module, name
        module, _, name = self.where.rpartition(".")
        return f"..model.{module}", name

    def told(self, word: str, form: str) -> list[str]:
        """All about it, in lines: what its file says of it (read, not run), its options, and how a
        recipe says it (``form`` with a gap).
        """
        name, options, file = self._place()[1], self.defaults(), self._file()
        tree = ast.parse("" if file is None else file.read_text(encoding="utf-8"))
        body = next(
            (
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef) and node.name == name
            ),
            tree,
        )
        lines = [
            f"{word}: {self.what} ("
            f"{self.source}{'' if self.standard else '; not a name of the field'}"
            f"{'; ' + self.cost if self.cost else ''})"
        ]
        for text in dict.fromkeys((ast.get_docstring(tree), ast.get_docstring(body))):
            lines += ["", *(text or "").replace("``", "").splitlines()]
        # the name of a target is the user's to say
        own = {
            option: f"<{option}>" if (option, value) == ("target", "") else json.dumps(value)
            for option, value in options.items()
        }
        whole = (
            f"{{{word}: {{{', '.join(f'{option}: {value}' for option, value in own.items())}}}}}"
        )
        bare = "<target>" not in own.values()
        return [
            *("  " + line if line else "" for line in lines),
            "",
            *([Verbatim(f"  in a recipe: {form.format(word)}")] if bare else []),
            *([Verbatim(f"  with options: {form.format(whole)}")] if options else []),
        ]


@dataclass(frozen=True, slots=True)
class TaskCard(Card):
    """What may be asked (``train.task``). metric: that of a row, whose mean heads the tables.

    kinds: of targets that it learns from. wants: such a target, in words.
    one_class: the answer is one class of many, so that classes and rows can be weighed.
    """

    metric: str = ""
    kinds: frozenset[Kind] = frozenset({"text", "number"})
    wants: str = ""
    one_class: bool = False


class PresetOptions(TypedDict, total=False):
    """The options of training that a preset may set, as a recipe has them."""

    encoders: Mapping[str, str]
    fusion: Choice
    missing: Choice
    losses: list[str]
    class_weights: bool
    focal: float
    complete_only: bool
    modality_dropout: float


@dataclass(frozen=True, slots=True)
class Preset:
    """A name for some options of training together."""

    what: str
    options: PresetOptions

    def text(self) -> str:
        """The options as a recipe has them."""
        return yaml.safe_dump(
            dict(self.options), default_flow_style=True, sort_keys=False, width=10_000
        ).strip()[1:-1]


def split_choice(choice: Choice) -> tuple[str, Mapping[str, object]]:
    """Word and options of ``tensor`` or ``{tensor: {rank: 5}}``."""
    if isinstance(choice, str):
        return choice, {}
    word, options = next(iter(choice.items()), ("", {}))
    return str(word), options or {}


def mistakes(where: str, choice: Choice, cards: Mapping[str, Card], parts: int) -> list[str]:
    """What is wrong with a choice for a model of so many parts, one line each."""
    if not isinstance(choice, str) and len(choice) != 1:
        return [
            f"{where}: wanted one method, as '{next(iter(cards))}' or {{{next(iter(cards))}:"
            f" {{option: value}}}}, found {len(choice)}"
        ]
    word, options = split_choice(choice)
    if word not in cards:
        return [f"{where}: no such method {word!r}{nearest(word, cards)}"]
    if not isinstance(options, Mapping):
        return [f"{where}.{word}: wanted options by name, found {options!r}"]
    card, defaults = cards[word], cards[word].defaults()
    lines = []
    for name, value in options.items():
        if name not in defaults:
            lines.append(f"{where}.{word}.{name}: unknown option{nearest(str(name), defaults)}")
        else:
            wanted = _wanted(defaults[name], card.least.get(name), value)
            lines += [f"{where}.{word}.{name}: wanted {wanted}, found {value!r}"] if wanted else []
    if not lines and card.fault is not None:
        fault = card.fault(parts, {**defaults, **options})
        lines += [f"{where}.{word}: {fault}"] if fault else []
    return lines


def _wanted(default: JsonValue, least: float | None, value: object) -> str:
    """What an option with this default should be instead, or nothing."""
    if isinstance(default, (bool, str)):
        return (
            ""
            if type(value) is type(default)
            else f"{'true or false' if isinstance(default, bool) else 'a word'}, as {default!r}"
        )
    if isinstance(default, list):
        fits = isinstance(value, list) and all(_is_number(item) for item in value)
        return "" if fits else "a list of numbers"
    if not _is_number(value) or (isinstance(default, int) and not isinstance(value, int)):
        return f"a {'whole ' if isinstance(default, int) else ''}number, as {default!r}"
    if least is None:
        least = 1 if isinstance(default, int) else -math.inf
    return "" if value >= least else f"at least {least:g}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def cards_text(title: str, cards: Mapping[str, Card], indent: int) -> list[str]:
    """Lines of one kind of method: its word, what it is, where it comes from, what it costs, its
    options.
    """
    lines = [title]
    for word, card in cards.items():
        name = "" if card.standard else "; not a name of the field"
        own = "".join(f"; {option}={value!r}" for option, value in card.defaults().items())
        lines.append(f"  {word:<{indent}}  {card.what}")
        lines.append(
            f"  {'':<{indent}}  {card.source}{name}{'; ' + card.cost if card.cost else ''}{own}"
        )
    return lines
