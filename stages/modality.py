"""What a modality is: everything that the rest of the house asks about one, in one object.

A modality lives in ``stages/modalities`` and is called like its file or folder there (``image`` in
``modalities/image``). Nothing else lists them: who meets a part asks ``modality(part.modality)``. A
new one is one file that holds a subclass of :class:`OnDisk` or :class:`InRecord`.

    on disk    a file that the record refers to: decoded, measured, rendered into the tar
               (image, audio, video, series)
    in record  a value that stands in the record itself, in its row of the index (text, table)
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypedDict

from pydantic import BaseModel, ConfigDict

from ..schemas.errors import DamageError, InputError, nearest
from ..schemas.json_value import JsonValue
from ..schemas.quantity import Quantity
from ..schemas.recipe import ShardOptions
from ..schemas.record import Part, Step
from . import outside
from .signal import (
    ROOM,
    Signal,
    SignalsFound,
    Track,
    measured_anyway,
    quantities_of,
    signals_of,
    tracks_alone,
)
from .spec import Spec

if TYPE_CHECKING:
    import numpy as np

_ACTIVITY_HOP_S = 0.02
WARP_COST = Quantity("cost of the path that align.warp found, 1 of what belongs to nothing")


class ModalityOptions(BaseModel):
    """What a recipe may say of an input of a modality (``train.inputs.<part>``), beside what all
    inputs take.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rendered(NamedTuple):
    """A part as it goes into the tar: the ending of its member, its bytes, and what a person should
    know of it (or nothing).
    """

    ending: str
    data: bytes
    note: str = ""


class Measured(TypedDict, total=False):
    """What is found of a file: the ``hash`` of its contents always, its facts, and what else was
    wanted.

    found: its signals and tracks. likeness: by which media of the modality are compared.
    """

    hash: str
    width: int
    height: int
    frames: int
    fps: float | None
    sample_rate_hz: int
    channels: int
    duration_s: float | None
    found: SignalsFound
    likeness: np.ndarray


class Modality:
    """One modality.

    timed: it has a time axis, and can be cut to a span.
    takes_speed: the step ``speed`` makes it shorter or longer, as ``Part.pace`` says.
    has_pixels: it is made of RGB pixels, which the steps of images apply to.
    parts_per_task: how many are some seconds of work for an extractor. version: of what it
        measures, renders and fits.
    options: what an input of a model takes beside the options of all inputs. first_encoder: what
        encodes it unless the recipe says otherwise.
    column: the type of its member's column for Hugging Face ``datasets``.
    facts: what is known of its parts, names of ``schemas.quantity.FACTS``. by_stages: what stages
        find of them and put among their signals.
    readable: what signals of it may read of what is decoded; not checked where it names nothing.
        readable_by_tracks: what tracks may, where that is something else.
    """

    timed: ClassVar[bool] = False
    takes_speed: ClassVar[bool] = False
    has_pixels: ClassVar[bool] = False
    parts_per_task: ClassVar[int] = 64
    version: ClassVar[int] = 1
    options: ClassVar[type[ModalityOptions]] = ModalityOptions
    first_encoder: ClassVar[str] = ""
    facts: ClassVar[tuple[str, ...]] = ()
    by_stages: ClassVar[Mapping[str, Quantity]] = {}
    readable: ClassVar[tuple[str, ...]] = ()
    readable_by_tracks: ClassVar[tuple[str, ...]] = ()
    column: ClassVar[Mapping[str, JsonValue]] = {"dtype": "binary"}

    @property
    def name(self) -> str:
        """What recipes and shards call it: the name of its file or folder; of its class where it
        comes from outside.
        """
        own = outside.is_outside(type(self))
        return outside.name_of(type(self)) if own else type(self).__module__.rpartition(".")[2]

    @property
    def identity(self) -> list[object]:
        """What says that it does the same as before: its version, and the text of its file where
        that is a user's own.
        """
        return [self.version, outside.source_of(type(self))]

    @property
    def signals(self) -> Mapping[str, Quantity]:
        """What measuring, or a stage, finds of its parts."""
        return quantities_of(self.name) | dict(self.by_stages)

    @property
    def on_request(self) -> tuple[str, ...]:
        """The signals, and tracks of their own, that are measured only where somebody asks for them
        (``audio.speech``).
        """
        anyway = measured_anyway(self.name)
        signals = [name for name in signals_of(self.name) if name not in anyway]
        return (*signals, *tracks_alone(self.name))

    def check_request(self, name: str, wanted_by: str) -> None:
        """MissingPackageError or InputError where one of ``on_request`` cannot be measured here."""

    def cut(self, part: Part, start_s: float, end_s: float) -> Part:
        """The part cut to [start_s, end_s) seconds of what it is now; unchanged where it has no
        time.

        medium      0         2         4         6         8
        part                  |=== start 2, end 7 ===|
        cut(1, 3)                  |=========|            start 3, end 5
        """
        if not self.timed:
            return part
        base, pace = part.start_s or 0.0, part.pace
        end = base + pace * end_s
        if part.end_s is not None:
            end = min(end, part.end_s)
        return replace(part, start_s=base + pace * start_s, end_s=end)

    def decoded(self, root: Path, part: Part, wanted_by: object) -> object:
        """The part as extractors take it; DamageError where it is damaged. ``wanted_by``: its
        ``size``, ``rate_hz`` and ``frames`` count.
        """
        raise NotImplementedError

    def spec(self) -> Spec:
        """How a stream reads it for who says no more than its name."""
        raise NotImplementedError

    # Any, here and below: options and values are each modality's own
    def input_spec(self, options: Any, fitted: Mapping[str, object], training: bool) -> Spec:
        """How a model reads it: by the options of the input and what was fitted on the training
        split.
        """
        raise NotImplementedError

    def fit(self, options: Any, values: Iterable[Any]) -> Mapping[str, object]:
        """What a model must know of the training split, as plain JSON. ``values``: its parts as
        ``Spec.fill`` takes them, read when asked for.
        """
        return {}

    def longest(self, options: Any) -> float | None:
        """The length that an input is cut to, in the unit of the spec's ``cut_to``; None where the
        spec knows no lengths.
        """
        return None

    def given(self, value: str, fitted: Mapping[str, object]) -> object:
        """What a person gave for the part (a file, or the value itself) as the spec's ``fill``
        takes it, None where it holds nothing; DamageError where it cannot be read.
        """
        raise NotImplementedError

    def from_row(
        self, part: str, row: Mapping[str, str | None], fitted: Mapping[str, object]
    ) -> str | None:
        """What a row of a CSV gives for the part; None where it gives nothing. Its column is called
        like the part.
        """
        return row.get(part) or None

    def columns(self, part: str, fitted: Mapping[str, object]) -> tuple[str, ...]:
        """The columns that :meth:`from_row` looks at."""
        return (part,)

    def token_names(self, value: str, fitted: Mapping[str, object]) -> list[str] | None:
        """What the tokens of the part stand for, in their order; None where they have no names."""
        return None


class InRecord(Modality):
    """A modality whose value stands in the record as a text. annotated_under: where the json of a
    sample keeps such values.

    has_member: it has a member of its own in samples of one record; else it stands in the json in
        any case.
    """

    annotated_under: ClassVar[str] = ""
    has_member: ClassVar[bool] = False

    def member(self, part: str, text: str, alone: bool) -> Rendered:
        """The part's member of the tar; its ending begins with the part's name unless it is
        ``alone``, the only one of its modality.
        """
        raise NotImplementedError

    def annotated(self, text: str) -> JsonValue:
        """The value as it stands in the sample's json, below ``annotated_under``."""
        raise NotImplementedError

    def fields(self, text: str) -> dict[str, str]:
        """Name -> kind (``number``, ``text``) of what is in an annotated value that is itself made
        of values.
        """
        return {}

    def given(self, value: str, fitted: Mapping[str, object]) -> object:
        return value


class OnDisk(Modality):
    """A modality whose parts are files.

    suffixes: endings of the files that can hold it. by_ending: such an ending is enough to know it
        by.
    media_per_task: how many are some seconds of work to measure.
    always_measured: its length is needed, whatever the stages.
    no_stream: the damage that says that a file holds none of it, so that the part is absent rather
        than broken.
    stream_of: what a stream of it is called, where a file can hold several.
    cut_by: what parts it into segments (``silence``), named as ``align.cut`` names them; one that
        is called like something on request needs that.
    likeness_version: of what media are compared by, where that changed alone; 0 for the first.
    likeness_anyway: it costs next to nothing beside the signals.
    warped_by: what the times of two parts of the modality can be mapped by, as ``align.warp`` names
        it: one that is called like something on request needs that.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    by_ending: ClassVar[bool] = True
    media_per_task: ClassVar[int] = 64
    always_measured: ClassVar[bool] = False
    no_stream: ClassVar[str] = ""
    stream_of: ClassVar[str] = ""
    cut_by: ClassVar[tuple[str, ...]] = ()
    likeness_version: ClassVar[int] = 0
    likeness_anyway: ClassVar[bool] = False
    warped_by: ClassVar[tuple[str, ...]] = ()

    def steps(self, options: Mapping[str, object]) -> tuple[Step, ...]:
        """What a source says of its files beside their place, as steps on the part; ValueError for
        what this modality does not know.
        """
        for name in options:
            raise ValueError(
                f"{name}: {self.name} has no such option; its files are read as they are"
            )
        return ()

    def measured(self, root: Path, part: Part, wanted: frozenset[str]) -> Measured:
        """Content hash and facts of the file of a part, and of the signals, tracks and the likeness
        that it is decoded for those that are ``wanted`` (see :mod:`.signal`). DamageError for what
        cannot be used.

        The file as a whole, whatever the span; of the steps those alone count that say how it is
        read.
        """
        raise NotImplementedError

    def stretch(self, part: Part, tracks: Mapping[str, np.ndarray]) -> object:
        """The span of a part, as signals that stand on tracks take it; None where there is nothing
        in it.
        """
        return None

    def facts_within(self, part: Part) -> Part:
        """A part whose facts, as they were just laid onto it, are those of its whole file: with
        those that its steps make others.
        """
        return part

    def segments(
        self, part: Part, tracks: Mapping[str, np.ndarray], by: str, options: Mapping[str, float]
    ) -> list[tuple[float, float]]:
        """The segments [start, end) of the span of a part by one of ``cut_by``, in seconds of the
        part as it is now, from the tracks of its file; nothing is decoded. ``options``: those of
        ``align.cut``.
        """
        raise NotImplementedError

    def parted(
        self,
        part: Part,
        tracks: Mapping[str, np.ndarray],
        by: str,
        span: tuple[float, float],
        max_s: float,
    ) -> list[tuple[float, float]]:
        """A segment in pieces of ``max_s`` at most: as few equal ones as keep to it."""
        start, end = span
        count = max(1, math.ceil((end - start) / max_s))
        step = (end - start) / count
        return [(start + each * step, start + (each + 1) * step) for each in range(count)]

    def sequence(self, tracks: Mapping[str, np.ndarray], by: str) -> tuple[float, np.ndarray]:
        """What happens over time in a file by one of ``warped_by``, from its tracks: seconds from
        one row to the next, and the rows ``float32 [F, D]``, NaN where nothing is known.
        """
        raise NotImplementedError

    def activity(self, tracks: Mapping[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
        """How much happens at these times of a file ``float32 [T]``, on a logarithmic scale, from
        its tracks; NaN where the file has nothing.
        """
        raise NotImplementedError

    def likeness(self, data: bytes) -> np.ndarray:
        """What ``measured`` gave as ``likeness``, from its bytes."""
        import numpy as np

        return np.frombuffer(data, np.uint8)

    def likeness_of(self, data: bytes) -> object:
        """What a file is compared by; None where media of the modality are not compared."""
        return None

    # Any: as its own likeness_of gives them
    def alike(self, likenesses: Sequence[Any]) -> list[tuple[int, int]]:
        """Pairs of those that are one to eye or ear, by their numbers; enough to connect all."""
        return []

    def rendered(self, root: Path, part: Part, options: ShardOptions) -> Rendered:
        """The part as it goes into the tar: the file as it is where it fits, else decoded once and
        encoded; DamageError unless it is whole.
        """
        raise NotImplementedError

    def estimated_bytes(self, part: Part, options: ShardOptions) -> int:
        """About how many bytes it will take in the tar, from what is known before it is read."""
        return part.bytes or 0

    def given(self, value: str, fitted: Mapping[str, object]) -> object:
        return given_file(value).read_bytes()


def sequence_of_activity(
    kind: OnDisk, tracks: Mapping[str, np.ndarray], seconds: float
) -> tuple[float, np.ndarray]:
    """How much happens over time in a file of this length, as ``OnDisk.sequence`` gives it."""
    import numpy as np

    times = (np.arange(int(seconds / _ACTIVITY_HOP_S)) + 0.5) * _ACTIVITY_HOP_S
    return _ACTIVITY_HOP_S, kind.activity(tracks, times)[:, None]


def in_span(
    part: Part, found: Callable[[float, float], list[tuple[float, float]]]
) -> list[tuple[float, float]]:
    """What is found between two times of a file, in seconds of a part that means that span."""
    start, length = part.start_s or 0.0, part.seconds() or 0.0
    return [(first - start, last - start) for first, last in found(start, start + length)]


def given_file(value: str) -> Path:
    """The file that a person gave; DamageError where there is none."""
    path = Path(value)
    if not path.is_file():
        raise DamageError("no_file", "there is no such file")
    return path


@outside.forgets
@functools.cache
def modality(name: str) -> Modality:
    """The modality of this name; InputError with the nearest right name where there is none."""
    if name not in names():
        raise InputError(
            f"no modality is called {name!r}{nearest(name, names())}; where it is your own, name"
            " its file: modalmill --use FILE ..."
        )
    theirs = _from_outside()
    if name in theirs:
        return theirs[name]()
    module = importlib.import_module(f"{__package__}.{ROOM}.{name}")
    return outside.defined_in(module, Modality)[0]()


@outside.forgets
@functools.cache
def names() -> tuple[str, ...]:
    """Every modality there is: the files and folders of the room, which are not imported, and what
    users brought.
    """
    own = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / ROOM)])}
    theirs = _from_outside()
    if twice := sorted(own & theirs.keys()):
        raise InputError(
            f"use: there is a modality called {', '.join(twice)} already; give yours another name"
        )
    return tuple(sorted(own | theirs.keys()))


def _from_outside() -> dict[str, type[Modality]]:
    return {outside.name_of(cls): cls for cls in outside.classes(Modality, "modalities").values()}


def on_disk(name: str) -> OnDisk:
    """The modality of a file."""
    kind = modality(name)
    assert isinstance(kind, OnDisk)
    return kind


def in_record(name: str) -> InRecord:
    """The modality of a value in the record itself."""
    kind = modality(name)
    assert isinstance(kind, InRecord)
    return kind


def mistakes_outside() -> list[str]:
    """A line for each mistake in how signals and tracks from outside are declared."""
    declared: list[Signal | Track] = [
        *outside.objects(Signal, "signals"),
        *outside.objects(Track, "signals"),
    ]
    return [f"use: {line}" for own in declared for line in wrongly_declared(own)]


def wrongly_declared(own: Signal | Track) -> list[str]:
    """Why a signal or track cannot be measured, or nothing."""
    what = f"the {type(own).__name__.lower()} {own.name!r}"
    if own.of not in names():
        return [f"{what} is of {own.of!r}, and no modality is called so{nearest(own.of, names())}"]
    kind = modality(own.of)
    gives = own.gives if isinstance(own, Signal) else ()
    for name in (own.name, *gives):
        if not name.isidentifier():
            return [f"{what}: {name!r} is no name; wanted letters, digits and _"]
        if name in gives and name in (*kind.facts, *kind.by_stages):
            return [f"{what} gives {name!r}, which is known of {own.of} already; call it otherwise"]
    if not inspect.isfunction(own.function):
        # its text is what says whether it measures the same as before
        return [f"{what}: function: wanted one that is written in its file (def), found another"]
    readable = kind.readable
    if isinstance(own, Track):
        readable = kind.readable_by_tracks or readable
    reads_stretch = isinstance(own, Signal) and own.tracks
    if own.reads and readable and not reads_stretch and own.reads not in readable:
        return [
            f"{what} reads {own.reads!r}, and of {own.of} can be read"
            f" {', '.join(readable)}{nearest(own.reads, readable)}"
        ]
    try:
        signals_of(own.of)
    except InputError as error:
        return [str(error)]
    return []


def every_on_disk() -> list[OnDisk]:
    """The modalities of files."""
    return [kind for kind in map(modality, names()) if isinstance(kind, OnDisk)]


def requested(asked: str) -> tuple[str, str]:
    """The modality that somebody asks to have measured, and what of it on request, or nothing.

    >>> requested("audio"), requested("audio.speech")
    (('audio', ''), ('audio', 'speech'))
    """
    kind, _, request = (asked, "", "") if asked in names() else asked.rpartition(".")
    return kind, request


@outside.forgets
@functools.cache
def segmenters() -> dict[str, str]:
    """What parts media into segments, as ``align.cut`` names it -> the modality it looks at."""
    return {by: kind.name for kind in every_on_disk() for by in kind.cut_by}


@outside.forgets
@functools.cache
def timed() -> tuple[str, ...]:
    """The modalities of files that have a time axis."""
    return tuple(kind.name for kind in every_on_disk() if kind.timed)


def is_in_record(name: str) -> bool:
    """Whether parts of this kind stand in the record itself; kinds that tars of others hold beside
    the modalities (bytes, json) do not.
    """
    return name in names() and isinstance(modality(name), InRecord)


def is_rendered(part: Part) -> bool:
    """Whether a part is rendered into the tar: a file, or a series that stands in its step."""
    return part.uri is not None or not is_in_record(part.modality)


def by_ending(path: str) -> str | None:
    """The modality that a file's ending promises."""
    lower = path.lower()
    return next((name for name, endings in _promised() if lower.endswith(endings)), None)


@outside.forgets
@functools.cache
def _promised() -> list[tuple[str, tuple[str, ...]]]:
    """The modalities that an ending is enough to know, each with its endings: asked for each row of
    a table.
    """
    return [(kind.name, kind.suffixes) for kind in every_on_disk() if kind.by_ending]


def suffixes(wanted: Iterable[str | None]) -> tuple[str, ...]:
    """The endings of files of these modalities; those of all that are known by their ending where
    None is among them.
    """
    chosen = set(wanted)
    return tuple(
        ending
        for kind in every_on_disk()
        if kind.name in chosen or (None in chosen and kind.by_ending)
        for ending in kind.suffixes
    )
