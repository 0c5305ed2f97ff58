"""Variants of a recipe: values of its options swept over, and rules left out, one at a time."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..schemas.errors import RecipeError
from ..schemas.fingerprint import fingerprint
from ..schemas.layout import RunFolder
from ..schemas.recipe import Recipe, load_recipe
from ..schemas.record import make_key

MOST_VARIANTS = 64
_OPENING, _CLOSING, _QUOTES = "[{(", "]})", "'\""


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe with some options set to other values, or without a rule. name: empty for the recipe
    as it is.
    """

    set: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What is other: ``train.learning_rate=0.001, without clean.image``."""
        return ", ".join([*self.set, *(f"without {place}" for place in self.without)])

    def load(self, path: Path, overrides: Sequence[str]) -> tuple[Recipe, Path]:
        """The recipe of the variant, and its data root."""
        try:
            return load_recipe(path, [*overrides, *self.set], self.without)
        except RecipeError as error:
            own = [
                problem.replace(f"--set {text}", f"--sweep {text}", 1)
                for problem in error.problems
                for text in [next((text for text in self.set if text in problem), "")]
            ]
            raise RecipeError(own, where=str(path)) from error


def variants_of(sweeps: Iterable[str], without: Iterable[str]) -> list[Variant]:
    """Every combination of the values of all sweeps, each with all rules and without each of those
    that are left out; one variant, the recipe as it is, where nothing is asked for.
    """
    swept = [_values(text) for text in dict.fromkeys(sweeps)]
    left: list[tuple[str, ...]] = [(), *((place,) for place in dict.fromkeys(without))]
    variants = [Variant(own, gone) for own in itertools.product(*swept) for gone in left]
    if len(variants) > MOST_VARIANTS:
        raise RecipeError(
            [
                f"--sweep and --without: they make {len(variants):,} variants, and at most"
                f" {MOST_VARIANTS} are tried; sweep over fewer values at once"
            ],
            where="compare",
        )
    return variants


def _values(text: str) -> list[str]:
    """``a.b=1,2`` as ``a.b=1`` and ``a.b=2``; commas within brackets and quotes part nothing."""
    place, equals, right = text.partition("=")
    values = list(dict.fromkeys(_parted(right)))
    if not equals or not place.strip() or not all(values):
        raise RecipeError(
            [f"--sweep {text}: wanted name=value,value, for example train.width=32,64"],
            where="compare",
        )
    return [f"{place.strip()}={value}" for value in values]


def _parted(text: str) -> list[str]:
    pieces, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        elif letter in _OPENING + _CLOSING:
            depth += 1 if letter in _OPENING else -1
        elif letter == "," and depth == 0:
            pieces.append("")
            continue
        pieces[-1] += letter
    return [piece.strip() for piece in pieces]


def data_of(recipe: Recipe, root: Path) -> str:
    """A fingerprint of all that decides the shards of a recipe, which training does not."""
    value = recipe.model_dump(mode="json", exclude={"train", "name", "tolerance"})
    return fingerprint(value, str(root))


class PreparedData:
    """Where the shards of each variant lie: those of the recipe as it is in its own output folder,
    others below ``compare/data``. Variants of the same data share them, and work that several have
    in common (sources read, media measured, stages ahead of what is other) is done once.
    """

    def __init__(self, target: Path, as_it_is: str) -> None:
        self._target = target
        self._folders = {as_it_is: target}

    def folder(self, data: str, name: str) -> Path:
        """The output folder of some data; ``name``: of the first variant that wants them."""
        if data not in self._folders:
            self._folders[data] = RunFolder(self._target).compare / "data" / make_key(name)
        return self._folders[data]

    def lend(self, folder: Path) -> None:
        """Give a folder the work of all others that are there."""
        for other in self._folders.values():
            if other != folder and RunFolder(other).work.root.is_dir():
                _share_work(RunFolder(other), RunFolder(folder))


def _share_work(one: RunFolder, other: RunFolder) -> None:
    """Files of work that are named by what made them, which nobody writes into once they are
    there: the same file under two names, or a copy where the file system has no such links.
    """
    for source, target in (
        (one.work.ingested, other.work.ingested),
        (one.work.media, other.work.media),
        (one.work.measured, other.work.measured),
        (one.work.records, other.work.records),
    ):
        for path in sorted(source.rglob("*")) if source.is_dir() else ():
            place = target / path.relative_to(source)
            if path.is_dir() or path.name.startswith(".") or place.exists():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, place)
            except OSError:
                shutil.copy2(path, place)
