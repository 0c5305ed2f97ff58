"""A table of the epochs, for spreadsheets and pandas."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from ....schemas.disk import write_bytes
from .logger import Logger, TrainingFacts

_FILE = "epochs.csv"


class CsvLogger(Logger):
    """``csv/epochs.csv``: a row an epoch, with a column for each number. It is written anew each
    time, so that an epoch has one row however often it was begun.
    """

    def __init__(self, folder: Path, training: TrainingFacts) -> None:
        self._path = folder / _FILE
        self._rows: dict[int, dict[str, str]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if self._path.is_file():
            with open(self._path, newline="", encoding="utf-8") as file:
                self._rows = {int(row.pop("epoch")): row for row in csv.DictReader(file)}

    def numbers(self, epoch: int, numbers: Mapping[str, float]) -> None:
        self._rows[epoch] = {name: repr(number) for name, number in numbers.items()}
        names = dict.fromkeys(name for row in self._rows.values() for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", *names], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"epoch": number, **row} for number, row in self._rows.items())
        write_bytes(self._path, text.getvalue().encode())
