"""What extractors share that can give their vectors in order (``pool: none``)."""

from __future__ import annotations

# half a minute by Whisper and Wav2Vec2, 24 seconds of the spectra here
LONGEST = 1500


def check_longest(longest: int, has_sequences: bool) -> None:
    """ValueError for a length that no sequence can have, or that is said of one vector."""
    if longest < 1:
        raise ValueError(f"longest: wanted at least 1, found {longest}")
    if longest != LONGEST and not has_sequences:
        raise ValueError(
            f"longest: is of a sequence (pool: none), found longest: {longest} for one vector"
        )
