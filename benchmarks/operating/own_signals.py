"""What each signal costs by itself of a medium that is decoded already. What it shares with others
(the grey picture, the histogram) is in its figure, for it is made anew each time; the tracks that
tell when are not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from _rates import Inputs, Told
from modalmill.schemas.errors import InputError, MissingPackageError
from modalmill.schemas.record import Part
from modalmill.stages.media import audio, image, video
from modalmill.stages.modalities.audio.heard import Heard
from modalmill.stages.modalities.image.picture import Picture
from modalmill.stages.modalities.video.film import HEIGHT, WIDTH, Film, Frame, watch
from modalmill.stages.modalities.video.tracks import Watching
from modalmill.stages.modality import modality, on_disk
from modalmill.stages.signal import (
    Signal,
    SignalsFound,
    Track,
    found_in,
    measured_anyway,
    numbers_of,
    signals_of,
    tracks_alone,
    tracks_of,
    units_of,
)

UNASKED, ALL, DECODING = "all that are measured unasked", "all", "decoding"


class Seen(NamedTuple):
    """A film that is decoded: what signals of the file read, and its frames as tracks take them."""

    film: Film
    frames: list[tuple[float, Any]]


def measure_signals(inputs: Inputs, told: Told) -> None:
    of_pictures(inputs, told)
    of_sounds(inputs, told)
    of_films(inputs, told)
    of_texts(inputs, told)


def of_pictures(inputs: Inputs, told: Told) -> None:
    data = [path.read_bytes() for path in sorted(inputs.folder.glob("pictures/*.jpg"))]
    told.measure(f"pictures|{DECODING}", "", image.decode, data)
    views = [Picture(own) for own in data]
    for name, names in asked("image", told):
        units = {own.unit for own in units_of("image", names)}

        def measure(view: Picture, units: set[str] = units) -> None:
            forget(view)
            checked(found_in("image", view, units))

        told.measure(f"pictures|{name}", "", measure, views)


def of_sounds(inputs: Inputs, told: Told) -> None:
    paths = sorted(inputs.folder.glob("sounds/*.wav"))
    told.measure(f"sounds|{DECODING}", "", audio.decode, paths, inputs.seconds)
    views = [Heard(audio.decode(path)) for path in paths]
    clock = tracks_of("audio")["levels"]
    part = Part("audio", uri="sound.wav", duration_s=inputs.seconds)
    for name, names in asked("audio", told):
        measure = functools.partial(of_sound, part, names, clock)
        told.measure(f"sounds|{name}", "", measure, views, inputs.seconds)


def of_sound(part: Part, names: set[str], clock: Track, view: Heard) -> None:
    forget(view)
    units = {own.unit for own in units_of("audio", names)}
    found = checked(found_in("audio", view, units))
    reduce(part, names, found, clock.arrays(view) if clock.unit not in units else {})


def of_films(inputs: Inputs, told: Told) -> None:
    paths = sorted(inputs.folder.glob("films/*"))
    seen = [read_film(path) for path in paths]
    count = sum(len(own.frames) for own in seen) / len(seen)
    told.measure(f"films|{DECODING}", "", read_film, paths, count)
    part = Part("video", uri="film.mpg", duration_s=seen[0].film.end_s)
    for name, names in asked("video", told):
        measure = functools.partial(of_film, part, names)
        told.measure(f"films|{name}", reads_file("video", names), measure, seen, count)


def read_film(path: Path) -> Seen:
    film = watch(path, video.probe(path), ())
    return Seen(film, list(video.frames(path, WIDTH, HEIGHT, "gray", [])))


def of_film(part: Part, names: set[str], seen: Seen) -> None:
    units = {own.unit for own in units_of("video", names)}
    watching = Watching(units)
    before = None
    if watching.units:
        for time_s, gray in seen.frames:
            frame = Frame(time_s, gray, before)
            watching.look(frame)
            frame.before, before = None, frame
    found = found_in("video", seen.film, units - watching.units)
    watching.add_to(found)
    reduce(part, names, checked(found), {})


def of_texts(inputs: Inputs, told: Told) -> None:
    for kind, texts in inputs.texts.items():
        for name, names in asked("text", told):
            own = [signals_of("text")[each] for each in sorted(names)]
            told.measure(f"{kind}|{name}", "", functools.partial(of_text, own), texts)


def of_text(own: Sequence[Signal], text: str) -> None:
    for signal in own:
        signal.numbers(text)


def asked(kind: str, told: Told) -> Iterable[tuple[str, set[str]]]:
    """Row -> what is measured for it: each signal, each track that no signal stands on, and all of
    them together.
    """
    ready = [name for name in signals_of(kind) if is_ready(kind, name, told)]
    for name in ready:
        yield f"{kind}.{name}", {name}
    for name in tracks_alone(kind):
        if is_ready(kind, name, told):
            yield f"{kind}.{name}", {name}
    if measured_anyway(kind):
        yield UNASKED, set(measured_anyway(kind))
    yield ALL, set(ready)


def is_ready(kind: str, name: str, told: Told) -> bool:
    try:
        modality(kind).check_request(name, name)
    except (InputError, MissingPackageError) as error:
        told.left[f"{kind}.{name}"] = str(error)
        return False
    return True


def reads_file(kind: str, names: set[str]) -> str:
    """A remark where a signal opens the file once more by itself."""
    reads = {own.reads for name, own in signals_of(kind).items() if name in names}
    return "reads the file" if reads == {"path"} else ""


def reduce(part: Part, names: set[str], found: SignalsFound, clock: dict[str, Any]) -> None:
    """The numbers that stand on tracks."""
    kind = part.modality
    on_tracks = {name for name in names & signals_of(kind).keys() if signals_of(kind)[name].tracks}
    if not on_tracks:
        return
    tracks = clock | {name: own for each in found.tracks.values() for name, own in each.items()}
    numbers_of(kind, on_disk(kind).stretch(part, tracks), on_tracks, found.failed)
    checked(found)


def checked(found: SignalsFound) -> SignalsFound:
    assert not found.failed, found.failed
    return found


def forget(view: object) -> None:
    """Take away what was made of a view when it was first asked for."""
    for name in lasting(type(view)):
        vars(view).pop(name, None)


@functools.cache
def lasting(of: type[object]) -> list[str]:
    held: dict[str, Callable[..., object]] = vars(of)
    return [name for name, own in held.items() if isinstance(own, functools.cached_property)]
