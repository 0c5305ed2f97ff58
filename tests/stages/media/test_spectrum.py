"""Pitch classes of tones that are known."""

from __future__ import annotations

import numpy as np
import pytest
from modalmill.stages.media.spectrum import chroma
from tiny import tone


@pytest.mark.parametrize("octave", [-1, 0, 2])
def test_a_tone_is_its_pitch_class_in_any_octave(octave: int) -> None:
    for note in range(12):
        hertz = 261.63 * 2 ** (octave + note / 12)
        found = chroma(tone(hertz, 0.5, 22_050), 22_050, 4096, 441)
        assert found.shape == (12, 26)
        assert (found.argmax(0) == note).all()
        assert np.allclose(np.square(found).sum(0), 1, atol=1e-5)


def test_silence_has_no_pitch() -> None:
    assert not chroma(np.zeros(8000, np.float32), 22_050, 4096, 441).any()
