"""What the parts of one record are worth, and what carried the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import here
from modalmill.schemas.errors import InputError
from modalmill.stages.train.use.explain import explain, integrated_gradients
from modalmill.stages.train.use.predict import Predictor
from PIL import Image


def test_what_parts_are_worth_adds_up_to_the_answer(trained: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    given = {"image": str(trained / "img" / "1.jpg"), "text": "not bright"}
    report = explain(best, given).report
    top = report["answers"][0]
    assert report["explained"] == top["answer"] == "no"
    assert sum(report["worth"].values()) + report["without_anything"] == pytest.approx(
        top["probability"], abs=1e-5
    )
    assert report["carried"]["question"]["tokens"] == ["not", "bright"]
    assert len(report["carried"]["image"]["values"]) == len(report["attention"]["image"]) == 16
    assert 0 < sum(report["attention"]["image"]) + sum(report["attention"]["question"]) < 1
    assert {layer: len(channels) for layer, channels in report["maps"]["image"].items()} == {
        "layers.0.0": 6,
        "layers.3": 6,
    }
    other = explain(best, given, answer="yes").report
    assert sum(other["worth"].values()) + other["without_anything"] == pytest.approx(
        1 - top["probability"], abs=1e-4
    )
    alone = explain(best, {"text": "not bright"}).report
    assert set(alone["worth"]) == {"question"}
    assert alone["missing"] == ["image"]
    with pytest.raises(
        InputError, match="--answer yess: the model has no such answer; did you mean 'yes'"
    ):
        explain(best, given, answer="yess")


def test_integrated_gradients_add_up_to_the_change_of_the_logit(trained: Path) -> None:
    """Completeness (Sundararajan et al. 2017): over all tokens, the logit minus that of blank
    tokens.
    """
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    batch, _, _ = predictor.batch_of({"image": str(trained / "img" / "1.jpg"), "text": "bright"})
    model = predictor.saved.model
    with torch.no_grad():
        tokens, masks = model.encode(batch)
        gap = model.decide(tokens, masks, batch.present_BM) - model.decide(
            [0 * some for some in tokens], masks, batch.present_BM
        )
    carried = integrated_gradients(predictor, tokens, masks, batch.present_BM, 0)
    assert sum(float(some.sum()) for some in carried) == pytest.approx(
        float(gap[0, 0]), rel=0.02, abs=0.02
    )


def test_an_explanation_is_one_picture(trained: Path, tmp_path: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    done = here(
        "explain",
        best,
        "--image",
        trained / "img" / "1.jpg",
        "--text",
        "bright",
        "--out",
        tmp_path / "deep" / "e.png",
    )
    assert done.returncode == 0, done.stderr
    assert "what each part adds" in done.stdout
    assert "bright(" in done.stdout
    with Image.open(tmp_path / "deep" / "e.png") as drawn:
        assert min(drawn.size) > 500
        assert len(np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)) > 50
