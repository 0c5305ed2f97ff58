"""Every error says itself in another process, and stands in the drawn tree."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import modalmill
import pytest
from modalmill.schemas import errors
from modalmill.schemas.errors import (
    DamageError,
    MissingPackageError,
    ModalmillError,
    RecipeError,
    nearest,
)


def subclasses(cls: type[ModalmillError]) -> Iterator[type[ModalmillError]]:
    for one in cls.__subclasses__():
        yield one
        yield from subclasses(one)


def every_error() -> list[type[ModalmillError]]:
    for module in pkgutil.walk_packages(modalmill.__path__, "modalmill."):
        if (
            not module.name.startswith(
                ("modalmill.tests", "modalmill.benchmarks", "modalmill.build")
            )
            and module.name != "modalmill.__main__"
        ):
            importlib.import_module(module.name)
    return sorted(
        {one for one in subclasses(ModalmillError) if one.__module__.startswith("modalmill.")},
        key=lambda one: one.__name__,
    )


def test_every_error_is_in_the_tree() -> None:
    assert [
        one.__name__
        for one in every_error()
        if f"── {one.__name__} " not in (errors.__doc__ or "") and not one.__name__.startswith("_")
    ] == []


MADE = [
    MissingPackageError("torch", "train", "training"),
    RecipeError(["a: wrong", "b: wrong"], "here.yaml"),
    DamageError("broken", "it is broken"),
]


@pytest.mark.parametrize(
    "error",
    [
        *MADE,
        *(
            cls("what was wanted")
            for cls in subclasses(ModalmillError)
            if cls.__init__ is Exception.__init__
        ),
    ],
)
def test_an_error_comes_out_of_another_process_as_it_went_in(error: ModalmillError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("lr", "; did you mean 'learning_rate'?"),
        ("BS", "; did you mean 'batch_size'?"),
        ("epoch", "; did you mean 'epochs'?"),
        ("e", "; known are: batch_size, bias, epochs, learning_rate, losses"),
    ],
)
def test_the_nearest_word_may_be_the_one_whose_initials_it_is(word: str, told: str) -> None:
    assert nearest(word, ["losses", "learning_rate", "epochs", "batch_size", "bias"]) == told
