"""What ``mm.fit`` gives: a trained model that answers for tables."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml

from ...schemas.errors import InputError
from ...schemas.html import html_lines, html_table
from ...schemas.layout import RunFolder
from ...schemas.manifest import Row
from ...schemas.record import Record
from ...stages.base import SOURCE_ROOM, Source, make
from ...stages.template import field_of, fields, is_absent
from ..guess.listing import list_files
from ..guess.paths import FileNames
from ..result import Result
from .table_recipe import SOURCE
from .tables import (
    AnyTable,
    arrow_table,
    is_frame,
    is_path,
    sample_of,
    write_file,
)
from .uses import ColumnUse

if TYPE_CHECKING:
    from ...stages.train.evaluation.evaluate import Evaluation
    from ...stages.train.use.predict import Prediction


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a column of a table.

    result: what the run left. columns: what each column was used for. target_type: of the target,
        which answers have; None where its cells are words.
    """

    result: Result
    columns: Mapping[str, ColumnUse]
    target_type: pa.DataType | None = None

    @property
    def out(self) -> Path:
        """The output folder: recipe, account, rejects, shards, checkpoints."""
        return self.result.out

    @property
    def evaluation(self) -> Evaluation:
        """How good it is, with every subset of the parts, on the records of ``split``."""
        assert self.result.training is not None
        return self.result.training

    @property
    def split(self) -> str:
        """The split that ``evaluation`` is of: of records that it never saw, ``test``. Where the
        table's own splits have none for testing alone, it is the one that chose the best epoch, or
        the one that the model was trained on; ``evaluation`` says so under
        ``chosen_on_this_split`` and ``trained_on_this_split``, and the model where it is shown.
        """
        return self.evaluation["split"]

    @property
    def checkpoint(self) -> Path:
        """The file of the model, for ``modalmill predict``, ``explain``, ``export`` and others."""
        return RunFolder(self.out).training / "best.pt"

    # Any: a data frame where one is given, an Arrow table elsewhere; pandas is no dependency
    def predict(self, table: AnyTable, *, media: str | Path | None = None) -> Any:
        """An answer for each row of a table, in its order: ``prediction``, its ``probability`` (not
        of a number), the parts that were ``missing``, and under ``damaged`` why one could not be
        read. Columns, cells and files may be missing.

        media: the folder of the files that are named. Without it names lead to where those of the
        training table lay, or, where that one had whole paths, are relative to the table's folder,
        for a table in memory to the current one. Whole paths are always taken.
        """
        from ...stages.train.use.predict import Predictor

        rows = self._rows(table, media)
        predictor = Predictor(self.checkpoint, top=1)
        given = [_parts(row.record) if row.fault is None else {} for row in rows]
        keys = [row.record.key for row in rows]
        found = list(predictor.records(given, keys)) if rows else []
        answers = self._answers(rows, found)
        if is_frame(table):
            frame = answers.to_pandas()
            frame.index = table.index  # type: ignore[attr-defined]  # a data frame has one
            return frame
        return answers

    def _rows(self, table: AnyTable, media: str | Path | None) -> list[Row]:
        """The rows as the source of the recipe reads them."""
        recipe = yaml.safe_load(RunFolder(self.out).recipe.read_text(encoding="utf-8"))
        mapping = recipe["sources"][SOURCE]
        used = {use.column: use for use in self.columns.values()}
        with tempfile.TemporaryDirectory() as scratch:
            if is_path(table):
                file = Path(str(table)).absolute()
                folder = file.parent
            else:
                whole, _ = arrow_table(table)
                if not len(whole):
                    return []
                whole = self._renamed(whole)
                file = Path(scratch) / "table.parquet"
                write_file(whole, file)
                folder = Path.cwd()
            sample = sample_of(file)
            if not sample.rows and not sample.broken:
                return []
            options = self._options(mapping, set(sample.cells))
            for entry in options["media"].values():
                had_place = used[fields(entry["path"])[-1]].guess.places
                base = Path(recipe["data"]) if had_place else folder
                entry["path"] = _Place(entry["path"], base, sample.cells).within(media)
            options["path"] = str(file)[1:]
            address = f"{SOURCE_ROOM}.{sample.kind}"
            source, problems = make(address, Source, options, where=f"sources.{SOURCE}")
            assert source is not None, problems
            read = source.read(Path("/"), SOURCE, Counter(), _no_beat)
            return [row for row in read if isinstance(row, Row)]

    def _renamed(self, table: pa.Table) -> pa.Table:
        """The table with the names that its columns have in the recipe."""
        renamed = {use.header: use.column for use in self.columns.values() if use.header}
        # the name may have come since, for another column
        others = [name for name in renamed.values() if name in table.column_names]
        table = table.drop_columns(others)
        return table.rename_columns([renamed.get(name, name) for name in table.column_names])

    # Any: what YAML has
    def _options(self, mapping: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
        """The options of a source that reads parts alone, of columns that are known; InputError
        where there are none.
        """
        options: dict[str, Any] = {
            "text": {
                name: text
                for name, text in mapping.get("text", {}).items()
                if set(fields(text)) <= known
            },
            "table": {
                name: own
                for name, columns in mapping.get("table", {}).items()
                if (own := [column for column in columns if column in known])
            },
            "media": {
                name: dict(entry)
                for name, entry in mapping.get("media", {}).items()
                if set(fields(entry["path"])) <= known
            },
        }
        if not any(options.values()):
            wanted = ", ".join(use.name for use in self.columns.values() if _is_read(use))
            raise InputError(
                f"predict: the table has none of the columns that the model reads ({wanted}); it"
                f" has {', '.join(sorted(known))}"
            )
        marks = ("decimal", "thousands", "absent")
        return options | {word: mapping[word] for word in marks if word in mapping}

    def _answers(self, rows: list[Row], found: list[Prediction]) -> pa.Table:
        """A row for each row of the table; without an answer where it could not be read."""
        columns: dict[str, list[Any]] = {
            name: [] for name in ("prediction", "probability", "missing", "damaged")
        }
        for row, answer in zip(rows, found, strict=True):
            best = answer["answers"][0] if answer["answers"] else {}
            damaged = [f"{name}: {why}" for name, why in answer.get("damaged", {}).items()]
            damaged += [row.fault.message] if row.fault is not None else []
            for use in self.columns.values():
                if use.header:
                    damaged = [why.replace(use.column, use.header) for why in damaged]
            columns["prediction"].append(answer.get("labels", best.get("answer")))
            columns["probability"].append(best.get("probability"))
            columns["missing"].append(answer["missing"])
            columns["damaged"].append("; ".join(damaged) or None)
        return pa.table(
            {
                "prediction": self._typed(columns["prediction"]),
                "probability": pa.array(columns["probability"], pa.float64()),
                "missing": pa.array(columns["missing"], pa.list_(pa.string())),
                "damaged": pa.array(columns["damaged"], pa.string()),
            }
        )

    def _typed(self, answers: list[Any]) -> pa.Array:
        """Answers in the type of the target, where they can be."""
        use = next(use for use in self.columns.values() if use.of_target).use
        if use == "list":
            return pa.array(answers, pa.list_(pa.string()))
        texts = pa.array(answers, pa.string())
        if use == "number":
            return texts.cast(pa.float64())
        try:
            return texts.cast(self.target_type) if self.target_type is not None else texts
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return texts

    def __repr__(self) -> str:
        return f"Model({self._summary()}; {str(self.out)!r})"

    def _repr_html_(self) -> str:
        """As a notebook shows it: how good it is, and what each column was used for."""
        rows = [
            [use.name, "target" if use.of_target else use.use, use.reason]
            for use in self.columns.values()
        ]
        return html_lines([self._summary(), f"Everything lies in {self.out}."]) + html_table(
            ["column", "used as", "why"], rows
        )

    def _summary(self) -> str:
        from ...stages.train.evaluation.evaluate import summary_text

        report = self.evaluation
        target = next(use.name for use in self.columns.values() if use.of_target)
        return f"{target}: {report['metric']} on split {report['split']}: {summary_text(report)}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the files of a column lie. path: template of the recipe. base: the folder that it is
    relative to. cells: of the table.
    """

    path: str
    base: Path
    cells: Mapping[str, list[object]]

    def within(self, media: str | Path | None) -> str:
        """A template below ``/``: as the cells have it where they are whole paths; else within
        ``media``, or below the base.
        """
        column = fields(self.path)[-1]
        names = [str(cell) for cell in self.cells[column] if not is_absent(cell)]
        if names and all(name.startswith("/") for name in names):
            return field_of(column)
        if media is None:
            return f"{str(self.base)[1:]}/{self.path}".lstrip("/")
        folder = Path(media).absolute()
        rows = [
            dict(zip(self.cells, row, strict=True))
            for row in zip(*self.cells.values(), strict=True)
        ]
        places = FileNames(list_files(folder).files).places(column, rows)
        if not places:
            raise InputError(f"media: no file that {column!r} names is in {media}")
        return f"{str(folder)[1:]}/{places[0].path}"


def _is_read(use: ColumnUse) -> bool:
    return not use.of_target and use.use not in ("passed over", "group", "split")


def _parts(record: Record) -> dict[str, str]:
    """Part -> its words, its cells, or the path of its file."""
    return {
        name: part.text if part.text is not None else f"/{part.uri}"
        for name, part in record.parts.items()
    }


def _no_beat(item: str) -> None:
    return
