"""Pieces are written again where they have to be, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mixture import full_recipe, products
from modalmill.pipeline import sharding
from modalmill.pipeline.run import Result
from modalmill.stages.shard.plan import Sample
from tiny import jpeg, recipe, vqa_corpus, write


def test_a_changed_record_rewrites_its_piece_and_reuses_the_rest(
    tmp_path: Path, run_recipe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modalmill.pipeline import sharding
    from modalmill.stages.shard import plan as shard_plan

    monkeypatch.setattr(shard_plan, "SAMPLES_PER_PIECE", 4)
    value = recipe(tmp_path / "raw", {"vqa": vqa_corpus(tmp_path / "raw", images=40, per_image=1)})
    run_recipe(value)
    written: list[int] = []
    real = sharding.write_piece
    monkeypatch.setattr(
        sharding,
        "write_piece",
        lambda samples, *more: written.append(len(samples)) or real(samples, *more),
    )
    write(tmp_path / "raw" / "images" / "COCO_tiny2014_000000000007.jpg", jpeg(seed=777))
    run_recipe(value)
    assert len(written) == 1
    run_recipe(value, tmp_path / "fresh")
    assert products(tmp_path / "fresh") == products(tmp_path / "out")


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_piece_that_was_damaged_since_is_written_again(
    tmp_path: Path, run_recipe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Pieces are not synced: what a power failure leaves of them must not reach a tar."""
    value = full_recipe(tmp_path / "raw")
    run_recipe(value, tmp_path / "whole")

    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sharding.Assembly, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            run_recipe(value)
    pieces = sorted((tmp_path / "out" / "work" / "shard").glob("*.tar"))
    kept = {piece.name: piece.stat().st_mtime_ns for piece in pieces}
    assert len(kept) > 1
    data = bytearray(pieces[0].read_bytes())
    data[600] ^= 1
    pieces[0].write_bytes(data if damage == "flip" else data[:-700])
    written: list[str] = []
    real = sharding.write_piece

    def noted(samples: Sequence[Sample], *more: Any) -> None:
        written.append(more[-2].name)
        real(samples, *more)

    monkeypatch.setattr(sharding, "write_piece", noted)
    run_recipe(value)
    assert written == [pieces[0].stem]
    assert products(tmp_path / "out") == products(tmp_path / "whole")
