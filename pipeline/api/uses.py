"""What ``mm.fit`` does with each column of a table: guessed, or as the user says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from ...schemas.errors import InputError, nearest
from ..guess.columns import ColumnGuess, is_usable

Use: TypeAlias = Literal[
    "text", "number", "category", "list", "image", "audio", "video", "group", "split", "passed over"
]
MEDIA = ("image", "audio", "video")
_OF_TARGETS = ("category", "number", "list")
_OF_OTHERS = tuple(word for word in get_args(Use) if word != "list")
_LEAST_ROWS = 20
_MOST_CLASSES = 1000
_LEAST_REPEATS = 2
_LEAST_GROUPS = 3  # one to train on, one to choose the epoch by, one to test on


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What a column is used for. of_target: it is the target, and ``use`` its kind. reason: why, or
    that the user said so. guess: what was found of its cells. header: its name in the table,
    where a recipe cannot say that.
    """

    column: str
    use: Use
    reason: str
    guess: ColumnGuess
    of_target: bool = False
    header: str = ""

    @property
    def name(self) -> str:
        """What the table calls the column."""
        return self.header or self.column

    def __str__(self) -> str:
        what = f"target, a {self.use}" if self.of_target else self.use
        return f"{self.name}: {what} ({self.reason})"


def uses_of(
    guesses: Mapping[str, ColumnGuess], target: str, said: Mapping[str, str | None]
) -> dict[str, ColumnUse]:
    """What each column is used for, by its name; InputError for a target that cannot be learned,
    and for what is said of columns that there are not.
    """
    _check_said(guesses, target, said)
    uses: dict[str, ColumnUse] = {}
    for name, guess in guesses.items():
        if name == target:
            uses[name] = _target(guess, said.get(name))
        elif name in said:
            uses[name] = ColumnUse(name, _word(said[name]), "as you said", guess)
        else:
            uses[name] = _guessed(guess)
    for word in ("group", "split"):
        _keep_first(uses, word)
    if not any(use.use not in ("group", "split", "passed over") for use in _others(uses)):
        lines = "; ".join(map(str, _others(uses)))
        raise InputError(
            f"table: no column is left to learn {target!r} from: {lines or 'there is no other'};"
            " columns={...} says otherwise"
        )
    return uses


def _others(uses: Mapping[str, ColumnUse]) -> list[ColumnUse]:
    return [use for use in uses.values() if not use.of_target]


def _check_said(
    guesses: Mapping[str, ColumnGuess], target: str, said: Mapping[str, str | None]
) -> None:
    for word, name in (("target", target), *(("columns", name) for name in said)):
        if name not in guesses:
            raise InputError(f"{word}: the table has no column {name!r}{nearest(name, guesses)}")
        if not is_usable(name) and (name == target or said[name] is not None):
            raise InputError(
                f"{word}: a recipe cannot name the column {name!r} of a file: its name has a brace,"
                " or two kinds of quotes; give it another, or give the table as a data frame"
            )
    for name, use in said.items():
        choices = _OF_TARGETS if name == target else _OF_OTHERS
        if use is not None and use not in choices:
            raise InputError(f"columns: {name!r} cannot be {use!r}{nearest(str(use), choices)}")


def _word(said: str | None) -> Use:
    return "passed over" if said is None else said  # type: ignore[return-value]  # checked before


def _guessed(guess: ColumnGuess) -> ColumnUse:
    """What a column is used for by what it is taken for."""
    role, why = guess.role, guess.reason

    def passed(reason: str) -> ColumnUse:
        return ColumnUse(guess.column, "passed over", reason, guess)

    if role == "split" and guess.values == 1:
        return passed(f"{why} alone, which leaves none to test on; rows are split anew")
    if role == "group" and guess.values < _LEAST_GROUPS:
        few = f"{guess.values} values, too few for groups that are kept apart"
        return ColumnUse(guess.column, "category", few, guess)
    if role in ("text", "number", "category", "group", "split"):
        return ColumnUse(guess.column, role, why, guess)
    if role == "list" and guess.separator:
        return ColumnUse(guess.column, "text", f"{why}; read as words", guess)
    if role == "path" and guess.modality in MEDIA:
        return ColumnUse(guess.column, _word(guess.modality), why, guess)
    if role == "passed over":
        return passed(why)
    return passed(f"{'an' if role[0] in 'aeiou' else 'a'} {role}: {why}")


def _keep_first(uses: dict[str, ColumnUse], word: str) -> None:
    """Of several columns for groups, or splits, the first one counts, one that was said before one
    that was guessed.
    """
    alike = [use for use in uses.values() if use.use == word and not use.of_target]
    alike.sort(key=lambda use: use.reason != "as you said")
    for use in alike[1:]:
        reason = f"a {word} too, and {alike[0].column!r} is one already"
        uses[use.column] = replace(use, use="passed over", reason=reason)


def _target(guess: ColumnGuess, said: str | None) -> ColumnUse:
    """The target with its kind; InputError for one that cannot be learned."""
    name, filled, values = guess.column, guess.filled, guess.values
    where = f"target {name!r}"
    if not filled:
        raise InputError(f"{where}: every cell is empty; there is nothing to learn")
    if values == 1:
        raise InputError(f"{where}: every cell has the same value; there is nothing to learn")
    if filled < _LEAST_ROWS:
        raise InputError(
            f"{where}: {filled} rows have one; wanted at least {_LEAST_ROWS} to learn and test"
        )
    if said is not None:
        use, reason = _word(said), "as you said"
    elif guess.role in _OF_TARGETS:
        use, reason = guess.role, guess.reason  # type: ignore[assignment]  # words of both
    elif values >= filled:
        raise InputError(
            f"{where}: each of {filled:,} cells has a value of its own, so none can be learned from"
            f" the others; if it is an amount, say columns={{{name!r}: 'number'}}"
        )
    elif values <= _MOST_CLASSES and filled / values >= _LEAST_REPEATS:
        use, reason = "category", f"{values} values, each {filled / values:.0f} times"
    else:
        raise InputError(
            f"{where}: {values:,} values in {filled:,} cells ({guess.reason}) are no classes that"
            f" can be learned; if they are, say columns={{{name!r}: 'category'}}"
        )
    if use == "category" and values >= filled:
        raise InputError(
            f"{where}: each of {filled:,} cells has a value of its own: there are no classes"
        )
    return ColumnUse(name, use, reason, guess, of_target=True)
