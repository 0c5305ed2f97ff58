"""Matrices of 2, 32 and 200 classes, whatever these are called."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import rc_context
from modalmill.stages.train.evaluation.draw_confusion import draw_confusion, size_of_confusion
from modalmill.stages.train.evaluation.drawing import STYLE, sheet
from pictures import overlaps, without_labels

LONG = "a label that somebody wrote as a whole sentence, number"
NAMES = {
    2: ["ham", "spam"],
    13: ["кошка", "γάτα", "قطة", "$x^2$", "$5 off", "<b>", "a\nb", *"uvwxyz"],
    32: [f"{LONG} {number}" for number in range(32)],
    200: [f"{LONG} {number}" for number in range(200)],
}


def counts_of(classes: int) -> np.ndarray:
    random = np.random.default_rng(classes)
    counts = random.poisson(0.3, (classes, classes)) + np.diag(random.poisson(40, classes))
    counts[-1] = 0  # a class that the split does not have
    return np.asarray(counts)


@pytest.mark.parametrize("classes", list(NAMES))
def test_names_stand_beside_each_other_and_numbers_in_their_cells(classes: int) -> None:
    counts = counts_of(classes)
    figure = sheet(*size_of_confusion(classes))
    with rc_context(STYLE):
        draw_confusion(figure, NAMES[classes], counts, "a title")
        assert overlaps(figure) == []
        assert without_labels(figure) == []
    matrix = next(axes for axes in figure.findobj(match=_has_image))
    shares = matrix.images[0].get_array()
    expected = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    assert np.allclose(shares.filled(0), expected)
    assert shares.mask[counts == 0].all(), "what is 0 is white"
    cells = {text.get_position(): text.get_text() for text in matrix.texts}
    if classes <= 40:
        assert cells == {
            (answered, right): str(counts[right, answered])
            for right, answered in np.argwhere(counts)
        }
        size = matrix.get_window_extent().width / classes
        assert max(text.get_window_extent().width for text in matrix.texts) < size
    else:
        assert cells == {}


def _has_image(artist: object) -> bool:
    return bool(getattr(artist, "images", None))


def test_of_many_classes_the_pairs_that_are_confused_most_are_listed() -> None:
    counts = np.diag(np.full(60, 9))
    counts[3, 7], counts[50, 1] = 5, 8
    figure = sheet(*size_of_confusion(60))
    with rc_context(STYLE):
        draw_confusion(figure, [f"class {number}" for number in range(60)], counts, "")
    pairs = next(axes for axes in figure.axes if axes.get_title(loc="left") == "confused most")
    assert [label.get_text() for label in pairs.get_yticklabels()] == [
        "class 50 #50 → class 1 #1",
        "class 3 #3 → class 7 #7",
    ]
    assert [bar.get_width() for bar in pairs.patches] == [8, 5]
