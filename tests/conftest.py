"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# small models, and two test processes: threads would only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
# what is written does not depend on the terminal that tests are started from
os.environ["COLUMNS"] = "118"
# a campaign draws as many examples as hypothesis does by itself
settings.register_profile(
    "steady", deadline=None, max_examples=100 if os.environ.get("MODALMILL_CAMPAIGN") else 60
)
settings.load_profile("steady")
sys.path.insert(0, str(Path(__file__).parent))  # tests import tiny and strategies by name

from modalmill.pipeline.plan import make_plan  # noqa: E402  # after the path is set
from modalmill.pipeline.run import Result, run  # noqa: E402
from modalmill.schemas.recipe import parse_recipe  # noqa: E402

SHARED = Path(os.environ.get("MODALMILL_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def run_recipe(tmp_path: Path) -> Callable[..., Result]:
    """Run a recipe given as a mapping, in this process unless an engine is named."""

    def go(
        value: dict[str, Any],
        out: Path | None = None,
        engine: Any = "serial",
        until: str | None = None,
        **more: Any,
    ) -> Result:
        recipe = parse_recipe(value)
        return run(
            make_plan(recipe, Path(recipe.data), until), out or tmp_path / "out", engine, **more
        )

    return go


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data; tests that want it are skipped where it is not there."""
    if not SHARED.is_dir():
        pytest.skip(f"real data are not at {SHARED}; set MODALMILL_TEST_DATA to their folder")
    return SHARED
