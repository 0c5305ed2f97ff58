"""Labels that are likely wrong, as ``modalmill labels`` found them."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.disk import read_parquet
from .examples import Gallery
from .markup import Markup, count_of, data_table, element, section, shortened
from .output import Output
from .part_table import PartRow

_SHOWN = 8
_PAIRS = 10


def doubts_of(output: Output) -> pa.Table | None:
    """The labels that are taken for wrong, the least likely first; None where nobody asked."""
    if not output.folder.labels.is_file():
        return None
    labels = read_parquet(output.folder.labels)
    return labels.filter(pc.fill_null(labels["is_error"], False)).sort_by(
        [("margin", "ascending"), ("key", "ascending")]
    )


def doubts_section(output: Output, doubts: pa.Table | None, gallery: Gallery) -> Markup | None:
    """Which classes are taken for which, and the records of which it is most likely."""
    if doubts is None or not len(doubts):
        return None
    given, suggested = (doubts[name].to_pylist() for name in ("given", "suggested"))
    pairs = Counter(zip(given, suggested, strict=True))
    rows: list[list[object]] = [
        [shortened(str(one), 80), shortened(str(other), 80), f"{count:,}"]
        for (one, other), count in sorted(pairs.items(), key=lambda item: (-item[1], str(item[0])))
    ]
    return section(
        "doubts",
        "Labels that are likely wrong",
        element(
            "p",
            f"{count_of(len(doubts), 'record')}, by models that never saw the record"
            " (OUT/labels.parquet has each of them).",
        ),
        data_table("Given, and likelier", ["given", "likely", "records"], rows[:_PAIRS], "  n"),
        element("p", f"Not shown: {count_of(len(rows) - _PAIRS, 'pair')}.", class_="quiet")
        if len(rows) > _PAIRS
        else None,
        _examples(output, doubts.slice(0, _SHOWN).to_pylist(), gallery),
    )


def _examples(output: Output, rows: list[dict[str, object]], gallery: Gallery) -> Markup | None:
    if output.parts is None:
        return None
    said = {
        str(row["key"]): f"{row['given']} → {row['suggested']}, given has p"
        f" {row['self_confidence']:.2g}"
        for row in rows
    }
    found = output.parts.of_keys(list(said))
    parts = [part for key in said for part in found.get(key, []) if part["fate"] == "written"]

    def caption(row: PartRow) -> str:
        return shortened(said[row["key"]], 120)

    return gallery.figures(parts[: 2 * _SHOWN], caption)
