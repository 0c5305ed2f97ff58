"""Every method has a card that says all of it, and what cannot be chosen is told."""

from __future__ import annotations

import inspect

import pytest
from modalmill.stages.train.methods.card import Card, mistakes
from modalmill.stages.train.methods.encoders import ENCODERS
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.methods.loggers import LOGGERS
from modalmill.stages.train.methods.losses import LOSSES
from modalmill.stages.train.methods.missing import MISSING
from modalmill.stages.train.methods.texts import methods_text

_GIVEN = (
    "self",
    "parts",
    "width",
    "dropout",
    "outputs",
    "link",
    "sizes",
    "part",
    "fitted",
    "folder",
    "training",
)


@pytest.mark.parametrize(
    ("word", "card"),
    [each for kind in (FUSIONS, MISSING, LOSSES, ENCODERS, LOGGERS) for each in kind.items()],
)
def test_every_method_has_a_whole_card(word: str, card: Card) -> None:
    takes = inspect.signature(card.load().__init__).parameters
    own = {name: parameter.default for name, parameter in takes.items() if name not in _GIVEN}
    assert {
        name: list(value) if isinstance(value, tuple) else value for name, value in own.items()
    } == dict(card.defaults())
    assert word in methods_text()
    module = inspect.getmodule(card.load())
    assert module is not None
    assert len((module.__doc__ or "").splitlines()[0]) > 20


def test_a_choice_that_cannot_be_meant_is_told() -> None:
    assert mistakes("train.fusion", "tensr", FUSIONS, 3) == [
        "train.fusion: no such method 'tensr'; did you mean 'tensor'?"
    ]
    assert mistakes("train.fusion", {"tensor": {"rnk": 2}}, FUSIONS, 3) == [
        "train.fusion.tensor.rnk: unknown option; did you mean 'rank'?"
    ]
    assert mistakes("train.fusion", {"tensor": {"rank": "2"}}, FUSIONS, 3) == [
        "train.fusion.tensor.rank: wanted a whole number, as 7, found '2'"
    ]
    assert mistakes("train.fusion", {}, FUSIONS, 3) == [
        "train.fusion: wanted one method, as 'concat' or {concat: {option: value}}, found 0"
    ]
    assert mistakes("train.fusion", {"tensor": {"rank": 2}}, FUSIONS, 3) == []
    assert mistakes("train.fusion", {"tensor": {"rank": 0}}, FUSIONS, 3) == [
        "train.fusion.tensor.rank: wanted at least 1, found 0"
    ]
    assert mistakes("train.fusion", {"weighted": {"weights": [1, 2]}}, FUSIONS, 3) == [
        "train.fusion.weighted: wanted 3 weights above 0, one for each input, found [1, 2]"
    ]
    assert mistakes("train.losses", {"mixup": {"alpha": 0}}, LOSSES, 3) == [
        "train.losses.mixup: wanted alpha above 0"
    ]
