"""A model that has learned a corpus which needs both of its modalities."""

from __future__ import annotations

from pathlib import Path

import pytest
from taught import TRAIN, corpus
from tiny import recipe


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.run import run
    from modalmill.schemas.recipe import parse_recipe

    root = tmp_path_factory.mktemp("trained")
    run(
        make_plan(parse_recipe(recipe(root, {"t": corpus(root)}, train=TRAIN)), root),
        root / "out",
        "serial",
    )
    return root
