"""What lies in an output folder, as the sections of the page ask for it."""

from __future__ import annotations

import functools
import json
import math
import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...schemas.account import Account
from ...schemas.disk import read_parquet
from ...schemas.errors import InputError, ModalmillError
from ...schemas.index import SET_FILE, ShardSet, read_shard_set
from ...schemas.layout import RunFolder
from ...schemas.recipe import Recipe, load_recipe
from ...stages import outside
from ...stages.base import Bounds, RecordStage
from ..plan import placed_stages
from ..texts import read_account
from .part_table import PartTable

_TOLD_LIMIT = re.compile(r"(?:^|, )(p[\d.]+|low|high) = (\S+?)(?=,|$)")


class Output:
    """An output folder. account: without any line where the sources were only measured.

    parts: what was measured, kept or not; None where no record has a part. recipe_fault: why the
        recipe that lies there cannot be read here, or nothing.
    """

    def __init__(self, out: Path) -> None:
        self.folder = RunFolder(out)
        only_measured = self.folder.measured.is_file() and not self.folder.account.is_file()
        self.account = Account() if only_measured else read_account(out)
        path = self.folder.signals if self.folder.signals.is_file() else self.folder.measured
        self.parts = PartTable(path) if path.is_file() else None
        self.recipe: Recipe | None = None
        self.root: Path | None = None
        self.recipe_fault = ""
        try:
            self.recipe, self.root = load_recipe(self.folder.recipe)
            if self.recipe.use:
                outside.use(self.recipe.use)
        except ModalmillError as error:
            self.recipe_fault = str(error)

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.recipe.name if self.recipe else self.folder.root.resolve().name

    @functools.cached_property
    def shards(self) -> ShardSet | None:
        """The set of shards, where there is one."""
        there = (self.folder.shards / SET_FILE).is_file()
        return read_shard_set(self.folder.shards) if there else None

    @functools.cached_property
    def rejects(self) -> pa.Table:
        """The rows of the records that were left out, or lost a part."""
        return read_parquet(self.folder.rejects) if self.folder.rejects.is_file() else None

    @functools.cached_property
    def bounds(self) -> dict[str, Bounds]:
        """Column of a verdict -> what the rule allows, with the limits that the corpus set."""
        if self.recipe is None:
            return {}
        found: dict[str, Bounds] = {}
        problems: list[str] = []
        for placed in placed_stages(self.recipe, problems):
            if isinstance(placed.stage, RecordStage):
                for rule, bounds in placed.stage.bounds().items():
                    found[f"{placed.address}.{rule}"] = self._told(placed.address, rule, bounds)
        self.recipe_fault = self.recipe_fault or "; ".join(problems)
        return found

    def _told(self, address: str, rule: str, bounds: Bounds) -> Bounds:
        """The bounds with the limits that stand with the records that broke the rule; an end that
        nobody broke is none.
        """
        ends = (bounds.low, bounds.high)
        if not any(isinstance(end, str) for end in ends):
            return bounds
        limits = self._limits(address, rule)
        low, high = (limits.get(end, math.nan) if isinstance(end, str) else end for end in ends)
        return Bounds(
            bounds.number,
            -math.inf if math.isnan(low) else low,
            math.inf if math.isnan(high) else high,
        )

    def _limits(self, address: str, rule: str) -> dict[str, float]:
        if self.rejects is None:
            return {}
        own = pa.compute.and_(
            pa.compute.equal(self.rejects["stage"], address),
            pa.compute.starts_with(self.rejects["rule"], f"{rule} "),
        )
        for text in self.rejects["threshold"].filter(own).slice(0, 1).to_pylist():
            return {name: float(number) for name, number in _TOLD_LIMIT.findall(text or "")}
        return {}


# Any: what training wrote, by its own types, which stand on torch
def read_json(path: Path) -> dict[str, Any] | None:
    """An object of a JSON file, None where there is no file; InputError where it is not whole."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(value, dict):
        raise _unreadable(path, f"wanted an object, found {type(value).__name__}")
    return value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one in each line; none where there is no file."""
    if not path.is_file():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, why: object) -> InputError:
    return InputError(f"{path}: cannot be read ({why}); remove it, or make it again")
