"""The demo finds exactly the dirt that was planted."""

from __future__ import annotations

from pathlib import Path

import pytest
from modalmill.pipeline.demo import make_and_run, surprises
from modalmill.pipeline.progress import Progress
from modalmill.schemas.errors import StorageError


def test_every_planted_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    planted, result = make_and_run(tmp_path / "demo", Progress(quiet=True), scenes=70, until="shard")
    assert surprises(planted, result) == []
    assert result.account.problems() == []
    assert sum(planted.reasons.values()) > 25
    planted.reasons["clean.image: image_truncated"] += 1
    assert surprises(planted, result) == ["clean.image: image_truncated: 6 found, 7 planted"]


def test_it_does_not_write_into_a_folder_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(StorageError, match="choose another --out"):
        make_and_run(tmp_path, Progress(quiet=True))
