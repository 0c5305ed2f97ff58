"""Serial, local and dask write the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mixture import full_recipe, products
from modalmill.pipeline.run import Result


def test_every_engine_gives_the_same_bytes(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = full_recipe(tmp_path / "raw")
    result = run_recipe(value, tmp_path / "serial", "serial")
    assert result.account.problems() == []
    assert {reason for count in result.account.stages for reason in count.reasons} == {
        "image_truncated",
        "file_empty",
        "not_a_video",
        "duplicate",
    }
    run_recipe(value, tmp_path / "local", "local", workers=3)
    run_recipe(value, tmp_path / "dask", "dask", workers=2)
    wanted = products(tmp_path / "serial")
    assert len(wanted) > 12
    assert products(tmp_path / "local") == wanted
    assert products(tmp_path / "dask") == wanted
