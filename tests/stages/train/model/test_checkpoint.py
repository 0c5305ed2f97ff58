"""A checkpoint is data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from modalmill.schemas.errors import InputError
from modalmill.stages.train.model import checkpoint


def test_a_checkpoint_runs_no_code_when_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"modalmill": 1, "about": Trap()}, tmp_path / "evil.pt")
    with pytest.raises(InputError):
        checkpoint.read(tmp_path / "evil.pt")
    assert not (tmp_path / "sprung").exists()
