"""Which parts are present together, and how the classes of the targets lie, over the splits."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas.layout import RunFolder
from .charts import bar, histogram
from .markup import Markup, count_of, data_table, element, joined, section, shortened

_NO_SPLIT = "(no split)"
_USUAL = ("train", "val", "validation", "dev", "test")
_ROWS = 65_536  # read at once
_PATTERNS = 24
_CLASSES = 16
_MOST_CLASSES = 1000  # with more different values a target has no classes
_MOST_TARGETS = 30


class TargetValues:
    """What a target holds. records: that have it. classes: value -> split -> records, None where
    there are too many different ones. numbers: those of its values that are numbers. lists: records
    in which it holds a list.
    """

    def __init__(self) -> None:
        self.records = self.lists = 0
        self.classes: dict[object, Counter[str]] | None = {}
        self.numbers = array("d")

    def add(self, value: object, counts: Counter[str]) -> None:
        """Count a value of so many records in each split."""
        total = counts.total()
        if isinstance(value, list):
            self.lists += total
            return
        self.records += total
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers.extend([float(value)] * total)
        if self.classes is not None:
            self.classes.setdefault(value, Counter()).update(counts)
            if len(self.classes) > _MOST_CLASSES:
                self.classes = None

    def is_numeric(self) -> bool:
        """Whether its values are numbers that are shown as a histogram, and not as classes."""
        is_many = self.classes is None or len(self.classes) > _CLASSES
        return is_many and len(self.numbers) == self.records


class Kept(NamedTuple):
    """What is left, over the splits. presence: parts -> split -> records."""

    splits: Mapping[str, int]
    presence: Mapping[frozenset[str], Counter[str]]
    targets: Mapping[str, TargetValues]


def kept_of(folder: RunFolder) -> Kept | None:
    """What the manifest holds, read some thousand records at a time; None where there is none."""
    if not folder.manifest.is_file():
        return None
    splits: Counter[str] = Counter()
    presence: dict[frozenset[str], Counter[str]] = defaultdict(Counter)
    targets: dict[str, TargetValues] = defaultdict(TargetValues)
    columns = ["split", "targets", "parts.list.element.name"]
    with pq.ParquetFile(folder.manifest) as file:
        for batch in file.iter_batches(_ROWS, columns=columns):
            of_row = batch.column("split").fill_null(_NO_SPLIT).dictionary_encode()
            names, codes = of_row.dictionary.to_pylist(), of_row.indices.to_numpy()
            for split, count in _by_split(names, codes, np.zeros(len(codes), int))[0].items():
                splits[split] += count
            patterns, which = _patterns(batch.column("parts"))
            for place, counts in _by_split(names, codes, which).items():
                presence[patterns[place]].update(counts)
            texts = batch.column("targets").dictionary_encode()
            values = texts.dictionary.to_pylist()
            for place, counts in _by_split(names, codes, texts.indices.to_numpy()).items():
                for name, value in json.loads(values[place]).items():
                    targets[name].add(value, counts)
    order = sorted(splits, key=lambda name: (_USUAL.index(name) if name in _USUAL else 9, name))
    return Kept({name: splits[name] for name in order}, presence, targets)


def _by_split(
    names: Sequence[str], splits: np.ndarray, which: np.ndarray
) -> dict[int, Counter[str]]:
    """For each number in ``which`` how many records of each split have it."""
    pairs, counts = np.unique(which * len(names) + splits, return_counts=True)
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        found[pair // len(names)][names[pair % len(names)]] += count
    return found


def _patterns(lists: pa.ListArray) -> tuple[list[frozenset[str]], np.ndarray]:
    """Each set of parts that is there, and for each record which of them it has."""
    flat = lists.flatten().field("name").dictionary_encode()
    owners = pc.list_parent_indices(lists).to_numpy()
    names, codes = flat.dictionary.to_pylist(), flat.indices.to_numpy()
    has = np.zeros((len(lists), len(names)), bool)
    has[owners, codes] = True
    every, which = np.unique(has, axis=0, return_inverse=True)
    sets = [frozenset(np.array(names, object)[row].tolist()) for row in every]
    return sets, which.reshape(-1)


def splits_section(kept: Kept | None) -> Markup | None:
    """Presence and classes over the splits; None where nothing was kept."""
    if kept is None or not kept.splits:
        return None
    shown = sorted(kept.targets.items())[:_MOST_TARGETS]
    tables = [_target(name, values, kept.splits) for name, values in shown]
    more = len(kept.targets) - len(shown)
    return section(
        "splits",
        "What is left, over the splits",
        _presence(kept),
        element("div", *tables, class_="beside"),
        element("p", f"Not shown: {count_of(more, 'target')} more.") if more else None,
    )


def _presence(kept: Kept) -> Markup:
    parts = sorted({part for pattern in kept.presence for part in pattern})
    patterns = sorted(
        kept.presence, key=lambda own: (-kept.presence[own].total(), len(own), sorted(own))
    )
    whole = sum(kept.splits.values())
    rows: list[list[object]] = []
    for pattern in patterns[:_PATTERNS]:
        counts = kept.presence[pattern]
        rows.append(
            [
                f"{counts.total():,}",
                bar([("kept", counts.total() / whole)]),
                *("●" if part in pattern else "–" for part in parts),
                *(f"{counts[split]:,}" if counts[split] else "–" for split in kept.splits),
            ]
        )
    rows.append(
        [
            f"{whole:,}",
            "all",
            *(
                f"{sum(kept.presence[own].total() for own in patterns if part in own) / whole:.0%}"
                for part in parts
            ),
            *(f"{count:,}" for count in kept.splits.values()),
        ]
    )
    more = len(patterns) - _PATTERNS
    return joined(
        data_table(
            "Parts that are present together (●), in how many records",
            ["records", "", *parts, *kept.splits],
            rows,
            " " * 2 + "." * len(parts) + "n" * len(kept.splits),
        ),
        element("p", f"Not shown: {more:,} rarer patterns.") if more > 0 else None,
    )


def _target(name: str, values: TargetValues, splits: Mapping[str, int]) -> Markup | None:
    if values.is_numeric() and values.records:
        return _as_histogram(name, values)
    if values.lists and not values.records:
        said = f"lists, in {count_of(values.lists, 'record')}; they are not counted by class."
        return element("p", f"{name}: {said}", class_="quiet")
    if values.classes is None:
        said = f"more than {_MOST_CLASSES:,} different values in {values.records:,} records."
        return element("p", f"{name}: {said}", class_="quiet")
    return _classes(name, values.classes, splits)


def _classes(
    name: str, classes: Mapping[object, Counter[str]], splits: Mapping[str, int]
) -> Markup:
    order = sorted(classes, key=lambda value: (-classes[value].total(), str(value)))
    known = sum(counts.total() for counts in classes.values())
    whole = sum(classes.values(), Counter())
    rows: list[list[object]] = [
        [
            shortened(str(value), 80),
            f"{classes[value].total():,}",
            f"{classes[value].total() / known:.1%}",
            bar([("kept", classes[value].total() / classes[order[0]].total())]),
            *(
                f"{classes[value][split]:,} ({classes[value][split] / whole[split]:.0%})"
                if classes[value][split]
                else "–"
                for split in splits
            ),
        ]
        for value in order[:_CLASSES]
    ]
    more = len(order) - _CLASSES
    caption = f"{name}: {count_of(len(classes), 'value')} in {count_of(known, 'record')}"
    columns = [name, "records", "share", "", *splits]
    return element(
        "div",
        data_table(caption, columns, rows, " nn " + "n" * len(splits)),
        element("p", f"Not shown: {count_of(more, 'rarer value')}.") if more > 0 else None,
    )


def _as_histogram(name: str, values: TargetValues) -> Markup:
    numbers = np.frombuffer(values.numbers, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    said = f"{len(numbers):,} numbers, median {np.median(numbers):.4g}"
    return element(
        "figure",
        element("figcaption", element("b", name), f" {said}"),
        histogram(f"Histogram of {name}: {said}", numbers, np.zeros(0)),
    )
