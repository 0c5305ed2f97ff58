"""In how many shots a film was taken."""

from __future__ import annotations

from .....schemas.quantity import Quantity
from ....signal import Signal
from ..segments import shots as shots_within
from ..stretch import Stretch


def shots(stretch: Stretch) -> float:
    """The number of shots, as ``align.cut: {by: shots}`` finds them; 1 where nothing is cut.
    Dissolves and fades part none.
    """
    tracks = {name: stretch.shown(name) for name in ("time", "moved")}
    start, end = float(tracks["time"][0]), float(tracks["time"][-1])
    return float(max(1, len(shots_within(tracks, start, end))))


SHOTS = Signal(
    name="shots",
    of="video",
    tracks=("time", "moved"),
    gives={"shots": Quantity("shots, which cuts part and dissolves do not", "", 1.0)},
    function=shots,
)
