"""A user's own methods that cannot work are told by their word, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from modalmill.schemas.errors import InputError
from modalmill.stages import outside
from modalmill.stages.train.methods.encoders import ENCODERS
from modalmill.stages.train.model.fusion import make_fusion
from modalmill.stages.train.model.loss_terms import Sizes
from modalmill.stages.train.model.losses import fit_losses, make_losses
from modalmill.stages.train.model.missing import make_missing
from modalmill.stages.train.model.objectives import fit_target
from tiny import write
from torch import nn

OWN = """
from modalmill.stages.train.methods import Card
from modalmill.stages.train.methods.card import TaskCard
from torch import nn


class Late(nn.Module):
    def __init__(self, parts, width, dropout, outputs, link):
        super().__init__()


class Early(nn.Module):
    def __init__(self, parts, width, dropout):
        super().__init__()


class Silent(nn.Module):
    def __init__(self, sizes):
        super().__init__()


class Counting(nn.Module):
    def __init__(self, sizes, fitted):
        super().__init__()
        self.count = fitted["count"]

    @staticmethod
    def fit(targets):
        return {"count": len(targets)}

    def terms(self, decided, task):
        return []


class Nothing:
    def __init__(self, *given):
        pass


def card(name, kind=Card, **more):
    return kind(f"{__name__}:{name}", "what", "of this test", "", **more)


FUSIONS = {"late": card("Late", is_late=True), "early": card("Early"), "none": card("Nothing")}
LOSSES = {"silent": card("Silent"), "counting": card("Counting"), "none": card("Nothing")}
MISSING = {"none": card("Nothing")}
TASKS = {"none": card("Nothing", TaskCard, metric="accuracy")}
"""
SIZES = Sizes(2, 8, 8, 3)


@pytest.fixture(autouse=True)
def _own(tmp_path: Path) -> Iterator[None]:
    outside.use([write(tmp_path / "own.py", OWN)])
    yield
    outside.use([], keep=True)


def test_what_works_is_made() -> None:
    assert isinstance(make_fusion("early", 2, 8, 0.0), nn.Module)
    fitted = fit_losses(["counting"], [{"y": 1}, {"y": 2}])
    assert fitted == {"counting": {"count": 2}}
    assert make_losses(["counting"], SIZES, fitted)["counting"].count == 2


def test_what_is_no_module_is_told() -> None:
    told = "own:Nothing: wanted a torch Module, found Nothing"
    with pytest.raises(InputError, match=told):
        make_fusion("none", 2, 8, 0.0)
    with pytest.raises(InputError, match=told):
        make_missing("none", 2, 8)
    with pytest.raises(InputError, match=told):
        make_losses(["none"], SIZES, {})


def test_a_fusion_over_answers_has_to_begin_with_a_prior() -> None:
    with pytest.raises(InputError, match=r"late: wanted a method start_from\(prior_O\)"):
        make_fusion("late", 2, 8, 0.0)


def test_a_loss_has_to_have_terms() -> None:
    """It is not passed over: training would go on without it."""
    with pytest.raises(InputError, match=r"silent: wanted a method terms\(decided, task\)"):
        make_losses(["silent"], SIZES, {})


def test_a_task_has_to_be_an_objective() -> None:
    with pytest.raises(InputError, match=r"none: wanted a class below Objective, found .*Nothing"):
        fit_target("train.target", "none", "y", [{"y": "a"}])


def test_a_table_holds_cards(tmp_path: Path) -> None:
    outside.use([write(tmp_path / "tables.py", "ENCODERS = {'plain': 'cnn'}\n")])
    with pytest.raises(InputError, match="ENCODERS: plain: wanted a Card, found str"):
        list(ENCODERS)
