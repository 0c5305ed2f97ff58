"""Prediction: one record given as files and words, the rows of a CSV, or the records of shards; any
part may be left out.

Every answer says what was used, what was missing and what was damaged, and how sure the model is.
"""

from __future__ import annotations

import csv
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch

from ....schemas.errors import InputError
from ...modality import OnDisk
from ...stream import FusionBatch
from ..data.inputs import chosen_split, shards_of
from ..model import checkpoint
from .from_files import Given, GivenNotes

_ROWS = 32


def _nothing(item: str) -> None:
    pass


class Answer(TypedDict, total=False):
    """probability: where the answer is no number."""

    answer: str
    probability: float


class Prediction(TypedDict, total=False):
    """The answers to one record, the likeliest first, and what they rest on.

    target: for a record that a person gave, which has no key. labels, caption: of models that give
        them. damaged: part -> why it could not be read, where any could not. remarks: part -> what
        its features leave out or cut, where they do.
    """

    target: str
    key: str
    answers: list[Answer]
    labels: list[str]
    caption: str
    used: list[str]
    missing: list[str]
    damaged: dict[str, str]
    remarks: dict[str, str]


class VqaResult(TypedDict):
    """An answer in the official format."""

    question_id: int
    answer: str


class Predictor:
    """A model that answers, and counts how long it takes. ``milliseconds``: of each batch, by
    record.
    """

    def __init__(self, path: Path, top: int = 5) -> None:
        self.saved = checkpoint.load(path)
        self.names = self.saved.inputs.names
        self._top = top
        self._given = Given(self.saved)
        self._captioner = self.saved.captioner
        self.milliseconds: list[float] = []

    def one(self, given: Mapping[str, str]) -> Prediction:
        """The answer to one record; ``given`` maps a modality to a file or words, or to
        ``part=...``. What cannot be read is an InputError.
        """
        batch, _, remarks = self.batch_of(given)
        return self.answer(batch, remarks)

    def make_ready(self) -> None:
        """Make what would be made at the first record; InputError where it cannot be had here."""
        self._given.make_ready()

    def answer(self, batch: FusionBatch, remarks: Mapping[str, str]) -> Prediction:
        """The answer to a batch of one record, with these remarks."""
        prediction = self._answer(batch, [GivenNotes(remarks=dict(remarks))])[0]
        del prediction["key"]
        return {"target": self.saved.options.target, **prediction}

    def batch_of(
        self, given: Mapping[str, str]
    ) -> tuple[FusionBatch, dict[str, str], dict[str, str]]:
        """One record as a batch, what was given for each part, and the remarks on it."""
        parts = self._given.assigned(given)
        batch, (notes,) = self._given.batch([parts], ["prediction"])
        for name, why in notes.damaged.items():
            raise InputError(f"--{self.saved.inputs.modalities[name]} {parts[name]}: {why}")
        return batch, parts, notes.remarks

    def rows(self, path: Path) -> Iterator[Prediction]:
        """The answer to each row of a CSV whose columns are named by parts (or modalities): files,
        relative to the CSV, and words.

        An empty cell is a missing part; a file that cannot be read counts as missing and is told
        under ``damaged``. A column ``key`` names the row.
        """
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                columns = self._columns(path, reader.fieldnames or ())
                numbered = _numbered(path, reader)
                while lines := list(itertools.islice(numbered, _ROWS)):
                    records = [
                        self._row(
                            path,
                            {
                                name: row[column]
                                for column, name in columns.items()
                                if row.get(column)
                            },
                        )
                        for _, row in lines
                    ]
                    keys = [row.get("key") or f"{path.name}:{line}" for line, row in lines]
                    yield from self._answer(*self._given.batch(records, keys))
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error

    def records(
        self,
        given: Iterable[Mapping[str, str]],
        keys: Iterable[str],
        check: Callable[[str], None] = _nothing,
    ) -> Iterator[Prediction]:
        """The answer to each record of files and words by the name of its part, in order; what
        cannot be read counts as missing and is told under ``damaged``. check: as for
        :meth:`Given.batch`.
        """
        rows = zip(given, keys, strict=True)
        while some := list(itertools.islice(rows, _ROWS)):
            yield from self._answer(
                *self._given.batch([parts for parts, _ in some], [key for _, key in some], check)
            )

    def shards(self, shards: Path, split: str = "") -> Iterator[Prediction]:
        """The answer to each record of a split of shards."""
        folder = shards_of(shards)
        for raw in self.saved.inputs.open(folder, chosen_split(folder, split), rank=0, world=1):
            batch = self.saved.inputs.completed(raw)
            yield from self._answer(batch, [GivenNotes()] * len(batch))

    def speed_text(self) -> str:
        """How long a record took."""
        if not self.milliseconds:
            return "no records"
        p50, p99 = np.quantile(self.milliseconds, [0.5, 0.99])
        return (
            f"{len(self.milliseconds):,} batches; {p50:.2f} ms a record in the middle (p50),"
            f" {p99:.2f} ms at worst (p99), without reading"
        )

    def _columns(self, path: Path, columns: Sequence[str]) -> dict[str, str]:
        """Column -> what it gives: a part, or a column that a part is made of."""
        inputs = self.saved.inputs
        wanted = {
            column
            for name in self.names
            for column in inputs.modality(name).columns(name, inputs.fitted.get(name, {}))
        }
        if again := [column for column, count in Counter(columns).items() if count > 1]:
            raise InputError(f"{path}: the column {again[0]!r} stands there twice")
        meanings: dict[str, str] = {}
        for column in columns:
            if column in wanted:
                meanings[column] = column
                continue
            alike = [
                name
                for name in self.names
                if inputs.modalities[name] == column and name not in columns
            ]
            if alike:
                meanings[column] = alike[0]
        if not meanings:
            raise InputError(
                f"{path}: no column is called like a part of the model"
                f" ({', '.join(sorted(wanted))}); found {', '.join(columns) or 'none'}"
            )
        return meanings

    def _row(self, path: Path, row: Mapping[str, str]) -> dict[str, str]:
        """What a row gives for each part; files lie beside the CSV."""
        values = {}
        for name in self.names:
            kind = self.saved.inputs.modality(name)
            value = kind.from_row(name, row, self.saved.inputs.fitted.get(name, {}))
            if value is not None:
                values[name] = str(path.parent / value) if isinstance(kind, OnDisk) else value
        return values

    @torch.no_grad()
    def _answer(self, batch: FusionBatch, notes: Sequence[GivenNotes]) -> list[Prediction]:
        began = time.perf_counter()
        model = self.saved.model
        decided = model.decided(*model.encode(batch), batch.present_BM, batch.present_BM)
        objective = self.saved.objective
        answers = objective.answers(decided.logits_BO, self._top)
        labels = objective.labels(decided.logits_BO)
        captions = self._captioner.write(decided.vector_BD) if self._captioner else []
        self.milliseconds.append((time.perf_counter() - began) * 1000 / max(1, len(batch)))
        predictions = []
        for row, (key, best, read) in enumerate(zip(batch.keys, answers, notes, strict=True)):
            if batch.weight_B[row] > 0:
                here = dict(zip(self.names, batch.present_BM[row].tolist(), strict=True))
                prediction: Prediction = {
                    "key": key,
                    "answers": [_shown(answer, probability) for answer, probability in best],
                }
                if labels is not None:
                    prediction["labels"] = labels[row]
                if captions:
                    prediction["caption"] = captions[row]
                prediction["used"] = [name for name in self.names if here[name]]
                prediction["missing"] = [name for name in self.names if not here[name]]
                if read.damaged:
                    prediction["damaged"] = read.damaged
                if read.remarks:
                    prediction["remarks"] = read.remarks
                predictions.append(prediction)
        return predictions


def _numbered(
    path: Path, reader: csv.DictReader[str]
) -> Iterator[tuple[int, dict[str | Any, str | Any]]]:
    """The rows with their numbers, the header's being 1; InputError for one that is wider than
    that.
    """
    for number, row in enumerate(reader, start=2):
        # what is beyond the header stands under None
        if any(row.get(None) or ()):
            raise InputError(
                f"{path}: row {number} has more cells than the header; put cells with commas in"
                " quotes"
            )
        yield number, row


def _shown(answer: str, probability: float | None) -> Answer:
    return (
        {"answer": answer}
        if probability is None
        else {"answer": answer, "probability": round(probability, 6)}
    )


def vqa_results(found: Iterable[Prediction]) -> list[VqaResult]:
    """Predictions in the official format of VQA results; the question's id is the number at the end
    of the key.
    """
    results: list[VqaResult] = []
    for prediction in found:
        if "labels" in prediction:
            raise InputError("VQA results hold one answer a question, and this model gives labels")
        number = prediction["key"].rpartition("-")[2]
        if not number.isdecimal():
            raise InputError(
                f"{prediction['key']}: no question's number at the end of the key; VQA results are"
                " of shards from a coco_vqa source"
            )
        results.append(
            {
                "question_id": int(number),
                "answer": prediction["answers"][0]["answer"] if prediction["answers"] else "",
            }
        )
    return results


def prediction_text(found: Prediction) -> str:
    """A prediction for people."""
    lines = [f"{found['target']}:"]
    lines += [
        (f"  {entry['probability']:6.1%}" if "probability" in entry else "")
        + f"  {entry['answer']}"
        for entry in found["answers"]
    ]
    if "labels" in found:
        lines.append(f"labels: {', '.join(found['labels']) or 'none of them is likelier than not'}")
    if "caption" in found:
        lines.append(f"  {found['caption']}")
    lines.append(
        f"used: {', '.join(found['used']) or 'nothing'}"
        + (f"; missing: {', '.join(found['missing'])}" if found["missing"] else "")
    )
    lines += [f"{name}: {remark}" for name, remark in found.get("remarks", {}).items()]
    return "\n".join(lines)
