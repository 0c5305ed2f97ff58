"""Charts say what the numbers say: heights, places, limits."""

from __future__ import annotations

import re

import numpy as np
import pytest
from modalmill.pipeline.report.charts import axis_of, bar, curves, histogram

NONE = np.zeros(0)


def boxes(chart: str, kind: str) -> list[tuple[float, float]]:
    """x and height of each bar of a kind."""
    found = re.findall(
        rf'<rect x="([\d.]+)" y="[\d.]+" width="[\d.]+" height="([\d.]+)" class="{kind}"', chart
    )
    return [(float(x), float(height)) for x, height in found]


def test_bars_are_as_tall_as_there_are_many() -> None:
    values = np.repeat([1.0, 2.0, 3.0], [100, 50, 25])
    heights = [height for _, height in boxes(histogram("h", values, NONE), "kept")]
    assert heights == [80.0, 40.0, 20.0]


def test_what_a_rule_refuses_stands_on_what_it_keeps() -> None:
    chart = histogram("h", np.array([1.0] * 30 + [2.0] * 10), np.array([2.0] * 30), [1.5])
    assert [height for _, height in boxes(chart, "kept")] == [60.0, 20.0]
    ((x, height),) = boxes(chart, "refused")
    assert height == 60.0
    limit = re.search(r'<line x1="([\d.]+)" [^>]*class="limit"', chart)
    assert limit is not None
    # between the two bars
    assert boxes(chart, "kept")[0][0] < float(limit[1]) <= x + 0.1


@pytest.mark.parametrize("largest", [9, 39, 40, 63, 1000])
def test_of_whole_numbers_each_bar_holds_equally_many(largest: int) -> None:
    axis = axis_of(np.arange(largest + 1.0))
    places = axis.place(np.arange(largest + 1.0)) * axis.bins
    counts = np.bincount(places.astype(int))
    assert axis.bins <= 40
    assert len(set(counts[1:-1].tolist())) <= 1


def test_one_far_number_does_not_flatten_the_others() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 10_000), 1e9)
    axis = axis_of(values)
    assert -4 < axis.low < axis.high < 4
    assert axis.place(1e9) == 1.0


def test_a_wide_range_is_logarithmic_and_a_narrow_one_is_not() -> None:
    assert axis_of(np.geomspace(0.001, 1000, 999)).is_log
    assert not axis_of(np.linspace(1.5, 100, 999)).is_log


def test_a_bar_shows_shares_of_the_whole_width() -> None:
    assert boxes(bar([("kept", 0.75), ("refused", 0.25)]), "refused") == [(75.0, 8.0)]


def test_a_curve_goes_from_its_first_to_its_last_value_and_skips_what_is_not_known() -> None:
    found = re.search(r'points="([^"]*)"', curves("c", {"loss": [2.0, None, 0.0]}))
    assert found is not None
    assert found[1] == "6.0,16.0 294.0,96.0"
