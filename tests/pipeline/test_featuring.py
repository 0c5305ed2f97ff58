"""Features that no record has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError
from tiny import recipe, tone, write


def test_features_that_no_record_has_are_an_error(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    soundfile.write(tmp_path / "x.wav", tone() * np.float32(1e30), 8000, subtype="FLOAT")
    write(tmp_path / "a" / "x.wav", (tmp_path / "x.wav").read_bytes())
    source = {"type": "audio_folder", "path": "a", "id": "{stem}"}
    with pytest.raises(
        InputError,
        match=r"features: none of 1 records has a vector of audio by features.audio; the first: ",
    ):
        run_recipe(
            recipe(tmp_path, {"s": source}, features={"audio": "features.audio"}, shard=None)
        )
