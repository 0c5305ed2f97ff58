"""The index of sets of shards in memory: where the media of each record lie, without touching a
tar.

Offsets and sizes are arrays, 16 bytes for each record and part. Keys, texts and targets stay in the
memory maps of the index files until a batch asks for them.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ....schemas.columns import equals, numbers
from ....schemas.contents import names_of
from ....schemas.errors import InputError, IntegrityError, nearest
from ....schemas.fingerprint import canonical, fingerprint
from ....schemas.json_value import as_word
from ....schemas.manifest import number_columns
from ....schemas.record import Cue
from ....schemas.where import Where
from ...modality import is_in_record
from ...signal import words_of
from ..order.order import PAD
from .find_tars import Found, Tar, join_parts


class Index:
    """The records of one or several sets, numbered in the order of their tars.

    tars: all tars. tar: number of the tar of each record ``int32 [N]``. parts: part -> modality.
    spans[part]: offset and size in the tar ``int64 [N, 2]``, size -1 where absent. chosen: the
    records of each set that ``split``, ``where`` and ``take`` leave, ``int64`` numbers.
    """

    def __init__(
        self,
        found: Sequence[Found],
        split: str | None = None,
        where: str | None = None,
        take: int | None = None,
    ) -> None:
        self.tars: list[Tar] = []
        self.parts = join_parts(found)
        self._leaves: list[_Leaf] = []
        set_ends: list[int] = []
        for shard_set in found:
            for tar in _of_split(shard_set, split):
                batches = _read(tar.index)
                if tar.records not in (None, sum(map(len, batches))):
                    raise IntegrityError(
                        f"{tar.index}: has {sum(map(len, batches)):,} records, and shards.json"
                        f" says {tar.records:,}"
                    )
                for number, batch in enumerate(batches):
                    self._leaves.append(_Leaf(batch, len(self.tars), (tar.index, number)))
                self.tars.append(tar)
            set_ends.append(sum(len(leaf) for leaf in self._leaves))
        sizes = [len(leaf) for leaf in self._leaves]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._leaf = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self.tar = np.repeat(np.array([leaf.tar for leaf in self._leaves], np.int32), sizes)
        self.spans = {
            name: self._spans(name)
            for name, modality in self.parts.items()
            if not is_in_record(modality)
        }
        stays = self._where(where) if where else np.ones(len(self), bool)
        begins = [0, *set_ends[:-1]]
        self.chosen = [
            begin + np.flatnonzero(stays[begin:end])[:take]
            for begin, end in zip(begins, set_ends, strict=True)
        ]
        self.fingerprint = (
            found[0].fingerprint
            if len(found) == 1
            else fingerprint([shard_set.fingerprint for shard_set in found])
        )

    def __len__(self) -> int:
        return len(self._leaf)

    @property
    def chosen_count(self) -> int:
        """How many records ``split``, ``where`` and ``take`` leave, of all sets together."""
        return sum(len(chosen) for chosen in self.chosen)

    def keys(self, records: Iterable[int]) -> list[str]:
        """The key of each record; empty for ``PAD``."""
        return [
            "" if record == PAD else leaf.keys[place].as_py()
            for record, leaf, place in self._places(records)
        ]

    def targets(self, records: Iterable[int]) -> list[str]:
        """The targets of each record as JSON; an empty object for ``PAD``."""
        return [
            "{}" if record == PAD else leaf.targets[place].as_py()
            for record, leaf, place in self._places(records)
        ]

    def texts(self, part: str, records: Iterable[int]) -> list[str | None]:
        """A text part of each record, None where it is absent."""
        return [
            None if record == PAD else leaf.text(part, place)
            for record, leaf, place in self._places(records)
        ]

    def text(self, part: str, record: int) -> str | None:
        """A text part of one record."""
        number = self._leaf[record]
        text: str | None = self._leaves[number].text(part, record - self._starts[number])
        return text

    def cues(self, part: str, record: int) -> tuple[Cue, ...]:
        """A text part of one record in time, where it has times."""
        number = int(self._leaf[record])
        return self._leaves[number].cues(part, record - int(self._starts[number]))

    def values(self, part: str, most: int) -> Iterator[str | bytes | None]:
        """A part of every record as it stands in the index, or the bytes of at most ``most`` media
        evenly spread over the records.
        """
        if part not in self.spans:
            yield from self.texts(part, range(len(self)))
            return
        here = np.flatnonzero(self.has(part))
        for record in here[:: max(1, -(-len(here) // most))].tolist():
            yield self.read(part, record)

    def checksum(self, part: str, record: int) -> str | None:
        """XXH3-128 of a medium, where the index has it."""
        number = self._leaf[record]
        checksum: str | None = self._leaves[number].checksum(part, record - self._starts[number])
        return checksum

    def read(self, part: str, record: int) -> bytes:
        """The bytes of a medium that the record has."""
        offset, size = self.spans[part][record].tolist()
        file = self.tars[self.tar[record]].file
        data: bytes = file.read(offset, size)
        if len(data) != size:
            raise IntegrityError(
                f"{file.name}: {size:,} bytes were to come from byte {offset:,}, {len(data):,}"
                " came; it has been cut since it was indexed"
            )
        return data

    def has(self, part: str) -> np.ndarray:
        """Which records have a medium ``bool [N]``."""
        present: np.ndarray = self.spans[part][:, 1] >= 0
        return present

    def want(self, part: str, records: Iterable[int]) -> int:
        """Tell the tars that the media of these records come next; how many bytes they are."""
        total = 0
        for record in records:
            offset, size = self.spans[part][record].tolist()
            if record != PAD and size >= 0:
                self.tars[self.tar[record]].file.want(offset, size)
                total += size
        return total

    def tar_name(self, record: int) -> str:
        """The tar of a record, for messages."""
        name: str = self.tars[self.tar[record]].file.name
        return name

    def all_keys(self) -> pa.ChunkedArray:
        """The keys of all records."""
        return pa.chunked_array([leaf.keys for leaf in self._leaves], pa.string())

    def numbers(self, name: str) -> np.ndarray:
        """A measurement of every record ``float64 [N]``, NaN where it has none; InputError where
        none has.
        """
        if name not in self._signal_names():
            raise InputError(
                f"{name}: these shards have no such"
                f" measurement{nearest(name, self._signal_names())}"
            )
        return np.concatenate([leaf.numbers(name) for leaf in self._leaves])

    def classes(self, target: str) -> tuple[np.ndarray, list[str]]:
        """The class of every record by one of its targets ``int32 [N]``, -1 for none, and their
        words in order. InputError where no record has it, or it is a list.
        """
        words: list[str] = []
        there: set[str] = set()
        for text in itertools.chain.from_iterable(
            leaf.targets.to_pylist() for leaf in self._leaves
        ):
            targets = json.loads(text)
            there |= targets.keys()
            value = targets.get(target)
            if isinstance(value, (list, dict)):
                raise InputError(
                    f"{target}: wanted one class for each record, found {canonical(value)[:60]}"
                )
            words.append("" if value is None else as_word(value))
        if not any(words):
            raise InputError(f"these shards have no target {target!r}{nearest(target, there)}")
        order = sorted(set(words) - {""})
        numbers = {word: number for number, word in enumerate(order)} | {"": -1}
        return np.array([numbers[word] for word in words], np.int32), order

    def has_numbers(self, name: str) -> bool:
        """Whether any record has this measurement."""
        return name in self._signal_names()

    def _places(self, records: Iterable[int]) -> Iterable[tuple[int, _Leaf, int]]:
        numbers = np.asarray(records)
        # PAD (-1) finds the last record here; who asks passes it over
        leaves = self._leaf[numbers] if len(self) else numbers
        places = numbers - self._starts[leaves]
        return [
            (record, self._leaves[leaf], place)
            for record, leaf, place in zip(
                numbers.tolist(), leaves.tolist(), places.tolist(), strict=True
            )
        ]

    def _spans(self, name: str) -> np.ndarray:
        spans = [leaf.spans(name) for leaf in self._leaves]
        return np.concatenate(spans) if spans else np.empty((0, 2), np.int64)

    def _where(self, text: str) -> np.ndarray:
        where = Where(text)
        unknown = where.names - {"key", "group", "split", "tar"} - self._signal_names()
        targets = (
            {name for leaf in self._leaves for name in leaf.target_names()} if unknown else set()
        )
        for name in unknown:
            if name.removeprefix("targets.") not in targets:
                columns = {"key", "group", "split", "tar", *self._signal_names(), *targets}
                raise InputError(
                    f"where {text!r}: these shards have no column {name!r}{nearest(name, columns)}"
                )
        for name in where.parts:
            if name not in self.parts:
                raise InputError(
                    f"where {text!r}: no part is called {name!r}{nearest(name, self.parts)}"
                )
        masks = [
            where.mask(functools.partial(self._column, leaf), leaf.has_part)
            for leaf in self._leaves
        ]
        return np.concatenate(masks) if masks else np.empty(0, bool)

    def _column(self, leaf: _Leaf, name: str) -> pa.Array:
        """A column of a leaf for a filter; a measurement that stands for words as words."""
        column = leaf.column(self.tars[leaf.tar], name)
        part, _, word = name.rpartition(".")
        kind = self.parts.get(part)
        words = words_of(kind).get(word) if kind and name in leaf.signals() else None
        if words is None:
            return column
        return pa.array(words, pa.string()).take(column.cast(pa.int32()))

    def _signal_names(self) -> set[str]:
        return {name for leaf in self._leaves for name in leaf.signals()}


def _of_split(shard_set: Found, split: str | None) -> list[Tar]:
    if split is None:
        return list(shard_set.tars)
    wanted, there = names_of(split), {tar.split for tar in shard_set.tars}
    for name in wanted:
        if name not in there:
            raise InputError(f"{shard_set.name}: no shards of split {name!r}{nearest(name, there)}")
    return [tar for tar in shard_set.tars if tar.split in wanted]


def _read(path: Path) -> list[pa.RecordBatch]:
    try:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            return [reader.get_batch(number) for number in range(reader.num_record_batches)]
    except (OSError, pa.ArrowInvalid) as error:
        raise IntegrityError(
            f"{path}: the index cannot be read ({error}); run the recipe again to write it anew"
        ) from error


class _Leaf:
    """A stretch of one index file."""

    def __init__(self, batch: pa.RecordBatch, tar: int, place: tuple[Path, int]) -> None:
        self._batch, self.tar, self._place = batch, tar, place
        self.keys, self.targets = batch.column("key"), batch.column("targets")
        self._members: dict[tuple[str, str], tuple[np.ndarray, pa.Array]] = {}
        self._fields: dict[tuple[str, str, str], tuple[np.ndarray, pa.Array]] = {}
        self._signals: dict[str, pa.Array] | None = None

    def __len__(self) -> int:
        return len(self._batch)

    def spans(self, part: str) -> np.ndarray:
        """Offset and size of a medium in each record's tar."""
        places, values = self._member("media", part)
        out = np.full((len(self), 2), -1, np.int64)
        here = places >= 0
        out[here, 0] = numbers(values.field("offset"))[places[here]]
        out[here, 1] = numbers(values.field("size"))[places[here]]
        return out

    def checksum(self, part: str, place: int) -> str | None:
        places, checksums = self._field("media", part, "xxh3")
        checksum: str | None = checksums[places[place]].as_py()
        return checksum

    def text(self, part: str, place: int) -> str | None:
        places, texts = self._field("texts", part, "text")
        at = places[place]
        if at < 0:
            return None
        text: str | None = texts[at].as_py()
        return text

    def cues(self, part: str, place: int) -> tuple[Cue, ...]:
        places, lists = self._field("texts", part, "cues")
        found = None if places[place] < 0 else lists[places[place]].as_py()
        return tuple(Cue(**cue) for cue in found or ())

    def _field(self, column: str, part: str, field: str) -> tuple[np.ndarray, pa.Array]:
        """The same as :meth:`_member`, with one field of the list's entries; kept, since it is
        asked for by every row of a batch.
        """
        located = self._fields.get((column, part, field))
        if located is None:
            places, values = self._member(column, part)
            located = self._fields[column, part, field] = (places, values.field(field))
        return located

    def _member(self, column: str, part: str) -> tuple[np.ndarray, pa.Array]:
        """Where each record has this part in the flat list of a column, -1 where not, and that
        list.
        """
        located = self._members.get((column, part))
        if located is None:
            lists = self._batch.column(column)
            values = lists.flatten()
            owners = np.repeat(np.arange(len(self)), np.diff(numbers(lists.offsets)))
            here = np.flatnonzero(equals(values.field("part"), part))
            places = np.full(len(self), -1, np.int64)
            places[owners[here]] = here
            located = self._members[column, part] = (places, values)
        return located

    def signals(self) -> dict[str, pa.Array]:
        """Each measurement as a column."""
        if self._signals is None:
            self._signals = number_columns(self._batch.column("signals"))
        return self._signals

    def numbers(self, name: str) -> np.ndarray:
        column = self.signals().get(name)
        values: np.ndarray = (
            np.full(len(self), np.nan)
            if column is None
            else pc.fill_null(column, np.nan).to_numpy()
        )
        return values

    def target_names(self) -> set[str]:
        return {name for text in self.targets.to_pylist() for name in json.loads(text)}

    def has_part(self, part: str) -> pa.Array:
        return pa.array(
            (self._member("media", part)[0] >= 0) | (self._member("texts", part)[0] >= 0)
        )

    def column(self, tar: Tar, name: str) -> pa.Array:
        """A column for a filter: a column of the index, the tar's name or split, a measurement, or
        a target.
        """
        if name in ("key", "group"):
            return self._batch.column(name)
        if name in ("split", "tar"):
            value = tar.split if name == "split" else Path(tar.file.name).name.removesuffix(".tar")
            return pa.array([value] * len(self), pa.string())
        if name in self.signals():
            return self.signals()[name]
        values = [
            json.loads(text).get(name.removeprefix("targets.")) for text in self.targets.to_pylist()
        ]
        # the first value says what the column is; values of other types count as not there
        example = next((value for value in values if value is not None), None)
        if example is None:
            return pa.nulls(len(self))
        if isinstance(example, str):
            return pa.array(
                [value if isinstance(value, str) else None for value in values], pa.string()
            )
        return pa.array(
            [float(value) if isinstance(value, (int, float)) else None for value in values],
            pa.float64(),
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Another process maps the file for itself."""
        return _leaf, (self._place, self.tar)


def _leaf(place: tuple[Path, int], tar: int) -> _Leaf:
    return _Leaf(_read(place[0])[place[1]], tar, place)
