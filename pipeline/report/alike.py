"""Records that have something in common: the largest sets, with what they hold."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas.layout import RunFolder
from ..duplicates import PairRow, read_duplicates
from ..texts import shown_number
from .examples import Gallery
from .markup import Markup, count_of, data_table, element, joined, section, shortened
from .output import Output
from .part_table import PartRow

_SETS = 6
_MEMBERS = 6
_ROWS = 65_536  # of the manifest, read at once
_LONGEST_WORDS = 400  # of a text whose words are compared


def pairs_of(output: Output) -> list[PairRow]:
    """What was found to be alike, pair by pair; none where nothing was compared or found."""
    return read_duplicates(output.folder.root) if output.folder.duplicates.is_file() else []


def alike_section(
    output: Output, pairs: list[PairRow], leaks: Counter[tuple[str, str]], gallery: Gallery
) -> Markup | None:
    """Kinds of pairs and the largest sets; None where there is none."""
    if not pairs:
        return None
    sets: dict[str, list[PairRow]] = defaultdict(list)
    for pair in pairs:
        sets[pair["set"]].append(pair)
    members = {name: sorted(_keys(own)) for name, own in sets.items()}
    largest = sorted(sets, key=lambda name: (-len(members[name]), name))
    total = sum(map(len, members.values()))
    return section(
        "alike",
        "Alike",
        element(
            "p",
            f"{count_of(total, 'record')} in {count_of(len(sets), 'set')}, by"
            f" {count_of(len(pairs), 'pair')}.",
        ),
        _leaks(leaks),
        _kinds(pairs),
        *(_set(output, sets[name], members[name], gallery) for name in _chosen(sets, largest)),
        element("p", f"Not shown: {count_of(len(sets) - _SETS, 'set')}.", class_="quiet")
        if len(sets) > _SETS
        else None,
    )


def _chosen(sets: dict[str, list[PairRow]], largest: list[str]) -> list[str]:
    """The largest set of each kind first, then the largest of all."""
    first: dict[str, str] = {}
    for name in largest:
        for pair in sets[name]:
            first.setdefault(pair["kind"], name)
    return list(dict.fromkeys([*first.values(), *largest]))[:_SETS]


def leaks_of(output: Output, pairs: list[PairRow]) -> Counter[tuple[str, str]]:
    """How many sets have records in several splits, by what they have in common and the splits."""
    split_of = _splits_of(output.folder, _keys(pairs))
    splits, kinds = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for pair in pairs:
        ends = (split_of.get(pair["key"]), split_of.get(pair["other"]))
        splits[pair["set"]].update(split for split in ends if split is not None)
        kinds[pair["set"]].add(pair["kind"])
    return Counter(
        (", ".join(sorted(kinds[name])), " + ".join(sorted(own)))
        for name, own in splits.items()
        if len(own) > 1
    )


def _leaks(leaks: Counter[tuple[str, str]]) -> Markup:
    if not leaks:
        return element("p", "No set lies in several splits.")
    rows: list[list[object]] = [
        [kinds, splits, f"{count:,}"] for (kinds, splits), count in leaks.most_common()
    ]
    return joined(
        element(
            "p",
            "What is trained on is tested on as well where a set lies in several splits, as it may"
            " where these were given before. ",
            element("code", "modalmill leaks"),
            " compares the shards themselves, and names every pair.",
        ),
        data_table("Sets in several splits", ["kind", "splits", "sets"], rows, "  n"),
    )


def _splits_of(folder: RunFolder, keys: set[str]) -> dict[str, str]:
    """The splits of those of these records that are left, and have one."""
    if not folder.manifest.is_file():
        return {}
    wanted = pa.array(sorted(keys), pa.string())
    found: dict[str, str] = {}
    with pq.ParquetFile(folder.manifest) as file:
        for batch in file.iter_batches(_ROWS, columns=["key", "split"]):
            own = batch.filter(pc.is_in(batch["key"], value_set=wanted))
            found |= zip(own["key"].to_pylist(), own["split"].to_pylist(), strict=True)
    return {key: split for key, split in found.items() if split is not None}


def _keys(pairs: Iterable[PairRow]) -> set[str]:
    return {key for pair in pairs for key in (pair["key"], pair["other"])}


def _kinds(pairs: list[PairRow]) -> Markup:
    rows: list[list[object]] = []
    for kind, count in Counter(pair["kind"] for pair in pairs).most_common():
        own = [pair for pair in pairs if pair["kind"] == kind]
        merged = sum(pair["merged"] for pair in own)
        furthest = max(pair["distance"] for pair in own)
        rows.append([kind, f"{count:,}", f"{merged:,}", shown_number(furthest)])
    return data_table(
        "What they have in common", ["kind", "pairs", "merged", "up to"], rows, " nnn"
    )


def _set(output: Output, pairs: list[PairRow], keys: list[str], gallery: Gallery) -> Markup:
    shown = keys[:_MEMBERS]
    kinds = ", ".join(sorted({pair["kind"] for pair in pairs}))
    merged = {pair["key"] for pair in pairs if pair["merged"]}
    title = element("h3", f"{count_of(len(keys), 'record')}: {kinds}")
    more = f" and {len(keys) - len(shown):,} more" if len(keys) > len(shown) else ""
    if output.parts is None:
        return joined(title, element("p", ", ".join(shown) + more))
    found = output.parts.of_keys(shown)
    rows = [row for key in shown for row in found.get(key, [])]
    first: dict[str, str] = {}

    def marked(row: PartRow, text: str) -> Markup:
        return differing(first.setdefault(row["part"], text), text)

    def said(row: PartRow) -> str:
        return f"{row['part']}{', merged' if row['key'] in merged else ''}"

    figures = gallery.figures(rows[: 2 * _MEMBERS], said, lambda row: row["key"] in merged, marked)
    return joined(title, figures, element("p", more.strip(), class_="quiet") if more else None)


def differing(first: str, text: str) -> Markup:
    """A text with the words marked in which it differs from another."""
    one, other = first.split(), text.split()
    if first == text or max(len(one), len(other)) > _LONGEST_WORDS:
        return joined(shortened(text))
    pieces: list[object] = []
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for what, _, _, start, end in matcher.get_opcodes():
        words = " ".join(other[start:end])
        if words:
            pieces += [words if what == "equal" else element("mark", words), " "]
    return joined(*pieces)
