"""What lies where in the output folder of a run.

    recipe.yaml                       the recipe as it was run
    account.json                      what became of every record
    rejects.parquet                   those that were left out, and why
    signals.parquet                   what was measured of every part
    duplicates.parquet                what records have in common, pair by pair
    measured.parquet                  the same of the sources, by who only looks
    labels.parquet                    which labels are likely wrong, by who asks
    similarity.parquet                how alike two parts of each record are, by who asks
    report.html                       all of it on one page, by who asks
    manifest/part-00000.parquet       every record that is left
    shards/                           tars, their indexes, shards.json
    features/                         vectors by content
    training/                         checkpoints, log, evaluation
    compare/                          the trainings of each method, with each seed; other data
    work/                             what a run that goes on needs of the one before; its costs

Others read what lies outside of ``work``. Without ``work``, everything is computed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The output folder of a run: ``RunFolder(Path("out")).rejects`` is ``out/rejects.parquet``."""

    root: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it was run, in YAML."""
        return self.root / "recipe.yaml"

    @property
    def account(self) -> Path:
        """What became of every record, in JSON."""
        return self.root / "account.json"

    @property
    def rejects(self) -> Path:
        """The records that were left out, as Parquet."""
        return self.root / "rejects.parquet"

    @property
    def signals(self) -> Path:
        """What was measured of every part, as Parquet."""
        return self.root / "signals.parquet"

    @property
    def duplicates(self) -> Path:
        """What records were found to have in common, as Parquet; only where anything was."""
        return self.root / "duplicates.parquet"

    @property
    def measured(self) -> Path:
        """The same of the sources alone, which were only measured."""
        return self.root / "measured.parquet"

    @property
    def labels(self) -> Path:
        """Which labels are likely wrong, as Parquet."""
        return self.root / "labels.parquet"

    @property
    def similarity(self) -> Path:
        """How alike two parts of each record are, as Parquet."""
        return self.root / "similarity.parquet"

    @property
    def report(self) -> Path:
        """All that lies in the folder on one page, as HTML."""
        return self.root / "report.html"

    @property
    def manifest(self) -> Path:
        """The records that are left, as Parquet."""
        return self.root / "manifest" / "part-00000.parquet"

    @property
    def shards(self) -> Path:
        """The folder of tars and their indexes."""
        return self.root / "shards"

    @property
    def features(self) -> Path:
        """The folder of cached vectors."""
        return self.root / "features"

    @property
    def training(self) -> Path:
        """The folder of a training."""
        return self.root / "training"

    @property
    def compare(self) -> Path:
        """The folder of the trainings of a comparison."""
        return self.root / "compare"

    @property
    def work(self) -> WorkFolder:
        """What a run that goes on needs of the one before."""
        return WorkFolder(self.root / "work")


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """The folder ``work`` of a run. Notes say what a file was made from, and when."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the run that is at work."""
        return self.root / ".lock"

    @property
    def costs(self) -> Path:
        """What each step cost when it was last done."""
        return self.root / "costs.json"

    @property
    def before(self) -> Path:
        """The account and the recipe of the run before, where they were others."""
        return self.root / "before.json"

    @property
    def ingested(self) -> Path:
        """Partitions as sources gave them."""
        return self.root / "ingest"

    @property
    def media(self) -> Path:
        """Measurements of media, by what made them."""
        return self.root / "media"

    @property
    def measured(self) -> Path:
        """Measurements of the media of each partition."""
        return self.root / "measured"

    @property
    def records(self) -> Path:
        """Partitions after stages."""
        return self.root / "records"

    @property
    def pieces(self) -> Path:
        """Pieces of shards, and the ledger of which tars are made of which."""
        return self.root / "shard"

    @property
    def planned(self) -> Path:
        """Records in the order of the shards they go into, while these are written."""
        return self.pieces / "planned"

    @property
    def building(self) -> Path:
        """Tars that are not whole yet."""
        return self.pieces / "building"

    @property
    def features(self) -> Path:
        """Vectors of some records at once, by extractor."""
        return self.root / "features"

    @property
    def features_note(self) -> Path:
        """What the cached vectors were made from."""
        return self.root / "features.json"

    @property
    def manifest_note(self) -> Path:
        """What the manifest was made from."""
        return self.root / "manifest.json"

    @property
    def rejects_note(self) -> Path:
        """What the table of rejects was made from."""
        return self.root / "rejects.json"

    @property
    def signals_note(self) -> Path:
        """What the table of signals was made from."""
        return self.root / "signals.json"

    @property
    def duplicates_note(self) -> Path:
        """What the table of what records have in common was made from."""
        return self.root / "duplicates.json"

    @property
    def measured_note(self) -> Path:
        """What the table of the sources alone was made from."""
        return self.root / "measured.json"
