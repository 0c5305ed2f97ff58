"""``mm.fit``: a table and the name of a column make a recipe, and the recipe a model."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from ...schemas.account import Account
from ...schemas.errors import InputError
from ...schemas.layout import RunFolder
from ...stages.template import is_absent
from ...stages.train.options import parse_options
from ..carry_out import run_recipe
from ..engine import EngineName
from ..guess.columns import guess_columns, number_marks
from ..guess.listing import list_files
from ..guess.paths import FileNames
from ..progress import Progress
from ..result import Result
from .held_out import column_for, notes_on_splits, seed_that_tests
from .model import Model
from .table_recipe import recipe_of_table
from .tables import (
    AnyTable,
    arrow_table,
    is_path,
    names_for_recipes,
    sample_of,
    type_of,
    with_whole_paths,
    write_file,
)
from .uses import MEDIA, ColumnUse, uses_of

_MOST_ROWS = 4000
_MOST_LOOKED_AT = 200
_MOST_TOLD = 40
_FEW_UNITS = 200  # so few that a split by hash may leave none to test on


def fit_table(
    table: AnyTable,
    target: str,
    out: str | Path = "out/fit",
    *,
    columns: Mapping[str, str | None] | None = None,
    media: str | Path | None = None,
    train: Mapping[str, object] | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    resume: bool = True,
    quiet: bool = False,
) -> Model:
    """Learn a column of a table from the others: texts, files of pictures, sounds and films,
    numbers and categories, any of which may be missing in any row.

    table: a data frame of pandas, a ``pyarrow.Table``, a dictionary of columns, or the path of a
    csv, Parquet, JSON lines or Excel file.
    target: the column to learn: a category (classification), a number (regression), or a list
    (several labels).
    out: the output folder. The recipe that is made lies there as ``recipe.yaml``, to go on from.

    columns: what columns are, where the guess is not right: ``{"zip": "category", "note": None}``;
    ``text``, ``image``, ``audio``, ``video``, ``number``, ``category``, ``group`` (rows of a group
    stay in one split), ``split``, or None to pass a column over; for the target ``category``,
    ``number`` or ``list``.
    media: the folder that names of files are relative to; that of the table, or the current one.
    train: options of the recipe's ``train`` section, as ``{"epochs": 50}``.
    engine, workers, resume, quiet: as for ``mm.run``.

    A split is made by hash of the group, or taken from a column that names splits. InputError for a
    target that cannot be learned: one that is not there, has one value, or one for each row.
    """
    folder = RunFolder(Path(out).absolute())
    # columns of a data frame may be called by numbers
    target, said = str(target), {str(name): use for name, use in (columns or {}).items()}
    given = _given(table, folder.root, media, [name for name, use in said.items() if use is None])
    target = given.renamed.get(target, target)
    uses = _uses(given, target, said)
    root, within = _settled(given, uses, folder.root)
    source, has_gpu = _source(given, root), _has_gpu()

    def run(seed: int, until: str | None = None) -> Result:
        recipe = recipe_of_table(uses, given.cells, source, within, train or {}, has_gpu, seed)
        return run_recipe(
            {**recipe, "data": root},
            folder.root,
            until=until,
            engine=engine,
            workers=workers,
            resume=resume,
            quiet=quiet or until is not None,
        )

    progress = Progress(quiet)
    for line in [*_mixed(uses, given), *notes_on_splits(uses, given.cells), *_told(uses)]:
        progress.line(f"fit: {line}")
    seed = 0
    if column_for(uses, "split") is None and _fewest_units(uses, given) < _FEW_UNITS:
        groups = run(seed, "align.split").manifest()["group"]
        seed = seed_that_tests(groups.to_pylist())
    result = run(seed)
    for line in _left_out(result.account):
        progress.line(f"fit: {line}")
    table_type = given.table[target].type if given.table is not None else None
    kind = table_type or type_of(given.cells[target], given.kind == "csv")
    return Model(result, {use.name: use for use in uses.values()}, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A table with what is needed to guess. table: None where it lies in ``file`` already. folder:
    what names of files are relative to. mixed: column -> types of its cells, where there are
    several. renamed: column -> its name in the recipe, where the own one cannot stand in one.
    options: what its source is told of how the file is written.
    """

    table: pa.Table | None
    file: Path
    kind: str
    cells: dict[str, Sequence[object]]
    folder: Path
    files: FileNames | None
    mixed: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


def _given(
    table: AnyTable, out: Path, media: str | Path | None, passed_over: Container[str]
) -> _Given:
    if media is not None and not Path(media).is_dir():
        raise InputError(f"media: {media} is no folder")
    if is_path(table):
        file = Path(str(table)).absolute()
        sample = sample_of(file)
        if not sample.rows:
            raise InputError(f"{file}: the table has no rows")
        folder = Path(media).absolute() if media is not None else file.parent
        return _Given(
            table=None,
            file=file,
            kind=sample.kind,
            cells=dict(sample.cells),
            folder=folder,
            files=_files(folder),
            options=sample.options,
        )
    whole, mixed = arrow_table(table, passed_over)
    if not len(whole):
        raise InputError("table: it has no rows")
    renamed = names_for_recipes(whole.column_names)
    whole = whole.rename_columns([renamed.get(name, name) for name in whole.column_names])
    # evenly, for many tables are sorted
    step = -(-len(whole) // _MOST_ROWS)
    cells = whole.take(pa.array(range(0, len(whole), step))).to_pydict()
    folder = Path(media or ".").absolute()
    return _Given(
        table=whole,
        file=out / "table.parquet",
        kind="parquet",
        cells=cells,
        folder=folder,
        # the current folder may hold anything, and whole paths need no search
        files=_files(folder) if media is not None else None,
        mixed={renamed.get(name, name): types for name, types in mixed.items()},
        renamed=renamed,
    )


def _files(folder: Path) -> FileNames:
    listing = list_files(folder)
    return FileNames(listing.files, folder if listing.is_sample else None)


def _uses(given: _Given, target: str, said: Mapping[str, str | None]) -> dict[str, ColumnUse]:
    """What each column is used for, by its name in the recipe. said: by the table's own names."""
    said = {given.renamed.get(name, name): use for name, use in said.items()}
    uses = uses_of(guess_columns(given.cells, given.files), target, said)
    for header, column in given.renamed.items():
        uses[column] = replace(uses[column], header=header)
    return uses


def _settled(given: _Given, uses: Mapping[str, ColumnUse], out: Path) -> tuple[Path, str]:
    """Have the table lie in its file, with whole paths; the data root, and where below it the names
    of files begin.
    """
    reads = [use for use in uses.values() if use.use in MEDIA]
    direct = [use.column for use in reads if not use.guess.places]
    for column in direct:
        _check_there(column, given)
    if given.table is not None:
        whole = with_whole_paths(given.table, direct, given.folder)
        out.mkdir(parents=True, exist_ok=True)
        write_file(whole, given.file)
        given.cells.update({name: whole[name].to_pylist() for name in direct})
    root = _root_of(given, direct, any(use.guess.places for use in reads))
    return root, str(given.folder.relative_to(root)) if given.folder.is_relative_to(root) else ""


def _root_of(given: _Given, direct: Sequence[str], looks_in_folder: bool) -> Path:
    """The folder below which the table lies, and every file that it names. direct: columns of whole
    paths.
    """
    folders = [str(given.file.parent)]
    folders += [str(given.folder)] if looks_in_folder else []
    for column in direct:
        folders += [os.path.dirname(str(cell)) for cell in given.cells[column] if cell]
    return Path(os.path.commonpath(folders))


def _source(given: _Given, root: Path) -> dict[str, object]:
    """What reads the table, without its columns."""
    decimal, thousands = number_marks(given.cells)
    source: dict[str, object] = {"type": given.kind, "path": str(given.file.relative_to(root))}
    source |= given.options
    source |= {"decimal": decimal} if decimal != "." else {}
    return source | ({"thousands": thousands} if thousands else {})


def _check_there(column: str, given: _Given) -> None:
    """InputError where of the files that a column names none is there."""
    names = [str(cell) for cell in given.cells[column] if not is_absent(cell)][:_MOST_LOOKED_AT]
    if names and not any((given.folder / name).is_file() for name in names):
        raise InputError(
            f"columns: {column!r} names files, and of {len(names)} that were looked for none is in"
            f" {given.folder} ({names[0]!r}); say media=FOLDER, or pass it over:"
            f" columns={{{column!r}: None}}"
        )


def _fewest_units(uses: Mapping[str, ColumnUse], given: _Given) -> int:
    """How many values the rows have at least of what keeps them in one split: their group, and
    texts and media that may be the same.
    """
    together = ("text", *MEDIA, "group")
    values = [use.guess.values for use in uses.values() if use.use in together]
    return min([*values, len(next(iter(given.cells.values())))])


def _has_gpu() -> bool:
    """Whether training would take a GPU by itself."""
    options, _ = parse_options({"target": "y", "inputs": {"x": {}}})
    # without torch the plan says what is missing
    if options is None or importlib.util.find_spec("torch") is None:
        return False
    from ...stages.train.loop.device import device_of

    return device_of(options).type != "cpu"


def _left_out(account: Account) -> list[str]:
    """Which rows are left out, and what else was found as the table was read."""
    lines = [
        f"{count:,} rows left out: {reason}; see .result.rejects()"
        for reason, count in account.to_dict()["rejects_by_reason"].items()
    ]
    return lines + [note for count in account.sources for note in count.notes]


def _mixed(uses: Mapping[str, ColumnUse], given: _Given) -> list[str]:
    """Which columns that are used became texts, since their cells are of several types."""
    return [
        f"{uses[name].name}: its cells are of several types ({types}) and are read as texts"
        for name, types in given.mixed.items()
        if uses[name].use != "passed over"
    ]


def _told(uses: Mapping[str, ColumnUse]) -> list[str]:
    """What each column is used for, one line each."""
    order = sorted(uses.values(), key=lambda use: (not use.of_target, use.use == "passed over"))
    lines = [str(use) for use in order[:_MOST_TOLD]]
    if len(order) > _MOST_TOLD:
        lines.append(f"and {len(order) - _MOST_TOLD:,} columns more; see .columns")
    return [*lines, "say otherwise with columns={'NAME': 'text'}, or None to pass one over"]
