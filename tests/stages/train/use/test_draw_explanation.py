"""An explanation leaves the picture to be seen, and shows whichever parts there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import rc_context
from modalmill.stages.train.evaluation.drawing import STYLE
from modalmill.stages.train.use.draw_explanation import draw_explanation
from pictures import overlaps, without_labels


def drawn(words: int) -> Any:
    random = np.random.default_rng(0)
    picture = torch.from_numpy(random.integers(0, 256, (32, 32, 3), np.uint8))
    values = np.linspace(-1, 1, 16)
    report: dict[str, Any] = {
        "target": "answer",
        "explained": "yes",
        "answers": [{"answer": "yes", "probability": 0.9}],
        "worth": {"image": 0.3, "note": -0.1},
        "without_anything": 0.7,
        "carried": {
            "sound": {"tokens": 5, "values": [0.1, 0.2, -0.3, 0.0, 0.1]},
            "image": {"tokens": 16, "values": values.tolist()},
            "note": {
                "tokens": [f"word{number}" for number in range(words)],
                "values": np.linspace(-1, 1, words).tolist(),
            },
        },
        "attention": {"image": np.linspace(0.06, 0.065, 16).tolist()},
    }
    parts = {
        "sound": torch.ones(1, 2000),
        "image": picture[None],
        "note": torch.zeros(1, words, dtype=torch.long),
    }
    with rc_context(STYLE):
        figure = draw_explanation(report, parts, {}, {"sound": 1000.0})  # type: ignore[arg-type]
        assert overlaps(figure) == []
        assert without_labels(figure) == []
    return figure, picture.numpy() / 255


def test_the_picture_is_shown_as_it_is_and_beside_it_pale_with_lines_for_and_against() -> None:
    figure, picture = drawn(8)
    _, sound, _, _, shown, over, looked, *_ = figure.axes
    assert sound.lines[0].get_xdata()[-1] == pytest.approx(1.999)
    assert np.allclose(shown.images[0].get_array(), picture)
    assert len(over.images) == 1, "nothing lies over the picture but lines"
    assert np.corrcoef(over.images[0].get_array().ravel(), picture.ravel())[0, 1] > 0.999
    dashed = [lines.get_linestyle()[0][1] is not None for lines in over.collections]
    assert sorted(dashed) == [False, True]
    assert len(looked.collections) == 1, "attention has no sign, and lines though it is nowhere 0"


def test_of_many_words_those_that_carry_most_are_shown_and_the_others_counted() -> None:
    figure, _ = drawn(100)
    bars = next(axes for axes in figure.axes if "not shown: 76" in axes.get_xlabel())
    assert len(bars.patches) == 24
    assert min(abs(bar.get_height()) for bar in bars.patches) > 0.5
    names = [label.get_text() for label in bars.get_xticklabels()]
    assert names == sorted(names, key=lambda name: int(name[4:]))
