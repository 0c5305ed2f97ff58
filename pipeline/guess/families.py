"""Tables that are one thing in several files: splits of a set, versions, the same rows again."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Sequence
from dataclasses import replace

from ...stages.template import plain
from .claims import Claim, claims_of
from .columns import ColumnGuess
from .looking import TableFinding
from .paths import ending_rank
from .splits import split_pattern

_ALIKE = 0.6
_SAME = 0.5
_EQUAL = 0.9
_COMPARED = 200
_SHOWN_BY_MANY = frozenset(("category", "number", "group"))


def with_splits(
    tables: Sequence[TableFinding], passed_over: list[str]
) -> list[tuple[TableFinding, str]]:
    """The tables to read, each with the split of its rows, or nothing: tables of mostly the same
    columns whose names or folders say different splits (train.csv, test.csv; train/data.csv,
    test/data.csv) are one set. The same rows in another folder are another version of it, and
    passed over; other rows are another set.
    """
    families: list[list[TableFinding]] = []
    for table in tables:
        family = next((known for known in families if _are_alike(known[0], table)), None)
        if family is None:
            families.append([table])
        else:
            family.append(table)
    chosen = []
    for family in families:
        splits = {table.split for table in family} - {""}
        if len(splits) < 2:
            chosen += [(table, "") for table in family]
            continue
        folders = sorted(
            dict.fromkeys(split_pattern(posixpath.dirname(table.file)) for table in family),
            key=lambda name: -len({table.split for table in _of_folder(family, name)}),
        )
        kept: dict[str, list[TableFinding]] = {}
        version_of: dict[str, str] = {}
        for folder in folders:
            own = _of_folder(family, folder)
            alike = [
                name for name, known in kept.items() if not own or _have_rows_in_common(known, own)
            ]
            if alike:
                version_of[folder] = alike[0] or "the folder itself"
            else:
                kept[folder] = own
                chosen += [(table, table.split) for table in _of_one_mind(own)]
        for table in family:
            folder = split_pattern(posixpath.dirname(table.file))
            if folder in version_of:
                passed_over.append(
                    f"{table.file}: another version of what lies in {version_of[folder]}; name it"
                    " in the recipe in its place if it is the better one"
                )
            elif not table.split:
                names = ", ".join(other.file for other in kept[folder])
                passed_over.append(
                    f"{table.file}: is of no split, beside {names}; name it in the recipe if its"
                    " rows are others than theirs"
                )
    return chosen


def without_repeats(
    tables: Sequence[tuple[TableFinding, str]], passed_over: list[str]
) -> list[tuple[TableFinding, str, list[Claim]]]:
    """The tables with the files that they claim. Of tables that name the same files the one that
    says most claims them; another is left to be joined if it says anything else, and passed over if
    it does not.
    """
    kept: list[tuple[TableFinding, str, list[Claim]]] = []
    claimed = [(table, split, claims_of(table)) for table, split in tables]
    for table, split, claims in sorted(claimed, key=lambda entry: _rank(entry[0], entry[2])):
        main = next(
            (
                (known, of_known)
                for known, of_split, of_known in kept
                if of_split == split and _name_the_same(known, of_known, table, claims)
            ),
            None,
        )
        if main is None:
            kept.append((table, split, claims))
        elif _repeats(*main, table, claims):
            passed_over.append(f"{table.file}: names the files of {main[0].file}, and says no more")
        else:
            kept.append((table, split, []))
    order = [table.file for table, _ in tables]
    return sorted(kept, key=lambda entry: order.index(entry[0].file))


def _are_alike(one: TableFinding, other: TableFinding) -> bool:
    both = one.columns.keys() & other.columns.keys()
    fewer = min(len(one.columns), len(other.columns))
    if {one.split, other.split} == {"train", "test"} and len(both) == fewer:
        return True  # the answers of a test set are not given
    return len(both) >= _ALIKE * len(one.columns.keys() | other.columns.keys())


def _of_one_mind(tables: Sequence[TableFinding]) -> list[TableFinding]:
    """The tables of one set, whose columns of one name are taken for the same in all: what the
    largest takes them for, of roles that a few rows may show otherwise.
    """
    said: dict[str, ColumnGuess] = {}
    for table in sorted(tables, key=lambda table: -table.sample.rows):
        said = {**table.columns, **said}
    return [
        replace(
            table,
            columns={
                name: replace(guess, role=said[name].role, reason=said[name].reason)
                if {guess.role, said[name].role} <= _SHOWN_BY_MANY
                else guess
                for name, guess in table.columns.items()
            },
        )
        for table in tables
    ]


def _have_rows_in_common(tables: Sequence[TableFinding], others: Sequence[TableFinding]) -> bool:
    """Whether tables of one set have rows of another: of what tells rows best, most is the same.
    What nothing tells may be the same.
    """
    for one, other in itertools.product(tables, others):
        columns = _telling_columns(one) & _telling_columns(other)
        shares = [_share_in_common(one, other, column) for column in columns]
        if all(share >= _SAME for share in shares):
            return True
    return False


def _telling_columns(table: TableFinding) -> set[str]:
    """What tells the rows of a table: texts and files, or else identifiers."""
    for roles in (("text", "path"), ("identifier",)):
        if columns := {guess.column for guess in table.of(*roles)}:
            return columns
    return set()


def _share_in_common(one: TableFinding, other: TableFinding, column: str) -> float:
    """The share of the values of the smaller table that are values of the other."""
    values = [set(map(plain, table.sample.cells[column])) for table in (one, other)]
    return len(values[0] & values[1]) / max(1, min(map(len, values)))


def _of_folder(family: Sequence[TableFinding], folder: str) -> list[TableFinding]:
    return [
        table
        for table in family
        if split_pattern(posixpath.dirname(table.file)) == folder and table.split
    ]


def _rank(table: TableFinding, claims: Sequence[Claim]) -> tuple[int, ...]:
    """Tables that say more go first: texts, then targets, then groups and splits; of equal ones
    that of the more usual files.
    """
    cells = [cell for claim in claims[:1] for cell in table.sample.cells[claim.column][:1]]
    return (
        -len(table.of("text")),
        -len(table.of("category", "number", "list")),
        -len(table.of("group", "split", "fold")),
        *map(ending_rank, map(str, cells)),
    )


def _name_the_same(
    one: TableFinding,
    claims_of_one: Sequence[Claim],
    other: TableFinding,
    claims_of_other: Sequence[Claim],
) -> bool:
    """Whether most files of the smaller table are files of the other, their endings left out."""
    if not claims_of_one or not claims_of_other:
        return False
    if claims_of_one[0].modality != claims_of_other[0].modality:
        return False
    files = _by_file(one, claims_of_one[0]).keys(), _by_file(other, claims_of_other[0]).keys()
    return len(files[0] & files[1]) >= _SAME * min(map(len, files))


def _by_file(table: TableFinding, claim: Claim) -> dict[str, int]:
    """Name of a file, without its ending -> the first row that names it."""
    rows: dict[str, int] = {}
    for number, cell in enumerate(table.sample.cells[claim.column]):
        name = posixpath.basename(plain(cell).replace("\\", "/"))
        rows.setdefault(posixpath.splitext(name)[0].casefold(), number)
    return rows


def _repeats(
    one: TableFinding,
    claims_of_one: Sequence[Claim],
    other: TableFinding,
    claims_of_other: Sequence[Claim],
) -> bool:
    """Whether each column of the other table that says something is one of this table."""
    rows, others = _by_file(one, claims_of_one[0]), _by_file(other, claims_of_other[0])
    pairs = [(rows[name], others[name]) for name in rows if name in others][:_COMPARED]

    def is_one_of_mine(column: str) -> bool:
        cells = other.sample.cells[column]
        return any(
            sum(mine[row] == cells[place] for row, place in pairs) >= _EQUAL * len(pairs)
            for mine in one.sample.cells.values()
        )

    said = other.of("text", "category", "number", "list")
    return all(is_one_of_mine(guess.column) for guess in said)
