"""Which rows ``mm.fit`` holds out: by a column of splits, or by hash of the row or its group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ...stages.align.split import Split
from ...stages.template import is_absent, plain
from ..guess.columns import split_word
from .uses import ColumnUse

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_MOST_SEEDS = 1000
_LEAST_TRAINING = 1 / 3


def column_for(uses: Mapping[str, ColumnUse], word: str) -> str | None:
    """The column that is used for ``group`` or ``split``, if there is one."""
    found = (use.column for use in uses.values() if use.use == word and not use.of_target)
    return next(found, None)


def notes_on_splits(
    uses: Mapping[str, ColumnUse], cells: Mapping[str, Sequence[object]]
) -> list[str]:
    """What may surprise of a column of splits that is taken at its word, one line each."""
    group, column = column_for(uses, "group"), column_for(uses, "split")
    if column is None:
        return []
    name, lines = uses[column].name, []
    if not any(split_word(plain(cell)) == "test" for cell in cells[column]):
        lines.append(
            f"{name}: no row is for testing alone, so what is evaluated chose the epoch or was"
            f" trained on; columns={{{name!r}: None}} splits the rows anew"
        )
    torn = torn_groups(uses, cells)
    if group is not None and torn:
        lines.append(
            f"{name}: taken at its word, with {torn:,} groups of {uses[group].name!r} in more than"
            " one split"
        )
    return lines


def torn_groups(uses: Mapping[str, ColumnUse], cells: Mapping[str, Sequence[object]]) -> int:
    """How many groups a column of splits puts into more than one."""
    group, split = column_for(uses, "group"), column_for(uses, "split")
    if group is None or split is None:
        return 0
    found: dict[str, set[str]] = defaultdict(set)
    for name, word in zip(cells[group], cells[split], strict=True):
        if not is_absent(name) and not is_absent(word):
            found[plain(name)].add(plain(word).strip())
    return sum(len(splits) > 1 for splits in found.values())


def seed_that_tests(groups: Sequence[str]) -> int:
    """The first seed of a split by hash that leaves rows to choose the epoch by and to test on, and
    a third at least to train on; failing that, one that leaves some to train and test on, else 0.

    groups: of each row.
    """
    sizes = Counter(groups)
    tested = 0
    for seed in range(_MOST_SEEDS):
        split = Split(shares=SHARES, seed=seed)
        rows: Counter[str] = Counter()
        for group, count in sizes.items():
            rows[split.split_of(group)] += count
        if rows["train"] >= _LEAST_TRAINING * len(groups) and rows["val"] and rows["test"]:
            return seed
        if rows["train"] and rows["test"]:
            tested = tested or seed
    return tested
