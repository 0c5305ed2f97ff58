"""The stage in CONTRIBUTING.md is complete: put where it says, it works."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.base import RecordStage

ROOT = Path(__file__).parents[1]


@pytest.fixture
def shout() -> Iterator[type[RecordStage]]:
    from modalmill.stages import clean

    code = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert code is not None
    path = Path(clean.__path__[0]) / "shout.py"
    path.write_text(code.group(1))
    try:
        importlib.invalidate_caches()
        from modalmill.stages.base import Addressed, find

        yield find("clean.shout", Addressed)  # type: ignore[misc]
    finally:
        path.unlink()
        sys.modules.pop("modalmill.stages.clean.shout", None)


def test_the_documented_stage_is_found_and_does_what_it_says(shout: type[RecordStage]) -> None:
    stage = shout()
    assert stage.address == "clean.shout"

    def rule(text: str) -> str | None:
        fault = stage.fault(Record("k", "k", Origin("s", "f"), {"text": Part("text", text=text)}))
        return fault.rule if fault else None

    assert rule("WHAT IS THIS") == "text_shouts"
    assert rule("What is this?") is None
