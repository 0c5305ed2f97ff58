"""Pictures that can be read whatever the data are called and however many there are."""

from __future__ import annotations

import colorsys
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps, colors, rc_context
from modalmill.stages.train.evaluation.drawing import (
    BLUE,
    DARK,
    DPI,
    ORANGE,
    PALE,
    STYLE,
    draw_subsets,
    fit_letters,
    labels_of,
    lacking,
    rows_shown,
    sheet,
    shortened_name,
)
from pictures import overlaps, without_labels

NOBODY_HAS_IT = "\U0010fffd"  # of private use


@given(st.lists(st.text(), min_size=1, unique=True), st.integers(8, 40))
def test_labels_are_short_in_one_line_and_no_two_the_same(names: list[str], longest: int) -> None:
    shown = labels_of(names, longest)
    assert len(set(shown)) == len(names)
    assert all(name.strip() and "\n" not in name for name in shown)
    assert all(len(name) <= longest + 4 for name in shown)


def test_both_ends_of_a_long_name_are_kept() -> None:
    first, second = labels_of([f"Department of everything / Section {n}" for n in (1, 2)], 20)
    assert (first[:10], first[-9:]) == ("Department", "Section 1")
    assert second[-9:] == "Section 2"


def test_letters_that_no_font_has_are_told_by_number_and_others_are_drawn() -> None:
    assert labels_of(["кошка", "γάτα", NOBODY_HAS_IT]) == ["кошка", "γάτα", "#2"]
    assert lacking("a" + NOBODY_HAS_IT) == NOBODY_HAS_IT


@pytest.mark.filterwarnings("error")
def test_a_title_in_letters_that_no_font_has_is_written_out() -> None:
    figure = sheet(3, 3)
    title = figure.suptitle(f"кот {NOBODY_HAS_IT} $x")
    axes = figure.subplots()
    axes.set_xticks([0, 1], [shortened_name(f"a {NOBODY_HAS_IT}"), "$"])
    with rc_context(STYLE):
        fit_letters(figure)
        figure.draw_without_rendering()
    assert title.get_text() == "кот \\u10fffd $x"
    # the ticks get their words anew whenever they are drawn
    assert axes.get_xticklabels()[0].get_text() == "a \\u10fffd"


def test_no_picture_is_larger_than_its_bound() -> None:
    assert (sheet(1e3, 1e3).get_size_inches() * DPI).tolist() == [1920, 2400]


def subsets(parts: int) -> dict[str, dict[str, float]]:
    names = [f"a part with a long name {part}" for part in range(parts)]
    return {
        "+".join(itertools.compress(names, mask)) or "(nothing)": {
            "accuracy": (number * 7 % 2**parts) / 2**parts
        }
        for number, mask in enumerate(itertools.product((0, 1), repeat=parts))
    }


def test_of_many_subsets_those_that_say_most_are_shown_and_the_others_counted() -> None:
    scores = subsets(8)
    shown = rows_shown({name: own["accuracy"] for name, own in scores.items()})
    assert len(shown) == 40
    sizes = [0 if name == "(nothing)" else 1 + name.count("+") for name in shown]
    assert [sizes.count(size) for size in (0, 1, 7, 8)] == [1, 8, 8, 1]
    values = [scores[name]["accuracy"] for name in shown]
    assert values == sorted(values, reverse=True)
    figure = sheet(8, 12)
    with rc_context(STYLE):
        draw_subsets(figure, scores, "accuracy", "test", 0.5)
    assert "216 more subsets" in figure.axes[1].get_title(loc="left")


@pytest.mark.parametrize("parts", [1, 5])
def test_bars_dots_and_intervals_are_those_of_the_scores(parts: int) -> None:
    scores = {
        name: {**own, "low": own["accuracy"] - 0.1, "high": own["accuracy"] + 0.1}
        for name, own in subsets(parts).items()
    }
    figure = sheet(8, 9)
    with rc_context(STYLE):
        draw_subsets(figure, scores, "accuracy", "test", 0.5)
        assert overlaps(figure) == []
        assert without_labels(figure) == []
    bars = figure.axes[1]
    values = sorted((own["accuracy"] for own in scores.values()), reverse=True)
    assert [bar.get_width() for bar in bars.patches] == values
    assert [text.get_text() for text in bars.texts] == [f"{value:.3f}" for value in values]
    spans = bars.collections[0].get_segments()
    assert [float(span[1, 0] - span[0, 0]) for span in spans] == pytest.approx([0.2] * len(values))


def lightness(colour: str) -> float:
    """L* of CIE 1976, in 0 to 100."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colors.to_rgb(colour)
    )
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return float(116 * y ** (1 / 3) - 16)


def test_colours_are_told_apart_in_grey_too() -> None:
    steps = sorted(map(lightness, (DARK, BLUE, ORANGE, PALE)))
    assert min(np.diff(steps)) > 12
    assert abs(colorsys.rgb_to_hsv(*colors.to_rgb(BLUE))[0] - 0.57) < 0.05
    ramp = [lightness(colors.to_hex(colormaps["Blues"](share))) for share in np.linspace(0, 1, 64)]
    assert (np.diff(ramp) < 0).all()
