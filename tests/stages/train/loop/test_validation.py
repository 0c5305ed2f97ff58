"""What is chosen by the validation split."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modalmill.pipeline.run import Result
from taught import rows_of, text_recipe
from tiny import write

Run = Callable[..., Result]


def test_a_fitted_fusion_is_chosen_on_rows_that_it_was_not_fitted_to(
    tmp_path: Path, run_recipe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modalmill.stages.train.loop import validation as validate

    fitted: list[set[str]] = []
    real = validate.fit_fusion

    def noting(model: Any, objective: Any, batches: Any, device: Any) -> None:
        kept = list(batches)
        fitted.append(
            {
                key
                for batch in kept
                for key, weight in zip(batch.keys, batch.weight_B.tolist(), strict=True)
                if weight
            }
        )
        real(model, objective, iter(kept), device)

    monkeypatch.setattr(validate, "fit_fusion", noting)
    rows = rows_of(lambda number: "ab"[number % 2], count=320)
    write(
        tmp_path / "t.jsonl",
        "".join(json.dumps(row | {"more": row["text"]}) + "\n" for row in rows),
    )
    value = text_recipe(tmp_path, [row | {"more": row["text"]} for row in rows], fusion="stacking")
    value["sources"]["s"]["text"] = {"t": "text", "u": "more"}
    value["train"]["inputs"]["u"] = {"encoder": "embedding", "length": 6}
    run_recipe(value)
    assert 10 < len(fitted[0]) < 30  # of 40 rows for validation
