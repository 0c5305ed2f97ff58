"""Limits that take what is far and little, and exactly as much as they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import here
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.suggesting import limits_of
from modalmill.schemas.quantity import Quantity, share
from tiny import csv_source, recipe, write

ANY = Quantity("anything", low=-np.inf)


def test_of_a_normal_distribution_five_deviations_are_five_deviations() -> None:
    values = np.random.default_rng(0).normal(10, 2, 20_000)
    low, high = limits_of(np.append(values, [-50.0, 99.0]), ANY, 5)
    assert low == pytest.approx(10 - 5 * 2, abs=0.5)
    assert high == pytest.approx(10 + 5 * 2, abs=0.5)


def test_each_side_has_a_scale_of_its_own() -> None:
    """A long tail to the right is no reason to allow as much on the left."""
    values = np.random.default_rng(0).lognormal(0, 1, 20_000)
    low, high = limits_of(np.append(values, [-40.0, 400.0]), ANY, 5)
    assert low is not None
    assert high is not None
    assert 1 - low < high - 1


def test_what_a_quantity_cannot_go_beyond_is_no_limit() -> None:
    values = np.append(np.linspace(0.4, 0.6, 99), [0.0, 1.0])
    assert limits_of(values, share("a share"), 20) == (None, None)


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=20, max_size=60),
    st.floats(0.5, 9),
)
def test_a_limit_lies_beyond_the_median_and_takes_something(
    numbers: list[float], deviations: float
) -> None:
    values = np.array(numbers)
    median = np.median(values)
    low, high = limits_of(values, ANY, deviations)
    assert low is None or (low < median and (values < low).any())
    assert high is None or (high > median and (values > high).any())
    above = values[values >= median]
    far = median + deviations * 1.4826 * np.median(above - median)
    # three digits, rounded away from the median
    assert high is None or high >= far * (1 - 1e-9) - 1e-12
    assert all(end == float(f"{end:.3g}") for end in (low, high) if end is not None)


def test_what_is_pasted_takes_as_much_as_was_said(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    counts = [*random.integers(8, 16, 200), 90, 95, 1]
    lines = ["id,note"]
    lines += [f"{number},{' '.join(['word'] * int(n))}" for number, n in enumerate(counts)]
    write(tmp_path / "t.csv", "\n".join(lines))
    measured = recipe(tmp_path, {"t": csv_source("note")}, [], shard=None, measure=["text"])
    write(tmp_path / "r.yaml", yaml.safe_dump(measured))
    out = tmp_path / "out"
    assert here("run", tmp_path / "r.yaml", "--out", out, "--engine", "serial").returncode == 0
    done = here("rules", "suggest", out)
    assert done.returncode == 0, done.stderr
    pasted = yaml.safe_load(done.stdout)
    rules = pasted["stages"][0]["clean.rules"]
    assert {"note.words", "note.chars"} <= set(rules)
    said = dict(
        re.findall(r"takes ([\d,]+) of .*\n.*\n      (\S+): ", done.stdout)[place][::-1]
        for place in range(len(rules))
    )
    assert said["note.words"] == "2", "one word is no further from eleven than many are"
    for name, wanted in rules.items():
        whole = {**measured, "stages": [{"clean.rules": {name: wanted}}], "tolerance": 1.0}
        write(tmp_path / "ruled.yaml", yaml.safe_dump(whole))
        words = (tmp_path / "ruled.yaml", "--out", out, "--engine", "serial", "--quiet")
        assert here("run", *words).returncode == 0
        account = here("account", out).stdout
        rejected = sum(int(number) for number in re.findall(r"(\d+)  clean.rules: ", account))
        assert rejected == int(said[name]), account


def test_options_that_mean_nothing_and_folders_of_no_run_are_told(tmp_path: Path) -> None:
    for words, told in (
        ((tmp_path,), "wanted the output folder of 'modalmill run' or 'modalmill measure'"),
        ((tmp_path, "--most", "0"), "wanted --most in (0, 1]"),
        ((tmp_path, "--deviations", "-1"), "--deviations above 0"),
    ):
        done = here("rules", "suggest", *words)
        assert done.returncode == 1
        assert told in done.stderr
