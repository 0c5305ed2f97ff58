"""What a stage is, and how one is found by its address.

The address of a stage is the path of its file: ``clean.text`` lives in ``stages/clean/text.py``. A
stage on single records writes one small method, ``apply(record)``, ``apply(record, rng)``,
``fault(record)``, ``drops(record)`` or ``split(record)``, and the base does the rest. A stage that
must see the whole corpus writes ``decide(table)`` on narrow columns and hands back decisions by
key.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import math
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeVar,
    runtime_checkable,
)

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..schemas.contents import Contents
from ..schemas.errors import DamageError, InputError, MissingPackageError, nearest
from ..schemas.fingerprint import fingerprint, hash_file, random_for
from ..schemas.json_value import JsonValue
from ..schemas.manifest import Row
from ..schemas.recipe import mistake_lines
from ..schemas.record import Fault, Part, Record
from . import outside

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T", bound="Addressed")
Beat = Callable[[str], None]
# the tracks of the file of a part, by name; empty where it was not measured
TracksOf: TypeAlias = "Callable[[Part], Mapping[str, np.ndarray]]"

MAD_TO_DEVIATION = 1.4826  # of a normal distribution (Hampel 1974)
SOURCE_ROOM = "ingest"
STAGE_ROOMS = ("align", "clean", "augment")
FEATURE_ROOM = "features"


class Addressed:
    """Anything a recipe can name: a frozen dataclass whose fields are its options."""

    version: ClassVar[int] = 1
    address: ClassVar[str] = ""
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        place = cls.__module__.split(".")[-2:]
        cls.address = (
            f"{place[-1]}.{outside.name_of(cls)}" if place[0] == outside.PREFIX else ".".join(place)
        )

    @classmethod
    def spelled(cls, options: Mapping[str, object]) -> dict[str, object]:
        """The options by field, where a recipe may spell them otherwise."""
        return dict(options)

    def identity(self) -> str:
        """A fingerprint of the address, its version and every option; of the text of its file too
        where that is a user's own.
        """
        own = outside.source_of(type(self))
        return (
            fingerprint(self.address, self.version, self, own)
            if own
            else fingerprint(self.address, self.version, self)
        )


class Stage(Addressed):
    """A stage between sources and shards."""

    def measures(self) -> tuple[str, ...]:
        """The modalities whose signals it reads: their media are decoded to the end before the
        stages. With the name of something that they measure on request alone behind a dot
        (``audio.speech``), also that.
        """
        return ()

    def measured(self, here: Contents) -> tuple[str, ...]:
        """The same where records can hold this; for a stage that knows parts, and not what they
        are.
        """
        return self.measures()

    def mistakes(self, here: Contents) -> list[str]:
        """What its options ask for that records cannot hold where it stands, one line each."""
        return []

    def contents(self, here: Contents) -> Contents:
        """What records can hold after it; a stage that adds a part, a target or a split says so
        here.
        """
        return here


# of (part, rule): whether the part keeps the rule
Verdicts: TypeAlias = Mapping[tuple[str, str], bool]


class Bounds(NamedTuple):
    """What a rule allows of a number of a part: what lies in [low, high]. number: its name, with or
    without the part before it. An end that is a word is set by the corpus, and told with each
    record that breaks the rule.
    """

    number: str
    low: float | str = -math.inf
    high: float | str = math.inf


class Judgement(NamedTuple):
    """All that a stage says of a record before it changes it: the verdicts of its rules, whichever
    the record breaks first (they stand in ``signals.parquet``), the fault for which it goes no
    further, the parts that are to be taken from it, and what the account is to say.
    """

    verdicts: Verdicts = MappingProxyType({})
    fault: Fault | None = None
    drops: Mapping[str, Fault] = MappingProxyType({})
    remark: str = ""


class RecordStage(Stage):
    """A stage that looks at one record at a time.

    fitted_on: the columns of the records that :meth:`fitted` reads.
    """

    fitted_on: ClassVar[tuple[str, ...]] = ("parts", "targets", "signals")

    def apply(self, record: Record) -> Record:
        """The changed record; the one given stays as it was. May take ``rng`` as a second argument,
        and so may ``split``.
        """
        return record

    def fault(self, record: Record) -> Fault | None:
        """Why the record goes no further, or None."""
        return None

    def drops(self, record: Record) -> Mapping[str, Fault]:
        """The parts that are to be taken from a record which goes on, each with the rule it
        broke.
        """
        return {}

    def split(self, record: Record) -> Iterable[Record]:
        """The records made of this one, itself included where it goes on. Where its argument is
        called ``tracks`` it gets what was measured of parts over time (``TracksOf``); where a third
        one is called ``address``, the stage's place in the recipe.
        """
        return (record,)

    def remark(self, record: Record) -> str:
        """What the account is to say of this record beside its fate, in the same words for all
        alike; empty for nothing.
        """
        return ""

    def outcome(self, result: Record, before: Record) -> str:
        """The same of a record that comes out of it, made of ``before``; the very same where it was
        left as it is.
        """
        return ""

    def judge(self, record: Record) -> Judgement:
        """What ``fault``, ``drops`` and ``remark`` say. A stage with rules writes this one in their
        place, and asks each rule once.
        """
        fault = self.fault(record)
        drops = self.drops(record) if fault is None else {}
        return Judgement({}, fault, drops, self.remark(record))

    def bounds(self) -> Mapping[str, Bounds]:
        """Those of its rules that bound a number, by name: for who shows what they take."""
        return {}

    def needs_fit(self) -> bool:
        """Whether it must see all records before it can judge one."""
        return False

    def fitted(self, table: pa.Table) -> RecordStage:
        """The stage as it is after it saw the records, in the columns ``fitted_on``. Where a second
        argument is called ``tracks`` it gets what was measured of their parts over time.
        """
        return self

    def fitted_to(self, table: pa.Table, tracks: TracksOf) -> RecordStage:
        """What ``fitted`` gives, with tracks where it takes them."""
        fitted: Callable[..., RecordStage] = type(self).fitted
        return fitted(self, table, tracks) if "tracks" in _arguments(fitted) else self.fitted(table)

    def process(
        self, record: Record, seed: int, address: str, tracks: TracksOf | None = None
    ) -> list[Row]:
        """A row for each part that was taken, then the record's rows after this stage.

        address: the stage's place in the recipe, for faults and random numbers.
        """
        verdicts, fault, taken, remark = self.judge(record)
        record = judged(record, address, verdicts)
        if fault is not None:
            return [Row(record, fault, address, note=remark)]
        dropped = [
            Row(record.with_only(name), dataclasses.replace(why, fate="dropped"), address)
            for name, why in taken.items()
        ]
        for name in taken:
            record = record.without_part(
                name, "corrupt" if record.parts[name].damage else "filtered"
            )
        apply: Callable[..., Record] = type(self).apply
        split: Callable[..., Iterable[Record]] = type(self).split
        rng = (
            random_for(seed, address, record.key) if _takes(apply, 3) or _takes(split, 3) else None
        )
        second: tuple[object, ...] = (rng,) if _takes(split, 3) else ()
        if "address" in _arguments(split):
            second = (rng, address)
        if "tracks" in _arguments(split):
            second = (tracks or no_tracks,)
        changed = apply(self, record, rng) if _takes(apply, 3) else apply(self, record)
        results = [
            Row(result, note=self.outcome(result, changed))
            for result in split(self, changed, *second)
        ]
        rows = dropped + results
        if rows and remark:
            rows[0].note = remark
        return rows


def no_tracks(part: Part) -> Mapping[str, np.ndarray]:
    """Nothing was measured."""
    return {}


def judged(record: Record, address: str, verdicts: Verdicts) -> Record:
    """The record with the verdicts of a stage's rules, which are called by its address."""
    if not verdicts:
        return record
    named = {(part, f"{address}.{rule}"): kept for (part, rule), kept in verdicts.items()}
    return record.with_verdicts(named)


@functools.cache
def _arguments(method: Callable[..., object]) -> tuple[str, ...]:
    return tuple(inspect.signature(method).parameters)


def _takes(method: Callable[..., object], count: int) -> bool:
    """Whether a stage's method takes so many arguments, itself included: the last may be the random
    generator, likenesses, or tracks.
    """
    return len(_arguments(method)) >= count


class Likeness(Protocol):
    """Content hash -> what a medium is compared by, None where that was not made: RGB ``uint8 [32,
    32, 3]`` of an image, a fingerprint ``uint32 [F]`` of a sound, a sketch ``uint16`` of a film
    (``media/sketch.py``). The modality says which of them where a file is a sound and a film.
    """

    def __call__(self, content: str, modality: str = "", /) -> np.ndarray | None: ...


@dataclass(frozen=True, slots=True)
class Edge:
    """What a record has in common with another.

    kind: a word, as ``bytes`` or ``look-alike``. other: the key of the other. distance: how far the
        two are apart, in the unit of the kind; 0 where they are equal in it. merged: whether the
        record lives on in the other.
    """

    kind: str
    other: str
    distance: float = 0.0
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What a corpus stage decides on one record: a fault, records to take parts and targets from,
    partners it lacks, values and signals to set, what the account is to say of it, in the same
    words for all alike, and what it has in common with others, for ``duplicates.parquet``.
    """

    fault: Fault | None = None
    absorb: tuple[str, ...] = ()
    unmatched: tuple[Fault, ...] = ()
    group: str | None = None
    split: str | None = None
    targets: Mapping[str, JsonValue] = field(default_factory=dict)
    note: str = ""
    edges: tuple[Edge, ...] = ()
    signals: Mapping[str, float] = field(default_factory=dict)


class ByRow(Mapping[str, Decision]):
    """Decisions that are made when they are asked for, by row of the table that the stage saw, so
    that those of a million records need not lie in memory at once.

    keys: the table's column. of: the decisions of the rows ``[start, stop)``, None for a record
        that goes on unchanged. remarks: what the account is to say that is of no record, and how
        often.
    """

    def __init__(
        self,
        keys: pa.ChunkedArray,
        of: Callable[[int, int], list[Decision | None]],
        remarks: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._keys = keys
        self.of = of
        self.remarks = remarks

    @functools.cached_property
    def _by_key(self) -> dict[str, Decision]:
        decided = self.of(0, len(self._keys))
        return {
            key: decision
            for key, decision in zip(self._keys.to_pylist(), decided, strict=True)
            if decision is not None
        }

    def __getitem__(self, key: str) -> Decision:
        return self._by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)


def decided_rows(
    decisions: Mapping[str, Decision], keys: pa.ChunkedArray, start: int
) -> list[Decision | None]:
    """The decisions on the records of these keys, which stand in the stage's table from the row
    ``start`` on.
    """
    if isinstance(decisions, ByRow):
        return decisions.of(start, start + len(keys))
    return [decisions.get(key) for key in keys.to_pylist()] if decisions else [None] * len(keys)


class CorpusStage(Stage):
    """A stage that must see all records at once. It reads narrow columns and decides by key; the
    pipeline carries it out.

    columns: those that it decides on; ``origin.id`` is one field of a column of structs, or of
        lists of structs, without the others.
    joins: whether it makes records of several sources one; a run with a limit keeps these together.
    """

    columns: ClassVar[tuple[str, ...]] = ("key",)
    joins: ClassVar[bool] = False

    def reads(self) -> tuple[str, ...]:
        """The columns that it decides on; those of the class, unless its options need fewer."""
        return self.columns

    def kept(self, piece: pa.Table) -> pa.Table:
        """What it keeps of some of the records to decide on all of them: a table of as many rows,
        of which it sees all of them together.
        """
        return piece

    def compares(self) -> tuple[str, ...]:
        """The modalities whose likenesses it asks for."""
        return self.measures() if _takes(type(self).decide, 3) else ()

    def decide(self, table: pa.Table) -> Mapping[str, Decision]:
        """Decisions by key; records that are not named go on unchanged. ``table`` is what it kept
        of all records. A stage that looks at media writes ``decide(table, likeness)``; one that
        decides on nearly every record had better give them ``ByRow``.
        """
        raise NotImplementedError

    def decided(self, table: pa.Table, likeness: Likeness) -> Mapping[str, Decision]:
        """What ``decide`` says, with likenesses where it takes them."""
        decide: Callable[..., Mapping[str, Decision]] = type(self).decide
        return decide(self, table, likeness) if _takes(decide, 3) else decide(self, table)


# Any: pyarrow does not say what a column holds
def rows_of(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    """The values of these columns row by row, of which a few thousand rows at a time are Python
    objects.
    """
    for batch in table.select(list(columns)).to_batches(max_chunksize=4096):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@dataclass(frozen=True, slots=True)
class Merged:
    """Raw items that live on inside a record already given: an annotation in its question, an image
    under several questions.
    """

    kind: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """Something about what was read that a person should know: files passed over, a choice made for
    them.
    """

    what: str
    count: int = 1


Read: TypeAlias = Row | Merged | Noted


class Source(Addressed):
    """Reads one corpus as it lies on disk."""

    def paths(self) -> list[str]:
        """Files and folders, below the data root, that the source reads; they decide whether it
        must be read again.
        """
        raise NotImplementedError

    def contents(self) -> Contents:
        """The parts, targets and splits that its records can have, as far as the options tell."""
        raise NotImplementedError

    def contents_in(self, root: Path) -> Contents:
        """The same, of a source that looks into its files for what its options leave open: at
        little of them, for a recipe is checked by it. InputError where they cannot be read.
        """
        return self.contents()

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        """Rows for everything found, good or bad; ``tally`` is raised for each raw item read.

        ``beat`` names the item at hand; DamageError where that item brought down two workers
        before, and is to become a reject.
        """
        raise NotImplementedError

    def preview(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        """What ``read`` gives, as far as it is there: nothing is fetched and nothing is written."""
        yield from self.read(root, name, tally, beat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Rows of a table that lie one after the other, for one task to read.

    start: the place of the first in the file; 0 is its beginning. above: the number of the row
        above it. rows: how many :class:`Row` it gives; None for all to the end, and what comes
        after them.
    """

    start: int = 0
    above: int = 0
    rows: int | None = None


@dataclass(slots=True)
class Seen:
    """What reading a row can depend on of the rows above it, and what follows the last row on all.

    ids: those of rows. files: those that rows named. columns: those of the mapping that some row
    had. rows: how many were mapped. notes: what the account is to say.
    """

    ids: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    rows: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, other: Seen) -> None:
        """Add what was seen in another range."""
        self.ids |= other.ids
        self.files |= other.files
        self.columns |= other.columns
        self.rows += other.rows
        self.notes.update(other.notes)


@runtime_checkable
class Ranged(Protocol):
    """A source whose table several tasks can read, each a range of it.

    The ranges one after the other give what ``read`` gives, if each is told the ids of the rows
    above it, and the last one all that was seen there. The id of a row stands in its origin,
    whatever becomes of it.
    """

    def table_file(self) -> str:
        """The file of the rows, below the data root."""

    def ranges(self, root: Path, rows: int) -> Sequence[Range]:
        """Ranges that each give a multiple of ``rows``, and a last one with the rest; none where it
        is not certain that a row begins where one would.
        """

    def read_range(
        self, root: Path, name: str, tally: Counter[str], beat: Beat, part: Range, seen: Seen
    ) -> Iterator[Read]:
        """What ``read`` gives of one range. ``seen`` is what was seen above, and gets what is seen
        here.
        """


class Extractor(Addressed):
    """Turns one part into a vector of ``dims`` numbers, without learned weights unless its
    docstring says otherwise.
    """

    modality: ClassVar[str] = "image"
    # all features are in one unit, and which of them vary most says something
    one_scale: ClassVar[bool] = False
    # options that came after the first version: as by default they are no part of the identity, so
    # that what was cached before them stays good
    later: ClassVar[frozenset[str]] = frozenset()
    # options that say how, and not what, is computed
    aside: ClassVar[frozenset[str]] = frozenset()
    # options that say where its files lie
    places: ClassVar[frozenset[str]] = frozenset({"model"})
    # what ``tell`` counts of a part, summed up with the vectors
    told: ClassVar[tuple[str, ...]] = ()
    # what a cache of sequences counts beside that: those that were cut
    longer: ClassVar[str] = "longer"

    @property
    def batch(self) -> int:
        """How many parts ``extract_all`` takes at once."""
        return 1

    @property
    def reads_by(self) -> Extractor:
        """The extractor whose options say how a part is decoded (``rate_hz``, ``frames``, ...)."""
        return self

    def deciding(self) -> dict[str, object]:
        """The options that decide what the vectors are, by name."""
        chosen: dict[str, object] = {}
        for item in dataclasses.fields(self):  # type: ignore[arg-type]  # all are
            value = getattr(self, item.name)
            as_ever = item.name in self.later and value == item.default
            if not as_ever and item.name not in self.aside:
                chosen[item.name] = value
        return chosen

    def files(self) -> Sequence[Path]:
        """The files that its options in ``places`` name, a network's for example: their contents,
        not where they lie, are part of the identity.
        """
        return ()

    def identity(self) -> str:
        files = [(path, path.stat()) for path in self.files()]
        options = self.deciding()
        if not files:
            own = outside.source_of(type(self))
            return fingerprint(self.address, self.version, options, *([own] if own else []))
        for name in self.places:
            options.pop(name, None)
        return fingerprint(
            self.address,
            self.version,
            options,
            [_hashed(path, state.st_size, state.st_mtime_ns) for path, state in files],
        )

    def dims(self) -> int:
        """Length of the vector."""
        raise NotImplementedError

    def extracted_dims(self) -> int:
        """Length of what ``extract`` gives; that of the vector where fitting does not change it."""
        return self.dims()

    def sequence_limit(self) -> int | None:
        """How many vectors of a part are kept where ``extract`` gives them in order ``[T, dims]``;
        None where it gives one.
        """
        return None

    def kept_type(self) -> np.dtype[np.floating[Any]]:
        """In which a cache holds its vectors: float16 or float32."""
        return np.dtype(np.float16)

    def counted(self) -> tuple[str, ...]:
        """All that is counted of a part."""
        return self.told if self.sequence_limit() is None else (*self.told, self.longer)

    def maps_much(self) -> bool:
        """Whether it works on an accelerator, whose driver maps more addresses than a worker may
        have.
        """
        return False

    # Any: what a part is when it is decoded is its modality's own
    def extract(self, data: Any) -> np.ndarray:
        """The vector of one decoded part: text, RGB ``[H, W, 3]``, mono sound ``[T]`` at
        ``sample_rate_hz`` or frames ``[T, H, W, 3]``; or its vectors in order ``[T, dims]`` where
        there is a ``sequence_limit``, as many as there are.
        """
        raise NotImplementedError

    def extract_all(self, data: Sequence[Any]) -> list[np.ndarray]:
        """The vectors of some decoded parts, at most ``batch`` of them."""
        return [self.extract(one) for one in data]

    def tell(self, data: Any) -> Sequence[int]:
        """How often each thing in ``told`` is met in a decoded part."""
        return [0] * len(self.told)

    def remark(self, counts: Mapping[str, int]) -> str:
        """What a person is to know of all parts together, by the sums of ``tell``; empty for
        nothing.
        """
        return ""

    def counts(self, data: Any, vector: np.ndarray) -> list[int]:
        """What is counted of a decoded part and of what ``extract`` gave of it, as :meth:`counted`
        names it.
        """
        limit = self.sequence_limit()
        return [*self.tell(data), *([] if limit is None else [int(len(vector) > limit)])]

    def remarks(self, of_parts: Iterable[Sequence[int]]) -> list[str]:
        """What a person is to know of parts, by the counts of each."""
        of_parts = list(of_parts)
        sums = [sum(counts) for counts in zip(*of_parts, strict=True)]
        if not sums:
            return []
        counts = dict(zip(self.counted(), sums, strict=True))
        longer = counts.pop(self.longer, 0)
        said = [self.remark(counts)]
        if longer:
            said.append(
                f"{longer:,} of {len(of_parts):,} sequences are longer than longest:"
                f" {self.sequence_limit():,}, and were cut at their end"
            )
        return [line for line in said if line]

    def mistakes(self, here: Contents) -> list[str]:
        """What its options ask for that records cannot hold, one line each."""
        return []

    def weigh(self, vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The vector ``[dims]`` weighted by what ``fit`` or ``fit_vectors`` gave: of extractors
        that have one of them.
        """
        raise NotImplementedError


class VectorFitted(Extractor):
    """An extractor that changes the vectors of another one (``reads_by``) as those of the training
    split say. ``weigh`` begins with what ``extract`` gave, ``reduce`` with a cached vector of the
    other.
    """

    @property
    def sees_answers(self) -> bool:
        """Whether it is fitted to targets (its option ``target``)."""
        return False

    def fit_vectors(
        self, vectors_ND: np.ndarray, classes: Sequence[JsonValue], weights: np.ndarray | None
    ) -> np.ndarray:
        """What :meth:`weigh` and :meth:`reduce` need ``float32 [W]``, by cached vectors of the
        other extractor and the target of each, None where it has none. weights: to which the other
        extractor was fitted. InputError where they do not do.
        """
        raise NotImplementedError

    def reduce(self, vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The vector ``[dims]`` made of a cached one of the other extractor."""
        raise NotImplementedError


@functools.lru_cache(maxsize=64)
def _hashed(path: Path, size: int, time_ns: int) -> str:
    # size and time are what the cache is asked by: a changed file is hashed anew
    return hash_file(path)


def checked(extractor: Extractor, vector: np.ndarray, of: str) -> np.ndarray:
    """The vector that an extractor gave of a part, before any fit ``[dims]``, or its sequence
    ``[T, dims]`` as far as it is kept; DamageError for numbers that a cache cannot hold and a
    sequence of nothing, InputError for another shape: the extractor's fault, not the medium's.
    """
    where, kind = f"features by {extractor.address} of {of}", extractor.kept_type()
    if misshapen := wrong_shape(extractor, vector):
        raise InputError(f"{where}: {misshapen}")
    if not len(vector):
        raise DamageError("no_features", f"{where}: a sequence of no vector")
    limit = extractor.sequence_limit()
    vector = vector if limit is None else vector[:limit]
    with np.errstate(over="ignore"):
        wrong = int((~np.isfinite(vector.astype(kind))).sum())
    if wrong:
        bound = ", or beyond the 65,504 of float16" if kind == np.float16 else ""
        raise DamageError(
            "features_out_of_range",
            f"{where}: {wrong} of {vector.size} numbers are not finite{bound}",
        )
    return vector


def wrong_shape(extractor: Extractor, vector: object) -> str:
    """What an extractor should have given instead, and what it gave; empty where all is well."""
    dims = extractor.extracted_dims()
    shape = list(vector.shape) if isinstance(vector, np.ndarray) else None
    if extractor.sequence_limit() is None:
        wanted, fits = f"a vector of {dims} numbers", shape == [dims]
    else:
        wanted = f"vectors in order, each of {dims} numbers"
        fits = shape is not None and len(shape) == 2 and shape[1] == dims
    found = type(vector).__name__ if shape is None else f"the shape {shape}"
    return "" if fits else f"wanted {wanted}, found {found}"


def stored(extractor: Extractor, vector: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """The vector, or the sequence, as a cache holds it: weighted by what the extractor was fitted
    to, where it is fitted.
    """
    if weights is not None:
        vector = extractor.weigh(vector, weights)
    return np.asarray(vector).astype(extractor.kept_type(), copy=False)


def options_of(named: Addressed) -> dict[str, JsonValue]:
    """Its options as plain JSON, from which :func:`make` makes it again."""
    options: dict[str, JsonValue] = TypeAdapter(type(named)).dump_python(named, mode="json")
    return options


def deciding_options(extractor: Extractor) -> dict[str, JsonValue]:
    """Those of its options, as plain JSON, that decide what its vectors are."""
    deciding = extractor.deciding()
    return {name: value for name, value in options_of(extractor).items() if name in deciding}


def find(address: str, kind: type[T]) -> type[T]:
    """The class at an address, for example ``clean.text``; KeyError with the nearest right address
    where there is none.
    """
    choices = addresses(kind)
    if address not in choices:
        raise KeyError(f"no {_KIND_WORDS[kind]} is called {address!r}{nearest(address, choices)}")
    theirs = _from_outside(kind)
    if address in theirs:
        return theirs[address]
    module = importlib.import_module(f"{__package__}.{address}")
    cls: type[T] = next(
        value for value in vars(module).values() if _is_a(value, kind, module.__name__)
    )
    return cls


def make(address: str, kind: type[T], options: object, where: str) -> tuple[T | None, list[str]]:
    """The stage, source or extractor made of its options, or every mistake in them as one line
    each.
    """
    try:
        cls = find(address, kind)
    except KeyError as error:
        return None, [f"{where}: {error.args[0]}"]
    # all of them are dataclasses
    names = [item.name for item in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if options is not None and not isinstance(options, Mapping):
        return None, [f"{where}: wanted options by name ({', '.join(names)}), found {options!r}"]
    try:
        return TypeAdapter(cls).validate_python(cls.spelled(options or {})), []
    except ValidationError as error:
        return None, mistake_lines(error, known=names, prefix=f"{where}.")
    except (MissingPackageError, ValueError) as error:
        return None, [f"{where}: {error}"]


def entry_of(entry: object, where: str, problems: list[str]) -> tuple[str, object]:
    """Address and options of an entry written as ``address`` or ``address: {options}``; an empty
    address, and a line in ``problems``, where it is neither.
    """
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and len(entry) == 1:
        address, options = next(iter(entry.items()))
        return str(address), options
    problems.append(f"{where}: wanted one address with its options, found {entry!r}"[:200])
    return "", {}


def placed_names(addresses: Iterable[str]) -> list[str]:
    """Addresses told apart by their place in a recipe.

    >>> placed_names(["clean.text", "augment.flip", "augment.flip"])
    ['clean.text', 'augment.flip', 'augment.flip#2']
    """
    seen: Counter[str] = Counter()
    names = []
    for address in addresses:
        seen[address] += 1
        names.append(address if seen[address] == 1 else f"{address}#{seen[address]}")
    return names


def addresses(kind: type[Addressed]) -> list[str]:
    """All addresses of one kind: the files of its rooms whose names do not begin with ``_``, which
    are not imported, and what users brought.
    """
    if issubclass(kind, Source):
        rooms: tuple[str, ...] = (SOURCE_ROOM,)
    elif issubclass(kind, Extractor):
        rooms = (FEATURE_ROOM,)
    else:
        rooms = STAGE_ROOMS
    here = Path(__file__).parent
    listed = []
    for room in rooms:
        modules = (module.name for module in pkgutil.iter_modules([str(here / room)]))
        listed += [f"{room}.{name}" for name in modules if not name.startswith("_")]
    return sorted({*listed, *_from_outside(kind)})


def _from_outside(kind: type[T]) -> dict[str, type[T]]:
    """Address -> class, of users' own of one kind. ``Addressed`` means stages, as it does for the
    rooms.
    """
    if issubclass(kind, (Source, Extractor)):
        return outside.classes(kind, "sources" if issubclass(kind, Source) else "extractors")
    stages = outside.classes(Stage, "stages")
    return {address: cls for address, cls in stages.items() if issubclass(cls, kind)}


def _is_a(value: object, kind: type[Addressed], module: str) -> bool:
    if not (
        isinstance(value, type) and value.__module__ == module and issubclass(value, Addressed)
    ):
        return False
    return issubclass(value, kind) or (kind is Addressed)


_KIND_WORDS: dict[type[Addressed], str] = {
    Addressed: "stage",
    RecordStage: "stage",
    CorpusStage: "stage",
    Source: "source type",
    Extractor: "extractor",
}
