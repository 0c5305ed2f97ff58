"""Which parts are present together, and how the classes of the targets lie, over the splits."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas.columns import one_array
from ...schemas.layout import RunFolder
from .charts import bar, histogram
from .markup import Markup, count_of, element, joined, section, shortened, table

_NO_SPLIT = "(no split)"
_USUAL = ("train", "val", "validation", "dev", "test")
_PATTERNS = 24
_CLASSES = 16
_MOST_CLASSES = 1000  # from here on the values of a target are no classes
_MOST_TARGETS = 30


class Kept(NamedTuple):
    """What is left, over the splits. presence: parts -> split -> records. targets: target -> value
    -> split -> records; lists: targets that hold lists, with their records.
    """

    splits: Mapping[str, int]
    presence: Mapping[frozenset[str], Counter[str]]
    targets: Mapping[str, Mapping[object, Counter[str]]]
    lists: Mapping[str, int]


def kept_of(folder: RunFolder) -> Kept | None:
    """What the manifest holds, read a row group at a time; None where there is none."""
    if not folder.manifest.is_file():
        return None
    splits: Counter[str] = Counter()
    presence: dict[frozenset[str], Counter[str]] = defaultdict(Counter)
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    columns = ["split", "targets", "parts.list.element.name"]
    with pq.ParquetFile(folder.manifest) as file:
        for batch in file.iter_batches(65_536, columns=columns):
            of_row = batch.column("split").fill_null(_NO_SPLIT).dictionary_encode()
            names, codes = of_row.dictionary.to_pylist(), of_row.indices.to_numpy()
            patterns, pattern_codes = _patterns(one_array(batch.column("parts")))
            targets = batch.column("targets").dictionary_encode()
            target_codes, values = targets.indices.to_numpy(), targets.dictionary.to_pylist()
            for number, split in enumerate(names):
                own = codes == number
                splits[split] += int(own.sum())
                for place, count in _counted(pattern_codes[own]):
                    presence[patterns[place]][split] += count
                for place, count in _counted(target_codes[own]):
                    texts[values[place]][split] += count
    order = sorted(splits, key=lambda name: (_USUAL.index(name) if name in _USUAL else 9, name))
    return Kept({name: splits[name] for name in order}, presence, *_targets(texts))


def _counted(codes: np.ndarray) -> list[tuple[int, int]]:
    places, counts = np.unique(codes, return_counts=True)
    return list(zip(places.tolist(), counts.tolist(), strict=True))


def _patterns(lists: object) -> tuple[list[frozenset[str]], np.ndarray]:
    """Each set of parts that is there, and for each record which of them it has."""
    flat = lists.flatten().field("name").dictionary_encode()  # type: ignore[attr-defined]  # pyarrow
    owners = pc.list_parent_indices(lists).to_numpy()
    names, codes = flat.dictionary.to_pylist(), flat.indices.to_numpy()
    has = np.zeros((len(lists), len(names)), bool)  # type: ignore[arg-type]
    has[owners, codes] = True
    every, which = np.unique(has, axis=0, return_inverse=True)
    sets = [frozenset(np.array(names, object)[row].tolist()) for row in every]
    return sets, which.reshape(-1)


def _targets(
    texts: Mapping[str, Counter[str]],
) -> tuple[dict[str, dict[object, Counter[str]]], dict[str, int]]:
    values: dict[str, dict[object, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    lists: Counter[str] = Counter()
    for text, counts in texts.items():
        for name, value in json.loads(text).items():
            if isinstance(value, list):
                lists[name] += counts.total()
            else:
                values[name][value].update(counts)
    return values, lists


def splits_section(kept: Kept | None) -> Markup | None:
    """Presence and classes over the splits; None where nothing was kept."""
    if kept is None or not kept.splits:
        return None
    shown = list(kept.targets.items())[:_MOST_TARGETS]
    tables = [_target(name, values, kept.splits) for name, values in shown]
    lists = [
        element(
            "p",
            f"{name}: lists, in {count_of(count, 'record')}; they are not counted by class.",
            class_="quiet",
        )
        for name, count in kept.lists.items()
    ]
    more = len(kept.targets) - len(shown)
    return section(
        "splits",
        "What is left, over the splits",
        _presence(kept),
        element("div", *tables, class_="beside"),
        *lists,
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
        table(
            "Parts that are present together (●), in how many records",
            ["records", "", *parts, *kept.splits],
            rows,
            " " * 2 + "." * len(parts) + "n" * len(kept.splits),
        ),
        element("p", f"Not shown: {more:,} rarer patterns.") if more > 0 else None,
    )


def _target(name: str, values: Mapping[object, Counter[str]], splits: Mapping[str, int]) -> Markup:
    numbers = [value for value in values if _is_number(value)]
    if len(numbers) > _CLASSES and len(numbers) == len(values):
        return _as_histogram(name, values)
    if len(values) > _MOST_CLASSES and len(values) * 2 > sum(map(Counter.total, values.values())):
        said = f"{name}: {len(values):,} different values, hardly one twice."
        return element("p", said, class_="quiet")
    order = sorted(values, key=lambda value: (-values[value].total(), str(value)))
    known = sum(counts.total() for counts in values.values())
    rows: list[list[object]] = [
        [
            shortened(str(value), 80),
            f"{values[value].total():,}",
            f"{values[value].total() / known:.1%}",
            bar([("kept", values[value].total() / values[order[0]].total())]),
            *_by_split(values[value], values, splits),
        ]
        for value in order[:_CLASSES]
    ]
    more = len(order) - _CLASSES
    columns = [name, "records", "share", "", *splits]
    return element(
        "div",
        table(
            f"{name}: {count_of(len(values), 'value')} in {count_of(known, 'record')}",
            columns,
            rows,
            " nn " + "n" * len(splits),
        ),
        element("p", f"Not shown: {count_of(more, 'rarer value')}.") if more > 0 else None,
    )


def _by_split(
    own: Counter[str],
    values: Mapping[object, Counter[str]],
    splits: Sequence[str] | Mapping[str, int],
) -> list[object]:
    """The records of a class in each split, and their share of it."""
    cells: list[object] = []
    for split in splits:
        whole = sum(counts[split] for counts in values.values())
        cells.append(f"{own[split]:,} ({own[split] / whole:.0%})" if own[split] else "–")
    return cells


def _as_histogram(name: str, values: Mapping[object, Counter[str]]) -> Markup:
    numbers = np.array([float(str(value)) for value in values])
    counts = [counts.total() for counts in values.values()]
    every = np.repeat(numbers, counts)
    every = every[np.isfinite(every)]
    said = f"{len(every):,} numbers, median {np.median(every):.4g}"
    return element(
        "figure",
        element("figcaption", element("b", name), f" {said}"),
        histogram(f"Histogram of {name}: {said}", every, np.zeros(0)),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
