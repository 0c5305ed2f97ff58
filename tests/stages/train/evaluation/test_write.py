"""Reports are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Never

import pytest
from matplotlib.figure import Figure
from modalmill.schemas.errors import InputError
from modalmill.stages.train.evaluation.write import write_picture, write_report


def line() -> Figure:
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure


def test_the_json_that_says_a_report_is_finished_comes_last(tmp_path: Path) -> None:
    def killed() -> Never:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path, "evaluation", {"all": 1}, "text", killed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.txt"]
    write_report(tmp_path, "evaluation", {"all": 1}, "text", line)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "evaluation.json",
        "evaluation.png",
        "evaluation.txt",
    ]


def test_a_picture_is_of_a_kind_that_there_is(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.svg", line)
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(InputError, match="no picture is written as .xyz"):
        write_picture(tmp_path / "a.xyz", line)
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
