"""What comes from outside: a user's stages, sources, extractors, modalities, signals and methods of
training.

    a file beside the recipe   use: [my_stages.py]: every operator that it defines, as
                               ``my_stages.<name of the class>``
    an installed package       entry points ``modalmill.stages``, ``.sources``, ``.extractors``,
                               ``.modalities``, ``.encoders``, ...

They are held to the same contract as the house's own, and are found, told and fingerprinted like
them. A file is code that its user runs: it is named on the command line or in a recipe, never taken
from data or from a checkpoint.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..schemas.errors import InputError
from ..schemas.fingerprint import hash_bytes

Kind = TypeVar("Kind")
Cached = TypeVar("Cached", bound=Callable[..., object])

PREFIX = "modalmill_outside"
_STEM = re.compile(r"[A-Za-z_]\w*\Z")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class UsedFile:
    """A file of operators: its name without ending, its text, and where it lies."""

    stem: str
    text: str
    path: str

    @property
    def module_name(self) -> str:
        """What its module is called in every process."""
        return f"{PREFIX}.{self.stem}"


_used: tuple[UsedFile, ...] = ()
_kept: tuple[Path, ...] = ()


def use(paths: Iterable[Path | str], keep: bool = False) -> None:
    """Load these files, and no others from here on; InputError where one cannot be read or fails.

    keep: those of the command line, which stay beside what recipes name.
    """
    global _kept  # noqa: PLW0603  # a fact of the process as well
    named = [Path(path).absolute() for path in paths]
    _kept = tuple(named) if keep else _kept
    files = []
    for path in dict.fromkeys([*_kept, *named]):
        if not _STEM.match(path.stem) or path.suffix != ".py":
            raise InputError(f"use: wanted a file of Python (my_stages.py), found {path}")
        try:
            files.append(UsedFile(path.stem, path.read_text(encoding="utf-8-sig"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"use: {path} cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from None
    twice = sorted(
        {file.stem for file in files if sum(other.stem == file.stem for other in files) > 1}
    )
    if twice:
        raise InputError(
            f"use: two files are called {', '.join(twice)}; their operators would have the same"
            " addresses"
        )
    install(files)


def used() -> tuple[UsedFile, ...]:
    """The files that are loaded, for another process to :func:`install`."""
    return _used


def install(files: Iterable[UsedFile]) -> None:
    """Have these files loaded, and no others; those that are loaded already stay."""
    global _used  # noqa: PLW0603  # what a process has loaded is a fact of the process
    wanted = tuple(files)
    if wanted == _used:
        return
    for file in _used:
        sys.modules.pop(file.module_name, None)
    _used = ()
    sys.modules.setdefault(PREFIX, types.ModuleType(PREFIX))
    for file in wanted:
        module = types.ModuleType(file.module_name)
        module.__file__ = file.path
        # before it runs: dataclasses and pickle look up a class's module by its name
        sys.modules[file.module_name] = module
        try:
            # the user's own code, asked for by the user
            exec(compile(file.text, file.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        except (Exception, SystemExit) as error:
            sys.modules.pop(file.module_name, None)
            raise InputError(f"use: {file.path} fails: {type(error).__name__}: {error}") from error
    _used = wanted
    for forget in _forgetting:
        forget()


_forgetting: list[Callable[[], None]] = []


def forgets(cached: Cached) -> Cached:
    """Mark a cached function whose answers depend on what is loaded."""
    _forgetting.append(cached.cache_clear)  # type: ignore[attr-defined]  # functools.cache made it
    return cached


def name_of(cls: type) -> str:
    """The name of a class as addresses have it: ``ShoutLoud`` is ``shout_loud``."""
    return _CAPITAL.sub("_", cls.__name__).lower()


def is_outside(cls: Callable[..., object]) -> bool:
    """Whether a class or function is none of the house's own."""
    return not cls.__module__.startswith(f"{__package__.partition('.')[0]}.")


def classes(base: type[Kind], kind: str) -> dict[str, type[Kind]]:
    """Address -> class, of those below ``base``: ``<file>.<class>`` for files, the name of the
    entry point for packages.

    kind: the entry points ``modalmill.<kind>``; their classes are loaded now.
    """
    by_address = classes_of_files(base)
    for entry in _entry_points(kind):
        value = _loaded(entry)
        if not (isinstance(value, type) and issubclass(value, base)):
            raise InputError(
                f"{entry.value}: the entry point {entry.name!r} of modalmill.{kind} is no"
                f" {base.__name__}"
            )
        by_address[entry.name] = value
    return by_address


def classes_of_files(base: type[Kind]) -> dict[str, type[Kind]]:
    """Address -> class, of those that files define."""
    by_address: dict[str, type[Kind]] = {}
    for file in _used:
        for cls in defined_in(sys.modules[file.module_name], base):
            address = f"{file.stem}.{name_of(cls)}"
            if address in by_address:
                raise InputError(
                    f"use: {file.path} has two classes at one address, {address}:"
                    f" {by_address[address].__name__} and {cls.__name__}"
                )
            by_address[address] = cls
    return by_address


def defined_in(module: types.ModuleType, base: type[Kind]) -> list[type[Kind]]:
    """The public classes below ``base`` that a module defines itself, in its order."""
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return [
        value for value in own if issubclass(value, base) and not value.__name__.startswith("_")
    ]


def objects(base: type[Kind], kind: str) -> list[Kind]:
    """The objects of a class that files define, in their order, and those of the entry points
    ``modalmill.<kind>``.
    """
    found = [each for file in _used for each in objects_in(sys.modules[file.module_name], base)]
    loaded = map(_loaded, _entry_points(kind))
    return found + [each for each in loaded if isinstance(each, base)]


def objects_in(module: types.ModuleType, base: type[Kind]) -> list[Kind]:
    """The objects of a class that stand in a module by a public name, in its order."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, base) and not name.startswith("_")
    ]


def method_tables(kind: str) -> dict[str, object]:
    """Word -> card of the methods of one kind: ``ENCODERS = {...}`` in a file, or an entry point
    ``modalmill.encoders``.
    """
    cards: dict[str, object] = {}
    for file in _used:
        table = getattr(sys.modules[file.module_name], kind.upper(), {})
        if not isinstance(table, Mapping):
            raise InputError(
                f"use: {file.path}: {kind.upper()}: wanted a mapping from words to cards, found"
                f" {type(table).__name__}"
            )
        cards |= table
    for entry in _entry_points(kind):
        cards[entry.name] = _loaded(entry)
    return cards


def source_of(cls: Callable[..., object]) -> str:
    """Checksum of the text of the file that a class or function from outside stands in; empty for
    the house's own.
    """
    if not is_outside(cls):
        return ""
    for file in _used:
        if file.module_name == cls.__module__:
            return hash_bytes(file.text.encode())
    path = getattr(sys.modules[cls.__module__], "__file__", None)
    return hash_bytes(Path(path).read_bytes()) if path else ""


def _loaded(entry: importlib.metadata.EntryPoint) -> object:
    try:
        value: object = entry.load()
        return value
    except Exception as error:
        raise InputError(
            f"{entry.value}: the entry point {entry.name!r} of {entry.group} fails:"
            f" {type(error).__name__}: {error}"
        ) from error


@functools.cache
def _entry_points(kind: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=f"modalmill.{kind}"))


Method = TypeVar("Method")


class WithOutside(Mapping[str, Method]):
    """A table of the house's own methods, with those from outside behind them; InputError where
    one of these is no card.
    """

    def __init__(self, kind: str, card: type[Method], own: Mapping[str, Method]) -> None:
        self._kind, self._card, self._own = kind, card, dict(own)

    def _all(self) -> dict[str, Method]:
        cards = dict(self._own)
        for word, card in method_tables(self._kind).items():
            if word in self._own:
                continue
            if not isinstance(card, self._card):
                raise InputError(
                    f"use: {self._kind.upper()}: {word}: wanted a {self._card.__name__}, found"
                    f" {type(card).__name__}"
                )
            cards[word] = card
        return cards

    def __getitem__(self, word: str) -> Method:
        return self._all()[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
