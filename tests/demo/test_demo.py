"""The demo finds exactly the dirt that was planted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from modalmill.demo.corpus import Planted
from modalmill.demo.demo import make_and_run, surprises
from modalmill.pipeline.plan import versions
from modalmill.pipeline.progress import Progress
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import StorageError
from same_bytes import sums

GOLDEN = Path(__file__).parents[1] / "golden" / "demo.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Planted, Result]:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    return folder, *make_and_run(folder, Progress(quiet=True), scenes=70, until="shard")


def test_every_planted_fault_is_found_and_nothing_else(made: tuple[Path, Planted, Result]) -> None:
    _, planted, result = made
    assert surprises(planted, result) == []
    assert result.account.problems() == []
    assert sum(planted.reasons.values()) > 25
    planted.reasons["clean.image: image_truncated"] += 1
    assert surprises(planted, result) == ["clean.image: image_truncated: 6 found, 7 planted"]
    planted.reasons["clean.image: image_truncated"] -= 1


def test_it_writes_the_bytes_that_it_always_wrote(made: tuple[Path, Planted, Result]) -> None:
    """Other libraries or another kind of CPU may round otherwise and are not compared; ``make
    bytes`` compares two commits on any machine.

    MODALMILL_RECORD=1 writes the checksums anew, for a change of bytes that CHANGELOG.md names.
    """
    found = sums(made[0] / "run")
    made_with = {
        **versions(),
        "cpu": " ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"]),
    }
    if os.environ.get("MODALMILL_RECORD"):
        GOLDEN.write_text(
            json.dumps({"made_with": made_with, "files": found}, indent=1, sort_keys=True) + "\n"
        )
    golden = json.loads(GOLDEN.read_text())
    if golden["made_with"] != made_with:
        pytest.skip("the checksums were made with other libraries, or on another kind of CPU")
    assert found == golden["files"]


def test_it_does_not_write_into_a_folder_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(StorageError, match="choose another --out"):
        make_and_run(tmp_path, Progress(quiet=True))
