"""Copies that augmenting stages made, beside what they are copies of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas.columns import one_array
from ...schemas.manifest import table_to_records
from ...schemas.record import Part, Record
from .alike import differing
from .examples import Gallery, evenly
from .markup import Markup, count_of, element, joined, section, shortened
from .output import Output

_EACH = 4
_KINDS = 8
# a copy is called like its original, with a word and a number (``stages/augment/_copies.py``)
_COPY = r"^(?P<original>.+)-(?P<word>[a-z_]+)[0-9]+$"
_LONGEST_CUES = 40


def augmented_section(output: Output, gallery: Gallery) -> Markup | None:
    """Some copies of each kind; None where there is none."""
    path = output.folder.manifest
    if not path.is_file():
        return None
    with pq.ParquetFile(path) as file:
        keys = one_array(file.read(["key"])["key"])
        kinds = _copies(keys)
        if not kinds:
            return None
        chosen = {
            word: evenly(np.array(pairs), _EACH) for word, pairs in sorted(kinds.items())[:_KINDS]
        }
        wanted = {int(row) for pairs in chosen.values() for row in pairs.ravel()}
        records = _records(file, wanted)
    blocks: list[Markup | None] = []
    for word, pairs in chosen.items():
        blocks.append(element("h3", f"{word}: {count_of(len(kinds[word]), 'copy', 'copies')}"))
        blocks += [_pair(records[int(old)], records[int(new)], gallery) for old, new in pairs]
    more = len(kinds) - len(chosen)
    return section(
        "augmented",
        "Augmented: before and after",
        element(
            "p",
            "Some copies of each kind, evenly over all, with the parts in which they differ from"
            " their originals. Media are decoded from the raw data and changed as in the shards.",
            class_="quiet",
        ),
        *blocks,
        element("p", f"Not shown: {count_of(more, 'kind')} more.") if more > 0 else None,
    )


def _copies(keys: pa.Array) -> dict[str, list[tuple[int, int]]]:
    """Word of a copy -> rows of an original that is there and of its copy."""
    parts = pc.extract_regex(keys, _COPY)
    rows = np.flatnonzero(parts.is_valid().to_numpy(zero_copy_only=False))
    if not len(rows):
        return {}
    found = parts.take(pa.array(rows))
    originals = pc.index_in(found.field("original"), value_set=keys)
    kinds: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, original, word in zip(
        rows.tolist(), originals.to_pylist(), found.field("word").to_pylist(), strict=True
    ):
        if original is not None:
            kinds[word].append((original, row))
    return kinds


def _records(file: pq.ParquetFile, wanted: set[int]) -> Mapping[int, Record]:
    """Records of a manifest by their row."""
    found: dict[int, Record] = {}
    begin = 0
    for number in range(file.num_row_groups):
        count = file.metadata.row_group(number).num_rows
        here = sorted(row for row in wanted if begin <= row < begin + count)
        if here:
            table = file.read_row_group(number).take(pa.array([row - begin for row in here]))
            found |= zip(here, table_to_records(table), strict=True)
        begin += count
    return found


def _pair(old: Record, new: Record, gallery: Gallery) -> Markup:
    """The parts and targets in which a copy differs."""
    blocks: list[Markup] = []
    for name, part in sorted(new.parts.items()):
        before = old.parts.get(name)
        if before is None or before == part:
            continue
        steps = "; ".join(_told(step.op, step.options) for step in part.steps[len(before.steps) :])
        blocks.append(
            element(
                "div",
                _figure(f"{name} before", old, before, gallery, _words(before)),
                _figure(f"{name} after {steps}".strip(), new, part, gallery, _words(before)),
                class_="pair",
            )
        )
    changed = [
        f"{name}: {_said(old.targets.get(name))} → {_said(value)}"
        for name, value in sorted(new.targets.items())
        if old.targets.get(name) != value
    ]
    said = element("p", f"{shortened(new.key, 80)}, of {shortened(old.key, 80)}", class_="quiet")
    return element(
        "div",
        said,
        *blocks,
        element("p", "; ".join(changed)) if changed else None,
        element("p", "No part differs.") if not blocks and not changed else None,
    )


def _told(name: str, options: Mapping[str, object]) -> str:
    values = ", ".join(f"{key} {value}" for key, value in options.items() if key != "seed")
    return f"{name} {values}".strip()


def _said(value: object) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value), 80)


def _words(part: Part) -> str | None:
    """The text of a part, or that of its cues; None of a medium without any."""
    if part.text is not None or not part.cues:
        return part.text
    return " ".join(cue.text for cue in part.cues[:_LONGEST_CUES])


def _figure(said: str, record: Record, part: Part, gallery: Gallery, first: str | None) -> Markup:
    words = _words(part)
    shown = [
        gallery.medium(part, f"{said} of {record.key}") if part.uri is not None else None,
        element("blockquote", differing(first or words, words)) if words is not None else None,
    ]
    span = (
        f", {part.start_s or 0:.3g} to {'end' if part.end_s is None else f'{part.end_s:.3g}'} s"
        if part.start_s is not None or part.end_s is not None
        else ""
    )
    return element(
        "figure",
        joined(*shown),
        element("figcaption", element("b", f"{said}{span}")),
        class_="example",
    )
