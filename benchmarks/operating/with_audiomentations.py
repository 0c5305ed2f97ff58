"""The rates of audiomentations. INPUTS [ONLY]

Parameters are drawn before the time begins, as modalmill's steps are, but for those that take
reading or measuring sounds.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from _rates import DRAWS, RATE_HZ, started
from audiomentations import (
    AddBackgroundNoise,
    AddGaussianSNR,
    ApplyImpulseResponse,
    Gain,
    HighPassFilter,
    LoudnessNormalization,
    LowPassFilter,
    PitchShift,
    Resample,
    TimeStretch,
)

Drawn = list[tuple[Any, dict[str, object] | None]]
_AT_WORK = (AddBackgroundNoise, LoudnessNormalization)


def chains(folder: Any) -> list[tuple[str, str, list[Any]]]:
    """Operator, what it is called, and the transforms that do the same, with modalmill's ranges."""
    slope = {"min_rolloff": 12, "max_rolloff": 12, "zero_phase": True, "p": 1.0}
    found = [
        (
            "augment.noise",
            "AddGaussianSNR, Gain",
            [AddGaussianSNR(10.0, 30.0, p=1.0), Gain(-6.0, 0.0, p=1.0)],
        ),
        ("augment.filter highpass", "HighPassFilter", [HighPassFilter(20, 400, **slope)]),
        ("augment.filter lowpass", "LowPassFilter", [LowPassFilter(2000, 7500, **slope)]),
        (
            "augment.mix",
            "AddBackgroundNoise",
            [AddBackgroundNoise(folder / "sounds" / "00.wav", 5.0, 20.0, p=1.0)],
        ),
        (
            "augment.room path",
            "ApplyImpulseResponse",
            [ApplyImpulseResponse(folder / "response.wav", p=1.0)],
        ),
        ("augment.speed", "Resample", [Resample(14_545, 17_778, p=1.0)]),
        ("clean.loudness", "LoudnessNormalization", [LoudnessNormalization(-23.0, -23.0, p=1.0)]),
        ("clean.resample", "Resample", [Resample(RATE_HZ // 2, RATE_HZ // 2, p=1.0)]),
    ]
    for method in ("librosa_phase_vocoder", "signalsmith_stretch"):
        stretch = TimeStretch(0.9, 1.1, leave_length_unchanged=False, method=method, p=1.0)
        pitch = PitchShift(-2.0, 2.0, method=method, p=1.0)
        found.append(("augment.speed keep_pitch", f"TimeStretch {method}", [stretch]))
        found.append(("augment.pitch", f"PitchShift {method}", [pitch]))
    return found


def drawn(chain: list[Any], sound: np.ndarray) -> Drawn:
    """The transforms with what they drew for a sound; None where they are to do it anew."""
    found: Drawn = []
    for transform in chain:
        transform.randomize_parameters(sound, RATE_HZ)
        is_late = isinstance(transform, _AT_WORK)
        found.append((transform, None if is_late else copy.deepcopy(transform.parameters)))
    return found


def carry_out(item: tuple[np.ndarray, Drawn]) -> np.ndarray:
    sound, chain = item
    for transform, parameters in chain:
        if parameters is None:
            transform.randomize_parameters(sound, RATE_HZ)
        else:
            transform.parameters = parameters
        sound = transform.apply(sound, RATE_HZ)
    return sound


def main() -> None:
    inputs, told = started()
    for operator, called, chain in chains(inputs.folder):
        sounds = inputs.sounds
        if operator == "clean.resample":  # both channels, as modalmill is given them
            sounds = [np.ascontiguousarray(np.stack([own, own])) for own in sounds]
        items = [(own, drawn(chain, own)) for own in sounds * DRAWS]
        told.measure(f"sounds|{operator}", called, carry_out, items, inputs.seconds)
    told.print("audiomentations", "librosa", "python-stretch", "loudness")


if __name__ == "__main__":
    main()
