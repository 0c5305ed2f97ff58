"""What came of a run, and the tables that it left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ..schemas.account import Account
from ..schemas.disk import read_parquet
from ..schemas.html import html_lines
from ..schemas.index import ShardSet
from ..schemas.layout import RunFolder
from .texts import account_text, rejects_table

if TYPE_CHECKING:
    from ..stages.train.evaluation.evaluate import Evaluation


@dataclass(slots=True)
class Result:
    """What a run left: its account, its output folder with the tables in it, its shards, and what
    training reported.

    As a string it is what the command line prints; a notebook shows the account.
    """

    account: Account
    out: Path
    shards: ShardSet | None = None
    training: Evaluation | None = None

    def manifest(self) -> pa.Table:
        """Every record that is left, one a row."""
        return read_parquet(RunFolder(self.out).manifest)

    def rejects(self, stage: str | None = None) -> pa.Table:
        """Every record that was left out or goes on without a partner, and why; of one stage
        alone where it is given.
        """
        return rejects_table(self.out, stage)

    def signals(self) -> pa.Table:
        """What was measured of every part, kept or not, with the verdict of every rule."""
        return read_parquet(RunFolder(self.out).signals)

    def __repr__(self) -> str:
        return f"Result({', '.join([repr(str(self.out)), repr(self.account), *self._training()])})"

    def __str__(self) -> str:
        text = account_text(self.account)
        if self.training is not None:
            from ..stages.train.evaluation.evaluate import table_text

            text += "\n\n" + table_text(self.training, brief=True) + "\n"
        return text

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        lines = [*self._training(), f"Everything lies in {self.out}."]
        return self.account._repr_html_() + html_lines(lines)

    def _training(self) -> list[str]:
        """What training reported, in one line if it did."""
        if self.training is None:
            return []
        from ..stages.train.evaluation.evaluate import summary_text

        return [f"{self.training['target']}: {summary_text(self.training)}"]
