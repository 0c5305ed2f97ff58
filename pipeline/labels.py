"""``modalmill labels``: which labels of a run are likely wrong, by what its cached features say, by
names of files, by spelling and by equal contents.

What is found of each record lies in ``OUT/labels.parquet``:

    key target given                    the record and its label
    suggested                           the likeliest class by all parts, out of fold
    self_confidence margin              probability of the given label; that less the largest other
    is_error                            whether confident learning takes the label for wrong
    image.suggested, ...                the same of each part that the record has
    source file row                     where it comes from

Records that could not be judged stand there as well, with nulls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from ..schemas.disk import read_parquet, write_parquet
from ..schemas.errors import InputError, nearest
from ..schemas.features import FeatureCache
from ..schemas.layout import RunFolder
from ..schemas.manifest import read_manifest, records_of
from ..schemas.record import Record
from ..stages.base import Extractor, addresses
from ..stages.labels.confident import Confidence, confidence
from ..stages.labels.file_names import NameTable, name_tables
from ..stages.labels.out_of_fold import PartVectors, assign_folds, pool_evidence, predicted
from ..stages.labels.spellings import Spellings, like_spellings
from .progress import Advance

_FEWEST_RECORDS = 5  # of a class, to be judged
_SHOWN_NAMES = 8


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """How many records that were given one class are likely of another one, and what share of those
    that were given it.
    """

    given: str
    likely: str
    records: float
    share: float


@dataclass(frozen=True, slots=True)
class PartSays:
    """Of a part: how many records have it, for how many its likeliest class is the given one, and
    how much it counts beside the others.
    """

    records: int
    agree: int
    weight: float


@dataclass
class Findings:
    """What was found of the labels of one target without any model."""

    target: str
    tables: list[tuple[str, NameTable]] = field(default_factory=list)
    spellings: list[Spellings] = field(default_factory=list)
    contents: list[list[int]] = field(default_factory=list)


@dataclass
class LabelReport:
    """All that was found. records: of the manifest, by key. labels: target -> label of each record,
    None where it has none. judged: the records that a model has judged, by number, and what it says
    of each: the probabilities of ``by_part`` and of all ``together``, and what they ``says`` of the
    labels. notes: what was left out or chosen, in words.
    """

    out: Path
    records: list[Record]
    labels: dict[str, list[str | None]]
    findings: list[Findings]
    target: str = ""
    classes: list[str] = field(default_factory=list)
    judged: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    given: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    together: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    says: Confidence | None = None
    by_part: dict[str, np.ndarray] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def pairs(self) -> list[ConfusedPair]:
        """Classes that are likely others, the most records first."""
        if self.says is None:
            return []
        joint_CC = self.says.joint_CC
        found = [
            ConfusedPair(
                given, likely, float(joint_CC[i, j]), float(joint_CC[i, j] / joint_CC[i].sum())
            )
            for i, given in enumerate(self.classes)
            for j, likely in enumerate(self.classes)
            if i != j and joint_CC[i, j] > 0
        ]
        return sorted(found, key=lambda pair: (-pair.records, pair.given, pair.likely))

    def noise(self) -> float:
        """The share of labels that are likely wrong, by the joint."""
        assert self.says is not None
        return float(1 - np.trace(self.says.joint_CC) / self.says.joint_CC.sum())

    def agree(self) -> float:
        """The share of records of which all parts together say the given label."""
        assert self.says is not None
        return float((self.says.likeliest_N == self.given).mean())

    def worst(self) -> np.ndarray:
        """Places in ``judged``, errors first, then by margin."""
        assert self.says is not None
        return np.lexsort((self.says.margin_N, ~self.says.is_error_N))

    def parts(self) -> dict[str, PartSays]:
        """What each part says by itself."""
        result = {}
        for name, probability_NC in self.by_part.items():
            there = ~np.isnan(probability_NC[:, 0])
            agree = probability_NC[there].argmax(1) == self.given[there]
            result[name] = PartSays(int(there.sum()), int(agree.sum()), self.weights[name])
        return result

    def against(self, place: int) -> tuple[list[str], list[str]]:
        """The parts of a judged record that contradict its label, and all that were asked."""
        asked = [name for name, by in self.by_part.items() if not np.isnan(by[place, 0])]
        return [
            name for name in asked if self.by_part[name][place].argmax() != self.given[place]
        ], asked


def find_labels(
    out: Path, target: str, parts: Sequence[str], folds: int, advance: Advance
) -> LabelReport:
    """What is to be said of the labels of a run. target: empty for that of the recipe's training,
    or the only one that is of classes. parts: whose features are read, all that are there where
    none is given.
    """
    # by key: the order of a file says nothing
    records = sorted(records_of(read_manifest(out)), key=lambda record: record.key)
    values = _values(records)
    names = [target] if target else [name for name, own in values.items() if _is_classes(own)]
    if target and target not in values:
        raise InputError(f"--target {target}: no record has it{nearest(target, values)}")
    labels = {name: _labels(name, values[name]) for name in names}
    if not labels:
        raise InputError(
            f"{out}: no target is one of classes (words of which at least two come twice);"
            f" {_told_targets(values)}"
        )
    report = LabelReport(
        out, records, labels, [_found(records, name, labels[name]) for name in names]
    )
    report.target = target or _chosen(out, names, report.notes)
    if report.target:
        vectors = _read_vectors(report, parts)
        if vectors:
            _judge(report, vectors, folds, advance)
            _note_gone(report)
    return report


def _values(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Target -> its value for each record, None where there is none."""
    names = sorted({name for record in records for name in record.targets})
    return {name: [record.targets.get(name) for record in records] for name in names}


def _is_classes(values: Sequence[Any]) -> bool:
    """Whether the values are words of which most come several times."""
    known = [value for value in values if value is not None]
    if not all(isinstance(value, (str, bool)) for value in known):
        return False
    counts = Counter(map(str, known))
    return len(counts) > 1 and len(counts) <= len(known) / 2


def _labels(target: str, values: Sequence[Any]) -> list[str | None]:
    """The values as names of classes; InputError where they are none."""
    for value in values:
        if isinstance(value, (list, dict)):
            raise InputError(
                f"--target {target}: holds lists ({str(value)[:60]}), and one label of one record"
                " is judged; wanted a target with one class a record"
            )
        if isinstance(value, float) and not value.is_integer():
            raise InputError(
                f"--target {target}: holds numbers ({value:g}), which are no classes; wanted words"
                " or whole numbers. For numbers far from the others there is clean.outliers"
            )
    shown = [
        None if value is None else str(int(value)) if isinstance(value, float) else str(value)
        for value in values
    ]
    if len({label for label in shown if label is not None}) < 2:
        only = next((label for label in shown if label is not None), None)
        raise InputError(
            f"--target {target}: all records have one class, {only!r}; nothing can contradict it"
        )
    return shown


def _told_targets(values: Mapping[str, Sequence[Any]]) -> str:
    return f"the targets are {', '.join(values)}" if values else "no record has a target"


def _chosen(out: Path, names: Sequence[str], notes: list[str]) -> str:
    """The target that a model is to judge."""
    path = RunFolder(out).recipe
    recipe = yaml.safe_load(path.read_text()) if path.is_file() else {}
    trained = ((recipe or {}).get("train") or {}).get("target")
    if trained in names:
        return str(trained)
    if len(names) == 1:
        return names[0]
    notes.append(
        f"several targets are of classes ({', '.join(names)}), and one is judged by features: say"
        " which by --target"
    )
    return ""


def _found(records: Sequence[Record], target: str, labels: Sequence[str | None]) -> Findings:
    """What names, spellings and contents say of the labels of one target."""
    rows = [row for row, label in enumerate(labels) if label is not None]
    own = [label for label in labels if label is not None]
    found = Findings(target, spellings=like_spellings(own))
    for part, names in _names_of_files([records[row] for row in rows]).items():
        for table in name_tables(names, own):
            if all(table.counts != known.counts for _, known in found.tables):
                found.tables.append((part, _by_record(table, rows)))
    by_content: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        record = records[row]
        if record.parts and all(part.text or part.hash for part in record.parts.values()):
            identities = [(name, part.identity()) for name, part in sorted(record.parts.items())]
            by_content[repr(identities)].append(row)
    found.contents = [
        same for same in by_content.values() if len({labels[row] for row in same}) > 1
    ]
    return found


def _names_of_files(records: Sequence[Record]) -> dict[str, list[str]]:
    """Part -> the name of each record's file, empty where it has none; that of the record itself
    where it is a file of its own, and has no part on disk.
    """
    names: dict[str, list[str]] = {}
    for part in sorted({name for record in records for name in record.parts}):
        files = [record.parts[part].uri or "" if part in record.parts else "" for record in records]
        if any(files):
            names[part] = files
    if not names:
        files = [record.origin.file if record.origin.row is None else "" for record in records]
        names = {"file": files} if any(files) else {}
    return names


def _by_record(table: NameTable, rows: Sequence[int]) -> NameTable:
    """The table with its exceptions as numbers of records."""
    return NameTable(
        table.place,
        table.counts,
        table.usual,
        tuple(rows[place] for place in table.exceptions),
        table.is_same,
        table.is_exchanged,
        table.is_one_to_one,
    )


def _read_vectors(report: LabelReport, parts: Sequence[str]) -> dict[str, tuple[Any, np.ndarray]]:
    """Part -> its cache, and for each record the row in it, -1 where there is none."""
    folder = RunFolder(report.out).features
    there = sorted(path.name.removesuffix(".keys.arrow") for path in folder.glob("*.keys.arrow"))
    for name in parts:
        if there and name not in there:
            raise InputError(f"--parts {name}: no cached features of it{nearest(name, there)}")
    if not there:
        lines = _recipe_lines(report.records)
        report.notes.append(
            f"no cached features, so no label is judged by a model; {lines}, then run it again"
            " ('--until features' is enough)"
        )
        return {}
    keys = pa.chunked_array([[record.key for record in report.records]], pa.string())
    vectors = {}
    for name in parts or there:
        cache = FeatureCache(folder, name)
        rows = cache.rows(keys)
        lacking = int((rows < 0).sum())
        if lacking == len(rows):
            report.notes.append(f"features of {name!r} are of other records: none is used")
            continue
        if lacking:
            report.notes.append(f"{lacking:,} records have no features of {name!r}")
        if cache.has_sequences:
            report.notes.append(
                f"features of {name!r} are sequences: a record is judged by the mean of its own"
            )
        vectors[name] = cache, rows
    return vectors


def _recipe_lines(records: Sequence[Record]) -> str:
    """What a recipe has to say so that there are features of these records."""
    known = addresses(Extractor)
    parts = sorted(
        {(name, part.modality) for record in records for name, part in record.parts.items()}
    )
    lines = [f"{name}: features.{kind}" for name, kind in parts if f"features.{kind}" in known]
    if not lines:
        return "no part is of a modality with an extractor; write one of your own (use:)"
    return f"add to the recipe: features: {{{', '.join(lines)}}}"


def _judge(
    report: LabelReport,
    vectors: Mapping[str, tuple[Any, np.ndarray]],
    folds: int,
    advance: Advance,
) -> None:
    """Judge all labels of the target that can be, by each part and by all of them."""
    labels, notes = report.labels[report.target], report.notes
    unlabelled = sum(label is None for label in labels)
    if unlabelled:
        notes.append(f"{unlabelled:,} records have no {report.target!r}, and are not judged")
    has_any = np.max([rows for _, rows in vectors.values()], axis=0) >= 0
    rows = np.array([row for row, label in enumerate(labels) if label is not None and has_any[row]])
    without = len(labels) - unlabelled - len(rows)
    if without:
        notes.append(f"{without:,} labelled records have no features at all, and are not judged")
    splits = Counter(record.split for record in report.records if record.split is not None)
    if len(splits) > 1:
        notes.append(f"all splits are judged alike ({', '.join(sorted(splits))})")
    unit_N = _units(report, vectors, folds)
    rows, fold_N = _folded(report, rows, unit_N, folds)
    report.classes = sorted({str(labels[row]) for row in rows})
    numbers = {name: number for number, name in enumerate(report.classes)}
    report.judged = rows
    report.given = np.array([numbers[str(labels[row])] for row in rows])
    for done, (name, (cache, places)) in enumerate(vectors.items()):
        advance(done, len(vectors))
        here = np.flatnonzero(places[rows] >= 0)
        vectors_ND = cache.one_each(places[rows][here])
        part = PartVectors(vectors_ND, here, bool(cache.made_by.one_scale))
        says = predicted(part, report.given, fold_N, "modalmill labels")
        if says is None:
            notes.append(f"features of {name!r} are left out: too few records of two classes")
        else:
            report.by_part[name] = says
    advance(len(vectors), len(vectors))
    if not report.by_part:
        raise InputError(
            f"--target {report.target}: no part has features of enough records of two classes;"
            f" found {len(rows):,} records of {len(report.classes)} classes"
        )
    report.together, report.weights = pool_evidence(report.by_part, report.given)
    report.says = confidence(report.together, report.given)


def _units(
    report: LabelReport, vectors: Mapping[str, tuple[Any, np.ndarray]], folds: int
) -> np.ndarray:
    """The unit of each record ``int [N]``, which no fold parts: its group, and what has the same
    vectors as it has.
    """
    from ..schemas.united import United

    groups = np.unique([record.group for record in report.records], return_inverse=True)[1]
    places = np.stack([rows for _, rows in vectors.values()], 1)
    contents = np.unique(places, axis=0, return_inverse=True)[1].reshape(-1)
    united = United(int(groups.max()) + 1)
    first: dict[int, int] = {}
    for group, content in zip(groups.tolist(), contents.tolist(), strict=True):
        united.unite(first.setdefault(content, group), group)
    units = united.first()[groups]
    largest = int(np.bincount(units).max())
    if largest > max(len(units) / folds, int(np.bincount(groups).max())):
        report.notes.append(
            f"groups have contents in common (together {largest:,} records); folds keep groups"
            " whole, and equal contents may lie in several"
        )
        return np.asarray(groups)
    return np.asarray(units)


def _folded(
    report: LabelReport, rows: np.ndarray, unit_N: np.ndarray, folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """The records that can be judged, and the fold of each: of classes with too few records, or
    whose records all lie in one fold, nobody could learn.
    """
    labels, small, torn = report.labels[report.target], Counter[str](), Counter[str]()
    while True:
        own = np.array([labels[row] for row in rows], object)
        counts = Counter(own.tolist())
        few = {name: count for name, count in counts.items() if count < _FEWEST_RECORDS}
        small.update(few)
        rows = rows[[label not in few for label in own]]
        own = own[[label not in few for label in own]]
        units = len(np.unique(unit_N[rows]))
        if len(set(own)) < 2 or units < 2:
            raise InputError(
                f"--target {report.target}: wanted two classes or more of {_FEWEST_RECORDS} records"
                f" in several groups, found {dict(counts) if len(counts) < 9 else len(counts)}"
                f" in {len(set(unit_N.tolist()))} groups; nothing can be judged"
            )
        given = np.unique(own.astype(str), return_inverse=True)[1]
        fold_N = assign_folds(unit_N[rows], given, min(folds, units))
        alone = {
            name: counts[name] for name in set(own) if len(set(fold_N[own == name].tolist())) == 1
        }
        if not alone:
            break
        torn.update(alone)
        rows = rows[[label not in alone for label in own]]
    if units < folds:
        report.notes.append(f"{units} folds in place of {folds}: there are no more groups")
    for left, why in (
        (small, f"of fewer than {_FEWEST_RECORDS} records"),
        (torn, "of which one group has most records"),
    ):
        if left:
            report.notes.append(
                f"{left.total():,} records are not judged, of {len(left):,} classes {why}:"
                f" {some_of(sorted(left))}"
            )
    return rows, fold_N


def some_of(names: Sequence[str]) -> str:
    """The first few names, and how many there are more."""
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


def _note_gone(report: LabelReport) -> None:
    """Tell of records that an earlier call knew, and that are not in the run any more: a recipe
    that leaves records out by what is written here would take them in again.
    """
    path = RunFolder(report.out).labels
    if not path.is_file():
        return
    try:
        known = read_parquet(path)["key"].to_pylist()
    except (InputError, KeyError):
        return
    gone = len(set(known) - {record.key for record in report.records})
    if gone:
        report.notes.append(
            f"{gone:,} records of the {path.name} that was here are not in this run any more; where"
            " its own recipe reads that file, they come back: let such a recipe run into another"
            " folder"
        )


def write_labels(report: LabelReport) -> Path | None:
    """Write ``labels.parquet``, whole or not at all; None where nothing was judged."""
    if report.says is None:
        return None
    labels = report.labels[report.target]
    rows = [row for row, label in enumerate(labels) if label is not None]
    judged = {row: place for place, row in enumerate(report.judged.tolist())}
    places = np.array([judged.get(row, -1) for row in rows])
    says, classes = report.says, np.array(report.classes, object)

    def column(values: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
        is_there = places >= 0 if known is None else (places >= 0) & known[places]
        return pa.array(values[places], mask=~is_there)

    records = [report.records[row] for row in rows]
    columns = {
        "key": pa.array([record.key for record in records]),
        "target": pa.array([report.target] * len(rows)),
        "given": pa.array([labels[row] for row in rows]),
        "suggested": column(classes[says.likeliest_N]),
        "self_confidence": column(says.self_N),
        "margin": column(says.margin_N),
        "is_error": column(says.is_error_N),
    }
    for name, probability_NC in report.by_part.items():
        known = ~np.isnan(probability_NC[:, 0])
        likeliest = np.nan_to_num(probability_NC).argmax(1)
        own = probability_NC[np.arange(len(probability_NC)), report.given]
        columns[f"{name}.suggested"] = column(classes[likeliest], known)
        columns[f"{name}.self_confidence"] = column(own, known)
    columns["source"] = pa.array([record.origin.source for record in records])
    columns["file"] = pa.array([record.origin.file for record in records])
    columns["row"] = pa.array([record.origin.row for record in records], pa.int64())
    path = RunFolder(report.out).labels
    write_parquet(path, iter([pa.table(columns)]))
    return path
