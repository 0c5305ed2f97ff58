"""The robustness report on a corpus whose absence gives the answer away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import alone, here
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.recipe import parse_recipe
from tiny import csv_source, jpeg, recipe, write


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """K4: the picture says nothing, and is missing in 8 of 10 rows that are to be answered yes and
    in 2 of 10 of the others; a note says all.
    """
    root = tmp_path_factory.mktemp("leaky")
    lines = ["id,note,answer,site,split"]
    for number in range(400):
        yes = number % 2
        if (number // 2 % 10 < 8) != bool(yes):
            write(root / "img" / f"{number}.jpg", jpeg(seed=number))
        split = "test" if number >= 300 else "train"
        lines.append(
            f"{number},{'up' if yes else 'down'},{'yes' if yes else 'no'},{number % 3},{split}"
        )
    write(root / "t.csv", "\n".join(lines))
    source = csv_source(
        "note",
        targets=["answer", "site"],
        split="{split}",
        media={"image": {"path": "img/{id}.jpg"}},
    )
    options = {
        "target": "answer",
        "inputs": {"image": {"size": 16}, "note": {"length": 2}},
        "fusion": "concat",
        "width": 16,
        "hidden": 16,
        "epochs": 6,
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    run(
        make_plan(parse_recipe(recipe(root, {"t": source}, train=options)), root),
        root / "out",
        "serial",
    )
    return root / "out"


@pytest.fixture(scope="module")
def told(leaky: Path) -> tuple[str, dict[str, Any]]:
    """What the command printed and wrote."""
    best = leaky / "training" / "best.pt"
    done = here("robustness", best, leaky, "--field", "site", "--against", best)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((leaky / "training" / "robustness.json").read_text())


def test_the_report_shows_what_absence_gives_away(
    leaky: Path, told: tuple[str, dict[str, Any]]
) -> None:
    shown, report = told
    assert report["mask_only"] == pytest.approx(0.8)
    assert report["commonest_answer"] == pytest.approx(0.5)
    assert report["all"] == 1.0
    assert report["subsets"]["note"]["accuracy"] == 1.0
    assert report["best_single"] == ["note", 1.0]
    assert sum(report["worth"].values()) == pytest.approx(report["all"] - report["none"])
    assert report["worth"]["note"] > 0.3
    assert set(report["curves"]) == {
        "by lot",
        "by lot, zeros",
        "by lot, means",
        "by answer",
        "by site",
    }
    for curve in report["curves"].values():
        assert curve["0.0"] == 1.0
        assert list(curve) == ["0.0", "0.3", "0.5", "0.7", "0.9"]
    assert all(
        cell["low"] <= cell["accuracy"] <= cell["high"] for cell in report["subsets"].values()
    )
    assert all(
        cell["difference"] == cell["low"] == cell["high"] == 0
        for cell in report["against"]["views"].values()
    )
    assert report["complete_rows"]["rows"] == 50
    for word in ("what each part is worth", "from presence alone 0.800", "surer without"):
        assert word in shown
    assert (leaky / "training" / "robustness.png").stat().st_size > 10_000
    assert (leaky / "training" / "robustness.txt").read_text().strip() == shown.strip()


def test_the_report_is_the_same_every_time(leaky: Path) -> None:
    """In another interpreter too, which hashes words otherwise."""
    best = leaky / "training" / "best.pt"
    first, second = (
        ask("robustness", best, leaky, "--json", "--out", leaky / name)
        for ask, name in ((here, "r1"), (alone, "r2"))
    )
    assert first.stdout == second.stdout
    assert (leaky / "r1" / "robustness.json").read_bytes() == (
        leaky / "r2" / "robustness.json"
    ).read_bytes()


def test_mistakes_are_told(leaky: Path) -> None:
    best = leaky / "training" / "best.pt"
    for words, told in (
        ((best, leaky, "--split", "tset"), "--split tset: no such split; did you mean 'test'?"),
        ((best, leaky, "--field", "sight"), "--field sight: no record of this split has it"),
        ((leaky / "nothing.pt", leaky), "there is no such checkpoint"),
        ((best, leaky / "elsewhere"), "elsewhere"),
    ):
        done = here("robustness", *words)
        assert done.returncode == 1
        assert told in done.stderr


def test_what_is_hidden_is_hidden_from_the_model(told: tuple[str, dict[str, Any]]) -> None:
    """At a rate of .9 about as many rows have something as at 0, and the curve by lot ends between
    nothing and everything.
    """
    _, report = told
    assert report["none"] <= report["curves"]["by lot"]["0.9"] < 1.0
    assert torch.tensor(list(report["curves"]["by lot"].values())).diff().max() <= 0
