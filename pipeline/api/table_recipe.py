"""The recipe that learns a column of a table from the others."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ...schemas.errors import InputError
from ...schemas.record import is_part_name
from ...stages.template import field_of, is_absent, plain
from ..guess.claims import as_name
from ..guess.columns import split_word
from .held_out import SHARES, torn_groups
from .tables import free_name
from .uses import MEDIA, ColumnUse

SOURCE = "table"
_MOST_PARTS = 8
_TASKS = {"category": "classification", "number": "regression", "list": "multilabel"}
_MOST_TOKENS = 64  # cells that are a token each
_LENGTHS = (8, 256)  # words of a text that are read, at least and at most


def recipe_of_table(
    uses: Mapping[str, ColumnUse],
    cells: Mapping[str, Sequence[object]],
    source: Mapping[str, object],
    folder: str,
    train: Mapping[str, object],
    has_gpu: bool,
    seed: int = 0,
) -> dict[str, object]:
    """The recipe as a dictionary, without its data root.

    cells: some of each column. source: what reads the table, without its columns. folder: below the
    data root, that names of files are relative to. train: options of training that the user gives.
    has_gpu: whether encoders may be larger than what a CPU trains in minutes. seed: of the split.
    """
    of = {
        word: [use for use in uses.values() if use.use == word and not use.of_target]
        for word in ("text", *MEDIA, "number", "category", "group", "split")
    }
    target = next(use for use in uses.values() if use.of_target)
    parts = _part_names([use for word in ("text", *MEDIA) for use in of[word]])
    columns = [use.column for use in uses.values() if use in of["number"] + of["category"]]
    inputs = _inputs(of, parts, cells, has_gpu)
    mapping = {**source, **_parts(of, parts, folder)}
    if columns:
        name = free_name("cells", inputs)
        mapping["table"] = {name: columns}
        inputs[name] = _input_of_cells(columns, of["category"])
    _check_few(inputs, parts)
    mapping |= _answers(target)
    if of["group"] and not torn_groups(uses, cells):
        mapping["group"] = field_of(of["group"][0].column)
    names = {word: word for word in SHARES}
    if of["split"]:
        column = of["split"][0].column
        mapping["split"] = field_of(column)
        names |= _names_of_splits(cells[column])
    stages: list[object] = [
        {"align.require": {"targets": [target.column], "any_of": list(inputs)}},
        *({f"clean.{word}": {"on_fault": "drop_part"}} for word in MEDIA if of[word]),
    ]
    if len(inputs) > bool(columns) and not of["split"]:
        # rows of cells alone are often alike without being one
        stages.append({"clean.duplicates": {"exact": "group"}})
    shares = {names[word]: share for word, share in SHARES.items()}
    stages.append({"align.split": {"shares": shares, "seed": seed}})
    return {
        "name": "fit",
        "sources": {SOURCE: mapping},
        "stages": stages,
        "features": {parts[use.column]: f"features.{use.use}" for use in of["audio"] + of["video"]},
        "train": {
            "task": _TASKS[target.use],
            "target": target.column,
            "inputs": inputs,
            **{f"{word}_split": names[word] for word in ("train", "val") if names[word] != word},
            **train,
        },
    }


def _inputs(
    of: Mapping[str, Sequence[ColumnUse]],
    parts: Mapping[str, str],
    cells: Mapping[str, Sequence[object]],
    has_gpu: bool,
) -> dict[str, dict[str, object]]:
    """How the model reads each part of texts and media, those that are made features as such."""
    inputs: dict[str, dict[str, object]] = {
        parts[use.column]: {
            "encoder": "lstm" if has_gpu else "embedding",
            "length": _length(cells[use.column]),
        }
        for use in of["text"]
    }
    size: dict[str, object] = {"size": 128 if has_gpu else 64}
    return inputs | {
        parts[use.column]: dict(size) if use.use == "image" else {"feature": True}
        for word in MEDIA
        for use in of[word]
    }


def _input_of_cells(columns: Sequence[str], categories: Sequence[ColumnUse]) -> dict[str, object]:
    """How the model reads the cells; categories that look like numbers are said to be none."""
    encoder = "table_tokens" if len(columns) <= _MOST_TOKENS else "table_linear"
    numbered = [use.column for use in categories if use.guess.are_numbers]
    return {"encoder": encoder, **({"categories": numbered} if numbered else {})}


def _check_few(inputs: Mapping[str, object], parts: Mapping[str, str]) -> None:
    if len(inputs) > _MOST_PARTS:
        raise InputError(
            f"table: {len(inputs)} columns of texts and files make {2 ** len(inputs):,} subsets to"
            f" evaluate; wanted at most {_MOST_PARTS}: pass some over, as"
            f" columns={{{next(iter(parts))!r}: None}}"
        )


def _parts(
    of: Mapping[str, Sequence[ColumnUse]], parts: Mapping[str, str], folder: str
) -> dict[str, object]:
    """What of the source makes parts of texts and media."""
    texts = {parts[use.column]: field_of(use.column) for use in of["text"]}
    media = {
        parts[use.column]: {
            "path": _template(use, folder),
            "modality": use.use,
            "unlisted": "ignore",
        }
        for word in MEDIA
        for use in of[word]
    }
    options: dict[str, object] = {"text": texts, "media": media}
    return {option: value for option, value in options.items() if value}


def _answers(target: ColumnUse) -> dict[str, object]:
    """What of the source makes the target."""
    made: dict[str, object] = {"numbers" if target.use == "number" else "targets": [target.column]}
    if target.use == "list" and target.guess.separator:
        made["lists"] = {target.column: target.guess.separator}
    return made


def _part_names(uses: Sequence[ColumnUse]) -> dict[str, str]:
    """Column -> a name for its part, which becomes part of file names."""
    names: dict[str, str] = {}
    for use in uses:
        # kept where it can be: a csv of the same columns is then one for modalmill predict
        word = use.column if is_part_name(use.column) else as_name(use.column)
        names[use.column] = free_name(word or use.use, names.values())
    return names


def _template(use: ColumnUse, folder: str) -> str:
    """How a cell leads to its file, below the data root."""
    if not use.guess.places:
        return field_of(use.column)
    place = use.guess.places[0]
    if place.is_spread:
        raise InputError(
            f"columns: the files that {use.column!r} names lie in many folders below"
            f" {place.path or '.'}; give whole paths, or pass it over:"
            f" columns={{{use.column!r}: None}}"
        )
    return str(PurePosixPath(folder) / place.path)


def _length(cells: Sequence[object]) -> int:
    """Words of a text that are read: as nine of ten have them, within bounds."""
    counts = [len(plain(cell).split()) for cell in cells if not is_absent(cell)] or [0]
    most = statistics.quantiles(counts, n=10)[-1] if len(counts) > 1 else counts[0]
    return round(min(max(most + 1, _LENGTHS[0]), _LENGTHS[1]))


def _names_of_splits(cells: Sequence[object]) -> dict[str, str]:
    """How the table calls the splits for training, for choosing the epoch and for testing."""
    names: dict[str, str] = {}
    for cell in cells:
        word = split_word(plain(cell))
        if word:
            names.setdefault(word, plain(cell).strip())
    return names
