"""When the frames of a film are shown: what all spans of it stand on."""

from __future__ import annotations

from ....signal import Track


def time(time_s: float) -> float:
    """When a frame is shown, in seconds of the file."""
    return time_s


TIME = Track(name="time", of="video", reads="time_s", function=time)
