"""A FiftyOneDataset on disk, as ``dataset.export(dataset_type=fo.types.FiftyOneDataset)`` of
FiftyOne 1.x writes it.

``samples.json`` has one object for each sample in the list ``samples``, in the JSON of MongoDB
(``{"$oid": ...}``), and media lie in ``data``; ``metadata.json`` is not needed. Labels of early
exports, whose ``_cls`` is a whole path (``fiftyone.core.labels.Classification``), are read too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from ...schemas.contents import Contents, Kind
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from ..base import Beat, Read, Seen
from ._columns import Columns, Mapper, Media
from ._files import join
from ._json import listed_objects
from ._values import split_name

# what FiftyOne keeps of every sample for itself, beside all names that begin with _
_OWN = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}
_LABELS = ("classifications", "detections", "polylines", "keypoints")
_FILE = "{filepath}"
_TAG = "_split"  # no field of a user begins with _


@dataclass(frozen=True, kw_only=True)
class FiftyOne(Columns):
    """Samples of an exported FiftyOneDataset, with the same mapping as csv: where that names a
    column, here a field is named.

    path: the folder of the export, which holds ``samples.json``.
    media: the sample's own file where it is not given, as the part ``media``, of the modality that
    its ending promises. ``{image: {path: "{filepath}"}}`` calls it otherwise.
    id: FiftyOne's own where it is not given, and the file's path where the export has none.
    split: ``tags`` takes the one of ``splits`` that is among the tags of the sample.
    splits: the tags that name a split.

    A field of a label is its label: ``targets: {animal: ground_truth}``; what else it has is
    reached by name (``numbers: {sure: predictions.confidence}``). Classifications, detections,
    polylines and keypoints are the list of their labels, a regression its value, a group its id.
    Places, masks and vectors are not read, and neither are fields that nobody named and labels of
    single frames: the account tells of each. A ``filepath`` is relative to the export, or absolute
    below the data root.
    """

    target_kind: ClassVar[Kind | None] = None

    id: str | None = "{id}"
    media: dict[str, Media] = field(default_factory=lambda: {"media": Media(path=_FILE)})
    splits: tuple[str, ...] = ("train", "val", "validation", "test")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.splits:
            split_name(name)

    def contents(self) -> Contents:
        told = super().contents()
        # of 'val' and 'validation' an export has one, so none of them is lacking
        return replace(told, splits=frozenset(), open_splits=True) if self._by_tag() else told

    def table_file(self) -> str:
        return join(join(self.base, self.path), "samples.json")

    def media_folder(self, root: Path, entry: Media) -> str | None:
        folder = join(self.path, "data")
        if entry.path == _FILE and (root / join(self.base, folder)).is_dir():
            return folder
        return super().media_folder(root, entry)

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        file, seen = self.table_file(), Seen()
        columns = replace(self, split="{" + _TAG + "}") if self._by_tag() else self
        mapper = Mapper(columns, root, name, beat, seen=seen)
        wanted, known = columns.fields(), set[str]()
        heads = {word.partition(".")[0] for word in wanted}
        for number, sample in enumerate(listed_objects(root / file, "samples"), 1):
            tally["samples"] += 1
            if not isinstance(sample, Mapping):
                key = make_key(name, f"row-{number}")
                record = Record(key, key, Origin(name, file, number))
                message = f"the sample is a {type(sample).__name__}, wanted an object"
                yield Row(record, Fault("broken_row", str(sample)[:60], "an object", message))
                continue
            known |= sample.keys()
            splits = self._splits_of(sample)
            if self._by_tag() and not splits:
                seen.notes[f"without a tag that names a split ({', '.join(self.splits)})"] += 1
            seen.notes.update(_unread(sample, heads))
            values = self._values(root, sample, wanted, seen.notes)
            # of several tags the name is none, and the sample a reject that says so
            yield mapper.row({**values, _TAG: " and ".join(splits)}, file, number)
        if seen.rows:
            fields = {word for word in known if not word.startswith("_")}
            columns.check(sorted(fields | seen.columns), file)
        if (root / file).with_name("frames.json").exists():
            seen.notes["labels of single frames not read (frames.json)"] += 1
        yield from mapper.rest(file, tally)

    def _by_tag(self) -> bool:
        return self.split in ("tags", "{tags}")

    def _splits_of(self, sample: Mapping[str, object]) -> list[str]:
        """The splits that tags of the sample name; none where tags are not asked."""
        tags = sample.get("tags")
        if not self._by_tag() or not isinstance(tags, list):
            return []
        return [name for name in self.splits if name in tags]

    def _values(
        self, root: Path, sample: Mapping[str, object], wanted: set[str], notes: Counter[str]
    ) -> dict[str, object]:
        """What the mapping wants of a sample, by the names that it uses; ``notes`` counts what is
        not read.
        """
        values: dict[str, object] = {}
        files = {entry.path for entry in self.media.values()}
        for name in wanted:
            found = _reached(sample, name)
            if not found:
                continue
            try:
                values[name] = _plain(found[0])
            except ValueError as error:
                values[name] = None
                notes[f"field {name!r} not read: {error}"] += 1
            if _has_places(found[0]):
                notes[f"of field {name!r} labels alone are read, and no places"] += 1
            if "{" + name + "}" in files and isinstance(values[name], str):
                values[name] = self._below_base(root, str(values[name]))
        own = _reached(sample, "_id.$oid") or _reached(sample, "filepath")
        return {"id": own[0] if own else None, **values}

    def _below_base(self, root: Path, path: str) -> str:
        """The path of a file as the export has it, below ``base``; one that lies elsewhere as it
        is, to be refused.
        """
        if not os.path.isabs(path) or "\0" in path:
            return join(self.path, path)
        # either of both may be written through links
        folder, name = os.path.split(path)
        real = os.path.join(os.path.realpath(folder), name)
        top = os.path.realpath(root / self.base) + os.sep
        return real.removeprefix(top) if real.startswith(top) else path


def _reached(sample: Mapping[str, object], name: str) -> tuple[object, ...]:
    """The value at ``a.b``, or nothing where the sample does not have it."""
    value: object = sample
    for word in name.split("."):
        if not isinstance(value, Mapping) or word not in value:
            return ()
        value = value[word]
    return (value,)


def _unread(sample: Mapping[str, object], wanted: set[str]) -> Iterator[str]:
    """What to tell of each field that holds something and is not wanted."""
    for name, value in sample.items():
        if (
            name not in wanted
            and name not in _OWN
            and not name.startswith("_")
            and value is not None
        ):
            kind = _class_of(value)
            yield f"field {name!r}{f' ({kind})' if kind else ''} not read: nobody names it"


def _class_of(value: object) -> str:
    """The class of a label: ``Detections``; empty for other values."""
    name = value.get("_cls") if isinstance(value, Mapping) else None
    return name.rpartition(".")[2] if isinstance(name, str) else ""


def _has_places(value: object) -> bool:
    """Whether labels say where in the picture, or when in the film, they are."""
    return _class_of(value) not in ("", "Classification", "Classifications") and (
        isinstance(value, Mapping) and ("label" in value or any(word in value for word in _LABELS))
    )


def _plain(value: object) -> object:
    """What a field says as a text, a number or a list of texts; ValueError that names what it holds
    where it is none of these.
    """
    if isinstance(value, list):
        if any(isinstance(one, float) for one in value):
            raise ValueError("it holds a vector")
        if any(isinstance(one, list | Mapping) for one in value):
            raise ValueError("it holds a list of lists or objects")
        return value
    if not isinstance(value, Mapping):
        return value
    kind = _class_of(value)
    for word in _LABELS:
        if kind and isinstance(value.get(word), list):
            return [one.get("label") for one in value[word] if isinstance(one, Mapping)]
    if "$binary" in value:
        raise ValueError("it holds a vector")
    if kind == "Group":
        return _plain(value.get("_id"))
    if kind in ("Classification", "Detection", "Polyline", "Keypoint", "TemporalDetection"):
        return value.get("label")
    if kind == "Regression":
        return value.get("value")
    # of MongoDB: {"$oid": "64..."}, {"$date": "2024-..."}, {"$numberDouble": "NaN"}
    for word in value:
        if word.startswith("$") and isinstance(value[word], str | int | float):
            return value[word]
    raise ValueError(f"it holds {kind or 'an object'}")
