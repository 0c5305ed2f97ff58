"""What a signal is: a number that is measured of a part, or a few that share their work, in a file
with nothing else.

    of a medium    a function of what was decoded, which all signals of the medium share
    of a stretch   a function of tracks: of any span of a medium with time, without decoding
    of a value     a function of what stands in the record: a text, the cells of a row

Signals and the tracks that they stand on are objects in ``stages/modalities/<name>/signals``, in
the file of a modality that is one file, or in a user's own. Nothing else lists them: who wants
those of a modality asks :func:`signals_of`. Each is kept with its own version, so that a new one
costs its own pass, and leaves the others.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from ..schemas.errors import InputError, ModalmillError, nearest
from ..schemas.quantity import Quantity
from . import outside
from .media.refusing import one_line

ROOM = "modalities"
Declared = TypeVar("Declared", bound="Signal | Track")

# beside signals and tracks, what is kept of a medium: its facts as its header says them, or as they
# are found where it is decoded to its end, and what media are compared by
FACTS, WHOLE, LIKENESS = "facts", "whole", "likeness"


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal:
    """A signal.

    name: what it is asked for by. of: the modality. gives: the numbers, by name.
    function: from what is read to the number, or to a mapping where it gives several; None, or a
        name left out, says that it is not known of this one. Of a quantity that has words it gives
        the word.
    reads: the attribute of what the modality decodes (``gray`` of a ``Picture``) that the function
        takes; all of it where nothing is said.
    tracks: the tracks that it stands on, by name; the function then takes a stretch of them.
    of_file: without tracks, it says something of the file, whatever span of it a part means; one
        that does not is unknown of a span.
    version: to be raised where it measures something else than before.
    on_request: measured only where a stage, a rule or ``measure`` asks for it, and not with the
        others of its modality.
    """

    name: str
    of: str
    gives: Mapping[str, Quantity]
    # Any: as each modality decodes, and one number or several
    function: Callable[[Any], Any]
    reads: str = ""
    tracks: tuple[str, ...] = ()
    of_file: bool = False
    version: int = 1
    on_request: bool = True

    @property
    def unit(self) -> str:
        """What it is kept under."""
        return f"signal {self.name}"

    def numbers(self, view: object) -> dict[str, float]:
        """Its numbers, of what was decoded, of a stretch or of a value."""
        found = self.function(_read(view, self.reads))
        if not isinstance(found, Mapping):
            found = dict.fromkeys(self.gives, found)
        if unknown := found.keys() - self.gives.keys():
            raise ValueError(f"gives {', '.join(sorted(unknown))}, which it does not declare")
        return {
            name: _number(self.gives[name], value)
            for name, value in found.items()
            if value is not None
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """What is measured of a medium over time, for signals of any span and for stages that look at
    it; made where a signal that stands on it is wanted.

    function: from what is read to one array, which is called like the track, or to a mapping of
        arrays; of a film, from what is read of one frame to one number.
    """

    name: str
    of: str
    # Any: as each modality decodes, and one array or several
    function: Callable[[Any], Any]
    reads: str = ""
    version: int = 1

    @property
    def unit(self) -> str:
        """What it is kept under."""
        return f"track {self.name}"

    def arrays(self, view: object) -> dict[str, np.ndarray]:
        """Its arrays, of what was decoded."""
        found = self.function(_read(view, self.reads))
        found = found if isinstance(found, Mapping) else {self.name: found}
        return {name: np.asarray(values, np.float32) for name, values in found.items()}

    def number(self, frame: object) -> float:
        """Its number, of one frame."""
        return float(self.function(_read(frame, self.reads)))


class SignalsFound(NamedTuple):
    """What was measured of a medium, by the names of signals and tracks. failed: unit -> why, of
    those whose function raised something.
    """

    signals: dict[str, dict[str, float]]
    tracks: dict[str, dict[str, np.ndarray]]
    failed: dict[str, str]


def found_in(of: str, view: object, wanted: Container[str]) -> SignalsFound:
    """The wanted signals and tracks of a medium, from what was decoded of it.

    A function that fails says nothing against the medium: its numbers are not known of it.
    """
    found = SignalsFound({}, {}, {})
    for signal in signals_of(of).values():
        if signal.unit in wanted:
            with noting(signal.unit, found.failed):
                found.signals[signal.name] = signal.numbers(view)
    for track in _by_use(of):
        if track.unit in wanted:
            with noting(track.unit, found.failed):
                found.tracks[track.name] = track.arrays(view)
    return found


@outside.forgets
@functools.cache
def _by_use(kind: str) -> list[Track]:
    """The tracks of a modality, those first that most signals stand on. The other way round memory
    is given back and asked for again between them, and a sound takes a quarter longer.
    """
    used = Counter(track for signal in signals_of(kind).values() for track in signal.tracks)
    return sorted(tracks_of(kind).values(), key=lambda track: -used[track.name])


@contextmanager
def noting(unit: str, failed: dict[str, str]) -> Iterator[None]:
    """Any exception in here is noted as the failure of a signal or track; but for errors of ours,
    which are about the medium, and lack of memory or of a package.
    """
    try:
        yield
    except (ModalmillError, MemoryError, ImportError):
        raise
    except (Exception, SystemExit) as error:  # a function of a user may raise anything
        failed[unit] = f"{type(error).__name__}: {one_line(error)}"


def numbers_of(
    of: str, view: object, names: Container[str], failed: dict[str, str]
) -> dict[str, float]:
    """The numbers of the named signals, of a stretch or of a value; ``failed`` is told of those
    whose function raised something.
    """
    numbers: dict[str, float] = {}
    for signal in signals_of(of).values():
        if signal.name in names:
            with noting(signal.unit, failed):
                numbers |= signal.numbers(view)
    return numbers


@outside.forgets
@functools.cache
def signals_of(kind: str) -> dict[str, Signal]:
    """The signals of a modality by their names; InputError where two would be called alike."""
    signals = _declared(Signal, kind)
    tracks = tracks_of(kind)
    taken: dict[str, str] = {}
    for signal in signals.values():
        for name in signal.gives:
            if name in taken:
                raise InputError(
                    f"{kind}.{name}: two signals, {taken[name]} and {signal.name}, give a number"
                    " of this name; give yours another"
                )
            taken[name] = signal.name
        for name in signal.tracks:
            if name not in tracks:
                raise InputError(
                    f"{kind}.{signal.name}: no track of {kind} is called"
                    f" {name!r}{nearest(name, tracks)}"
                )
    return signals


@outside.forgets
@functools.cache
def tracks_of(kind: str) -> dict[str, Track]:
    """The tracks of a modality by their names."""
    return _declared(Track, kind)


def quantities_of(kind: str, names: Container[str] | None = None) -> dict[str, Quantity]:
    """The numbers that signals of a modality give, all or those of some names, and what has to be
    asked for to have each.
    """
    return {
        name: replace(quantity, on_request=signal.name if signal.on_request else "")
        for signal in signals_of(kind).values()
        if names is None or signal.name in names
        for name, quantity in signal.gives.items()
    }


@outside.forgets
@functools.cache
def words_of(kind: str) -> dict[str, tuple[str, ...]]:
    """The signals of a modality that are words, and the words, of which a record keeps the
    place.
    """
    return {name: known.words for name, known in quantities_of(kind).items() if known.words}


@outside.forgets
@functools.cache
def of_whole_files(kind: str) -> dict[str, str]:
    """The numbers that are known of no span of a medium, and the unit that gives each."""
    return {
        word: signal.unit
        for signal in signals_of(kind).values()
        if not signal.tracks and not signal.of_file
        for word in signal.gives
    }


def measured_anyway(kind: str) -> frozenset[str]:
    """The signals that are measured wherever those of the modality are."""
    return frozenset(name for name, signal in signals_of(kind).items() if not signal.on_request)


def tracks_alone(kind: str) -> list[str]:
    """The tracks that no signal stands on: some stage looks at them, and asks for them by name."""
    below = {track for signal in signals_of(kind).values() for track in signal.tracks}
    return [name for name in tracks_of(kind) if name not in below]


def units_of(kind: str, names: Iterable[str]) -> list[Signal | Track]:
    """What has to be made of the media of a modality, for these signals of it and tracks of their
    own.
    """
    signals, tracks = signals_of(kind), tracks_of(kind)
    chosen = [signals[name] for name in sorted(names) if name in signals]
    below = {track for signal in chosen for track in signal.tracks}
    below |= {name for name in names if name in tracks_alone(kind)}
    return [
        *(signal for signal in chosen if not signal.tracks),
        *(tracks[name] for name in sorted(below)),
    ]


def identity_of(declared: Signal | Track) -> list[object]:
    """What says that it measures the same as before: its version, and the text of its file where
    that is a user's own.
    """
    return [declared.unit, declared.version, outside.source_of(declared.function)]


def _declared(base: type[Declared], kind: str) -> dict[str, Declared]:
    """All signals or tracks of a modality, the house's own and those from outside."""
    everywhere: list[Declared] = [*_in_the_room(base, kind), *outside.objects(base, "signals")]
    found: dict[str, Declared] = {}
    for declared in everywhere:
        if declared.of == kind and found.setdefault(declared.name, declared) is not declared:
            raise InputError(
                f"{kind}.{declared.name}: there is one of this name already; give yours another"
            )
    return found


def _in_the_room(base: type[Declared], kind: str) -> Iterator[Declared]:
    if kind not in {each.name for each in pkgutil.iter_modules(_room().__path__)}:
        return
    modules = [importlib.import_module(f"{_room().__name__}.{kind}")]
    room = f"{_room().__name__}.{kind}.signals"
    if hasattr(modules[0], "__path__") and importlib.util.find_spec(room):
        package = importlib.import_module(room)
        modules = [
            importlib.import_module(f"{room}.{each.name}")
            for each in pkgutil.iter_modules(package.__path__)
        ]
    for module in modules:
        yield from outside.objects_in(module, base)


def _room() -> Any:  # a module
    return importlib.import_module(f"{__package__}.{ROOM}")


def _number(quantity: Quantity, value: object) -> float:
    """What a function gave as it is kept."""
    if quantity.words:
        return float(quantity.words.index(str(value)))
    assert not isinstance(value, str)
    return float(cast("float", value))


def _read(view: object, attribute: str) -> Any:  # as the modality decodes
    value = getattr(view, attribute) if attribute else view
    if isinstance(value, np.ndarray):
        # others read it as well
        value = value.view()
        value.flags.writeable = False
    return value
