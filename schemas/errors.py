"""The errors a user can meet.

ModalmillError
├── RecipeError          the recipe asks for something that cannot be; lists every mistake
├── InputError           a source cannot be read at all: a missing folder, no table
├── ToleranceError       more records were rejected than the recipe tolerates
├── MissingPackageError  an optional package is needed; says the pip line that installs it
├── IntegrityError       a written file does not match its checksum or its index
├── StorageError         the output cannot be written: disk full, another run at work
├── WorkerLostError      a worker process was killed from outside, again and again
├── TransformError       a function that a user gave to the stream failed
└── DamageError          one medium is damaged or refused; a counted reject, never a stop

A fault in the program is none of them (``pipeline.guard.TaskFailed``, or whatever Python raised).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ModalmillError(Exception):
    """Base of every error that modalmill raises on purpose; its message is meant to be read by a
    person.
    """

    def __reduce__(self) -> tuple[object, ...]:
        """As it is, whatever its constructor takes: errors come back from other processes."""
        return _again, (type(self), self.args), self.__dict__

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below a cell: the message, and no traceback."""
        return [f"{type(self).__name__}: {self}"]


class RecipeError(ModalmillError):
    """Every mistake of a recipe, each one line: where it is, what was found, what would be right.
    Lines after it show the place.
    """

    def __init__(self, problems: Iterable[str], where: str = "recipe") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{where}: {count} mistake{'' if count == 1 else 's'}"
        shown = (problem.replace("\n", "\n    ") for problem in self.problems)
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in shown)]))


class InputError(ModalmillError):
    """A source cannot be read at all."""


class ToleranceError(ModalmillError):
    """More records were rejected than the recipe's ``tolerance`` allows."""


class MissingPackageError(ModalmillError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, wanted_by: str) -> None:
        super().__init__(
            f"{wanted_by} needs the package {package}, which is not installed: pip install"
            f" 'modalmill[{extra}]'"
        )


class IntegrityError(ModalmillError):
    """A file on disk is not what its checksum or index says."""


class StorageError(ModalmillError):
    """The output folder cannot be written."""


class WorkerLostError(ModalmillError):
    """A worker process is gone, and not by what it worked on."""


class DamageError(ModalmillError):
    """One medium cannot be used; ``rule`` is a short stable name under which it is counted."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        self.message = message
        super().__init__(f"{rule}: {message}")


class TransformError(ModalmillError):
    """A function that the user gave to a spec failed."""


def _again(cls: type[ModalmillError], args: tuple[object, ...]) -> ModalmillError:
    error = cls.__new__(cls)
    error.args = args
    return error


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'clean.text'?"`` for the known word whose initials ``word`` is, or that is
    most like it, or the choices, or nothing.

    >>> nearest("claen.text", ["clean.text", "align.join"])
    "; did you mean 'clean.text'?"
    >>> nearest("lr", ["learning_rate", "losses"])
    "; did you mean 'learning_rate'?"
    """
    choices = sorted(known)
    meant = [choice for choice in choices if len(word) > 1 and word.lower() == _initials(choice)]
    meant = meant or difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    if meant:
        return f"; did you mean '{meant[0]}'?"
    return f"; known are: {', '.join(choices)}" if 0 < len(choices) <= 30 else ""


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.lower().split("_"))
