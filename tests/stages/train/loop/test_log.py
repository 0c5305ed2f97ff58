"""The log of a training."""

from __future__ import annotations

import pytest
from modalmill.stages.train.loop.log import where_time_went


def test_the_log_names_what_bounds_the_speed() -> None:
    assert where_time_went([0.1] * 10, [0.02] * 10)["bound_by"] == "reading and decoding"
    found = where_time_went([0.0] * 99 + [0.0], [0.02] * 99 + [0.5])
    assert found == {
        "wait_share": 0.0,
        "step_ms_p50": 20.0,
        "step_ms_p99": pytest.approx(24.8, abs=0.5),
        "bound_by": "computing",
    }
