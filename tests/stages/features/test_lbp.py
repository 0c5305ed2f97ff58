"""Local binary patterns by answers known from their definition."""

from __future__ import annotations

import numpy as np
import pytest
from modalmill.stages.features.lbp import Lbp
from tiny import picture

RISING = np.array([[10, 20, 30], [10, 20, 30], [10, 20, 30]], np.uint8)


@pytest.mark.parametrize("rotated", [True, False])
def test_a_plain_picture_is_one_bin(rotated: bool) -> None:
    stage = Lbp(grid=2, rotated=rotated)
    cells = stage.extract(np.full((60, 70, 3), 77, np.uint8)).reshape(4, -1)
    assert cells.shape[1] == {True: 10, False: 59}[rotated]
    wanted = np.zeros(cells.shape[1])
    wanted[8 if rotated else 57] = 1  # all eight neighbours are as bright
    np.testing.assert_array_equal(cells, np.tile(wanted, (4, 1)))


def test_a_ramp_has_five_brighter_neighbours_from_below_on() -> None:
    assert Lbp().patterns(RISING)[1, 1] == 5
    # below, below right, right, above right, above: the run begins with the seventh neighbour
    assert Lbp(rotated=False).patterns(RISING)[1, 1] == 1 + (5 - 1) * 8 + 6


def test_a_bright_point_on_dark_has_no_brighter_neighbour_and_a_dark_one_all() -> None:
    point = np.zeros((3, 3), np.uint8)
    point[1, 1] = 200
    assert Lbp().patterns(point)[1, 1] == 0
    assert Lbp().patterns(200 - point)[1, 1] == 8


def test_a_saddle_is_not_uniform() -> None:
    # brighter to the left and right, darker above and below: four changes around the circle
    saddle = np.array([[50, 0, 50], [99, 50, 99], [50, 0, 50]], np.uint8)
    assert Lbp(points=4).patterns(saddle)[1, 1] == 5


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("radius", [1, 2])
def test_turned_pictures_have_one_histogram(turns: int, radius: int) -> None:
    stage = Lbp(grid=1, radius=radius, points=8 * radius)
    data = picture(64, 64, 3)
    np.testing.assert_allclose(
        stage.extract(np.rot90(data, turns).copy()), stage.extract(data), atol=2e-3
    )
    apart = Lbp(grid=1, rotated=False)
    assert np.abs(apart.extract(np.rot90(data).copy()) - apart.extract(data)).max() > 0.01


def test_brighter_light_changes_nothing() -> None:
    data = picture(64, 64, 1) // 2
    np.testing.assert_array_equal(Lbp().extract(data + 40), Lbp().extract(data))


def test_each_cell_is_a_histogram_of_sum_one() -> None:
    for data in (picture(2, 3), picture(500, 90)):
        cells = Lbp(grid=2).extract(data).reshape(4, 10)
        np.testing.assert_allclose(cells.sum(1), 1, atol=1e-6)


def test_what_makes_no_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="4 to 24 points"):
        Lbp(points=2)
