"""Media measured as a run measures them, for tests of what is found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from modalmill.schemas.record import Part
from modalmill.stages.measure.measurements import units_wanted
from modalmill.stages.modality import on_disk
from modalmill.stages.signal import measured_anyway, numbers_of, signals_of


class Measured(NamedTuple):
    """Facts, signals of the whole file, and tracks."""

    facts: dict[str, Any]
    signals: dict[str, float]
    tracks: dict[str, np.ndarray]


def measured(path: Path, kind: str, *more: str) -> Measured:
    """A file with all that is measured unasked; ``more``: what is on request, or ``likeness``."""
    names = measured_anyway(kind) | set(more)
    wanted = frozenset(units_wanted(on_disk(kind), names, {}))
    result: dict[str, Any] = {
        **on_disk(kind).measured(path.parent, Part(kind, uri=path.name), wanted)
    }
    found = result.pop("found")
    assert not found.failed
    tracks = _merged(found.tracks.values())
    signals = _merged(found.signals.values())
    if tracks:
        signals |= signals_within(kind, tracks, result["duration_s"], names=names)
    return Measured(result, signals, tracks)


def signals_within(
    kind: str,
    tracks: Mapping[str, np.ndarray],
    duration_s: float,
    start_s: float | None = None,
    end_s: float | None = None,
    names: Iterable[str] = (),
) -> dict[str, float]:
    """The signals of the span of a file, from its tracks."""
    part = Part(kind, uri="a", duration_s=duration_s, start_s=start_s, end_s=end_s)
    stretch = on_disk(kind).stretch(part, tracks)
    if stretch is None:
        return {}
    chosen = set(names or measured_anyway(kind))
    failed: dict[str, str] = {}
    of_tracks = {name for name, signal in signals_of(kind).items() if signal.tracks}
    signals = numbers_of(kind, stretch, chosen & of_tracks, failed)
    assert not failed
    return signals


def _merged(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for own in found for name, value in own.items()}
